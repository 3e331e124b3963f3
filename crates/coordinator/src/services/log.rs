//! The log for members and auditors; manifests and enrollment counts for those who may write them.

use tacit_blind::table::SignedManifest;
use tacit_identity::Role;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{ListId, MemberId, Reason};
use tacit_store::{StoreError, log::Log};
use tacit_wire::coordinator::{
    self as pb, get_manifest_response::Outcome as Found, log_service_server::LogService,
    publish_manifest_response::Outcome as Published,
};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Responses, Service, Shared, parts, store_trouble};
use crate::{
    append::Job,
    caller::{caller, manifest_verifier},
    store::manifests,
    writer::Logged,
};

/// Records in one message of GetEntries.
const PAGE: u64 = 1024;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;

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
        if message.from_size > log.head().size() {
            return Err(tacit_wire::trouble(Reason::LogBehind, &metadata));
        }
        let news = self.0.checkpoints.subscribe();
        let (sender, receiver) = mpsc::channel(256);
        tokio::spawn(push_checkpoints(log, news, message.from_size, sender));
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
        let proof = self
            .0
            .log
            .consistency(message.from_size, to)
            .await
            .map_err(|error| store_trouble(&error, &metadata))?;
        let checkpoint = head.note().to_vec().into();
        Ok(Response::new(pb::GetConsistencyResponse {
            consistency: tacit_wire::concat32(&proof),
            checkpoint,
        }))
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
            let mut start = message.start;
            while start < end {
                let page = log.entries(start, PAGE.min(end - start)).await;
                let page = page.map(|records| pb::GetEntriesResponse {
                    start,
                    records: records.into_iter().map(Into::into).collect(),
                });
                let page = page.map_err(|error| store_trouble(&error, &metadata));
                let failed = page.is_err();
                if sender.send(page).await.is_err() || failed {
                    return;
                }
                start += PAGE;
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
                shared.publish(manifest).await.map_err(|error| store_trouble(&error, &metadata))?
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
            Some(manifest) => Found::Manifest(manifest),
            None => Found::Refusal(tacit_wire::refusal(Reason::ListNotReady)),
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
        let requester: MemberId =
            message.requester.parse().map_err(|_| tacit_wire::trouble(Reason::UnknownMember, &metadata))?;
        if shared.registry.member(&requester).is_none() {
            return Err(tacit_wire::trouble(Reason::UnknownMember, &metadata));
        }
        let job = Job::Enrollment {
            custodian: peer.spiffe.member,
            requester,
            epoch: message.epoch,
            count: message.count,
        };
        let written = async {
            match shared.writer.write(job).await? {
                Logged::Record { record, .. } => shared.proven(record.index, record.record).await.map(Some),
                Logged::Before(_) | Logged::Nothing | Logged::Refused(_) => Ok(None),
            }
        };
        let written = written.await.map_err(|error| store_trouble(&error, &metadata))?;
        let (record, checkpoint) = written.ok_or_else(|| tacit_wire::trouble(Reason::Internal, &metadata))?;
        Ok(Response::new(pb::ReportEnrollmentResponse {
            record: Some(record),
            checkpoint: checkpoint.into(),
        }))
    }
}

impl Shared {
    /// A manifest that the calling holder signed for a list of its own.
    fn own_manifest(&self, note: &[u8], holder: &MemberId) -> Result<SignedManifest, Reason> {
        let note = std::str::from_utf8(note).map_err(|_| Reason::ManifestRejected)?;
        // Which list it is decides by whose key it must be signed, so the name is read before it is verified.
        let list: ListId =
            note.lines().nth(1).and_then(|line| line.parse().ok()).ok_or(Reason::ManifestRejected)?;
        if list.holder() != holder.as_str() {
            return Err(Reason::WrongRole);
        }
        let key = manifest_verifier(&self.registry, &list).ok_or(Reason::UnknownList)?;
        SignedManifest::verify(note, &key).map_err(|error| {
            tracing::warn!(%error, list = list.as_str(), "a manifest was refused");
            Reason::ManifestRejected
        })
    }

    async fn publish(&self, manifest: SignedManifest) -> Result<Published, StoreError> {
        let (record, checkpoint) = match self.writer.write(Job::Manifest(Box::new(manifest))).await? {
            Logged::Record { record, .. } => self.proven(record.index, record.record).await?,
            Logged::Before(index) => self.logged(index).await?,
            Logged::Refused(reason) => return Ok(Published::Refusal(tacit_wire::refusal(reason))),
            Logged::Nothing => return Ok(Published::Refusal(tacit_wire::refusal(Reason::Internal))),
        };
        Ok(Published::Logged(pb::ManifestLogged { record: Some(record), checkpoint: checkpoint.into() }))
    }

    async fn find_manifest(
        &self,
        asked: &pb::GetManifestRequest,
    ) -> Result<Option<pb::Manifest>, StoreError> {
        let mut conn = self.db.read().await?;
        let found = manifests::find(&mut conn, &asked.list_id, asked.epoch, asked.version).await?;
        drop(conn);
        let Some(stored) = found else { return Ok(None) };
        let (record, checkpoint) = self.logged(stored.log_index).await?;
        Ok(Some(pb::Manifest {
            manifest: stored.note.into(),
            record: Some(record),
            checkpoint: checkpoint.into(),
        }))
    }
}

/// Sends every checkpoint with the proof from the one sent before, until the reader goes away. A reader
/// that falls behind gets one proof over what it missed.
async fn push_checkpoints(
    log: Log,
    mut news: broadcast::Receiver<VerifiedCheckpoint>,
    from_size: u64,
    sender: mpsc::Sender<Result<pb::WatchCheckpointsResponse, Status>>,
) {
    let mut sent = from_size;
    let mut next = Some(log.head());
    loop {
        if let Some(head) = next.take().filter(|head| head.size() > sent || sent == 0) {
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
                Err(error) => {
                    tracing::error!(%error, "no consistency proof");
                    Err(tacit_wire::trouble(Reason::Unavailable, &Default::default()))
                }
            };
            sent = head.size();
            if sender.send(message).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sender.closed() => return,
            head = news.recv() => next = match head {
                Ok(head) => Some(head),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(log.head()),
                Err(broadcast::error::RecvError::Closed) => return,
            },
        }
    }
}
