//! Authorize and Recall.

use tacit_blind::{
    check::{AuthorizeIn, CheckIn, Expected, SignedRequest},
    group::Point,
};
use tacit_identity::{PeerIdentity, Role};
use tacit_model::{MemberId, Millis, Reason, entropy};
use tacit_store::StoreError;
use tacit_wire::coordinator::{self as pb, authorization_service_server::AuthorizationService};
use tonic::{Request, Response, Status};

use super::{Service, Shared, heavy, malformed, parts, store_trouble};
use crate::{
    answer::{self, Recorded},
    append::{AuthorizeJob, ProvenCheck},
    caller::caller,
    store::{
        pseudonyms::{self, Scope},
        requests,
    },
    versions::InForce,
    writer::Authorized,
};

#[tonic::async_trait]
impl AuthorizationService for Service {
    async fn authorize(
        &self,
        request: Request<pb::AuthorizeRequest>,
    ) -> Result<Response<pb::AuthorizeResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let now = shared.clock.now();
        if shared.bad_checks.over(&peer.spiffe.member, shared.limits.bad_checks_per_minute, now) {
            return Ok(Response::new(answer::too_fast(now.next_utc_minute())));
        }
        let cosigned_size = message.cosigned_size;
        let arrived = arrived(message).map_err(|error| malformed(&error, &metadata))?;
        shared.writable(&metadata).await?;
        let response = shared
            .answer(arrived, peer, now, cosigned_size)
            .await
            .map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(response))
    }

    async fn recall(
        &self,
        request: Request<pb::RecallRequest>,
    ) -> Result<Response<pb::RecallResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        let hash = tacit_wire::array("request_hash", &message.request_hash)
            .map_err(|error| malformed(&error, &metadata))?;
        let response = shared
            .recall(&hash, &peer.spiffe.member, message.cosigned_size)
            .await
            .map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(pb::RecallResponse { response }))
    }
}

impl Shared {
    async fn answer(
        &self,
        arrived: AuthorizeIn,
        peer: PeerIdentity,
        now: Millis,
        cosigned_size: u64,
    ) -> Result<pb::AuthorizeResponse, StoreError> {
        let requester = peer.spiffe.member.clone();
        let (in_force, checks) = (self.versions.in_force(), arrived.checks.len());
        let authenticated = heavy(checks, move || authenticate(&in_force, arrived, &peer, now)).await?;
        let (signed, fingerprint) = match authenticated {
            Ok(authenticated) => authenticated,
            Err(reason) => {
                self.add_bad(&requester, checks as u64, now);
                return Ok(answer::refused(reason));
            }
        };
        // Before the proofs are looked at: a refusal after a valid proof is a record.
        if self.refused_records.over(&requester, self.limits.refused_records_per_minute, now) {
            if let Some(again) = self.repeated(&fingerprint, &requester, cosigned_size).await? {
                return Ok(again);
            }
            metrics::counter!("tacit_coordinator_cut_off_total").increment(1);
            return Ok(answer::too_fast(now.next_utc_minute()));
        }
        let job = self.prove(signed, fingerprint, requester).await?;
        let bad = job.checks.iter().filter(|check| check.is_err()).count() as u64;
        // The writer finds a repeated request by itself, before it looks at freshness. But a proof that was good may
        // fail now, where the subject was registered anew meanwhile.
        if bad > 0
            && let Some(again) = self.repeated(&fingerprint, &job.requester, cosigned_size).await?
        {
            return Ok(again);
        }
        self.add_bad(&job.requester, bad, now);
        self.decide(job, cosigned_size).await
    }

    /// Counts checks that were refused before a record.
    fn add_bad(&self, requester: &MemberId, bad: u64, now: Millis) {
        metrics::counter!("tacit_coordinator_bad_checks_total").increment(bad);
        self.bad_checks.add(requester, bad, now);
    }

    /// Verifies the bind proofs against the registered subjects.
    async fn prove(
        &self,
        signed: SignedRequest,
        fingerprint: [u8; 32],
        requester: MemberId,
    ) -> Result<AuthorizeJob, StoreError> {
        let hashes = signed.hashes().to_vec();
        let signature = *signed.signature();
        let epoch = self.registry().member(&requester).and_then(|member| member.pseudonym_epoch).unwrap_or(0);
        let pseudonyms: Vec<_> = signed.checks().iter().map(|check| *check.pseudonym()).collect();
        let mut conn = self.db.read().await?;
        let scope = Scope { requester: &requester, epoch };
        let known = pseudonyms::lookup(&mut conn, scope, &pseudonyms).await?;
        drop(conn);
        let checks = heavy(hashes.len(), move || {
            let registered: Vec<_> =
                pseudonyms.iter().map(|pseudonym| known.get(pseudonym).copied()).collect();
            // Stored points were checked when they were registered, but a database can be tampered with.
            let points: Vec<Option<Point>> = registered
                .iter()
                .map(|known| known.and_then(|known| Point::decode(&known.blinded_subject).ok()))
                .collect();
            let outcomes = match signed.verify_bindings(&points, &mut entropy::os_rng()) {
                Ok(outcomes) => outcomes,
                Err(error) => points.iter().map(|_| Err(error.clone())).collect(),
            };
            let proven = outcomes.into_iter().zip(registered).map(|pair| match pair {
                (Ok(check), Some(known)) => Ok(ProvenCheck::new(check, &known)),
                (Ok(_), None) => Err(Reason::NotEnrolled),
                (Err(error), _) => Err(error.reason()),
            });
            proven.collect()
        })
        .await?;
        Ok(AuthorizeJob { requester, fingerprint, hashes, signature, checks })
    }

