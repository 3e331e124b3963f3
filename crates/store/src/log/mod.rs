//! The transparency log's tables: appending inside a transaction, and proofs for what is committed.
//!
//! ```text
//! begin(conn)  read log_head, compare with memory, load the right edge
//! push(...)    leaf hashes, in order; nothing written yet
//! finish(conn) insert entries and tiles, sign, UPDATE log_head WHERE size and root are the old ones
//! COMMIT       (the caller's)
//! publish()    only now is the new head shown to anyone; or forget(), and everything is read again
//! ```
//!
//! Memory holds the tree's tiles as a cache ([`TreeView`]); the database is the truth. After an unknown
//! outcome the cache and the signed note are dropped, never used again.

mod tables;

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacit_ledger::{
    Hash,
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    merkle::leaf_hash,
    note::NoteSigner,
    tile::TileId,
    tree::{TreeError, TreeView},
};
use tokio::sync::watch;

use crate::{Conn, Db, StoreError};

/// The log over its tables. Clones share one tree and one head.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    signer: NoteSigner,
    tree: RwLock<TreeView>,
    head: watch::Sender<VerifiedCheckpoint>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("origin", &self.inner.signer.verifier().name())
            .field("size", &self.head().size())
            .finish()
    }
}

/// An append under way. It holds the records in memory until [`Log::finish`].
#[derive(Debug)]
pub struct Append {
    start: u64,
    old_root: Hash,
    records: Vec<(String, Vec<u8>)>,
    leaves: Vec<Hash>,
}

impl Append {
    /// Takes a record up and tells its leaf index and leaf hash.
    pub fn push(&mut self, id: String, record: Vec<u8>) -> (u64, Hash) {
        let index = self.next_index();
        let leaf = leaf_hash(&record);
        self.records.push((id, record));
        self.leaves.push(leaf);
        (index, leaf)
    }

    /// The index the next record will have.
    pub fn next_index(&self) -> u64 {
        self.start + self.records.len() as u64
    }

    /// Bytes of a record of this append, by its index.
    pub fn record(&self, index: u64) -> Option<&[u8]> {
        let at = usize::try_from(index.checked_sub(self.start)?).ok()?;
        self.records.get(at).map(|(_, record)| record.as_slice())
    }
}

/// A checkpoint that is written but not committed: it may not be shown to anyone yet.
#[derive(Debug)]
#[must_use]
pub struct Pending(VerifiedCheckpoint);

