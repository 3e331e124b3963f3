//! `tacit db backup`: a consistent copy, with a manifest beside it.

use std::path::PathBuf;

use serde_json::json;
use tacit_custodian::recovery::{RecoveryError, seal_seeds};
use tacit_identity::Role;
use tacit_model::entropy::os_rng;
use tacit_store::{Inspector, backup};

use super::{Common, Site, bar, beside, human, manifest::Manifest, missing, recovery, refuse_unknown, word};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `db backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The backup; FILE.json is written beside it. Both must be new, and belong to you alone afterwards.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Public half of a recovery key; needed for a custodian, whose seeds are sealed to it.
    #[arg(long, value_name = "PUBLIC_KEY_FILE")]
    seal_to: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { common, out, seal_to } = arguments;
    let site = Site::load(&common)?;
    for path in [&out, &Manifest::path_of(&out)] {
        if path.exists() {
            return Err(Failure::usage(format!("{} is there already", path.display()))
                .next("choose a new name; no backup is written over another one"));
        }
    }
    let seeds = match (site.role == Role::Custodian, seal_to) {
        (true, Some(key)) => {
            let key = recovery::read_public(&key)?;
            seal_seeds(&site.seeds, &site.federation, &site.member, &key, &mut os_rng())?
        }
        (false, None) => Vec::new(),
        (true, None) => {
            return Err(Failure::usage("a custodian is backed up with --seal-to only")
                .why("without its seeds every consent would be orphaned, and they are never in the clear in a backup")
                .next("tacit db recovery-key --out FILE, then name FILE.pub"));
        }
        (false, Some(_)) => {
            return Err(Failure::usage("--seal-to is for a custodian")
                .why(format!("a {} has no seeds of pseudonym keys", site.role)));
        }
    };
    let mut inspector = Inspector::open(&site.url, site.migrations).await?.ok_or_else(|| missing(&site))?;
    let (schema, bytes) = (inspector.schema().await, inspector.bytes().await);
    inspector.close().await;
    refuse_unknown(&schema?)?;

    let part = beside(&out, ".part");
    let made = context.clock.now();
    let bar = bar(context, "copied", bytes?);
    let copied = backup::copy(&site.url, site.migrations, &part, &|bytes| bar.set_position(bytes)).await;
    bar.finish_and_clear();
    let written = copied.map_err(Failure::from).and_then(|copied| {
        // Named only when it is whole; the manifest comes last, and without it nothing is restored.
        std::fs::rename(&part, &out)?;
        let manifest = Manifest::new(&site, made, &copied, &seeds);
        manifest.write(&out)?;
        let folder = out.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(".".as_ref());
        std::fs::File::open(folder).and_then(|it| it.sync_all())?;
        Ok((copied, manifest))
    });
    let (copied, manifest) = written.inspect_err(|_| {
        // What could not be finished is not left behind; the reason for that counts.
        let _ = std::fs::remove_file(&part);
        let _ = std::fs::remove_file(&out);
    })?;
    context.output.result(
        &json!({
            "backup": out, "manifest": Manifest::path_of(&out), "database": word(copied.dialect),
            "bytes": copied.bytes, "blake3": hex::encode(copied.hash), "schema": copied.schema,
            "made": manifest.made, "sizes": manifest.sizes, "sealed_seeds": seeds.len(),
        }),
        || {
            let mut text = format!(
                "{}: {}, schema {}, of {}\nIts manifest stands beside it; keep both together. It holds what the \
                 database holds: guard it in the same way.",
                out.display(),
                human(copied.bytes),
                copied.schema,
                manifest.made,
            );
            if !seeds.is_empty() {
                text.push_str("\nThe seeds are in the manifest, sealed: only the recovery key opens them.");
            }
            if let Some(path) = &site.erasures {
                text.push_str(&format!(
                    "\nThe journal of erasures is not in it: copy {} elsewhere too, newest over older.",
                    path.display()
                ));
            }
            text
        },
    )?;
    Ok(Exit::Done)
}

impl From<RecoveryError> for Failure {
    fn from(error: RecoveryError) -> Self {
        let next = match &error {
            RecoveryError::File(_) | RecoveryError::Form(_) => "correct the file that is named",
            RecoveryError::Key(_) => "tacit db recovery-key makes one",
            RecoveryError::NotOpened { .. } => "use the secret half of the key that the backup was sealed to",
            RecoveryError::NoSeed { .. } => "use a newer backup, or take the epoch out of the configuration",
            RecoveryError::OtherSeed { .. } => {
                "find out which is right: the registry's pseudonym keys tell; move the wrong file away"
            }
        };
        Self::usage("the custodian's seeds cannot be used").why(&error).next(next)
    }
}
