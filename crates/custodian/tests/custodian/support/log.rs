//! The coordinator's log and nothing else of it: records, proofs, checkpoints, the registry.

use std::sync::{Arc, Mutex};

use tacit_ledger::Hash;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::{NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::record::{Enrollment, Record, Registry as RegistryRecord};
use tacit_ledger::tree::TreeView;
use tacit_model::{Clock as _, ManualClock};
use tacit_wire::common::LoggedRecord;
use tacit_wire::concat32;
use tacit_wire::coordinator::log_service_server::LogService;
use tacit_wire::coordinator::registry_service_server::RegistryService;
use tacit_wire::coordinator::*;
use tonic::{Request, Response, Status};

use super::registry::key;
use super::{NOW, ulid};

type Stream<T> = std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone)]
pub(crate) struct TestLog(Arc<Mutex<Inner>>);

struct Inner {
    clock: ManualClock,
    signer: NoteSigner,
    records: Vec<Vec<u8>>,
    registry: (Vec<u8>, usize),
    /// Its number.
    number: u64,
    ids: u64,
    pub(crate) reports: Vec<ReportEnrollmentRequest>,
}

impl Inner {
    fn leaves(&self) -> Vec<Hash> {
        self.records.iter().map(|record| leaf_hash(record)).collect()
    }

    fn tree(&self) -> TreeView {
        TreeView::from_leaves(&self.leaves()).unwrap()
    }

    fn size(&self) -> u64 {
        self.records.len() as u64
    }

    /// Number and hash of the registry in force.
    fn in_force(&self) -> (u64, [u8; 32]) {
        (self.number, tacit_policy::registry_hash(&self.registry.0))
    }

    fn checkpoint(&self) -> Vec<u8> {
        let root = self.tree().root(self.size()).unwrap();
        let checkpoint = Checkpoint { origin: "hub/log".to_owned(), size: self.size(), root };
        checkpoint.sign(&self.signer).unwrap().note().to_vec()
    }

    /// The newest checkpoint as all witnesses cosigned it just now.
    fn cosigned(&self) -> bytes::Bytes {
        let now_s = self.clock.now().0 / 1000;
        let note = self.checkpoint();
        let log = key("hub/log").verifying_key();
        let verifier = NoteVerifier::new("hub/log", log).unwrap();
        let checkpoint = VerifiedCheckpoint::open(&note, &verifier).unwrap();
        let mut note = String::from_utf8(note.to_vec()).unwrap();
        for name in ["court/witness", "customs/witness", "keeper/witness"] {
            let signer = CosignatureSigner::new(name, key(name)).unwrap();
            note = attach_line(&note, &signer.cosign(&checkpoint, now_s).unwrap()).unwrap();
        }
        note.into_bytes().into()
    }

    fn logged(&self, index: u64) -> LoggedRecord {
        let path = self.tree().inclusion(index, self.size()).unwrap();
        LoggedRecord {
            record: self.records[usize::try_from(index).unwrap()].clone().into(),
            index,
            path: concat32(&path),
        }
    }

    fn append(&mut self, record: &Record) -> u64 {
        self.records.push(record.to_bytes().unwrap());
        self.size() - 1
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        ulid(self.ids)
    }
}

impl TestLog {
    pub(crate) fn new(registry: Vec<u8>, clock: ManualClock) -> Self {
        let signer = NoteSigner::new("hub/log", key("hub/log")).unwrap();
        let inner = Inner {
            clock,
            signer,
            records: Vec::new(),
            registry: (Vec::new(), 0),
            number: 0,
            ids: 0,
            reports: Vec::new(),
        };
        let log = Self(Arc::new(Mutex::new(inner)));
        log.set_registry(registry, 1);
        log
    }

    /// Puts another registry in force.
    pub(crate) fn set_registry(&self, bytes: Vec<u8>, number: u64) {
        let mut inner = self.0.lock().unwrap();
        let registry = tacit_policy::registry_hash(&bytes);
        let id = inner.next_id();
        let index = inner.append(&RegistryRecord { id, time_ms: NOW.0, number, registry }.into());
        inner.registry = (bytes, usize::try_from(index).unwrap());
        inner.number = number;
    }

    pub(crate) fn next_id(&self) -> String {
        self.0.lock().unwrap().next_id()
    }

