//! The coordinator's log and nothing else of it: records, proofs, checkpoints, manifests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tacit_blind::table::SignedManifest;
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::{NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::record::Record;
use tacit_ledger::tree::TreeView;
use tacit_model::{Clock as _, ManualClock, Millis, Reason, Ulid};
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::log_service_server::LogService;
use tacit_wire::coordinator::*;
use tacit_wire::{concat32, refusal};
use tonic::{Request, Response, Status};

use super::registry::key;
use super::{Faults, NOW};

type Stream<T> = std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone)]
pub(crate) struct TestLog {
    inner: Arc<Mutex<Inner>>,
    faults: Faults,
    clock: ManualClock,
}

struct Inner {
    signer: NoteSigner,
    records: Vec<Vec<u8>>,
    ids: u64,
    /// By list, epoch and version: the manifest and its index.
    manifests: BTreeMap<(String, u64, u64), (SignedManifest, u64)>,
}

impl Inner {
    fn tree(&self) -> TreeView {
        let leaves: Vec<Hash> = self.records.iter().map(|record| leaf_hash(record)).collect();
        TreeView::from_leaves(&leaves).unwrap()
    }

    fn size(&self) -> u64 {
        self.records.len() as u64
    }

    fn checkpoint(&self) -> Vec<u8> {
        let root = self.tree().root(self.size()).unwrap();
        let checkpoint = Checkpoint { origin: "hub/log".to_owned(), size: self.size(), root };
        checkpoint.sign(&self.signer).unwrap().note().to_vec()
    }

    /// The newest checkpoint as all witnesses cosigned it just now.
    fn cosigned(&self, now: Millis) -> bytes::Bytes {
        let note = self.checkpoint();
        let log = key("hub/log").verifying_key();
        let verifier = NoteVerifier::new("hub/log", log).unwrap();
        let checkpoint = VerifiedCheckpoint::open(&note, &verifier).unwrap();
        let mut note = String::from_utf8(note.to_vec()).unwrap();
        for name in ["court/witness", "customs/witness", "keeper/witness"] {
            let signer = CosignatureSigner::new(name, key(name)).unwrap();
            note = attach_line(&note, &signer.cosign(&checkpoint, now.0 / 1000).unwrap()).unwrap();
        }
        note.into_bytes().into()
    }

    fn logged(&self, tree: &TreeView, index: u64) -> LoggedRecord {
        let path = tree.inclusion(index, self.size()).unwrap();
        let record = self.records[usize::try_from(index).unwrap()].clone().into();
        LoggedRecord { record, index, path: concat32(&path) }
    }

    fn append(&mut self, record: &Record) -> u64 {
        self.records.push(record.to_bytes().unwrap());
        self.size() - 1
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        Ulid::from_parts(NOW.0, u128::from(self.ids)).to_string()
    }
}

impl TestLog {
    pub(crate) fn new(faults: Faults, clock: ManualClock) -> Self {
        let signer = NoteSigner::new("hub/log", key("hub/log")).unwrap();
        let inner = Inner { signer, records: Vec::new(), ids: 0, manifests: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)), faults, clock }
    }

    pub(crate) fn next_id(&self) -> String {
        self.inner.lock().unwrap().next_id()
    }

    /// Appends records, and proves them under the newest checkpoint.
    pub(crate) fn append(&self, records: &[Record]) -> (bytes::Bytes, Vec<LoggedRecord>) {
        let mut inner = self.inner.lock().unwrap();
        let indexes: Vec<u64> = records.iter().map(|record| inner.append(record)).collect();
        let tree = inner.tree();
        let logged = indexes.into_iter().map(|index| inner.logged(&tree, index)).collect();
        (inner.checkpoint().into(), logged)
    }

    /// The newest logged manifest of a list.
    pub(crate) fn newest(&self, list: &str) -> Option<SignedManifest> {
        let inner = self.inner.lock().unwrap();
        let of_list = |((name, ..), (signed, _)): (&(String, u64, u64), &(SignedManifest, u64))| {
            (name == list).then(|| signed.clone())
        };
        inner.manifests.iter().rev().find_map(of_list)
    }

    /// Epochs and versions of all logged manifests of a list, ascending.
    pub(crate) fn versions(&self, list: &str) -> Vec<(u64, u64)> {
        let inner = self.inner.lock().unwrap();
        inner.manifests.keys().filter(|key| key.0 == list).map(|key| (key.1, key.2)).collect()
    }
}

