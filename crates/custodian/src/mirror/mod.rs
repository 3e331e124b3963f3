//! Takes sealed tables from their holders and serves them (protocol section 7).
//!
//! ```text
//! PutTable, PutChanges ─verify─▶ staged ──Activate: the manifest's record is in the log──▶ served
//!                                (durable)                        on the shelf and in the database
//! ```
//!
//! A version is verified in full when it arrives: signature of the holder, form of every bucket, the tick rule,
//! the root. Nothing is served whose manifest is not in the log.

mod activate;
mod changes;
pub(crate) mod clean;
mod locks;
mod receive;
pub(crate) mod shelf;

use std::sync::Arc;

use tacit_blind::table::{ManifestError, SignedManifest};
use tacit_identity::Role;
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Clock, ListId, Reason};
use tacit_store::Db;
use tacit_wire::custodian::mirror_service_server::MirrorService;
use tacit_wire::custodian::{
    ActivateRequest, ActivateResponse, EpochStatus, GetStatusRequest, GetStatusResponse, PutChangesRequest,
    PutChangesResponse, PutTableRequest, PutTableResponse,
};
use tacit_witness::Witness;
use tokio::sync::{Semaphore, mpsc};
use tonic::{Request, Response, Status, Streaming};

use crate::caller::Call;
use crate::error::Stop;
use crate::federation::Federation;
use crate::store::tables::{self, NewTable, TableId};
use locks::Locks;
use shelf::{Served, Shelf};

/// Only nodes hold lists.
const HOLDERS: &[Role] = &[Role::Node];

/// The service behind `MirrorService`.
#[derive(Clone)]
pub(crate) struct Mirror(Arc<Shared>);

struct Shared {
    federation: Federation,
    witness: Witness,
    db: Db,
    clock: Arc<dyn Clock>,
    shelf: Arc<Shelf>,
    locks: Locks,
    /// Bounds the chunks and changes that are in memory to be checked and written.
    checking: Semaphore,
    /// Where uploads that were broken off are handed to the cleaner.
    abandoned: mpsc::UnboundedSender<(TableId, u64)>,
}

/// What a manifest is to what is served of its epoch.
enum Follows {
    /// It is what is served.
    Served,
    /// It comes after what is served.
    After(Arc<Served>),
    /// The first of its epoch here.
    First,
}

impl Mirror {
    /// The mirror, and the uploads that were broken off.
    pub(crate) fn new(
        federation: Federation,
        witness: Witness,
        db: Db,
        clock: Arc<dyn Clock>,
        shelf: Arc<Shelf>,
        checks_at_once: usize,
    ) -> (Self, mpsc::UnboundedReceiver<(TableId, u64)>) {
        let (abandoned, broken_off) = mpsc::unbounded_channel();
        let checking = Semaphore::new(checks_at_once.max(1));
        let shared =
            Shared { federation, witness, db, clock, shelf, locks: Locks::default(), checking, abandoned };
        (Self(Arc::new(shared)), broken_off)
    }

    /// Verifies that a manifest is the caller's own, of a registered list.
    fn manifest(&self, call: &Call, note: &[u8]) -> Result<SignedManifest, Stop> {
        let known = self.0.federation.known();
        let member = known.registry.member(call.member()).ok_or(Stop::refused(Reason::UnknownMember))?;
        let key = member.keys.manifest.ok_or(Stop::Trouble(Reason::WrongRole))?;
        let verifier = NoteVerifier::new(&format!("{}/manifest", call.member()), key.0)
            .map_err(|error| Stop::Failed(Box::new(error)))?;
        let note =
            std::str::from_utf8(note).map_err(|error| Stop::because(Reason::ManifestRejected, &error))?;
        let signed = SignedManifest::verify(note, &verifier).map_err(|error| {
            let reason = match error {
                ManifestError::Note(_) | ManifestError::OtherSigner => Reason::SignatureInvalid,
                _ => Reason::ManifestRejected,
            };
            Stop::because(reason, &error)
        })?;
        let manifest = signed.manifest();
        self.own_list(call, &manifest.list)?;
        // Both are BIGINT in the database.
        if manifest.version == 0 || manifest.version.max(manifest.epoch) > i64::MAX.unsigned_abs() {
            return Err(Stop::because(Reason::ManifestRejected, "version or epoch is out of range"));
        }
        Ok(signed)
    }

    /// The caller must be the holder of the list, and the list registered.
    fn own_list(&self, call: &Call, list: &ListId) -> Result<(), Stop> {
        if list.holder() != call.member().as_str() {
            return Err(Stop::Trouble(Reason::NotPermitted));
        }
        match self.0.federation.known().registry.list(list) {
            Some(_) => Ok(()),
            None => Err(Stop::refused(Reason::UnknownList)),
        }
    }

