//! The log for members and auditors; manifests and enrollment counts for those who may write them.

use tacit_identity::Role;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{MemberId, Reason};
use tacit_store::{StoreError, log::Log};
use tacit_wire::coordinator::{
    self as pb, get_manifest_response::Outcome as Found, log_service_server::LogService,
    publish_manifest_response::Outcome as Published,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Responses, Service, parts, store_trouble};
use crate::{append::Write, caller::caller};

/// Records in one message of GetEntries.
const PAGE: u64 = 1024;

/// Bytes of records in one message of GetEntries, from which on no further record is added.
const PAGE_BYTES: usize = 1 << 20;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;

/// Checkpoints that may wait for a slow reader.
const CHECKPOINTS_AHEAD: usize = 256;

#[tonic::async_trait]
impl LogService for Service {
    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        caller(&request, &self.0.registry, &Role::ALL)?;
        let checkpoint = self.0.log.head().note().to_vec().into();
        Ok(Response::new(pb::GetCheckpointResponse { checkpoint }))
    }

    type WatchCheckpointsStream = Responses<pb::WatchCheckpointsResponse>;

    async fn watch_checkpoints(
        &self,
        request: Request<pb::WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        caller(&request, &self.0.registry, &[Role::Node, Role::Custodian])?;
        let (message, metadata) = parts(request);
        let log = self.0.log.clone();
        // Before the head is read, so that nothing falls between the two.
        let news = log.subscribe();
        if message.from_size > log.head().size() {
            return Err(tacit_wire::trouble(Reason::LogBehind, &metadata));
        }
        let (sender, receiver) = mpsc::channel(CHECKPOINTS_AHEAD);
        let closing = self.0.closing.subscribe();
        tokio::spawn(push_checkpoints(log, news, closing, message.from_size, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_consistency(
        &self,
        request: Request<pb::GetConsistencyRequest>,
    ) -> Result<Response<pb::GetConsistencyResponse>, Status> {
        caller(&request, &self.0.registry, &Role::ALL)?;
        let (message, metadata) = parts(request);
        let head = self.0.log.head();
        let to = if message.to_size == 0 { head.size() } else { message.to_size };
        if message.from_size == 0 || message.from_size > to || to > head.size() {
            return Err(tacit_wire::trouble(Reason::LogBehind, &metadata));
        }
        let proof = self.0.log.consistency(message.from_size, to).await;
        let proof = proof.map_err(|error| store_trouble(&error, &metadata))?;
        let checkpoint = head.note().to_vec().into();
        let consistency = tacit_wire::concat32(&proof);
        Ok(Response::new(pb::GetConsistencyResponse { consistency, checkpoint }))
    }

    type GetEntriesStream = Responses<pb::GetEntriesResponse>;

    async fn get_entries(
        &self,
        request: Request<pb::GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        caller(&request, &self.0.registry, &[Role::Auditor])?;
        let (message, metadata) = parts(request);
        let log = self.0.log.clone();
        let size = log.head().size();
        let end =
            if message.count == 0 { size } else { message.start.saturating_add(message.count).min(size) };
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            if let Err(error) = push_entries(&log, message.start, end, &sender).await {
                // The reader may be gone.
                let _ = sender.send(Err(store_trouble(&error, &metadata))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn publish_manifest(
        &self,
        request: Request<pb::PublishManifestRequest>,
    ) -> Result<Response<pb::PublishManifestResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Node])?;
        let (message, metadata) = parts(request);
        let outcome = match shared.own_manifest(&message.manifest, &peer.spiffe.member) {
            Ok(manifest) => {
                let written = shared.write_logged(Write::Manifest(Box::new(manifest))).await;
                written.map_err(|error| store_trouble(&error, &metadata))?
            }
            Err(reason) => Err(reason),
        };
        let outcome = match outcome {
            Ok((record, checkpoint)) => {
                Published::Logged(pb::ManifestLogged { record: Some(record), checkpoint })
            }
            Err(reason) => Published::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::PublishManifestResponse { outcome: Some(outcome) }))
    }

    async fn get_manifest(
        &self,
        request: Request<pb::GetManifestRequest>,
    ) -> Result<Response<pb::GetManifestResponse>, Status> {
        let shared = &self.0;
        caller(&request, &shared.registry, &Role::ALL)?;
        let (message, metadata) = parts(request);
        let found = shared.find_manifest(&message).await.map_err(|error| store_trouble(&error, &metadata))?;
        let outcome = match found {
            Ok(manifest) => Found::Manifest(manifest),
            Err(reason) => Found::Refusal(tacit_wire::refusal(reason)),
        };
        Ok(Response::new(pb::GetManifestResponse { outcome: Some(outcome) }))
    }

    async fn report_enrollment(
        &self,
        request: Request<pb::ReportEnrollmentRequest>,
    ) -> Result<Response<pb::ReportEnrollmentResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry, &[Role::Custodian])?;
        let (message, metadata) = parts(request);
        let requester = known_member(&message.requester, &shared.registry, &metadata)?;
        let (epoch, count) = (message.epoch, message.count);
        let write = Write::Enrollment { custodian: peer.spiffe.member, requester, epoch, count };
        let written = shared.write_logged(write).await.map_err(|error| store_trouble(&error, &metadata))?;
        let (record, checkpoint) = written.map_err(|reason| tacit_wire::trouble(reason, &metadata))?;
        Ok(Response::new(pb::ReportEnrollmentResponse { record: Some(record), checkpoint }))
    }
}

