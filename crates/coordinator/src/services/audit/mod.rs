//! What auditors may see beyond the records: one pseudonym's chain, opened boxes, case evidence, counts, a watch.

mod demands;
mod openings;
mod signals;
mod watch;

use tacit_identity::Role;
use tacit_ledger::record::Record;
use tacit_model::{MemberId, Reason, Ulid, parse_ulid};
use tacit_store::StoreError;
use tacit_wire::{
    coordinator::{self as pb, audit_service_server::AuditService},
    refusal,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Responses, Service, Shared, malformed, parts, store_trouble, subject::Wanted};
use crate::{
    append::{AuditJob, Write},
    caller::caller,
    store::{audits, subjects},
};

/// Messages that may wait for a slow reader.
const AHEAD: usize = 2;

/// Forms of an export.
const FORMS: [&str; 2] = ["csv", "jsonl"];

#[tonic::async_trait]
impl AuditService for Service {
    type FollowStream = Responses<pb::FollowResponse>;

    async fn follow(
        &self,
        request: Request<pb::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Auditor])?;
        let (message, metadata) = parts(request);
        shared.writable(&metadata).await?;
        let found =
            shared.pseudonym_of(message.index).await.map_err(|error| store_trouble(&error, &metadata))?;
        let Some(pseudonym) = found else { return Err(tacit_wire::trouble(Reason::NotFound, &metadata)) };
        let per_day = Some(shared.limits.audits_per_day);
        shared.record_reading(&peer.spiffe.member, 1, per_day, &metadata).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let shared = shared.clone();
        tokio::spawn(async move {
            let first = std::sync::atomic::AtomicBool::new(true);
            let wrap = |part| {
                let first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
                let pseudonym = if first { pseudonym.to_vec() } else { Vec::new() };
                pb::FollowResponse { pseudonym: pseudonym.into(), part: Some(part) }
            };
            let wanted = Wanted { pseudonym, from_sequence: 0 };
            if let Err(trouble) = shared.send_chain(0, &wanted, &sender, wrap).await {
                let status = match trouble {
                    Some(error) => store_trouble(&error, &metadata),
                    // It moves too fast, or was erased meanwhile: the reader begins anew.
                    None => tacit_wire::trouble(Reason::Unavailable, &metadata),
                };
                // The reader may be gone.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn request_opening(
        &self,
        request: Request<pb::RequestOpeningRequest>,
    ) -> Result<Response<pb::RequestOpeningResponse>, Status> {
        use pb::request_opening_response::Outcome;
        let (peer, message, metadata) = self.auditor(request)?;
        self.0.writable(&metadata).await?;
        let outcome = match self.0.request_opening(peer, message, &metadata).await? {
            Ok(logged) => Outcome::Logged(logged),
            Err(reason) => Outcome::Refusal(refusal(reason)),
        };
        Ok(Response::new(pb::RequestOpeningResponse { outcome: Some(outcome) }))
    }

    async fn list_openings(
        &self,
        request: Request<pb::ListOpeningsRequest>,
    ) -> Result<Response<pb::ListOpeningsResponse>, Status> {
        let (_, _, metadata) = self.auditor(request)?;
        let openings = self.0.openings().await.map_err(|error| store_trouble(&error, &metadata))?;
        Ok(Response::new(pb::ListOpeningsResponse { openings }))
    }

    async fn get_opening(
        &self,
        request: Request<pb::GetOpeningRequest>,
    ) -> Result<Response<pb::GetOpeningResponse>, Status> {
        let (peer, message, metadata) = self.auditor(request)?;
        let id = id(&message.id).map_err(|error| malformed(&error, &metadata))?;
        self.0.writable(&metadata).await?;
        let shown = self.0.show_opening(&peer, id).await.map_err(|error| store_trouble(&error, &metadata))?;
        let (shown, refusal) = match shown {
            Ok(shown) => (Some(shown), None),
            Err(reason) => (None, Some(refusal(reason))),
        };
        Ok(Response::new(pb::GetOpeningResponse { shown, refusal }))
    }

    async fn approve_opening(
        &self,
        request: Request<pb::ApproveOpeningRequest>,
    ) -> Result<Response<pb::ApproveOpeningResponse>, Status> {
        use pb::approve_opening_response::Outcome;
        let (peer, message, metadata) = self.auditor(request)?;
        self.0.writable(&metadata).await?;
        let outcome = match self.0.approve_opening(peer, message, &metadata).await? {
            Ok(logged) => Outcome::Logged(logged),
            Err(reason) => Outcome::Refusal(refusal(reason)),
        };
        Ok(Response::new(pb::ApproveOpeningResponse { outcome: Some(outcome) }))
    }

    async fn demand_case(
        &self,
        request: Request<pb::DemandCaseRequest>,
    ) -> Result<Response<pb::DemandCaseResponse>, Status> {
        use pb::demand_case_response::Outcome;
        let (peer, message, metadata) = self.auditor(request)?;
        self.0.writable(&metadata).await?;
        let outcome = match self.0.demand_case(peer, &message, &metadata).await? {
            Ok(logged) => Outcome::Logged(logged),
            Err(reason) => Outcome::Refusal(refusal(reason)),
        };
        Ok(Response::new(pb::DemandCaseResponse { outcome: Some(outcome) }))
    }

    async fn list_demands(
        &self,
        request: Request<pb::ListDemandsRequest>,
    ) -> Result<Response<pb::ListDemandsResponse>, Status> {
        let peer = caller(&request, &self.0.registry(), &[Role::Node, Role::Authority, Role::Auditor])?;
        let (message, metadata) = parts(request);
        let listed = self.0.demands(&peer.spiffe.member, message.open).await;
        Ok(Response::new(listed.map_err(|error| store_trouble(&error, &metadata))?))
    }

    async fn answer_demand(
        &self,
        request: Request<pb::AnswerDemandRequest>,
    ) -> Result<Response<pb::AnswerDemandResponse>, Status> {
        let peer = caller(&request, &self.0.registry(), &[Role::Node, Role::Authority])?;
        let (message, metadata) = parts(request);
        self.0.writable(&metadata).await?;
        let outcome = self.0.answer_demand(peer.spiffe.member, message, &metadata).await?;
        Ok(Response::new(pb::AnswerDemandResponse { refusal: outcome.err().map(refusal) }))
    }

    async fn get_signals(
        &self,
        request: Request<pb::GetSignalsRequest>,
    ) -> Result<Response<pb::GetSignalsResponse>, Status> {
        let (peer, message, metadata) = self.auditor(request)?;
        self.0.writable(&metadata).await?;
        let requesters = self.0.signals(&peer, &message, &metadata).await?;
        Ok(Response::new(pb::GetSignalsResponse { requesters }))
    }

    type WatchPseudonymsStream = Responses<pb::WatchPseudonymsResponse>;

    async fn watch_pseudonyms(
        &self,
        request: Request<pb::WatchPseudonymsRequest>,
    ) -> Result<Response<Self::WatchPseudonymsStream>, Status> {
        let (peer, message, metadata) = self.auditor(request)?;
        let pseudonyms = watch::wanted(&message).map_err(|error| malformed(&error, &metadata))?;
        self.0.writable(&metadata).await?;
        let (count, per_day) = (pseudonyms.len() as u64, Some(self.0.limits.audits_per_day));
        self.0.record_reading(&peer, count, per_day, &metadata).await?;
        Ok(Response::new(watch::begin(self.0.clone(), pseudonyms, metadata)))
    }

    async fn record_export(
        &self,
        request: Request<pb::RecordExportRequest>,
    ) -> Result<Response<pb::RecordExportResponse>, Status> {
        let (reader, message, metadata) = self.auditor(request)?;
        let wrong = |field, problem| Err(malformed(&tacit_wire::Malformed { field, problem }, &metadata));
        let pb::RecordExportRequest { records, from, until, form } = message;
        if !FORMS.contains(&form.as_str()) {
            return wrong("form", "is none of csv and jsonl");
        }
        if until <= from || until > self.0.log.head().size() {
            return wrong("until", "is not within the log");
        }
        if records == 0 || records > until - from {
            return wrong("records", "are not within the range");
        }
        self.0.writable(&metadata).await?;
        let job = AuditJob::Export { reader, records, from, until, form };
        match self.0.log_step(job, &metadata).await? {
            Ok(logged) => Ok(Response::new(pb::RecordExportResponse { logged: Some(logged) })),
            Err(reason) => Err(tacit_wire::trouble(reason, &metadata)),
        }
    }
}

/// A ULID of a message.
fn id(text: &str) -> Result<Ulid, tacit_wire::Malformed> {
    parse_ulid(text).ok_or(tacit_wire::Malformed { field: "id", problem: "is not a ULID" })
}

impl Service {
    /// An auditor's call.
    fn auditor<T>(&self, request: Request<T>) -> Result<(MemberId, T, MetadataMap), Status> {
        let peer = caller(&request, &self.0.registry(), &[Role::Auditor])?;
        let (message, metadata) = parts(request);
        Ok((peer.spiffe.member, message, metadata))
    }
}

/// A record about a check.
struct About {
    requester: String,
    id: String,
}

impl Shared {
    /// The pseudonym that a record of a check is about, by its first name; none when it is none, or its opening is
    /// erased.
    async fn pseudonym_of(&self, index: u64) -> Result<Option<[u8; 32]>, StoreError> {
        if self.check_at(index).await?.is_none() {
            return Ok(None);
        }
        let mut conn = self.db.read().await?;
        let Some(subject) = audits::subject_of(&mut conn, index).await? else { return Ok(None) };
        subjects::first(&mut conn, subject).await.map(Some)
    }

    /// The check that a record is about; none when there is no such record, or it is of another kind.
    async fn check_at(&self, index: u64) -> Result<Option<About>, StoreError> {
        if index >= self.log.head().size() {
            return Ok(None);
        }
        let bytes = self.log.records(&[index]).await?.pop().unwrap_or_default();
        Ok(match Record::parse(&bytes) {
            Ok(Record::Access(it)) => Some(About { requester: it.requester, id: it.id }),
            Ok(Record::Refused(it)) => Some(About { requester: it.requester, id: it.id }),
            _ => None,
        })
    }

    /// Makes a step, and proves its record.
    async fn log_step(
        &self,
        job: AuditJob,
        metadata: &MetadataMap,
    ) -> Result<Result<pb::AuditLogged, Reason>, Status> {
        let written = self.write_logged(Write::Audit(Box::new(job))).await;
        match written.map_err(|error| store_trouble(&error, metadata))? {
            Ok((record, checkpoint)) => Ok(Ok(pb::AuditLogged { record: Some(record), checkpoint })),
            // Nothing was done, and the same call may be answered later.
            Err(reason @ (Reason::Unavailable | Reason::Internal | Reason::ClockOff)) => {
                Err(tacit_wire::trouble(reason, metadata))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }
}
