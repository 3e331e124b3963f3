//! A whole table, in a stream: checked and stored chunk by chunk, in memory only its leaf hashes.

use bytes::Bytes;
use tacit_blind::table::{Layout, SignedManifest, TableTree, check_bucket};
use tacit_model::Reason;
use tacit_wire::custodian::put_table_request::Part;
use tacit_wire::custodian::{PutTableRequest, TableChunk};
use tokio::sync::mpsc;
use tonic::{Code, Streaming};

use super::{Follows, Mirror, row_of};
use crate::caller::Call;
use crate::error::Stop;
use crate::store::tables::{self, NewBucket, TableId};

/// Bytes of buckets in one chunk.
pub(crate) const MAX_CHUNK: usize = 4 << 20;

/// Buckets in memory, checked.
pub(super) type Checked = Vec<NewBucket>;

impl Mirror {
    /// Receives a table and stages it.
    pub(super) async fn receive(
        &self,
        call: &Call,
        mut stream: Streaming<PutTableRequest>,
    ) -> Result<(), Stop> {
        let Some(Part::Header(header)) = next(&mut stream).await? else {
            return Err(Stop::because(Reason::Malformed, "the header comes first"));
        };
        let signed = self.manifest(call, &header.manifest)?;
        let manifest = signed.manifest();
        let _one_at_a_time = self.0.locks.lock(&manifest.list, manifest.epoch).await;
        let is_known = match self.follows(&signed)? {
            Follows::Served => true,
            Follows::First => self.is_staged(&signed).await?,
            Follows::After(served) => {
                // The tick rule can only be verified on changes. A mirror that missed versions takes any table.
                let next = manifest.version == served.version.saturating_add(1);
                if next && manifest.layout.capacity() <= served.layout.capacity() {
                    let problem = "the next version as a whole table needs a larger capacity; send changes";
                    return Err(Stop::because(Reason::ManifestRejected, problem));
                }
                self.is_staged(&signed).await?
            }
        };
        if is_known {
            // A repetition: its sender may still be sending.
            while next(&mut stream).await?.is_some() {}
            return Ok(());
        }
        let mut upload = Upload::begin(self, &signed).await?;
        while let Some(part) = next(&mut stream).await? {
            let Part::Chunk(chunk) = part else {
                return Err(Stop::because(Reason::Malformed, "a second header"));
            };
            upload.take(chunk).await?;
        }
        upload.finish().await?;
        tracing::info!(list = %manifest.list, epoch = manifest.epoch, version = manifest.version, "a table is staged");
        Ok(())
    }
}

async fn next(stream: &mut Streaming<PutTableRequest>) -> Result<Option<Part>, Stop> {
    match stream.message().await {
        Ok(None) => Ok(None),
        Ok(Some(PutTableRequest { part: Some(part) })) => Ok(Some(part)),
        Ok(Some(PutTableRequest { part: None })) => {
            Err(Stop::because(Reason::Malformed, "a message without a part"))
        }
        Err(status) if status.code() == Code::OutOfRange => Err(Stop::Trouble(Reason::TooLarge)),
        // The sender broke off or sent no message of ours.
        Err(_) => Err(Stop::Trouble(Reason::Malformed)),
    }
}

/// A table on its way. When it is dropped unfinished, the cleaner removes what was stored.
struct Upload<'a> {
    mirror: &'a Mirror,
    signed: &'a SignedManifest,
    table: TableId,
    leaves: Vec<[u8; 32]>,
    abandoned: Option<mpsc::UnboundedSender<(TableId, u64)>>,
}

impl<'a> Upload<'a> {
    async fn begin(mirror: &'a Mirror, signed: &'a SignedManifest) -> Result<Self, Stop> {
        let mut conn = mirror.0.db.write().await?;
        let mut tx = tacit_store::begin(&mut conn).await?;
        let table = tables::begin(&mut tx, &row_of(signed), mirror.0.clock.now()).await?;
        tx.commit().await?;
        Ok(Self { mirror, signed, table, leaves: Vec::new(), abandoned: Some(mirror.0.abandoned.clone()) })
    }

    async fn take(&mut self, chunk: TableChunk) -> Result<(), Stop> {
        let layout = self.signed.manifest().layout;
        if chunk.first_bucket as usize != self.leaves.len() {
            return Err(Stop::because(Reason::Malformed, "first_bucket: buckets come in order, none twice"));
        }
        if chunk.buckets.len() > MAX_CHUNK {
            return Err(Stop::refused(Reason::TooLarge));
        }
        let _turn = self.mirror.0.checking.acquire().await.map_err(|error| Stop::Failed(Box::new(error)))?;
        let checked = tokio::task::spawn_blocking(move || check_chunk(layout, &chunk)).await??;
        let mut conn = self.mirror.0.db.write().await?;
        let mut tx = tacit_store::begin(&mut conn).await?;
        tables::insert_buckets(&mut tx, self.table, self.signed.manifest().version, &checked).await?;
        tx.commit().await?;
        self.leaves.extend(checked.iter().map(|bucket| bucket.leaf));
        metrics::counter!("tacit_custodian_buckets_received_total").increment(checked.len() as u64);
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Stop> {
        let manifest = self.signed.manifest();
        if self.leaves.len() != manifest.layout.buckets() as usize {
            return Err(Stop::because(Reason::TableRejected, "buckets are missing"));
        }
        let tree =
            TableTree::new(&self.leaves).map_err(|error| Stop::because(Reason::TableRejected, &error))?;
        if tree.root() != manifest.root {
            return Err(Stop::because(
                Reason::TableRejected,
                "the root of the buckets is not the manifest's",
            ));
        }
        let served: Vec<u64> =
            self.mirror.0.shelf.epochs(&manifest.list).iter().map(|(epoch, _)| *epoch).collect();
        let mut conn = self.mirror.0.db.write().await?;
        let mut tx = tacit_store::begin(&mut conn).await?;
        tables::stage_table(&mut tx, &row_of(self.signed), self.table, &served, self.mirror.0.clock.now())
            .await?;
        tx.commit().await?;
        self.abandoned = None;
        Ok(())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            // Without a cleaner the next start removes it.
            let _ = abandoned.send((self.table, self.signed.manifest().version));
        }
    }
}

/// Checks size, order and place of all entries of a chunk, and hashes its buckets.
fn check_chunk(layout: Layout, chunk: &TableChunk) -> Result<Checked, Stop> {
    let size = layout.bucket_bytes();
    if chunk.buckets.is_empty() || !chunk.buckets.len().is_multiple_of(size) {
        return Err(Stop::because(Reason::TableRejected, "a chunk is not a whole number of buckets"));
    }
    (chunk.first_bucket..)
        .zip((0..chunk.buckets.len()).step_by(size))
        .map(|(number, at)| check(layout, number, chunk.buckets.slice(at..at + size)))
        .collect()
}

fn check(layout: Layout, number: u32, entries: Bytes) -> Result<NewBucket, Stop> {
    let leaf = check_bucket(layout, number, &entries)
        .map_err(|error| Stop::because(Reason::TableRejected, &format_args!("bucket {number}: {error}")))?;
    Ok(NewBucket { number, leaf, entries })
}
