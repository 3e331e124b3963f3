//! Readings of pseudonyms by consent authorities and auditors: counted by the day, and each a record before it is answered.

use tacit_ledger::record;
use tacit_model::{MemberId, Reason};
use tacit_store::StoreError;

use super::{Commit, Done};
use crate::store::reads;

impl Commit<'_> {
    /// Counts a reading against the reader's limit of the day, and records it. Exact, because one writer does this.
    pub(super) async fn reading(
        &mut self,
        reader: &MemberId,
        pseudonyms: u64,
        per_day: Option<u64>,
    ) -> Result<Done, StoreError> {
        if let Some(per_day) = per_day {
            let day = self.now.utc_day();
            let read = reads::of_day(self.conn, reader, day).await?;
            if pseudonyms > per_day.saturating_sub(read) {
                metrics::counter!("tacit_coordinator_reads_refused_total").increment(1);
                tracing::warn!(%reader, pseudonyms, read, "a reader has read as many pseudonyms today as it may");
                return Ok(Done::Refused(Reason::QuotaReads));
            }
            reads::add(self.conn, reader, day, pseudonyms).await?;
        }
        let id = self.ulid().to_string();
        let from = self.append.end();
        let (record, _) = self.push(record::Audit {
            id,
            time_ms: self.now.0,
            reader: reader.to_string(),
            pseudonyms,
            from,
        })?;
        Ok(Done::Logged(record))
    }
}
