//! Which buckets a batch fetches, so that the real ones cannot be told from the others.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::layout::Layout;
use super::sample::some_of;

/// The buckets that a batch fetches from one list: every real one once, and random others up to as many
/// distinct buckets as there are permits (never more than the table has).
///
/// The result is in ascending order, which says nothing about which are real or whose they are; keep it
/// with the batch and ask the same again on retry. `real` may name a bucket more than once.
///
/// # Errors
/// [`PaddingError`], both by the caller's fault.
pub fn pad_buckets(
    layout: Layout,
    real: &[u32],
    permits: usize,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u32>, PaddingError> {
    let buckets = layout.buckets();
    let mut chosen: BTreeSet<u32> = real.iter().copied().collect();
    if let Some(&bucket) = chosen.last().filter(|&&last| last >= buckets) {
        return Err(PaddingError::NoSuchBucket { bucket, buckets });
    }
    if chosen.len() > permits {
        return Err(PaddingError::TooFewPermits { buckets: chosen.len(), permits });
    }
    let missing = permits.min(buckets as usize) - chosen.len();
    if missing > 0 {
        let others = (0..buckets).filter(|bucket| !chosen.contains(bucket)).collect();
        chosen.extend(some_of(rng, others, missing));
    }
    Ok(chosen.into_iter().collect())
}

/// Why no padding is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaddingError {
    /// A bucket number beyond the table.
    #[error("bucket {bucket} of a table of {buckets} buckets")]
    NoSuchBucket {
        /// The bucket number.
        bucket: u32,
        /// Buckets of the table.
        buckets: u32,
    },
    /// Each bucket takes one permit.
    #[error("{buckets} distinct buckets and only {permits} permits")]
    TooFewPermits {
        /// Distinct real buckets.
        buckets: usize,
        /// Permits for this list.
        permits: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::super::testing::rng;
    use super::*;

    #[test]
    fn a_batch_asks_for_as_many_distinct_buckets_as_it_has_permits() {
        let layout = Layout::new(10, 128).unwrap();
        let padded = pad_buckets(layout, &[7, 900, 7, 7, 3], 5, &mut rng(1)).unwrap();
        assert_eq!(padded.len(), 5);
        assert!(padded.array_windows().all(|[one, next]| one < next));
        assert!([3, 7, 900].iter().all(|bucket| padded.contains(bucket)));
        assert!(padded.iter().all(|&bucket| bucket < 1024));
    }

    #[test]
    fn a_batch_never_asks_for_more_buckets_than_there_are() {
        let layout = Layout::new(3, 128).unwrap();
        let padded = pad_buckets(layout, &[5; 100], 100, &mut rng(1)).unwrap();
        assert_eq!(padded, (0..8).collect::<Vec<u32>>());
    }

    #[test]
    fn padding_reaches_every_bucket() {
        let layout = Layout::new(6, 128).unwrap();
        let mut rng = rng(2);
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            seen.extend(pad_buckets(layout, &[1], 8, &mut rng).unwrap());
        }
        assert_eq!(seen.len(), 64);
    }

    #[test]
    fn a_single_check_asks_for_its_bucket_alone() {
        let layout = Layout::new(14, 128).unwrap();
        assert_eq!(pad_buckets(layout, &[9000], 1, &mut rng(1)), Ok(vec![9000]));
    }

    #[test]
    fn more_buckets_than_permits_or_than_exist_are_refused() {
        let layout = Layout::new(3, 128).unwrap();
        let few = PaddingError::TooFewPermits { buckets: 2, permits: 1 };
        assert_eq!(pad_buckets(layout, &[1, 2], 1, &mut rng(1)), Err(few));
        let beyond = PaddingError::NoSuchBucket { bucket: 8, buckets: 8 };
        assert_eq!(pad_buckets(layout, &[8], 4, &mut rng(1)), Err(beyond));
    }
}
