//! Where tables and manifests go: the custodian mirrors, the coordinator logs.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tacit_blind::table::SignedManifest;
use tacit_ledger::record::Record;
use tacit_model::{Millis, Reason};
use tacit_wire::common::{LoggedRecord, Refusal};
use tacit_wire::coordinator::{
    PublishManifestRequest, log_service_client::LogServiceClient, publish_manifest_response::Outcome,
};
use tacit_wire::custodian::{
    ActivateRequest, BucketChange, PutChangesRequest, PutTableRequest, TableChunk, TableHeader,
    mirror_service_client::MirrorServiceClient, put_table_request::Part,
};
use tacit_witness::Witness;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Status, transport::Channel};

/// Deadline of a whole table.
const TABLE_DEADLINE: Duration = Duration::from_secs(600);
/// Deadline of changes, of a manifest and of an activation.
const DEADLINE: Duration = Duration::from_secs(30);

/// A step of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The whole table, to the custodian.
    PutTable,
    /// Rewritten buckets, to the custodian.
    PutChanges,
    /// The manifest, to the coordinator.
    LogManifest,
    /// The logged manifest, to the custodian.
    Activate,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PutTable => "sending the table to the custodian",
            Self::PutChanges => "sending changes to the custodian",
            Self::LogManifest => "logging the manifest",
            Self::Activate => "activating the version at the custodian",
        })
    }
}

/// A step of publication failed. Every step may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The other party said no.
    #[error("{step}: refused, {reason}: {message}")]
    Refused {
        /// Which step.
        step: Step,
        /// Its reason.
        reason: Reason,
        /// Its words.
        message: String,
    },
    /// There was no answer, or trouble instead of one.
    #[error("{step}: {reason}")]
    Trouble {
        /// Which step.
        step: Step,
        /// What kind of trouble.
        reason: Reason,
    },
}

impl PublishError {
    /// The stable reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { reason, .. } | Self::Trouble { reason, .. } => *reason,
        }
    }

    fn refused(step: Step, refusal: Refusal) -> Self {
        let reason = refusal.reason.parse().unwrap_or(Reason::Internal);
        Self::Refused { step, reason, message: refusal.message }
    }

    fn trouble(step: Step, status: &Status) -> Self {
        tracing::debug!(%step, code = ?status.code(), "no answer");
        Self::Trouble { step, reason: tacit_wire::reason_of(status).unwrap_or(Reason::Unavailable) }
    }
}

/// Consecutive buckets of a table.
#[derive(Debug, Clone)]
pub struct TablePart {
    /// Number of the first one.
    pub first_bucket: u32,
    /// Their bytes, concatenated; at most 4 MiB.
    pub buckets: Bytes,
}

/// A manifest that is in the log, with its proof.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedManifest {
    /// The record of kind `manifest`.
    pub record: LoggedRecord,
    /// When it was recorded.
    pub time: Millis,
    /// The checkpoint it stands under.
    pub checkpoint: Bytes,
}

/// What the holder needs of the others. Every step is idempotent: the same manifest again gives the same result.
pub trait Publisher: Send + Sync + 'static {
    /// Sends a whole table; when the parts end too early the custodian refuses it.
    fn put_table<'a>(
        &'a self,
        manifest: &'a SignedManifest,
        parts: mpsc::Receiver<TablePart>,
    ) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Sends the rewritten buckets of the next version, ascending by number.
    fn put_changes<'a>(
        &'a self,
        manifest: &'a SignedManifest,
        changes: Vec<(u32, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Has the manifest logged, and verifies that it is.
    fn log_manifest<'a>(
        &'a self,
        manifest: &'a SignedManifest,
    ) -> BoxFuture<'a, Result<LoggedManifest, PublishError>>;

    /// Has the custodian serve a logged version.
    fn activate<'a>(&'a self, logged: LoggedManifest) -> BoxFuture<'a, Result<(), PublishError>>;
}

