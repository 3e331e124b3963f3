//! Consents: stored and changed by their authority, listed for it and for the requester they name.

use std::sync::Arc;

use tacit_identity::Role;
use tacit_model::Reason;
use tacit_policy::{ConsentState, SignedChange, SignedConsent, StateChange};
use tacit_store::StoreError;
use tacit_wire::coordinator::{
    self as pb, change_consent_state_response::Outcome as Changed, consent_service_server::ConsentService,
    put_consent_response::Outcome as Put,
};
use tokio_stream::{StreamExt, wrappers::BroadcastStream};
use tonic::{Request, Response, Status};

use super::{Responses, Service, Shared, live, malformed, parts, store_trouble};
use crate::{
    append::{ChangeJob, Job},
    caller::{caller, signing_key},
    store::consents,
    writer::Logged,
};

/// Pseudonyms of one question.
const MOST: usize = 1024;

#[tonic::async_trait]
impl ConsentService for Service {
    async fn put_consent(
        &self,
        request: Request<pb::PutConsentRequest>,
    ) -> Result<Response<pb::PutConsentResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        let state_signature = tacit_wire::array("state_signature", &message.state_signature)
            .map_err(|error| malformed(&error, &metadata))?;
        let verified = SignedConsent::verify(message.consent.to_vec(), signature, |authority| {
            signing_key(&shared.registry, authority)
        });
        let outcome = match verified {
            Ok(consent) if *consent.consent().authority == *peer.spiffe.member => shared
                .put(consent, state_signature)
                .await
                .map_err(|error| store_trouble(&error, &metadata))?,
            Ok(_) => Err(Reason::WrongRole),
            Err(_) => Err(Reason::ConsentInvalid),
        };
        let outcome = match outcome {
            Ok(logged) => Put::Logged(logged),
            Err(reason) => Put::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::PutConsentResponse { outcome: Some(outcome) }))
    }

    async fn change_consent_state(
        &self,
        request: Request<pb::ChangeConsentStateRequest>,
    ) -> Result<Response<pb::ChangeConsentStateResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Authority])?;
        let (message, metadata) = parts(request);
        let signature = tacit_wire::array("signature", &message.signature)
            .map_err(|error| malformed(&error, &metadata))?;
        let outcome = match message.state.parse::<ConsentState>() {
            Ok(state) => {
                let (authority, id, number) = (peer.spiffe.member, message.consent_id, message.number);
                let job = ChangeJob { authority, id, state, number, signature };
                let written = shared.writer.write(Job::ChangeConsent(Box::new(job))).await;
                shared.consent_logged(written).await.map_err(|error| store_trouble(&error, &metadata))?
            }
            Err(_) => Err(Reason::ConsentOrder),
        };
        let outcome = match outcome {
            Ok(logged) => Changed::Logged(logged),
            Err(reason) => Changed::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::ChangeConsentStateResponse { outcome: Some(outcome) }))
    }

    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        if message.pseudonyms.len() > MOST {
            return Err(tacit_wire::trouble(Reason::TooMany, &metadata));
        }
        let pseudonyms = message
            .pseudonyms
            .iter()
            .map(|pseudonym| tacit_wire::array("pseudonyms", pseudonym))
            .collect::<Result<Vec<[u8; 32]>, _>>()
            .map_err(|error| malformed(&error, &metadata))?;
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
        let peer = caller(&request, &self.0.registry, &[Role::Node])?;
        let member = peer.spiffe.member;
        let changes = BroadcastStream::new(self.0.consents.subscribe()).map_while(move |change| {
            // Who falls behind is disconnected, reads the list again and watches anew.
            let consent = change.ok()?;
            Some(
                (consent.requester == *member)
                    .then(|| Ok(pb::WatchConsentsResponse { consent: Some(live(&consent)) })),
            )
        });
        Ok(Response::new(Box::pin(changes.filter_map(|change| change))))
    }
}

impl Shared {
    async fn put(
        &self,
        consent: SignedConsent,
        state_signature: [u8; 64],
    ) -> Result<Result<pb::ConsentLogged, Reason>, StoreError> {
        let given = StateChange { id: consent.consent().id, state: ConsentState::Given, number: 1 };
        let key = signing_key(&self.registry, &consent.consent().authority);
        if key.is_none_or(|key| SignedChange::verify(given, state_signature, &key).is_err()) {
            return Ok(Err(Reason::SignatureInvalid));
        }
        let written =
            self.writer.write(Job::PutConsent { consent: Box::new(consent), state_signature }).await;
        self.consent_logged(written).await
    }

    /// Proves a consent's record and tells the requester that watches.
    async fn consent_logged(
        &self,
        written: Result<Logged, StoreError>,
    ) -> Result<Result<pb::ConsentLogged, Reason>, StoreError> {
        let (record, consent) = match written? {
            Logged::Record { record, consent } => (record, consent),
            Logged::Refused(reason) => return Ok(Err(reason)),
            Logged::Before(_) | Logged::Nothing => return Ok(Err(Reason::Internal)),
        };
        if let Some(consent) = consent {
            // Nobody watching is no error.
            let _ = self.consents.send(Arc::new(consent));
        }
        let (record, checkpoint) = self.proven(record.index, record.record).await?;
        Ok(Ok(pb::ConsentLogged { record: Some(record), checkpoint: checkpoint.into() }))
    }
}
