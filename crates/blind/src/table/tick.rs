//! Publishing changes: which buckets the next version rewrites, and how, so that a watcher of the table
//! cannot tell where something changed (protocol section 7).
//!
//! In every rewritten bucket exactly one tag leaves and one enters, and all nonces and filler bodies
//! are fresh:
//!
//! | change | leaves | enters |
//! |---|---|---|
//! | add | a filler | the new entry |
//! | remove | the entry | a filler |
//! | relabel | a filler | a filler; the entry is sealed anew with its new label |
//! | cover | a filler | a filler |

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU64;

use rand_core::CryptoRng;

use super::bucket::BucketError;
use super::layout::Layout;
use super::sample::some_of;
use super::seal::Tag;

/// A tick rewrites at least this many buckets, or all when there are fewer.
const COVER: u32 = 32;

/// One change to a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A subject is listed.
    Add {
        /// Where its entry stands.
        tag: Tag,
        /// The holder's number of the new record.
        reference: NonZeroU64,
    },
    /// A subject is listed no longer.
    Remove {
        /// Where its entry stands.
        tag: Tag,
    },
    /// The label of a listed subject has changed.
    Relabel {
        /// Where its entry stands.
        tag: Tag,
    },
}

impl Change {
    /// Where the changed entry stands.
    #[must_use]
    pub fn tag(&self) -> Tag {
        match *self {
            Self::Add { tag, .. } | Self::Remove { tag } | Self::Relabel { tag } => tag,
        }
    }

    /// A change that a bucket without a filler cannot take.
    fn needs_filler(self) -> bool {
        !matches!(self, Self::Remove { .. })
    }
}

/// What the next version rewrites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TickPlan {
    /// The buckets to rewrite, each with the change it carries; `None` is cover.
    pub rewrites: BTreeMap<u32, Option<Change>>,
    /// Second changes to one bucket, in order: the first of the next tick.
    pub deferred: Vec<Change>,
}

/// How many buckets a tick must rewrite at least: `min(32, 2^b)`.
#[must_use]
pub fn minimum_cover(layout: Layout) -> u32 {
    COVER.min(layout.buckets())
}

/// Plans the next version: one change per bucket in the order given, and random cover buckets up to the
/// next multiple of [`minimum_cover`], so that the number of changes does not show either.
///
/// `is_full` says whether a bucket has no filler left ([`super::Bucket::fillers`] is 0).
/// [`TickError::Overflow`] when a full bucket would have to take an addition, a new label or cover:
/// then all buckets grow ([`Layout::grown`], [`super::grow_bucket`]).
///
/// # Errors
/// [`TickError::Overflow`].
pub fn plan_tick(
    layout: Layout,
    changes: impl IntoIterator<Item = Change>,
    is_full: impl Fn(u32) -> bool,
    rng: &mut impl CryptoRng,
) -> Result<TickPlan, TickError> {
    let mut rewrites = BTreeMap::new();
    let mut deferred = Vec::new();
    for change in changes {
        let bucket = layout.bucket_of(&change.tag());
        match rewrites.entry(bucket) {
            Entry::Occupied(_) => deferred.push(change),
            Entry::Vacant(_) if change.needs_filler() && is_full(bucket) => {
                return Err(TickError::Overflow { bucket, capacity: layout.capacity() });
            }
            Entry::Vacant(free) => {
                free.insert(Some(change));
            }
        }
    }
    let minimum = minimum_cover(layout) as usize;
    let wanted = rewrites.len().next_multiple_of(minimum).clamp(minimum, layout.buckets() as usize);
    let missing = wanted - rewrites.len();
    if missing > 0 {
        let (full, free): (Vec<u32>, Vec<u32>) = (0..layout.buckets())
            .filter(|bucket| !rewrites.contains_key(bucket))
            .partition(|&bucket| is_full(bucket));
        rewrites.extend(some_of(rng, free, missing).into_iter().map(|bucket| (bucket, None)));
        if let (true, Some(&bucket)) = (rewrites.len() < minimum, full.first()) {
            return Err(TickError::Overflow { bucket, capacity: layout.capacity() });
        }
    }
    Ok(TickPlan { rewrites, deferred })
}

