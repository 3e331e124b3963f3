//! Case evidence: demanded by an auditor, handed over by the requester, sealed past the coordinator.

use tacit_blind::case_evidence::SEALED_BYTES;
use tacit_model::{MemberId, Reason};
use tacit_store::StoreError;
use tacit_wire::coordinator as pb;
use tonic::{Status, metadata::MetadataMap};

use super::{Shared, id, malformed, store_trouble};
use crate::{
    answer,
    append::{AuditJob, Write},
    store::audits,
};

/// Longest time for an answer: 30 days.
const WITHIN_MAX_S: u32 = 2_592_000;

impl Shared {
    pub(super) async fn demand_case(
        &self,
        auditor: MemberId,
        message: &pb::DemandCaseRequest,
        metadata: &MetadataMap,
    ) -> Result<Result<pb::AuditLogged, Reason>, Status> {
        if !(1..=WITHIN_MAX_S).contains(&message.within_s) {
            let error = tacit_wire::Malformed { field: "within_s", problem: "is not 1 second to 30 days" };
            return Err(malformed(&error, metadata));
        }
        let sealable = self.registry().member(&auditor).is_some_and(|it| !it.keys.boxes.is_empty());
        if !sealable {
            return Ok(Err(Reason::NotPermitted));
        }
        let about = self.check_at(message.index).await.map_err(|error| store_trouble(&error, metadata))?;
        let Some(about) = about else { return Ok(Err(Reason::NotFound)) };
        let within_ms = u64::from(message.within_s) * 1000;
        let job = AuditJob::Demand { auditor, requester: about.requester, about: about.id, within_ms };
        self.log_step(job, metadata).await
    }

    /// Demands of an auditor, or to a requester, with their records.
    pub(super) async fn demands(
        &self,
        of: &MemberId,
        open: bool,
    ) -> Result<pb::ListDemandsResponse, StoreError> {
        let found = {
            let mut conn = self.db.read().await?;
            audits::case_demands(&mut conn, of, open).await?
        };
        let indexes: Vec<u64> = found.iter().map(|it| it.log_index).collect();
        if indexes.is_empty() {
            return Ok(pb::ListDemandsResponse::default());
        }
        let (records, checkpoint) = answer::prove_stored(&self.log, &indexes).await?;
        let demands = found.into_iter().zip(records).map(|(it, record)| {
            let (answer, answered_ms) = it.answer.unwrap_or_default();
            // What a requester answered is for the auditor.
            let answer = if it.auditor == **of { answer.into() } else { bytes::Bytes::new() };
            pb::Demand { record: Some(record), answer, answered_ms }
        });
        Ok(pb::ListDemandsResponse { demands: demands.collect(), checkpoint: checkpoint.into() })
    }

    pub(super) async fn answer_demand(
        &self,
        requester: MemberId,
        message: pb::AnswerDemandRequest,
        metadata: &MetadataMap,
    ) -> Result<Result<(), Reason>, Status> {
        let id = id(&message.id).map_err(|error| malformed(&error, metadata))?;
        if message.answer.len() != SEALED_BYTES {
            let error = tacit_wire::Malformed { field: "answer", problem: "has not 2048 bytes" };
            return Err(malformed(&error, metadata));
        }
        let job = AuditJob::Answer { id, requester, answer: message.answer.to_vec() };
        let stored = self.writer.store(Write::Audit(Box::new(job))).await;
        stored.map_err(|error| store_trouble(&error, metadata))
    }
}
