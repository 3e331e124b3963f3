//! `tacit db restore`: a backup in the place of a database.

use std::{io, net::TcpListener, path::PathBuf};

use serde_json::json;
use tacit_custodian::recovery::{RecoveredSeeds, open_seeds};
use tacit_identity::Role;
use tacit_store::{
    Inspector, StoreError,
    backup::{self, BackupError, Restore},
    file_of,
};

use super::{Common, Site, bar, manifest::Manifest, recovery};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `db restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The backup; FILE.json must stand beside it.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Secret half of the recovery key; needed when a custodian's seed files are missing.
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// Replace a database that holds more than the backup, or that is damaged; says what would be lost.
    #[arg(long)]
    force: bool,
    /// With --force: yes, that may be lost.
    #[arg(long, requires = "force")]
    yes: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { common, from, recovery_key, force, yes } = arguments;
    let site = Site::load(&common)?;
    let manifest = Manifest::read(&from)?;
    refuse_other(&site, &manifest)?;
    refuse_listening(&site)?;
    backup::refuse_in_use(&site.url, site.migrations).await?;
    let lost = lost(&site, &manifest).await?;
    if !(lost.is_empty() || force && yes) {
        return Err(refuse_loss(&lost, force));
    }
    let seeds = seeds(&site, &manifest, recovery_key)?;

    let restored = context.clock.now();
    let bar = bar(context, "put back", manifest.bytes);
    let hash = manifest.hash()?;
    let work = Restore {
        from: &from,
        hash: &hash,
        url: &site.url,
        migrations: site.migrations,
        restored_ms: restored.0,
        over_damage: force && yes,
    };
    // Seeds first: with them alone nothing is wrong, and a database without them does not start.
    if let Some(seeds) = &seeds {
        seeds.write()?;
    }
    let kept = backup::restore(work, &|bytes| bar.set_position(bytes)).await;
    bar.finish_and_clear();
    let kept = kept?;
    let files: Vec<_> = seeds.iter().flat_map(RecoveredSeeds::missing).collect();
    context.output.result(
        &json!({
            "restored": from, "made": manifest.made, "sizes": manifest.sizes, "kept": kept, "lost": lost,
            "seeds_written": files,
        }),
        || {
            let mut lines =
                vec![format!("The database of {} is as it was at {}.", site.member, manifest.made)];
            if let Some(kept) = &kept {
                lines.push(format!(
                    "The one that was there is kept as {}; remove it when all is well.",
                    kept.display()
                ));
            }
            lines.extend(files.iter().map(|path| format!("{} was written.", path.display())));
            lines.push(next(&site));
            lines.join("\n")
        },
    )?;
    Ok(Exit::Done)
}

/// What the operator does now.
fn next(site: &Site) -> String {
    match (&site.erasures, site.role) {
        (Some(journal), _) => {
            let mut text = "Now start it. It appends nothing until a quorum of the witnesses has confirmed its log; when \
                they know more of it than the backup holds, the log is sealed, and says so.\nWhat was erased since the \
                backup is erased again at the start, by the journal of erasures"
                .to_owned();
            if journal.exists() {
                text.push_str(&format!(" {}.", journal.display()));
            } else {
                text.push_str(&format!(
                    ". It is MISSING: put its newest copy at {} before the start.",
                    journal.display()
                ));
            }
            text
        }
        (None, Role::Custodian) => "Now start it. It answers permits again 120 s after the restore, once it has caught \
            up with the other witnesses. A list whose newest version is not in the backup comes back whole with its \
            next publication."
            .to_owned(),
        (None, _) => "Now start it. It answers permits again 120 s after the restore, once it has caught up with the \
            other witnesses; records and questions since the backup are to be entered again."
            .to_owned(),
    }
}

/// Refuses the backup of another member, of another kind of database, or of a newer program.
fn refuse_other(site: &Site, manifest: &Manifest) -> Result<(), Failure> {
    for (what, found, wanted) in [
        ("federation", manifest.federation.clone(), site.federation.to_string()),
        ("role", manifest.role.to_string(), site.role.to_string()),
        ("member", manifest.member.clone(), site.member.to_string()),
    ] {
        if found != wanted {
            return Err(Failure::usage(format!("this is the backup of another {what}"))
                .why(format!("it is of {what} {found}, the configuration is for {wanted}"))
                .next("name the backup and the configuration of the same member"));
        }
    }
    let wanted = if file_of(&site.url)?.is_some() { "sqlite" } else { "postgresql" };
    if manifest.database != wanted {
        return Err(Failure::usage("this is the backup of another kind of database")
            .why(format!("it is of {}, the configuration names {wanted}", manifest.database))
            .next("restore it under a configuration with the same kind of database"));
    }
    let migrator = site.migrations.sqlite;
    let newest = migrator.iter().map(|it| it.version).max().unwrap_or(0);
    if manifest.schema > newest {
        return Err(Failure::new(Exit::Refused, "the backup is newer than this program")
            .why(format!(
                "its schema is at version {}; this program knows versions up to {newest}",
                manifest.schema
            ))
            .next("use the version of tacit that made it, or a newer one"));
    }
    Ok(())
}

/// Something that listens where the role would is the role.
fn refuse_listening(site: &Site) -> Result<(), Failure> {
    match TcpListener::bind(site.listen) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let why = format!("somebody listens on {}, where the {} would", site.listen, site.role);
            Err(BackupError::InUse(why).into())
        }
        // Another machine's address, say: the role could not run here.
        _ => Ok(()),
    }
}

/// What is in the database and not in the backup, for people.
async fn lost(site: &Site, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let found = async {
        let Some(mut inspector) = Inspector::open(&site.url, site.migrations).await? else {
            return Ok(None);
        };
        let found = async { Ok((inspector.sizes().await?, inspector.tables().await?)) };
        let found = found.await;
        inspector.close().await;
        found.map(Some)
    };
    let (sizes, tables) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => {
            let error: StoreError = error;
            if error.is_io_failure() {
                return Ok(vec![format!("all of it: the database cannot be read ({error})")]);
            }
            return Err(error.into());
        }
    };
    let mut lost = Vec::new();
    for size in sizes {
        let kept = manifest.sizes.get(size.name).copied().unwrap_or(0);
        if size.value > kept {
            let what = match size.name {
                "log" => "records in the log",
                "cosigned" => "records that a quorum of witnesses stands behind",
                "witnessed" => "records of the log, verified",
                _ => "changes of own records",
            };
            lost.push(format!("{what}: {} here, {kept} in the backup", size.value));
        }
    }
    for table in tables {
        // The mark of an earlier restore is nothing to lose.
        if table.name == "witness_restored" {
            continue;
        }
        let kept = manifest.tables.get(&table.name).copied().unwrap_or(0);
        if table.rows > kept {
            lost.push(format!("rows of {}: {} here, {kept} in the backup", table.name, table.rows));
        }
    }
    Ok(lost)
}

fn refuse_loss(lost: &[String], force: bool) -> Failure {
    let next = if force {
        "if all of this may be lost, add --yes"
    } else {
        "back it up first (tacit db backup); if all of this may be lost, add --force --yes"
    };
    lost.iter().fold(
        Failure::new(Exit::Refused, "the database holds more than the backup").next(next),
        |failure, line| failure.note(format!("lost: {line}")),
    )
}

/// Of a custodian: the seeds of the backup, compared with the files. `None` without a recovery key, when all files are
/// there.
fn seeds(site: &Site, manifest: &Manifest, key: Option<PathBuf>) -> Result<Option<RecoveredSeeds>, Failure> {
    let Some(key) = key else {
        return match site.seeds.iter().find(|it| !it.file.exists()) {
            Some(missing) => Err(Failure::usage(format!("{} is missing", missing.file.display()))
                .why("it holds a seed of the pseudonym keys, which the backup has sealed")
                .next("name the secret half of the recovery key: --recovery-key FILE")),
            None => Ok(None),
        };
    };
    if site.role != Role::Custodian {
        return Err(Failure::usage("--recovery-key is for a custodian"));
    }
    let key = recovery::read_secret(&key)?;
    Ok(Some(open_seeds(&site.seeds, &site.federation, &site.member, &manifest.seeds()?, &key)?))
}
