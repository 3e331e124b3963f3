//! The shape of a table: how many buckets, and how many entries in each.

use super::seal::{ENTRY_BYTES, SealedEntry, Tag};

/// A bucket number has at most 16 bits, so a table has at most 65536 buckets.
pub const MAX_BUCKET_BITS: u8 = 16;

/// The least capacity of a bucket: an answer hides among at least this many entries.
pub const MIN_CAPACITY: u32 = 128;

/// The largest capacity of a bucket (4 MiB of entries): bounds what a requester has to download and
/// hold.
pub const MAX_CAPACITY: u32 = 65_536;

/// Real entries that a bucket of a newly laid out table holds on average, at most.
const TARGET_MEAN: u64 = 96;

/// Capacities are multiples of this.
const CAPACITY_STEP: u64 = 16;

/// The shape of a table: `2^bits` buckets of one capacity. Always within the bounds of protocol section
/// 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Layout {
    bits: u8,
    capacity: u32,
}

impl Layout {
    /// A table of `2^bits` buckets with `capacity` entries each.
    ///
    /// # Errors
    /// [`LayoutError`] outside the bounds of the protocol.
    pub fn new(bits: u8, capacity: u32) -> Result<Self, LayoutError> {
        if bits > MAX_BUCKET_BITS {
            return Err(LayoutError::TooManyBuckets {
                buckets: 1u64.checked_shl(bits.into()).unwrap_or(u64::MAX),
            });
        }
        Self::with_capacity(bits, capacity.into())
    }

    /// The layout that a manifest states, in entries and buckets. Tiny buckets, too many buckets and
    /// numbers of buckets that are no power of two are refused.
    ///
    /// # Errors
    /// [`LayoutError`] outside the bounds of the protocol.
    pub fn from_counts(buckets: u64, capacity: u64) -> Result<Self, LayoutError> {
        if buckets > 1 << MAX_BUCKET_BITS {
            return Err(LayoutError::TooManyBuckets { buckets });
        }
        if !buckets.is_power_of_two() {
            return Err(LayoutError::NotAPowerOfTwo { buckets });
        }
        // At most 2^16, so the exponent is at most 16.
        let bits = u8::try_from(buckets.trailing_zeros()).unwrap_or(MAX_BUCKET_BITS);
        Self::with_capacity(bits, capacity)
    }

    /// The layout for a list of `records` records: the fewest buckets that hold at most 96 records on
    /// average, and room for six standard deviations and eight additions more, at least 128, in steps
    /// of 16.
    ///
    /// # Errors
    /// [`LayoutError::HugeBuckets`] beyond about four thousand million records.
    pub fn for_records(records: u64) -> Result<Self, LayoutError> {
        let mut bits = 0;
        while bits < MAX_BUCKET_BITS && records > TARGET_MEAN << bits {
            bits += 1;
        }
        let mean = records.div_ceil(1 << bits);
        let deviation = mean.saturating_mul(36).isqrt();
        let wanted = mean.saturating_add(deviation).saturating_add(9);
        Self::with_capacity(bits, rounded_up(wanted))
    }

    /// The layout after an overflow in which one bucket needed room for `fullest` entries: the same
    /// buckets, at least a quarter larger.
    ///
    /// # Errors
    /// [`LayoutError::HugeBuckets`] beyond [`MAX_CAPACITY`].
    pub fn grown(self, fullest: u32) -> Result<Self, LayoutError> {
        let capacity = u64::from(self.capacity);
        let wanted = (capacity + capacity / 4).max(u64::from(fullest) + 8);
        Self::with_capacity(self.bits, rounded_up(wanted))
    }

    fn with_capacity(bits: u8, capacity: u64) -> Result<Self, LayoutError> {
        match u32::try_from(capacity) {
            Ok(small) if small < MIN_CAPACITY => Err(LayoutError::TinyBuckets { capacity: small }),
            Ok(capacity) if capacity <= MAX_CAPACITY => Ok(Self { bits, capacity }),
            _ => Err(LayoutError::HugeBuckets { capacity }),
        }
    }

    /// Bits of a bucket number, 0..=16.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Number of buckets, 1..=65536.
    #[must_use]
    pub fn buckets(self) -> u32 {
        1 << self.bits
    }

    /// Entries in each bucket, 128..=65536.
    #[must_use]
    pub fn capacity(self) -> u32 {
        self.capacity
    }

    /// Bytes of each bucket.
    #[must_use]
    pub fn bucket_bytes(self) -> usize {
        self.capacity as usize * ENTRY_BYTES
    }

    /// The bucket of a tag: its top `bits` bits.
    #[must_use]
    pub fn bucket_of(self, tag: &Tag) -> u32 {
        u32::from(u16::from_be_bytes([tag.0[0], tag.0[1]])) >> (MAX_BUCKET_BITS - self.bits)
    }

