//! The log for members and auditors; manifests and enrollment counts for those who may write them.

use tacit_identity::Role;
use tacit_model::{MemberId, Reason};
use tacit_store::{StoreError, log::Log};
use tacit_wire::coordinator::{
    self as pb, get_manifest_response::Outcome as Found, log_service_server::LogService,
    publish_manifest_response::Outcome as Published,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{Responses, Service, parts, store_trouble, witness::WitnessStream};
use crate::{append::Write, caller::caller};

/// Records in one message of GetEntries.
const PAGE: u64 = 1024;

/// Bytes of records in one message of GetEntries, from which on no further record is added.
const PAGE_BYTES: usize = 1 << 20;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;

#[tonic::async_trait]
impl LogService for Service {
    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        caller(&request, &self.0.registry(), &Role::ALL)?;
        // First, because it may wait: the head is at least as new then.
        let cosigned = self.0.witnesses.newest().await;
        let cosigned = cosigned.map(|it| it.checkpoint().note().to_vec().into()).unwrap_or_default();
        let checkpoint = self.0.log.head().note().to_vec().into();
        Ok(Response::new(pb::GetCheckpointResponse { checkpoint, cosigned }))
    }

    type WitnessStream = Responses<pb::WitnessResponse>;

    async fn witness(
        &self,
        request: Request<Streaming<pb::WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node, Role::Custodian])?;
        let (said, metadata) = parts(request);
        let stream = WitnessStream { shared: shared.clone(), member: peer.spiffe.member };
        stream.open(said, &metadata).await
    }

    async fn get_consistency(
        &self,
        request: Request<pb::GetConsistencyRequest>,
    ) -> Result<Response<pb::GetConsistencyResponse>, Status> {
        caller(&request, &self.0.registry(), &Role::ALL)?;
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
        caller(&request, &self.0.registry(), &[Role::Auditor])?;
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
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (message, metadata) = parts(request);
        shared.writable(&metadata).await?;
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
        caller(&request, &shared.registry(), &Role::ALL)?;
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
        let peer = caller(&request, &shared.registry(), &[Role::Custodian])?;
        let (message, metadata) = parts(request);
        let requester = known_member(&message.requester, &shared.registry(), &metadata)?;
        shared.writable(&metadata).await?;
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
