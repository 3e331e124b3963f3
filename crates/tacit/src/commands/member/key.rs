//! `tacit member pseudonym-key`.

use std::path::PathBuf;

use serde_json::json;
use tacit_blind::oprf::PseudonymKey as Derived;
use tacit_federation::{
    config::{CustodianFile, Environment, RoleFile as _},
    found::PSEUDONYM_EPOCH,
    run::read_seed,
};
use tacit_identity::write_public;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::{
    PublicKey,
    registry::{
        entry::{Entry, PseudonymKey},
        signed::{Signed, Signer},
    },
};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `member pseudonym-key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The requester, or the consent authority.
    member: MemberId,
    /// The custodian's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The custodian's signing key (a seed).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The pseudonym epoch.
    #[arg(long, default_value_t = PSEUDONYM_EPOCH)]
    epoch: u32,
    /// Where the signed entry is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { member, config, key, epoch, out } = arguments;
    let file = CustodianFile::load(&config, Environment::Read)?;
    let seed = file.keys.pseudonym.iter().find(|seed| seed.epoch == epoch).ok_or_else(|| {
        Failure::usage(format!("keys.pseudonym: there is no seed of epoch {epoch}"))
            .next("name an epoch whose seed the configuration has")
    })?;
    let derived = Derived::derive(&*read_seed(&seed.seed)?, &member, epoch).map_err(Failure::internal)?;
    let public_key = PublicKey(*derived.public().as_bytes());
    let entry = Entry::PseudonymKey(PseudonymKey { requester: member.clone(), epoch, public_key });
    let signer = SigningKey::from_seed(&*read_seed(&key)?);
    let signed = Signed::draft(&entry)?.sign(Signer { id: &file.member, key: &signer })?;
    write_public(&out, &Signed::to_file(&[signed])?)?;
    context.output.result(
        &json!({ "member": member, "epoch": epoch, "public_key": public_key.to_string(), "entry": out }),
        || {
            format!(
                "The pseudonym key of {member}, epoch {epoch}, is in {}; the coordinator takes it in.",
                out.display()
            )
        },
    )?;
    Ok(Exit::Done)
}
