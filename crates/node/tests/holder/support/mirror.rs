//! A custodian that only mirrors: it verifies roots, layouts and the tick rule, as a real one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tacit_blind::table::{Manifest, SignedManifest, TableTree, check_bucket, minimum_cover, verify_tick};
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record::Record;
use tacit_model::Reason;
use tacit_wire::custodian::mirror_service_server::MirrorService;
use tacit_wire::custodian::put_table_request::Part;
use tacit_wire::custodian::*;
use tacit_wire::refusal;
use tonic::{Request, Response, Status, Streaming};

use super::Faults;
use super::registry::key;

#[derive(Clone)]
pub(crate) struct TestMirror {
    tables: Arc<Mutex<BTreeMap<(String, u64), Held>>>,
    faults: Faults,
}

#[derive(Default)]
struct Held {
    active: Option<Copy>,
    staged: Option<Copy>,
}

/// One version of a table.
#[derive(Clone)]
pub(crate) struct Copy {
    pub(crate) manifest: Manifest,
    hash: [u8; 32],
    pub(crate) buckets: Vec<Vec<u8>>,
}

fn verify(note: &[u8]) -> SignedManifest {
    let note = std::str::from_utf8(note).unwrap();
    let holder = note.lines().nth(1).unwrap().split('/').next().unwrap();
    let name = format!("{holder}/manifest");
    SignedManifest::verify(note, &NoteVerifier::new(&name, key(&name).verifying_key()).unwrap()).unwrap()
}

impl TestMirror {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { tables: Arc::default(), faults }
    }

    /// What is served of a list's epoch.
    pub(crate) fn served(&self, list: &str, epoch: u64) -> Option<Copy> {
        self.tables.lock().unwrap().get(&(list.to_owned(), epoch))?.active.clone()
    }

    /// Version staged of a list's epoch.
    pub(crate) fn staged(&self, list: &str, epoch: u64) -> Option<u64> {
        Some(self.tables.lock().unwrap().get(&(list.to_owned(), epoch))?.staged.as_ref()?.manifest.version)
    }

    /// Loses everything.
    pub(crate) fn lose_all(&self) {
        self.tables.lock().unwrap().clear();
    }

    fn stage(&self, signed: &SignedManifest, buckets: Vec<Vec<u8>>) -> Result<(), Reason> {
        let manifest = signed.manifest();
        if buckets.len() != manifest.layout.buckets() as usize {
            return Err(Reason::TableRejected);
        }
        let leaf = |(number, bucket): (usize, &Vec<u8>)| {
            check_bucket(manifest.layout, u32::try_from(number).unwrap(), bucket)
                .map_err(|_| Reason::TableRejected)
        };
        let leaves = buckets.iter().enumerate().map(leaf).collect::<Result<Vec<_>, _>>()?;
        if TableTree::new(&leaves).unwrap().root() != manifest.root {
            return Err(Reason::TableRejected);
        }
        let place = (manifest.list.to_string(), manifest.epoch);
        let copy = Copy { manifest: manifest.clone(), hash: signed.note_hash(), buckets };
        self.tables.lock().unwrap().entry(place).or_default().staged = Some(copy);
        Ok(())
    }

    fn change(&self, signed: &SignedManifest, changes: Vec<BucketChange>) -> Result<(), Reason> {
        let manifest = signed.manifest();
        let base = self.served(manifest.list.as_str(), manifest.epoch).ok_or(Reason::ListNotReady)?;
        if base.hash == signed.note_hash() {
            return Ok(());
        }
        if manifest.version != base.manifest.version + 1 {
            return Err(Reason::VersionOld);
        }
        assert!(changes.len() >= minimum_cover(manifest.layout) as usize, "not enough cover");
        assert!(changes.array_windows().all(|[one, next]| one.bucket < next.bucket));
        assert_eq!(manifest.layout, base.manifest.layout);
        let mut buckets = base.buckets;
        for change in changes {
            let place = &mut buckets[change.bucket as usize];
            verify_tick(manifest.layout, change.bucket, place, &change.entries).unwrap();
            *place = change.entries.to_vec();
        }
        self.stage(signed, buckets)
    }
}

#[tonic::async_trait]
impl MirrorService for TestMirror {
    async fn put_table(
        &self,
        request: Request<Streaming<PutTableRequest>>,
    ) -> Result<Response<PutTableResponse>, Status> {
        self.faults.before("table")?;
        let mut stream = request.into_inner();
        let Some(PutTableRequest { part: Some(Part::Header(header)) }) = stream.message().await? else {
            panic!("the header comes first");
        };
        let signed = verify(&header.manifest);
        let manifest = signed.manifest();
        let mut buckets = Vec::new();
        while let Some(PutTableRequest { part: Some(Part::Chunk(chunk)) }) = stream.message().await? {
            assert_eq!(chunk.first_bucket as usize, buckets.len());
            buckets.extend(chunk.buckets.chunks(manifest.layout.bucket_bytes()).map(<[u8]>::to_vec));
        }
        if let Some(served) = self.served(manifest.list.as_str(), manifest.epoch) {
            if served.manifest.key != manifest.key {
                return Ok(Response::new(PutTableResponse {
                    refusal: Some(refusal(Reason::ManifestRejected)),
                }));
            }
            let grows = manifest.layout.capacity() > served.manifest.layout.capacity();
            assert!(grows || manifest.version != served.manifest.version + 1);
        }
        let outcome = self.stage(&signed, buckets);
        self.faults.after("table")?;
        Ok(Response::new(PutTableResponse { refusal: outcome.err().map(refusal) }))
    }

    async fn put_changes(
        &self,
        request: Request<PutChangesRequest>,
    ) -> Result<Response<PutChangesResponse>, Status> {
        self.faults.before("changes")?;
        let request = request.into_inner();
        let outcome = self.change(&verify(&request.manifest), request.changes);
        self.faults.after("changes")?;
        Ok(Response::new(PutChangesResponse { refusal: outcome.err().map(refusal) }))
    }

    async fn activate(
        &self,
        request: Request<ActivateRequest>,
    ) -> Result<Response<ActivateResponse>, Status> {
        self.faults.before("activate")?;
        let Record::Manifest(record) =
            Record::parse(&request.get_ref().record.as_ref().unwrap().record).unwrap()
        else {
            panic!("not a manifest record");
        };
        {
            let mut tables = self.tables.lock().unwrap();
            let held = tables.entry((record.list, record.epoch)).or_default();
            match held.staged.take() {
                Some(staged) if staged.hash == record.note => held.active = Some(staged),
                staged => {
                    held.staged = staged;
                    if held.active.as_ref().is_none_or(|active| active.hash != record.note) {
                        return Ok(Response::new(ActivateResponse {
                            refusal: Some(refusal(Reason::NotFound)),
                        }));
                    }
                }
            }
        }
        self.faults.after("activate")?;
        Ok(Response::new(ActivateResponse { refusal: None }))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
