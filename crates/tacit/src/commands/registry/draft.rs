//! `tacit registry draft`.

use std::path::{Path, PathBuf};

use serde_json::json;
use tacit_identity::write_public;
use tacit_model::{ListId, MemberId, Ulid, parse_ulid};
use tacit_policy::registry::{
    draft::{Draft, Put, name},
    signed::Signed,
};

use super::known::{Desk, read};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `registry draft`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The draft; begun from the version in force when it is not there yet.
    draft: PathBuf,
    /// The coordinator's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Add entries, signed by their owners; each takes the place of the one about the same thing. May be repeated.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Take a member out, with its lists, agreements and pseudonym keys. May be repeated.
    #[arg(long, value_name = "NAME")]
    remove_member: Vec<MemberId>,
    /// Take an agreement out, with its ending. May be repeated.
    #[arg(long, value_name = "ID", value_parser = ulid)]
    remove_agreement: Vec<Ulid>,
    /// Take a list out. May be repeated.
    #[arg(long, value_name = "HOLDER/NAME")]
    remove_list: Vec<ListId>,
}

/// A ULID on the command line.
pub(crate) fn ulid(text: &str) -> Result<Ulid, String> {
    parse_ulid(text).ok_or_else(|| "a ULID is wanted: 26 upper-case characters".to_owned())
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let mut draft = begin_or_read(&desk, &arguments.draft).await?;
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for id in &arguments.remove_member {
        removed.extend(found(draft.remove_member(id)?, id)?);
    }
    for id in &arguments.remove_agreement {
        removed.extend(found(draft.remove_agreement(*id)?, id)?);
    }
    for id in &arguments.remove_list {
        removed.extend(found(draft.remove_list(id)?, id)?);
    }
    for file in &arguments.add {
        for signed in Signed::read(&read(file)?)? {
            let name = name(&signed.entry("entry")?);
            added.push((name, draft.put(signed)?));
        }
    }
    write(&arguments.draft, &draft)?;
    let added: Vec<_> = added
        .into_iter()
        .map(|(name, put)| match put {
            Put::Added => format!("added: {name}"),
            Put::Replaced => format!("replaced: {name}"),
        })
        .collect();
    let changes: Vec<_> =
        added.into_iter().chain(removed.into_iter().map(|it| format!("removed: {it}"))).collect();
    context.output.result(
        &json!({ "draft": arguments.draft, "number": draft.number(), "changes": changes }),
        || {
            let path = arguments.draft.display();
            let mut text = format!("Draft of version {} in {path}.", draft.number());
            changes.iter().for_each(|change| text.push_str(&format!("\n  {change}")));
            text + "\nNobody has signed it: tacit registry publish signs it and hands it to the coordinator."
        },
    )?;
    Ok(Exit::Done)
}

fn found(removed: Vec<String>, id: impl std::fmt::Display) -> Result<Vec<String>, Failure> {
    if removed.is_empty() { Err(Failure::usage(format!("the draft has no `{id}`"))) } else { Ok(removed) }
}

/// The draft in a file, or a new one after the version in force.
pub(crate) async fn begin_or_read(desk: &Desk, path: &Path) -> Result<Draft, Failure> {
    let known = desk.newest(None).await?;
    if !path.exists() {
        return Ok(Draft::after(&known.bytes)?);
    }
    let draft = Draft::read(&read(path)?)?;
    if draft.number() <= known.registry.number() {
        return Err(Failure::usage(format!("{} is a draft of version {}", path.display(), draft.number()))
            .why(format!("version {} is in force already", known.registry.number()))
            .next("remove the file and draft again"));
    }
    Ok(draft)
}

/// Writes a draft.
pub(crate) fn write(path: &Path, draft: &Draft) -> Result<(), Failure> {
    write_public(path, &draft.to_file()?)
        .map_err(|error| Failure::trouble("the draft was not written").why(error))
}
