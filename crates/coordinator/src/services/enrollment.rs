//! Register: one batch of the custodian's evaluations becomes pseudonyms.

use std::collections::{BTreeMap, HashMap};

use tacit_blind::{
    BlindError,
    enroll::{
        CARRY_PROOF_BYTES, Carry, Parties, RegisterEntryIn, RegisterIn, Registered, VerifiedRegistration,
        verify_carries,
    },
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
use crate::{
    append::Write,
    caller::caller,
    store::{
        carried::NewCarry,
        consents,
        pseudonyms::{self, Scope},
    },
};

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
        let (arrived, named) = arrived(message).map_err(|error| malformed(&error, &metadata))?;
        let entries = arrived.entries.len() as u64;
        shared.writable(&metadata).await?;
        let response = async {
            match shared.verify(arrived, named, &requester).await? {
                Ok((verified, carries)) => shared.register(verified, carries, requester).await,
                Err(reason) => {
                    shared.bad_checks.add(&requester, entries, now);
                    Ok(refused(reason))
                }
            }
        };
        Ok(Response::new(response.await.map_err(|error| store_trouble(&error, &metadata))?))
    }
}

/// Which earlier registration an entry continues, as its requester names it.
struct Named {
    /// Place of the entry.
    entry: usize,
    epoch: u32,
    pseudonym: [u8; 32],
    proof: [u8; CARRY_PROOF_BYTES],
}

/// Registrations that hold, and the carries among them.
type Verified = (Vec<VerifiedRegistration>, Vec<NewCarry>);

impl Shared {
    async fn verify(
        &self,
        arrived: RegisterIn,
        named: Vec<Named>,
        requester: &MemberId,
    ) -> Result<Result<Verified, Reason>, StoreError> {
        let (registry, requester) = (self.registry(), requester.clone());
        let current = registry.member(&requester).and_then(|member| member.pseudonym_epoch);
        if current != Some(arrived.epoch) {
            return Ok(Err(Reason::EpochNotCurrent));
        }
        let Some(key) = registry.pseudonym_key(&requester, arrived.epoch) else {
            return Ok(Err(Reason::NotPermitted));
        };
        let Ok(key) = Point::decode(&key.0) else { return Ok(Err(Reason::RegistryInvalid)) };
        let earlier = match self.earlier(&arrived, &named, &requester).await? {
            Ok(earlier) => earlier,
            Err(reason) => return Ok(Err(reason)),
        };
        heavy(arrived.entries.len(), move || {
            let parties = Parties {
                custodian: registry.custodian(),
                coordinator: registry.coordinator(),
                requester: &requester,
            };
            let verified = arrived.verify(&parties, &key, &mut entropy::os_rng())?;
            let carries = carries(&verified, &named, &earlier, &parties)?;
            Ok((verified, carries))
        })
        .await
        .map(|verified| verified.map_err(|error: BlindError| error.reason()))
    }

    /// Th of each registration that an entry continues: the calling requester's own, under the entry's Ph, with that
    /// pseudonym. Registrations never change, so that what is read here holds when the batch is written.
    async fn earlier(
        &self,
        arrived: &RegisterIn,
        named: &[Named],
        requester: &MemberId,
    ) -> Result<Result<Vec<[u8; 32]>, Reason>, StoreError> {
        let mut by_epoch: BTreeMap<u32, Vec<[u8; 32]>> = BTreeMap::new();
        for it in named {
            let Some(entry) = arrived.entries.get(it.entry) else { return Ok(Err(Reason::Malformed)) };
            by_epoch.entry(it.epoch).or_default().push(entry.blinded_subject);
        }
        if by_epoch.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let registry = self.registry();
        let mut conn = self.db.read().await?;
        let mut found = HashMap::with_capacity(named.len());
        for (epoch, blinded) in by_epoch {
            // An epoch that was never published has no registrations.
            if registry.pseudonym_key(requester, epoch).is_none() {
                return Ok(Err(Reason::NotEnrolled));
            }
            for (blinded, registered) in
                pseudonyms::under(&mut conn, Scope { requester, epoch }, &blinded).await?
            {
                found.insert((epoch, blinded), registered);
            }
        }
        let evaluated = named.iter().map(|it| {
            let blinded = arrived.entries.get(it.entry)?.blinded_subject;
            let (pseudonym, evaluated) = found.get(&(it.epoch, blinded))?;
            (*pseudonym == it.pseudonym).then_some(*evaluated)
        });
        Ok(evaluated.collect::<Option<_>>().ok_or(Reason::NotEnrolled))
    }

