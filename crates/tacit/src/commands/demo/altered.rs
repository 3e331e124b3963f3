//! Step 10: somebody who owns the coordinator's disk, and even its key, changes one record.
//!
//! It is done to a copy of the coordinator's database, in the file itself, below SQLite; a second coordinator with the
//! same certificate and keys serves the copy, and everything after that is the product's ordinary verification.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde_json::json;
use tacit_client::{ClientError, LogFinding};
use tacit_federation::{
    config::{AuditorFile, CoordinatorFile, Environment, RoleFile as _},
    connect,
    run::{DRAIN, read_seed},
};
use tacit_ledger::{
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    ed25519::SigningKey,
    merkle::{Frontier, leaf_hash},
    note::NoteSigner,
};
use tacit_store::Db;

use super::{
    AUDITOR, COORDINATOR, Walk,
    narrator::{Tone, count},
    report::Step,
};
use crate::{cli::Context, exit::Failure, parties::DEADLINES};

/// Folder of the copy.
const FOLDER: &str = "altered";
/// Configuration of the coordinator that serves the copy.
const CONFIG: &str = "altered.toml";
/// Where the digits of an RFC 3339 time stand that can be one higher: seconds, then parts of them. The permit's end,
/// which stands in the record too, does not contradict that.
const DIGITS: [usize; 4] = [18, 20, 21, 22];

/// A copy of the coordinator's database with a configuration to serve it. Removed when dropped.
struct Copy {
    folder: PathBuf,
    config: PathBuf,
    database: PathBuf,
    endpoint: String,
}

