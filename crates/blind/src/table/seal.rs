//! Sealed entries: one listed subject in 64 bytes that only the VOPRF output of that subject opens.

use std::fmt;

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tacit_model::ListId;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::label::{Day, LABEL_BYTES, Label, LabelError};

/// Length of a tag in bytes.
pub const TAG_BYTES: usize = 16;

/// Length of a sealed entry in bytes: tag 16, nonce 12, sealed label 36.
pub const ENTRY_BYTES: usize = 64;

/// Length of a nonce in bytes.
pub(super) const NONCE_BYTES: usize = NONCE_LEN;

const KEY_BYTES: usize = 32;
const LABEL_AT: usize = TAG_BYTES + NONCE_LEN;
const MAC_AT: usize = LABEL_AT + LABEL_BYTES;
const KEY_CONTEXT: &str = "tacit v1 sealed entry";
const AAD_CONTEXT: &[u8] = b"tacit/v1/entry";

/// A sealed entry: `tag || nonce || ChaCha20-Poly1305(label)`.
pub type SealedEntry = [u8; ENTRY_BYTES];

/// Where an entry stands in its table: its top bits name the bucket, and within a bucket tags ascend.
///
/// Public in the mirrored table, but beside a subject it says which entry is theirs: not shown by
/// `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; TAG_BYTES]);

impl Tag {
    /// The tag of an entry: its first 16 bytes.
    #[must_use]
    pub fn of(entry: &SealedEntry) -> Self {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&entry[..TAG_BYTES]);
        Self(tag)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// What the VOPRF output of one subject gives for one list and epoch: where its entry stands and what
/// opens it. The key is erased on drop.
#[derive(Clone, ZeroizeOnDrop)]
pub struct EntryKeys {
    #[zeroize(skip)]
    tag: Tag,
    key: [u8; KEY_BYTES],
}

impl EntryKeys {
    /// Where the entry stands, if there is one.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The key of the entry (32 bytes, ChaCha20-Poly1305).
    #[must_use]
    pub fn expose_key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    fn cipher(&self) -> LessSafeKey {
        #[expect(
            clippy::expect_used,
            reason = "the only failure is a key length other than 32, and the type is 32 bytes"
        )]
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.key).expect("a 32-byte key");
        LessSafeKey::new(key)
    }
}

impl fmt::Debug for EntryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntryKeys(..)")
    }
}

/// The answer to "is this subject on this list?". Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Not on this version of the list, or no longer: an expired entry is not a listing.
    NotListed,
    /// On the list, with what the holder says about it.
    Listed(Label),
}

impl Lookup {
    /// True for [`Lookup::Listed`].
    #[must_use]
    pub fn is_listed(&self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup(..)")
    }
}

/// Why there is no answer. Never to be read as "not listed".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The entry with the subject's tag does not open: the table or its mirror is at fault.
    #[error("an entry has the subject's tag but does not open")]
    Unreadable,
    /// The entry opened, but what it says is no label: the holder is at fault.
    #[error("an entry opened, but its label is malformed")]
    Label(#[from] LabelError),
    /// The subject's tag belongs to another bucket than the one searched: the caller is at fault.
    #[error("the subject belongs to bucket {wanted}, and bucket {searched} was searched")]
    OtherBucket {
        /// The bucket of the subject's tag.
        wanted: u32,
        /// The bucket searched.
        searched: u32,
    },
}

/// One list in one epoch: what every entry of a table is bound to.
#[derive(Clone, Debug)]
pub struct SealContext {
    list: ListId,
    epoch: u64,
    /// `lp(list_id) || u64 epoch`
    binding: Vec<u8>,
}

