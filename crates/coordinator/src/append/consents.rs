//! Consents: stored under a pseudonym, each change of state a record of its hidden chain.

use std::sync::Arc;

use tacit_ledger::record;
use tacit_model::Reason;
use tacit_policy::{
    ConsentState, ConsentStatus, SignedChange, SignedConsent,
    consent::{InvalidTransition, consent_terms},
};
use tacit_store::StoreError;

use super::{ChangeJob, Commit, Done, NewRecord, records::commit_subject};
use crate::{
    caller::signing_key,
    opening::{ConsentOpening, Opening},
    store::{
        consents::{self, StoredConsent},
        openings::{self, Chain},
        subjects,
    },
};

impl Commit<'_> {
    /// A consent and its first state. The very same again, while it is still in that state, is a lost answer:
    /// it gets the same record. Played again later it is refused.
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
        let stored = StoredConsent {
            terms: consent.clone(),
            text: signed.bytes().to_vec(),
            signature: *signed.signature(),
            state: ConsentState::Given,
            number: 1,
            state_signature,
            log_index: 0,
            uses: 0,
        };
        let record = self.log_consent(&stored).await?;
        let stored = StoredConsent { log_index: record.index, ..stored };
        consents::store(self.conn, &stored).await?;
        self.changed.push(Arc::new(stored));
        Ok(Done::Logged(record))
    }

    /// The next state, signed by the authority that signed the consent. The last change again is a lost answer.
    pub(super) async fn change_consent(&mut self, job: &ChangeJob) -> Result<Done, StoreError> {
        let id = job.change.id;
        let found = consents::by_ids(self.conn, &[id]).await?.remove(&id);
        let Some(stored) = found.filter(|stored| stored.terms.authority == job.authority) else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        let key = signing_key(self.registry, &job.authority);
        if key.is_none_or(|key| SignedChange::verify(job.change, job.signature, &key).is_err()) {
            return Ok(Done::Refused(Reason::SignatureInvalid));
        }
        if (stored.state, stored.number) == (job.change.state, job.change.number) {
            return Ok(Done::Before(stored.log_index));
        }
        let status = ConsentStatus::restored(stored.state, stored.number);
        let next = match status.apply(job.change.state, job.change.number) {
            // No gaps: a change that is missing here could be a withdrawal.
            Ok(next) if next.number() == stored.number + 1 => next,
            Err(InvalidTransition::Dead { .. }) => return Ok(Done::Refused(Reason::ConsentDead)),
            Ok(_) | Err(_) => return Ok(Done::Refused(Reason::ConsentOrder)),
        };
        let stored = StoredConsent {
            state: next.state(),
            number: next.number(),
            state_signature: job.signature,
            ..stored
        };
        let record = self.log_consent(&stored).await?;
        let stored = StoredConsent { log_index: record.index, ..stored };
        consents::change(self.conn, &stored).await?;
        self.changed.push(Arc::new(stored));
        Ok(Done::Logged(record))
    }

    async fn log_consent(&mut self, consent: &StoredConsent) -> Result<NewRecord, StoreError> {
        let pseudonym = consent.terms.pseudonym;
        let numbers = subjects::number(self.conn, &[pseudonym]).await?;
        let Some(subject) = numbers.get(&pseudonym).copied() else {
            return Err(StoreError::corrupt("subject", "pseudonym", consent.terms.id, "is missing"));
        };
        let chain = match openings::chains(self.conn, &[subject]).await?.remove(&subject) {
            Some(chain) => chain,
            None => Chain::empty(self.salt()),
        };
        let link = self.link(&chain);
        let salt_terms = self.salt();
        let id = self.ulid().to_string();
        let (record, leaf) = self.push(record::Consent {
            id,
            time_ms: self.now.0,
            authority: consent.terms.authority.to_string(),
            requester: consent.terms.requester.to_string(),
            state: consent.state.as_str().to_owned(),
            terms: consent_terms(&salt_terms, &consent.text),
            subject: commit_subject(&link, &pseudonym),
        })?;
        let id = consent.terms.id.to_string();
        let opening =
            Opening::Consent(ConsentOpening { link, salt_terms, consent: &id, number: consent.number });
        self.link_record(subject, chain.after(record.index, leaf), record.index, &opening).await?;
        Ok(record)
    }
}
