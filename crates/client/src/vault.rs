//! What the store may see: keyed hashes to find rows by, and sealed bytes.
//!
//! ```text
//! store key (32 bytes, a file of the agency)
//!   ├─ b3 "tacit v1 requester index" ─> index key: row key = keyed BLAKE3(kind || 0 || parts)
//!   └─ b3 "tacit v1 requester seal"  ─> seal key:  row = random(24) || AES-256-GCM(...)
//!                                        row's key = keyed BLAKE3(kind || 0 || random[..12]), nonce = random[12..]
//! ```
//! A row's own key makes the number of rows irrelevant for random nonces. Kind and row key are authenticated, so
//! that a stored row cannot stand in for another.

use std::fmt;

use rand_core::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tacit_blind::encoding::b3;
use zeroize::Zeroizing;

/// A keyed hash: what a row is found by. Says nothing without the store key.
pub type RowKey = [u8; 32];

const RANDOM: usize = 24;
const SALT: usize = 12;

/// Which kind of row; part of every row key and of what is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A requester's subject.
    Subject,
    /// A requester's request.
    Request,
    /// What proves the answers of a request.
    Answer,
    /// A bucket.
    Bucket,
    /// A consent, as a requester knows it.
    Consent,
    /// A case number.
    Case,
    /// Who asked, as the agency names its officers.
    Officer,
    /// A user of an authority.
    User,
    /// A user's chain with one requester, as an authority reads it.
    Chain,
    /// A record of a chain.
    Entry,
    /// A case or letter of an objection, or of a notice.
    Redress,
    /// A requester's measure.
    Measure,
    /// A browser's session at a portal.
    Session,
    /// A change of a consent that an authority made for a user.
    ConsentChange,
    /// What somebody did for another at a portal.
    Act,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Bucket => "bucket",
            Self::Consent => "consent",
            Self::Case => "case",
            Self::Officer => "officer",
            Self::User => "user",
            Self::Chain => "chain",
            Self::Entry => "entry",
            Self::Redress => "redress",
            Self::Measure => "measure",
            Self::Session => "session",
            Self::ConsentChange => "consent-change",
            Self::Act => "act",
        }
    }
}

/// A stored row does not open: another key file, or the row was changed. Our side is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored {0} row does not open with the store key")]
pub struct SealBroken(pub &'static str);

/// Seals, opens and names rows. Keys are wiped on drop and never printed.
pub struct Vault {
    index: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
}

impl Vault {
    /// Everything is named and sealed under this key.
    #[must_use]
    pub fn new(store_key: &[u8; 32]) -> Self {
        Self {
            index: Zeroizing::new(b3("tacit v1 requester index", &[store_key])),
            seal: Zeroizing::new(b3("tacit v1 requester seal", &[store_key])),
        }
    }

    /// The row key of these parts, each with its length, so that parts cannot run into each other.
    #[must_use]
    pub fn row_key(&self, kind: Kind, parts: &[&[u8]]) -> RowKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.index);
        hasher.update(kind.as_str().as_bytes()).update(&[0]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// Seals one row.
    #[must_use]
    pub fn seal(&self, kind: Kind, row: &RowKey, plain: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut random = [0; RANDOM];
        rng.fill_bytes(&mut random);
        let mut sealed = Vec::with_capacity(RANDOM + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&random);
        sealed.extend_from_slice(plain);
        let (key, nonce) = self.key(kind, &random);
        match key.seal_in_place_separate_tag(nonce, aad(kind, row), &mut sealed[RANDOM..]) {
            Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
            // Only beyond 64 GiB. Nothing half-sealed may reach the disk; what is empty never opens.
            Err(_) => zeroize::Zeroize::zeroize(&mut sealed),
        }
        sealed
    }

    /// Opens one row.
    ///
    /// # Errors
    /// [`SealBroken`]: another key, another place, or changed bytes.
    pub fn open(&self, kind: Kind, row: &RowKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealBroken> {
        let broken = SealBroken(kind.as_str());
        let (random, rest) = sealed.split_first_chunk::<RANDOM>().ok_or(broken)?;
        let (key, nonce) = self.key(kind, random);
        let mut plain = Zeroizing::new(rest.to_vec());
        let length = key.open_in_place(nonce, aad(kind, row), &mut plain).map_err(|_| broken)?.len();
        plain.truncate(length);
        Ok(plain)
    }

    fn key(&self, kind: Kind, random: &[u8; RANDOM]) -> (LessSafeKey, Nonce) {
        let (salt, rest) = random.split_at(SALT);
        let mut hasher = blake3::Hasher::new_keyed(&self.seal);
        let hash = hasher.update(kind.as_str().as_bytes()).update(&[0]).update(salt).finalize();
        let key = Zeroizing::new(*hash.as_bytes());
        let mut nonce = [0; 12];
        nonce.copy_from_slice(rest);
        #[expect(
            clippy::expect_used,
            reason = "ring refuses a key only for its length, which the type fixes"
        )]
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("32 bytes are a key of AES-256");
        (LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce))
    }
}

fn aad(kind: Kind, row: &RowKey) -> Aad<Vec<u8>> {
    Aad::from([kind.as_str().as_bytes(), &[0], row].concat())
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::entropy::seeded_rng;

    use super::*;

    #[test]
    fn a_row_opens_only_in_its_own_place_and_unchanged() {
        let vault = Vault::new(&[1; 32]);
        let row = vault.row_key(Kind::Subject, &[b"a"]);
        let sealed = vault.seal(Kind::Subject, &row, b"secret", &mut seeded_rng([2; 32]));
        assert_eq!(*vault.open(Kind::Subject, &row, &sealed).unwrap(), b"secret");
        let other = vault.row_key(Kind::Subject, &[b"b"]);
        assert!(vault.open(Kind::Subject, &other, &sealed).is_err());
        assert!(vault.open(Kind::Request, &row, &sealed).is_err());
        assert!(Vault::new(&[2; 32]).open(Kind::Subject, &row, &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(vault.open(Kind::Subject, &row, &changed).is_err());
        }
        assert!(vault.open(Kind::Subject, &row, &[]).is_err());
    }

    #[test]
    fn row_keys_differ_by_kind_key_and_the_border_between_parts() {
        let vault = Vault::new(&[1; 32]);
        let keys = [
            vault.row_key(Kind::Subject, &[b"ab", b"c"]),
            vault.row_key(Kind::Subject, &[b"a", b"bc"]),
            vault.row_key(Kind::Bucket, &[b"ab", b"c"]),
            Vault::new(&[2; 32]).row_key(Kind::Subject, &[b"ab", b"c"]),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| other != key));
        }
    }

    #[test]
    fn two_seals_of_one_row_share_nothing() {
        let vault = Vault::new(&[1; 32]);
        let mut rng = seeded_rng([3; 32]);
        let row = [0; 32];
        let (a, b) = (
            vault.seal(Kind::Answer, &row, &[0; 64], &mut rng),
            vault.seal(Kind::Answer, &row, &[0; 64], &mut rng),
        );
        assert!(a.windows(16).all(|part| !b.windows(16).any(|other| other == part)));
        assert_eq!(format!("{vault:?}"), "Vault(..)");
    }
}
