//! The coordinator's gRPC services. Each method begins with [`crate::caller::caller`].

mod audit;
mod authorization;
mod consent;
mod enrollment;
mod letter;
mod log;
mod manifest;
mod measure;
mod registry;
mod requests;
mod subject;
mod witness;

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use tacit_model::{Clock, Reason};
use tacit_policy::Registry;
use tacit_store::{Db, StoreError, log::Log};
use tacit_wire::{common, coordinator as pb};
use tokio::sync::{broadcast, watch};
use tokio_stream::Stream;
use tonic::{Request, Status, metadata::MetadataMap};

use crate::{
    answer, append::Write, caller::PerMinute, config::Limits, erasures::Due, store::consents::StoredConsent,
    versions::Versions, witnesses::Witnesses, writer::Logged, writer::Writer,
};

/// Points of a request from which on its arithmetic leaves the threads that serve connections: about a
/// millisecond.
const HEAVY: usize = 8;

/// What all services share.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) log: Log,
    pub(crate) writer: Writer,
    /// The registry in force.
    pub(crate) versions: Arc<Versions>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    /// Checks that were refused before a record.
    pub(crate) bad_checks: PerMinute,
    /// Records of kind refused.
    pub(crate) refused_records: PerMinute,
    /// Consents as they change, for the requesters that watch.
    pub(crate) consents: broadcast::Sender<Arc<StoredConsent>>,
    /// Who watches the log from outside, and what they stand behind.
    pub(crate) witnesses: Arc<Witnesses>,
    /// Erasures that the database had lost, to be logged before anything else.
    pub(crate) erasures: Due,
    /// True once the server is to end: streams end then.
    pub(crate) closing: watch::Sender<bool>,
}

/// One service over the shared state.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Shared>);

/// A stream of responses.
pub(crate) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Trouble in the store: the full text goes to the log, the caller gets the fixed one.
pub(crate) fn store_trouble(error: &StoreError, metadata: &MetadataMap) -> Status {
    let request_id = tacit_wire::RequestIds::of(metadata).unwrap_or("none");
    tracing::error!(%error, request_id, "the store failed");
    // Trying again does not mend what contradicts itself.
    let reason = if error.is_corruption() { Reason::Internal } else { Reason::Unavailable };
    tacit_wire::trouble(reason, metadata)
}

/// A malformed field: the message names it and nothing else.
pub(crate) fn malformed(error: &tacit_wire::Malformed, metadata: &MetadataMap) -> Status {
    tacit_wire::status::trouble_with(Reason::Malformed, &error.to_string(), metadata)
}

/// Arithmetic over `points` points, off the threads that serve connections when it takes long.
pub(crate) async fn heavy<T: Send + 'static>(
    points: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    if points < HEAVY { Ok(work()) } else { off_threads(work).await }
}

/// Arithmetic that takes long, off the threads that serve connections.
pub(crate) async fn off_threads<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    // Only a panic or the end of the runtime stops it.
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)
}

impl Shared {
    /// The registry in force.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.versions.registry()
    }

    /// Whether anything may be appended to the log now. Every method that leaves a record asks first.
    async fn writable(&self, metadata: &MetadataMap) -> Result<(), Status> {
        self.witnesses.may_append().await.map_err(|reason| tacit_wire::trouble(reason, metadata))?;
        self.erasures.log(&self.writer).await.map_err(|error| store_trouble(&error, metadata))
    }

    /// A record with its proof.
    async fn proven(&self, index: u64, record: Vec<u8>) -> Result<(common::LoggedRecord, Bytes), StoreError> {
        let (record, checkpoint) = answer::prove_one(&self.log, index, record).await?;
        Ok((record, checkpoint.into()))
    }

    /// A record of the log by its index, with its proof.
    async fn logged(&self, index: u64) -> Result<(common::LoggedRecord, Bytes), StoreError> {
        let record = self.log.records(&[index]).await?.pop();
        let record = record.ok_or_else(|| StoreError::corrupt("log_entry", "idx", index, "is missing"))?;
        self.proven(index, record).await
    }

    /// Makes a write that leaves one record, and proves that record.
    async fn write_logged(
        &self,
        write: Write,
    ) -> Result<Result<(common::LoggedRecord, Bytes), Reason>, StoreError> {
        match self.writer.log(write).await? {
            Logged::Record(record) => self.proven(record.index, record.record).await.map(Ok),
            Logged::Before(index) => self.logged(index).await.map(Ok),
            Logged::Refused(reason) => Ok(Err(reason)),
        }
    }
}

/// A consent as requesters and authorities see it.
pub(crate) fn live(consent: &StoredConsent) -> pb::LiveConsent {
    pb::LiveConsent {
        consent_id: consent.terms.id.to_string(),
        pseudonym: consent.terms.pseudonym.to_vec().into(),
        consent: consent.text.clone().into(),
        state: consent.state.as_str().to_owned(),
        state_number: consent.number,
        uses: consent.uses,
        carried_to: consent.carried_to.map_or_else(Default::default, |to| to.to_vec().into()),
    }
}

/// Splits a request into its message and its metadata.
pub(crate) fn parts<T>(request: Request<T>) -> (T, MetadataMap) {
    let (metadata, _, message) = request.into_parts();
    (message, metadata)
}
