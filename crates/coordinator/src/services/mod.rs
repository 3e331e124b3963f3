//! The coordinator's gRPC services. Each method begins with [`crate::caller::caller`].

mod authorization;
mod consent;
mod enrollment;
mod log;
mod registry;

use std::{pin::Pin, sync::Arc};

use tacit_model::{Clock, Reason};
use tacit_policy::Registry;
use tacit_store::{Db, StoreError, log::Log};
use tacit_wire::{common, coordinator as pb};
use tokio::sync::broadcast;
use tokio_stream::Stream;
use tonic::{Request, Status, metadata::MetadataMap};

use crate::{answer, caller::BadChecks, config::Limits, store::consents::StoredConsent, writer::Writer};

/// What all services share.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) log: Log,
    pub(crate) writer: Writer,
    pub(crate) registry: Arc<Registry>,
    pub(crate) registry_bytes: Arc<[u8]>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) bad_checks: BadChecks,
    /// Consents as they change, for the requesters that watch.
    pub(crate) consents: broadcast::Sender<Arc<StoredConsent>>,
    /// Every new checkpoint.
    pub(crate) checkpoints: broadcast::Sender<tacit_ledger::checkpoint::VerifiedCheckpoint>,
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
    tacit_wire::trouble(Reason::Unavailable, metadata)
}

/// A malformed field: the message names it and nothing else.
pub(crate) fn malformed(error: &tacit_wire::Malformed, metadata: &MetadataMap) -> Status {
    tacit_wire::status::trouble_with(Reason::Malformed, &error.to_string(), metadata)
}

impl Shared {
    /// A record with its proof.
    async fn proven(
        &self,
        index: u64,
        record: Vec<u8>,
    ) -> Result<(common::LoggedRecord, Vec<u8>), StoreError> {
        answer::prove_one(&self.log, index, record).await
    }

    /// A record of the log by its index, with its proof.
    async fn logged(&self, index: u64) -> Result<(common::LoggedRecord, Vec<u8>), StoreError> {
        let record = self.log.records(&[index]).await?.pop().unwrap_or_default();
        self.proven(index, record).await
    }
}

/// A consent as requesters and authorities see it.
pub(crate) fn live(consent: &StoredConsent) -> pb::LiveConsent {
    pb::LiveConsent {
        consent_id: consent.id.clone(),
        pseudonym: consent.pseudonym.to_vec().into(),
        consent: consent.text.clone().into(),
        state: consent.state.clone(),
        state_number: consent.number,
        uses: consent.uses,
    }
}

/// Splits a request into its message and its metadata.
pub(crate) fn parts<T>(request: Request<T>) -> (T, MetadataMap) {
    let (metadata, _, message) = request.into_parts();
    (message, metadata)
}
