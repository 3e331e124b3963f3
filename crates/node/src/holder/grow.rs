//! Overflow: all buckets move into a table of larger capacity, as the next version of the same epoch.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::sync::Arc;

use tacit_blind::table::{Bucket, Change, Tag, TickError, grow_bucket};
use tacit_model::entropy::os_rng;

use super::Shared;
use super::build::store_buckets;
use super::changes::secrets_of;
use super::epoch::{Epoch, ListNow, Table};
use super::error::HolderError;
use super::sealing;
use crate::store;
use crate::store::holder::buckets;
use crate::store::holder::tables::{self, Stage, StoredTable, StoredVersion};

/// Buckets that are read, rewritten and stored together.
const TOGETHER: u32 = 256;

/// Grows the table of an epoch with all additions that wait; every label is sealed anew on the way. Removals wait for
/// the ticks after it, one per bucket: whether any does is returned.
pub(super) async fn grow(
    shared: &Shared,
    now: &Arc<ListNow>,
    epoch: &mut Epoch,
    changes: &[Change],
    records: &HashMap<Tag, u64>,
    upto: i64,
) -> Result<bool, HolderError> {
    let old = epoch.table.stored;
    let mut additions: BTreeMap<u32, Vec<(Tag, NonZeroU64)>> = BTreeMap::new();
    let mut removals = Vec::new();
    for change in changes {
        match *change {
            Change::Add { tag, reference } => {
                additions.entry(old.layout.bucket_of(&tag)).or_default().push((tag, reference));
            }
            Change::Remove { tag } => removals.extend(records.get(&tag).copied()),
            Change::Relabel { .. } => {}
        }
    }
    let added: usize = additions.values().map(Vec::len).sum();
    let fullest = additions.values().map(Vec::len).max().unwrap_or(0);
    // Every tag stays, fillers too.
    let needed = u64::from(old.layout.capacity()) + fullest as u64;
    let layout = old.layout.grown(u32::try_from(needed).unwrap_or(u32::MAX))?;
    let version = epoch.version.version + 1;
    let id = tables::begin(&mut *shared.db.write().await?, now.no, epoch.epoch, layout, upto).await?;
    let mut leaves = Vec::with_capacity(layout.buckets() as usize);
    for first in (0..layout.buckets()).step_by(TOGETHER as usize) {
        let numbers: Vec<u32> = (first..layout.buckets().min(first + TOGETHER)).collect();
        let buckets = buckets::some(&mut *shared.db.read().await?, &old, &numbers).await?;
        let entering: Vec<u64> = numbers
            .iter()
            .filter_map(|number| additions.get(number))
            .flatten()
            .map(|(_, reference)| reference.get())
            .collect();
        let entering =
            sealing::entries_of(&shared.db, epoch, now, &entering, shared.config.seal_threads).await?;
        let secrets = secrets_of(shared, now, epoch, &buckets, &entering).await?;
        let context = Arc::clone(&epoch.context);
        let wanted: HashMap<u32, Vec<(Tag, NonZeroU64)>> =
            numbers.iter().filter_map(|number| Some((*number, additions.get(number)?.clone()))).collect();
        let grown = tokio::task::spawn_blocking(move || {
            let (mut secrets, mut rng) = (secrets, os_rng());
            buckets
                .iter()
                .map(|bucket| {
                    let adding = wanted.get(&bucket.number()).map_or(&[][..], Vec::as_slice);
                    grow_bucket(layout, &context, bucket, adding, |id| secrets.remove(&id), &mut rng)
                })
                .collect::<Result<Vec<Bucket>, TickError>>()
        })
        .await??;
        leaves.extend(
            grown.iter().map(|bucket| (bucket.leaf(), u32::try_from(bucket.fillers()).unwrap_or(u32::MAX))),
        );
        store_buckets(shared, id, version, &grown).await?;
    }
    let stored = StoredTable { id, layout, applied_seq: upto, records: old.records + added as u64 };
    let table = Table::new(stored, &leaves)?;
    let signed = epoch.manifest(version, layout, table.tree.root(), &shared.signer)?;
    let next = StoredVersion {
        version,
        table: id,
        whole: true,
        note: signed.note().to_owned(),
        stage: Stage::Sealed,
        logged: None,
    };
    let mut conn = shared.db.write().await?;
    let mut tx = store::begin(&mut conn).await?;
    tables::set_live(&mut tx, &table.stored).await?;
    tables::set_deferred(&mut tx, id, &removals).await?;
    tables::add_version(&mut tx, now.no, epoch.epoch, &next).await?;
    tx.commit().await?;
    (epoch.table, epoch.version) = (table, next);
    metrics::counter!("tacit_holder_tables_grown_total").increment(1);
    Ok(!removals.is_empty())
}
