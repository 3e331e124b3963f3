//! Requests for consent, and renewals: what is checked of them before the writer takes them up.

use tacit_blind::group::Point;
use tacit_identity::Role;
use tacit_model::{MemberId, Millis, Reason};
use tacit_policy::{
    ConsentState, SignedConsent, SignedRequest, StateChange, consent::RequestError, registry::entry,
};
use tacit_store::StoreError;
use tacit_wire::coordinator as pb;

use super::Shared;
use crate::{
    append::{ChangeJob, Write},
    caller::signing_key,
    store::consent_requests::{self, Of, StoredRequest},
};

impl Shared {
    /// A request that the calling requester signed, to a member that is an authority.
    pub(super) fn requested(
        &self,
        text: &[u8],
        signature: [u8; 64],
        requester: &MemberId,
    ) -> Result<Write, Reason> {
        let signed =
            SignedRequest::verify(text.to_vec(), signature, |named| signing_key(&self.registry(), named))
                .map_err(|error| match error {
                    RequestError::Signature => Reason::SignatureInvalid,
                    _ => Reason::ConsentInvalid,
                })?;
        let request = signed.request();
        if request.requester != *requester {
            return Err(Reason::WrongRole);
        }
        if !self.is_authority(&request.authority) {
            return Err(Reason::UnknownMember);
        }
        if Point::decode(&request.pseudonym).is_err() {
            return Err(Reason::ConsentInvalid);
        }
        Ok(Write::RequestConsent(Box::new(signed)))
    }

    /// A text that the calling authority signed, with the change to `renewed`.
    pub(super) fn renewed(
        &self,
        text: &[u8],
        signature: [u8; 64],
        number: u64,
        state_signature: [u8; 64],
        authority: &MemberId,
    ) -> Result<Write, Reason> {
        let signed = self.signed_by(text, signature, authority)?;
        let change = StateChange { id: signed.consent().id, state: ConsentState::Renewed, number };
        let job = ChangeJob { authority: authority.clone(), change, signature: state_signature };
        Ok(Write::RenewConsent { consent: Box::new(signed), change: Box::new(job) })
    }

    /// A consent text that the calling authority signed, and no other member.
    pub(super) fn signed_by(
        &self,
        text: &[u8],
        signature: [u8; 64],
        authority: &MemberId,
    ) -> Result<SignedConsent, Reason> {
        let signed = SignedConsent::verify(text.to_vec(), signature, |named| {
            // Another authority's consent is refused below, and by its own key.
            signing_key(&self.registry(), named)
        })
        .map_err(|_| Reason::ConsentInvalid)?;
        let consent = signed.consent();
        if consent.authority != *authority || !self.is_authority(&consent.authority) {
            metrics::counter!("tacit_coordinator_consents_not_of_their_authority_total").increment(1);
            tracing::warn!(
                caller = %authority, named = %consent.authority,
                "a consent was refused: it is not of the authority that brought it"
            );
            return Err(Reason::WrongRole);
        }
        Ok(signed)
    }

    fn is_authority(&self, member: &MemberId) -> bool {
        self.registry().member(member).is_some_and(|member| member.has(entry::Role::Authority))
    }

    /// The requests that a member may see, as it sees them.
    pub(super) async fn requests(
        &self,
        role: Role,
        member: &MemberId,
        pseudonyms: &[[u8; 32]],
    ) -> Result<Vec<pb::ConsentRequestStatus>, StoreError> {
        let mut conn = self.db.read().await?;
        let of = if role == Role::Authority { Of::Authority(member) } else { Of::Requester(member) };
        let found = consent_requests::list(&mut conn, of, pseudonyms).await?;
        let decided = consent_requests::decided_at(&mut conn, &found).await?;
        let at = |request: &StoredRequest| decided.get(&request.decided?.log_index).copied();
        Ok(found.iter().map(|request| standing(request, at(request))).collect())
    }
}

/// A request as requesters and authorities see it.
fn standing(request: &StoredRequest, decided: Option<Millis>) -> pb::ConsentRequestStatus {
    pb::ConsentRequestStatus {
        request: request.text.clone().into(),
        signature: request.signature.to_vec().into(),
        state: request.state().as_str().to_owned(),
        requested_ms: request.requested.0,
        until_ms: request.until.0,
        decided_ms: decided.map_or(0, |at| at.0),
    }
}
