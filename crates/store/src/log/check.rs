//! Comparing what is stored: records with leaves, tiles with tiles, one head with another.

use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    merkle::leaf_hash,
    tile::{TILE_WIDTH, TileId},
    tree::TreeView,
};

use super::{load_edge, tables, tree_error};
use crate::{Conn, StoreError};

/// Compares the records from `start` to the head with their leaves, and the tiles on the way up to the root.
pub(super) async fn compare(
    conn: &mut Conn,
    head: &VerifiedCheckpoint,
    start: u64,
) -> Result<(), StoreError> {
    let width = u64::from(TILE_WIDTH);
    let mut tree = load_edge(conn, head).await?;
    let mut next = start - start % width;
    while next < head.size() {
        let count = width.min(head.size() - next);
        for id in tree.missing_for_inclusion([next], head.size()).map_err(tree_error)? {
            let bytes = tables::read_tile(conn, id).await?;
            // A tile that its parent does not confirm is refused here.
            tree.insert(id, &bytes).map_err(tree_error)?;
        }
        let id = TileId { level: 0, index: next / width };
        let leaves = tables::read_tile(conn, id).await?;
        // The same bytes as in the tree: what was confirmed is what is compared.
        tree.insert(id, &leaves).map_err(tree_error)?;
        let records = tables::entries(conn, next, count).await?;
        for ((record, leaf), index) in records.iter().zip(leaves.as_chunks::<32>().0).zip(next..) {
            if leaf_hash(record) != *leaf {
                return Err(StoreError::corrupt("log_entry", "record", index, "is not what its leaf says"));
            }
        }
        tree.trim();
        next += count;
    }
    Ok(())
}

/// Checks that the stored log of `head` begins with the one that was published.
pub(super) async fn continues(
    conn: &mut Conn,
    head: &VerifiedCheckpoint,
    published: &VerifiedCheckpoint,
) -> Result<(), StoreError> {
    if published.size() == 0 {
        return Ok(());
    }
    let mut tree: TreeView = load_edge(conn, head).await?;
    for id in tree.missing_for_consistency(published.size(), head.size()).map_err(tree_error)? {
        let bytes = tables::read_tile(conn, id).await?;
        tree.insert(id, &bytes).map_err(tree_error)?;
    }
    let proof = tree.consistency(published.size(), head.size()).map_err(tree_error)?;
    head.verify_extends(published, &proof)
        .map_err(|_| StoreError::LogHead("the database holds another history than was published"))
}