/// Why a change cannot be published as it is, or a rewritten bucket was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TickError {
    /// A bucket without a filler cannot take this: all buckets must grow.
    #[error("bucket {bucket} is full at {capacity} entries")]
    Overflow {
        /// The bucket number.
        bucket: u32,
        /// Entries a bucket of this table holds.
        capacity: u32,
    },
    /// The subject to add has an entry already.
    #[error("the subject to add has an entry in bucket {bucket} already")]
    AlreadyListed {
        /// The bucket number.
        bucket: u32,
    },
    /// The subject to remove or relabel has no entry.
    #[error("the subject to change has no entry in bucket {bucket}")]
    NotListed {
        /// The bucket number.
        bucket: u32,
    },
    /// The change belongs to another bucket.
    #[error("the change does not belong to bucket {bucket}")]
    OtherBucket {
        /// The bucket number.
        bucket: u32,
    },
    /// The caller has no keys and label for a real entry.
    #[error("no keys and label for record {reference}")]
    NoRecord {
        /// The holder's number of the record.
        reference: NonZeroU64,
    },
    /// The keys that the caller gave for a record are those of another subject, list or epoch.
    #[error("the keys for record {reference} are not those of its entry")]
    OtherSubject {
        /// The holder's number of the record.
        reference: NonZeroU64,
    },
    /// One of the buckets is not well-formed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Not exactly one tag left and one entered.
    #[error("{left} tags left the bucket and {entered} entered; exactly one of each must")]
    NotOneForOne {
        /// Tags that left.
        left: usize,
        /// Tags that entered.
        entered: usize,
    },
    /// An entry that stayed was not sealed afresh.
    #[error("entry {slot} stayed without a fresh nonce and body")]
    Stale {
        /// Position in the new bucket, from 0.
        slot: usize,
    },
    /// Random tags repeat: the random source is broken.
    #[error("the random source repeats itself")]
    RandomnessRepeats,
}

#[cfg(test)]
mod tests {
    use super::super::testing::{rng, tags_in};
    use super::*;

    fn number(n: u64) -> NonZeroU64 {
        NonZeroU64::new(n).unwrap()
    }

    fn add(tag: Tag) -> Change {
        Change::Add { tag, reference: number(1) }
    }

    #[test]
    fn a_tick_rewrites_at_least_32_buckets_or_all_of_a_small_table() {
        for (bits, expected) in [(0, 1), (3, 8), (5, 32), (10, 32)] {
            let layout = Layout::new(bits, 128).unwrap();
            for changes in [vec![], tags_in(layout, 0, 1).into_iter().map(add).collect()] {
                let plan = plan_tick(layout, changes.clone(), |_| false, &mut rng(1)).unwrap();
                assert_eq!(plan.rewrites.len(), expected);
                assert_eq!(plan.rewrites.values().flatten().count(), changes.len());
                assert_eq!(minimum_cover(layout) as usize, expected);
            }
        }
    }

    #[test]
    fn many_changes_are_covered_up_to_the_next_multiple_of_32() {
        let layout = Layout::new(10, 128).unwrap();
        let changes = |count| (0..count).map(|bucket| add(tags_in(layout, bucket, 1)[0]));
        for (count, rewritten) in [(31, 32), (32, 32), (33, 64), (1000, 1024)] {
            let plan = plan_tick(layout, changes(count), |_| false, &mut rng(2)).unwrap();
            assert_eq!(plan.rewrites.len(), rewritten);
        }
    }

    #[test]
    fn a_second_change_to_one_bucket_waits_for_the_next_tick() {
        let layout = Layout::new(8, 128).unwrap();
        let tags = tags_in(layout, 9, 3);
        let other = tags_in(layout, 10, 1)[0];
        let changes =
            [add(tags[0]), Change::Remove { tag: tags[1] }, add(other), Change::Relabel { tag: tags[2] }];
        let plan = plan_tick(layout, changes, |_| false, &mut rng(3)).unwrap();
        assert_eq!(plan.rewrites[&9], Some(changes[0]));
        assert_eq!(plan.rewrites[&10], Some(changes[2]));
        assert_eq!(plan.deferred, [changes[1], changes[3]]);
    }

    #[test]
    fn a_full_bucket_takes_a_removal_only() {
        let layout = Layout::new(8, 128).unwrap();
        let tag = tags_in(layout, 9, 1)[0];
        let full = |bucket| bucket == 9;
        let overflow = Err(TickError::Overflow { bucket: 9, capacity: 128 });
        assert_eq!(plan_tick(layout, [add(tag)], full, &mut rng(4)), overflow);
        assert_eq!(plan_tick(layout, [Change::Relabel { tag }], full, &mut rng(4)), overflow);
        let plan = plan_tick(layout, [Change::Remove { tag }], full, &mut rng(4)).unwrap();
        assert_eq!(plan.rewrites[&9], Some(Change::Remove { tag }));
    }

    #[test]
    fn full_buckets_are_no_cover() {
        let layout = Layout::new(6, 128).unwrap();
        let plan = plan_tick(layout, [], |bucket| bucket < 32, &mut rng(5)).unwrap();
        assert_eq!(plan.rewrites.into_keys().collect::<Vec<u32>>(), (32..64).collect::<Vec<u32>>());
        let overflow = Err(TickError::Overflow { bucket: 0, capacity: 128 });
        assert_eq!(plan_tick(layout, [], |bucket| bucket < 33, &mut rng(5)), overflow);
    }

    #[test]
    fn cover_reaches_every_bucket() {
        let layout = Layout::new(7, 128).unwrap();
        let mut rng = rng(6);
        let mut seen = BTreeMap::new();
        for _ in 0..60 {
            seen.extend(plan_tick(layout, [], |_| false, &mut rng).unwrap().rewrites);
        }
        assert_eq!(seen.len(), 128);
    }
}
