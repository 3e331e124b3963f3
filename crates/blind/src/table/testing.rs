//! A small list for the tests of this module: outputs, keys and labels by number, and a whole table.

use std::convert::Infallible;
use std::num::NonZeroU64;

use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng, TryCryptoRng, TryRng};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::{NoteSigner, NoteVerifier};
use tacit_model::Millis;

use super::{
    Bucket, BucketStream, Day, EntryKeys, Label, Layout, Lookup, Manifest, OpenError, SealContext,
    SealedRecord, TableTree, Tag, verify_bucket,
};

pub(super) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A random source that gives the same bytes for ever.
pub(super) struct BrokenRng;

impl TryRng for BrokenRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0x0707_0707)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0x0707_0707_0707_0707)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for BrokenRng {}

pub(super) fn day(number: u32) -> Day {
    Day::new(number).unwrap()
}

pub(super) fn context() -> SealContext {
    SealContext::new(&"court/judgment-defaulters".parse().unwrap(), 20_778)
}

/// The VOPRF output of subject `n`.
pub(super) fn listed_out(n: u64) -> [u8; 64] {
    let mut out = [0; 64];
    out[..8].copy_from_slice(&n.to_be_bytes());
    out
}

pub(super) fn keys(n: u64) -> EntryKeys {
    context().entry_keys(&listed_out(n))
}

pub(super) fn label(n: u64) -> Label {
    Label {
        status: 1,
        flags: 0,
        category: 301,
        listed_on: Some(day(20_000)),
        expires_on: None,
        reference: n.to_be_bytes(),
    }
}

/// Keys and label of the record with this reference: record `n + 1` is about subject `n`.
pub(super) fn secrets(reference: NonZeroU64) -> Option<(EntryKeys, Label)> {
    let n = reference.get() - 1;
    Some((keys(n), label(n)))
}

/// The sealed entries of subjects `0..count`, sorted by tag.
pub(super) fn sealed_records(count: u64) -> Vec<SealedRecord> {
    let context = context();
    let mut rng = rng(count);
    let seal = |n: u64| SealedRecord {
        entry: context.seal(&keys(n), &label(n), &mut rng),
        reference: NonZeroU64::new(n + 1).unwrap(),
    };
    let mut records: Vec<SealedRecord> = (0..count).map(seal).collect();
    records.sort_by_key(|record| Tag::of(&record.entry));
    records
}

/// Distinct tags of one bucket.
pub(super) fn tags_in(layout: Layout, bucket: u32, count: usize) -> Vec<Tag> {
    (0..)
        .map(|n: u8| {
            let mut entry = [n; 64];
            layout.move_into(bucket, &mut entry);
            Tag::of(&entry)
        })
        .take(count)
        .collect()
}

/// A table with subjects `0..count`, as holder and mirror have it together.
pub(super) struct Table {
    pub(super) manifest: Manifest,
    pub(super) buckets: Vec<Bucket>,
    tree: TableTree,
}

impl Table {
    pub(super) fn of(count: u64, seed: u64) -> Self {
        Self::with_layout(Layout::for_records(count).unwrap(), count, seed)
    }

    pub(super) fn with_layout(layout: Layout, count: u64, seed: u64) -> Self {
        let mut rng = rng(seed);
        let buckets: Vec<Bucket> =
            BucketStream::new(layout, sealed_records(count), &mut rng).collect::<Result<_, _>>().unwrap();
        let leaves: Vec<_> = buckets.iter().map(Bucket::leaf).collect();
        let tree = TableTree::new(&leaves).unwrap();
        let manifest = Manifest {
            list: context().list().clone(),
            epoch: context().epoch(),
            version: 1,
            key: [5; 32],
            layout,
            root: tree.root(),
            from: Millis(1_000),
            until: Millis(2_000),
        };
        Self { manifest, buckets, tree }
    }

    /// Publishes a rewritten bucket as the next version.
    pub(super) fn replace(&mut self, bucket: Bucket) {
        let number = bucket.number();
        self.tree.update(&[(number, bucket.leaf())]).unwrap();
        self.buckets[number as usize] = bucket;
        self.manifest.version += 1;
        self.manifest.root = self.tree.root();
    }

    /// What the mirror gives for one bucket.
    pub(super) fn fetch(&self, number: u32) -> (Vec<u8>, Vec<tacit_ledger::Hash>) {
        (self.buckets[number as usize].entries().to_vec(), self.tree.path(number).unwrap())
    }

    /// The whole of a requester's part: fetch, verify, look up.
    pub(super) fn ask(&self, out: &[u8; 64]) -> Result<Lookup, OpenError> {
        let number = self.manifest.layout.bucket_of(&context().entry_keys(out).tag());
        let (bytes, path) = self.fetch(number);
        verify_bucket(&self.manifest, number, &bytes, &path).unwrap().lookup(out, day(20_500))
    }

    /// The tag of the first real entry of a bucket.
    pub(super) fn first_tag(&self, number: u32) -> Tag {
        self.buckets[number as usize].slots().find(|slot| slot.1.is_some()).unwrap().0
    }
}

/// The test holder's manifest key, under the name given.
pub(super) fn manifest_signer(name: &str) -> NoteSigner {
    NoteSigner::new(name, SigningKey::from_seed(&[3; 32])).unwrap()
}

pub(super) fn manifest_verifier(name: &str) -> NoteVerifier {
    manifest_signer(name).verifier().clone()
}
