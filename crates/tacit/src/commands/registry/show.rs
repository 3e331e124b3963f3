//! `tacit registry show`.

use std::path::PathBuf;

use serde_json::{Value, json};
use tacit_policy::{
    Registry,
    registry::{
        draft::{Draft, name},
        entry::Entry,
    },
};

use super::{
    known::{Desk, read},
    words::{needed, recovery, signed},
};
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
    let mut about = None;
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
            let underway = desk.underway(&bytes)?;
            if let Some(underway) = &underway {
                about = Some(recovery(underway));
            }
            let unfinished = underway.as_ref().filter(|underway| !underway.missing().is_empty());
            let heading = match unfinished {
                Some(underway) => format!("Version {}, which is not complete.", underway.number()),
                None => heading_of(&desk.read(&bytes)?.registry),
            };
            let heading = match &underway {
                Some(underway) => {
                    let (signed, needed) = (signed(underway), needed(underway));
                    format!("{heading}\n{signed}\nIt counts once {needed} cosigned its record.")
                }
                None => heading,
            };
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
    context
        .output
        .result(&json!({ "registry": heading, "recovery": about, "entries": values }), || lines.join("\n"))?;
    Ok(Exit::Done)
}

fn heading_of(registry: &Registry) -> String {
    format!(
        "Version {} of {}, issued {} by {}; hash {}",
        registry.number(),
        registry.federation(),
        registry.issued_at().to_rfc3339(),
        registry.coordinator(),
        hex::encode(registry.hash()),
    )
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
