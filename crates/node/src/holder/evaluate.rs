//! The evaluation service (protocol section 6).
//!
//! ```text
//! bytes ─ Witness ─▶ GoodPermit ─ Desk ─▶ Permit ─ UseWriter, durable ─▶ Recorded ─ ListSecret ─▶ N, proof
//! ```

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tacit_identity::{PeerIdentity, Role, peer};
use tacit_model::{Reason, entropy::os_rng};
use tacit_wire::common::{LoggedRecord, Refusal};
use tacit_wire::convert::refusal_quota;
use tacit_wire::holder::evaluation_service_server::EvaluationService;
use tacit_wire::holder::{EvaluateRequest, EvaluateResponse, ItemStatus, ListEvaluation};
use tacit_wire::{RequestIds, array, concat32, refusal, trouble};
use tonic::{Request, Response, Status};

use super::Shared;
use super::permit::{AskedList, Desk, Permit};
use super::used::{NotAnswered, Recorded};

/// Items of one call.
const MAX_ITEMS: usize = 1024;

/// Items from which on the work leaves the asynchronous threads.
const HEAVY: usize = 32;

/// Largest request: 1024 permits of 16 KiB records are not real; 1 KiB of record and 64 hashes of path are.
pub(super) const MAX_MESSAGE: usize = 8 << 20;

/// Answers permits.
#[derive(Clone)]
pub(super) struct Evaluation(pub(super) Arc<Shared>);

#[tonic::async_trait]
impl EvaluationService for Evaluation {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let begun = Instant::now();
        let metadata = request.metadata().clone();
        let outcome = self.answer(request).await;
        metrics::histogram!("tacit_holder_evaluate_seconds").record(begun.elapsed().as_secs_f64());
        outcome.map(Response::new).map_err(|reason| {
            metrics::counter!("tacit_holder_calls_refused_total", "reason" => reason.as_str()).increment(1);
            let request_id = RequestIds::of(&metadata).unwrap_or("none");
            tracing::warn!(request_id, reason = reason.as_str(), "evaluation not answered");
            trouble(reason, &metadata)
        })
    }
}

impl Evaluation {
    /// The answer, or the trouble that there is with the call as a whole.
    async fn answer(&self, request: Request<EvaluateRequest>) -> Result<EvaluateResponse, Reason> {
        let peer = caller(&request)?;
        let request = request.into_inner();
        let count = request.items.len();
        match count {
            0 => return Err(Reason::Malformed),
            1..=MAX_ITEMS => {}
            _ => return Err(Reason::TooMany),
        }
        let mut slots: Vec<Result<[u8; 32], NotAnswered>> = Vec::with_capacity(count);
        let mut permits: Vec<LoggedRecord> = Vec::with_capacity(count);
        for item in request.items {
            let query = array::<32>("blinded_query", &item.blinded_query).ok();
            let (Some(permit), Some(query)) = (item.permit, query) else {
                slots.push(Err(NotAnswered::Because(Reason::Malformed)));
                continue;
            };
            permits.push(permit);
            slots.push(Ok(query));
        }
        let good = self.0.witness.check_permits(&request.checkpoint, &permits, &peer).await?;
        let shared = Arc::clone(&self.0);
        let accepted = heavy(count, move || accept_all(&shared, slots, good)).await?;
        let recorded = self.record(accepted).await?;
        let (items, lists) = heavy(count, move || evaluate_all(&recorded)).await??;
        let answered = items.iter().filter(|item| item.refusal.is_none()).count();
        metrics::counter!("tacit_holder_answers_total").increment(answered as u64);
        Ok(EvaluateResponse { items, lists })
    }

