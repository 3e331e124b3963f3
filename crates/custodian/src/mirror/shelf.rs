//! The tables that are served: in memory only what proofs and look-ups need, the bytes stay in the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tacit_blind::table::{Layout, Manifest, TableTree};
use tacit_ledger::note::Note;
use tacit_model::{ListId, Millis};
use tacit_store::{Conn, StoreError};
use tokio::sync::watch;

use crate::store::tables::{self, BucketPlace, HeldVersion, Slot, TableId};

/// One version of one table, as it is served. About 72 bytes per bucket.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) table: TableId,
    pub(crate) version: u64,
    pub(crate) note_hash: [u8; 32],
    pub(crate) layout: Layout,
    /// The public key of list and epoch.
    pub(crate) key: [u8; 32],
    /// Since when this epoch is served.
    pub(crate) since: Millis,
    pub(crate) tree: TableTree,
    /// Where each bucket is.
    pub(crate) slots: Vec<Slot>,
}

impl Served {
    /// A staged table as it will be served from `since` on, all its buckets read back from the database.
    pub(crate) async fn whole(
        conn: &mut Conn,
        held: &HeldVersion,
        since: Millis,
    ) -> Result<Self, StoreError> {
        let manifest = manifest_of(held)?;
        let buckets = manifest.layout.buckets() as usize;
        let (mut slots, mut leaves) = (vec![None; buckets], vec![[0; 32]; buckets]);
        for place in tables::places(conn, held.table, held.version, false).await? {
            let number = place.number as usize;
            if number >= buckets {
                return Err(StoreError::corrupt("bucket", "number", place.slot, "is not in the table"));
            }
            (slots[number], leaves[number]) = (Some(place.slot), place.leaf);
        }
        let slots: Option<Vec<Slot>> = slots.into_iter().collect();
        let missing =
            || StoreError::corrupt("bucket", "number", held.table, "a bucket of the table is missing");
        let tree = TableTree::new(&leaves).map_err(|_| missing())?;
        let served = Self {
            table: held.table,
            version: held.version,
            note_hash: held.note_hash,
            layout: manifest.layout,
            key: manifest.key,
            since,
            tree,
            slots: slots.ok_or_else(missing)?,
        };
        served.with_root_of(&manifest, held)
    }

    /// This table with the rewritten buckets of a staged version.
    pub(crate) fn changed(&self, held: &HeldVersion, places: &[BucketPlace]) -> Result<Self, StoreError> {
        let manifest = manifest_of(held)?;
        let mut next = Self { version: held.version, note_hash: held.note_hash, ..self.clone() };
        for place in places {
            let Some(slot) = next.slots.get_mut(place.number as usize) else {
                return Err(StoreError::corrupt("bucket", "number", place.slot, "is not in the table"));
            };
            *slot = place.slot;
        }
        let leaves: Vec<_> = places.iter().map(|place| (place.number, place.leaf)).collect();
        next.tree
            .update(&leaves)
            .map_err(|_| StoreError::corrupt("bucket", "number", held.table, "is not in the table"))?;
        next.with_root_of(&manifest, held)
    }

    /// The root was verified when the version was staged: a difference now is damage.
    fn with_root_of(self, manifest: &Manifest, held: &HeldVersion) -> Result<Self, StoreError> {
        if self.tree.root() == manifest.root {
            Ok(self)
        } else {
            Err(StoreError::corrupt("bucket", "leaf", held.table, "the root is not the manifest's"))
        }
    }
}

/// The manifest of a held version; its signature was verified before it was stored.
pub(crate) fn manifest_of(held: &HeldVersion) -> Result<Manifest, StoreError> {
    let corrupt = || StoreError::corrupt("table_version", "note", held.table, "is not a manifest");
    let note = Note::parse(&held.note).map_err(|_| corrupt())?;
    Manifest::parse(note.text()).map_err(|_| corrupt())
}

type Epochs = BTreeMap<u64, Arc<Served>>;

/// All served tables, by list and epoch.
#[derive(Debug)]
pub(crate) struct Shelf {
    lists: RwLock<HashMap<ListId, Epochs>>,
    changes: watch::Sender<u64>,
}

impl Shelf {
    /// Everything that the database says is served.
    pub(crate) async fn load(conn: &mut Conn) -> Result<Self, StoreError> {
        let mut lists: HashMap<ListId, Epochs> = HashMap::new();
        for held in tables::active(conn).await? {
            let served = Served::whole(conn, &held, held.served_since.unwrap_or_default()).await?;
            lists.entry(held.list).or_default().insert(held.epoch, Arc::new(served));
        }
        Ok(Self { lists: RwLock::new(lists), changes: watch::channel(0).0 })
    }

    /// The table served for a list and epoch.
    pub(crate) fn get(&self, list: &ListId, epoch: u64) -> Option<Arc<Served>> {
        self.read().get(list)?.get(&epoch).cloned()
    }

    /// Epochs and versions served for a list, ascending.
    pub(crate) fn epochs(&self, list: &ListId) -> Vec<(u64, u64)> {
        let lists = self.read();
        lists.get(list).into_iter().flatten().map(|(epoch, served)| (*epoch, served.version)).collect()
    }

    /// Serves a version from now on.
    pub(crate) fn put(&self, list: &ListId, epoch: u64, served: Served) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.entry(list.clone()).or_default().insert(epoch, Arc::new(served));
        drop(lists);
        self.changes.send_modify(|count| *count += 1);
    }

    /// The tables whose time is over: of each list all but the newest epoch, once that one was served for `keep_ms`,
    /// and all but the two newest at once.
    pub(crate) fn over(&self, now: Millis, keep_ms: u64) -> Vec<(ListId, u64, Arc<Served>)> {
        let mut over = Vec::new();
        for (list, epochs) in self.read().iter() {
            let mut newest_first = epochs.iter().rev();
            let Some((_, newest)) = newest_first.next() else { continue };
            let keep = usize::from(now.since(newest.since) <= keep_ms);
            let gone =
                newest_first.skip(keep).map(|(epoch, served)| (list.clone(), *epoch, Arc::clone(served)));
            over.extend(gone);
        }
        over
    }

    /// Serves an epoch no longer.
    pub(crate) fn remove(&self, list: &ListId, epoch: u64) {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(epochs) = lists.get_mut(list) {
            epochs.remove(&epoch);
        }
    }

    /// Waits until a version of a list and epoch, or a newer one, is served; `None` when that does not happen in time.
    pub(crate) async fn wait_for(
        &self,
        list: &ListId,
        epoch: u64,
        version: u64,
        patience: Duration,
    ) -> Option<Arc<Served>> {
        let mut changes = self.changes.subscribe();
        let ready = || self.get(list, epoch).filter(|served| served.version >= version);
        let waiting = async {
            loop {
                if let Some(served) = ready() {
                    return Some(served);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, waiting).await.ok().flatten()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<ListId, Epochs>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }
}
