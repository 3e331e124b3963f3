//! Records of a range, each proven under one checkpoint: none can be left out, changed or put in.

use std::ops::Range;

use tacit_client::{ClientError, Entry};
use tacit_ledger::{checkpoint::VerifiedCheckpoint, layout::LogFile, merkle::leaf_hash, tree::TreeView};
use tacit_model::Reason;

use super::Desk;
use crate::exit::Failure;

/// Records verified together.
const AT_ONCE: u64 = 4096;

impl Desk {
    /// Hands each record of a range to `each`, in order, once it is verified; `each` ends the reading with false.
    pub(super) async fn records(
        &self,
        checkpoint: &VerifiedCheckpoint,
        range: Range<u64>,
        mut each: impl FnMut(&Entry) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let size = checkpoint.size();
        let mut tree = TreeView::new(size).map_err(Failure::internal)?;
        let end = range.end.min(size);
        let mut next = range.start;
        while next < end {
            let part = next..end.min(next + AT_ONCE);
            let mut entries = Vec::new();
            let keep = |entry: Entry| {
                entries.push(entry);
                Ok::<_, ClientError>(())
            };
            self.remote.reader.entries(part.start, part.end - part.start, keep).await?;
            for id in tree.missing_for_inclusion(part.clone(), size).map_err(Failure::internal)? {
                let hashes = self.remote.get(LogFile::Tile(id, id.width_at(size))).await?;
                tree.insert(id, &hashes).map_err(Failure::internal)?;
            }
            let paths = tree.inclusion_batch(part.clone(), size).map_err(Failure::internal)?;
            tree.trim();
            for (entry, path) in entries.iter().zip(paths) {
                checkpoint.verify_inclusion(&leaf_hash(&entry.bytes), entry.index, &path).map_err(
                    |error| {
                        Failure::trouble(format!("record {} is not the one that was signed", entry.index))
                            .why(error)
                            .reason(Reason::LogInconsistent)
                    },
                )?;
                if !each(entry)? {
                    return Ok(());
                }
            }
            next = part.end;
        }
        Ok(())
    }
}
