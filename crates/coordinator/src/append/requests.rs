//! Requests for consent: made by a requester under its own pseudonym, decided by the authority that they name.

use tacit_model::{Reason, Ulid};
use tacit_policy::{Asked, ConsentRequest, ConsentState, ConsentStatus, SignedRequest, holder_decide};
use tacit_store::StoreError;

use super::{
    ChangeJob, Commit, Done,
    consents::{Change, follows},
};
use crate::store::{
    consent_requests::{self, Decided, StoredRequest},
    consents,
    pseudonyms::{self, Scope},
};

impl Commit<'_> {
    /// A request. The same bytes again get the same record, whatever became of it.
    pub(super) async fn request_consent(&mut self, signed: &SignedRequest) -> Result<Done, StoreError> {
        let terms = signed.request();
        if let Some(stored) = self.request(terms.id).await? {
            return Ok(if stored.text == signed.bytes() {
                Done::Before(stored.log_index)
            } else {
                Done::Refused(Reason::Conflict)
            });
        }
        // An id is used once, also by a consent that nobody asked for here.
        if let Some(stored) = consents::by_ids(self.conn, &[terms.id]).await?.remove(&terms.id) {
            let dead = stored.state.is_dead();
            return Ok(Done::Refused(if dead { Reason::ConsentDead } else { Reason::Conflict }));
        }
        if let Err(reason) = self.may_ask(terms) {
            return Ok(Done::Refused(reason));
        }
        let scope = Scope { requester: &terms.requester, epoch: terms.epoch };
        if pseudonyms::lookup(self.conn, scope, &[terms.pseudonym]).await?.is_empty() {
            return Ok(Done::Refused(Reason::NotEnrolled));
        }
        let midnight = self.now.utc_midnight();
        let (open, made) = consent_requests::counts(self.conn, terms, self.now, midnight).await?;
        if open >= self.limits.open_consent_requests || made >= self.limits.consent_requests_per_day {
            return Ok(Done::Refused(Reason::QuotaRequests));
        }
        let record = self
            .log_change(Change {
                id: terms.id,
                authority: &terms.authority,
                requester: &terms.requester,
                pseudonym: terms.pseudonym,
                state: ConsentState::Requested,
                number: 0,
                text: signed.bytes(),
            })
            .await?;
        let stored = StoredRequest {
            terms: terms.clone(),
            text: signed.bytes().to_vec(),
            signature: *signed.signature(),
            requested: self.now,
            until: terms.stands_until(self.now),
            log_index: record.index,
            decided: None,
        };
        consent_requests::store(self.conn, &stored).await?;
        Ok(Done::Logged(record))
    }

    /// Whether agreements in force let the requester ask each list for each purpose, and there is time left.
    fn may_ask(&self, terms: &ConsentRequest) -> Result<(), Reason> {
        if terms.expires <= self.now {
            return Err(Reason::ConsentInvalid);
        }
        for list in &terms.lists {
            let holder = list.holder_id();
            for purpose in &terms.purposes {
                let asked =
                    Asked { requester: &terms.requester, holder: &holder, lists: vec![list], purpose };
                holder_decide(&asked, self.registry, self.now).map_err(|refusal| refusal.public)?;
            }
        }
        Ok(())
    }

    /// What the authority signed as the end of a request: refused, or expired.
    pub(super) async fn end_request(
        &mut self,
        asked: &StoredRequest,
        job: &ChangeJob,
    ) -> Result<Done, StoreError> {
        let ChangeJob { authority, change, signature } = job;
        if let Err(reason) = self.check_change(authority, *change, *signature) {
            return Ok(Done::Refused(reason));
        }
        if let Some(decided) = &asked.decided {
            let same = (decided.state, 1) == (change.state, change.number);
            return Ok(match decided.state {
                _ if same => Done::Before(decided.log_index),
                state if state.is_dead() => Done::Refused(Reason::ConsentDead),
                _ => Done::Refused(Reason::ConsentOrder),
            });
        }
        // To be given it takes a text; and what is over can only be refused or noted as over.
        let ends = matches!(change.state, ConsentState::Refused | ConsentState::Expired);
        let status = ConsentStatus::restored(ConsentState::Requested, 0);
        let next = match follows(status, *change) {
            Ok(next) if ends => next,
            Ok(_) => return Ok(Done::Refused(Reason::ConsentOrder)),
            Err(reason) => return Ok(Done::Refused(reason)),
        };
        let terms = &asked.terms;
        let record = self
            .log_change(Change {
                id: terms.id,
                authority: &terms.authority,
                requester: &terms.requester,
                pseudonym: terms.pseudonym,
                state: next.state(),
                number: next.number(),
                text: &asked.text,
            })
            .await?;
        self.note_decision(terms.id, next.state(), *signature, record.index).await?;
        Ok(Done::Logged(record))
    }

    pub(super) async fn note_decision(
        &mut self,
        id: Ulid,
        state: ConsentState,
        signature: [u8; 64],
        log_index: u64,
    ) -> Result<(), StoreError> {
        consent_requests::decide(self.conn, id, &Decided { state, signature, log_index }).await
    }
}
