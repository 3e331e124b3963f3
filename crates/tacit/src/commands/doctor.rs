//! `tacit doctor`: is everything valid, reachable, in time, and the same everywhere?

mod authority;
mod checks;
mod gateway;
mod health;

use std::path::{Path, PathBuf};

use serde::Serialize;
use tacit_federation::config::{
    AuditorFile, AuthorityFile, CoordinatorFile, CustodianFile, Environment, FileKind, NodeFile, PortalFile,
    RoleFile as _, kind_of, role_of,
};
use tacit_identity::Role;

use super::up::configuration_files;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `tacit doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A check that is neither good nor bad, such as a party that does not run, is a warning. Exit code 1 when something is bad."
)]
pub(crate) struct Arguments {
    /// A folder that `tacit init` made, or single configuration files.
    #[arg(required = true)]
    places: Vec<PathBuf>,
    /// Do not connect to anybody: configuration and certificates only.
    #[arg(long)]
    offline: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Good,
    Warning,
    Bad,
}

/// One check.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    verdict: Verdict,
    /// Of which file or member.
    who: String,
    /// What was checked.
    what: &'static str,
    /// What was found.
    found: String,
    /// What to do, when it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All checks of one run.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn good(&mut self, who: &str, what: &'static str, found: impl Into<String>) {
        self.0.push(Finding {
            verdict: Verdict::Good,
            who: who.to_owned(),
            what,
            found: found.into(),
            next: None,
        });
    }

    pub(crate) fn bad(&mut self, who: &str, what: &'static str, found: impl std::fmt::Display, next: &str) {
        self.add(Verdict::Bad, who, what, found, next);
    }

    pub(crate) fn warn(&mut self, who: &str, what: &'static str, found: impl std::fmt::Display, next: &str) {
        self.add(Verdict::Warning, who, what, found, next);
    }

    fn add(
        &mut self,
        verdict: Verdict,
        who: &str,
        what: &'static str,
        found: impl std::fmt::Display,
        next: &str,
    ) {
        let found = tacit_model::LogText::new(&found.to_string()).to_string();
        self.0.push(Finding { verdict, who: who.to_owned(), what, found, next: Some(next.to_owned()) });
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|it| it.verdict == verdict).count()
    }
}

/// A configuration that could be read.
pub(crate) enum Loaded {
    Coordinator(Box<CoordinatorFile>),
    Custodian(Box<CustodianFile>),
    Node(Box<NodeFile>),
    Authority(Box<AuthorityFile>),
    Auditor(Box<AuditorFile>),
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for place in &arguments.places {
        if place.is_dir() {
            files.extend(configuration_files(place)?);
        } else {
            files.push(place.clone());
        }
    }
    if files.is_empty() {
        return Err(Failure::usage("there is no configuration to check"));
    }
    let mut findings = Findings::default();
    let mut loaded = Vec::new();
    for path in files {
        let who = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned());
        if kind_of(&path).is_ok_and(|kind| kind == FileKind::Portal) {
            portal(&who, &path, &mut findings);
            continue;
        }
        match load(&path) {
            Ok(file) => {
                findings.good(&who, "configuration", "readable, every key known");
                loaded.push((who, file));
            }
            Err(error) => {
                findings.bad(&who, "configuration", error, "correct the key; docs/samples shows every file")
            }
        }
    }
    context.block_on(async {
        for (who, file) in &loaded {
            checks::at_rest(context, who, file, &mut findings);
        }
        if !arguments.offline {
            for (who, file) in &loaded {
                checks::in_service(context, who, file, &mut findings).await;
            }
            checks::same_everywhere(context, &loaded, &mut findings).await;
        }
        Ok(())
    })?;
    tell(context, &findings)
}

/// A portal's file; its desks are as well as the interfaces behind them, which are looked at by themselves.
fn portal(who: &str, path: &Path, findings: &mut Findings) {
    match PortalFile::load(path, Environment::Ignored) {
        Ok(_) => findings.good(who, "configuration", "readable, every key known"),
        Err(error) => findings.bad(who, "configuration", error.to_string(), "correct the file"),
    }
}

fn load(path: &Path) -> Result<Loaded, tacit_federation::config::ConfigError> {
    let environment = Environment::Ignored;
    Ok(match role_of(path)? {
        Role::Coordinator => Loaded::Coordinator(Box::new(CoordinatorFile::load(path, environment)?)),
        Role::Custodian => Loaded::Custodian(Box::new(CustodianFile::load(path, environment)?)),
        Role::Node => Loaded::Node(Box::new(NodeFile::load(path, environment)?)),
        Role::Authority => Loaded::Authority(Box::new(AuthorityFile::load(path, environment)?)),
        Role::Auditor => Loaded::Auditor(Box::new(AuditorFile::load(path, environment)?)),
    })
}

fn tell(context: &Context, findings: &Findings) -> Result<Exit, Failure> {
    for finding in &findings.0 {
        context.output.result(finding, || {
            let word = match finding.verdict {
                Verdict::Good => "good   ",
                Verdict::Warning => "WARNING",
                Verdict::Bad => "BAD    ",
            };
            let mut text = format!("{word}  {:<18} {:<14} {}", finding.who, finding.what, finding.found);
            if let Some(next) = &finding.next {
                text.push_str(&format!("\n         do: {next}"));
            }
            text
        })?;
    }
    let (good, warnings, bad) =
        (findings.count(Verdict::Good), findings.count(Verdict::Warning), findings.count(Verdict::Bad));
    context.output.result(&serde_json::json!({ "good": good, "warnings": warnings, "bad": bad }), || {
        format!("{good} good, {warnings} warnings, {bad} bad")
    })?;
    Ok(if bad == 0 { Exit::Done } else { Exit::Trouble })
}
