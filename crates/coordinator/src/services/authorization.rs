//! Authorize and Recall.

use tacit_blind::{
    BlindError,
    check::{AuthorizeIn, CheckIn, Expected, SignedRequest},
    group::Point,
};
use tacit_identity::Role;
use tacit_model::{MemberId, Reason, entropy};
use tacit_store::StoreError;
use tacit_wire::coordinator::{self as pb, authorization_service_server::AuthorizationService};
use tonic::{Request, Response, Status};

use super::{Service, Shared, malformed, parts, store_trouble};
use crate::{
    answer,
    append::{AuthorizeJob, ProvenCheck},
    caller::{caller, signing_key},
    store::{pseudonyms, requests},
    writer::Authorized,
};

#[tonic::async_trait]
impl AuthorizationService for Service {
    async fn authorize(
        &self,
        request: Request<pb::AuthorizeRequest>,
    ) -> Result<Response<pb::AuthorizeResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let requester = peer.spiffe.member.clone();
        let now = shared.clock.now();
        if shared.bad_checks.over(&requester, shared.limits.bad_checks_per_minute, now) {
            return Ok(Response::new(answer::refused(Reason::QuotaRate)));
        }
        let arrived = arrived(message).map_err(|error| malformed(&error, &metadata))?;
        let checks = arrived.checks.len() as u64;
        let signed = match authenticate(shared, arrived, &requester, &peer.spki_sha256) {
            Ok(signed) => signed,
            Err(reason) => {
                shared.bad_checks.add(&requester, checks, now);
                return Ok(Response::new(answer::refused(reason)));
            }
        };
        let job = shared.prove(signed, requester).await.map_err(|error| store_trouble(&error, &metadata))?;
        let bad = job.checks.iter().filter(|check| check.is_err()).count() as u64;
        shared.bad_checks.add(&job.requester, bad, now);
        let requester = job.requester.clone();
        let response =
            shared.decide(job, &requester).await.map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(response))
    }

    async fn recall(
        &self,
        request: Request<pb::RecallRequest>,
    ) -> Result<Response<pb::RecallResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let hash = tacit_wire::array("request_hash", &message.request_hash)
            .map_err(|error| malformed(&error, &metadata))?;
        let response = shared
            .recall(&hash, &peer.spiffe.member)
            .await
            .map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(pb::RecallResponse { response }))
    }
}

impl Shared {
    /// Verifies the bind proofs against the registered subjects.
    async fn prove(&self, signed: SignedRequest, requester: MemberId) -> Result<AuthorizeJob, StoreError> {
        let fingerprint = signed.fingerprint();
        let hashes = signed.hashes().to_vec();
        let signature = *signed.signature();
        let epoch = self.registry.member(&requester).and_then(|member| member.pseudonym_epoch).unwrap_or(0);
        let pseudonyms: Vec<_> = signed.checks().iter().map(|check| *check.pseudonym()).collect();
        let mut conn = self.db.read().await?;
        let known = pseudonyms::lookup(&mut conn, &requester, epoch, &pseudonyms).await?;
        drop(conn);
        let registered: Vec<_> = pseudonyms.iter().map(|pseudonym| known.get(pseudonym).copied()).collect();
        let verify = move || {
            // Stored points were checked when they were registered, but a database can be tampered with.
            let points: Vec<Option<Point>> = registered
                .iter()
                .map(|known| known.and_then(|known| Point::decode(&known.blinded_subject).ok()))
                .collect();
            let outcomes = signed.verify_bindings(&points, &mut entropy::os_rng());
            (outcomes, registered)
        };
        // Arithmetic of a batch takes milliseconds: not on a thread that serves connections.
        let (outcomes, registered) = if hashes.len() < 8 {
            verify()
        } else {
            tokio::task::spawn_blocking(verify).await.map_err(|_| StoreError::Stopped)?
        };
        let checks = match outcomes {
            Ok(outcomes) => outcomes
                .into_iter()
                .zip(registered)
                .map(|(outcome, registered)| match (outcome, registered) {
                    (Ok(check), Some(known)) => Ok(ProvenCheck { check, register_hash: known.register_hash }),
                    (Ok(_), None) => Err(Reason::NotEnrolled),
                    (Err(error), _) => Err(reason(&error)),
                })
                .collect(),
            Err(error) => hashes.iter().map(|_| Err(reason(&error))).collect(),
        };
        Ok(AuthorizeJob { requester, fingerprint, hashes, signature, checks })
    }

