//! The records of decided items, with their commitments and what opens them.

use tacit_blind::check::CheckItem;
use tacit_ledger::record::{self, ListAt};
use tacit_model::{Millis, Reason};
use tacit_policy::Allowed;
use tacit_store::StoreError;
use tacit_wire::{common, coordinator as pb};

use super::{AuthorizeJob, Commit, NewRecord, ProvenCheck, checks::Decision, desk::Desk};
use crate::{
    opening::{CheckBody, CheckOpening, Link, Opening, Raw, seal},
    store::{
        openings::{self, Chain, SealedOpening},
        subjects::Number,
    },
};

/// An item within its check within its request.
pub(super) struct Place<'a> {
    pub(super) job: &'a AuthorizeJob,
    pub(super) proven: &'a ProvenCheck,
    pub(super) position: u16,
    pub(super) item: &'a CheckItem,
    pub(super) number: u16,
}

/// The two commitments of a record about a check.
#[derive(Clone, Copy)]
struct Commitments {
    subject: [u8; 32],
    evidence: [u8; 32],
}

impl Commit<'_> {
    /// Writes the record of a decision, and seals its opening.
    pub(super) fn record_item(
        &mut self,
        desk: &mut Desk,
        place: &Place<'_>,
        decision: &Decision,
    ) -> Result<pb::ItemOutcome, StoreError> {
        let check = &place.proven.check;
        let subject = place.proven.subject;
        let chain = match desk.chains.get(&subject) {
            Some(chain) => *chain,
            None => Chain::empty(self.salt()),
        };
        let link = self.link(&chain);
        let salt_evidence = self.salt();
        let commitments = Commitments {
            subject: commit_subject(&link, check.pseudonym()),
            evidence: check
                .evidence(&salt_evidence, &place.proven.register_hash)
                .map_err(|_| StoreError::LogHead("a context is too long for its evidence"))?,
        };
        let (record, leaf) = match decision {
            Decision::Permitted(allowed) => {
                let access = self.access(desk, place, allowed, commitments);
                self.push(access)?
            }
            Decision::Refused { public, .. } => {
                let refused = self.refused(place, *public, commitments);
                self.push(refused)?
            }
        };
        let sealed =
            self.seal_item(place, decision, link, salt_evidence, &chain.opening_key, record.index)?;
        desk.openings.push(SealedOpening { log_index: record.index, subject, sealed });
        desk.advance(subject, chain.after(record.index, leaf));
        Ok(self.outcome(record, decision))
    }

    /// Seals what opens a record that is no check's, under the key of its chain's next link, and moves the chain on: at
    /// once, because the next job of this commit may be about the same pseudonym.
    pub(super) async fn link_record(
        &mut self,
        subject: Number,
        next: Chain,
        log_index: u64,
        opening: &Opening<'_>,
    ) -> Result<(), StoreError> {
        let sealed = seal(opening, &next.opening_key, log_index, &mut self.rng)
            .map_err(|_| StoreError::LogHead("an opening could not be sealed"))?;
        openings::store(self.last, &[SealedOpening { log_index, subject, sealed }]);
        openings::store_chains(self.last, &[(subject, next)]);
        self.last.flush(self.conn).await
    }

    /// The chain of a subject: a new one when it has none.
    pub(super) async fn chain_of(&mut self, subject: Number) -> Result<Chain, StoreError> {
        let stored = openings::chains(self.conn, &[subject]).await?.remove(&subject);
        Ok(match stored {
            Some(chain) => chain,
            None => Chain::empty(self.salt()),
        })
    }

    /// The next link of a chain, under a fresh salt.
    pub(super) fn link(&mut self, chain: &Chain) -> Link {
        Link {
            salt: self.salt(),
            sequence: chain.sequence,
            previous: chain.leaf,
            previous_index: chain.last_index,
        }
    }

    /// The record of a permitted item. It needs the proof that the item is allowed.
    fn access(
        &mut self,
        desk: &Desk,
        place: &Place<'_>,
        _allowed: &Allowed,
        commitments: Commitments,
    ) -> record::Access {
        let context = place.proven.check.context();
        let at = |at: &tacit_blind::check::ListEpoch| ListAt {
            list: at.list.to_string(),
            epoch: at.epoch,
            version: desk.version(&at.list, at.epoch),
        };
        record::Access {
            id: self.ulid().to_string(),
            time_ms: self.now.0,
            requester: context.requester.to_string(),
            holder: place.item.holder.to_string(),
            lists: place.item.lists.iter().map(at).collect(),
            purpose: context.purpose.to_string(),
            registry: self.registry.hash(),
            query: place.proven.queries[usize::from(place.number)].0,
            matter: context.matter,
            cnf: context.cnf,
            expires_ms: self.now.plus_ms(self.limits.permit_ms).0,
            subject: commitments.subject,
            evidence: commitments.evidence,
        }
    }

    fn refused(&mut self, place: &Place<'_>, reason: Reason, commitments: Commitments) -> record::Refused {
        let context = place.proven.check.context();
        record::Refused {
            id: self.ulid().to_string(),
            time_ms: self.now.0,
            requester: context.requester.to_string(),
            holder: place.item.holder.to_string(),
            lists: place.item.lists.iter().map(|at| at.list.to_string()).collect(),
            purpose: context.purpose.to_string(),
            registry: self.registry.hash(),
            reason: reason.as_str().to_owned(),
            matter: context.matter,
            subject: commitments.subject,
            evidence: commitments.evidence,
        }
    }

    fn seal_item(
        &mut self,
        place: &Place<'_>,
        decision: &Decision,
        link: Link,
        salt_evidence: [u8; 32],
        key: &[u8; 32],
        index: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let check = &place.proven.check;
        // Once a check: its context can be long, and an auditor who has one record of it finds the first.
        let body = (place.number == 0).then(|| CheckBody {
            blinded_subject: *check.blinded_subject(),
            register_hash: place.proven.register_hash,
            request: place.job.fingerprint,
            position: place.position,
            proof: Raw(check.proof()),
            context: Raw(check.context_bytes()),
        });
        let (exact, rules, agreement) = match decision {
            Decision::Permitted(allowed) => ("", allowed.rules(), allowed.agreement().to_string()),
            Decision::Refused { exact, rules, .. } => (*exact, rules.as_slice(), String::new()),
        };
        let opening = Opening::Check(CheckOpening {
            link,
            salt_evidence,
            item: place.number,
            check: body,
            exact,
            rules: self.rules.hash(rules),
            agreement: &agreement,
        });
        seal(&opening, key, index, &mut self.rng)
            .map_err(|_| StoreError::LogHead("an opening could not be sealed"))
    }

    fn outcome(&self, record: NewRecord, decision: &Decision) -> pb::ItemOutcome {
        let record = common::LoggedRecord {
            record: record.record.into(),
            index: record.index,
            path: Default::default(),
        };
        let outcome = match decision {
            Decision::Permitted(_) => pb::item_outcome::Outcome::Permit(record),
            Decision::Refused { public, .. } => pb::item_outcome::Outcome::Refused(pb::RefusedItem {
                refusal: Some(refusal(*public, self.now)),
                record: Some(record),
            }),
        };
        pb::ItemOutcome { outcome: Some(outcome) }
    }
}

/// `subject` of a record.
pub(super) fn commit_subject(link: &Link, pseudonym: &[u8; 32]) -> [u8; 32] {
    tacit_blind::commit::subject(&link.salt, pseudonym, link.sequence, &link.previous)
}

/// A refusal as the requester hears it; the quotas of a day begin anew at midnight UTC, that of a minute with the next.
fn refusal(reason: Reason, now: Millis) -> common::Refusal {
    match reason {
        Reason::QuotaChecks | Reason::QuotaSubject => {
            tacit_wire::convert::refusal_quota(reason, 0, now.next_utc_midnight().0)
        }
        Reason::QuotaRate => tacit_wire::convert::refusal_quota(reason, 0, now.next_utc_minute().0),
        other => tacit_wire::refusal(other),
    }
}
