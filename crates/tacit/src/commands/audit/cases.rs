//! `tacit audit case`: the case and the officer of a check, demanded from its requester and judged.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_client::{CaseAnswer, CaseFiles, Demand, Found};
use tacit_ledger::record::Record;
use tacit_model::Clock as _;

use super::{Desk, Who, boxes::box_key};
use crate::{
    cli::Context,
    commands::log::find::{Which, find},
    exit::{Exit, Failure},
    output::columns,
};

/// `tacit audit case ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Demand the case evidence of checks. Each demand is on record.
    Demand(DemandArguments),
    /// Show demands, judge what came, and keep what is wrong as findings.
    List(List),
}

/// Arguments of `audit case demand`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemandArguments {
    /// Records of checks, by index or id.
    #[arg(required = true)]
    records: Vec<Which>,
    /// How long the requester has, in seconds; three days unless it is said.
    #[arg(long, default_value_t = 259_200, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    within: u32,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit case list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The requesters' lists of case files, one number a line: a number that is not on it is a finding.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

/// Case files, as an agency hands them over on paper.
pub(super) fn case_files(path: &Path) -> Result<CaseFiles, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))?;
    Ok(CaseFiles::parse(&text))
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Demand(arguments) => demand(context, arguments).await,
        Command::List(arguments) => list(context, arguments).await,
    }
}

async fn demand(context: &Context, arguments: DemandArguments) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let size = desk.remote.reader.checkpoint().await?.size();
    for record in arguments.records {
        let entry = find(&desk.remote, record, size).await?;
        let step = desk.auditor.demand_case(entry.index, arguments.within).await?;
        let id = step.record.id.to_string();
        let value = json!({ "demand": id, "index": step.record.index, "about_index": entry.index });
        context.output.result(&value, || format!("demand {id} about record {} is on record", entry.index))?;
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, arguments: List) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let (cases, key) = (arguments.cases.as_deref().map(case_files).transpose()?, box_key(&desk)?);
    let size = desk.remote.reader.checkpoint().await?.size();
    let now = context.clock.now();
    let (mut told, mut rows): (Vec<Value>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for demand in desk.auditor.demands().await? {
        let about = demand.about.parse().map_err(|_| Failure::internal("a demand names no record"))?;
        let entry = find(&desk.remote, Which::Id(about), size).await?;
        let matter = match entry.record.map_err(Failure::internal)? {
            Record::Access(it) => it.matter,
            Record::Refused(it) => it.matter,
            _ => return Err(Failure::internal("a demand is about no check")),
        };
        let answer = demand.judge(&matter, &key, now);
        let judged = Judged::of(&answer, demand.found(&answer, cases.as_ref()));
        found.extend(judged.finding.clone());
        told.push(json!({
            "demand": demand.step.record.id.to_string(), "about": demand.about, "index": entry.index,
            "requester": demand.requester, "due": demand.due.to_rfc3339(),
            "answered": demand.answered.map(|at| at.to_rfc3339()), "state": judged.state,
            "case": judged.case, "officer": judged.officer, "finding": judged.finding.as_ref().map(|it| &it.text),
        }));
        rows.push(row(&demand, &judged));
    }
    desk.keep(now, &found)?;
    context.output.result(&json!({ "demands": told }), || {
        if rows.is_empty() { "nothing was demanded".to_owned() } else { columns(&rows) }
    })?;
    Ok(if found.is_empty() { Exit::Done } else { Exit::Trouble })
}

/// What an answer shows.
struct Judged {
    state: &'static str,
    case: Option<String>,
    officer: Option<String>,
    finding: Option<Found>,
}

impl Judged {
    fn of(answer: &CaseAnswer, finding: Option<Found>) -> Self {
        let (state, proven) = match answer {
            CaseAnswer::Open => ("open", None),
            CaseAnswer::Overdue => ("overdue", None),
            CaseAnswer::False(_) => ("false", None),
            CaseAnswer::Proven(it) => ("proven", Some(it)),
        };
        let (case, officer) = proven.map(|it| (it.case.clone(), it.officer.clone())).unzip();
        Self { state, case, officer, finding }
    }
}

fn row(demand: &Demand, judged: &Judged) -> Vec<String> {
    vec![
        demand.step.record.id.to_string(),
        demand.requester.clone(),
        judged.state.to_owned(),
        judged.case.clone().unwrap_or_default(),
        judged.officer.clone().unwrap_or_default(),
        judged.finding.as_ref().map_or_else(String::new, |it| format!("FINDING: {}", it.text)),
    ]
}
