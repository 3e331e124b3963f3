//! `tacit audit findings`: what was found, with what became of it, in a file of the auditor's own.

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tacit_client::{Finding, FindingStatus, Findings, FindingsError, Found};
use tacit_federation::config::{AuditorFile, Environment, RoleFile as _};
use tacit_model::{Clock as _, Millis, Reason, SystemClock};

use super::{Desk, Who};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// `tacit audit findings ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show findings.
    List(List),
    /// Say what became of one.
    Set(Set),
}

/// Arguments of `audit findings list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Only these.
    #[arg(long)]
    status: Option<Status>,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit findings set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The finding.
    id: String,
    /// What became of it.
    status: Status,
    /// Why.
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    who: Who,
}

/// How far a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Status {
    /// Nobody has said anything to it.
    Open,
    /// Its requester has explained it.
    Answered,
    /// It is settled.
    Closed,
}

impl From<Status> for FindingStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Open => Self::Open,
            Status::Answered => Self::Answered,
            Status::Closed => Self::Closed,
        }
    }
}

impl Desk {
    /// Keeps what was found in the auditor's file.
    pub(super) fn keep(&self, now: Millis, found: &[Found]) -> Result<(), Failure> {
        Findings::beside(&self.remote.file.checkpoint).keep(now, found).map_err(failed)?;
        Ok(())
    }
}

fn failed(error: FindingsError) -> Failure {
    match error {
        FindingsError::Unknown => Failure::trouble("there is no such finding").reason(Reason::NotFound),
        error => Failure::trouble("the findings cannot be read or kept").why(error),
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let of = |who: &Who| -> Result<Findings, Failure> {
        Ok(Findings::beside(&AuditorFile::load(&who.config, Environment::Read)?.checkpoint))
    };
    match command {
        Command::List(arguments) => {
            let all = of(&arguments.who)?.all().map_err(failed)?;
            let wanted = |it: &&Finding| arguments.status.is_none_or(|status| it.status == status.into());
            let found: Vec<&Finding> = all.iter().filter(wanted).collect();
            context.output.result(&json!({ "findings": found }), || {
                let row = |it: &&Finding| {
                    vec![
                        it.id.clone(),
                        it.status.as_str().to_owned(),
                        it.kind.clone(),
                        it.member.clone(),
                        it.text.clone(),
                    ]
                };
                if found.is_empty() {
                    return "nothing was found".to_owned();
                }
                columns(&found.iter().map(row).collect::<Vec<_>>())
            })?;
        }
        Command::Set(arguments) => {
            let (status, note) = (arguments.status.into(), &arguments.note);
            let set = of(&arguments.who)?.set(SystemClock.now(), &arguments.id, status, note);
            let finding = set.map_err(failed)?;
            context.output.result(&finding, || format!("{} is {}", finding.id, finding.status.as_str()))?;
        }
    }
    Ok(Exit::Done)
}
