//! Proofs for committed sizes, from the tiles in memory and, where those lack, from the database.

use tacit_ledger::{
    Hash,
    tile::TileId,
    tree::{DEFAULT_CAPACITY, TreeError, TreeView},
};

use super::{Log, load_edge, open_head, tables, tree_error};
use crate::StoreError;

/// Times that tiles are read before giving up: reading runs beside the writer, which may drop its tree or
/// widen a tile between two steps.
const ATTEMPTS: usize = 16;

impl Log {
    /// Inclusion proofs of committed records in the tree of `size`, in the order of `indexes`.
    ///
    /// # Errors
    /// [`StoreError::LogHead`] beyond the published head or when tiles contradict each other;
    /// [`StoreError::Database`].
    pub async fn inclusion(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, StoreError> {
        self.prove(
            size,
            |tree| tree.missing_for_inclusion(indexes.iter().copied(), size),
            |tree| tree.inclusion_batch(indexes.iter().copied(), size),
        )
        .await
    }

    /// The proof that the tree of `new` begins with the tree of `old`.
    ///
    /// # Errors
    /// As [`Log::inclusion`], and [`StoreError::LogHead`] unless 0 < `old` <= `new`.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
        self.prove(new, |tree| tree.missing_for_consistency(old, new), |tree| tree.consistency(old, new))
            .await
    }

    async fn prove<T>(
        &self,
        size: u64,
        missing: impl Fn(&TreeView) -> Result<Vec<TileId>, TreeError>,
        answer: impl Fn(&TreeView) -> Result<T, TreeError>,
    ) -> Result<T, StoreError> {
        if size > self.head().size() {
            return Err(StoreError::LogHead("a proof was asked for beyond the tree"));
        }
        for _ in 0..ATTEMPTS {
            let step = self.step(size, &missing, &answer).map_err(tree_error)?;
            match step {
                Step::Done { answer, is_full } => {
                    if is_full {
                        self.tree_mut().trim();
                    }
                    return Ok(answer);
                }
                Step::Dropped => self.reload().await?,
                Step::Lacks(tiles) => self.load(&tiles).await?,
            }
        }
        Err(StoreError::LogHead("the tiles of a proof are shorter than the tree needs"))
    }

    fn step<T>(
        &self,
        size: u64,
        missing: impl Fn(&TreeView) -> Result<Vec<TileId>, TreeError>,
        answer: impl Fn(&TreeView) -> Result<T, TreeError>,
    ) -> Result<Step<T>, TreeError> {
        let tree = self.tree();
        if tree.size() < size {
            return Ok(Step::Dropped);
        }
        let missing = missing(&tree)?;
        if missing.is_empty() {
            Ok(Step::Done { answer: answer(&tree)?, is_full: tree.cached_tiles() > DEFAULT_CAPACITY })
        } else {
            Ok(Step::Lacks(missing))
        }
    }

    async fn load(&self, missing: &[TileId]) -> Result<(), StoreError> {
        let mut conn = self.inner.db.read().await?;
        let mut tiles = Vec::with_capacity(missing.len());
        for id in missing {
            tiles.push((*id, tables::read_tile(&mut conn, *id).await?));
        }
        let mut tree = self.tree_mut();
        for (id, bytes) in tiles {
            match tree.insert(id, &bytes) {
                // The writer's tree may be ahead of what is committed: the next attempt sees what it has.
                Ok(()) | Err(TreeError::TileWidth { .. }) => {}
                Err(error) => return Err(tree_error(error)),
            }
        }
        Ok(())
    }

    /// Builds the tree again after [`Log::forget`], unless the writer did so meanwhile.
    async fn reload(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.db.read().await?;
        let stored = tables::read_head(&mut conn).await?.ok_or(StoreError::LogHead("is missing"))?;
        let rebuilt = load_edge(&mut conn, &open_head(&stored, &self.inner.signer)?).await?;
        let mut tree = self.tree_mut();
        if tree.size() < rebuilt.size() {
            *tree = rebuilt;
        }
        Ok(())
    }
}

enum Step<T> {
    Done { answer: T, is_full: bool },
    Lacks(Vec<TileId>),
    Dropped,
}
