//! ULIDs made from a clock and an RNG that are arguments, and the legal basis of a check.

use std::{fmt, str::FromStr};

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use crate::Millis;

/// A new ULID: 48 bits of `now` in milliseconds, 80 random bits.
pub fn new_ulid(now: Millis, rng: &mut (impl CryptoRng + ?Sized)) -> Ulid {
    let mut random = [0u8; 16];
    rng.fill_bytes(&mut random[6..]);
    Ulid::from_parts(now.0, u128::from_be_bytes(random))
}

/// Reads a ULID in its one canonical spelling: 26 characters, capitals, no aliases. Records must
/// come back byte for byte, so the lenient spellings of Crockford's base 32 are refused.
#[must_use]
pub fn parse_ulid(text: &str) -> Option<Ulid> {
    let id = Ulid::from_string(text).ok()?;
    let mut buffer = [0u8; ulid::ULID_LEN];
    (id.array_to_str(&mut buffer) == text).then_some(id)
}

/// On what a check rests (protocol section 4): `consent:<ULID>` or `agreement:<ULID>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// A consent of the subject, by its id.
    Consent(Ulid),
    /// An agreement between holder and requester that asks for no consent, by its id.
    Agreement(Ulid),
}

/// The text is neither `consent:<ULID>` nor `agreement:<ULID>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a basis is written consent:<ULID> or agreement:<ULID>")]
pub struct BasisError;

impl Basis {
    /// The id of the consent or agreement.
    #[must_use]
    pub fn id(&self) -> Ulid {
        match self {
            Self::Consent(id) | Self::Agreement(id) => *id,
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consent(id) => write!(f, "consent:{id}"),
            Self::Agreement(id) => write!(f, "agreement:{id}"),
        }
    }
}

impl FromStr for Basis {
    type Err = BasisError;
    fn from_str(text: &str) -> Result<Self, BasisError> {
        let (kind, id) = text.split_once(':').ok_or(BasisError)?;
        let id = parse_ulid(id).ok_or(BasisError)?;
        match kind {
            "consent" => Ok(Self::Consent(id)),
            "agreement" => Ok(Self::Agreement(id)),
            _ => Err(BasisError),
        }
    }
}

impl Serialize for Basis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Basis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::seeded_rng;

    #[test]
    fn a_ulid_carries_the_time_it_was_given() {
        let mut rng = seeded_rng([7; 32]);
        let now = Millis(1_795_300_143_223);
        let (a, b) = (new_ulid(now, &mut rng), new_ulid(now, &mut rng));
        assert_eq!(a.timestamp_ms(), now.0);
        assert_ne!(a, b);
        assert!(new_ulid(Millis(now.0 + 1), &mut rng) > a);
    }

    #[test]
    fn a_basis_has_one_spelling() {
        let id = new_ulid(Millis(1), &mut seeded_rng([1; 32]));
        for basis in [Basis::Consent(id), Basis::Agreement(id)] {
            assert_eq!(basis.to_string().parse(), Ok(basis));
            assert_eq!(basis.id(), id);
        }
        let small = format!("consent:{}", id.to_string().to_lowercase());
        for bad in ["", "consent:", "consent", &small, &format!("Consent:{id}"), &format!("consent: {id}")] {
            assert_eq!(bad.parse::<Basis>(), Err(BasisError), "{bad}");
        }
        // More than 128 bits.
        assert_eq!(parse_ulid("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), None);
    }
}
