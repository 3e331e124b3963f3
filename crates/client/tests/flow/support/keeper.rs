//! The custodian.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::Stream;
use tacit_blind::group::Point;
use tacit_model::Reason;
use tacit_model::entropy::os_rng;
use tacit_wire::convert::refusal_quota;
use tacit_wire::custodian::bucket_service_server::BucketService;
use tacit_wire::custodian::fetch_buckets_response::Part;
use tacit_wire::custodian::pseudonym_service_server::PseudonymService;
use tacit_wire::custodian::*;
use tacit_wire::{Message as _, chunks32, concat32};
use tonic::{Request, Response, Status};

use super::registry::custodian_key_in;
use super::table::{Tables, access};
use super::{Faults, NOW};

#[derive(Clone)]
pub(crate) struct Keeper {
    tables: Tables,
    faults: Faults,
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    /// Blinded subjects evaluated, per requester.
    pub(crate) known: HashSet<(String, [u8; 32])>,
    pub(crate) quota: u64,
    /// Calls for evaluation.
    pub(crate) calls: u64,
    /// Which bytes a permit was used with.
    used: HashMap<String, Vec<u8>>,
    /// Buckets of the last request, by list.
    pub(crate) last: Vec<(String, Vec<u32>, usize)>,
}

impl Keeper {
    pub(crate) fn new(tables: Tables, faults: Faults) -> Self {
        let (known, used) = (HashSet::new(), HashMap::new());
        let state = State { known, quota: u64::MAX, calls: 0, used, last: Vec::new() };
        Self { tables, faults, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn with<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.state.lock().unwrap())
    }
}

#[tonic::async_trait]
impl PseudonymService for Keeper {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        self.faults.fail("before subjects")?;
        let request = request.into_inner();
        let requester = if request.acting_for.is_empty() { "procurement" } else { &request.acting_for };
        let blinded = chunks32("blinded", &request.blinded, 1024).unwrap();
        let outcome = self.with(|state| {
            state.calls += 1;
            let keys: HashSet<_> = blinded.iter().map(|point| (requester.to_owned(), *point)).collect();
            assert_eq!(keys.len(), blinded.len(), "all different");
            let new: Vec<_> = keys.into_iter().filter(|key| !state.known.contains(key)).collect();
            let new_count = new.len() as u64;
            if new_count > state.quota {
                let refusal = refusal_quota(Reason::QuotaNewSubjects, state.quota, NOW.plus_ms(86_400_000).0);
                return evaluate_response::Outcome::Refusal(refusal);
            }
            state.quota -= new_count;
            state.known.extend(new);
            let points = Point::decode_all(&blinded).unwrap();
            let key = custodian_key_in(requester, request.epoch);
            let (evaluated, proof) = key.evaluate_with_proof(&points, &mut os_rng()).unwrap();
            let dleq_proof = proof.encode().to_vec().into();
            evaluate_response::Outcome::Evaluated(Evaluated { evaluated: concat32(&evaluated), dleq_proof })
        });
        self.faults.fail("after subjects")?;
        Ok(Response::new(EvaluateResponse { outcome: Some(outcome) }))
    }
}

#[tonic::async_trait]
impl BucketService for Keeper {
    type FetchBucketsStream = Pin<Box<dyn Stream<Item = Result<FetchBucketsResponse, Status>> + Send>>;

    async fn fetch_buckets(
        &self,
        request: Request<FetchBucketsRequest>,
    ) -> Result<Response<Self::FetchBucketsStream>, Status> {
        self.faults.fail("before buckets")?;
        let request = request.into_inner();
        let bytes = FetchBucketsRequest { checkpoint: Default::default(), ..request.clone() }.encode_to_vec();
        let mut parts = Vec::new();
        let mut last = Vec::new();
        for permit in &request.permits {
            let access = access(&permit.record);
            let same = self.with(|state| state.used.entry(access.id).or_insert(bytes.clone()) == &bytes);
            assert!(same, "a permit is used for one request");
        }
        for list in &request.lists {
            let table = self.tables.get(&list.list_id, list.epoch).unwrap();
            let naming = request.permits.iter().map(|permit| access(&permit.record));
            let naming =
                naming.filter(|access| access.lists.iter().any(|at| at.list == list.list_id)).count();
            assert_eq!(list.buckets.len(), naming.min(table.buckets.len()), "as many buckets as permits");
            let swap = self.faults.due("swapped bucket");
            let old = self.faults.due("old table").then_some(1);
            let buckets = list
                .buckets
                .iter()
                .map(|&number| Bucket {
                    bucket: number,
                    entries: table.buckets[if swap { number as usize ^ 1 } else { number as usize }]
                        .clone()
                        .into(),
                    path: concat32(&table.tree.path(number).unwrap()),
                })
                .collect();
            let version = old.unwrap_or(table.signed.manifest().version);
            last.push((list.list_id.clone(), list.buckets.clone(), naming));
            let chunk = BucketChunk { list_id: list.list_id.clone(), epoch: list.epoch, version, buckets };
            parts.push(Ok(FetchBucketsResponse { part: Some(Part::Chunk(chunk)) }));
        }
        if self.faults.due("during buckets") {
            parts.pop();
            parts.push(Err(Status::unavailable("as the test wants it")));
        }
        self.with(|state| state.last = last);
        Ok(Response::new(Box::pin(futures::stream::iter(parts))))
    }
}
