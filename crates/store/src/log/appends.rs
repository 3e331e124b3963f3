//! A log by itself: jobs of records, many in one commit.

use super::{Append, Log, Pending};
use crate::{GroupTx, GroupWork, Reads, StoreError};

/// A record as the log takes it: its id and its bytes.
pub type Entry = (String, Vec<u8>);

/// Appends and nothing else: no decisions, no openings. For what measures a log, or makes one long.
pub struct Appends {
    log: Log,
    pending: Option<Pending>,
}

impl std::fmt::Debug for Appends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appends").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Appends {
    /// To this log.
    #[must_use]
    pub fn to(log: Log) -> Self {
        Self { log, pending: None }
    }
}

impl GroupWork for Appends {
    type Job = Vec<Entry>;
    type Done = ();

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Vec<Entry>>) -> Result<Vec<()>, StoreError> {
        let mut reads = Reads::new(tx.dialect());
        let head = Log::read_head(&mut reads);
        let head = tx.fetch(reads).await?.take(head);
        let mut append: Append = self.log.begin(tx.begun().await?.0, &head).await?;
        let done = jobs.iter().map(|_| ()).collect();
        for (id, record) in jobs.into_iter().flatten() {
            append.push(id, record);
        }
        self.pending = Some(self.log.finish(tx.last(), &append)?);
        Ok(done)
    }

    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.log.publish(pending);
        }
    }

    fn failed(&mut self) {
        self.pending = None;
        self.log.forget();
    }
}
