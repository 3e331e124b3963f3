//! Consents signed and stored, and what becomes of them: each change proven to be in the log before it counts.

use bytes::Bytes;
use tacit_ledger::record;
use tacit_model::{MemberId, Millis, Reason, Ulid};
use tacit_policy::consent::StateChange;
use tacit_policy::{Consent, ConsentState, SignedChange, SignedConsent};
use tacit_wire::coordinator::{
    ChangeConsentStateRequest, ConsentLogged, PutConsentRequest, RenewConsentRequest,
    change_consent_state_response, put_consent_response, renew_consent_response,
};

use super::{Acknowledged, ConsentAuthority};
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::question::RecordRef;
use crate::retry;

impl ConsentAuthority {
    /// Signs and stores a consent with its first state, and verifies that it is in the log. The very same again, while
    /// nothing followed it, gets the same record.
    ///
    /// # Errors
    /// [`ClientError::Question`] for terms outside their bounds, a refusal, or a record that does not hold.
    pub async fn put(&self, consent: Consent) -> Result<Acknowledged, ClientError> {
        let requester = consent.requester.clone();
        let change = StateChange { id: consent.id, state: ConsentState::Given, number: 1 };
        let signed = self.sign_text(consent)?;
        let request = PutConsentRequest {
            consent: Bytes::copy_from_slice(signed.bytes()),
            signature: Bytes::copy_from_slice(signed.signature()),
            state_signature: self.sign(change),
        };
        let response = retry::call(Party::Coordinator, &self.0.config.deadlines, request, |request| {
            let mut client = self.consents();
            async move { client.put_consent(request).await }
        })
        .await?;
        match response.outcome {
            Some(put_consent_response::Outcome::Logged(logged)) => {
                self.acknowledge(change, &requester, logged).await
            }
            Some(put_consent_response::Outcome::Refusal(refusal)) => {
                Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() })
            }
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }

    /// Changes a consent's state with the next number, and verifies that the change is in the log.
    ///
    /// # Errors
    /// [`ClientError::Question`] for a consent that is not ours, a refusal, or a record that does not hold.
    pub async fn change(&self, id: Ulid, state: ConsentState) -> Result<Acknowledged, ClientError> {
        let kept = self.show(id).await?;
        let change = StateChange { id, state, number: kept.number.saturating_add(1) };
        self.send(change, &kept.consent.requester).await
    }

    /// [`ConsentAuthority::change`] of a consent for this requester whose number is known: nothing is looked up. The
    /// last change again gets the same record.
    ///
    /// # Errors
    /// A refusal, or a record that does not hold.
    pub async fn send(&self, change: StateChange, requester: &MemberId) -> Result<Acknowledged, ClientError> {
        let StateChange { id, state, .. } = change;
        let request = ChangeConsentStateRequest {
            consent_id: id.to_string(),
            state: state.as_str().to_owned(),
            number: change.number,
            signature: self.sign(change),
        };
        let response = retry::call(Party::Coordinator, &self.0.config.deadlines, request, |request| {
            let mut client = self.consents();
            async move { client.change_consent_state(request).await }
        })
        .await?;
        match response.outcome {
            Some(change_consent_state_response::Outcome::Logged(logged)) => {
                self.acknowledge(change, requester, logged).await
            }
            Some(change_consent_state_response::Outcome::Refusal(refusal)) => {
                Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() })
            }
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }

    /// Withdraws a consent, for ever.
    ///
    /// # Errors
    /// As [`ConsentAuthority::change`].
    pub async fn withdraw(&self, id: Ulid) -> Result<Acknowledged, ClientError> {
        self.change(id, ConsentState::Withdrawn).await
    }

    /// Confirms a consent again, until later, and verifies that this is in the log.
    ///
    /// # Errors
    /// [`ClientError::Question`] for a consent that is not ours or an end that is not later, a refusal, or a record that
    /// does not hold.
    pub async fn renew(
        &self,
        id: Ulid,
        expires: Millis,
        notice: [u8; 32],
    ) -> Result<Acknowledged, ClientError> {
        let kept = self.show(id).await?;
        let next = Consent { expires, notice, ..kept.consent.clone() };
        self.renew_as(&kept.consent, next, kept.number.saturating_add(1)).await
    }

    /// [`ConsentAuthority::renew`] of a consent that is known, by its next text and number: nothing is looked up.
    ///
    /// # Errors
    /// As [`ConsentAuthority::renew`].
    pub async fn renew_as(
        &self,
        before: &Consent,
        next: Consent,
        number: u64,
    ) -> Result<Acknowledged, ClientError> {
        if let Err(error) = before.renewed_by(&next) {
            return Err(ClientError::Question { reason: Reason::ConsentInvalid, field: error.0 });
        }
        let change = StateChange { id: next.id, state: ConsentState::Renewed, number };
        let signed = self.sign_text(next)?;
        let request = RenewConsentRequest {
            consent: Bytes::copy_from_slice(signed.bytes()),
            signature: Bytes::copy_from_slice(signed.signature()),
            number,
            state_signature: self.sign(change),
        };
        let response = retry::call(Party::Coordinator, &self.0.config.deadlines, request, |request| {
            let mut client = self.consents();
            async move { client.renew_consent(request).await }
        })
        .await?;
        match response.outcome {
            Some(renew_consent_response::Outcome::Logged(logged)) => {
                self.acknowledge(change, &before.requester, logged).await
            }
            Some(renew_consent_response::Outcome::Refusal(refusal)) => {
                Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() })
            }
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }

    /// Signs the text of a consent of this authority. A signature is the same each time it is made.
    ///
    /// # Errors
    /// [`ClientError::Question`] for terms outside their bounds.
    pub fn sign_text(&self, consent: Consent) -> Result<SignedConsent, ClientError> {
        SignedConsent::sign(consent, &self.0.keys.signing).map_err(|error| {
            tracing::debug!(%error, "a consent was not signed");
            ClientError::Question { reason: Reason::ConsentInvalid, field: "consent" }
        })
    }

    fn sign(&self, change: StateChange) -> Bytes {
        Bytes::copy_from_slice(&self.sign_change(change))
    }

    /// The signature over a change of state, the same each time it is made.
    #[must_use]
    pub fn sign_change(&self, change: StateChange) -> [u8; 64] {
        *SignedChange::sign(change, &self.0.keys.signing).signature()
    }

    /// The record is in the log that its witnesses saw, and about this change.
    async fn acknowledge(
        &self,
        change: StateChange,
        requester: &MemberId,
        logged: ConsentLogged,
    ) -> Result<Acknowledged, ClientError> {
        let verified = self.0.log.key().verify(logged.record.as_ref(), &logged.checkpoint)?;
        self.0.log.accept_alone(&logged.checkpoint).await?;
        let index = verified.index();
        let consent: record::Consent = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind consent"))?;
        if consent.authority != *self.0.config.member
            || consent.requester != **requester
            || consent.state != change.state.as_str()
        {
            return Err(ClientError::OtherRecord("the record is about another change"));
        }
        Ok(Acknowledged {
            id: change.id,
            state: change.state,
            number: change.number,
            record: RecordRef { id: record_id(&consent.id)?, index },
            time: Millis(consent.time_ms),
            checkpoint: logged.checkpoint,
        })
    }
}