    /// Notes all accepted permits as used.
    async fn record(
        &self,
        accepted: Vec<Result<Permit, NotAnswered>>,
    ) -> Result<Vec<Result<Recorded, NotAnswered>>, Reason> {
        let mut refused = Vec::with_capacity(accepted.len());
        let mut permits = Vec::with_capacity(accepted.len());
        for outcome in accepted {
            refused.push(match outcome {
                Ok(permit) => {
                    permits.push(permit);
                    None
                }
                Err(reason) => Some(reason),
            });
        }
        let mut written = self.0.uses.record(permits).await?.into_iter();
        let merge = |refused: Option<NotAnswered>| match refused {
            Some(reason) => Err(reason),
            None => written.next().unwrap_or(Err(NotAnswered::Because(Reason::Internal))),
        };
        Ok(refused.into_iter().map(merge).collect())
    }
}

/// Who asks: a node, or a consent authority for its own users. That it is the requester of the permits is checked
/// with them.
fn caller(request: &Request<EvaluateRequest>) -> Result<PeerIdentity, Reason> {
    let peer = peer(request).map_err(|error| {
        tracing::error!(%error, "a call without a verified peer");
        Reason::Unauthenticated
    })?;
    match peer.spiffe.role {
        Role::Node | Role::Authority => Ok(peer.clone()),
        Role::Coordinator | Role::Custodian | Role::Auditor => Err(Reason::WrongRole),
    }
}

/// Every item against the rules of this holder; `good` has one entry for each item that was well-formed.
fn accept_all(
    shared: &Shared,
    slots: Vec<Result<[u8; 32], NotAnswered>>,
    good: Vec<Result<tacit_witness::GoodPermit, Reason>>,
) -> Vec<Result<Permit, NotAnswered>> {
    let registry = shared.registry();
    let mut desk =
        Desk::new(&shared.member, &registry, &shared.live, shared.clock.now(), shared.config.tick_ms);
    let mut good = good.into_iter();
    let mut accept = |query: [u8; 32]| {
        let permit = good.next().unwrap_or(Err(Reason::Internal))?;
        desk.accept(permit, &query)
    };
    slots.into_iter().map(|slot| accept(slot?).map_err(NotAnswered::Because)).collect()
}

/// One entry per list and epoch in order of first appearance, with one proof for all queries of the call.
fn evaluate_all(
    outcomes: &[Result<Recorded, NotAnswered>],
) -> Result<(Vec<ItemStatus>, Vec<ListEvaluation>), Reason> {
    let mut asked: Vec<(AskedList, Vec<&Recorded>)> = Vec::new();
    for recorded in outcomes.iter().flatten() {
        for list in recorded.permit().lists() {
            match asked.iter_mut().find(|(known, _)| known.list == list.list && known.epoch == list.epoch) {
                Some((_, queries)) => queries.push(recorded),
                None => asked.push((list.clone(), vec![recorded])),
            }
        }
    }
    let mut rng = os_rng();
    let mut lists = Vec::with_capacity(asked.len());
    for (list, queries) in asked {
        let (evaluated, proof) = list.secret.answer(&queries, &mut rng).map_err(|error| {
            tracing::error!(%error, "an evaluation failed");
            Reason::Internal
        })?;
        lists.push(ListEvaluation {
            list_id: list.list.to_string(),
            epoch: list.epoch,
            evaluated: concat32(&evaluated),
            dleq_proof: Bytes::copy_from_slice(&proof.encode()),
        });
    }
    let status =
        |outcome: &Result<Recorded, NotAnswered>| ItemStatus { refusal: outcome.as_ref().err().map(said) };
    Ok((outcomes.iter().map(status).collect(), lists))
}

fn said(refused: &NotAnswered) -> Refusal {
    let reason = match refused {
        NotAnswered::Because(reason) => *reason,
        NotAnswered::Quota { .. } => Reason::QuotaChecks,
    };
    metrics::counter!("tacit_holder_items_refused_total", "reason" => reason.as_str()).increment(1);
    match refused {
        NotAnswered::Because(reason) => refusal(*reason),
        NotAnswered::Quota { resets } => refusal_quota(reason, 0, resets.0),
    }
}

/// Runs the work of `items` items off the asynchronous threads when it is worth it.
async fn heavy<T: Send + 'static>(
    items: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Reason> {
    if items < HEAVY {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on a batch did not end");
        Reason::Internal
    })
}
