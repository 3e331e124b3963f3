//! The 20-byte label: what a holder says about a listed subject, and all it says.

use std::fmt;

/// Length of an encoded label in bytes.
pub const LABEL_BYTES: usize = 20;

/// The only label version there is.
const VERSION: u8 = 1;

/// A calendar day: the number of days since 1970-01-01 in the time zone of the list, 1..=16777215 (u24).
///
/// Day 0 is not a day: the encoding uses it for "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(u32);

impl Day {
    /// The last day a label can carry.
    pub const MAX: Self = Self(0x00ff_ffff);

    /// The day with this number; [`LabelError::Day`] outside 1..=16777215.
    pub fn new(days_since_1970: u32) -> Result<Self, LabelError> {
        if days_since_1970 == 0 || days_since_1970 > Self::MAX.0 {
            return Err(LabelError::Day { given: days_since_1970 });
        }
        Ok(Self(days_since_1970))
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What a sealed entry says about its subject (protocol section 7). The meaning of `status`, `flags` and
/// `category` belongs to the list.
///
/// Whoever holds a label knows that its subject is listed, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Label {
    /// State of the listing, as the list defines it.
    pub status: u8,
    /// Bits as the list defines them.
    pub flags: u8,
    /// Ground of the listing, as the list defines it.
    pub category: u16,
    /// The day of listing, if stated.
    pub listed_on: Option<Day>,
    /// The first day on which the listing no longer counts, if it ends.
    pub expires_on: Option<Day>,
    /// The holder's own reference to its record, opaque to everybody else.
    pub reference: [u8; 8],
}

impl Label {
    /// The 20 bytes: version, status, flags, 0, category, listed_on (u24), expires_on (u24), reference.
    #[must_use]
    pub fn encode(&self) -> [u8; LABEL_BYTES] {
        let mut bytes = [0; LABEL_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.status;
        bytes[2] = self.flags;
        bytes[4..6].copy_from_slice(&self.category.to_be_bytes());
        bytes[6..9].copy_from_slice(&u24(self.listed_on));
        bytes[9..12].copy_from_slice(&u24(self.expires_on));
        bytes[12..].copy_from_slice(&self.reference);
        bytes
    }

    /// Reads the 20 bytes; refuses every version but 1 and every reserved byte but 0.
    ///
    /// # Errors
    /// [`LabelError::Version`] or [`LabelError::Reserved`].
    pub fn decode(bytes: &[u8; LABEL_BYTES]) -> Result<Self, LabelError> {
        let [version, status, flags, reserved, c0, c1, l0, l1, l2, e0, e1, e2, reference @ ..] = *bytes;
        if version != VERSION {
            return Err(LabelError::Version { given: version });
        }
        if reserved != 0 {
            return Err(LabelError::Reserved { given: reserved });
        }
        Ok(Self {
            status,
            flags,
            category: u16::from_be_bytes([c0, c1]),
            listed_on: day([l0, l1, l2]),
            expires_on: day([e0, e1, e2]),
            reference,
        })
    }

    /// True from the day `expires_on` names; a label without one never expires.
    #[must_use]
    pub fn is_expired(&self, today: Day) -> bool {
        self.expires_on.is_some_and(|end| today >= end)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(..)")
    }
}

/// Why a label was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The label has a version that this protocol does not know.
    #[error("label version {given}; only version 1 is known")]
    Version {
        /// The version byte.
        given: u8,
    },
    /// The reserved byte is not zero.
    #[error("the reserved byte of the label is {given}, not 0")]
    Reserved {
        /// The reserved byte.
        given: u8,
    },
    /// A day does not fit the label.
    #[error("day {given} is outside 1..=16777215 days since 1970-01-01")]
    Day {
        /// The number given.
        given: u32,
    },
}

fn u24(day: Option<Day>) -> [u8; 3] {
    let [_, high, middle, low] = day.map_or(0, Day::number).to_be_bytes();
    [high, middle, low]
}

fn day([high, middle, low]: [u8; 3]) -> Option<Day> {
    match u32::from_be_bytes([0, high, middle, low]) {
        0 => None,
        days => Some(Day(days)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_label() -> impl Strategy<Value = Label> {
        let days = || (0u32..=0x00ff_ffff).prop_map(|n| Day::new(n).ok());
        (any::<u8>(), any::<u8>(), any::<u16>(), days(), days(), any::<[u8; 8]>()).prop_map(
            |(status, flags, category, listed_on, expires_on, reference)| Label {
                status,
                flags,
                category,
                listed_on,
                expires_on,
                reference,
            },
        )
    }

    proptest! {
        #[test]
        fn every_label_survives_its_encoding(label in any_label()) {
            prop_assert!(Label::decode(&label.encode()) == Ok(label));
        }

        #[test]
        fn every_accepted_encoding_is_the_only_one(bytes in any::<[u8; LABEL_BYTES]>()) {
            let mut bytes = bytes;
            bytes[0] = 1;
            bytes[3] = 0;
            prop_assert_eq!(Label::decode(&bytes).unwrap().encode(), bytes);
        }
    }

    #[test]
    fn an_unknown_version_or_a_used_reserved_byte_is_refused() {
        let mut bytes = [0; LABEL_BYTES];
        assert_eq!(Label::decode(&bytes), Err(LabelError::Version { given: 0 }));
        bytes[0] = 1;
        bytes[3] = 7;
        assert_eq!(Label::decode(&bytes), Err(LabelError::Reserved { given: 7 }));
    }

    #[test]
    fn days_outside_24_bits_are_refused() {
        assert!(Day::new(0).is_err());
        assert!(Day::new(0x0100_0000).is_err());
        assert_eq!(Day::new(0x00ff_ffff), Ok(Day::MAX));
    }
}
