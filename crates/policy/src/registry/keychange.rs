//! Changes of a member's signing key: from the first one to the current one, each step signed by the key before it.
//!
//! ```text
//! changes[0].key ──signs──▶ changes[1].key ──signs──▶ keys.signing
//!    first key               earlier key               current key
//! ```
//!
//! Whoever pinned any of these keys follows the chain to the current one. A key that is not in it is another's.

use serde::{Deserialize, Serialize};
use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_model::MemberId;

use super::{
    check::{Checked, count},
    entry::{Member, MemberKeys},
    error::{At, RegistryProblem as Problem},
};
use crate::keys::{Ed25519Key, Signature};

/// What an old key signs: this, `lp(member)`, the new key (32 bytes).
pub const KEY_CHANGE_DOMAIN: &[u8] = b"tacit/v1/key-change";
/// Most changes of one member's key.
pub const MAX_KEY_CHANGES: usize = 64;

/// One step: an earlier signing key, and its signature over the key that came after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The key that signed until then.
    pub key: Ed25519Key,
    /// Its signature over [`KEY_CHANGE_DOMAIN`], `lp(member)` and the next key.
    pub signature: Signature,
}

impl KeyChange {
    /// The step from `old` to `new`, signed.
    #[must_use]
    pub fn sign(member: &MemberId, old: &SigningKey, new: &VerifyingKey) -> Self {
        let signature = Signature(old.sign(&message(member, new)));
        Self { key: Ed25519Key(old.verifying_key()), signature }
    }
}

fn message(member: &MemberId, new: &VerifyingKey) -> Vec<u8> {
    // A member's name has at most 63 bytes.
    let length = u16::try_from(member.as_str().len()).unwrap_or(u16::MAX).to_be_bytes();
    [KEY_CHANGE_DOMAIN, &length, member.as_str().as_bytes(), new.as_bytes()].concat()
}

impl MemberKeys {
    /// Every signing key from the first to the current one.
    pub fn signing_keys(&self) -> impl DoubleEndedIterator<Item = Ed25519Key> + '_ {
        self.changes.iter().map(|change| change.key).chain(std::iter::once(self.signing))
    }

    /// The first signing key.
    #[must_use]
    pub fn first(&self) -> Ed25519Key {
        self.changes.first().map_or(self.signing, |change| change.key)
    }

    /// Whether `key` is the current signing key, or an earlier one that leads to it.
    #[must_use]
    pub fn leads_from(&self, key: &Ed25519Key) -> bool {
        self.signing_keys().any(|known| known == *key)
    }

    /// These keys with a new signing key, which the current one signs.
    #[must_use]
    pub fn rotated(mut self, member: &MemberId, current: &SigningKey, new: &VerifyingKey) -> Self {
        self.changes.push(KeyChange::sign(member, current, new));
        self.signing = Ed25519Key(*new);
        self
    }
}

/// Every step is signed by the key before it.
pub(super) fn check(member: &Member, path: &str) -> Checked {
    let keys = &member.keys;
    count(keys.changes.len(), 0..=MAX_KEY_CHANGES, format_args!("{path}.keys.changes"))?;
    for (i, (change, next)) in keys.changes.iter().zip(keys.signing_keys().skip(1)).enumerate() {
        if change.key.0.verify(&message(&member.id, &next.0), &change.signature.0).is_err() {
            let signer = member.id.clone();
            return Err(Problem::SignatureInvalid { signer })
                .at(format_args!("{path}.keys.changes[{i}].signature"));
        }
    }
    Ok(())
}
