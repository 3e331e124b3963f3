//! `tacit registry show`.

use std::path::PathBuf;

use serde_json::{Value, json};
use tacit_policy::registry::{
    draft::{Draft, name},
    entry::Entry,
};

use super::known::{Desk, read};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `registry show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A signed version or a draft; the version in use here without it.
    file: Option<PathBuf>,
    /// The configuration of the coordinator or of a member: its pins check the signatures.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let (bytes, draft) = match &arguments.file {
        None => (desk.newest(None).await?.bytes, None),
        Some(file) => {
            let bytes = read(file)?;
            let draft = Draft::read(&bytes).ok();
            (bytes, draft)
        }
    };
    let (draft, heading) = match draft {
        Some(draft) => {
            let heading = format!(
                "Draft of version {} of {}; nobody has signed it.",
                draft.number(),
                draft.federation()
            );
            (draft, heading)
        }
        None => {
            let known = desk.read(&bytes)?;
            let registry = &known.registry;
            let heading = format!(
                "Version {} of {}, issued {} by {}; hash {}",
                registry.number(),
                registry.federation(),
                registry.issued_at().to_rfc3339(),
                registry.coordinator(),
                hex::encode(registry.hash()),
            );
            // The same entries; the number after it is not shown.
            (Draft::after(&bytes)?, heading)
        }
    };
    let mut lines = vec![heading.clone()];
    let mut values: Vec<Value> = Vec::new();
    for (entry, signed) in draft.entries()? {
        let signers: Vec<&str> = signed.signers().map(|id| id.as_str()).collect();
        values.push(json!({ "entry": name(&entry), "signed_by": signers }));
        lines.push(format!("  {}", in_words(&entry)));
    }
    context.output.result(&json!({ "registry": heading, "entries": values }), || lines.join("\n"))?;
    Ok(Exit::Done)
}

fn in_words(entry: &Entry) -> String {
    let head = name(entry);
    match entry {
        Entry::Member(it) => {
            let roles: Vec<_> = it.roles.iter().map(|role| role.as_str()).collect();
            let changed = match it.keys.changes.len() {
                0 => String::new(),
                n => format!(", changed {n} times since {}", it.keys.first()),
            };
            format!("{head}: {} ({}); key {}{changed}", it.title, roles.join(", "), it.keys.signing)
        }
        Entry::Act(it) => format!("{head}: {} ({}, {})", it.title, it.rank, it.published),
        Entry::Rule(it) => format!("{head}: {}", it.title),
        Entry::List(it) => format!("{head}: {}", it.title),
        Entry::Purpose(it) => format!("{head}: {}", it.title),
        Entry::Scheme(it) => format!("{head}: {}", it.title),
        Entry::Category(it) => format!("{head}: {}", it.title),
        Entry::Agreement(it) => {
            let purposes: Vec<_> = it.purposes.iter().map(|code| code.as_str()).collect();
            format!("{head}: for {}, until {}", purposes.join(", "), it.valid_until.to_rfc3339())
        }
        Entry::PseudonymKey(_) => head,
        Entry::AgreementEnd(it) => format!("{head}: from {}", it.ended_at.to_rfc3339()),
    }
}
