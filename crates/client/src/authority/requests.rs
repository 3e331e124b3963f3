//! What the authority does about requests for consent, and renewals.

use bytes::Bytes;
use tacit_model::{ListId, Millis, PurposeCode, Reason, Ulid};
use tacit_policy::consent::StateChange;
use tacit_policy::{Consent, ConsentState, Frequency, SignedConsent};
use tacit_wire::coordinator::{RenewConsentRequest, renew_consent_response};

use super::{Acknowledged, ConsentAuthority, Pseudonym};
use crate::asked::{self, AskedConsent};
use crate::error::{ClientError, Party};
use crate::retry;

/// What a subject allows of what it was asked for. What is left out is allowed as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Narrower {
    /// Only these lists.
    pub lists: Option<Vec<ListId>>,
    /// Only these purposes.
    pub purposes: Option<Vec<PurposeCode>>,
    /// Not as long.
    pub expires: Option<Millis>,
    /// Not as often.
    pub frequency: Option<Frequency>,
    /// Hash of the notice that the subject was shown.
    pub notice: [u8; 32],
}

impl ConsentAuthority {
    /// Requests for consent that name this authority, decided ones too, in order of their ids: those under these
    /// pseudonyms, or all when none is named. A request that its requester did not sign is left out.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn requests(&self, pseudonyms: &[Pseudonym]) -> Result<Vec<AskedConsent>, ClientError> {
        let pseudonyms = pseudonyms.iter().map(|it| Bytes::copy_from_slice(&it.pseudonym)).collect();
        let coordinator = self.0.coordinator.clone();
        let found = asked::list(coordinator, &self.0.config.deadlines, &self.registry(), pseudonyms).await?;
        let own = |it: &AskedConsent| it.request().authority == self.0.config.member;
        Ok(found.into_iter().filter(own).collect())
    }

    /// One request.
    ///
    /// # Errors
    /// [`ClientError::Question`] when there is none with this id.
    pub async fn request(&self, id: Ulid) -> Result<AskedConsent, ClientError> {
        let unknown = ClientError::Question { reason: Reason::NotFound, field: "request" };
        self.requests(&[]).await?.into_iter().find(|it| it.id() == id).ok_or(unknown)
    }

    /// Gives what was asked for, or less of it, and verifies that this is in the log.
    ///
    /// # Errors
    /// [`ClientError::Question`] with `consent_order` for a request that stands no more, with `consent_invalid` for
    /// more than was asked; a refusal; a record that does not hold.
    pub async fn allow(&self, asked: &AskedConsent, narrower: Narrower) -> Result<Acknowledged, ClientError> {
        let request = asked.request();
        if !asked.is_open(self.0.clock.now()) {
            let dead = asked.state.is_dead();
            let reason = if dead { Reason::ConsentDead } else { Reason::ConsentOrder };
            return Err(ClientError::Question { reason, field: "request" });
        }
        let consent = Consent {
            id: request.id,
            authority: request.authority.clone(),
            requester: request.requester.clone(),
            pseudonym: request.pseudonym,
            epoch: request.epoch,
            lists: narrower.lists.unwrap_or_else(|| request.lists.clone()),
            purposes: narrower.purposes.unwrap_or_else(|| request.purposes.clone()),
            not_before: request.not_before,
            expires: narrower.expires.unwrap_or(request.expires),
            frequency: narrower.frequency.unwrap_or(request.frequency),
            notice: narrower.notice,
        };
        if let Err(error) = request.allows(&consent) {
            return Err(ClientError::Question { reason: Reason::ConsentInvalid, field: error.0 });
        }
        self.sign_and_put(consent).await
    }

    /// Refuses a request, for ever, and verifies that this is in the log.
    ///
    /// # Errors
    /// As [`ConsentAuthority::change`].
    pub async fn refuse(&self, id: Ulid) -> Result<Acknowledged, ClientError> {
        self.end(id, ConsentState::Refused).await
    }

    /// Notes that nobody decided a request in time.
    ///
    /// # Errors
    /// As [`ConsentAuthority::change`].
    pub async fn let_expire(&self, id: Ulid) -> Result<Acknowledged, ClientError> {
        self.end(id, ConsentState::Expired).await
    }

    async fn end(&self, id: Ulid, state: ConsentState) -> Result<Acknowledged, ClientError> {
        let asked = self.request(id).await?;
        self.send(StateChange { id, state, number: 1 }, &asked.request().requester).await
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
        if let Err(error) = kept.consent.renewed_by(&next) {
            return Err(ClientError::Question { reason: Reason::ConsentInvalid, field: error.0 });
        }
        let signed = SignedConsent::sign(next, &self.0.keys.signing)
            .map_err(|_| ClientError::Question { reason: Reason::ConsentInvalid, field: "consent" })?;
        let change = StateChange { id, state: ConsentState::Renewed, number: kept.number.saturating_add(1) };
        let request = RenewConsentRequest {
            consent: Bytes::copy_from_slice(signed.bytes()),
            signature: Bytes::copy_from_slice(signed.signature()),
            number: change.number,
            state_signature: self.sign(change),
        };
        let response = retry::call(Party::Coordinator, &self.0.config.deadlines, request, |request| {
            let mut client = self.consents();
            async move { client.renew_consent(request).await }
        })
        .await?;
        match response.outcome {
            Some(renew_consent_response::Outcome::Logged(logged)) => {
                self.acknowledge(change, Some(&kept.consent.requester), logged).await
            }
            Some(renew_consent_response::Outcome::Refusal(refusal)) => {
                Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() })
            }
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }
}