fn known_member(
    name: &str,
    registry: &tacit_policy::Registry,
    metadata: &MetadataMap,
) -> Result<MemberId, Status> {
    let member: Option<MemberId> = name.parse().ok();
    member
        .filter(|member| registry.member(member).is_some())
        .ok_or_else(|| tacit_wire::trouble(Reason::UnknownMember, metadata))
}

/// Sends records page by page until the reader goes away.
async fn push_entries(
    log: &Log,
    start: u64,
    end: u64,
    sender: &mpsc::Sender<Result<pb::GetEntriesResponse, Status>>,
) -> Result<(), StoreError> {
    let mut next = start;
    while next < end {
        let mut records = log.entries(next, PAGE.min(end - next)).await?.into_iter().peekable();
        while records.peek().is_some() {
            let mut page = pb::GetEntriesResponse { start: next, records: Vec::new() };
            let mut bytes = 0;
            while let Some(record) = records.next_if(|_| bytes < PAGE_BYTES) {
                bytes += record.len();
                page.records.push(record.into());
            }
            next += page.records.len() as u64;
            if sender.send(Ok(page)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sends every checkpoint with the proof from the one sent before, until the reader goes away. A reader
/// that falls behind gets one proof over what it missed.
async fn push_checkpoints(
    log: Log,
    mut news: broadcast::Receiver<VerifiedCheckpoint>,
    mut closing: watch::Receiver<bool>,
    from_size: u64,
    sender: mpsc::Sender<Result<pb::WatchCheckpointsResponse, Status>>,
) {
    let mut sent = from_size;
    let mut next = Some(log.head());
    loop {
        if let Some(head) = next.take().filter(|head| head.size() > sent) {
            let consistency = match sent {
                0 => Ok(Vec::new()),
                sent => log.consistency(sent, head.size()).await,
            };
            let message = match consistency {
                Ok(proof) => Ok(pb::WatchCheckpointsResponse {
                    checkpoint: head.note().to_vec().into(),
                    consistency: tacit_wire::concat32(&proof),
                    from_size: sent,
                }),
                Err(error) => Err(store_trouble(&error, &MetadataMap::new())),
            };
            sent = head.size();
            let failed = message.is_err();
            if sender.send(message).await.is_err() || failed {
                return;
            }
        }
        tokio::select! {
            () = sender.closed() => return,
            _ = closing.wait_for(|closing| *closing) => return,
            head = news.recv() => next = match head {
                Ok(head) => Some(head),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(log.head()),
                Err(broadcast::error::RecvError::Closed) => return,
            },
        }
    }
}
