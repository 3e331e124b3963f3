//! Whom a record is about, for who knows the pseudonym.

use tacit_blind::commit;
use tacit_ledger::Hash;
use tacit_ledger::record::Record;

/// The subject commitment of a record, if its kind has one.
pub(crate) fn subject_of(record: &Record) -> Option<[u8; 32]> {
    match record {
        Record::Access(it) => Some(it.subject),
        Record::Refused(it) => Some(it.subject),
        Record::Consent(it) => Some(it.subject),
        Record::Notice(it) => Some(it.subject),
        Record::Erasure(it) => Some(it.subject),
        Record::Measure(it) => Some(it.subject),
        Record::Manifest(_) | Record::Registry(_) | Record::Enrollment(_) | Record::Audit(_) => None,
        Record::BoxOpened(_) | Record::Demand(_) | Record::Export(_) => None,
    }
}

/// Whether a record is about this pseudonym: its subject commitment opens under it.
#[must_use]
pub fn opens_under(
    pseudonym: &[u8; 32],
    record: &[u8],
    salt: &[u8; 32],
    sequence: u64,
    previous: &Hash,
) -> bool {
    let subject = Record::parse(record).ok().and_then(|record| subject_of(&record));
    subject == Some(commit::subject(salt, pseudonym, sequence, previous))
}