    async fn decide(
        &self,
        job: AuthorizeJob,
        cosigned_size: u64,
    ) -> Result<pb::AuthorizeResponse, StoreError> {
        if job.checks.iter().all(Result::is_err) {
            // Nothing to record: every check was refused before it could become one.
            let checks = job.checks.iter().map(|check| pb::CheckOutcome {
                items: Vec::new(),
                refusal: check.as_ref().err().map(|reason| tacit_wire::refusal(*reason)),
            });
            let answer = pb::Authorized { checks: checks.collect(), ..Default::default() };
            return answer::prove(&self.log, Recorded::of_nothing(answer), cosigned_size).await;
        }
        let requester = job.requester.clone();
        match self.writer.authorize(job).await? {
            Authorized::Decided(recorded) => {
                let refused = count(recorded.get());
                self.refused_records.add(&requester, refused, self.clock.now());
                answer::prove(&self.log, recorded, cosigned_size).await
            }
            Authorized::Replayed { outcome, answered } => self.again(&outcome, answered, cosigned_size).await,
            Authorized::Refused(reason) => Ok(answer::refused(reason)),
        }
    }

    /// The stored answer again, until its permits have expired.
    async fn again(
        &self,
        outcome: &[u8],
        answered: Millis,
        cosigned_size: u64,
    ) -> Result<pb::AuthorizeResponse, StoreError> {
        metrics::counter!("tacit_coordinator_repeated_total").increment(1);
        if self.clock.now().since(answered) >= self.limits.permit_ms {
            return Ok(answer::refused(Reason::NotFresh));
        }
        let recorded = answer::restore(&self.log, outcome).await?;
        answer::prove(&self.log, recorded, cosigned_size).await
    }

    /// The stored answer to this very request, if it was answered before.
    async fn repeated(
        &self,
        fingerprint: &[u8; 32],
        requester: &MemberId,
        cosigned_size: u64,
    ) -> Result<Option<pb::AuthorizeResponse>, StoreError> {
        let Some(stored) = self.stored(fingerprint, requester).await? else { return Ok(None) };
        self.again(&stored.outcome, Millis(stored.answered_ms), cosigned_size).await.map(Some)
    }

    /// What this requester was answered to the request of this fingerprint. Somebody else's request is
    /// answered as one that never was.
    async fn stored(
        &self,
        fingerprint: &[u8; 32],
        requester: &MemberId,
    ) -> Result<Option<requests::Stored>, StoreError> {
        let mut conn = self.db.read().await?;
        let found = requests::find(&mut conn, &[*fingerprint]).await?.remove(fingerprint);
        Ok(found.filter(|stored| stored.requester == **requester))
    }

    async fn recall(
        &self,
        fingerprint: &[u8; 32],
        requester: &MemberId,
        cosigned_size: u64,
    ) -> Result<Option<pb::AuthorizeResponse>, StoreError> {
        let Some(stored) = self.stored(fingerprint, requester).await? else { return Ok(None) };
        let recorded = answer::restore(&self.log, &stored.outcome).await?;
        Ok(Some(answer::prove(&self.log, recorded, cosigned_size).await?))
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

/// Form, addressee, certificate and signature; with the request's fingerprint.
fn authenticate(
    in_force: &InForce,
    arrived: AuthorizeIn,
    peer: &PeerIdentity,
    now: Millis,
) -> Result<(SignedRequest, [u8; 32]), Reason> {
    let requester = &peer.spiffe.member;
    let mut refused = Reason::UnknownMember;
    let parsed = arrived.parse().map_err(|error| error.reason())?;
    for key in in_force.signing_keys(requester, now) {
        let expected = Expected {
            coordinator: in_force.registry.coordinator(),
            requester,
            cnf: &peer.spki_sha256,
            signing_key: key.as_bytes(),
        };
        match parsed.clone().authenticate(&expected) {
            Ok(signed) => {
                let fingerprint = signed.fingerprint();
                return Ok((signed, fingerprint));
            }
            // The current key comes first: what it says is the reason.
            Err(error) if refused == Reason::UnknownMember => refused = error.reason(),
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Counts what was decided; how many items were refused.
fn count(answer: &pb::Authorized) -> u64 {
    let items = answer.checks.iter().flat_map(|check| &check.items);
    let (permits, all) = items.fold((0u64, 0u64), |(permits, all), item| {
        (permits + u64::from(matches!(item.outcome, Some(pb::item_outcome::Outcome::Permit(_)))), all + 1)
    });
    metrics::counter!("tacit_coordinator_permits_total").increment(permits);
    metrics::counter!("tacit_coordinator_refusals_total").increment(all - permits);
    all - permits
}
