//! Stored tiles as they are served: prefixes of what is committed.

use tacit_ledger::tile::TileId;

use super::{Log, tables};
use crate::StoreError;

/// Length of one hash, in bytes.
const HASH_BYTES: usize = 32;

impl Log {
    /// The first `width` hashes of a tile, 32 bytes each, or nothing when the published head does not have so many.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the tile is missing or has fewer; [`StoreError::Database`].
    pub async fn tile(&self, id: TileId, width: u16) -> Result<Option<Vec<u8>>, StoreError> {
        if width == 0 || width > id.width_at(self.head().size()) {
            return Ok(None);
        }
        let mut conn = self.inner.db.read().await?;
        let mut hashes = tables::read_tile(&mut conn, id).await?;
        let length = usize::from(width) * HASH_BYTES;
        if hashes.len() < length {
            let row = format!("{}/{}", id.level, id.index);
            return Err(StoreError::corrupt("log_tile", "hashes", row, "is shorter than the head says"));
        }
        hashes.truncate(length);
        Ok(Some(hashes))
    }
}
