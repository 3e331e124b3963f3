//! The transparency log's tables: appending inside a transaction, and proofs for what is committed.
//!
//! ```text
//! begin(...)   read log_head, compare with what was published, load the right edge
//! push(...)    leaf hashes, in order; nothing written yet
//! finish(last) insert entries and tiles, sign, UPDATE log_head, which fails unless size and root are the old ones
//! COMMIT       (the caller's)
//! publish()    only now is the new head shown to anyone; or forget(), and everything is read again
//! ```
//!
//! Memory holds the tree's tiles as a cache ([`TreeView`]); the database is the truth. After an unknown
//! outcome the cache and the signed note are dropped, never used again. What was published is never
//! contradicted: a database that stands behind it, or on another history, is an error for good.

mod appends;
mod check;
mod files;
mod proofs;
mod tables;

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sqlx::any::AnyRow;
use tacit_ledger::{
    Hash,
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    merkle::leaf_hash,
    note::NoteSigner,
    tree::{TreeError, TreeView},
};
use tokio::sync::broadcast;

use crate::{Conn, Db, ReadId, Reads, StoreError, Writes, begin};

pub use appends::{Appends, Entry};

/// Checkpoints that a slow follower may be behind before it misses some.
const NEWS: usize = 1024;

/// Records that [`Log::open`] compares with their leaves, the newest ones; [`Log::check`] compares all.
const CHECKED_AT_OPEN: u64 = 16_384;

/// The log over its tables. Clones share one tree and one head.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    signer: NoteSigner,
    tree: RwLock<TreeView>,
    head: RwLock<VerifiedCheckpoint>,
    news: broadcast::Sender<VerifiedCheckpoint>,
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
    stored: VerifiedCheckpoint,
    records: Vec<(String, Vec<u8>)>,
    leaves: Vec<Hash>,
}

impl Append {
    /// Size of the log before this append.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.stored.size()
    }

    /// Size of the log after it, as far as records were taken up.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.stored.size() + self.records.len() as u64
    }

    /// Whether no record was taken up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes a record up and tells its leaf index and leaf hash.
    pub fn push(&mut self, id: String, record: Vec<u8>) -> (u64, Hash) {
        let index = self.end();
        let leaf = leaf_hash(&record);
        self.records.push((id, record));
        self.leaves.push(leaf);
        (index, leaf)
    }
}

/// A checkpoint that is written but not committed: it may not be shown to anyone yet.
#[derive(Debug)]
#[must_use]
pub struct Pending(VerifiedCheckpoint);

impl Log {
    /// Opens the log; writes the empty head if there is none. The signer's name, `<coordinator>/log`, is
    /// the log's origin.
    ///
    /// # Errors
    /// [`StoreError::LogHead`] or [`StoreError::Corrupt`] when note, head, tiles and the newest 16,384
    /// records do not agree; [`StoreError::Database`].
    pub async fn open(db: &Db, signer: NoteSigner) -> Result<Self, StoreError> {
        let mut lease = db.write().await?;
        // Of several replicas that start at once, one creates the head.
        let mut conn = begin(&mut lease).await?;
        let stored = match tables::read_head(&mut conn).await? {
            Some(stored) => stored,
            None => {
                let head = sign(&signer, 0, tacit_ledger::merkle::empty_root())?;
                tables::create_head(&mut conn, &head).await?;
                tables::StoredHead { size: 0, root: *head.root(), note: head.note().to_vec() }
            }
        };
        let head = open_head(&stored, &signer)?;
        let tree = load_edge(&mut conn, &head).await?;
        conn.commit().await?;
        check::compare(&mut lease, &head, head.size().saturating_sub(CHECKED_AT_OPEN)).await?;
        drop(lease);
        let news = broadcast::channel(NEWS).0;
        let inner = Inner { db: db.clone(), signer, tree: RwLock::new(tree), head: RwLock::new(head), news };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The newest published head.
    #[must_use]
    pub fn head(&self) -> VerifiedCheckpoint {
        self.inner.head.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The log's key, for what is said about the log beside its checkpoints.
    #[must_use]
    pub fn signer(&self) -> &NoteSigner {
        &self.inner.signer
    }

    /// Every head from now on, each once, in order. Who is more than 1024 behind misses some.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<VerifiedCheckpoint> {
        self.inner.news.subscribe()
    }

    /// The read that an append begins with; other reads may go with it.
    #[must_use]
    pub fn read_head(reads: &mut Reads) -> ReadId {
        tables::lock_head(reads)
    }

    /// Begins an append inside the transaction of a group; `head` is what [`Log::read_head`] found in it.
    ///
    /// # Errors
    /// [`StoreError::LogHead`] when what is stored contradicts itself or what was published;
    /// [`StoreError::Database`].
    pub async fn begin(&self, conn: &mut Conn, head: &[AnyRow]) -> Result<Append, StoreError> {
        let stored = head.first().map(tables::head).transpose()?.ok_or(StoreError::LogHead("is missing"))?;
        let published = self.head();
        let is_published = stored.size == published.size() && stored.root == *published.root();
        let stored = if is_published {
            published
        } else {
            // Another process appended, or the outcome of a commit was unknown and it was done after all.
            self.adopt(conn, &stored, &published).await?
        };
        let known = {
            let tree = self.tree();
            tree.size() == stored.size() && tree.root(stored.size()).is_ok_and(|root| root == *stored.root())
        };
        if !known {
            let tree = load_edge(conn, &stored).await?;
            *self.tree_mut() = tree;
        }
        Ok(Append { stored, records: Vec::new(), leaves: Vec::new() })
    }

    /// The newest record before this append, read in its transaction; nothing in an empty log.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is missing; [`StoreError::Database`].
    pub async fn newest_record(
        &self,
        conn: &mut Conn,
        append: &Append,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(last) = append.start().checked_sub(1) else { return Ok(None) };
        Ok(tables::records(conn, &[last]).await?.pop())
    }

    /// Adds entries, tiles and the new signed head to the last writes of the transaction; if somebody else appended
    /// meanwhile they fail. The caller commits, then calls [`Log::publish`]; on any failure it calls [`Log::forget`].
    ///
    /// # Errors
    /// [`StoreError::LogHead`] when there is no such tree.
    pub fn finish(&self, last: &mut Writes, append: &Append) -> Result<Pending, StoreError> {
        if append.records.is_empty() {
            return Ok(Pending(append.stored.clone()));
        }
        let appended = self.tree_mut().append(&append.leaves).map_err(tree_error)?;
        let head = sign(&self.inner.signer, appended.size, appended.root)?;
        tables::insert_entries(last, append.stored.size(), &append.records)?;
        tables::store_tiles(last, &appended.tiles)?;
        tables::move_head(last, &append.stored, &head)?;
        Ok(Pending(head))
    }

    /// Shows a committed head.
    pub fn publish(&self, pending: Pending) {
        let Pending(head) = pending;
        let mut current = self.inner.head.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if head.size() > current.size() {
            *current = head.clone();
            // Under the lock, so that followers see sizes rise. Nobody following is no error.
            let _ = self.inner.news.send(head);
        }
    }

    /// Drops what memory holds of the tree: it is read again when it is needed.
    pub fn forget(&self) {
        if let Ok(empty) = TreeView::new(0) {
            *self.tree_mut() = empty;
        }
    }

    /// Publishes what is committed but was not published: after an unknown outcome, or by another process.
    ///
    /// # Errors
    /// As [`Log::begin`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.db.read().await?;
        let stored = tables::read_head(&mut conn).await?.ok_or(StoreError::LogHead("is missing"))?;
        let published = self.head();
        if stored.size > published.size() {
            let head = self.adopt(&mut conn, &stored, &published).await?;
            drop(conn);
            // It was read; it must also be there to stay before anyone sees it.
            self.inner.db.settle().await?;
            self.publish(Pending(head));
        }
        Ok(())
    }

