//! Ed25519 (RFC 8032) behind two small types. Keys are separate by use; which key signs what is the
//! caller's affair.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Length of a seed and of a public key in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// A signature, `R || s` of RFC 8032.
pub type Signature = [u8; SIGNATURE_LEN];

/// The signature does not verify under this key. Nothing more can be said about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureInvalid;

/// The bytes cannot be a public key that binds its owner: not canonical, or of small order (under such a
/// key one signature verifies for many messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Ed25519 public key")]
pub struct KeyInvalid;

/// A private key. Debug shows the public half only.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// The key of RFC 8032 for a 32-byte seed. The caller erases the seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_LEN]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "ring refuses a seed only for its length, which the type fixes"
        )]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes is a seed");
        let mut public = [0; KEY_LEN];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { pair, public: VerifyingKey(public) }
    }

    /// Signs `message` itself, no prehash. Deterministic.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A public key, canonical and not of small order. Debug and Display show it in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; KEY_LEN]);

impl VerifyingKey {
    /// Takes the 32-byte encoding of RFC 8032 section 5.1.2.
    ///
    /// # Errors
    /// [`KeyInvalid`] for a y coordinate of 2^255 - 19 or more, and for the points of small order. Bytes
    /// that are no point at all are found out by the first verification, which then fails.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Result<Self, KeyInvalid> {
        let mut y = *bytes;
        y[31] &= 0x7f;
        let canonical = y[31] != 0x7f || y[1..31].iter().any(|byte| *byte != 0xff) || y[0] < 0xed;
        if !canonical || SMALL_ORDER_Y.contains(&y) {
            return Err(KeyInvalid);
        }
        Ok(Self(*bytes))
    }

    /// The 32-byte encoding.
    #[must_use]
    pub fn to_bytes(self) -> [u8; KEY_LEN] {
        self.0
    }

    /// The 32-byte encoding, borrowed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Checks `signature` over `message` itself, no prehash.
    ///
    /// # Errors
    /// [`SignatureInvalid`] for a false signature, one of another length than 64, or a key that is no point.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureInvalid> {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).map_err(|_| SignatureInvalid)
    }
}

impl TryFrom<&[u8]> for VerifyingKey {
    type Error = KeyInvalid;

    fn try_from(bytes: &[u8]) -> Result<Self, KeyInvalid> {
        Self::from_bytes(bytes.try_into().map_err(|_| KeyInvalid)?)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

/// The y coordinates, little-endian, of the eight points whose order divides 8.
const SMALL_ORDER_Y: [[u8; KEY_LEN]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];
