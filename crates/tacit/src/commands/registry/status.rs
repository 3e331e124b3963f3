//! `tacit registry status`.

use std::path::PathBuf;

use serde_json::json;
use tacit_coordinator::offers::Offers;
use tacit_identity::Role;

use super::{
    known::Desk,
    words::{needed, recovery},
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// Arguments of `registry status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration of the coordinator or of a member.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    if desk.role == Role::Coordinator {
        return versions(context, &desk, &desk.offers().await?).await;
    }
    let known = desk.newest(None).await?;
    let (number, hash) = (known.registry.number(), hex::encode(known.registry.hash()));
    let refused = desk.refused();
    let underway = desk.underway(&known.bytes)?;
    context.output.result(
        &json!({
            "member": desk.member, "number": number, "hash": hash,
            "issued_at": known.registry.issued_at().to_rfc3339(),
            "recovery": underway.as_ref().map(recovery), "refused": refused,
        }),
        || {
            let mut text = format!("{} uses version {number}, {hash}", desk.member);
            if let Some(underway) = &underway {
                text.push_str(&format!("\n{}", super::words::signed(underway)));
            }
            if let Some(refused) = &refused {
                text.push_str(&format!("\nREFUSED a newer one: {refused}"));
            }
            text
        },
    )?;
    Ok(if refused.is_some() { Exit::Trouble } else { Exit::Done })
}

/// One version at the coordinator.
struct Row {
    number: u64,
    state: String,
    since: Option<String>,
    index: Option<u64>,
    hash: String,
    recovery: Option<serde_json::Value>,
}

async fn versions(context: &Context, desk: &Desk, offers: &Offers) -> Result<Exit, Failure> {
    let in_force = offers.in_force().await?;
    let newest = in_force.as_ref().map_or(0, |version| version.number);
    let in_force = in_force.map(|version| version.hash);
    let mut all = Vec::new();
    for version in offers.all().await? {
        // What a pin of today would not let in any more is shown all the same.
        let underway = desk.underway(&version.bytes).ok().flatten();
        let state = match (version.since, &underway) {
            (Some(_), _) if in_force == Some(version.hash) => "in force".to_owned(),
            (Some(_), _) => "was in force".to_owned(),
            (None, _) if version.number < newest => "overtaken".to_owned(),
            (None, Some(underway)) => format!("waits for {}", needed(underway)),
            (None, None) => "waits for a quorum".to_owned(),
        };
        all.push(Row {
            number: version.number,
            state,
            since: version.since.map(|at| at.to_rfc3339()),
            index: Some(version.index),
            hash: hex::encode(version.hash),
            recovery: underway.as_ref().map(recovery),
        });
    }
    for file in offers.waiting().await? {
        let Ok(known) = desk.read(&file) else { continue };
        let underway = desk.underway(&file).ok().flatten();
        let state = match &underway {
            Some(underway) => format!("offered; waits for {}", needed(underway)),
            None => "offered".to_owned(),
        };
        all.push(Row {
            number: known.registry.number(),
            state,
            since: None,
            index: None,
            hash: hex::encode(known.registry.hash()),
            recovery: underway.as_ref().map(recovery),
        });
    }
    let mut rows = vec![["NUMBER", "STATE", "SINCE", "RECORD", "HASH"].map(str::to_owned).to_vec()];
    for Row { number, mut state, since, index, hash, recovery } in all {
        if context.output.is_json() {
            context.output.json_line(&json!({
                "number": number, "state": state, "since": since, "index": index, "hash": hash,
                "recovery": recovery,
            }))?;
        }
        if recovery.is_some() {
            state.push_str(" (recovery)");
        }
        let index = index.map(|index| index.to_string()).unwrap_or_default();
        rows.push(vec![number.to_string(), state, since.unwrap_or_default(), index, hash]);
    }
    context.output.line(&columns(&rows))?;
    Ok(Exit::Done)
}
