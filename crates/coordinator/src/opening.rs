//! What opens a record's commitments: kept beside the log, sealed under a key per pseudonym.
//!
//! Destroying the key erases the openings of that pseudonym; the log itself never changes. Each opening
//! names the record before it of the same pseudonym, so who has the key can walk the chain from its head
//! back to its first record or to the newest erasure.
//!
//! Sealed: `nonce(12) || ChaCha20-Poly1305(key, nonce, aad = u64 log index, version(1) || postcard)`.

use std::fmt;

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Layout of what is sealed; the first byte of every opening.
const VERSION: u8 = 1;

/// Bytes that are written in one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(pub &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> de::Visitor<'de> for Borrowed {
            type Value = Raw<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
                Ok(Raw(bytes))
            }
        }
        deserializer.deserialize_bytes(Borrowed)
    }
}

/// A record's place in its pseudonym's hidden chain: opens `subject`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Salt of the subject commitment.
    pub salt: [u8; 32],
    /// Place in the chain, from 0.
    pub sequence: u64,
    /// Leaf hash of the record before, zeros at first.
    pub previous: [u8; 32],
    /// Log index of the record before.
    pub previous_index: Option<u64>,
}

/// The opening of an `access` or `refused` record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOpening<'a> {
    /// Opens `subject`.
    pub link: Link,
    /// Salt of the evidence commitment.
    pub salt_evidence: [u8; 32],
    /// Which item of its check the record is about, from 0.
    pub item: u16,
    /// The check. Only with item 0; the records of a check follow each other in the log.
    #[serde(borrow)]
    pub check: Option<CheckBody<'a>>,
    /// Why exactly it was refused; empty when permitted.
    pub exact: &'a str,
    /// Names the rules that decided, in `rule_set`.
    pub rules: [u8; 32],
    /// The agreement that allowed it, a ULID; empty when refused.
    pub agreement: &'a str,
}

/// What all items of a check share; with the request's stored signature and the registration, it opens
/// `evidence`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckBody<'a> {
    /// Ph that the proof was verified against.
    pub blinded_subject: [u8; 32],
    /// The registration that brought it.
    pub register_hash: [u8; 32],
    /// The request whose stored hashes and signature complete the evidence.
    pub request: [u8; 32],
    /// The check's place in the request, from 0.
    pub position: u16,
    /// Bind proof `R || s`.
    #[serde(borrow)]
    pub proof: Raw<'a>,
    /// Context bytes.
    #[serde(borrow)]
    pub context: Raw<'a>,
}

/// The opening of a `consent` record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentOpening<'a> {
    /// Opens `subject`.
    pub link: Link,
    /// Salt of the terms commitment.
    pub salt_terms: [u8; 32],
    /// The consent, a ULID.
    pub consent: &'a str,
    /// Number of the change of state.
    pub number: u64,
}

/// The opening of an `erasure` record, the first one under a new key. Its link has neither a record before nor that
/// one's hash: they would point at what is erased.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOpening {
    /// Opens `subject`.
    pub link: Link,
}

/// The opening of a `notice` record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeOpening<'a> {
    /// Opens `subject`.
    pub link: Link,
    /// The letter, as it was sealed to its recipients.
    #[serde(borrow)]
    pub letter: Raw<'a>,
}

/// The opening of a `measure` record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureOpening<'a> {
    /// Opens `subject`.
    pub link: Link,
    /// Salt of the details commitment.
    pub salt_details: [u8; 32],
    /// The list whose answer it rests on.
    pub list: &'a str,
    /// Who decided.
    pub decider: &'a str,
    /// The measure in the agreement's words.
    pub words: &'a str,
}