    /// Appends a record; it stands under the newest checkpoint then.
    pub(crate) fn append(&self, record: &Record) -> LoggedRecord {
        let mut inner = self.0.lock().unwrap();
        let index = inner.append(record);
        inner.logged(index)
    }

    /// The newest checkpoint, and the records proven under it.
    pub(crate) fn prove(&self, records: &[LoggedRecord]) -> (bytes::Bytes, Vec<LoggedRecord>) {
        let inner = self.0.lock().unwrap();
        (inner.checkpoint().into(), records.iter().map(|record| inner.logged(record.index)).collect())
    }

    pub(crate) fn reports(&self) -> Vec<(String, u32, u64)> {
        let inner = self.0.lock().unwrap();
        inner.reports.iter().map(|report| (report.requester.clone(), report.epoch, report.count)).collect()
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
        let inner = self.0.lock().unwrap();
        let (checkpoint, cosigned) = (inner.checkpoint().into(), inner.cosigned());
        Ok(Response::new(GetCheckpointResponse { checkpoint, cosigned }))
    }

    async fn witness(
        &self,
        request: Request<tonic::Streaming<WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        // One checkpoint, then what the witnesses stand behind, again and again: what follows is asked for, which is
        // the way that needs no timing.
        let Some(witness_request::Message::Begin(begin)) =
            request.into_inner().message().await?.unwrap().message
        else {
            panic!("a stream begins with from where")
        };
        let inner = self.0.lock().unwrap();
        let from_size = begin.from_size;
        let proof = if from_size == 0 {
            Vec::new()
        } else {
            inner.tree().consistency(from_size, inner.size()).unwrap()
        };
        let first = witness_response::Message::Checkpoint(StreamedCheckpoint {
            checkpoint: inner.checkpoint().into(),
            consistency: concat32(&proof),
            from_size,
            cosign: false,
        });
        let first = WitnessResponse { message: Some(first) };
        let cosigned = futures::stream::unfold(self.clone(), |log| async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let checkpoint = log.0.lock().unwrap().cosigned();
            let cosigned = witness_response::Message::Cosigned(CosignedCheckpoint { checkpoint });
            Some((Ok(WitnessResponse { message: Some(cosigned) }), log))
        });
        let stream = futures::StreamExt::chain(futures::stream::once(async move { Ok(first) }), cosigned);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_consistency(
        &self,
        request: Request<GetConsistencyRequest>,
    ) -> Result<Response<GetConsistencyResponse>, Status> {
        let inner = self.0.lock().unwrap();
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
        _: Request<PublishManifestRequest>,
    ) -> Result<Response<PublishManifestResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_manifest(
        &self,
        _: Request<GetManifestRequest>,
    ) -> Result<Response<GetManifestResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn report_enrollment(
        &self,
        request: Request<ReportEnrollmentRequest>,
    ) -> Result<Response<ReportEnrollmentResponse>, Status> {
        let report = request.into_inner();
        let mut inner = self.0.lock().unwrap();
        let record = Enrollment {
            id: inner.next_id(),
            time_ms: NOW.0,
            custodian: "keeper".to_owned(),
            requester: report.requester.clone(),
            epoch: report.epoch,
            count: report.count,
        };
        inner.reports.push(report);
        let index = inner.append(&record.into());
        let record = Some(inner.logged(index));
        Ok(Response::new(ReportEnrollmentResponse { record, checkpoint: inner.checkpoint().into() }))
    }
}

#[tonic::async_trait]
impl RegistryService for TestLog {
    async fn get_registry(
        &self,
        request: Request<GetRegistryRequest>,
    ) -> Result<Response<GetRegistryResponse>, Status> {
        let inner = self.0.lock().unwrap();
        let (registry, index) = &inner.registry;
        let record = Some(inner.logged(*index as u64));
        let (in_force_number, in_force_hash) = inner.in_force();
        if request.get_ref().after >= in_force_number {
            let in_force_hash = in_force_hash.to_vec().into();
            return Ok(Response::new(GetRegistryResponse {
                in_force_number,
                in_force_hash,
                ..Default::default()
            }));
        }
        Ok(Response::new(GetRegistryResponse {
            registry: registry.clone().into(),
            record,
            checkpoint: inner.cosigned(),
            in_force_number,
            in_force_hash: in_force_hash.to_vec().into(),
        }))
    }
}
