//! The coordinator's answer, judged: every record is in the log and says exactly what was asked.

use tacit_blind::check::CheckContext;
use tacit_blind::commit;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_ledger::record::{Access, Record, Refused};
use tacit_model::{Basis, MemberId, Reason, Ulid, parse_ulid};
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::{Authorized, ItemOutcome, RefusedItem, item_outcome};

use crate::error::{ClientError, Party};
use crate::evidence::ItemPart;
use crate::question::{RecordRef, Refusal};
use crate::requester::Requester;
use crate::round::{Finding, Found, Heal, Round, RoundCheck};
use crate::store::RecordOutcome;

/// A permit for one item, proven.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    pub(crate) check: usize,
    pub(crate) item: usize,
    /// Place of its record in the answer.
    pub(crate) place: u32,
    pub(crate) holder: MemberId,
    pub(crate) wire: LoggedRecord,
    pub(crate) access: Access,
    pub(crate) record: RecordRef,
}

/// An answer taken apart.
pub(crate) struct Judged {
    pub(crate) items: Vec<ItemPart>,
    pub(crate) permits: Vec<Permit>,
    pub(crate) found: Vec<Found>,
    /// Pseudonyms whose consent, named as living, was refused: what is known about them is old.
    pub(crate) stale: Vec<[u8; 32]>,
}

impl Requester {
    /// Proves every record of an answer. A single record that is not ours makes the whole answer useless: the
    /// coordinator is at fault.
    pub(crate) fn judge(&self, round: &Round, authorized: Authorized) -> Result<Judged, ClientError> {
        let checkpoint = self.log().open(&authorized.checkpoint)?;
        if authorized.checks.len() != round.checks.len() {
            return Err(ClientError::missing(Party::Coordinator, "checks"));
        }
        let count = round.checks.len();
        let mut judged = Judged {
            items: Vec::with_capacity(count),
            permits: Vec::with_capacity(count),
            found: Vec::new(),
            stale: Vec::new(),
        };
        for (index, (check, outcome)) in round.checks.iter().zip(authorized.checks).enumerate() {
            if let Some(refusal) = outcome.refusal {
                let refusal = Refusal::from(&refusal);
                judged.found.extend(check.all(|list| round.refusal(list, &refusal, None)));
                continue;
            }
            if outcome.items.len() != check.planned.ask.items.len() {
                return Err(ClientError::missing(Party::Coordinator, "items"));
            }
            for (item, outcome) in outcome.items.into_iter().enumerate() {
                self.judge_item(round, index, item, outcome, &checkpoint, &mut judged)?;
            }
        }
        Ok(judged)
    }

