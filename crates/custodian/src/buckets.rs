//! Gives buckets out against permits (protocol section 7).
//!
//! Per list, a request gets exactly as many distinct buckets as permits name the list, so that a bucket cannot be
//! told to belong to a permit; the same request gets the same buckets again until its permits expire, and no other
//! request with one of them gets anything. Nothing here is logged or kept that puts a bucket beside a permit.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tacit_blind::encoding::b3;
use tacit_identity::Role;
use tacit_model::{ListId, Millis, Reason};
use tacit_store::Db;
use tacit_wire::concat32;
use tacit_wire::custodian::bucket_service_server::BucketService;
use tacit_wire::custodian::fetch_buckets_response::Part;
use tacit_wire::custodian::{Bucket, BucketChunk, FetchBucketsRequest, FetchBucketsResponse, ListBuckets};
use tacit_witness::{GoodPermit, Ground, Witness};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::caller::Call;
use crate::error::Stop;
use crate::federation::Federation;
use crate::mirror::shelf::{Served, Shelf};
use crate::store::permits::{ListUse, Use, UsePermits};
use crate::store::{Writer, tables};

/// Permits of one request.
const MAX_PERMITS: usize = 1024;
/// Lists and epochs of one request.
const MAX_LISTS: usize = 1024;
/// Bytes of buckets in one message of the answer; one bucket may be larger.
const CHUNK_BYTES: usize = 512 << 10;

/// The service behind `BucketService`.
#[derive(Clone)]
pub(crate) struct Buckets {
    pub(crate) federation: Federation,
    pub(crate) witness: Witness,
    pub(crate) db: Db,
    pub(crate) writer: Writer,
    pub(crate) shelf: Arc<Shelf>,
    /// How long to wait for a version that is logged but not yet activated here.
    pub(crate) patience: Duration,
}

/// Buckets of one list that may be given out.
struct Granted {
    list: ListId,
    epoch: u64,
    served: Arc<Served>,
    buckets: Vec<u32>,
}

/// A permit that names a list and epoch: record id, version, expiry.
type Naming = (Arc<str>, u64, Millis);

#[tonic::async_trait]
impl BucketService for Buckets {
    type FetchBucketsStream = Pin<Box<dyn Stream<Item = Result<FetchBucketsResponse, Status>> + Send>>;

    async fn fetch_buckets(
        &self,
        request: Request<FetchBucketsRequest>,
    ) -> Result<Response<Self::FetchBucketsStream>, Status> {
        let call = Call::of("fetch_buckets", &request, &[Role::Node, Role::Authority])?;
        match call.settle(self.grant(&call, request.into_inner()).await)? {
            Ok((granted, first)) => {
                Ok(Response::new(Box::pin(answer(self.db.clone(), call, granted, first))))
            }
            Err(refusal) => {
                let part = Some(Part::Refusal(refusal));
                let only = futures::stream::once(async move { Ok(FetchBucketsResponse { part }) });
                Ok(Response::new(Box::pin(only)))
            }
        }
    }
}

impl Buckets {
    /// Decides a request; when this returns, the use of its permits is durable. With it comes what was read for it
    /// meanwhile.
    async fn grant(
        &self,
        call: &Call,
        request: FetchBucketsRequest,
    ) -> Result<(Vec<Granted>, Option<BucketChunk>), Stop> {
        if request.permits.is_empty() || request.lists.is_empty() {
            return Err(Stop::because(Reason::Malformed, "at least one permit and one list are needed"));
        }
        if request.permits.len() > MAX_PERMITS || request.lists.len() > MAX_LISTS {
            return Err(Stop::refused(Reason::TooMany));
        }
        // Removed from the registry since its permits were given.
        if self.federation.known().registry.member(call.member()).is_none() {
            return Err(Stop::refused(Reason::UnknownMember));
        }
        let permits = self.permits(call, &request).await?;
        let named = naming(&permits)?;
        let deadline = Instant::now() + self.patience;
        let mut granted = Vec::with_capacity(request.lists.len());
        let mut uses = Vec::with_capacity(request.lists.len());
        let mut seen = HashSet::new();
        for wanted in request.lists {
            let list: ListId = wanted.list_id.parse().map_err(|_| Stop::refused(Reason::UnknownList))?;
            if !seen.insert((list.clone(), wanted.epoch)) {
                return Err(Stop::because(Reason::Malformed, "lists: one list and epoch stands there twice"));
            }
            let naming =
                named.get(&(list.as_str(), wanted.epoch)).ok_or(Stop::refused(Reason::PermitForOther))?;
            let served = self.table(&list, wanted.epoch, naming, deadline).await?;
            check_buckets(&served, naming.len(), &wanted)?;
            uses.push(ListUse {
                list: list.clone(),
                batch: batch_hash(&list, &wanted, naming),
                permits: naming.iter().map(|(id, _, expires)| (Arc::clone(id), *expires)).collect(),
            });
            granted.push(Granted { list, epoch: wanted.epoch, served, buckets: wanted.buckets });
        }
        let first = async {
            match granted.first() {
                Some(grant) => chunk(&self.db, grant, 0).await.map(Some),
                None => Ok(None),
            }
        };
        let ground = Ground::furthest(permits.iter().map(GoodPermit::ground)).cloned();
        let used = self.writer.use_permits(UsePermits { lists: uses, ground: ground.clone() });
        let (used, first) = tokio::join!(used, first);
        let used = used??;
        if let Some(ground) = ground {
            ground.settled().await.map_err(not_good)?;
        }
        match used {
            Use::Good => Ok((granted, first?)),
            Use::Used => Err(Stop::because(
                Reason::PermitUsed,
                "a permit was used before to fetch other buckets of this list",
            )),
            Use::Expired => Err(Stop::refused(Reason::PermitExpired)),
        }
    }

