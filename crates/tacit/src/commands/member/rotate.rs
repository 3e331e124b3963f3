//! `tacit member rotate`.

use std::path::PathBuf;

use serde_json::json;
use tacit_federation::run::{next_key_file, read_seed};
use tacit_identity::{write_private, write_public};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::entropy::os_rng;
use tacit_policy::{
    Ed25519Key,
    registry::{
        draft::{Draft, name},
        entry::Entry,
        signed::{Signed, Signer},
    },
};
use zeroize::Zeroizing;

use crate::{
    cli::Context,
    commands::registry::known::Desk,
    exit::{Exit, Failure},
};

/// Arguments of `member rotate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The member's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The file of the signing key, when the configuration names none. The new key goes to FILE.next.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The newest registry, when the configuration keeps none.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// Where the entries are written, to be sent to the coordinator's operator.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let known = desk.newest(arguments.registry.as_deref()).await?;
    let file = desk.key_file(arguments.key.as_deref())?;
    let old = desk.signing_key(arguments.key.as_deref(), &known.registry)?;
    let next = next_key_file(&file);
    if next.exists() && SigningKey::from_seed(&*read_seed(&next)?).verifying_key() == old.verifying_key() {
        // The last change is over: its key is the current one.
        std::fs::rename(&next, &file)?;
    }
    if !next.exists() {
        let mut seed = Zeroizing::new([0_u8; 32]);
        rand_core::Rng::fill_bytes(&mut os_rng(), seed.as_mut());
        let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*seed))));
        write_private(&next, text.as_bytes())?;
    }
    let new = SigningKey::from_seed(&*read_seed(&next)?);
    let signer = Signer { id: &desk.member, key: &new };
    let draft = Draft::after(&known.bytes)?;
    let mut again = Vec::new();
    let mut names = Vec::new();
    for (entry, signed) in draft.entries()? {
        let changed = match &entry {
            Entry::Member(it) if it.id == desk.member => {
                let mut member = it.clone();
                member.keys = member.keys.rotated(&member.id, &old, &new.verifying_key());
                Signed::draft(&Entry::Member(member))?.sign(signer)?
            }
            _ if signed.signers().any(|id| *id == desk.member) => signed.clone().sign_again(signer)?,
            _ => continue,
        };
        names.push(name(&entry));
        again.push(changed);
    }
    if again.is_empty() {
        return Err(Failure::usage(format!("the registry has no entry of {}", desk.member)));
    }
    write_public(&arguments.out, &Signed::to_file(&again)?)?;
    let public = Ed25519Key(new.verifying_key()).to_string();
    context.output.result(
        &json!({ "member": desk.member, "new_key": public, "key_file": next, "entries": names, "out": arguments.out }),
        || {
            format!(
                "The new signing key of {} is {public}, in {}; the old one signs for it.\n{} entries are signed again, in {}: \
                 the coordinator's operator adds them (tacit registry draft --add) and publishes.\nLeave both key files \
                 where they are: the new key is used once the registry shows it, without a restart.",
                desk.member,
                next.display(),
                names.len(),
                arguments.out.display(),
            )
        },
    )?;
    Ok(Exit::Done)
}
