//! A holder's table of fillers, its ticks, and how it is sent.

use bytes::Bytes;
use tacit_blind::table::{
    Bucket, BucketStream, Layout, Manifest, SealContext, SealedRecord, SignedManifest, TableTree,
    rewrite_bucket,
};
use tacit_ledger::note::NoteSigner;
use tacit_model::entropy::{Rng, seeded_rng};
use tacit_model::{ListId, Reason};
use tacit_wire::common::Refusal;
use tacit_wire::custodian::put_table_request::Part;
use tacit_wire::custodian::*;

use super::{NOW, Party, World, registry};

pub(crate) struct Table {
    pub(crate) list: ListId,
    pub(crate) manifest: Manifest,
    pub(crate) buckets: Vec<Bucket>,
    tree: TableTree,
    rng: Rng,
}

impl Table {
    /// Version 1 of an epoch, 2^bits buckets.
    pub(crate) fn new(list: &str, epoch: u64, bits: u8, capacity: u32) -> Self {
        let list: ListId = list.parse().unwrap();
        let layout = Layout::new(bits, capacity).unwrap();
        let mut rng = seeded_rng([u8::try_from(epoch % 250).unwrap(); 32]);
        let none: [SealedRecord; 0] = [];
        let buckets: Vec<Bucket> = BucketStream::new(layout, none, &mut rng).map(Result::unwrap).collect();
        let leaves: Vec<_> = buckets.iter().map(Bucket::leaf).collect();
        let tree = TableTree::new(&leaves).unwrap();
        let manifest = Manifest {
            list: list.clone(),
            epoch,
            version: 1,
            key: [5; 32],
            layout,
            root: tree.root(),
            from: NOW,
            until: NOW.plus_ms(86_400_000),
        };
        Self { list, manifest, buckets, tree, rng }
    }

    pub(crate) fn signed(&self) -> SignedManifest {
        sign(self.manifest.clone())
    }

    /// The whole table in messages of some buckets each.
    pub(crate) fn parts(&self, at_once: usize) -> Vec<PutTableRequest> {
        let header = TableHeader { manifest: self.signed().note().to_owned().into() };
        let mut parts = vec![PutTableRequest { part: Some(Part::Header(header)) }];
        for chunk in self.buckets.chunks(at_once) {
            let buckets: Vec<u8> = chunk.iter().flat_map(|bucket| bucket.entries()).copied().collect();
            let chunk = TableChunk { first_bucket: chunk[0].number(), buckets: buckets.into() };
            parts.push(PutTableRequest { part: Some(Part::Chunk(chunk)) });
        }
        parts
    }

    /// The next version: cover in the first `count` buckets.
    pub(crate) fn tick(&mut self, count: usize) -> PutChangesRequest {
        let context = SealContext::new(&self.list, self.manifest.epoch);
        let mut changes = Vec::new();
        for number in 0..count {
            let old = &self.buckets[number];
            let new =
                rewrite_bucket(self.manifest.layout, &context, old, None, |_| None, &mut self.rng).unwrap();
            self.tree.update(&[(new.number(), new.leaf())]).unwrap();
            let entries = Bytes::copy_from_slice(new.entries());
            changes.push(BucketChange { bucket: new.number(), entries });
            self.buckets[number] = new;
        }
        self.manifest.version += 1;
        self.manifest.root = self.tree.root();
        PutChangesRequest { manifest: self.signed().note().to_owned().into(), changes }
    }

    /// Sends the table and logs and activates it.
    pub(crate) async fn publish(&self, world: &World, holder: &Party) {
        assert_eq!(put_table(holder, self.parts(3)).await, None);
        assert_eq!(activate(world, holder, &self.signed()).await, None);
    }

    /// The next version, sent, logged and activated.
    pub(crate) async fn publish_tick(&mut self, world: &World, holder: &Party) {
        let buckets = self.buckets.len().min(32);
        let changes = self.tick(buckets);
        assert_eq!(put_changes(holder, changes).await, None);
        assert_eq!(activate(world, holder, &self.signed()).await, None);
    }
}

pub(crate) fn sign(manifest: Manifest) -> SignedManifest {
    let name = format!("{}/manifest", manifest.list.holder());
    manifest.sign(&NoteSigner::new(&name, registry::key(&name)).unwrap()).unwrap()
}

/// The reason of a refusal, if it is one.
pub(crate) fn reason(refusal: Option<Refusal>) -> Option<Reason> {
    refusal.map(|refusal| refusal.reason.parse().unwrap())
}

/// The reason of a status; any other status is a failure of the test.
pub(crate) fn trouble(status: &tonic::Status) -> Reason {
    tacit_wire::reason_of(status).unwrap_or_else(|| panic!("{status:?}"))
}

pub(crate) async fn put_table(holder: &Party, parts: Vec<PutTableRequest>) -> Option<Reason> {
    let answer = holder.mirror().put_table(futures::stream::iter(parts)).await;
    answer.map_or_else(|status| Some(trouble(&status)), |answer| reason(answer.into_inner().refusal))
}

pub(crate) async fn put_changes(holder: &Party, changes: PutChangesRequest) -> Option<Reason> {
    let answer = holder.mirror().put_changes(changes).await;
    answer.map_or_else(|status| Some(trouble(&status)), |answer| reason(answer.into_inner().refusal))
}

/// Logs the manifest and activates its version.
pub(crate) async fn activate(world: &World, holder: &Party, signed: &SignedManifest) -> Option<Reason> {
    let logged = world.log_manifest(signed);
    activate_logged(world, holder, logged).await
}

pub(crate) async fn activate_logged(
    world: &World,
    holder: &Party,
    logged: tacit_wire::common::LoggedRecord,
) -> Option<Reason> {
    let (checkpoint, records) = world.log.prove(&[logged]);
    let request = ActivateRequest { record: records.into_iter().next(), checkpoint };
    let answer = holder.mirror().activate(request).await;
    answer.map_or_else(|status| Some(trouble(&status)), |answer| reason(answer.into_inner().refusal))
}

/// Epoch, active version, staged version of everything held of a list.
pub(crate) async fn status(holder: &Party, list: &str) -> Vec<(u64, u64, u64)> {
    let request = GetStatusRequest { list_id: list.to_owned() };
    let answer = holder.mirror().get_status(request).await.unwrap().into_inner();
    answer.epochs.iter().map(|status| (status.epoch, status.active_version, status.staged_version)).collect()
}
