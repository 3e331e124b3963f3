//! One bucket: as the holder keeps it, and as everybody else checks it.

use std::fmt;
use std::num::NonZeroU64;

use tacit_ledger::{Hash, merkle};

use super::label::Day;
use super::layout::Layout;
use super::manifest::Manifest;
use super::seal::{ENTRY_BYTES, Lookup, OpenError, SealContext, SealedEntry, TAG_BYTES, Tag};

/// A bucket as its holder keeps it: the sealed entries, and for each the holder's reference to its
/// record.
///
/// Which entries are real is the holder's secret, so `Debug` shows the number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    number: u32,
    entries: Vec<u8>,
    references: Vec<u64>,
}

impl Bucket {
    /// A bucket read back from storage; checked as [`check_bucket`] does, and one reference per entry.
    ///
    /// # Errors
    /// [`BucketError`], all but [`BucketError::NotInTable`].
    pub fn from_parts(
        layout: Layout,
        number: u32,
        entries: Vec<u8>,
        references: Vec<u64>,
    ) -> Result<Self, BucketError> {
        check_shape(layout, number, &entries)?;
        if references.len() != layout.capacity() as usize {
            return Err(BucketError::References { expected: layout.capacity(), got: references.len() });
        }
        Ok(Self { number, entries, references })
    }

    /// A bucket just built: the caller has placed the entries in order.
    pub(super) fn built(number: u32, entries: Vec<u8>, references: Vec<u64>) -> Self {
        Self { number, entries, references }
    }

    /// The bucket number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The published bytes: `capacity` entries of 64 bytes, tags ascending.
    #[must_use]
    pub fn entries(&self) -> &[u8] {
        &self.entries
    }

    /// The holder's references, one per entry in the same order; 0 is a filler.
    #[must_use]
    pub fn references(&self) -> &[u64] {
        &self.references
    }

    /// Published bytes and references, for storage.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<u64>) {
        (self.entries, self.references)
    }

    /// How many entries are fillers. A bucket with none is full: nothing can be added or relabeled in
    /// it.
    #[must_use]
    pub fn fillers(&self) -> usize {
        self.references.iter().filter(|&&reference| reference == 0).count()
    }

    /// The leaf of this bucket in the tree of its table.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        merkle::leaf_hash(&self.entries)
    }

    /// Tag and record of every entry, in order; `None` is a filler.
    pub(super) fn slots(&self) -> impl Iterator<Item = (Tag, Option<NonZeroU64>)> {
        entries_of(&self.entries)
            .iter()
            .zip(&self.references)
            .map(|(entry, &reference)| (Tag::of(entry), NonZeroU64::new(reference)))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The bytes of a bucket as whole entries.
pub(super) fn entries_of(bytes: &[u8]) -> &[SealedEntry] {
    bytes.as_chunks::<ENTRY_BYTES>().0
}

/// Checks the published bytes of one bucket against the layout of its table (size, every tag in this
/// bucket, tags strictly ascending) and returns its leaf hash.
///
/// # Errors
/// [`BucketError`], all but [`BucketError::NotInTable`] and [`BucketError::References`].
pub fn check_bucket(layout: Layout, number: u32, bytes: &[u8]) -> Result<Hash, BucketError> {
    check_shape(layout, number, bytes)?;
    Ok(merkle::leaf_hash(bytes))
}

/// The part of [`check_bucket`] that needs no hashing.
pub(super) fn check_shape(layout: Layout, number: u32, bytes: &[u8]) -> Result<(), BucketError> {
    if number >= layout.buckets() {
        return Err(BucketError::NoSuchBucket { number, buckets: layout.buckets() });
    }
    if bytes.len() != layout.bucket_bytes() {
        return Err(BucketError::Size { expected: layout.bucket_bytes(), got: bytes.len() });
    }
    let entries = entries_of(bytes);
    if let Some(slot) = entries.iter().position(|entry| layout.bucket_of(&Tag::of(entry)) != number) {
        return Err(BucketError::OtherBucket { slot });
    }
    match entries.array_windows().position(|[one, next]| one[..TAG_BYTES] >= next[..TAG_BYTES]) {
        Some(slot) => Err(BucketError::NotAscending { slot: slot + 1 }),
        None => Ok(()),
    }
}

/// Verifies a fetched bucket against the manifest of its table: size, prefix and order of the tags, and
/// the audit path (RFC 6962, leaf sibling first) to the manifest's root.
///
/// The manifest must be one whose record is in the log, of at least the version that the access record
/// names; that is the caller's to check. What comes back is the only thing that can be searched.
///
/// # Errors
/// [`BucketError`], all but [`BucketError::References`].
pub fn verify_bucket<'a>(
    manifest: &Manifest,
    number: u32,
    bytes: &'a [u8],
    path: &[Hash],
) -> Result<VerifiedBucket<'a>, BucketError> {
    let leaf = check_bucket(manifest.layout, number, bytes)?;
    merkle::verify_inclusion(&leaf, number.into(), path, manifest.layout.buckets().into(), &manifest.root)
        .map_err(|_| BucketError::NotInTable)?;
    Ok(VerifiedBucket {
        context: SealContext::new(&manifest.list, manifest.epoch),
        layout: manifest.layout,
        number,
        entries: bytes,
    })
}

