//! From records to what a table says of them: the work that costs, spread over threads.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use tacit_blind::subject;
use tacit_blind::table::{EntryKeys, Label, SealContext, SealedRecord};
use tacit_model::entropy::os_rng;
use tacit_store::Db;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::epoch::{Epoch, ListNow};
use super::error::HolderError;
use super::secret::ListSecret;
use crate::records::Standing;
use crate::store::holder::records::{self, StoredRecord};

/// Records that are read and sealed together.
const PAGE: u32 = 4096;

/// Where a record's entry stands, what opens it, and what it says.
pub(super) struct Entry {
    pub(super) id: NonZeroU64,
    pub(super) keys: EntryKeys,
    pub(super) label: Label,
    /// Whether it is to be answered as listed today.
    pub(super) is_listed: bool,
}

/// Whether a record is to be answered as listed today.
fn is_listed(record: &StoredRecord, now: &ListNow) -> bool {
    matches!(now.rules.standing(&record.code, &record.facts, now.today), Standing::Listed { .. })
}

/// The entries of some records, in order.
fn entries(
    records: &[StoredRecord],
    secret: &ListSecret,
    context: &SealContext,
    now: &ListNow,
) -> Result<Vec<Entry>, HolderError> {
    let inputs = records
        .iter()
        .map(|record| subject::input(&now.scheme, &record.code))
        .collect::<Result<Vec<Zeroizing<Vec<u8>>>, _>>()?;
    let outputs = Zeroizing::new(secret.outputs(&inputs)?);
    let entry = |(record, out): (&StoredRecord, &[u8; 64])| Entry {
        id: record.id,
        keys: context.entry_keys(out),
        label: now.rules.label(&record.facts, record.reference),
        is_listed: is_listed(record, now),
    };
    Ok(records.iter().zip(outputs.iter()).map(entry).collect())
}

/// The entries of some records by their ids, computed on `threads` threads.
pub(super) async fn entries_of(
    db: &Db,
    epoch: &Epoch,
    now: &Arc<ListNow>,
    ids: &[u64],
    threads: usize,
) -> Result<HashMap<NonZeroU64, Entry>, HolderError> {
    let mut found = HashMap::with_capacity(ids.len());
    let mut tasks: JoinSet<Result<Vec<Entry>, HolderError>> = JoinSet::new();
    let part = ids.len().div_ceil(threads.max(1)).clamp(64, PAGE as usize);
    for ids in ids.chunks(part) {
        if tasks.len() >= threads {
            collect(tasks.join_next().await, &mut found)?;
        }
        let records = records::by_ids(&mut *db.read().await?, ids).await?;
        let (secret, context, now) = (Arc::clone(&epoch.secret), Arc::clone(&epoch.context), Arc::clone(now));
        tasks.spawn_blocking(move || entries(&records, &secret, &context, &now));
    }
    while !tasks.is_empty() {
        collect(tasks.join_next().await, &mut found)?;
    }
    Ok(found)
}

type Joined<T> = Option<Result<Result<Vec<T>, HolderError>, tokio::task::JoinError>>;

fn collect(joined: Joined<Entry>, into: &mut HashMap<NonZeroU64, Entry>) -> Result<(), HolderError> {
    if let Some(done) = joined {
        into.extend(done??.into_iter().map(|entry| (entry.id, entry)));
    }
    Ok(())
}

/// Seals every record of a list that is to be answered today; sorted by tag. 72 bytes per record.
pub(super) async fn seal_all(
    db: &Db,
    secret: &Arc<ListSecret>,
    context: &Arc<SealContext>,
    now: &Arc<ListNow>,
    threads: usize,
) -> Result<Vec<SealedRecord>, HolderError> {
    let mut sealed = Vec::new();
    let mut tasks: JoinSet<Result<Vec<SealedRecord>, HolderError>> = JoinSet::new();
    let mut after = 0;
    loop {
        let mut page = records::page(&mut *db.read().await?, now.no, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.get();
        page.retain(|record| is_listed(record, now));
        while tasks.len() >= threads {
            if let Some(done) = tasks.join_next().await {
                sealed.append(&mut done??);
            }
        }
        let (secret, context, now) = (Arc::clone(secret), Arc::clone(context), Arc::clone(now));
        tasks.spawn_blocking(move || {
            let mut rng = os_rng();
            let entries = entries(&page, &secret, &context, &now)?;
            let seal = |entry: Entry| SealedRecord {
                entry: context.seal(&entry.keys, &entry.label, &mut rng),
                reference: entry.id,
            };
            Ok(entries.into_iter().map(seal).collect())
        });
    }
    while let Some(done) = tasks.join_next().await {
        sealed.append(&mut done??);
    }
    tokio::task::spawn_blocking(move || {
        sealed.sort_unstable_by_key(|record| tacit_blind::table::Tag::of(&record.entry));
        sealed
    })
    .await
    .map_err(HolderError::from)
}