impl Copy {
    async fn of(walk: &Walk<'_>) -> Result<Self, Failure> {
        let config = walk.stage.config(COORDINATOR);
        let original = CoordinatorFile::load(&config, Environment::Ignored)?;
        let at = walk.stage.free_address()?;
        let folder = walk.stage.folder.join(FOLDER);
        let copy = Self {
            config: walk.stage.folder.join(CONFIG),
            database: folder.join("coordinator.db"),
            endpoint: format!("https://{at}"),
            folder,
        };
        DirBuilder::new().mode(0o700).create(&copy.folder)?;
        let text: String = std::fs::read_to_string(&config)?
            .lines()
            .map(|line| match line.split_once(" = ") {
                Some(("listen", _)) => format!("listen = \"{at}\"\n"),
                Some(("database", _)) => format!("database = \"sqlite:{FOLDER}/coordinator.db\"\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        std::fs::write(&copy.config, text)?;
        let db =
            Db::open(&original.database, &tacit_coordinator::MIGRATIONS).await.map_err(Failure::internal)?;
        let copied = db.copy_to(&copy.database).await;
        db.close().await;
        copied.map_err(Failure::internal)?;
        Ok(copy)
    }

    /// Changes one byte of a record in the database file. SQLite may have left the same bytes in unused space of a
    /// page: they are changed too, so that it does not matter which ones count.
    fn alter(&self, record: &[u8], place: usize, byte: u8) -> Result<(), Failure> {
        let content = std::fs::read(&self.database)?;
        let starts: Vec<usize> = memmem::find_iter(&content, record).collect();
        if starts.is_empty() {
            return Err(Failure::internal("the record does not stand in the copy"));
        }
        let mut file = OpenOptions::new().write(true).open(&self.database)?;
        for start in starts {
            file.seek(SeekFrom::Start((start + place) as u64))?;
            file.write_all(&[byte])?;
        }
        file.sync_all()?;
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let removed = std::fs::remove_file(&self.config).and(std::fs::remove_dir_all(&self.folder));
        if let Err(error) = removed {
            tracing::warn!(%error, "the altered copy could not be removed");
        }
    }
}

/// One digit of a record's time, one higher: a well-formed record that says something else.
struct Change {
    place: usize,
    byte: u8,
    before: String,
    after: String,
}

impl Change {
    fn of(record: &[u8]) -> Result<Self, Failure> {
        let none = || Failure::internal("the record has no time that can be changed");
        let start = memmem::find(record, b"\ntime ").ok_or_else(none)? + 6;
        let time = record.get(start..start + 24).ok_or_else(none)?;
        let digit =
            DIGITS.into_iter().find(|at| matches!(time.get(*at), Some(b'0'..=b'8'))).ok_or_else(none)?;
        let mut after = time.to_vec();
        after[digit] += 1;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { place: start + digit, byte: after[digit], before: text(time), after: text(&after) })
    }
}

pub(super) async fn run(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("A record is altered");
    let index = walk.cast.hit_record.ok_or_else(|| Failure::internal("the hit has no record"))?;
    let kept = walk.auditor.checkpoint().await?;
    let mut records = Vec::new();
    walk.auditor
        .entries(0, kept.size(), |entry| -> Result<(), ClientError> {
            records.push(entry.bytes.to_vec());
            Ok(())
        })
        .await?;
    let record = usize::try_from(index).ok().and_then(|index| records.get_mut(index));
    let record = record.ok_or_else(|| Failure::internal("the hit's record is not in the log"))?;
    let change = Change::of(record)?;
    walk.narrator.say(&format!(
        "Somebody who owns the coordinator's disk changes the time of record {index}, the question about bidder A: one \
         byte. It is done here to a copy of the database, and a coordinator with all the real keys serves it."
    ));
    walk.narrator.gap();
    walk.narrator.value("before", &format!("time {}", change.before));
    walk.narrator.value("after", &format!("time {}", change.after));

    let copy = Copy::of(walk).await?;
    let role = walk.stage.start_file(&copy.config).await?;
    copy.alter(record, change.place, change.byte)?;
    let finding = verify(walk.context, &walk.stage.config(AUDITOR), &copy.endpoint).await?;
    let detected = matches!(finding, Some(LogFinding::OtherRoot { .. }));
    let said = finding.map_or_else(|| "nothing was found".to_owned(), |finding| finding.to_string());
    walk.narrator.verdict("auditor", Tone::Stopped, "FAILS:", &said);
    role.stop(DRAIN).await?;

    // A coordinator that starts on it finds the change itself.
    let restarted = walk.stage.start_file(&copy.config).await;
    let refusal = match restarted {
        Ok(role) => {
            role.stop(DRAIN).await?;
            None
        }
        Err(failure) => Some(failure.why.unwrap_or(failure.what)),
    };
    walk.narrator.verdict("restart", Tone::Stopped, "REFUSED:", refusal.as_deref().unwrap_or("it started"));

    if let Some(byte) = record.get_mut(change.place) {
        *byte = change.byte;
    }
    let forked = forge(walk, &records)?.verify_extends(&kept, &[]);
    walk.narrator.verdict(
        "re-signed",
        Tone::Stopped,
        "FAILS:",
        &format!(
            "with the coordinator's key the altered log can be signed anew. But the auditor keeps the signed root of \
             {} records, and so do the custodian and both holders: {}",
            count(kept.size()),
            forked.as_ref().map_or_else(ToString::to_string, |()| "nothing was found".to_owned()),
        ),
    );
    walk.narrator.say("The copy is removed. The real log was not touched.");
    let outcome = if detected && refusal.is_some() && forked.is_err() { "detected" } else { "missed" };
    let facts = json!({
        "record": index, "auditor": said, "restart": refusal,
        "re_signed": forked.err().map(|error| error.to_string()),
    });
    Ok(Step::of("altered_record", "detected", outcome, facts))
}

/// The auditor's verification of the log that is served at `endpoint`.
async fn verify(context: &Context, config: &Path, endpoint: &str) -> Result<Option<LogFinding>, Failure> {
    let mut file = AuditorFile::load(config, Environment::Ignored)?;
    endpoint.clone_into(&mut file.coordinator.endpoint);
    let reader = connect::auditor(&file, &context.clock, DEADLINES)?;
    match reader.verify(|_, _| ()).await {
        Ok(_) => Ok(None),
        Err(LogFinding::Client(error)) => Err(error.into()),
        Err(finding) => Ok(Some(finding)),
    }
}

/// The tree over altered records, signed with the coordinator's own key.
fn forge(walk: &Walk<'_>, records: &[Vec<u8>]) -> Result<VerifiedCheckpoint, Failure> {
    let file = CoordinatorFile::load(&walk.stage.config(COORDINATOR), Environment::Ignored)?;
    let seed = read_seed(&file.keys.log).map_err(Failure::internal)?;
    let key = SigningKey::from_seed(&seed);
    let name = walk.log_key.name();
    let signer = NoteSigner::new(name, key).map_err(Failure::internal)?;
    let mut frontier = Frontier::new();
    records.iter().for_each(|record| frontier.push(leaf_hash(record)));
    let checkpoint = Checkpoint { origin: name.to_owned(), size: frontier.size(), root: frontier.root() };
    let forged = checkpoint.sign(&signer).map_err(Failure::internal)?;
    // It is a good signature: that alone proves nothing about the records.
    VerifiedCheckpoint::open(forged.note(), &walk.log_key).map_err(Failure::internal)
}