    /// Committed records from `start`, at most `count`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one is missing; [`StoreError::Database`].
    pub async fn entries(&self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let count = count.min(self.head().size().saturating_sub(start));
        let mut conn = self.inner.db.read().await?;
        tables::entries(&mut conn, start, count).await
    }

    /// Committed records by index, in the order of `indexes`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one is missing; [`StoreError::Database`].
    pub async fn records(&self, indexes: &[u64]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut conn = self.inner.db.read().await?;
        tables::records(&mut conn, indexes).await
    }

    /// Compares every record with its leaf and every tile with the one above, up to the newest head's root.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] or [`StoreError::LogHead`] at the first that does not agree.
    pub async fn check(&self) -> Result<(), StoreError> {
        let head = self.head();
        let mut conn = self.inner.db.read().await?;
        check::compare(&mut conn, &head, 0).await
    }

    /// Takes a stored head that is not the published one, if it is signed and continues what was published.
    async fn adopt(
        &self,
        conn: &mut Conn,
        stored: &tables::StoredHead,
        published: &VerifiedCheckpoint,
    ) -> Result<VerifiedCheckpoint, StoreError> {
        let head = open_head(stored, &self.inner.signer)?;
        if head.size() <= published.size() {
            return Err(StoreError::LogHead("the database stands behind what was published"));
        }
        check::continues(conn, &head, published).await?;
        Ok(head)
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

/// The signed note of a stored head, which must be about its size and root.
fn open_head(stored: &tables::StoredHead, signer: &NoteSigner) -> Result<VerifiedCheckpoint, StoreError> {
    let head = VerifiedCheckpoint::open(&stored.note, signer.verifier())
        .map_err(|_| StoreError::LogHead("the stored checkpoint does not verify under this log's key"))?;
    if stored.size != head.size() || stored.root != *head.root() {
        return Err(StoreError::LogHead("the stored checkpoint is of another size or root"));
    }
    Ok(head)
}

/// The tree of `head` with the tiles of its right edge, which must give its root.
async fn load_edge(conn: &mut Conn, head: &VerifiedCheckpoint) -> Result<TreeView, StoreError> {
    let mut tree = TreeView::new(head.size()).map_err(tree_error)?;
    for id in tree.missing_for_append() {
        let bytes = tables::read_tile(conn, id).await?;
        tree.insert(id, &bytes).map_err(tree_error)?;
    }
    if tree.root(head.size()).map_err(tree_error)? != *head.root() {
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
        TreeError::TileMismatch(_) => StoreError::LogHead("the stored tiles contradict each other"),
        TreeError::TileWidth { .. } => StoreError::LogHead("a stored tile has too few hashes"),
        TreeError::MissingTile(_) => StoreError::LogHead("a tile is missing"),
        TreeError::SizeBeyondTree { .. }
        | TreeError::IndexBeyondSize { .. }
        | TreeError::NoConsistency { .. } => StoreError::LogHead("a proof was asked for beyond the tree"),
        TreeError::Full => StoreError::LogHead("the log is full"),
    }
}
