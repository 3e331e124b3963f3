//! Requests for consent as the coordinator keeps them.

use bytes::Bytes;
use tacit_model::{Millis, Ulid};
use tacit_policy::{Consent, ConsentRequest, ConsentState, Registry, SignedRequest};
use tacit_wire::coordinator::consent_service_client::ConsentServiceClient;
use tacit_wire::coordinator::{ConsentRequestStatus, ListConsentRequestsRequest};
use tonic::transport::Channel;

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::retry::{self, Deadlines};

/// A request for consent, with what became of it. `Debug` does not show its pseudonym.
#[derive(Debug, Clone)]
pub struct AskedConsent {
    /// What was asked for, as its requester signed it.
    pub signed: SignedRequest,
    /// Requested, given, refused or expired; to the requester, of a consent that was given, its present state.
    pub state: ConsentState,
    /// When it was recorded.
    pub requested: Millis,
    /// It stands until then.
    pub until: Millis,
    /// When it was given, refused or expired.
    pub decided: Option<Millis>,
    /// Permitted checks under the consent so far; 0 where that is not told.
    pub uses: u64,
    /// What the subject allowed, perhaps less than was asked for; `None` when nothing, and where that is not told.
    pub given: Option<Consent>,
}

impl AskedConsent {
    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &ConsentRequest {
        self.signed.request()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Ulid {
        self.request().id
    }

    /// Whether the subject can still decide at `now`.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        self.state == ConsentState::Requested && now < self.until
    }

    /// The state at `now`: what nobody decided in time is expired.
    #[must_use]
    pub fn state_at(&self, now: Millis) -> ConsentState {
        let over = self.state == ConsentState::Requested && !self.is_open(now);
        if over { ConsentState::Expired } else { self.state }
    }

    /// What the coordinator tells, if its requester signed it; one that nobody signed is nobody's request.
    fn from_wire(told: ConsentRequestStatus, registry: &Registry) -> Result<Option<Self>, ClientError> {
        let signature = tacit_wire::array("signature", &told.signature)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        let key = |member: &_| registry.member(member).map(|member| member.keys.signing.0);
        let signed = match SignedRequest::verify(told.request.to_vec(), signature, key) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::warn!(%error, "a request for consent is left out");
                return Ok(None);
            }
        };
        let state = told.state.parse().map_err(|_| ClientError::missing(Party::Coordinator, "state"))?;
        Ok(Some(Self {
            signed,
            state,
            requested: Millis(told.requested_ms),
            until: Millis(told.until_ms),
            decided: (told.decided_ms > 0).then_some(Millis(told.decided_ms)),
            uses: 0,
            given: None,
        }))
    }
}

/// Requests that the caller may see: under these pseudonyms, or all when none is named; ascending by id.
pub(crate) async fn list(
    coordinator: Channel,
    deadlines: &Deadlines,
    registry: &Registry,
    pseudonyms: Vec<Bytes>,
) -> Result<Vec<AskedConsent>, ClientError> {
    let request = ListConsentRequestsRequest { pseudonyms };
    let response = retry::call(Party::Coordinator, deadlines, request, |request| {
        let mut client =
            ConsentServiceClient::new(coordinator.clone()).max_decoding_message_size(MAX_MESSAGE);
        async move { client.list_consent_requests(request).await }
    })
    .await?;
    let told = response.requests.into_iter().map(|told| AskedConsent::from_wire(told, registry));
    told.filter_map(Result::transpose).collect()
}
