//! The tick: changes of records become the next version of an epoch's table, with cover (protocol section 7).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use tacit_blind::table::{
    Bucket, Change, EntryKeys, Label, Layout, Tag, TickError, TickPlan, minimum_cover, plan_tick,
    rewrite_bucket,
};
use tacit_model::entropy::os_rng;

use super::Shared;
use super::epoch::{Epoch, ListNow};
use super::error::HolderError;
use super::grow;
use super::sealing::{self, Entry};
use crate::store;
use crate::store::holder::tables::{self, Stage, StoredVersion};
use crate::store::holder::{buckets, changes};

/// Most bytes of rewritten buckets in one version.
const CHANGES_BYTES: usize = 16 << 20;

/// A list with more changes than this part of its records (and [`MANY_AT_LEAST`]) is sealed anew.
const MANY_PART: u64 = 8;
const MANY_AT_LEAST: u64 = 256;

/// More ticks than this for what waits now, and the list is sealed anew.
const TICKS_MOST: usize = 6;

/// What a tick did with an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticked {
    /// Nothing had changed.
    Nothing,
    /// A version is stored and to be published; whether changes wait for the next tick.
    Version { deferred: bool },
    /// Too much for ticks: the list is to be sealed anew, with a new epoch.
    SealAnew,
}

/// What is to be done with a table.
struct Plan {
    /// In the order in which they are to be made.
    changes: Vec<Change>,
    /// The record of each changed tag.
    records: HashMap<Tag, u64>,
    /// Newest change that was looked at.
    upto: i64,
}

/// Makes the next version of an epoch's table out of what changed since the last one.
pub(super) async fn tick(
    shared: &Shared,
    now: &Arc<ListNow>,
    epoch: &mut Epoch,
    may_seal_anew: bool,
) -> Result<Ticked, HolderError> {
    let layout = epoch.table.layout();
    let stored = epoch.table.stored;
    let (ids, upto) = {
        let mut conn = shared.db.read().await?;
        let upto = changes::newest(&mut conn).await?;
        let deferred = tables::deferred(&mut conn, stored.id).await?;
        let many = (stored.records / MANY_PART).max(MANY_AT_LEAST);
        let fresh = changes::count_since(&mut conn, now.no, stored.applied_seq, many + 1).await?;
        if fresh == 0 && deferred.is_empty() {
            return Ok(Ticked::Nothing);
        }
        if fresh > many {
            // During an overlap it waits for the end: ticks would take longer.
            return Ok(if may_seal_anew { Ticked::SealAnew } else { Ticked::Nothing });
        }
        let mut ids = deferred;
        ids.extend(changes::since(&mut conn, now.no, stored.applied_seq, upto).await?);
        let mut seen = HashSet::with_capacity(ids.len());
        ids.retain(|id| seen.insert(*id));
        (ids, upto)
    };
    let changed = sealing::entries_of(&shared.db, epoch, now, &ids, shared.config.seal_threads).await?;
    let plan = plan(shared, epoch, &ids, &changed, upto).await?;
    if plan.changes.is_empty() {
        // What changed is not in the table and does not belong there: only noted as seen.
        let mut conn = shared.db.write().await?;
        let mut tx = store::begin(&mut conn).await?;
        epoch.table.stored.applied_seq = upto;
        tables::set_live(&mut tx, &epoch.table.stored).await?;
        tables::set_deferred(&mut tx, stored.id, &[]).await?;
        tx.commit().await?;
        return Ok(Ticked::Nothing);
    }
    let most = most_rewrites(layout);
    if may_seal_anew && (most == 0 || ticks_needed(layout, &plan.changes, most) > TICKS_MOST) {
        return Ok(Ticked::SealAnew);
    }
    let (first, mut waiting) = up_to(layout, &plan.changes, most.max(1));
    let planned = plan_tick(layout, first, |bucket| epoch.table.is_full(bucket), &mut os_rng());
    match planned {
        Ok(TickPlan { rewrites, deferred }) => {
            waiting.extend(deferred);
            // Rewriting a bucket seals its labels anew: a new label there waits for nothing.
            waiting.retain(|change| {
                !(matches!(change, Change::Relabel { .. })
                    && rewrites.contains_key(&layout.bucket_of(&change.tag())))
            });
            rewrite(shared, now, epoch, &rewrites, &changed, &plan, &waiting).await?;
            Ok(Ticked::Version { deferred: !waiting.is_empty() })
        }
        Err(TickError::Overflow { bucket, capacity }) => {
            tracing::info!(list = %now.list, epoch = epoch.epoch, bucket, capacity, "a bucket is full: all buckets grow");
            let waiting = grow::grow(shared, now, epoch, &plan.changes, &plan.records, plan.upto).await?;
            Ok(Ticked::Version { deferred: waiting })
        }
        Err(error) => Err(error.into()),
    }
}

/// Compares the records that changed with what is in the table.
async fn plan(
    shared: &Shared,
    epoch: &Epoch,
    ids: &[u64],
    changed: &HashMap<NonZeroU64, Entry>,
    upto: i64,
) -> Result<Plan, HolderError> {
    let layout = epoch.table.layout();
    let mut numbers: Vec<u32> = changed.values().map(|entry| layout.bucket_of(&entry.keys.tag())).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let present: HashSet<u64> = {
        let found = buckets::records(&mut *shared.db.read().await?, epoch.table.stored.id, &numbers).await?;
        found.into_iter().flat_map(|(_, records)| records).collect()
    };
    let mut plan = Plan { changes: Vec::new(), records: HashMap::new(), upto };
    for id in ids {
        let Some(entry) = NonZeroU64::new(*id).and_then(|id| changed.get(&id)) else { continue };
        let tag = entry.keys.tag();
        plan.changes.push(match (present.contains(id), entry.is_listed) {
            (false, false) => continue,
            (false, true) => Change::Add { tag, reference: entry.id },
            (true, false) => Change::Remove { tag },
            (true, true) => Change::Relabel { tag },
        });
        plan.records.insert(tag, *id);
    }
    Ok(plan)
}

