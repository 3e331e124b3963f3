//! `tacit agreement revoke`.

use std::path::PathBuf;

use serde_json::json;
use tacit_identity::write_public;
use tacit_model::{Millis, Ulid};
use tacit_policy::registry::{
    ended::AgreementEnd,
    entry::Entry,
    signed::{Signed, Signer},
};

use super::Common;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `agreement revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The agreement's id.
    #[arg(value_parser = crate::commands::registry::ulid)]
    agreement: Ulid,
    #[command(flatten)]
    common: Common,
    /// From when on it is over, as 2026-11-21T22:29:03.223Z; now without it.
    #[arg(long, value_name = "TIME")]
    at: Option<Millis>,
    /// The own signing key (a seed), when the configuration names none.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the signed ending is written, to be sent to the coordinator's operator and to the other party.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let (desk, known) = arguments.common.open().await?;
    let id = arguments.agreement;
    let agreement = known.registry.agreement(id).ok_or_else(|| {
        Failure::usage(format!("there is no agreement {id} in the registry"))
            .next("tacit registry show lists them")
    })?;
    if ![&agreement.holder, &agreement.requester].contains(&&desk.member) {
        return Err(Failure::new(Exit::Refused, format!("{} is no party of agreement {id}", desk.member))
            .why("only its holder or its requester can end it"));
    }
    let key = desk.signing_key(arguments.key.as_deref(), &known.registry)?;
    let ended_at = arguments.at.unwrap_or_else(|| context.clock.now());
    let ending = AgreementEnd { agreement: id, member: desk.member.clone(), ended_at };
    let signed = Signed::draft(&Entry::AgreementEnd(ending))?.sign(Signer { id: &desk.member, key: &key })?;
    // What the own node would not obey is told now.
    known.registry.ended_too(std::slice::from_ref(&signed))?;
    let own = desk.endings();
    if let Some(own) = &own {
        let mut text = match std::fs::read_to_string(own) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        text.push_str(&signed.to_line()?);
        text.push('\n');
        // In one piece, because the running node reads it at any time.
        write_public(own, text.as_bytes())?;
    }
    if let Some(out) = &arguments.out {
        write_public(out, &Signed::to_file(&[signed])?)?;
    }
    let at = ended_at.to_rfc3339();
    context.output.result(
        &json!({ "agreement": id.to_string(), "ended_at": at, "obeyed_by": own, "out": arguments.out }),
        || {
            let mut text = format!("Agreement {id} ends {at}.");
            if own.is_some() {
                text.push_str("\nThe own node obeys it within a second, whatever the registry says.");
            }
            if let Some(out) = &arguments.out {
                text.push_str(&format!("\nSend {} to the coordinator's operator.", out.display()));
            }
            text
        },
    )?;
    Ok(Exit::Done)
}