#[tonic::async_trait]
impl LogService for TestLog {
    type WitnessStream = Stream<WitnessResponse>;
    type GetEntriesStream = Stream<GetEntriesResponse>;

    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn witness(
        &self,
        _: Request<tonic::Streaming<WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        // No checkpoint, only what the witnesses stand behind, again and again: what is needed is asked for, which is
        // the way that needs no timing.
        // It is made anew only when it would be another one: long logs take long.
        let begun = (self.clone(), None);
        let cosigned = futures::stream::unfold(begun, |(log, made)| async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let (inner, now) = (log.inner.lock().unwrap(), log.clock.now());
            let (size, time, checkpoint) = made
                .filter(|(size, time, _)| (*size, *time) == (inner.size(), now))
                .unwrap_or_else(|| (inner.size(), now, inner.cosigned(now)));
            drop(inner);
            let message = CosignedCheckpoint { checkpoint: checkpoint.clone() };
            let cosigned = witness_response::Message::Cosigned(message);
            Some((Ok(WitnessResponse { message: Some(cosigned) }), (log, Some((size, time, checkpoint)))))
        });
        Ok(Response::new(Box::pin(cosigned)))
    }

    async fn get_consistency(
        &self,
        request: Request<GetConsistencyRequest>,
    ) -> Result<Response<GetConsistencyResponse>, Status> {
        let inner = self.inner.lock().unwrap();
        let GetConsistencyRequest { from_size, to_size } = *request.get_ref();
        let to = if to_size == 0 { inner.size() } else { to_size };
        let proof =
            inner.tree().consistency(from_size, to).map_err(|_| Status::not_found("no such sizes"))?;
        let checkpoint = inner.checkpoint().into();
        Ok(Response::new(GetConsistencyResponse { consistency: concat32(&proof), checkpoint }))
    }

    async fn get_entries(
        &self,
        _: Request<GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn publish_manifest(
        &self,
        request: Request<PublishManifestRequest>,
    ) -> Result<Response<PublishManifestResponse>, Status> {
        self.faults.before("log")?;
        let note = std::str::from_utf8(&request.get_ref().manifest).unwrap().to_owned();
        let holder = note.lines().nth(1).unwrap().split('/').next().unwrap();
        let name = format!("{holder}/manifest");
        let verifier = NoteVerifier::new(&name, key(&name).verifying_key()).unwrap();
        let signed = SignedManifest::verify(&note, &verifier).unwrap();
        let manifest = signed.manifest();
        let place = (manifest.list.to_string(), manifest.epoch, manifest.version);
        let mut inner = self.inner.lock().unwrap();
        let known = inner.manifests.get(&place).cloned();
        let index = match known {
            Some((same, index)) if same == signed => index,
            Some(_) => return Ok(refused(Reason::ManifestRejected)),
            None => {
                let newest =
                    inner.manifests.keys().rfind(|key| key.0 == place.0 && key.1 == place.1).cloned();
                let newest_epoch =
                    inner.manifests.keys().filter(|key| key.0 == place.0).map(|key| key.1).max().unwrap_or(0);
                let follows = match newest {
                    Some(newest) => place.2 == newest.2 + 1,
                    None => place.2 == 1 && place.1 > newest_epoch,
                };
                if !follows {
                    return Ok(refused(Reason::ManifestRejected));
                }
                let record = signed.to_record(inner.next_id(), self.clock.now());
                let index = inner.append(&record.into());
                inner.manifests.insert(place, (signed, index));
                index
            }
        };
        let tree = inner.tree();
        let logged = ManifestLogged {
            record: Some(inner.logged(&tree, index)),
            checkpoint: inner.checkpoint().into(),
        };
        drop(inner);
        self.faults.after("log")?;
        Ok(Response::new(PublishManifestResponse {
            outcome: Some(publish_manifest_response::Outcome::Logged(logged)),
        }))
    }

    async fn get_manifest(
        &self,
        _: Request<GetManifestRequest>,
    ) -> Result<Response<GetManifestResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn report_enrollment(
        &self,
        _: Request<ReportEnrollmentRequest>,
    ) -> Result<Response<ReportEnrollmentResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

fn refused(reason: Reason) -> Response<PublishManifestResponse> {
    let outcome = Some(publish_manifest_response::Outcome::Refusal(refusal(reason)));
    Response::new(PublishManifestResponse { outcome })
}