/// A bucket that belongs to the table of a manifest. Only [`verify_bucket`] makes one.
#[derive(Debug)]
pub struct VerifiedBucket<'a> {
    context: SealContext,
    layout: Layout,
    number: u32,
    entries: &'a [u8],
}

impl VerifiedBucket<'_> {
    /// The bucket number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Looks up the subject with this VOPRF output (for the list and epoch of the manifest).
    ///
    /// `today` is the day in the time zone of the list. An expired entry is answered as not listed; an
    /// entry that has the subject's tag but does not open is an error, never "not listed".
    ///
    /// # Errors
    /// [`OpenError`]; none of them means "not listed".
    pub fn lookup(&self, out: &[u8; 64], today: Day) -> Result<Lookup, OpenError> {
        let keys = self.context.entry_keys(out);
        let wanted = self.layout.bucket_of(&keys.tag());
        if wanted != self.number {
            return Err(OpenError::OtherBucket { wanted, searched: self.number });
        }
        self.context.lookup(&keys, self.entries, today)
    }
}

/// Why the bytes of a bucket were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// The table has no such bucket.
    #[error("bucket {number} of a table of {buckets} buckets")]
    NoSuchBucket {
        /// The bucket number.
        number: u32,
        /// Buckets of the table.
        buckets: u32,
    },
    /// Entries are missing or too many.
    #[error("a bucket of {got} bytes; the table's have {expected}")]
    Size {
        /// Bytes of every bucket of the table.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// An entry's tag belongs to another bucket.
    #[error("entry {slot} belongs to another bucket")]
    OtherBucket {
        /// Position of the entry, from 0.
        slot: usize,
    },
    /// Tags do not ascend strictly.
    #[error("the tag of entry {slot} is not above the one before")]
    NotAscending {
        /// Position of the entry, from 0.
        slot: usize,
    },
    /// The bucket is not part of the table that the manifest states: omitted, swapped or from another
    /// version.
    #[error("the bucket is not in the table of this manifest")]
    NotInTable,
    /// A stored bucket has not one reference per entry.
    #[error("a bucket of {expected} entries with {got} references")]
    References {
        /// Entries of the bucket.
        expected: u32,
        /// References given.
        got: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Table, context, day, label, listed_out, rng, secrets};
    use super::super::{Change, rewrite_bucket};
    use super::*;

    #[test]
    fn every_listed_subject_is_found_and_no_other() {
        let table = Table::of(300, 1);
        for n in 0..300 {
            assert!(table.ask(&listed_out(n)) == Ok(Lookup::Listed(label(n))));
        }
        for n in 300..600 {
            assert!(table.ask(&listed_out(n)) == Ok(Lookup::NotListed));
        }
    }

    #[test]
    fn a_mirror_that_omits_a_bucket_is_noticed() {
        let table = Table::of(300, 2);
        let (bytes, path) = table.fetch(0);
        let verdict = |bytes: &[u8], path: &[Hash]| verify_bucket(&table.manifest, 0, bytes, path).err();
        assert!(matches!(verdict(&[], &path), Some(BucketError::Size { got: 0, .. })));
        assert!(matches!(verdict(&bytes[64..], &path), Some(BucketError::Size { .. })));
        let empty = super::super::fill_bucket(table.manifest.layout, 0, &[], &mut rng(3)).unwrap();
        assert_eq!(verdict(empty.entries(), &path), Some(BucketError::NotInTable));
        assert_eq!(verdict(&bytes, &[]), Some(BucketError::NotInTable));
        assert_eq!(verdict(&bytes, &path[1..]), Some(BucketError::NotInTable));
    }

    #[test]
    fn a_mirror_that_swaps_buckets_is_noticed() {
        let table = Table::of(300, 4);
        let (bytes, path) = table.fetch(1);
        let swapped = verify_bucket(&table.manifest, 0, &bytes, &table.fetch(0).1).err();
        assert_eq!(swapped, Some(BucketError::OtherBucket { slot: 0 }));
        // Said to be what it is, it verifies, but a subject of another bucket is not looked up in it.
        let bucket = verify_bucket(&table.manifest, 1, &bytes, &path).unwrap();
        let elsewhere = (0..)
            .map(listed_out)
            .find(|out| table.manifest.layout.bucket_of(&context().entry_keys(out).tag()) == 0);
        assert_eq!(
            bucket.lookup(&elsewhere.unwrap(), day(20_000)),
            Err(OpenError::OtherBucket { wanted: 0, searched: 1 })
        );
        // A bucket of the same number from another table of the same shape.
        let other = Table::of(300, 5);
        let foreign = verify_bucket(&table.manifest, 1, &other.fetch(1).0, &other.fetch(1).1).err();
        assert_eq!(foreign, Some(BucketError::NotInTable));
    }

    #[test]
    fn a_mirror_that_replays_an_old_bucket_is_noticed() {
        let mut table = Table::of(300, 6);
        let (old_bytes, old_path) = table.fetch(0);
        let change = Change::Remove { tag: table.first_tag(0) };
        let old = &table.buckets[0];
        let new = rewrite_bucket(table.manifest.layout, &context(), old, Some(change), secrets, &mut rng(7));
        table.replace(new.unwrap());
        let replayed = verify_bucket(&table.manifest, 0, &old_bytes, &old_path).err();
        assert_eq!(replayed, Some(BucketError::NotInTable));
        let (new_bytes, new_path) = table.fetch(0);
        assert!(verify_bucket(&table.manifest, 0, &new_bytes, &new_path).is_ok());
    }

    #[test]
    fn entries_out_of_order_or_twice_are_refused() {
        let table = Table::of(10, 8);
        let layout = table.manifest.layout;
        let (mut bytes, _) = table.fetch(0);
        let first: [u8; 64] = bytes[..64].try_into().unwrap();
        let second: [u8; 64] = bytes[64..128].try_into().unwrap();
        bytes[..64].copy_from_slice(&second);
        assert_eq!(check_bucket(layout, 0, &bytes), Err(BucketError::NotAscending { slot: 1 }));
        bytes[64..128].copy_from_slice(&first);
        assert_eq!(check_bucket(layout, 0, &bytes), Err(BucketError::NotAscending { slot: 1 }));
    }

    #[test]
    fn a_stored_bucket_comes_back_as_it_was_or_not_at_all() {
        let table = Table::of(10, 9);
        let layout = table.manifest.layout;
        let (entries, references) = table.buckets[0].clone().into_parts();
        let again = Bucket::from_parts(layout, 0, entries.clone(), references.clone());
        assert!(again.is_ok_and(|bucket| bucket == table.buckets[0]));
        let short = Bucket::from_parts(layout, 0, entries, references[1..].to_vec());
        assert!(matches!(short, Err(BucketError::References { .. })));
        assert_eq!(table.buckets[0].fillers(), 128 - 10);
    }
}