    fn judge_item(
        &self,
        round: &Round,
        index: usize,
        item: usize,
        outcome: ItemOutcome,
        checkpoint: &VerifiedCheckpoint,
        judged: &mut Judged,
    ) -> Result<(), ClientError> {
        let check = &round.checks[index];
        let place = u32::try_from(judged.items.len()).map_err(|_| ClientError::Worker)?;
        match outcome.outcome {
            Some(item_outcome::Outcome::Permit(wire)) => {
                let record = self.log().verify_under(&wire, checkpoint)?.into_record();
                let Record::Access(access) = record else {
                    return Err(ClientError::OtherRecord("it is not of kind access"));
                };
                check_access(check.bound.context(), item, &access)?;
                let record = RecordRef { id: record_id(&access.id)?, index: wire.index };
                judged.items.push(part(index, item, record.id, RecordOutcome::NotAnswered, &wire));
                if self.now().0 >= access.expires_ms {
                    let reason = Reason::PermitExpired;
                    let (record, unanswered, heal) = (Some(record), true, Heal::Nothing);
                    let again = |_| Finding::Again { reason, record, unanswered, heal };
                    judged.found.extend(check.item(item, again));
                } else {
                    let holder = check.planned.ask.items[item].holder.clone();
                    judged.permits.push(Permit { check: index, item, place, holder, wire, access, record });
                }
            }
            Some(item_outcome::Outcome::Refused(refused)) => {
                let (refusal, record, wire) = self.judge_refused(check, item, refused, checkpoint)?;
                judged.items.push(part(index, item, record.id, RecordOutcome::Refused, &wire));
                let by_consent = matches!(check.planned.ask.basis, Basis::Consent(_));
                if by_consent && refusal.reason == Reason::ConsentRequired {
                    judged.stale.push(*check.bound.pseudonym());
                }
                judged.found.extend(check.item(item, |list| match crate::round::heal_of(&refusal) {
                    // The record is complete as it is: a refused question waits for no answer.
                    Some(heal) => Finding::Again {
                        reason: refusal.reason,
                        record: Some(record),
                        unanswered: false,
                        heal,
                    },
                    None => round.refused(list, refusal.clone(), Some(record)),
                }));
            }
            None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
        Ok(())
    }

    fn judge_refused(
        &self,
        check: &RoundCheck,
        item: usize,
        refused: RefusedItem,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(Refusal, RecordRef, LoggedRecord), ClientError> {
        let missing = |field| ClientError::missing(Party::Coordinator, field);
        let refusal = refused.refusal.ok_or_else(|| missing("refusal"))?;
        let wire = refused.record.ok_or_else(|| missing("record"))?;
        let Record::Refused(record) = self.log().verify_under(&wire, checkpoint)?.into_record() else {
            return Err(ClientError::OtherRecord("it is not of kind refused"));
        };
        check_refused(check.bound.context(), item, &record, &refusal.reason)?;
        let reference = RecordRef { id: record_id(&record.id)?, index: wire.index };
        Ok((Refusal::from(&refusal), reference, wire))
    }
}

fn part(check: usize, item: usize, id: Ulid, outcome: RecordOutcome, wire: &LoggedRecord) -> ItemPart {
    ItemPart { check, item, id, outcome, record: wire.clone() }
}

/// The id of a record, which the strict parser has seen in its one spelling.
pub(crate) fn record_id(text: &str) -> Result<Ulid, ClientError> {
    parse_ulid(text).ok_or(ClientError::OtherRecord("id"))
}

fn require(holds: bool, field: &'static str) -> Result<(), ClientError> {
    if holds { Ok(()) } else { Err(ClientError::OtherRecord(field)) }
}

/// An access record says what this item asked, and nothing else.
pub(crate) fn check_access(context: &CheckContext, item: usize, access: &Access) -> Result<(), ClientError> {
    let asked = context.items.get(item).ok_or(ClientError::OtherRecord("items"))?;
    require(access.requester == *context.requester, "requester")?;
    require(access.holder == *asked.holder, "holder")?;
    require(access.lists.len() == asked.lists.len(), "lists")?;
    let same = |(at, asked): (&tacit_ledger::record::ListAt, &tacit_blind::check::ListEpoch)| {
        at.list == *asked.list && at.epoch == asked.epoch && at.version > 0
    };
    require(access.lists.iter().zip(&asked.lists).all(same), "lists")?;
    require(access.purpose == *context.purpose, "purpose")?;
    require(access.query == commit::blinded_query(asked.query.as_bytes()), "query")?;
    require(access.matter == context.matter, "matter")?;
    require(access.cnf == context.cnf, "cnf")
}

/// A refused record says what this item asked, and the reason that was told.
pub(crate) fn check_refused(
    context: &CheckContext,
    item: usize,
    refused: &Refused,
    reason: &str,
) -> Result<(), ClientError> {
    let asked = context.items.get(item).ok_or(ClientError::OtherRecord("items"))?;
    require(refused.requester == *context.requester, "requester")?;
    require(refused.holder == *asked.holder, "holder")?;
    let lists = asked.lists.iter().map(|list| list.list.as_str());
    require(refused.lists.iter().map(String::as_str).eq(lists), "lists")?;
    require(refused.purpose == *context.purpose, "purpose")?;
    require(refused.reason == reason, "reason")?;
    require(refused.matter == context.matter, "matter")
}
