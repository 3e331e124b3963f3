//! Removes what is no longer needed: expired permit uses, epochs whose overlap is over, replaced buckets.

use std::time::Duration;

use tacit_model::Millis;
use tacit_store::StoreError;
use tokio::sync::mpsc;

use super::Mirror;
use crate::store::{permits, tables};

/// How long the epoch before is kept: 70 s of overlap, the 60 s of a permit, and a margin.
const EPOCH_KEEP_MS: u64 = 140_000;
/// How long bytes that are no longer served stay, for answers under way.
const READING_MS: u64 = 130_000;
/// Removals between two waits, so that cleaning never holds the writer for long.
const REMOVALS_AT_ONCE: usize = 8;

/// Cleans for ever.
pub(crate) async fn run(
    mirror: Mirror,
    mut broken_off: mpsc::UnboundedReceiver<(tables::TableId, u64)>,
    every: Duration,
) {
    loop {
        tokio::time::sleep(every).await;
        // What is removed by a clock that is off does not come back with the right time.
        let Some(now) = mirror.0.witness.right_time() else { continue };
        let mut abandoned = Vec::new();
        while let Ok(upload) = broken_off.try_recv() {
            abandoned.push(upload);
        }
        if let Err(error) = mirror.clean(&abandoned, now).await {
            tracing::error!(%error, "cleaning failed");
        }
    }
}

impl Mirror {
    async fn clean(&self, abandoned: &[(tables::TableId, u64)], now: Millis) -> Result<(), StoreError> {
        permits::prune(&mut *self.0.db.write().await?, now).await?;
        for (table, version) in abandoned {
            tables::drop_version(&mut *self.0.db.write().await?, *table, *version, now).await?;
        }
        self.end_epochs(now).await?;
        let before = now.minus_ms(READING_MS);
        for _ in 0..REMOVALS_AT_ONCE {
            let mut conn = self.0.db.write().await?;
            let mut tx = tacit_store::begin(&mut conn).await?;
            let more = tables::remove_some(&mut tx, before).await?;
            tx.commit().await?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Stops serving epochs whose overlap is over.
    async fn end_epochs(&self, now: Millis) -> Result<(), StoreError> {
        for (list, epoch, _) in self.0.shelf.over(now, EPOCH_KEEP_MS) {
            let _one_at_a_time = self.0.locks.lock(&list, epoch).await;
            // It may have been replaced while we waited.
            let Some(served) = self.0.shelf.get(&list, epoch) else { continue };
            self.0.shelf.remove(&list, epoch);
            let mut conn = self.0.db.write().await?;
            let mut tx = tacit_store::begin(&mut conn).await?;
            tables::end_epoch(&mut tx, &list, epoch, now).await?;
            tables::drop_version(&mut tx, served.table, served.version, now).await?;
            tx.commit().await?;
            tracing::info!(%list, epoch, "an epoch is over");
        }
        Ok(())
    }
}
