//! Consents: stored and changed by their authority, listed for it and for the requester they name.

use std::sync::Arc;

use bytes::Bytes;
use tacit_blind::group::Point;
use tacit_identity::Role;
use tacit_model::{MemberId, Reason, parse_ulid};
use tacit_policy::{ConsentState, SignedChange, StateChange, registry::entry};
use tacit_wire::common::Refusal;
use tacit_wire::coordinator::{
    self as pb, change_consent_state_response::Outcome as Changed, consent_service_server::ConsentService,
    put_consent_response::Outcome as Put, renew_consent_response::Outcome as Renewed,
    request_consent_response::Outcome as Requested,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Responses, Service, Shared, live, malformed, parts, store_trouble};
use crate::{
    append::{ChangeJob, Write},
    caller::{caller, signing_key},
    store::consents::{self, StoredConsent},
};

/// Pseudonyms of one question.
const MOST: usize = 1024;

/// Changes that may wait for a slow reader.
const AHEAD: usize = 64;

#[tonic::async_trait]
impl ConsentService for Service {
    async fn put_consent(
        &self,
        request: Request<pb::PutConsentRequest>,
    ) -> Result<Response<pb::PutConsentResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        let state_signature = tacit_wire::array("state_signature", &message.state_signature)
            .map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let given = shared.given(&message.consent, signature, state_signature, &peer.spiffe.member);
        let outcome = shared.outcome(given, Put::Logged, Put::Refusal, &metadata).await?;
        Ok(Response::new(pb::PutConsentResponse { outcome: Some(outcome) }))
    }

    async fn change_consent_state(
        &self,
        request: Request<pb::ChangeConsentStateRequest>,
    ) -> Result<Response<pb::ChangeConsentStateResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let changed = match (parse_ulid(&message.consent_id), message.state.parse::<ConsentState>()) {
            (Some(id), Ok(state)) => {
                let change = StateChange { id, state, number: message.number };
                let job = ChangeJob { authority: peer.spiffe.member, change, signature };
                Ok(Write::ChangeConsent(Box::new(job)))
            }
            (None, _) => Err(Reason::NotFound),
            (Some(_), Err(_)) => Err(Reason::ConsentOrder),
        };
        let outcome = shared.outcome(changed, Changed::Logged, Changed::Refusal, &metadata).await?;
        Ok(Response::new(pb::ChangeConsentStateResponse { outcome: Some(outcome) }))
    }

    async fn request_consent(
        &self,
        request: Request<pb::RequestConsentRequest>,
    ) -> Result<Response<pb::RequestConsentResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let requested = shared.requested(&message.request, signature, &peer.spiffe.member);
        let outcome = shared.outcome(requested, Requested::Logged, Requested::Refusal, &metadata).await?;
        Ok(Response::new(pb::RequestConsentResponse { outcome: Some(outcome) }))
    }

    async fn renew_consent(
        &self,
        request: Request<pb::RenewConsentRequest>,
    ) -> Result<Response<pb::RenewConsentResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        let state_signature = tacit_wire::array("state_signature", &message.state_signature)
            .map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let pb::RenewConsentRequest { consent, number, .. } = message;
        let renewed = shared.renewed(&consent, signature, number, state_signature, &peer.spiffe.member);
        let outcome = shared.outcome(renewed, Renewed::Logged, Renewed::Refusal, &metadata).await?;
        Ok(Response::new(pb::RenewConsentResponse { outcome: Some(outcome) }))
    }

    async fn list_consent_requests(
        &self,
        request: Request<pb::ListConsentRequestsRequest>,
    ) -> Result<Response<pb::ListConsentRequestsResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let pseudonyms = pseudonyms(&message.pseudonyms, &metadata)?;
        let found = shared.requests(peer.spiffe.role, &peer.spiffe.member, &pseudonyms).await;
        let found = found.map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(pb::ListConsentRequestsResponse { requests: found }))
    }

    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let pseudonyms = pseudonyms(&message.pseudonyms, &metadata)?;
        let found = async {
            let mut conn = shared.db.read().await?;
            let member = &peer.spiffe.member;
            match peer.spiffe.role {
                Role::Authority => consents::by_authority(&mut conn, member, &pseudonyms).await,
                _ => consents::by_pseudonyms(&mut conn, member, &pseudonyms).await,
            }
        };
        let found = found.await.map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(pb::ListConsentsResponse { consents: found.iter().map(live).collect() }))
    }

    type WatchConsentsStream = Responses<pb::WatchConsentsResponse>;

    async fn watch_consents(
        &self,
        request: Request<pb::WatchConsentsRequest>,
    ) -> Result<Response<Self::WatchConsentsStream>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (changes, closing) = (shared.consents.subscribe(), shared.closing.subscribe());
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(push_changes(peer.spiffe.member, changes, closing, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Shared {
    /// What becomes of a change of consent: logged with its proof, or refused, in the words of the call.
    async fn outcome<O>(
        &self,
        write: Result<Write, Reason>,
        logged: fn(pb::ConsentLogged) -> O,
        refused: fn(Refusal) -> O,
        metadata: &MetadataMap,
    ) -> Result<O, Status> {
        let written = match write {
            Ok(write) => self.write_logged(write).await.map_err(|error| store_trouble(&error, metadata))?,
            Err(reason) => Err(reason),
        };
        Ok(match written {
            Ok((record, checkpoint)) => logged(pb::ConsentLogged { record: Some(record), checkpoint }),
            Err(reason) => refused(tacit_wire::refusal(reason)),
        })
    }

    /// A consent that the calling authority signed, with its first state.
    fn given(
        &self,
        text: &[u8],
        signature: [u8; 64],
        state_signature: [u8; 64],
        authority: &MemberId,
    ) -> Result<Write, Reason> {
        let key = signing_key(&self.registry(), authority).ok_or(Reason::UnknownMember)?;
        let signed = self.signed_by(text, signature, authority)?;
        let consent = signed.consent();
        let asks =
            |member: &entry::Member| member.has(entry::Role::Requester) || member.has(entry::Role::Authority);
        let registry = self.registry();
        let requester = registry.member(&consent.requester);
        if !requester.is_some_and(asks) || Point::decode(&consent.pseudonym).is_err() {
            return Err(Reason::ConsentInvalid);
        }
        let given = StateChange { id: consent.id, state: ConsentState::Given, number: 1 };
        SignedChange::verify(given, state_signature, &key).map_err(|_| Reason::SignatureInvalid)?;
        Ok(Write::PutConsent { consent: Box::new(signed), state_signature })
    }
}

/// Pseudonyms to look under.
fn pseudonyms(named: &[Bytes], metadata: &MetadataMap) -> Result<Vec<[u8; 32]>, Status> {
    if named.len() > MOST {
        return Err(tacit_wire::trouble(Reason::TooMany, metadata));
    }
    let pseudonyms = named.iter().map(|pseudonym| tacit_wire::array("pseudonyms", pseudonym));
    pseudonyms.collect::<Result<_, _>>().map_err(|error| malformed(&error, metadata))
}

/// Tells a requester of every change that names it. Who falls behind is disconnected, reads the list again
/// and watches anew.
async fn push_changes(
    requester: MemberId,
    mut changes: broadcast::Receiver<Arc<StoredConsent>>,
    mut closing: watch::Receiver<bool>,
    sender: mpsc::Sender<Result<pb::WatchConsentsResponse, Status>>,
) {
    loop {
        let change = tokio::select! {
            () = sender.closed() => return,
            _ = closing.wait_for(|closing| *closing) => return,
            change = changes.recv() => change,
        };
        let Ok(consent) = change else { return };
        if consent.terms.requester == requester {
            let message = pb::WatchConsentsResponse { consent: Some(live(&consent)) };
            if sender.send(Ok(message)).await.is_err() {
                return;
            }
        }
    }
}