impl Log {
    /// Opens the log; writes the empty head if there is none. The signer's name, `<coordinator>/log`, is
    /// the log's origin.
    pub async fn open(db: &Db, signer: NoteSigner) -> Result<Self, StoreError> {
        let mut conn = db.write().await?;
        let stored = match tables::read_head(&mut conn).await? {
            Some(stored) => stored,
            None => {
                let head = sign(&signer, 0, tacit_ledger::merkle::empty_root())?;
                tables::create_head(&mut conn, &head).await?;
                tables::StoredHead { size: 0, root: *head.root(), note: head.note().to_vec() }
            }
        };
        let head = VerifiedCheckpoint::open(&stored.note, signer.verifier())
            .map_err(|_| StoreError::LogHead("the stored checkpoint does not verify under this log's key"))?;
        if stored.size != head.size() || stored.root != *head.root() {
            return Err(StoreError::LogHead("the stored checkpoint is of another size or root"));
        }
        let tree = load_edge(&mut conn, stored.size, stored.root).await?;
        let inner = Inner { db: db.clone(), signer, tree: RwLock::new(tree), head: watch::channel(head).0 };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The newest committed head.
    pub fn head(&self) -> VerifiedCheckpoint {
        self.inner.head.borrow().clone()
    }

    /// Follows the newest committed head.
    pub fn subscribe(&self) -> watch::Receiver<VerifiedCheckpoint> {
        self.inner.head.subscribe()
    }

    /// Begins an append inside the caller's transaction, which must hold the write lock.
    pub async fn begin(&self, conn: &mut Conn) -> Result<Append, StoreError> {
        let stored = tables::read_head(conn).await?.ok_or(StoreError::LogHead("is missing"))?;
        let known = {
            let tree = self.tree();
            tree.size() == stored.size && tree.root(stored.size).is_ok_and(|root| root == stored.root)
        };
        if !known {
            // Another process appended, or an unknown outcome was forgotten: what is stored counts.
            let tree = load_edge(conn, stored.size, stored.root).await?;
            *self.tree_mut() = tree;
        }
        Ok(Append { start: stored.size, old_root: stored.root, records: Vec::new(), leaves: Vec::new() })
    }

    /// Writes entries, tiles and the new signed head. The caller commits, then calls
    /// [`Log::publish`]; on any failure it calls [`Log::forget`].
    pub async fn finish(&self, conn: &mut Conn, append: &Append) -> Result<Pending, StoreError> {
        if append.records.is_empty() {
            return Ok(Pending(self.head()));
        }
        let appended = self.tree_mut().append(&append.leaves).map_err(tree_error)?;
        let head = sign(&self.inner.signer, appended.size, appended.root)?;
        tables::insert_entries(conn, append.start, &append.records).await?;
        tables::store_tiles(conn, &appended.tiles).await?;
        tables::move_head(conn, append.start, &append.old_root, &head).await?;
        Ok(Pending(head))
    }

    /// Shows a committed head.
    pub fn publish(&self, pending: Pending) {
        let Pending(head) = pending;
        self.inner.head.send_if_modified(|current| {
            let newer = head.size() > current.size();
            if newer {
                *current = head;
            }
            newer
        });
    }

    /// Drops what memory holds of the tree: the next append reads everything again.
    pub fn forget(&self) {
        if let Ok(empty) = TreeView::new(0) {
            *self.tree_mut() = empty;
        }
    }

    /// Inclusion proofs of committed records in the tree of `size`.
    pub async fn inclusion(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, StoreError> {
        loop {
            let missing = {
                let tree = self.tree();
                let missing =
                    tree.missing_for_inclusion(indexes.iter().copied(), size).map_err(tree_error)?;
                if missing.is_empty() {
                    return tree.inclusion_batch(indexes.iter().copied(), size).map_err(tree_error);
                }
                missing
            };
            self.load(&missing).await?;
        }
    }

    /// The proof that the tree of `new` begins with the tree of `old`.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
        loop {
            let missing = {
                let tree = self.tree();
                let missing = tree.missing_for_consistency(old, new).map_err(tree_error)?;
                if missing.is_empty() {
                    return tree.consistency(old, new).map_err(tree_error);
                }
                missing
            };
            self.load(&missing).await?;
        }
    }

    /// Committed records from `start`, at most `count`.
    pub async fn entries(&self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let size = self.head().size();
        let count = count.min(size.saturating_sub(start));
        let mut conn = self.inner.db.read().await?;
        tables::entries(&mut conn, start, count).await
    }

    /// Committed records by index, in the order of `indexes`.
    pub async fn records(&self, indexes: &[u64]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut conn = self.inner.db.read().await?;
        tables::records(&mut conn, indexes).await
    }

    async fn load(&self, missing: &[TileId]) -> Result<(), StoreError> {
        let mut conn = self.inner.db.read().await?;
        let mut tiles = Vec::with_capacity(missing.len());
        for id in missing {
            tiles.push((*id, tables::read_tile(&mut conn, *id).await?));
        }
        let mut tree = self.tree_mut();
        for (id, bytes) in tiles {
            tree.insert(id, &bytes).map_err(tree_error)?;
        }
        tree.trim();
        Ok(())
    }

    // A panic while the lock is held can only leave a cache behind that `begin` compares with the
    // database, so a poisoned lock is still usable.
    fn tree(&self) -> RwLockReadGuard<'_, TreeView> {
        self.inner.tree.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn tree_mut(&self) -> RwLockWriteGuard<'_, TreeView> {
        self.inner.tree.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn load_edge(conn: &mut Conn, size: u64, root: Hash) -> Result<TreeView, StoreError> {
    let mut tree = TreeView::new(size).map_err(tree_error)?;
    for id in tree.missing_for_append() {
        let bytes = tables::read_tile(conn, id).await?;
        tree.insert(id, &bytes).map_err(tree_error)?;
    }
    if tree.root(size).map_err(tree_error)? != root {
        return Err(StoreError::LogHead("the stored tiles give another root"));
    }
    Ok(tree)
}

fn sign(signer: &NoteSigner, size: u64, root: Hash) -> Result<VerifiedCheckpoint, StoreError> {
    let checkpoint = Checkpoint { origin: signer.verifier().name().to_owned(), size, root };
    checkpoint.sign(signer).map_err(|_| StoreError::LogHead("the checkpoint could not be signed"))
}

fn tree_error(error: TreeError) -> StoreError {
    match error {
        TreeError::TileMismatch(_) | TreeError::TileWidth { .. } => {
            StoreError::LogHead("the stored tiles contradict each other")
        }
        TreeError::MissingTile(_) => StoreError::LogHead("a tile is missing"),
        TreeError::SizeBeyondTree { .. }
        | TreeError::IndexBeyondSize { .. }
        | TreeError::NoConsistency { .. } => StoreError::LogHead("a proof was asked for beyond the tree"),
        TreeError::Full => StoreError::LogHead("the log is full"),
    }
}
