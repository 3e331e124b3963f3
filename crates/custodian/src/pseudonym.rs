//! Evaluates blinded subjects (protocol section 3): role, key, quota, then one batch proof.

use std::collections::HashSet;

use tacit_blind::encoding::b3;
use tacit_blind::group::Point;
use tacit_blind::oprf::PseudonymKey;
use tacit_identity::Role;
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Millis, Reason};
use tacit_policy::registry::entry::{Member, Role as Registered};
use tacit_wire::convert::refusal_quota;
use tacit_wire::custodian::evaluate_response::Outcome;
use tacit_wire::custodian::pseudonym_service_server::PseudonymService;
use tacit_wire::custodian::{EvaluateRequest, EvaluateResponse, Evaluated};
use tacit_wire::{chunks32, concat32};
use tacit_witness::Witness;
use tonic::{Request, Response, Status};

use crate::caller::Call;
use crate::error::Stop;
use crate::federation::{Federation, Known};
use crate::store::Writer;
use crate::store::quota::{Admission, Admit};

/// Subjects of one batch.
const MAX_BATCH: usize = tacit_blind::enroll::MAX_BATCH;
/// Batches from this size on are computed off the asynchronous threads.
const HEAVY: usize = 16;
const DAY_MS: u64 = 86_400_000;

/// The service behind `PseudonymService`.
#[derive(Clone)]
pub(crate) struct Pseudonyms {
    pub(crate) federation: Federation,
    pub(crate) writer: Writer,
    /// Knows whether the clock is right: quotas are those of its day.
    pub(crate) witness: Witness,
    /// New subjects per authority and day.
    pub(crate) authority_cap: u64,
    /// New subjects per holder that writes letters and day.
    pub(crate) holder_cap: u64,
    /// New subjects per auditor and day: codes that nobody has.
    pub(crate) auditor_cap: u64,
}

/// Who asks, whose key evaluates, and how many new subjects that may be today.
struct Asked {
    asker: String,
    requester: MemberId,
    cap: u64,
}

#[tonic::async_trait]
impl PseudonymService for Pseudonyms {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let call = Call::of("evaluate", &request, &[Role::Node, Role::Authority, Role::Auditor])?;
        let outcome = match call.settle(self.answer(&call, request.into_inner()).await)? {
            Ok(evaluated) => Outcome::Evaluated(evaluated),
            Err(refusal) => Outcome::Refusal(refusal),
        };
        Ok(Response::new(EvaluateResponse { outcome: Some(outcome) }))
    }
}

impl Pseudonyms {
    async fn answer(&self, call: &Call, request: EvaluateRequest) -> Result<Evaluated, Stop> {
        let now = self.witness.right_time().ok_or(Stop::Trouble(Reason::ClockOff))?;
        let known = self.federation.known();
        let asked = self.asked(call, &request.acting_for, &known, now)?;
        if known.registry.member(&asked.requester).is_none() {
            return Err(Stop::refused(Reason::UnknownMember));
        }
        let key =
            known.keys.get(&asked.requester, request.epoch).ok_or(Stop::refused(Reason::EpochNotCurrent))?;
        let encoded = chunks32("blinded", &request.blinded, MAX_BATCH)?;
        if encoded.is_empty() {
            return Err(Stop::because(Reason::Malformed, "blinded: at least one subject is needed"));
        }
        let count = encoded.len();
        let (subjects, points) = heavy(count, move || decode(&encoded)).await??;
        let batch = Admit {
            asker: asked.asker,
            requester: asked.requester.to_string(),
            epoch: request.epoch,
            other_epochs: known
                .registry
                .pseudonym_epochs(&asked.requester)
                .into_iter()
                .filter(|epoch| *epoch != request.epoch)
                .collect(),
            subjects,
            cap: asked.cap,
            day: now.utc_day(),
            counted: call.member().to_string(),
        };
        match self.writer.admit(batch).await?? {
            Admission::Admitted { new } => self.count(call, &asked.requester, count, new),
            Admission::OverQuota { remaining } => {
                let resets_at_ms = (now.utc_day() + 1).saturating_mul(DAY_MS);
                return Err(Stop::Refused(refusal_quota(Reason::QuotaNewSubjects, remaining, resets_at_ms)));
            }
        }
        heavy(count, move || evaluate(&key, &points)).await?
    }

    /// A node asks for itself, as a holder so as to write letters to its subjects; an authority for itself or for the
    /// requester that it names, an auditor for a requester, each under its own cap.
    fn asked(&self, call: &Call, acting_for: &str, known: &Known, now: Millis) -> Result<Asked, Stop> {
        let asker = format!("{}/{}", call.role(), call.member());
        match (call.role(), acting_for) {
            // For itself it asks so that its users can check lists about themselves.
            (Role::Authority, "") => {
                Ok(Asked { asker, requester: call.member().clone(), cap: self.authority_cap })
            }
            (Role::Authority, requester) => {
                let requester = requester.parse().map_err(|_| Stop::refused(Reason::UnknownMember))?;
                Ok(Asked { asker, requester, cap: self.authority_cap })
            }
            (Role::Auditor, requester) => {
                let requester = requester.parse().map_err(|_| Stop::refused(Reason::UnknownMember))?;
                Ok(Asked { asker, requester, cap: self.auditor_cap })
            }
            (_, "") => {
                let requester = call.member().clone();
                // Who also asks has the quota of who asks, for letters too: whatever it is evaluated, it can ask about.
                let only_writes = |it: &Member| it.keys.letters.is_some() && !it.has(Registered::Requester);
                let cap = match known.registry.member(&requester).is_some_and(only_writes) {
                    true => self.holder_cap,
                    false => known.registry.new_subject_quota(&requester, now),
                };
                Ok(Asked { asker, requester, cap })
            }
            (_, _) => Err(Stop::Trouble(Reason::WrongRole)),
        }
    }

    fn count(&self, call: &Call, requester: &MemberId, count: usize, new: u64) {
        let role = call.role().as_str();
        metrics::counter!("tacit_custodian_evaluated_total", "role" => role).increment(count as u64);
        metrics::counter!("tacit_custodian_new_subjects_total", "role" => role).increment(new);
        if matches!(call.role(), Role::Authority | Role::Auditor) {
            tracing::info!(asker = %call.member(), role, %requester, count, new, "evaluates for another member");
        }
    }
}

/// Decodes the points and hashes them for the quota; the same point twice is refused.
fn decode(encoded: &[[u8; 32]]) -> Result<(Vec<[u8; 32]>, Vec<Point>), Stop> {
    if encoded.iter().collect::<HashSet<_>>().len() != encoded.len() {
        return Err(Stop::because(Reason::Malformed, "blinded: the same subject twice in one batch"));
    }
    let points = Point::decode_all(encoded).map_err(|error| Stop::because(Reason::Malformed, &error))?;
    let subjects = encoded.iter().map(|point| b3("tacit v1 custodian subject", &[point])).collect();
    Ok((subjects, points))
}

fn evaluate(key: &PseudonymKey, points: &[Point]) -> Result<Evaluated, Stop> {
    let (evaluated, proof) =
        key.evaluate_with_proof(points, &mut os_rng()).map_err(|error| Stop::Failed(Box::new(error)))?;
    Ok(Evaluated { evaluated: concat32(&evaluated), dleq_proof: proof.encode().to_vec().into() })
}

/// Runs work on `items` points where it does not keep other calls waiting.
async fn heavy<T: Send + 'static>(
    items: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stop> {
    if items < HEAVY { Ok(work()) } else { Ok(tokio::task::spawn_blocking(work).await?) }
}
