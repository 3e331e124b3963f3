//! Consents: stored under a pseudonym, each change of state a record of its hidden chain.

use std::sync::Arc;

use tacit_ledger::record;
use tacit_model::{MemberId, Reason, Ulid};
use tacit_policy::{
    ConsentState, ConsentStatus, SignedChange, SignedConsent, StateChange,
    consent::{InvalidTransition, consent_terms},
};
use tacit_store::StoreError;

use super::{ChangeJob, Commit, Done, NewRecord, records::commit_subject};
use crate::{
    caller::signing_key,
    opening::{ConsentOpening, Opening},
    store::{
        carried,
        consent_requests::{self, StoredRequest},
        consent_texts,
        consents::{self, StoredConsent},
        subjects,
    },
};

/// A change of state as it goes to the log: of a consent, or of a request for one.
pub(super) struct Change<'a> {
    pub(super) id: Ulid,
    pub(super) authority: &'a MemberId,
    pub(super) requester: &'a MemberId,
    pub(super) pseudonym: [u8; 32],
    pub(super) state: ConsentState,
    pub(super) number: u64,
    /// The text that stands from now on.
    pub(super) text: &'a [u8],
}

impl<'a> From<&'a StoredConsent> for Change<'a> {
    fn from(consent: &'a StoredConsent) -> Self {
        let StoredConsent { terms, text, state, number, .. } = consent;
        Self {
            id: terms.id,
            authority: &terms.authority,
            requester: &terms.requester,
            pseudonym: terms.pseudonym,
            state: *state,
            number: *number,
            text,
        }
    }
}

