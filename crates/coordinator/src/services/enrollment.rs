//! Register: one batch of the custodian's evaluations becomes pseudonyms.

use tacit_blind::{
    enroll::{Parties, RegisterEntryIn, RegisterIn, VerifiedRegistration},
    group::Point,
};
use tacit_identity::Role;
use tacit_model::{MemberId, Reason, entropy};
use tacit_store::StoreError;
use tacit_wire::coordinator::{
    self as pb, enrollment_service_server::EnrollmentService, register_response::Outcome,
};
use tonic::{Request, Response, Status};

use super::{Service, Shared, heavy, live, malformed, parts, store_trouble};
use crate::{append::Write, caller::caller, store::consents};

#[tonic::async_trait]
impl EnrollmentService for Service {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let requester = peer.spiffe.member;
        let now = shared.clock.now();
        if shared.bad_checks.over(&requester, shared.limits.bad_checks_per_minute, now) {
            return Ok(Response::new(refused(Reason::QuotaRate)));
        }
        let arrived = arrived(message).map_err(|error| malformed(&error, &metadata))?;
        let entries = arrived.entries.len() as u64;
        shared.writable(&metadata).await?;
        let response = async {
            match shared.verify(arrived, &requester).await? {
                Ok(verified) => shared.register(verified, requester).await,
                Err(reason) => {
                    shared.bad_checks.add(&requester, entries, now);
                    Ok(refused(reason))
                }
            }
        };
        Ok(Response::new(response.await.map_err(|error| store_trouble(&error, &metadata))?))
    }
}

impl Shared {
    async fn verify(
        &self,
        arrived: RegisterIn,
        requester: &MemberId,
    ) -> Result<Result<Vec<VerifiedRegistration>, Reason>, StoreError> {
        let (registry, requester) = (self.registry(), requester.clone());
        let current = registry.member(&requester).and_then(|member| member.pseudonym_epoch);
        if current != Some(arrived.epoch) {
            return Ok(Err(Reason::EpochNotCurrent));
        }
        let Some(key) = registry.pseudonym_key(&requester, arrived.epoch) else {
            return Ok(Err(Reason::NotPermitted));
        };
        let Ok(key) = Point::decode(&key.0) else { return Ok(Err(Reason::RegistryInvalid)) };
        heavy(arrived.entries.len(), move || {
            let parties = Parties {
                custodian: registry.custodian(),
                coordinator: registry.coordinator(),
                requester: &requester,
            };
            arrived.verify(&parties, &key, &mut entropy::os_rng()).map_err(|error| error.reason())
        })
        .await
    }

    async fn register(
        &self,
        batch: Vec<VerifiedRegistration>,
        requester: MemberId,
    ) -> Result<pb::RegisterResponse, StoreError> {
        // A verified registration has entries, and all are of one epoch.
        let Some(epoch) = batch.first().map(VerifiedRegistration::epoch) else {
            return Ok(refused(Reason::Malformed));
        };
        let pseudonyms: Vec<_> = batch.iter().map(|new| *new.pseudonym()).collect();
        let write = Write::Register { requester: requester.clone(), epoch, batch };
        if let Err(reason) = self.writer.store(write).await? {
            return Ok(refused(reason));
        }
        metrics::counter!("tacit_coordinator_registered_total").increment(pseudonyms.len() as u64);
        let mut conn = self.db.read().await?;
        let consents = consents::by_pseudonyms(&mut conn, &requester, &pseudonyms).await?;
        let consents = consents.iter().map(live).collect();
        Ok(pb::RegisterResponse { outcome: Some(Outcome::Registered(pb::Registered { consents })) })
    }
}

fn arrived(message: pb::RegisterRequest) -> Result<RegisterIn, tacit_wire::Malformed> {
    let entries = message
        .entries
        .into_iter()
        .map(|entry| {
            Ok(RegisterEntryIn {
                blinded_subject: tacit_wire::array("blinded_subject", &entry.blinded_subject)?,
                evaluated: tacit_wire::array("evaluated", &entry.evaluated)?,
                pseudonym: tacit_wire::array("pseudonym", &entry.pseudonym)?,
                proof: tacit_wire::array("proof", &entry.proof)?,
                audit_box: entry.audit_box.into(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(RegisterIn {
        epoch: message.epoch,
        entries,
        dleq: tacit_wire::array("dleq_proof", &message.dleq_proof)?,
    })
}

fn refused(reason: Reason) -> pb::RegisterResponse {
    pb::RegisterResponse { outcome: Some(Outcome::Refusal(tacit_wire::refusal(reason))) }
}
