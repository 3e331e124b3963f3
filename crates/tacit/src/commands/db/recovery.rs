//! `tacit db recovery-key`: the key that a custodian's seeds are sealed to in backups, and its two files.

use std::path::{Path, PathBuf};

use rand_core::Rng as _;
use serde_json::json;
use tacit_blind::recovery::{RecoveryPublicKey, RecoverySecretKey};
use tacit_identity::{read_private, write_private, write_public};
use tacit_model::entropy::os_rng;
use zeroize::Zeroizing;

use super::beside;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// First word of the secret file.
const SECRET: &str = "tacit-recovery-secret/v1";
/// First word of the public file.
const PUBLIC: &str = "tacit-recovery-public/v1";

/// Arguments of `db recovery-key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the secret half is written; the public half goes beside it, with .pub at the end.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let (secret, public) = (arguments.out.clone(), beside(&arguments.out, ".pub"));
    for path in [&secret, &public] {
        if path.exists() {
            return Err(Failure::usage(format!("{} is there already", path.display()))
                .why("a recovery key that is written over opens no backup any more")
                .next("choose another name"));
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    os_rng().fill_bytes(seed.as_mut());
    let key = RecoverySecretKey::derive(&seed);
    let digits = Zeroizing::new(hex::encode(*seed));
    write_private(&secret, Zeroizing::new(format!("{SECRET} {}\n", *digits)).as_bytes())?;
    write_public(&public, format!("{PUBLIC} {}\n", hex::encode(key.public().encode())).as_bytes())?;
    context.output.result(&json!({ "secret": secret, "public": public }), || {
        format!(
            "{} is what backups are sealed to (tacit db backup --seal-to).\n\
             {} opens them: keep it away from this machine and from the backups, in two places.\n\
             Whoever has it and a backup of the custodian can compute pseudonyms; without it the seeds in a\n\
             backup are lost.",
            public.display(),
            secret.display(),
        )
    })?;
    Ok(Exit::Done)
}

/// Reads the file with the public half.
pub(super) fn read_public(path: &Path) -> Result<RecoveryPublicKey, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| wrong(path, &error.to_string()))?;
    if text.starts_with(SECRET) {
        return Err(wrong(path, "this is the secret half; name the file that ends with .pub"));
    }
    let bytes = digits(&text, PUBLIC).ok_or_else(|| wrong(path, "it does not hold a public recovery key"))?;
    RecoveryPublicKey::decode(&bytes).map_err(|error| wrong(path, &error.to_string()))
}

/// Reads the file with the secret half.
pub(super) fn read_secret(path: &Path) -> Result<RecoverySecretKey, Failure> {
    let bytes = read_private(path).map_err(|error| wrong(path, &error.to_string()))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    if text.starts_with(PUBLIC) {
        return Err(wrong(path, "this is the public half; the secret one opens backups"));
    }
    let seed = digits(text, SECRET).ok_or_else(|| wrong(path, "it does not hold a secret recovery key"))?;
    Ok(RecoverySecretKey::derive(&seed))
}

fn digits(text: &str, word: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.strip_prefix(word)?.strip_prefix(' ')?.trim_end();
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, bytes.as_mut()).ok()?;
    Some(bytes)
}

fn wrong(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("{} cannot be used as a recovery key", path.display()))
        .why(why)
        .next("tacit db recovery-key makes one")
}
