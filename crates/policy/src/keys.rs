//! Public keys and signatures as the registry writes them: base64 (RFC 4648 section 4, padded) of the raw bytes.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tacit_ledger::ed25519::VerifyingKey;

/// An Ed25519 public key (RFC 8032), canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ed25519Key(pub VerifyingKey);

/// 32 bytes of another public key: X25519 for box keys (RFC 7748), ristretto255 for pseudonym keys (RFC 9496). Which
/// one is said by the field that holds it; who uses it checks the encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// 64 bytes of an Ed25519 signature (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

macro_rules! base64_text {
    ($type:ident, $what:literal, |$this:ident| $bytes:expr, |$raw:ident| $from:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                f.write_str(&encode(&$bytes))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                decode(&text)
                    .and_then(|$raw| $from)
                    .ok_or_else(|| de::Error::custom(concat!("expected ", $what, " in padded base64")))
            }
        }
    };
}

base64_text!(Ed25519Key, "a usable Ed25519 public key, 32 bytes", |key| *key.0.as_bytes(), |raw| {
    VerifyingKey::from_bytes(&raw).ok().map(Self)
});
base64_text!(PublicKey, "a public key, 32 bytes", |key| key.0, |raw| Some(Self(raw)));
base64_text!(Signature, "a signature, 64 bytes", |signature| signature.0, |raw| Some(Self(raw)));

/// Strict base64 of exactly `N` bytes; `None` for anything else.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Bounded before decoding: texts come from outside.
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Padded base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
