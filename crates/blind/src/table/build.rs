//! Building the buckets of a table, one after the other, in memory for one bucket.

use std::iter::Peekable;
use std::num::NonZeroU64;
use std::ops::Range;

use rand_core::CryptoRng;

use super::bucket::{Bucket, entries_of};
use super::layout::Layout;
use super::seal::{ENTRY_BYTES, SealedEntry, Tag};

/// How often random tags are drawn again when two are equal. With 16 random bytes once is already a
/// miracle; a second time means that the random source repeats itself.
const DRAWS: usize = 4;

/// A sealed entry and the holder's reference to the record behind it.
#[derive(Clone, Copy)]
pub struct SealedRecord {
    /// The sealed entry.
    pub entry: SealedEntry,
    /// The holder's own number of the record; 0 is kept for fillers.
    pub reference: NonZeroU64,
}

/// Fills one bucket: the real entries (strictly ascending tags, all of this bucket) among random ones.
///
/// Buckets are independent: callers may shard them over threads, each with its own random source.
///
/// Real tags persist over the versions of one epoch, so building a table anew within its epoch shows
/// which entries are real to anyone who has both: use [`super::rewrite_bucket`] and
/// [`super::grow_bucket`] instead.
///
/// # Errors
/// [`BuildError`]; after [`BuildError::Overflow`] all buckets are built again in a grown layout.
pub fn fill_bucket(
    layout: Layout,
    number: u32,
    real: &[SealedRecord],
    rng: &mut impl CryptoRng,
) -> Result<Bucket, BuildError> {
    if number >= layout.buckets() {
        return Err(BuildError::NoSuchBucket { number, buckets: layout.buckets() });
    }
    let capacity = layout.capacity() as usize;
    let Some(fillers) = capacity.checked_sub(real.len()) else {
        return Err(BuildError::Overflow {
            bucket: number,
            entries: real.len(),
            capacity: layout.capacity(),
        });
    };
    check_order(layout, number, real)?;

    let mut random = vec![0; fillers * ENTRY_BYTES];
    for _ in 0..DRAWS {
        rng.fill_bytes(&mut random);
        for filler in random.as_chunks_mut().0 {
            layout.move_into(number, filler);
        }
        let mut slots: Vec<(&SealedEntry, u64)> =
            real.iter().map(|record| (&record.entry, record.reference.get())).collect();
        slots.extend(entries_of(&random).iter().map(|filler| (filler, 0)));
        slots.sort_unstable_by_key(|(entry, _)| Tag::of(entry));
        if slots.array_windows().any(|[one, next]| Tag::of(one.0) == Tag::of(next.0)) {
            continue;
        }
        let mut entries = Vec::with_capacity(layout.bucket_bytes());
        let mut references = Vec::with_capacity(capacity);
        for (entry, reference) in slots {
            entries.extend_from_slice(entry);
            references.push(reference);
        }
        return Ok(Bucket::built(number, entries, references));
    }
    Err(BuildError::RandomnessRepeats)
}

fn check_order(layout: Layout, number: u32, real: &[SealedRecord]) -> Result<(), BuildError> {
    if real.iter().any(|record| layout.bucket_of(&Tag::of(&record.entry)) != number) {
        return Err(BuildError::Unsorted);
    }
    for [one, next] in real.array_windows() {
        let (one_tag, next_tag) = (Tag::of(&one.entry), Tag::of(&next.entry));
        if one_tag == next_tag {
            return Err(BuildError::ListedTwice { one: one.reference, other: next.reference });
        }
        if one_tag > next_tag {
            return Err(BuildError::Unsorted);
        }
    }
    Ok(())
}

/// Builds a range of buckets from the sealed entries of that range, sorted by tag: an iterator of
/// buckets in order, also of those without any record. After an error it ends.
pub struct BucketStream<'r, I: Iterator<Item = SealedRecord>, R> {
    layout: Layout,
    range: Range<u32>,
    records: Peekable<I>,
    rng: &'r mut R,
}

impl<'r, I: Iterator<Item = SealedRecord>, R: CryptoRng> BucketStream<'r, I, R> {
    /// Builds every bucket of the table.
    pub fn new(layout: Layout, records: impl IntoIterator<IntoIter = I>, rng: &'r mut R) -> Self {
        Self::of_range(layout, 0..layout.buckets(), records, rng)
    }

    /// Builds the buckets of a range (one shard of several).
    pub fn of_range(
        layout: Layout,
        range: Range<u32>,
        records: impl IntoIterator<IntoIter = I>,
        rng: &'r mut R,
    ) -> Self {
        Self { layout, range, records: records.into_iter().peekable(), rng }
    }

    fn build(&mut self, number: u32) -> Result<Bucket, BuildError> {
        let layout = self.layout;
        let mut real = Vec::new();
        while let Some(record) =
            self.records.next_if(|record| layout.bucket_of(&Tag::of(&record.entry)) == number)
        {
            real.push(record);
        }
        // Records are left that belong before this bucket, or beyond the range.
        let rest = self.records.peek().map(|record| layout.bucket_of(&Tag::of(&record.entry)));
        if rest.is_some_and(|next| next < number || next >= self.range.end) {
            return Err(BuildError::Unsorted);
        }
        fill_bucket(layout, number, &real, self.rng)
    }
}

