//! Consents, and the log.

use futures::StreamExt as _;
use tacit_model::{Clock as _, Reason};
use tacit_policy::{ConsentState, ConsentStatus, SignedChange, SignedConsent, StateChange};
use tacit_wire::coordinator::consent_service_server::ConsentService;
use tacit_wire::coordinator::log_service_server::LogService;
use tacit_wire::coordinator::*;
use tacit_wire::{common, concat32, refusal};
use tonic::{Request, Response, Status};

use super::{Hub, Streamed};
use crate::support::registry::key;

#[tonic::async_trait]
impl ConsentService for Hub {
    async fn put_consent(
        &self,
        request: Request<PutConsentRequest>,
    ) -> Result<Response<PutConsentResponse>, Status> {
        let request = request.into_inner();
        let signature = request.signature.as_ref().try_into().unwrap();
        let portal = key("portal").verifying_key();
        let signed = SignedConsent::verify(request.consent.to_vec(), signature, |_| Some(portal)).unwrap();
        let id = signed.consent().id;
        let change = StateChange { id, state: ConsentState::Given, number: 1 };
        SignedChange::verify(change, request.state_signature.as_ref().try_into().unwrap(), &portal).unwrap();
        let status = ConsentStatus::start(ConsentState::Given, 1).unwrap();
        let logged = self.with(|state| {
            state.consents.insert(id.to_string(), (signed, status));
            self.consent_logged(state, &id.to_string())
        });
        let outcome = Some(put_consent_response::Outcome::Logged(logged));
        Ok(Response::new(PutConsentResponse { outcome }))
    }

    async fn change_consent_state(
        &self,
        request: Request<ChangeConsentStateRequest>,
    ) -> Result<Response<ChangeConsentStateResponse>, Status> {
        let request = request.into_inner();
        let lie = self.faults.due("other state");
        let outcome = self.with(|state| {
            let (signed, status) = state.consents[&request.consent_id].clone();
            let new: ConsentState = request.state.parse().unwrap();
            let change = StateChange { id: signed.consent().id, state: new, number: request.number };
            let signature = request.signature.as_ref().try_into().unwrap();
            SignedChange::verify(change, signature, &key("portal").verifying_key()).unwrap();
            match status.apply(if lie { ConsentState::Paused } else { new }, request.number) {
                Ok(status) => {
                    state.consents.insert(request.consent_id.clone(), (signed, status));
                    let logged = self.consent_logged(state, &request.consent_id);
                    change_consent_state_response::Outcome::Logged(logged)
                }
                Err(_) => change_consent_state_response::Outcome::Refusal(refusal(Reason::ConsentDead)),
            }
        });
        Ok(Response::new(ChangeConsentStateResponse { outcome: Some(outcome) }))
    }

    async fn request_consent(
        &self,
        _: Request<RequestConsentRequest>,
    ) -> Result<Response<RequestConsentResponse>, Status> {
        Err(Status::unimplemented("tests of the whole program ask for consent"))
    }

    async fn list_consent_requests(
        &self,
        _: Request<ListConsentRequestsRequest>,
    ) -> Result<Response<ListConsentRequestsResponse>, Status> {
        Ok(Response::new(ListConsentRequestsResponse::default()))
    }

    async fn renew_consent(
        &self,
        _: Request<RenewConsentRequest>,
    ) -> Result<Response<RenewConsentResponse>, Status> {
        Err(Status::unimplemented("tests of the whole program renew consents"))
    }

    async fn list_consents(
        &self,
        request: Request<ListConsentsRequest>,
    ) -> Result<Response<ListConsentsResponse>, Status> {
        let wanted = request.into_inner().pseudonyms;
        let consents = self.with(|state| {
            if wanted.is_empty() {
                let all = state.consents.values();
                return all.map(|(signed, status)| Self::live(signed, *status)).collect();
            }
            let named: Vec<[u8; 32]> = wanted.iter().map(|t| t.as_ref().try_into().unwrap()).collect();
            state.live_under(&named)
        });
        Ok(Response::new(ListConsentsResponse { consents }))
    }

    type WatchConsentsStream = Streamed<WatchConsentsResponse>;

