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

use super::{Service, Shared, live, malformed, parts, store_trouble};
use crate::{
    append::Job,
    caller::caller,
    store::{consents, pseudonyms::NewPseudonym},
    writer::Logged,
};

#[tonic::async_trait]
impl EnrollmentService for Service {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let requester = peer.spiffe.member;
        let now = shared.clock.now();
        if shared.bad_checks.over(&requester, shared.limits.bad_checks_per_minute, now) {
            return Ok(Response::new(refused(Reason::QuotaRate)));
        }
        let arrived = arrived(message).map_err(|error| malformed(&error, &metadata))?;
        let entries = arrived.entries.len() as u64;
        let outcome = match verify(shared, arrived, &requester).await {
            Ok(verified) => {
                shared.store(verified, &requester).await.map_err(|error| store_trouble(&error, &metadata))?
            }
            Err(reason) => {
                shared.bad_checks.add(&requester, entries, now);
                refused(reason)
            }
        };
        Ok(Response::new(outcome))
    }
}

impl Shared {
    async fn store(
        &self,
        verified: Vec<VerifiedRegistration>,
        requester: &MemberId,
    ) -> Result<pb::RegisterResponse, StoreError> {
        let Some(epoch) = verified.first().map(VerifiedRegistration::epoch) else {
            return Ok(refused(Reason::Malformed));
        };
        let batch: Vec<_> = verified.iter().map(new_pseudonym).collect();
        let pseudonyms: Vec<_> = batch.iter().map(|new| new.pseudonym).collect();
        let added = batch.len() as u64;
        match self.writer.write(Job::Register { requester: requester.clone(), epoch, batch }).await? {
            Logged::Nothing => {}
            Logged::Refused(reason) => return Ok(refused(reason)),
            Logged::Record { .. } | Logged::Before(_) => return Ok(refused(Reason::Internal)),
        }
        metrics::counter!("tacit_coordinator_registered_total").increment(added);
        let mut conn = self.db.read().await?;
        let consents = consents::by_pseudonyms(&mut conn, requester, &pseudonyms).await?;
        let consents = consents.iter().map(live).collect();
        Ok(pb::RegisterResponse { outcome: Some(Outcome::Registered(pb::Registered { consents })) })
    }
}

async fn verify(
    shared: &Shared,
    arrived: RegisterIn,
    requester: &MemberId,
) -> Result<Vec<VerifiedRegistration>, Reason> {
    let registry = shared.registry.clone();
    let requester = requester.clone();
    let current = registry.member(&requester).and_then(|member| member.pseudonym_epoch);
    if current != Some(arrived.epoch) {
        return Err(Reason::EpochNotCurrent);
    }
    let key = registry.pseudonym_key(&requester, arrived.epoch).ok_or(Reason::NotPermitted)?;
    let key = Point::decode(&key.0).map_err(|_| Reason::RegistryInvalid)?;
    let verify = move || {
        let parties = Parties {
            custodian: registry.custodian(),
            coordinator: registry.coordinator(),
            requester: &requester,
        };
        arrived
            .verify(&parties, &key, &mut entropy::os_rng())
            .map_err(|error| super::authorization::reason(&error))
    };
    tokio::task::spawn_blocking(verify).await.map_err(|_| Reason::Internal)?
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

fn new_pseudonym(verified: &VerifiedRegistration) -> NewPseudonym {
    NewPseudonym {
        pseudonym: *verified.pseudonym(),
        blinded_subject: *verified.blinded_subject(),
        evaluated: *verified.evaluated(),
        proof: *verified.proof(),
        register_hash: *verified.register_hash(),
        audit_box: verified.audit_box().to_vec(),
    }
}

fn refused(reason: Reason) -> pb::RegisterResponse {
    pb::RegisterResponse { outcome: Some(Outcome::Refusal(tacit_wire::refusal(reason))) }
}