/// What a record's commitments open with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening<'a> {
    /// Of an `access` or `refused` record.
    Check(#[serde(borrow)] CheckOpening<'a>),
    /// Of a `consent` record.
    Consent(#[serde(borrow)] ConsentOpening<'a>),
    /// Of an `erasure` record.
    Erasure(ErasureOpening),
    /// Of a `notice` record.
    Notice(#[serde(borrow)] NoticeOpening<'a>),
    /// Of a `measure` record.
    Measure(#[serde(borrow)] MeasureOpening<'a>),
}

impl Opening<'_> {
    /// The record's place in its chain.
    #[must_use]
    pub fn link(&self) -> &Link {
        match self {
            Self::Check(opening) => &opening.link,
            Self::Consent(opening) => &opening.link,
            Self::Erasure(opening) => &opening.link,
            Self::Notice(opening) => &opening.link,
            Self::Measure(opening) => &opening.link,
        }
    }
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

/// An opening could not be sealed: a programming error, never the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an opening could not be sealed")]
pub struct NotSealed;

/// Bytes are no opening of this record under this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no opening of that record under this key")]
pub struct NotOpened;

/// Seals an opening under its pseudonym's key, bound to the record's log index.
///
/// # Errors
/// [`NotSealed`], never in practice.
pub fn seal(
    opening: &Opening<'_>,
    key: &[u8; 32],
    index: u64,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, NotSealed> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut sealed = Vec::with_capacity(1024);
    sealed.extend_from_slice(&nonce);
    sealed.push(VERSION);
    let mut sealed = postcard::to_extend(opening, sealed).map_err(|_| NotSealed)?;
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| NotSealed)?);
    let plain = sealed.get_mut(NONCE_LEN..).ok_or(NotSealed)?;
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(index.to_be_bytes()),
            plain,
        )
        .map_err(|_| NotSealed)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made for the record at `index`; `sealed` holds the plain bytes afterwards.
///
/// # Errors
/// [`NotOpened`]: another key or record, or changed bytes.
pub fn open<'a>(sealed: &'a mut [u8], key: &[u8; 32], index: u64) -> Result<Opening<'a>, NotOpened> {
    let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(NotOpened)?;
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| NotOpened)?);
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = key.open_in_place(nonce, Aad::from(index.to_be_bytes()), sealed).map_err(|_| NotOpened)?;
    let (version, opening) = plain.split_first().ok_or(NotOpened)?;
    if *version != VERSION {
        return Err(NotOpened);
    }
    postcard::from_bytes(opening).map_err(|_| NotOpened)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(context: &[u8]) -> Opening<'_> {
        let link = Link { salt: [1; 32], sequence: 7, previous: [2; 32], previous_index: Some(9) };
        let check = CheckBody {
            blinded_subject: [3; 32],
            register_hash: [4; 32],
            request: [5; 32],
            position: 1023,
            proof: Raw(&[6; 64]),
            context: Raw(context),
        };
        Opening::Check(CheckOpening {
            link,
            salt_evidence: [8; 32],
            item: 0,
            check: Some(check),
            exact: "",
            rules: [9; 32],
            agreement: "01KAQ8A1B2C3D4E5F6G7H8J9K3",
        })
    }

    #[test]
    fn an_opening_opens_for_its_record_and_key_alone() {
        let mut rng = tacit_model::entropy::seeded_rng([0; 32]);
        let sealed = seal(&opening(b"ctx"), &[1; 32], 5, &mut rng).unwrap();
        assert_eq!(open(&mut sealed.clone(), &[1; 32], 5), Ok(opening(b"ctx")));
        assert_eq!(open(&mut sealed.clone(), &[2; 32], 5), Err(NotOpened));
        assert_eq!(open(&mut sealed.clone(), &[1; 32], 6), Err(NotOpened));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(open(&mut changed, &[1; 32], 5), Err(NotOpened), "byte {place}");
        }
        assert_eq!(open(&mut [], &[1; 32], 5), Err(NotOpened));
    }

    #[test]
    fn debug_shows_nothing_of_an_opening() {
        assert_eq!(format!("{:?}", opening(b"ctx")), "Opening(..)");
    }
}
