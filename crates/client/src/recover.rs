//! After a stop or a loss: what became of requests whose answer never came, and which records have no answer.

use bytes::Bytes;
use tacit_blind::check::CheckContext;
use tacit_ledger::record::Record;
use tacit_wire::coordinator::{
    AuthorizeRequest, AuthorizeResponse, Authorized, RefusedItem, authorize_response, item_outcome,
};
use tacit_wire::{Message, common};

use crate::error::{ClientError, Party};
use crate::evidence::{ItemPart, KeptAnswer, KeptRequest};
use crate::judge::{check_access, check_refused, record_id};
use crate::question::{RecordRef, Unanswered};
use crate::requester::Requester;
use crate::retry::{self, Patience, is_passing};
use crate::store::{RecordOutcome, RecordRow, RequestRow, RequestState, Settled, StoredRequest};
use crate::vault::Kind;

/// Requests looked at in one recovery.
const AT_ONCE: u32 = 4096;
/// Requests read at a time when records without answers are listed.
const PAGE: u32 = 16;

/// What a recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that are in the log and will get no answer.
    pub unanswered: Vec<Unanswered>,
    /// Requests whose fate is still not known: the coordinator cannot be reached, or what it says cannot be used.
    pub still_open: usize,
}

impl Requester {
    /// Asks the coordinator about every request that was sent and not settled, and settles it. Its records get no
    /// answer any more: ask again, and the new question gets a new record. Run it before the first question and
    /// whenever the coordinator is back; requests under way are left alone.
    ///
    /// # Errors
    /// The storage.
    pub async fn recover(&self) -> Result<Recovery, ClientError> {
        let mut recovery = Recovery::default();
        let mut patience = Patience::new(self.deadlines());
        let mut reachable = true;
        for row in self.store().open_requests(AT_ONCE).await? {
            if self.is_under_way(&row.hash) {
                continue;
            }
            if !reachable {
                recovery.still_open += 1;
                continue;
            }
            match self.recall(&mut patience, &row).await {
                Ok(found) => recovery.unanswered.extend(found),
                Err(error @ (ClientError::Store(_) | ClientError::Sealed(_) | ClientError::Stored(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, "a request stays open");
                    reachable = !matches!(error, ClientError::NoAnswer { .. });
                    recovery.still_open += 1;
                }
            }
        }
        Ok(recovery)
    }

    /// Records without an answer of one case, oldest first.
    ///
    /// # Errors
    /// The storage.
    pub async fn unanswered(&self, case: &str) -> Result<Vec<Unanswered>, ClientError> {
        let mut found = Vec::new();
        let mut after = [0; 32];
        loop {
            let requests = self.store().not_answered(self.case_key(case), after, PAGE).await?;
            let Some(last) = requests.last() else {
                found.sort_by_key(|it: &Unanswered| (it.asked, it.record.index));
                return Ok(found);
            };
            after = last.request.hash;
            for request in &requests {
                found.extend(self.unanswered_of(request)?);
            }
        }
    }

    fn unanswered_of(&self, stored: &StoredRequest) -> Result<Vec<Unanswered>, ClientError> {
        let (request, answer) = self.open_stored(stored)?;
        let unanswered = |record: &RecordRow| {
            let item = answer.items.get(record.place as usize)?;
            let (row, _) = request.checks.get(item.check)?;
            let record = RecordRef { id: record.id, index: item.record.index };
            Some(Unanswered { record, row: *row, asked: request.asked })
        };
        Ok(stored.records.iter().filter_map(unanswered).collect())
    }

    /// A settled request, opened.
    pub(crate) fn open_stored(
        &self,
        stored: &StoredRequest,
    ) -> Result<(KeptRequest, KeptAnswer), ClientError> {
        let answer = self.vault().open(Kind::Answer, &stored.request.hash, &stored.answer)?;
        Ok((self.open_request(&stored.request)?, KeptAnswer::decode(&answer)?))
    }

    fn open_request(&self, row: &RequestRow) -> Result<KeptRequest, ClientError> {
        Ok(KeptRequest::decode(&self.vault().open(Kind::Request, &row.hash, &row.sealed)?)?)
    }

    async fn recall(
        &self,
        patience: &mut Patience,
        row: &RequestRow,
    ) -> Result<Vec<Unanswered>, ClientError> {
        let kept = self.open_request(row)?;
        let response = loop {
            match self.recall_with(patience, row.hash, 0).await {
                Ok(response) => break response,
                Err(status) if is_passing(&status) && patience.pause().await => {}
                Err(status) => {
                    let reason = retry::reason(&status);
                    return Err(ClientError::NoAnswer { party: Party::Coordinator, reason });
                }
            }
        };
        let Some(AuthorizeResponse { outcome: Some(authorize_response::Outcome::Authorized(authorized)) }) =
            response
        else {
            // Never taken up, or refused as a whole: there is no record.
            self.store().settle(Settled::without_records(row.hash, RequestState::NotAnswered)).await?;
            return Ok(Vec::new());
        };
        let items = self.recalled(&kept, &authorized)?;
        let records: Vec<RecordRow> = (0u32..)
            .zip(&items)
            .map(|(place, item)| RecordRow { id: item.id, place, outcome: item.outcome })
            .collect();
        let unanswered = items
            .iter()
            .filter(|item| item.outcome == RecordOutcome::NotAnswered)
            .filter_map(|item| {
                let (row, _) = kept.checks.get(item.check)?;
                let record = RecordRef { id: item.id, index: item.record.index };
                Some(Unanswered { record, row: *row, asked: kept.asked })
            })
            .collect();
        let lost = records.iter().any(|record| record.outcome == RecordOutcome::NotAnswered);
        let state = if lost { RequestState::NotAnswered } else { RequestState::Answered };
        let checkpoint = authorized.checkpoint;
        let answer = KeptAnswer { checkpoint, items, checks: Vec::new(), sections: Vec::new() };
        let mut rng = tacit_model::entropy::os_rng();
        let sealed = self.vault().seal(Kind::Answer, &row.hash, &answer.encode(), &mut rng);
        let settled = Settled {
            hash: row.hash,
            state,
            answer: Some(sealed),
            records,
            officer: Some(self.officer_key(&kept.officer)),
            buckets: Vec::new(),
        };
        self.store().settle(settled).await?;
        Ok(unanswered)
    }

    /// The records of a recalled answer, each proven and compared with what was asked.
    fn recalled(&self, kept: &KeptRequest, authorized: &Authorized) -> Result<Vec<ItemPart>, ClientError> {
        let checkpoint = self.log().open(&authorized.checkpoint)?;
        let request = AuthorizeRequest::decode(Bytes::clone(&kept.request))
            .map_err(|_| crate::codec::CodecError("request"))?;
        if authorized.checks.len() != request.checks.len() {
            return Err(ClientError::missing(Party::Coordinator, "checks"));
        }
        let mut items = Vec::with_capacity(request.checks.len());
        for (check, (asked, outcome)) in request.checks.iter().zip(&authorized.checks).enumerate() {
            let context = CheckContext::parse(&asked.context).map_err(ClientError::Own)?;
            for (item, outcome) in outcome.items.iter().enumerate() {
                let missing = |field| ClientError::missing(Party::Coordinator, field);
                let (wire, told): (&common::LoggedRecord, _) = match &outcome.outcome {
                    Some(item_outcome::Outcome::Permit(wire)) => (wire, None),
                    Some(item_outcome::Outcome::Refused(RefusedItem { refusal, record })) => (
                        record.as_ref().ok_or_else(|| missing("record"))?,
                        Some(refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())),
                    ),
                    None => return Err(missing("outcome")),
                };
                let record = self.log().verify_under(wire, &checkpoint)?.into_record();
                let outcome = match (&record, told) {
                    (Record::Access(access), None) => {
                        check_access(&context, item, access)?;
                        RecordOutcome::NotAnswered
                    }
                    (Record::Refused(refused), Some(reason)) => {
                        check_refused(&context, item, refused, reason)?;
                        RecordOutcome::Refused
                    }
                    _ => return Err(ClientError::OtherRecord("kind")),
                };
                items.push(ItemPart {
                    check,
                    item,
                    id: record_id(record.id())?,
                    outcome,
                    record: wire.clone(),
                });
            }
        }
        Ok(items)
    }
}
