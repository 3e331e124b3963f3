//! What stands beside the records of a chain: taken only where the record commits to it.

use tacit_blind::commit;
use tacit_ledger::record::Record;
use tacit_model::MemberId;
use tacit_policy::consent::consent_terms;
use tacit_policy::{Consent, ConsentRequest};
use tacit_wire::coordinator::{MeasureDetails, SubjectEntry, subject_entry};

use crate::letters::SealedLetter;
use crate::subject_log::Details;

/// What stands beside a record, if it is what belongs to one of its kind. Of the subject's names, the record opens under
/// `name`.
pub(crate) fn details(
    record: &Record,
    entry: &SubjectEntry,
    names: &[&[u8; 32]],
    name: &[u8; 32],
) -> Option<Details> {
    match (record, &entry.opening) {
        (Record::Access(_) | Record::Refused(_), Some(subject_entry::Opening::Check(check))) => {
            Some(Details::Check {
                exact: check.exact.clone(),
                rules: check.rules.clone(),
                agreement: check.agreement.clone(),
                basis: check.basis.parse().ok()?,
            })
        }
        (Record::Consent(record), Some(subject_entry::Opening::Consent(beside))) => {
            let salt: [u8; 32] = beside.salt_terms.as_ref().try_into().ok()?;
            let number = beside.number;
            let fits = |of: &[u8; 32], authority: &MemberId, requester: &MemberId| {
                names.contains(&of) && **authority == *record.authority && **requester == *record.requester
            };
            if consent_terms(&salt, &beside.consent) != record.terms {
                return None;
            }
            if let Ok(request) = ConsentRequest::parse(&beside.consent) {
                return fits(&request.pseudonym, &request.authority, &request.requester)
                    .then(|| Details::Request { request: Box::new(request), number });
            }
            let consent = Consent::parse(&beside.consent).ok()?;
            fits(&consent.pseudonym, &consent.authority, &consent.requester)
                .then(|| Details::Consent { consent: Box::new(consent), number })
        }
        (Record::Notice(record), Some(subject_entry::Opening::Notice(beside))) => {
            let letter = SealedLetter {
                sender: record.sender.parse().ok()?,
                member: record.member.parse().ok()?,
                pseudonym: *name,
                bytes: beside.letter.clone(),
            };
            (letter.hash() == record.letter).then(|| Details::Notice(Box::new(letter)))
        }
        (Record::Measure(record), Some(subject_entry::Opening::Measure(beside))) => {
            let MeasureDetails { salt_details, list, decider, words } = beside;
            let salt: [u8; 32] = salt_details.as_ref().try_into().ok()?;
            (commit::measure(&salt, list, decider, words).ok()? == record.details).then(|| Details::Measure {
                list: list.clone(),
                decider: decider.clone(),
                words: words.clone(),
            })
        }
        (Record::Erasure(record), None) => (record.openings <= entry.sequence).then_some(Details::Erasure),
        _ => None,
    }
}
