//! `tacit audit case`: the case and the officer of a check, demanded from its requester and judged.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_client::{CaseAnswer, Demand};
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
pub(super) struct CaseList(BTreeSet<String>);

impl CaseList {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))?;
        Ok(Self(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
    }

    pub(super) fn has(&self, case: &str) -> bool {
        self.0.contains(case.trim())
    }
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
    let (cases, key) = (arguments.cases.as_deref().map(CaseList::read).transpose()?, box_key(&desk)?);
    let size = desk.remote.reader.checkpoint().await?.size();
    let mut findings = desk.findings()?;
    let now = context.clock.now();
    let (mut told, mut rows): (Vec<Value>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut wrong = 0;
    for demand in desk.auditor.demands().await? {
        let about = demand.about.parse().map_err(|_| Failure::internal("a demand names no record"))?;
        let entry = find(&desk.remote, Which::Id(about), size).await?;
        let matter = match entry.record.map_err(Failure::internal)? {
            Record::Access(it) => it.matter,
            Record::Refused(it) => it.matter,
            _ => return Err(Failure::internal("a demand is about no check")),
        };
        let answer = demand.judge(&matter, &key, now);
        let judged = judged(&answer, cases.as_ref());
        if let Some((kind, text)) = judged.finding {
            findings.add(now, kind, &demand.requester, &demand.about, text.to_owned())?;
            wrong += 1;
        }
        told.push(json!({
            "demand": demand.step.record.id.to_string(), "about": demand.about, "index": entry.index,
            "requester": demand.requester, "due": demand.due.to_rfc3339(),
            "answered": demand.answered.map(|at| at.to_rfc3339()), "state": judged.state,
            "case": judged.case, "officer": judged.officer, "finding": judged.finding.map(|(_, text)| text),
        }));
        rows.push(row(&demand, &judged));
    }
    context.output.result(&json!({ "demands": told }), || {
        if rows.is_empty() { "nothing was demanded".to_owned() } else { columns(&rows) }
    })?;
    Ok(if wrong == 0 { Exit::Done } else { Exit::Trouble })
}

/// What an answer shows.
struct Judged {
    state: &'static str,
    case: Option<String>,
    officer: Option<String>,
    finding: Option<(&'static str, &'static str)>,
}

fn judged(answer: &CaseAnswer, cases: Option<&CaseList>) -> Judged {
    let bare = |state, finding| Judged { state, case: None, officer: None, finding };
    match answer {
        CaseAnswer::Open => bare("open", None),
        CaseAnswer::Overdue => {
            bare("overdue", Some(("overdue", "the requester did not answer a demand in time")))
        }
        CaseAnswer::False(_) => bare("false", Some(("case", "the case evidence is not that of the check"))),
        CaseAnswer::Proven(it) => {
            let made_up = cases.is_some_and(|cases| !cases.has(&it.case));
            let finding = ("case", "the case number is not among the requester's case files");
            Judged {
                state: "proven",
                case: Some(it.case.clone()),
                officer: Some(it.officer.clone()),
                finding: made_up.then_some(finding),
            }
        }
    }
}

fn row(demand: &Demand, judged: &Judged) -> Vec<String> {
    vec![
        demand.step.record.id.to_string(),
        demand.requester.clone(),
        judged.state.to_owned(),
        judged.case.clone().unwrap_or_default(),
        judged.officer.clone().unwrap_or_default(),
        judged.finding.map_or_else(String::new, |(_, text)| format!("FINDING: {text}")),
    ]
}
