//! `tacit list entry`: a list's entry in the registry, signed by its holder.

use std::path::PathBuf;

use serde_json::json;
use tacit_federation::drafts;
use tacit_identity::write_public;
use tacit_policy::registry::signed::{Signed, Signer};

use crate::{
    cli::Context,
    commands::registry::known::{Desk, read},
    exit::{Exit, Failure},
};

/// Arguments of `list entry`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The list's description as TOML, with the fields of a registry entry.
    description: PathBuf,
    /// The holder's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Where the signed entry is written, to be sent to the coordinator's operator.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let known = desk.newest(None).await?;
    let text = String::from_utf8_lossy(&read(&arguments.description)?).into_owned();
    let (list, signed) = drafts::list(&text)?;
    if list.id.holder() != desk.member.as_str() {
        return Err(Failure::usage(format!("{} is no list of {}", list.id, desk.member))
            .why("a holder can speak only for its own lists"));
    }
    let key = desk.signing_key(None, &known.registry)?;
    let signed = signed.sign(Signer { id: &desk.member, key: &key })?;
    write_public(&arguments.out, &Signed::to_file(&[signed])?)?;
    context.output.result(&json!({ "list": list.id, "entry": arguments.out }), || {
        format!("The entry of {} is signed, in {}.", list.id, arguments.out.display())
    })?;
    Ok(Exit::Done)
}
