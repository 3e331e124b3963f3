//! Letters about a user, as the readings found them in the user's chains.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use tacit_client::{LetterFault, OpenedLetter, SealedLetter};
use tacit_ledger::record::{self, Record};
use tacit_model::Millis;
use tacit_policy::Registry;

use crate::{
    sealed::{Chain, Entry, Opening},
    source::Source,
    users::Kept,
};

/// What is kept of a letter: sealed, as its record names it, with its own key when it opens. A letter that this authority
/// wrote to a member it cannot open; what it wrote, it knows.
pub(crate) fn kept(letter: &SealedLetter, source: &dyn Source) -> Opening {
    let key = if letter.is_to_subject() {
        let opened = source.open_letter(letter);
        if let Err(fault) = &opened {
            metrics::counter!("tacit_authority_letters_unreadable_total").increment(1);
            tracing::warn!(%fault, sender = %letter.sender, "a letter to a user cannot be read");
        }
        opened.ok().map(|opened| *opened.key())
    } else {
        None
    };
    Opening::Notice { pseudonym: letter.pseudonym, letter: BASE64.encode(&letter.bytes), key }
}

/// A letter about a user.
pub(crate) struct KeptLetter<'a> {
    /// The chain that has it.
    pub(crate) chain: &'a Chain,
    pub(crate) entry: &'a Entry,
    /// Its record.
    pub(crate) record: record::Notice,
    /// As it was sealed.
    pub(crate) letter: SealedLetter,
    /// What is in it, when it is to the user and opens.
    pub(crate) opened: Result<OpenedLetter, LetterFault>,
}

impl KeptLetter<'_> {
    pub(crate) fn time(&self) -> Millis {
        Millis(self.record.time_ms)
    }
}

/// The letters about a user, oldest first, each once: a chain that was carried into another epoch is read under each of its
/// names.
pub(crate) fn of<'a>(kept: &'a [Kept], registry: &Registry) -> Vec<KeptLetter<'a>> {
    let entries = kept.iter().flat_map(|(chain, entries)| entries.iter().map(move |entry| (chain, entry)));
    let mut letters: Vec<_> = entries.filter_map(|(chain, entry)| letter(chain, entry, registry)).collect();
    letters.sort_by_key(|letter| letter.entry.index);
    letters.dedup_by_key(|letter| letter.entry.index);
    letters
}

pub(crate) fn letter<'a>(chain: &'a Chain, entry: &'a Entry, registry: &Registry) -> Option<KeptLetter<'a>> {
    let Opening::Notice { pseudonym, letter, key } = &entry.opening else { return None };
    let record: record::Notice = Record::parse(entry.record.as_bytes()).ok()?.try_into().ok()?;
    let letter = SealedLetter {
        sender: record.sender.parse().ok()?,
        member: record.member.parse().ok()?,
        pseudonym: *pseudonym,
        bytes: BASE64.decode(letter).ok()?.into(),
    };
    let opened = match key {
        Some(key) => letter.open_with(key, registry),
        // It did not open when it was read, or was never for this authority.
        None if letter.is_to_subject() => Err(LetterFault::Sealed),
        None => Err(LetterFault::Recipient),
    };
    Some(KeptLetter { chain, entry, record, letter, opened })
}