    async fn watch_consents(
        &self,
        _: Request<WatchConsentsRequest>,
    ) -> Result<Response<Self::WatchConsentsStream>, Status> {
        let changes = futures::stream::unfold(self.changes.subscribe(), |mut changes| async {
            let consent = changes.recv().await.ok()?;
            Some((Ok(WatchConsentsResponse { consent: Some(consent) }), changes))
        });
        Ok(Response::new(changes.boxed()))
    }
}

#[tonic::async_trait]
impl LogService for Hub {
    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let now = self.clock.now();
        Ok(Response::new(self.with(|state| {
            let cosigned = state.cosigned(now, self.faults.due("witnesses are away"));
            GetCheckpointResponse { checkpoint: state.checkpoint(), cosigned }
        })))
    }

    type WitnessStream = Streamed<WitnessResponse>;

    async fn witness(
        &self,
        _: Request<tonic::Streaming<WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        Err(Status::unimplemented("not for requesters"))
    }

    async fn get_consistency(
        &self,
        request: Request<GetConsistencyRequest>,
    ) -> Result<Response<GetConsistencyResponse>, Status> {
        let GetConsistencyRequest { from_size, to_size } = request.into_inner();
        Ok(Response::new(self.with(|state| {
            let to = if to_size == 0 { state.tree.size() } else { to_size };
            GetConsistencyResponse {
                consistency: concat32(&state.tree.consistency(from_size, to).unwrap()),
                checkpoint: state.checkpoint(),
            }
        })))
    }

    type GetEntriesStream = Streamed<GetEntriesResponse>;

    async fn get_entries(
        &self,
        request: Request<GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        let request = request.into_inner();
        let mut parts: Vec<Result<GetEntriesResponse, Status>> = self.with(|state| {
            let wanted = &state.records[request.start as usize..(request.start + request.count) as usize];
            (request.start..)
                .step_by(10)
                .zip(wanted.chunks(10))
                .map(|(start, part)| {
                    let records = part.iter().map(|bytes| bytes.clone().into()).collect();
                    Ok(GetEntriesResponse { start, records })
                })
                .collect()
        });
        if self.faults.due("during entries") {
            parts.truncate(1);
            parts.push(Err(Status::unavailable("as the test wants it")));
        }
        Ok(Response::new(futures::stream::iter(parts).boxed()))
    }

    async fn publish_manifest(
        &self,
        _: Request<PublishManifestRequest>,
    ) -> Result<Response<PublishManifestResponse>, Status> {
        Err(Status::unimplemented("for holders"))
    }

    async fn get_manifest(
        &self,
        request: Request<GetManifestRequest>,
    ) -> Result<Response<GetManifestResponse>, Status> {
        let request = request.into_inner();
        let outcome = self.with(|state| {
            let found = state
                .manifests
                .iter()
                .filter(|(signed, _)| *signed.manifest().list == *request.list_id)
                .filter(|(signed, _)| {
                    let manifest = signed.manifest();
                    let same = |asked: u64, found: u64| asked == 0 || asked == found;
                    same(request.epoch, manifest.epoch) && same(request.version, manifest.version)
                })
                .max_by_key(|(signed, _)| (signed.manifest().epoch, signed.manifest().version));
            match found {
                None => get_manifest_response::Outcome::Refusal(refusal(Reason::ListNotReady)),
                Some((signed, index)) => {
                    let record = common::LoggedRecord {
                        record: state.records[*index as usize].clone().into(),
                        index: *index,
                        path: state.path(*index),
                    };
                    get_manifest_response::Outcome::Manifest(Manifest {
                        manifest: signed.note().as_bytes().to_vec().into(),
                        record: Some(record),
                        checkpoint: state.checkpoint(),
                    })
                }
            }
        });
        Ok(Response::new(GetManifestResponse { outcome: Some(outcome) }))
    }

    async fn report_enrollment(
        &self,
        _: Request<ReportEnrollmentRequest>,
    ) -> Result<Response<ReportEnrollmentResponse>, Status> {
        Err(Status::unimplemented("for the custodian"))
    }
}
