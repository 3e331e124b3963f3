//! A log with a past: stored as a coordinator stores it, and exported as everybody reads it.

use std::fs;
use std::path::{Path, PathBuf};

use tacit_ledger::bundle;
use tacit_ledger::layout::{LogFile, VKEY, files_of};
use tacit_store::{Db, log::Log};

use super::BenchError;
use super::appends::{BATCH, append, entries, open, signer, writer};

/// Requests that wait at one time while the log is filled: each commit then has several thousand records.
const IN_FLIGHT: usize = 8;

/// Requests that are held in memory at a time.
const HELD: usize = 32;

/// The database of a log.
pub(super) struct Stored {
    db: Db,
    size: u64,
}

impl Stored {
    /// Writes a log of at least `records` records into `folder`: whole requests.
    pub(super) async fn fill(folder: &Path, records: u64) -> Result<Self, BenchError> {
        let db = open(&folder.join("stored.db")).await?;
        let (writer, _) = writer(&db).await?;
        let writers = [writer];
        let (mut due, mut size) = (records.div_ceil(BATCH as u64), 0);
        while due > 0 {
            let jobs = HELD.min(usize::try_from(due).unwrap_or(HELD));
            append(&writers, entries(jobs, BATCH)?, IN_FLIGHT).await?;
            due -= jobs as u64;
            size += (jobs * BATCH) as u64;
        }
        Ok(Self { db, size })
    }

    /// Number of records.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The log, opened anew: nothing of it is in memory.
    pub(super) async fn open(&self) -> Result<Log, BenchError> {
        let log = Log::open(&self.db, signer()?).await?;
        if log.head().size() == self.size { Ok(log) } else { Err(BenchError::Wrong("the log's size")) }
    }

    /// Writes the files of the log, as tlog-tiles has them, into a new folder below `folder`.
    pub(super) async fn export(&self, folder: &Path) -> Result<PathBuf, BenchError> {
        let (log, root) = (self.open().await?, folder.join("export"));
        let signer = signer()?;
        for file in files_of(self.size) {
            let bytes = match file {
                LogFile::Checkpoint => log.head().note().to_vec(),
                LogFile::Tile(id, width) => {
                    log.tile(id, width).await?.ok_or(BenchError::Wrong("a tile is missing"))?
                }
                LogFile::Entries(id, width) => {
                    let records = log.entries(id.first_entry(), width.into()).await?;
                    bundle::encode(&records).map_err(|_| BenchError::Wrong("a bundle"))?
                }
            };
            let path = root.join(file.path());
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, bytes)?;
        }
        fs::write(root.join(VKEY), format!("{}\n", signer.verifier()))?;
        Ok(root)
    }

    /// Ends it.
    pub(super) async fn close(self) {
        self.db.close().await;
    }
}