    /// How a verified manifest stands to what is served of its list.
    fn follows(&self, signed: &SignedManifest) -> Result<Follows, Stop> {
        let manifest = signed.manifest();
        let Some(served) = self.0.shelf.get(&manifest.list, manifest.epoch) else {
            let newest = self.0.shelf.epochs(&manifest.list).last().map_or(0, |(epoch, _)| *epoch);
            return if manifest.epoch < newest {
                Err(Stop::refused(Reason::EpochOver))
            } else {
                Ok(Follows::First)
            };
        };
        if manifest.key != served.key {
            return Err(alarm(&manifest.list, "the key changed within an epoch"));
        }
        if manifest.version < served.version {
            return Err(Stop::refused(Reason::VersionOld));
        }
        if manifest.version > served.version {
            return Ok(Follows::After(served));
        }
        if signed.note_hash() == served.note_hash {
            Ok(Follows::Served)
        } else {
            Err(alarm(&manifest.list, "two manifests of one version"))
        }
    }

    /// Whether exactly this manifest is staged already: then it is a repetition.
    async fn is_staged(&self, signed: &SignedManifest) -> Result<bool, Stop> {
        let hash = signed.note_hash();
        let staged = tables::staged(&mut *self.0.db.read().await?, &signed.manifest().list).await?;
        Ok(staged.iter().any(|held| held.note_hash == hash))
    }

    async fn status(&self, call: &Call, request: &GetStatusRequest) -> Result<GetStatusResponse, Stop> {
        let list: ListId = request.list_id.parse().map_err(|_| Stop::refused(Reason::UnknownList))?;
        self.own_list(call, &list)?;
        let mut epochs: std::collections::BTreeMap<u64, EpochStatus> = self
            .0
            .shelf
            .epochs(&list)
            .into_iter()
            .map(|(epoch, active_version)| (epoch, EpochStatus { epoch, active_version, staged_version: 0 }))
            .collect();
        for held in tables::staged(&mut *self.0.db.read().await?, &list).await? {
            let status =
                epochs.entry(held.epoch).or_insert(EpochStatus { epoch: held.epoch, ..Default::default() });
            status.staged_version = held.version;
        }
        Ok(GetStatusResponse { epochs: epochs.into_values().collect() })
    }
}

/// A holder contradicts itself: refused, and loud, for two signed statements exist.
fn alarm(list: &ListId, what: &'static str) -> Stop {
    metrics::counter!("tacit_custodian_manifest_alarms_total").increment(1);
    tracing::error!(%list, what, "ALARM: a holder contradicts its own manifest");
    Stop::because(Reason::ManifestRejected, what)
}

/// The row of a table with this manifest.
fn row_of(signed: &SignedManifest) -> NewTable<'_> {
    let manifest = signed.manifest();
    NewTable {
        list: &manifest.list,
        epoch: manifest.epoch,
        version: manifest.version,
        buckets: manifest.layout.buckets(),
        capacity: manifest.layout.capacity(),
        note: signed.note().as_bytes(),
        note_hash: signed.note_hash(),
    }
}

#[tonic::async_trait]
impl MirrorService for Mirror {
    async fn put_table(
        &self,
        request: Request<Streaming<PutTableRequest>>,
    ) -> Result<Response<PutTableResponse>, Status> {
        let call = Call::of("put_table", &request, HOLDERS)?;
        let refusal = call.settle(self.receive(&call, request.into_inner()).await)?.err();
        Ok(Response::new(PutTableResponse { refusal }))
    }

    async fn put_changes(
        &self,
        request: Request<PutChangesRequest>,
    ) -> Result<Response<PutChangesResponse>, Status> {
        let call = Call::of("put_changes", &request, HOLDERS)?;
        let refusal = call.settle(self.change(&call, request.into_inner()).await)?.err();
        Ok(Response::new(PutChangesResponse { refusal }))
    }

    async fn activate(
        &self,
        request: Request<ActivateRequest>,
    ) -> Result<Response<ActivateResponse>, Status> {
        let call = Call::of("activate", &request, HOLDERS)?;
        let refusal = call.settle(self.activate_logged(&call, request.into_inner()).await)?.err();
        Ok(Response::new(ActivateResponse { refusal }))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let call = Call::of("get_status", &request, HOLDERS)?;
        let outcome = self.status(&call, request.get_ref()).await;
        match call.settle(outcome)? {
            Ok(status) => Ok(Response::new(status)),
            // Nothing is held of a list that nobody knows.
            Err(_) => Ok(Response::new(GetStatusResponse::default())),
        }
    }
}