impl Commit<'_> {
    /// A consent and its first state. The very same again, while it is still in that state, is a lost answer:
    /// it gets the same record. Played again later it is refused. Where its id is that of a request, it gives what was
    /// asked for, or less.
    pub(super) async fn put_consent(
        &mut self,
        signed: &SignedConsent,
        state_signature: [u8; 64],
    ) -> Result<Done, StoreError> {
        let consent = signed.consent();
        if let Some(stored) = consents::by_ids(self.conn, &[consent.id]).await?.remove(&consent.id) {
            let same = stored.text == signed.bytes() && stored.number == 1;
            return Ok(match stored.state {
                _ if same => Done::Before(stored.log_index),
                state if state.is_dead() => Done::Refused(Reason::ConsentDead),
                _ => Done::Refused(Reason::Conflict),
            });
        }
        let asked = self.request(consent.id).await?;
        if let Some(asked) = &asked
            && let Err(reason) = self.may_give(asked, signed)
        {
            return Ok(Done::Refused(reason));
        }
        let stored = StoredConsent {
            terms: consent.clone(),
            text: signed.bytes().to_vec(),
            signature: *signed.signature(),
            state: ConsentState::Given,
            number: 1,
            state_signature,
            log_index: 0,
            uses: 0,
            carried_to: None,
        };
        let record = self.log_change(Change::from(&stored)).await?;
        let mut stored = StoredConsent { log_index: record.index, ..stored };
        consents::store(self.conn, &stored).await?;
        stored.tell(&carried::standing(self.conn, &[stored.terms.pseudonym]).await?);
        if asked.is_some() {
            self.note_decision(consent.id, ConsentState::Given, state_signature, record.index).await?;
        }
        self.changed.push(Arc::new(stored));
        Ok(Done::Logged(record))
    }

    /// Whether this consent may follow that request.
    fn may_give(&self, asked: &StoredRequest, signed: &SignedConsent) -> Result<(), Reason> {
        match asked.state() {
            // Another authority's request is none of this one's business.
            _ if asked.terms.authority != signed.consent().authority => Err(Reason::Conflict),
            ConsentState::Refused => Err(Reason::ConsentDead),
            ConsentState::Requested if self.now < asked.until => {
                asked.terms.allows(signed.consent()).map_err(|_| Reason::ConsentInvalid)
            }
            _ => Err(Reason::ConsentOrder),
        }
    }

    /// The next state, signed by the authority that signed the consent. The last change again is a lost answer.
    pub(super) async fn change_consent(&mut self, job: &ChangeJob) -> Result<Done, StoreError> {
        let id = job.change.id;
        let Some(stored) = consents::by_ids(self.conn, &[id]).await?.remove(&id) else {
            return match self.request(id).await?.filter(|asked| asked.terms.authority == job.authority) {
                Some(asked) => self.end_request(&asked, job).await,
                None => Ok(Done::Refused(Reason::NotFound)),
            };
        };
        // A renewal is a text and comes by its own way.
        if job.change.state == ConsentState::Renewed && !stored.state.is_dead() {
            return Ok(Done::Refused(Reason::ConsentOrder));
        }
        match self.next_state(&stored, job) {
            Ok(Some(next)) => self.change_to(next).await,
            Ok(None) => Ok(Done::Before(stored.log_index)),
            Err(reason) => Ok(Done::Refused(reason)),
        }
    }

    /// The same consent with a later end, signed again by its authority, with the change of state.
    pub(super) async fn renew_consent(
        &mut self,
        signed: &SignedConsent,
        job: &ChangeJob,
    ) -> Result<Done, StoreError> {
        let id = job.change.id;
        let Some(stored) = consents::by_ids(self.conn, &[id]).await?.remove(&id) else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        let next = match self.next_state(&stored, job) {
            Ok(Some(next)) => next,
            Ok(None) if stored.text == signed.bytes() => return Ok(Done::Before(stored.log_index)),
            Ok(None) => return Ok(Done::Refused(Reason::Conflict)),
            Err(reason) => return Ok(Done::Refused(reason)),
        };
        if stored.terms.renewed_by(signed.consent()).is_err() || signed.consent().expires <= self.now {
            return Ok(Done::Refused(Reason::ConsentInvalid));
        }
        consent_texts::replace(self.conn, id, next.number, &stored.text, &stored.signature).await?;
        let terms = signed.consent().clone();
        let (text, signature) = (signed.bytes().to_vec(), *signed.signature());
        self.change_to(StoredConsent { terms, text, signature, ..next }).await
    }

    /// The consent after a change that its authority signed; none when that is the change which brought it where it is.
    fn next_state(&self, stored: &StoredConsent, job: &ChangeJob) -> Result<Option<StoredConsent>, Reason> {
        let ChangeJob { authority, change, signature } = job;
        if stored.terms.authority != *authority {
            return Err(Reason::NotFound);
        }
        self.check_change(authority, *change, *signature)?;
        if (stored.state, stored.number) == (change.state, change.number) {
            return Ok(None);
        }
        let status = ConsentStatus::restored(stored.state, stored.number);
        let next = follows(status, *change)?;
        Ok(Some(StoredConsent {
            state: next.state(),
            number: next.number(),
            state_signature: *signature,
            ..stored.clone()
        }))
    }

    /// Whether the authority signed this change.
    pub(super) fn check_change(
        &self,
        authority: &MemberId,
        change: StateChange,
        signature: [u8; 64],
    ) -> Result<(), Reason> {
        let key = signing_key(self.registry, authority).ok_or(Reason::SignatureInvalid)?;
        SignedChange::verify(change, signature, &key).map(|_| ()).map_err(|_| Reason::SignatureInvalid)
    }

    async fn change_to(&mut self, next: StoredConsent) -> Result<Done, StoreError> {
        let record = self.log_change(Change::from(&next)).await?;
        let mut next = StoredConsent { log_index: record.index, ..next };
        consents::change(self.conn, &next).await?;
        next.tell(&carried::standing(self.conn, &[next.terms.pseudonym]).await?);
        self.changed.push(Arc::new(next));
        Ok(Done::Logged(record))
    }

    /// A stored request.
    pub(super) async fn request(&mut self, id: Ulid) -> Result<Option<StoredRequest>, StoreError> {
        Ok(consent_requests::by_ids(self.conn, &[id]).await?.remove(&id))
    }

    pub(super) async fn log_change(&mut self, change: Change<'_>) -> Result<NewRecord, StoreError> {
        let pseudonym = change.pseudonym;
        let numbers = subjects::number(self.conn, &[pseudonym]).await?;
        let Some(subject) = numbers.get(&pseudonym).copied() else {
            return Err(StoreError::corrupt("subject", "pseudonym", change.id, "is missing"));
        };
        let chain = self.chain_of(subject).await?;
        let link = self.link(&chain);
        let salt_terms = self.salt();
        let id = self.ulid().to_string();
        let (record, leaf) = self.push(record::Consent {
            id,
            time_ms: self.now.0,
            authority: change.authority.to_string(),
            requester: change.requester.to_string(),
            state: change.state.as_str().to_owned(),
            terms: consent_terms(&salt_terms, change.text),
            subject: commit_subject(&link, &pseudonym),
        })?;
        let id = change.id.to_string();
        let opening =
            Opening::Consent(ConsentOpening { link, salt_terms, consent: &id, number: change.number });
        self.link_record(subject, chain.after(record.index, leaf), record.index, &opening).await?;
        Ok(record)
    }
}

/// The status after a change; no gaps: a change that is missing here could be a withdrawal.
pub(super) fn follows(status: ConsentStatus, change: StateChange) -> Result<ConsentStatus, Reason> {
    match status.apply(change.state, change.number) {
        Ok(next) if next.number() == status.number() + 1 => Ok(next),
        Err(InvalidTransition::Dead { .. }) => Err(Reason::ConsentDead),
        Ok(_) | Err(_) => Err(Reason::ConsentOrder),
    }
}