impl<I: Iterator<Item = SealedRecord>, R: CryptoRng> Iterator for BucketStream<'_, I, R> {
    type Item = Result<Bucket, BuildError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.range.next()?;
        let built = self.build(number);
        if built.is_err() {
            self.range.start = self.range.end;
        }
        Some(built)
    }
}

/// Why a bucket could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The table has no such bucket.
    #[error("bucket {number} of a table of {buckets} buckets")]
    NoSuchBucket {
        /// The bucket number.
        number: u32,
        /// Buckets of the table.
        buckets: u32,
    },
    /// More records than one bucket holds: all buckets must be rebuilt at a larger capacity
    /// ([`Layout::grown`]).
    #[error("bucket {bucket} would need room for {entries} entries and has {capacity}")]
    Overflow {
        /// The bucket number.
        bucket: u32,
        /// Real entries of the bucket.
        entries: usize,
        /// Entries a bucket of this table holds.
        capacity: u32,
    },
    /// Two records are about one subject; a list has one entry per subject.
    #[error("records {one} and {other} are about one subject")]
    ListedTwice {
        /// One record.
        one: NonZeroU64,
        /// The other record.
        other: NonZeroU64,
    },
    /// The records did not come in the order of their tags, or not all belong to the range.
    #[error("the sealed records are not in the order of their tags")]
    Unsorted,
    /// Random tags repeat: the random source is broken.
    #[error("the random source repeats itself")]
    RandomnessRepeats,
}

#[cfg(test)]
mod tests {
    use super::super::bucket::check_bucket;
    use super::super::testing::{BrokenRng, rng, sealed_records};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_bucket_is_full_ascending_and_in_its_place(
            count in 0u64..600, bits in 2u8..5, seed in any::<u64>(),
        ) {
            let layout = Layout::new(bits, 512).unwrap();
            let records = sealed_records(count);
            let mut rng = rng(seed);
            let buckets: Vec<Bucket> =
                BucketStream::new(layout, records, &mut rng).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(buckets.len(), 1usize << bits);
            let mut found: Vec<u64> = Vec::new();
            for (number, bucket) in (0u32..).zip(&buckets) {
                prop_assert_eq!(check_bucket(layout, number, bucket.entries()), Ok(bucket.leaf()));
                found.extend(bucket.references().iter().filter(|&&reference| reference != 0));
            }
            found.sort_unstable();
            prop_assert_eq!(found, (1..=count).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn an_overfull_bucket_is_an_overflow_and_not_a_loss() {
        let layout = Layout::new(0, 128).unwrap();
        let overflow = BuildError::Overflow { bucket: 0, entries: 129, capacity: 128 };
        assert_eq!(fill_bucket(layout, 0, &sealed_records(129), &mut rng(1)), Err(overflow));
        let grown = layout.grown(129).unwrap();
        assert!(fill_bucket(grown, 0, &sealed_records(129), &mut rng(1)).is_ok());
        let full = fill_bucket(layout, 0, &sealed_records(128), &mut rng(1)).unwrap();
        assert_eq!(full.fillers(), 0);
    }

    #[test]
    fn one_subject_twice_is_refused_with_both_records() {
        let layout = Layout::new(0, 128).unwrap();
        let mut records = sealed_records(3);
        records.insert(1, SealedRecord { reference: NonZeroU64::new(99).unwrap(), ..records[0] });
        let twice = BuildError::ListedTwice { one: records[0].reference, other: records[1].reference };
        assert_eq!(fill_bucket(layout, 0, &records, &mut rng(1)), Err(twice));
    }

    #[test]
    fn records_out_of_order_are_refused_and_end_the_stream() {
        let layout = Layout::new(3, 128).unwrap();
        let mut records = sealed_records(50);
        records.swap(0, 49);
        let mut rng = rng(1);
        let results: Vec<_> = BucketStream::new(layout, records, &mut rng).collect();
        assert_eq!(results.last(), Some(&Err(BuildError::Unsorted)));
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    }

    #[test]
    fn shards_build_the_same_places_as_the_whole() {
        let layout = Layout::new(3, 128).unwrap();
        let records = sealed_records(100);
        let split = records.partition_point(|record| layout.bucket_of(&Tag::of(&record.entry)) < 4);
        let mut rng = rng(1);
        let low: Vec<_> = BucketStream::of_range(layout, 0..4, records[..split].to_vec(), &mut rng).collect();
        let high: Vec<_> =
            BucketStream::of_range(layout, 4..8, records[split..].to_vec(), &mut rng).collect();
        let numbers: Vec<u32> = low.into_iter().chain(high).map(|bucket| bucket.unwrap().number()).collect();
        assert_eq!(numbers, (0..8).collect::<Vec<u32>>());
        let all = BucketStream::of_range(layout, 0..4, records, &mut rng).find(Result::is_err);
        assert_eq!(all, Some(Err(BuildError::Unsorted)));
    }

    #[test]
    fn a_random_source_that_repeats_itself_is_noticed() {
        let layout = Layout::new(0, 128).unwrap();
        assert_eq!(fill_bucket(layout, 0, &[], &mut BrokenRng), Err(BuildError::RandomnessRepeats));
    }
}
