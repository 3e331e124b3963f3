//! `tacit audit findings`: what was found, with what became of it, in a file of the auditor's own.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tacit_federation::config::{AuditorFile, Environment, RoleFile as _};
use tacit_identity::{read_private, write_private};
use tacit_model::{Clock as _, Millis, SystemClock, entropy::os_rng, new_ulid};

use super::{Who, beside};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Nobody has said anything to it.
    Open,
    /// Its requester has explained it.
    Answered,
    /// It is settled.
    Closed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Closed => "closed",
        }
    }
}

/// What was found. It names no code, no case and no officer: those stay with whoever opened them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    /// ULID.
    id: String,
    /// When it was found.
    found: String,
    /// One word: alias, case, overdue, honey, signal, coverage.
    kind: String,
    /// Whom it is about.
    member: String,
    /// ULID or index of the record that shows it; empty without one.
    record: String,
    /// In words.
    text: String,
    /// How far it is.
    status: Status,
    /// What was said to it, each with its time.
    #[serde(default)]
    said: Vec<(String, Status, String)>,
}

/// The findings of an auditor, in one file, one a line.
#[derive(Debug)]
pub(super) struct Findings {
    path: PathBuf,
    all: Vec<Finding>,
}

impl Findings {
    /// Those of an auditor.
    pub(super) fn of(file: &AuditorFile) -> Result<Self, Failure> {
        Self::read(beside(&file.checkpoint, "findings.jsonl"))
    }

    fn read(path: PathBuf) -> Result<Self, Failure> {
        if !path.exists() {
            return Ok(Self { path, all: Vec::new() });
        }
        let bytes = read_private(&path).map_err(|error| unreadable(&path, error))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let all = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        Ok(Self { all: all.map_err(|error| unreadable(&path, error))?, path })
    }

    fn write(&self) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for finding in &self.all {
            serde_json::to_writer(&mut bytes, finding).map_err(Failure::internal)?;
            bytes.push(b'\n');
        }
        write_private(&self.path, &bytes)
            .map_err(|error| Failure::trouble("the findings cannot be written").why(error))
    }

    /// Keeps a finding, once: the same kind about the same member and record is the same finding. Whether it is new.
    pub(super) fn add(
        &mut self,
        now: Millis,
        kind: &str,
        member: &str,
        record: &str,
        text: String,
    ) -> Result<bool, Failure> {
        let known = |it: &Finding| it.kind == kind && it.member == member && it.record == record;
        if self.all.iter().any(known) {
            return Ok(false);
        }
        self.all.push(Finding {
            id: new_ulid(now, &mut os_rng()).to_string(),
            found: now.to_rfc3339(),
            kind: kind.to_owned(),
            member: member.to_owned(),
            record: record.to_owned(),
            text,
            status: Status::Open,
            said: Vec::new(),
        });
        self.write()?;
        Ok(true)
    }

    fn set(&mut self, now: Millis, id: &str, status: Status, note: &str) -> Result<&Finding, Failure> {
        let at = self.all.iter().position(|it| it.id == id);
        let at = at.ok_or_else(|| {
            Failure::trouble("there is no such finding").reason(tacit_model::Reason::NotFound)
        })?;
        let finding = &mut self.all[at];
        finding.status = status;
        finding.said.push((now.to_rfc3339(), status, note.to_owned()));
        self.write()?;
        Ok(&self.all[at])
    }
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::trouble(format!("{} cannot be read", path.display())).why(error)
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let load = |who: &Who| Findings::of(&AuditorFile::load(&who.config, Environment::Read)?);
    match command {
        Command::List(arguments) => {
            let findings = load(&arguments.who)?;
            let wanted = |it: &&Finding| arguments.status.is_none_or(|status| it.status == status);
            let found: Vec<&Finding> = findings.all.iter().filter(wanted).collect();
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
            let mut findings = load(&arguments.who)?;
            let now = SystemClock.now();
            let finding = findings.set(now, &arguments.id, arguments.status, &arguments.note)?.clone();
            context.output.result(&finding, || format!("{} is {}", finding.id, finding.status.as_str()))?;
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_kept_once_and_goes_its_way_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.checkpoint.findings.jsonl");
        let mut findings = Findings::read(path.clone()).unwrap();
        let now = Millis(1_795_300_143_223);
        assert!(findings.add(now, "alias", "procurement", "R1", "one".into()).unwrap());
        assert!(!findings.add(now, "alias", "procurement", "R1", "again".into()).unwrap());
        assert!(findings.add(now, "alias", "procurement", "R2", "two".into()).unwrap());
        let mut findings = Findings::read(path.clone()).unwrap();
        let id = findings.all[0].id.clone();
        findings.set(now, &id, Status::Answered, "explained").unwrap();
        findings.set(now, &id, Status::Closed, "").unwrap();
        assert!(findings.set(now, "nothing", Status::Closed, "").is_err());
        let again = Findings::read(path).unwrap();
        assert_eq!(again.all, findings.all);
        assert_eq!((again.all[0].status, again.all[0].said.len()), (Status::Closed, 2));
        assert_eq!(again.all[1].status, Status::Open);
    }
}
