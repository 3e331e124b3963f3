//! What the authority does about requests for consent.

use bytes::Bytes;
use tacit_model::{ListId, Millis, PurposeCode, Reason, Ulid};
use tacit_policy::consent::StateChange;
use tacit_policy::{Consent, ConsentRequest, ConsentState, Frequency};

use super::{Acknowledged, ConsentAuthority, Pseudonym};
use crate::asked::{self, AskedConsent};
use crate::error::ClientError;

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

impl Narrower {
    /// The consent that gives this much of a request.
    ///
    /// # Errors
    /// [`ClientError::Question`] with `consent_invalid` for more than was asked.
    pub fn of(self, request: &ConsentRequest) -> Result<Consent, ClientError> {
        let consent = Consent {
            id: request.id,
            authority: request.authority.clone(),
            requester: request.requester.clone(),
            pseudonym: request.pseudonym,
            epoch: request.epoch,
            lists: self.lists.unwrap_or_else(|| request.lists.clone()),
            purposes: self.purposes.unwrap_or_else(|| request.purposes.clone()),
            not_before: request.not_before,
            expires: self.expires.unwrap_or(request.expires),
            frequency: self.frequency.unwrap_or(request.frequency),
            notice: self.notice,
        };
        match request.allows(&consent) {
            Ok(()) => Ok(consent),
            Err(error) => Err(ClientError::Question { reason: Reason::ConsentInvalid, field: error.0 }),
        }
    }
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
        self.put(narrower.of(request)?).await
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
}