    /// All permits, or the first that is not good.
    async fn permits(&self, call: &Call, request: &FetchBucketsRequest) -> Result<Vec<GoodPermit>, Stop> {
        let checked = self.witness.check_permits(&request.checkpoint, &request.permits, call.peer()).await;
        let checked = checked.map_err(not_good)?;
        checked.into_iter().map(|permit| permit.map_err(not_good)).collect()
    }

    /// The table that answers for permits of a list and epoch: of at least the newest version that they name, and
    /// none of them more than one behind it.
    async fn table(
        &self,
        list: &ListId,
        epoch: u64,
        naming: &[Naming],
        deadline: Instant,
    ) -> Result<Arc<Served>, Stop> {
        let versions = naming.iter().map(|(_, version, _)| *version);
        let newest = versions.clone().max().unwrap_or(0);
        let served = match self.shelf.get(list, epoch) {
            Some(served) if served.version >= newest => served,
            // The coordinator has logged a version that its holder is about to activate here.
            served => {
                if self.federation.known().registry.list(list).is_none() {
                    return Err(Stop::refused(Reason::UnknownList));
                }
                let is_past = self.shelf.epochs(list).last().is_some_and(|(current, _)| epoch < *current);
                if served.is_none() && is_past {
                    return Err(Stop::refused(Reason::EpochOver));
                }
                let patience = deadline.saturating_duration_since(Instant::now());
                let arrived = self.shelf.wait_for(list, epoch, newest, patience).await;
                arrived.ok_or(Stop::Trouble(Reason::Unavailable))?
            }
        };
        let oldest = versions.min().unwrap_or(0);
        if oldest.saturating_add(1) < served.version {
            Err(Stop::refused(Reason::VersionOld))
        } else {
            Ok(served)
        }
    }
}

/// What is wrong with a permit is a refusal; a log that cannot be reached is trouble.
fn not_good(reason: Reason) -> Stop {
    match reason {
        Reason::LogBehind
        | Reason::LogFrozen
        | Reason::QuorumStale
        | Reason::ClockOff
        | Reason::Unavailable
        | Reason::Internal => Stop::Trouble(reason),
        _ => Stop::refused(reason),
    }
}

/// Which permits name which list and epoch, each sorted by record id.
fn naming(permits: &[GoodPermit]) -> Result<HashMap<(&str, u64), Vec<Naming>>, Stop> {
    let mut ids = HashSet::with_capacity(permits.len());
    let mut named: HashMap<(&str, u64), Vec<Naming>> = HashMap::new();
    for permit in permits {
        let access = permit.access();
        if !ids.insert(access.id.as_str()) {
            return Err(Stop::because(Reason::Malformed, "permits: the same permit twice"));
        }
        let id: Arc<str> = access.id.as_str().into();
        let mut lists = HashSet::with_capacity(access.lists.len());
        for at in &access.lists {
            // A permit is good for one batch of buckets per list, whatever the epoch.
            if !lists.insert(at.list.as_str()) {
                return Err(Stop::because(Reason::Malformed, "permits: one list twice in a record"));
            }
            named.entry((at.list.as_str(), at.epoch)).or_default().push((
                Arc::clone(&id),
                at.version,
                permit.expires(),
            ));
        }
    }
    named.values_mut().for_each(|naming| naming.sort_unstable());
    Ok(named)
}

