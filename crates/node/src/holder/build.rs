//! Sealing a whole list: a new epoch with a fresh key, and its first version.

use std::sync::Arc;

use rand_core::Rng as _;
use tacit_blind::table::{Bucket, BucketStream, BuildError, Layout, SealContext, SealedRecord};
use tacit_model::{Millis, entropy::os_rng};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Shared;
use super::epoch::{Epoch, ListNow, Table};
use super::error::HolderError;
use super::sealing;
use super::secret::ListSecret;
use crate::store;
use crate::store::holder::epochs::{self, StoredEpoch};
use crate::store::holder::tables::{self, Stage, StoredTable, StoredVersion, TableId};
use crate::store::holder::{buckets, changes};

/// Bytes of buckets in one transaction.
const WRITE_BYTES: usize = 4 << 20;

/// When an epoch begins and ends, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) epoch: u64,
    pub(super) from: Millis,
    pub(super) until: Millis,
}

impl Period {
    /// The epoch that is sealed at `now`. Its number is that of the running period of `epoch_ms` since 1970, or the
    /// one after `newest`: a list that is sealed anew within a period gets ahead of the count.
    pub(super) fn starting_at(now: Millis, newest: Option<u64>, epoch_ms: u64) -> Self {
        let running = now.0 / epoch_ms;
        let epoch = running.max(newest.map_or(1, |newest| newest + 1));
        Self { epoch, from: now, until: Millis((running + 1) * epoch_ms) }
    }
}

/// Seals a list for a period, up to a version that is stored and not yet sent.
pub(super) async fn seal(shared: &Shared, now: &Arc<ListNow>, period: Period) -> Result<Epoch, HolderError> {
    let begun = std::time::Instant::now();
    let mut seed = Zeroizing::new([0_u8; 32]);
    os_rng().fill_bytes(seed.as_mut());
    let secret = Arc::new(ListSecret::derive(&seed, &now.list, period.epoch)?);
    let context = Arc::new(SealContext::new(&now.list, period.epoch));
    let stored = StoredEpoch {
        epoch: period.epoch,
        seed,
        from: period.from,
        until: period.until,
        rules: *now.rules.hash(),
        logged: None,
    };
    epochs::begin(&mut *shared.db.write().await?, now.no, &stored).await?;
    // What changes from here on is a change to the table, even if the records below show it already.
    let applied_seq = changes::newest(&mut *shared.db.read().await?).await?;
    let sealed =
        Arc::new(sealing::seal_all(&shared.db, &secret, &context, now, shared.config.seal_threads).await?);
    let mut layout = Layout::for_records(sealed.len() as u64)?;
    let (id, leaves) = loop {
        let id =
            tables::begin(&mut *shared.db.write().await?, now.no, period.epoch, layout, applied_seq).await?;
        match fill(shared, id, layout, Arc::clone(&sealed)).await? {
            Filled::All(leaves) => break (id, leaves),
            Filled::Overflow(entries) => {
                tables::set_dropped(&mut *shared.db.write().await?, id).await?;
                layout = layout.grown(u32::try_from(entries).unwrap_or(u32::MAX))?;
            }
        }
    };
    let stored_table = StoredTable { id, layout, applied_seq, records: sealed.len() as u64 };
    let table = Table::new(stored_table, &leaves)?;
    let mut epoch = Epoch {
        epoch: period.epoch,
        secret,
        context,
        from: period.from,
        until: period.until,
        rules: stored.rules,
        first_logged: None,
        table,
        version: StoredVersion {
            version: 1,
            table: id,
            whole: true,
            note: String::new(),
            stage: Stage::Sealed,
            logged: None,
        },
        logged: Vec::new(),
    };
    epoch.version.note =
        epoch.manifest(1, layout, epoch.table.tree.root(), &shared.signer)?.note().to_owned();
    let mut conn = shared.db.write().await?;
    let mut tx = store::begin(&mut conn).await?;
    tables::set_live(&mut tx, &epoch.table.stored).await?;
    tables::add_version(&mut tx, now.no, period.epoch, &epoch.version).await?;
    tx.commit().await?;
    metrics::histogram!("tacit_holder_seal_seconds").record(begun.elapsed().as_secs_f64());
    tracing::info!(
        list = %now.list,
        epoch = period.epoch,
        records = sealed.len(),
        buckets = layout.buckets(),
        capacity = layout.capacity(),
        "a list is sealed"
    );
    Ok(epoch)
}

/// Leaf and fillers of every bucket, or how many entries one bucket would need.
enum Filled {
    All(Vec<([u8; 32], u32)>),
    Overflow(usize),
}

/// Builds all buckets on one thread, and stores them some at a time.
async fn fill(
    shared: &Shared,
    table: TableId,
    layout: Layout,
    sealed: Arc<Vec<SealedRecord>>,
) -> Result<Filled, HolderError> {
    let together = (WRITE_BYTES / layout.bucket_bytes()).max(1);
    let (out, mut built) = mpsc::channel::<Vec<Bucket>>(2);
    let building = tokio::task::spawn_blocking(move || {
        let mut rng = os_rng();
        let mut leaves = Vec::with_capacity(layout.buckets() as usize);
        let mut part = Vec::with_capacity(together);
        for bucket in BucketStream::new(layout, sealed.iter().copied(), &mut rng) {
            let bucket = match bucket {
                Ok(bucket) => bucket,
                Err(BuildError::Overflow { entries, .. }) => return Ok(Filled::Overflow(entries)),
                Err(error) => return Err(HolderError::from(error)),
            };
            leaves.push((bucket.leaf(), u32::try_from(bucket.fillers()).unwrap_or(u32::MAX)));
            part.push(bucket);
            if part.len() == together && out.blocking_send(std::mem::take(&mut part)).is_err() {
                break;
            }
        }
        // A writer that went away has its own error to tell.
        let _ = out.blocking_send(part);
        Ok(Filled::All(leaves))
    });
    while let Some(buckets) = built.recv().await {
        store_buckets(shared, table, 1, &buckets).await?;
    }
    building.await?
}

/// Stores buckets in one transaction.
pub(super) async fn store_buckets(
    shared: &Shared,
    table: TableId,
    version: u64,
    buckets: &[Bucket],
) -> Result<(), HolderError> {
    let mut conn = shared.db.write().await?;
    let mut tx = store::begin(&mut conn).await?;
    buckets::put(&mut tx, table, version, buckets).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_the_number_of_its_day_and_never_one_that_was_used() {
        let day = 86_400_000;
        let noon = Millis(20_778 * day + day / 2);
        let first = Period::starting_at(noon, None, day);
        assert_eq!(first, Period { epoch: 20_778, from: noon, until: Millis(20_779 * day) });
        assert_eq!(Period::starting_at(noon, Some(20_777), day).epoch, 20_778);
        let again = Period::starting_at(noon, Some(20_778), day);
        assert_eq!(again, Period { epoch: 20_779, from: noon, until: Millis(20_779 * day) });
        // No epoch has the number 0, which means "the newest" in the log service.
        assert_eq!(Period::starting_at(Millis(5), None, day).epoch, 1);
    }
}