    async fn decide(
        &self,
        job: AuthorizeJob,
        requester: &MemberId,
    ) -> Result<pb::AuthorizeResponse, StoreError> {
        let fingerprint = job.fingerprint;
        let proven = job.checks.iter().any(Result::is_ok);
        if !proven {
            // Nothing to record: every check was refused before it could become one.
            let checks = job.checks.iter().map(|check| pb::CheckOutcome {
                items: Vec::new(),
                refusal: check.as_ref().err().map(|reason| tacit_wire::refusal(*reason)),
            });
            let answer = pb::Authorized {
                checkpoint: self.log.head().note().to_vec().into(),
                checks: checks.collect(),
            };
            return Ok(pb::AuthorizeResponse {
                outcome: Some(pb::authorize_response::Outcome::Authorized(answer)),
            });
        }
        match self.writer.authorize(job).await? {
            Authorized::Decided(recorded) => {
                count(recorded.get());
                answer::prove(&self.log, recorded).await
            }
            Authorized::Replayed { outcome, answered } => {
                if self.clock.now().since(answered) > self.limits.permit_ms {
                    // The stored answer has expired, and so has its freshness: the requester asks anew.
                    tracing::debug!(
                        requester = requester.as_str(),
                        fingerprint = fingerprint[0],
                        "an expired request came again"
                    );
                    return Ok(answer::refused(Reason::NotFresh));
                }
                let recorded = answer::restore(&self.log, &outcome).await?;
                answer::prove(&self.log, recorded).await
            }
            Authorized::Refused(reason) => Ok(answer::refused(reason)),
        }
    }

    async fn recall(
        &self,
        hash: &[u8; 32],
        requester: &MemberId,
    ) -> Result<Option<pb::AuthorizeResponse>, StoreError> {
        let mut conn = self.db.read().await?;
        let found = requests::find(&mut conn, &[*hash]).await?.remove(hash);
        drop(conn);
        // Somebody else's request is answered as one that never was.
        let Some(stored) = found.filter(|stored| stored.requester == **requester) else { return Ok(None) };
        let recorded = answer::restore(&self.log, &stored.outcome).await?;
        Ok(Some(answer::prove(&self.log, recorded).await?))
    }
}

fn arrived(message: pb::AuthorizeRequest) -> Result<AuthorizeIn, tacit_wire::Malformed> {
    let checks = message
        .checks
        .into_iter()
        .map(|check| {
            Ok(CheckIn {
                pseudonym: tacit_wire::array("pseudonym", &check.pseudonym)?,
                proof: tacit_wire::array("proof", &check.proof)?,
                context: check.context.into(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(AuthorizeIn { checks, signature: tacit_wire::array("signature", &message.signature)? })
}

fn authenticate(
    shared: &Shared,
    arrived: AuthorizeIn,
    requester: &MemberId,
    cnf: &[u8; 32],
) -> Result<SignedRequest, Reason> {
    let key = signing_key(&shared.registry, requester).ok_or(Reason::UnknownMember)?;
    let parsed = arrived.parse().map_err(|error| reason(&error))?;
    let expected =
        Expected { coordinator: shared.registry.coordinator(), requester, cnf, signing_key: key.as_bytes() };
    parsed.authenticate(&expected).map_err(|error| reason(&error))
}

/// The word for a check or request that could not be proven.
pub(super) fn reason(error: &BlindError) -> Reason {
    error.reason()
}

fn count(answer: &pb::Authorized) {
    let items = answer.checks.iter().flat_map(|check| &check.items);
    let (permits, all) = items.fold((0u64, 0u64), |(permits, all), item| {
        (permits + u64::from(matches!(item.outcome, Some(pb::item_outcome::Outcome::Permit(_)))), all + 1)
    });
    metrics::counter!("tacit_coordinator_permits_total").increment(permits);
    metrics::counter!("tacit_coordinator_refusals_total").increment(all - permits);
}