/// Exactly as many distinct buckets as permits, or all of them.
fn check_buckets(served: &Served, permits: usize, wanted: &ListBuckets) -> Result<(), Stop> {
    let buckets = served.layout.buckets();
    let ascending = wanted.buckets.array_windows().all(|[one, next]| one < next);
    if !ascending || wanted.buckets.last().is_none_or(|last| *last >= buckets) {
        return Err(Stop::because(Reason::Malformed, "buckets: numbers of the table, ascending, none twice"));
    }
    let due = permits.min(buckets as usize);
    if wanted.buckets.len() != due {
        let problem = format!(
            "buckets: {} given, due are {due}, one for each permit that names the list",
            wanted.buckets.len()
        );
        return Err(Stop::because(Reason::BatchMismatch, &problem));
    }
    Ok(())
}

/// Over list, epoch, permits and buckets: what makes a repetition the same request.
fn batch_hash(list: &ListId, wanted: &ListBuckets, naming: &[Naming]) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(64 + naming.len() * 27 + wanted.buckets.len() * 4);
    bytes.extend_from_slice(list.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&wanted.epoch.to_be_bytes());
    for (id, _, _) in naming {
        bytes.extend_from_slice(id.as_bytes());
        bytes.push(0);
    }
    bytes.push(0);
    wanted.buckets.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
    b3("tacit v1 custodian bucket batch", &[&bytes])
}

/// Streams the granted buckets with their paths; `first` is the first message, read already.
fn answer(
    db: Db,
    call: Call,
    granted: Vec<Granted>,
    first: Option<BucketChunk>,
) -> impl Stream<Item = Result<FetchBucketsResponse, Status>> + Send {
    struct State {
        db: Db,
        call: Call,
        granted: Vec<Granted>,
        first: Option<BucketChunk>,
        /// Where the next chunk begins: part and position in it.
        at: (usize, usize),
    }
    let state = State { db, call, granted, first, at: (0, 0) };
    futures::stream::try_unfold(state, async |mut state| {
        let (part, from) = state.at;
        let Some(grant) = state.granted.get(part) else { return Ok(None) };
        let read = match state.first.take() {
            Some(first) => Ok(first),
            None => chunk(&state.db, grant, from).await,
        };
        let part = match read {
            Ok(chunk) => {
                let to = from + chunk.buckets.len();
                state.at = if to == grant.buckets.len() { (part + 1, 0) } else { (part, to) };
                Part::Chunk(chunk)
            }
            // Only trouble of ours can happen here, and it ends the stream.
            Err(stop) => {
                state.at = (state.granted.len(), 0);
                state.call.settle(Err(stop))?.map_or_else(Part::Refusal, Part::Chunk)
            }
        };
        Ok(Some((FetchBucketsResponse { part: Some(part) }, state)))
    })
}

/// The granted buckets of a list from position `from` on, as many as fit in one message.
async fn chunk(db: &Db, grant: &Granted, from: usize) -> Result<BucketChunk, Stop> {
    let at_once = (CHUNK_BYTES / grant.served.layout.bucket_bytes()).max(1);
    let numbers: Vec<u32> = grant.buckets.iter().skip(from).take(at_once).copied().collect();
    let gone = || Stop::Trouble(Reason::Unavailable);
    let slots: Option<Vec<_>> =
        numbers.iter().map(|number| grant.served.slots.get(*number as usize).copied()).collect();
    let slots = slots.ok_or_else(gone)?;
    let mut entries = tables::read(&mut *db.read().await?, &slots).await?;
    let mut buckets = Vec::with_capacity(numbers.len());
    for (number, slot) in numbers.iter().zip(&slots) {
        // A slow reader may find its version removed; the same request gets the newest one.
        let entries = entries.remove(slot).ok_or_else(gone)?;
        let path = grant.served.tree.path(*number).map_err(|error| Stop::Failed(Box::new(error)))?;
        buckets.push(Bucket { bucket: *number, entries, path: concat32(&path) });
    }
    metrics::counter!("tacit_custodian_buckets_total").increment(buckets.len() as u64);
    Ok(BucketChunk {
        list_id: grant.list.to_string(),
        epoch: grant.epoch,
        version: grant.served.version,
        buckets,
    })
}
