//! Sealing to a recovery key: how the custodian's seeds are in a backup (docs/SECURITY.md), never in the clear.
//!
//! HPKE (RFC 9180) base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, in one shot.
//!
//! ```text
//! box: enc(32) || ciphertext(length + 16)
//! ```

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::BlindError;

/// HPKE info.
const INFO: &[u8] = b"tacit/v1/recovery";
/// Bytes of an encapsulated key.
const ENC_BYTES: usize = 32;

/// Bytes do not open: another key, another binding, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not open with this recovery key")]
pub struct NotOpened;

/// The public half: what a backup is sealed to.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryPublicKey(<X25519HkdfSha256 as Kem>::PublicKey);

/// The secret half: what opens it. Wiped on drop.
#[derive(Clone)]
pub struct RecoverySecretKey(<X25519HkdfSha256 as Kem>::PrivateKey);

impl RecoveryPublicKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`BlindError::Key`] if HPKE refuses them.
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        Deserializable::from_bytes(bytes).map(Self).map_err(|_| BlindError::Key)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// Seals a secret, bound to `aad`.
    ///
    /// # Errors
    /// [`BlindError::Key`] if the key is unfit.
    pub fn seal(&self, secret: &[u8], aad: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, BlindError> {
        let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(&OpModeS::Base, &self.0, INFO, secret, aad, rng)
        .map_err(|_| BlindError::Key)?;
        let mut bytes = Vec::with_capacity(ENC_BYTES + ciphertext.len());
        bytes.extend_from_slice(&enc.to_bytes());
        bytes.extend_from_slice(&ciphertext);
        Ok(bytes)
    }
}

impl RecoverySecretKey {
    /// DeriveKeyPair of RFC 9180 section 7.1.3 from 32 secret random bytes.
    #[must_use]
    pub fn derive(seed: &[u8; 32]) -> Self {
        Self(X25519HkdfSha256::derive_keypair(seed).0)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> RecoveryPublicKey {
        RecoveryPublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }

    /// Opens what [`RecoveryPublicKey::seal`] made.
    ///
    /// # Errors
    /// [`NotOpened`] for another key, other `aad`, or changed bytes.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let (enc, ciphertext) = sealed.split_at_checked(ENC_BYTES).ok_or(NotOpened)?;
        let enc = Deserializable::from_bytes(enc).map_err(|_| NotOpened)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &enc,
            INFO,
            ciphertext,
            aad,
        )
        .map(Zeroizing::new)
        .map_err(|_| NotOpened)
    }
}

impl fmt::Debug for RecoveryPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPublicKey(..)")
    }
}

impl fmt::Debug for RecoverySecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoverySecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_under_its_key_and_binding_alone() {
        let mut rng = tacit_model::entropy::seeded_rng([4; 32]);
        let (key, other) = (RecoverySecretKey::derive(&[1; 32]), RecoverySecretKey::derive(&[2; 32]));
        let public = RecoveryPublicKey::decode(&key.public().encode()).unwrap();
        let sealed = public.seal(&[7; 32], b"custodian 1", &mut rng).unwrap();
        assert_eq!(sealed.len(), 32 + 32 + 16);
        assert!(!sealed.windows(8).any(|it| it == [7; 8]));
        assert_eq!(**key.open(&sealed, b"custodian 1").unwrap(), [7; 32]);
        assert!(other.open(&sealed, b"custodian 1").is_err());
        assert!(key.open(&sealed, b"custodian 2").is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed, b"custodian 1").is_err(), "byte {at}");
        }
        assert!(key.open(&sealed[..20], b"custodian 1").is_err());
        assert_eq!(format!("{key:?} {public:?}"), "RecoverySecretKey(..) RecoveryPublicKey(..)");
    }
}