impl SealContext {
    /// The context of all entries of `list` in `epoch`.
    #[must_use]
    pub fn new(list: &ListId, epoch: u64) -> Self {
        let id = list.as_str().as_bytes();
        #[expect(clippy::expect_used, reason = "a list id is two names of at most 63 bytes and a slash")]
        let length = u16::try_from(id.len()).expect("a list id of at most 127 bytes");
        let mut binding = Vec::with_capacity(2 + id.len() + 8);
        binding.extend_from_slice(&length.to_be_bytes());
        binding.extend_from_slice(id);
        binding.extend_from_slice(&epoch.to_be_bytes());
        Self { list: list.clone(), epoch, binding }
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &ListId {
        &self.list
    }

    /// The list epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tag and key of the subject with this VOPRF output:
    /// `b3-XOF("tacit v1 sealed entry", out || lp(list_id) || u64 epoch)`, 16 and 32 bytes.
    #[must_use]
    pub fn entry_keys(&self, out: &[u8; 64]) -> EntryKeys {
        let mut okm =
            blake3::Hasher::new_derive_key(KEY_CONTEXT).update(out).update(&self.binding).finalize_xof();
        let mut keys = EntryKeys { tag: Tag([0; TAG_BYTES]), key: [0; KEY_BYTES] };
        okm.fill(&mut keys.tag.0);
        okm.fill(&mut keys.key);
        keys
    }

    /// Seals a label under a fresh random nonce.
    #[must_use]
    pub fn seal(&self, keys: &EntryKeys, label: &Label, rng: &mut impl CryptoRng) -> SealedEntry {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        self.seal_with_nonce(keys, label, nonce)
    }

    /// Seals a label under the nonce given, which must never be used again with these keys and another
    /// label: for test vectors, and for callers that draw many nonces at once.
    #[must_use]
    pub fn seal_with_nonce(&self, keys: &EntryKeys, label: &Label, nonce: [u8; NONCE_LEN]) -> SealedEntry {
        let mut entry = [0; ENTRY_BYTES];
        entry[..TAG_BYTES].copy_from_slice(&keys.tag.0);
        entry[TAG_BYTES..LABEL_AT].copy_from_slice(&nonce);
        entry[LABEL_AT..MAC_AT].copy_from_slice(&label.encode());
        #[expect(
            clippy::expect_used,
            reason = "sealing fails only for messages beyond 256 GB; a label has 20 bytes"
        )]
        let mac = keys
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.aad(keys.tag)),
                &mut entry[LABEL_AT..MAC_AT],
            )
            .expect("a 20-byte message");
        entry[MAC_AT..].copy_from_slice(mac.as_ref());
        entry
    }

    /// Opens an entry whose tag is that of the keys. [`OpenError::Unreadable`] when it has another tag
    /// or does not open, [`OpenError::Label`] when what it says is no label.
    pub fn open(&self, keys: &EntryKeys, entry: &SealedEntry) -> Result<Label, OpenError> {
        if Tag::of(entry) != keys.tag {
            return Err(OpenError::Unreadable);
        }
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&entry[TAG_BYTES..LABEL_AT]);
        let mut sealed = [0; ENTRY_BYTES - LABEL_AT];
        sealed.copy_from_slice(&entry[LABEL_AT..]);
        let opened = keys
            .cipher()
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(self.aad(keys.tag)), &mut sealed)
            .map_err(|_| OpenError::Unreadable)?;
        let mut label = [0; LABEL_BYTES];
        label.copy_from_slice(opened);
        sealed.zeroize();
        Ok(Label::decode(&label)?)
    }

    /// Looks a subject up in entries with ascending tags (a bucket that was already verified).
    pub(super) fn lookup(&self, keys: &EntryKeys, entries: &[u8], today: Day) -> Result<Lookup, OpenError> {
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        match entries.binary_search_by(|entry| entry[..TAG_BYTES].cmp(&keys.tag.0)) {
            Err(_) => Ok(Lookup::NotListed),
            Ok(found) => {
                let label = self.open(keys, &entries[found])?;
                Ok(if label.is_expired(today) { Lookup::NotListed } else { Lookup::Listed(label) })
            }
        }
    }

    /// `"tacit/v1/entry" || lp(list_id) || u64 epoch || tag`
    fn aad(&self, tag: Tag) -> Vec<u8> {
        [AAD_CONTEXT, &self.binding, &tag.0].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, day, keys, label, rng};
    use super::*;

    #[test]
    fn a_sealed_label_opens_with_the_keys_of_its_subject_only() {
        let context = context();
        let entry = context.seal(&keys(1), &label(1), &mut rng(1));
        assert!(context.open(&keys(1), &entry) == Ok(label(1)));
        assert_eq!(context.open(&keys(2), &entry), Err(OpenError::Unreadable));
    }

    #[test]
    fn an_entry_of_another_list_or_epoch_does_not_open() {
        let here = context();
        let entry = here.seal(&keys(1), &label(1), &mut rng(1));
        let other_list = SealContext::new(&"customs/debarred-importers".parse().unwrap(), here.epoch());
        let other_epoch = SealContext::new(here.list(), here.epoch() + 1);
        for other in [other_list, other_epoch] {
            assert_eq!(other.open(&keys(1), &entry), Err(OpenError::Unreadable));
            assert_ne!(other.entry_keys(&[1; 64]).tag(), here.entry_keys(&[1; 64]).tag());
        }
    }

    #[test]
    fn every_flipped_bit_of_an_entry_is_noticed() {
        let context = context();
        let entry = context.seal(&keys(1), &label(1), &mut rng(1));
        for bit in 0..ENTRY_BYTES * 8 {
            let mut changed = entry;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(context.open(&keys(1), &changed), Err(OpenError::Unreadable));
        }
    }

    #[test]
    fn a_tag_that_matches_but_does_not_open_is_an_error_and_not_a_miss() {
        let context = context();
        let mut entry = context.seal(&keys(1), &label(1), &mut rng(1));
        entry[ENTRY_BYTES - 1] ^= 1;
        assert_eq!(context.lookup(&keys(1), &entry, day(20_000)), Err(OpenError::Unreadable));
    }

    #[test]
    fn a_malformed_label_is_an_error_and_not_a_miss() {
        let context = context();
        let keys = keys(1);
        let mut entry = context.seal(&keys, &label(1), &mut rng(1));
        let mut plain = label(1).encode();
        plain[0] = 2;
        entry[LABEL_AT..MAC_AT].copy_from_slice(&plain);
        let nonce = entry[TAG_BYTES..LABEL_AT].try_into().unwrap();
        let mac = keys
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.aad(keys.tag())),
                &mut entry[LABEL_AT..MAC_AT],
            )
            .unwrap();
        entry[MAC_AT..].copy_from_slice(mac.as_ref());
        let expected = Err(OpenError::Label(LabelError::Version { given: 2 }));
        assert_eq!(context.lookup(&keys, &entry, day(20_000)), expected);
    }

    #[test]
    fn an_expired_label_is_never_answered_as_listed() {
        let context = context();
        let label = Label { expires_on: Some(day(20_100)), ..label(1) };
        let entry = context.seal(&keys(1), &label, &mut rng(1));
        let answer = |today| context.lookup(&keys(1), &entry, day(today)).unwrap();
        assert!(answer(20_099) == Lookup::Listed(label.clone()));
        assert!(answer(20_100) == Lookup::NotListed);
        assert!(answer(20_101) == Lookup::NotListed);
    }

    #[test]
    fn debug_shows_neither_keys_nor_tags_nor_answers() {
        let keys = keys(1);
        let shown = format!("{:?} {:?} {:?} {:?}", keys, keys.tag(), label(1), Lookup::Listed(label(1)));
        assert_eq!(shown, "EntryKeys(..) Tag(..) Label(..) Lookup(..)");
        assert_eq!(format!("{:?}", Lookup::NotListed), format!("{:?}", Lookup::Listed(label(1))));
    }
}
