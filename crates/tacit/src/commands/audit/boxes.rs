//! `tacit audit open`: an audit box is opened by two people, and each step is on record before it is taken.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_blind::audit_box::AuditorSecretKey;
use tacit_federation::run::read_seed;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Clock as _, Ulid};

use super::{Desk, Who, cases::case_files};
use crate::{
    cli::Context,
    commands::log::find::{Which, find},
    exit::{Exit, Failure},
    output::columns,
};

/// `tacit audit open ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// As the holder of the first box key: ask for the box behind a check.
    Request(Request),
    /// Show openings and how far they are.
    List(List),
    /// As the holder of the second box key: take off its layer and hand the rest to who asked.
    Approve(Approve),
    /// As the holder of the first box key, once it is approved: read and judge the box.
    Read(Read),
}

/// Arguments of `audit open request`.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// A record of a check, by index or id.
    record: Which,
    /// Why, for the second auditor. The coordinator reads it: name nobody.
    #[arg(long)]
    ground: String,
    /// The own signing key (a seed).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit open list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit open approve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    /// The opening.
    id: Ulid,
    /// The own signing key (a seed).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit open read`.
#[derive(Debug, clap::Args)]
pub(crate) struct Read {
    /// The opening.
    id: Ulid,
    /// The requester's list of case files, one number a line: a number that is not on it is a finding.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Request(arguments) => request(context, arguments).await,
        Command::List(arguments) => list(context, arguments).await,
        Command::Approve(arguments) => approve(context, arguments).await,
        Command::Read(arguments) => read(context, arguments).await,
    }
}

async fn request(context: &Context, arguments: Request) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let signing = signing_key(&arguments.key)?;
    let size = desk.remote.reader.checkpoint().await?.size();
    let entry = find(&desk.remote, arguments.record, size).await?;
    let record = entry.record.map_err(Failure::internal)?;
    let step = desk.auditor.request_opening(entry.index, record.id(), &arguments.ground, &signing).await?;
    let id = step.record.id.to_string();
    context.output.result(&json!({ "opening": id, "record": id, "index": step.record.index }), || {
        format!("opening {id} is on record; the second auditor approves it: tacit audit open approve {id}")
    })?;
    Ok(Exit::Done)
}

async fn list(context: &Context, arguments: List) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let openings = desk.auditor.openings().await?;
    let told: Vec<_> = openings
        .iter()
        .map(|it| {
            json!({
                "opening": it.id.to_string(), "step": it.step, "auditor": it.auditor, "second": it.second,
                "requester": it.requester, "about": it.about, "ground": it.ground,
                "requested": it.requested.to_rfc3339(),
            })
        })
        .collect();
    context.output.result(&json!({ "openings": told }), || {
        if openings.is_empty() {
            return "no audit box was asked for".to_owned();
        }
        let row = |it: &tacit_client::OpeningState| {
            vec![
                it.id.to_string(),
                it.step.clone(),
                it.auditor.clone(),
                it.requester.clone(),
                it.ground.clone(),
            ]
        };
        columns(&openings.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(Exit::Done)
}

async fn approve(context: &Context, arguments: Approve) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let (signing, key) = (signing_key(&arguments.key)?, box_key(&desk)?);
    let step = desk.auditor.approve_opening(arguments.id, &key, &signing).await?;
    let record = step.record.id.to_string();
    context.output.result(&json!({ "record": record, "index": step.record.index }), || {
        format!("approved, record {record}; who asked can read it now")
    })?;
    Ok(Exit::Done)
}

async fn read(context: &Context, arguments: Read) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let cases = arguments.cases.as_deref().map(case_files).transpose()?;
    let it = desk.auditor.open_approved(arguments.id, &box_key(&desk)?).await?;
    let (requester, about) = (it.requester.to_string(), it.about.id.to_string());
    let found = it.found(cases.as_ref());
    desk.keep(context.clock.now(), &found)?;
    let said: Vec<String> = found.into_iter().map(|it| it.text).collect();
    let opened = it.opened.as_ref();
    let value = json!({
        "about": about, "index": it.about.index, "requester": requester,
        "scheme": opened.map(|it| it.scheme()), "code": opened.map(|it| it.expose_code()),
        "case": opened.map(|it| it.case()), "officer": opened.map(|it| it.officer()), "findings": said,
    });
    context.output.result(&value, || {
        let claim = opened.map_or_else(
            || "the box cannot be read".to_owned(),
            |it| {
                format!("{} {}, case {}, officer {}", it.scheme(), it.expose_code(), it.case(), it.officer())
            },
        );
        let judged =
            if said.is_empty() { "it holds".to_owned() } else { format!("FINDING: {}", said.join("; ")) };
        format!("{requester} enrolled {claim}\n{judged}")
    })?;
    Ok(if said.is_empty() { Exit::Done } else { Exit::Trouble })
}

fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    Ok(SigningKey::from_seed(&*read_seed(path)?))
}

/// The own box key.
pub(super) fn box_key(desk: &Desk) -> Result<AuditorSecretKey, Failure> {
    let path = desk.remote.file.keys.audit_box.as_deref().ok_or_else(|| {
        Failure::usage("this auditor has no box key").next("name it in the configuration: keys.box")
    })?;
    Ok(AuditorSecretKey::derive(&*read_seed(path)?).0)
}