    /// Overwrites the top bits of a random entry so that it fits the bucket.
    pub(super) fn move_into(self, bucket: u32, entry: &mut SealedEntry) {
        let low_bits = MAX_BUCKET_BITS - self.bits;
        let prefix = u32::from(u16::from_be_bytes([entry[0], entry[1]]));
        let moved = (prefix & ((1 << low_bits) - 1)) | (bucket << low_bits);
        entry[..2].copy_from_slice(&moved.to_be_bytes()[2..]);
    }
}

fn rounded_up(capacity: u64) -> u64 {
    capacity.max(MIN_CAPACITY.into()).div_ceil(CAPACITY_STEP).saturating_mul(CAPACITY_STEP)
}

/// Why a table cannot have this shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More buckets than a bucket number can name.
    #[error("{buckets} buckets; a table has at most 65536")]
    TooManyBuckets {
        /// Buckets stated.
        buckets: u64,
    },
    /// Bucket numbers are whole bits.
    #[error("{buckets} buckets; the number of buckets must be a power of two")]
    NotAPowerOfTwo {
        /// Buckets stated.
        buckets: u64,
    },
    /// A bucket so small that fetching it says too much about the subject.
    #[error("a capacity of {capacity} entries; a bucket has at least 128")]
    TinyBuckets {
        /// Entries in each bucket.
        capacity: u32,
    },
    /// A bucket, or a list, beyond what a table can hold.
    #[error("a capacity of {capacity} entries; a bucket has at most 65536")]
    HugeBuckets {
        /// Entries in each bucket.
        capacity: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(records: u64) -> (u8, u32) {
        let layout = Layout::for_records(records).unwrap();
        (layout.bits(), layout.capacity())
    }

    #[test]
    fn a_list_gets_the_fewest_buckets_of_at_most_96_records() {
        assert_eq!(shape(0), (0, 128));
        assert_eq!(shape(1), (0, 128));
        assert_eq!(shape(96), (0, 176));
        assert_eq!(shape(97), (1, 128));
        assert_eq!(shape(10_000), (7, 144));
        assert_eq!(shape(1_000_000), (14, 128));
        assert_eq!(shape(6_291_456), (16, 176));
        assert_eq!(shape(100_000_000), (16, 1776));
        assert!(matches!(Layout::for_records(u64::MAX), Err(LayoutError::HugeBuckets { .. })));
    }

    #[test]
    fn a_layout_with_tiny_buckets_is_refused() {
        assert_eq!(Layout::from_counts(1024, 127), Err(LayoutError::TinyBuckets { capacity: 127 }));
        assert_eq!(Layout::from_counts(1024, 0), Err(LayoutError::TinyBuckets { capacity: 0 }));
        assert_eq!(Layout::new(3, 1), Err(LayoutError::TinyBuckets { capacity: 1 }));
    }

    #[test]
    fn a_layout_with_too_many_or_odd_buckets_is_refused() {
        assert_eq!(Layout::from_counts(0, 128), Err(LayoutError::NotAPowerOfTwo { buckets: 0 }));
        assert_eq!(Layout::from_counts(3, 128), Err(LayoutError::NotAPowerOfTwo { buckets: 3 }));
        assert_eq!(Layout::from_counts(131_072, 128), Err(LayoutError::TooManyBuckets { buckets: 131_072 }));
        assert_eq!(Layout::new(17, 128), Err(LayoutError::TooManyBuckets { buckets: 131_072 }));
        assert!(Layout::new(255, 128).is_err());
        assert_eq!(Layout::from_counts(65_536, 128), Layout::new(16, 128));
        assert_eq!(Layout::from_counts(1, 65_537), Err(LayoutError::HugeBuckets { capacity: 65_537 }));
    }

    #[test]
    fn a_grown_layout_keeps_its_buckets_and_has_more_room() {
        let layout = Layout::new(7, 144).unwrap();
        assert_eq!(layout.grown(145), Layout::new(7, 192));
        assert_eq!(layout.grown(400), Layout::new(7, 416));
        assert!(Layout::new(16, MAX_CAPACITY).unwrap().grown(0).is_err());
    }

    #[test]
    fn the_bucket_of_a_tag_is_its_top_bits() {
        let mut entry = [0xff; ENTRY_BYTES];
        for bits in 0..=16 {
            let layout = Layout::new(bits, 128).unwrap();
            for bucket in [0, layout.buckets() / 2, layout.buckets() - 1] {
                layout.move_into(bucket, &mut entry);
                assert_eq!(layout.bucket_of(&Tag::of(&entry)), bucket);
            }
        }
        let tag = Tag([0xf6, 0x3b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Layout::new(13, 128).unwrap().bucket_of(&tag), 7879);
    }
}