    async fn register(
        &self,
        batch: Vec<VerifiedRegistration>,
        carries: Vec<NewCarry>,
        requester: MemberId,
    ) -> Result<pb::RegisterResponse, StoreError> {
        // A verified registration has entries, and all are of one epoch.
        let Some(epoch) = batch.first().map(VerifiedRegistration::epoch) else {
            return Ok(refused(Reason::Malformed));
        };
        let pseudonyms: Vec<_> = batch.iter().map(|new| *new.pseudonym()).collect();
        let carried = carries.len() as u64;
        let write = Write::Register { requester: requester.clone(), epoch, batch, carries };
        if let Err(reason) = self.writer.store(write).await? {
            return Ok(refused(reason));
        }
        metrics::counter!("tacit_coordinator_registered_total").increment(pseudonyms.len() as u64);
        metrics::counter!("tacit_coordinator_carried_total").increment(carried);
        let mut conn = self.db.read().await?;
        let consents = consents::by_pseudonyms(&mut conn, &requester, &pseudonyms).await?;
        let consents = consents.iter().map(live).collect();
        Ok(pb::RegisterResponse { outcome: Some(Outcome::Registered(pb::Registered { consents })) })
    }
}

/// Verifies the carries of verified registrations, all together.
fn carries(
    verified: &[VerifiedRegistration],
    named: &[Named],
    earlier: &[[u8; 32]],
    parties: &Parties<'_>,
) -> Result<Vec<NewCarry>, BlindError> {
    let mut statements = Vec::with_capacity(named.len());
    let mut carries = Vec::with_capacity(named.len());
    for (it, earlier) in named.iter().zip(earlier) {
        let Some(new) = verified.get(it.entry) else { continue };
        let from = Registered { epoch: it.epoch, evaluated: earlier, pseudonym: &it.pseudonym };
        let to = Registered { epoch: new.epoch(), evaluated: new.evaluated(), pseudonym: new.pseudonym() };
        statements.push((Carry { blinded_subject: new.blinded_subject(), from, to }, &it.proof));
        carries.push(NewCarry {
            pseudonym: *new.pseudonym(),
            earlier: it.pseudonym,
            earlier_epoch: it.epoch,
            blinded_subject: *new.blinded_subject(),
            proof: it.proof,
        });
    }
    verify_carries(&statements, parties, &mut entropy::os_rng())?;
    Ok(carries)
}

fn arrived(message: pb::RegisterRequest) -> Result<(RegisterIn, Vec<Named>), tacit_wire::Malformed> {
    let mut named = Vec::new();
    let entries = message
        .entries
        .into_iter()
        .enumerate()
        .map(|(place, entry)| {
            if let Some(from) = entry.carried_from {
                named.push(Named {
                    entry: place,
                    epoch: from.epoch,
                    pseudonym: tacit_wire::array("carried_from.pseudonym", &from.pseudonym)?,
                    proof: tacit_wire::array("carried_from.proof", &from.proof)?,
                });
            }
            Ok(RegisterEntryIn {
                blinded_subject: tacit_wire::array("blinded_subject", &entry.blinded_subject)?,
                evaluated: tacit_wire::array("evaluated", &entry.evaluated)?,
                pseudonym: tacit_wire::array("pseudonym", &entry.pseudonym)?,
                proof: tacit_wire::array("proof", &entry.proof)?,
                audit_box: entry.audit_box.into(),
            })
        })
        .collect::<Result<_, _>>()?;
    let dleq = tacit_wire::array("dleq_proof", &message.dleq_proof)?;
    Ok((RegisterIn { epoch: message.epoch, entries, dleq }, named))
}

fn refused(reason: Reason) -> pb::RegisterResponse {
    pb::RegisterResponse { outcome: Some(Outcome::Refusal(tacit_wire::refusal(reason))) }
}