/// Buckets that one version may rewrite; 0 when not even the cover fits.
fn most_rewrites(layout: Layout) -> usize {
    let fit = CHANGES_BYTES / layout.bucket_bytes();
    let cover = minimum_cover(layout) as usize;
    fit / cover * cover
}

/// How many ticks these changes take.
fn ticks_needed(layout: Layout, changes: &[Change], most: usize) -> usize {
    let mut of_bucket: HashMap<u32, usize> = HashMap::new();
    // New labels are sealed with whatever else happens to their bucket.
    for change in changes.iter().filter(|change| !matches!(change, Change::Relabel { .. })) {
        *of_bucket.entry(layout.bucket_of(&change.tag())).or_default() += 1;
    }
    let fullest = of_bucket.values().copied().max().unwrap_or(0);
    fullest.max(of_bucket.len().div_ceil(most.max(1)))
}

/// The changes that touch the first `most` buckets, and the others.
fn up_to(layout: Layout, changes: &[Change], most: usize) -> (Vec<Change>, Vec<Change>) {
    let mut touched = HashSet::new();
    changes.iter().copied().partition(|change| {
        let bucket = layout.bucket_of(&change.tag());
        touched.contains(&bucket) || (touched.len() < most && touched.insert(bucket))
    })
}

/// Rewrites the planned buckets, and stores them as the next version.
async fn rewrite(
    shared: &Shared,
    now: &Arc<ListNow>,
    epoch: &mut Epoch,
    rewrites: &BTreeMap<u32, Option<Change>>,
    changed: &HashMap<NonZeroU64, Entry>,
    plan: &Plan,
    waiting: &[Change],
) -> Result<(), HolderError> {
    let numbers: Vec<u32> = rewrites.keys().copied().collect();
    let old = buckets::some(&mut *shared.db.read().await?, &epoch.table.stored, &numbers).await?;
    let secrets = secrets_of(shared, now, epoch, &old, changed).await?;
    let (layout, context, planned) = (epoch.table.layout(), Arc::clone(&epoch.context), rewrites.clone());
    let new = tokio::task::spawn_blocking(move || {
        let (mut secrets, mut rng) = (secrets, os_rng());
        old.iter()
            .map(|bucket| {
                let change = planned.get(&bucket.number()).copied().flatten();
                rewrite_bucket(layout, &context, bucket, change, |id| secrets.remove(&id), &mut rng)
            })
            .collect::<Result<Vec<Bucket>, TickError>>()
    })
    .await??;

    let mut table = epoch.table.clone();
    table.update(&new)?;
    table.stored.applied_seq = plan.upto;
    for change in rewrites.values().flatten() {
        match change {
            Change::Add { .. } => table.stored.records += 1,
            Change::Remove { .. } => table.stored.records = table.stored.records.saturating_sub(1),
            Change::Relabel { .. } => {}
        }
    }
    let version = epoch.version.version + 1;
    let signed = epoch.manifest(version, layout, table.tree.root(), &shared.signer)?;
    let next = StoredVersion {
        version,
        table: table.stored.id,
        whole: false,
        note: signed.note().to_owned(),
        stage: Stage::Sealed,
        logged: None,
    };
    let deferred: Vec<u64> =
        waiting.iter().filter_map(|change| plan.records.get(&change.tag()).copied()).collect();
    let mut conn = shared.db.write().await?;
    let mut tx = store::begin(&mut conn).await?;
    buckets::put(&mut tx, table.stored.id, version, &new).await?;
    tables::set_live(&mut tx, &table.stored).await?;
    tables::set_deferred(&mut tx, table.stored.id, &deferred).await?;
    tables::add_version(&mut tx, now.no, epoch.epoch, &next).await?;
    tx.commit().await?;
    (epoch.table, epoch.version) = (table, next);
    metrics::counter!("tacit_holder_buckets_rewritten_total").increment(new.len() as u64);
    Ok(())
}

/// Keys and present labels of every record in these buckets, and of those that enter.
pub(super) async fn secrets_of(
    shared: &Shared,
    now: &Arc<ListNow>,
    epoch: &Epoch,
    buckets: &[Bucket],
    entering: &HashMap<NonZeroU64, Entry>,
) -> Result<HashMap<NonZeroU64, (EntryKeys, Label)>, HolderError> {
    let present = buckets.iter().flat_map(|bucket| bucket.references().iter().copied().filter(|id| *id != 0));
    let ids: Vec<u64> =
        present.filter(|id| NonZeroU64::new(*id).is_none_or(|id| !entering.contains_key(&id))).collect();
    let staying = sealing::entries_of(&shared.db, epoch, now, &ids, shared.config.seal_threads).await?;
    let mut secrets: HashMap<NonZeroU64, (EntryKeys, Label)> =
        staying.into_iter().map(|(id, entry)| (id, (entry.keys, entry.label))).collect();
    secrets.extend(entering.iter().map(|(id, entry)| (*id, (entry.keys.clone(), entry.label.clone()))));
    Ok(secrets)
}