/// The real custodian and coordinator.
pub(super) struct GrpcPublisher {
    mirror: MirrorServiceClient<Channel>,
    log: LogServiceClient<Channel>,
    witness: Witness,
}

impl GrpcPublisher {
    pub(super) fn new(coordinator: Channel, custodian: Channel, witness: Witness) -> Self {
        Self { mirror: MirrorServiceClient::new(custodian), log: LogServiceClient::new(coordinator), witness }
    }
}

fn request<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

fn none(step: Step, refusal: Option<Refusal>) -> Result<(), PublishError> {
    refusal.map_or(Ok(()), |refusal| Err(PublishError::refused(step, refusal)))
}

impl Publisher for GrpcPublisher {
    fn put_table<'a>(
        &'a self,
        manifest: &'a SignedManifest,
        parts: mpsc::Receiver<TablePart>,
    ) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let step = Step::PutTable;
            let header =
                Part::Header(TableHeader { manifest: Bytes::copy_from_slice(manifest.note().as_bytes()) });
            let chunks = ReceiverStream::new(parts).map(|part| {
                Part::Chunk(TableChunk { first_bucket: part.first_bucket, buckets: part.buckets })
            });
            let stream =
                tokio_stream::once(header).chain(chunks).map(|part| PutTableRequest { part: Some(part) });
            let answer = self.mirror.clone().put_table(request(stream, TABLE_DEADLINE)).await;
            none(step, answer.map_err(|status| PublishError::trouble(step, &status))?.into_inner().refusal)
        })
    }

    fn put_changes<'a>(
        &'a self,
        manifest: &'a SignedManifest,
        changes: Vec<(u32, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let step = Step::PutChanges;
            let message = PutChangesRequest {
                manifest: Bytes::copy_from_slice(manifest.note().as_bytes()),
                changes: changes
                    .into_iter()
                    .map(|(bucket, entries)| BucketChange { bucket, entries: entries.into() })
                    .collect(),
            };
            let answer = self.mirror.clone().put_changes(request(message, DEADLINE)).await;
            none(step, answer.map_err(|status| PublishError::trouble(step, &status))?.into_inner().refusal)
        })
    }

    fn log_manifest<'a>(
        &'a self,
        manifest: &'a SignedManifest,
    ) -> BoxFuture<'a, Result<LoggedManifest, PublishError>> {
        Box::pin(async move {
            let step = Step::LogManifest;
            let trouble = |reason| PublishError::Trouble { step, reason };
            let message =
                PublishManifestRequest { manifest: Bytes::copy_from_slice(manifest.note().as_bytes()) };
            let answer = self.log.clone().publish_manifest(request(message, DEADLINE)).await;
            let logged =
                match answer.map_err(|status| PublishError::trouble(step, &status))?.into_inner().outcome {
                    Some(Outcome::Logged(logged)) => logged,
                    Some(Outcome::Refusal(refusal)) => return Err(PublishError::refused(step, refusal)),
                    None => return Err(trouble(Reason::Malformed)),
                };
            let record = logged.record.ok_or_else(|| trouble(Reason::Malformed))?;
            let verified = self
                .witness
                .verify(&logged.checkpoint, std::slice::from_ref(&record))
                .await
                .map_err(trouble)?;
            let verified =
                verified.into_iter().next().unwrap_or(Err(Reason::PermitNotLogged)).map_err(trouble)?;
            let time = match verified.into_record() {
                Record::Manifest(of) if of.note == manifest.note_hash() => Millis(of.time_ms),
                _ => return Err(trouble(Reason::PermitNotLogged)),
            };
            Ok(LoggedManifest { record, time, checkpoint: logged.checkpoint })
        })
    }

    fn activate<'a>(&'a self, logged: LoggedManifest) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            let step = Step::Activate;
            let message = ActivateRequest { record: Some(logged.record), checkpoint: logged.checkpoint };
            let answer = self.mirror.clone().activate(request(message, DEADLINE)).await;
            none(step, answer.map_err(|status| PublishError::trouble(step, &status))?.into_inner().refusal)
        })
    }
}
