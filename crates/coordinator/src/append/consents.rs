//! Consents: stored under a pseudonym, each change of state a record of its hidden chain.

use tacit_ledger::record;
use tacit_model::Reason;
use tacit_policy::{
    ConsentState, ConsentStatus, SignedChange, SignedConsent, StateChange, consent::consent_terms,
};
use tacit_store::StoreError;

use super::{ChangeJob, Commit, Done, NewRecord};
use crate::{
    caller::signing_key,
    opening::{ConsentOpening, Opening, seal},
    store::{
        consents::{self, StoredConsent},
        openings::{self, Chain, SealedOpening},
    },
};

impl Commit<'_> {
    /// A consent and its first state. The same consent again is a lost answer and changes nothing.
    pub(super) async fn put_consent(
        &mut self,
        signed: &SignedConsent,
        state_signature: [u8; 64],
    ) -> Result<Done, StoreError> {
        let consent = signed.consent();
        let id = consent.id.to_string();
        if !consents::by_ids(self.conn, std::slice::from_ref(&id)).await?.is_empty() {
            return Ok(Done::Refused(Reason::Conflict));
        }
        let stored = StoredConsent {
            id,
            authority: consent.authority.to_string(),
            requester: consent.requester.to_string(),
            pseudonym: consent.pseudonym,
            text: signed.bytes().to_vec(),
            signature: signed.signature().to_vec(),
            state: ConsentState::Given.as_str().to_owned(),
            number: 1,
            state_signature: state_signature.to_vec(),
            uses: 0,
        };
        consents::store(self.conn, &stored).await?;
        let record = self.log_consent(&stored).await?;
        Ok(Done::Logged { record, consent: Some(stored) })
    }

    /// The next state, signed by the authority that signed the consent.
    pub(super) async fn change_consent(&mut self, job: &ChangeJob) -> Result<Done, StoreError> {
        let found = consents::by_ids(self.conn, std::slice::from_ref(&job.id)).await?.remove(&job.id);
        let Some(stored) = found.filter(|stored| stored.authority == *job.authority) else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        let Some(id) = tacit_model::parse_ulid(&stored.id) else {
            return Err(StoreError::corrupt("consent", "id", &stored.id, "is not a ULID"));
        };
        let change = StateChange { id, state: job.state, number: job.number };
        let key = signing_key(self.registry, &job.authority);
        if key.is_none_or(|key| SignedChange::verify(change, job.signature, &key).is_err()) {
            return Ok(Done::Refused(Reason::SignatureInvalid));
        }
        let state: ConsentState = stored
            .state
            .parse()
            .map_err(|_| StoreError::corrupt("consent", "state", &stored.id, "is not a state"))?;
        let next = match ConsentStatus::restored(state, stored.number).apply(job.state, job.number) {
            Ok(next) if next.number() == stored.number + 1 => next,
            Err(tacit_policy::consent::InvalidTransition::Dead { .. }) => {
                return Ok(Done::Refused(Reason::ConsentDead));
            }
            Ok(_) | Err(_) => return Ok(Done::Refused(Reason::ConsentOrder)),
        };
        consents::change(self.conn, &stored.id, next.state().as_str(), next.number(), &job.signature).await?;
        let stored = StoredConsent {
            state: next.state().as_str().to_owned(),
            number: next.number(),
            state_signature: job.signature.to_vec(),
            ..stored
        };
        let record = self.log_consent(&stored).await?;
        Ok(Done::Logged { record, consent: Some(stored) })
    }

    async fn log_consent(&mut self, consent: &StoredConsent) -> Result<NewRecord, StoreError> {
        let chains = openings::chains(self.conn, &[consent.pseudonym]).await?;
        let mut chain = match chains.get(&consent.pseudonym) {
            Some(chain) => *chain,
            None => Chain { sequence: 0, leaf: [0; 32], opening_key: Some(self.salt()) },
        };
        let (salt_subject, salt_terms) = (self.salt(), self.salt());
        let subject =
            tacit_blind::commit::subject(&salt_subject, &consent.pseudonym, chain.sequence, &chain.leaf);
        let id = self.ulid();
        let (record, leaf) = self.push(record::Consent {
            id,
            time_ms: self.now.0,
            authority: consent.authority.clone(),
            requester: consent.requester.clone(),
            state: consent.state.clone(),
            terms: consent_terms(&salt_terms, &consent.text),
            subject,
        })?;
        if let Some(key) = chain.opening_key {
            let opening = Opening::Consent(ConsentOpening {
                salt_subject,
                sequence: chain.sequence,
                previous: chain.leaf,
                salt_terms,
                consent: &consent.id,
                state_number: consent.number,
            });
            let sealed = seal(&opening, &key, record.index, &mut self.rng)
                .map_err(|_| StoreError::LogHead("an opening could not be sealed"))?;
            let opening = SealedOpening { log_index: record.index, pseudonym: consent.pseudonym, sealed };
            openings::store(self.conn, &[opening]).await?;
        }
        chain = Chain { sequence: chain.sequence + 1, leaf, ..chain };
        openings::store_chains(self.conn, &[(consent.pseudonym, chain)]).await?;
        Ok(record)
    }
}
