//! What auditors do beside reading: openings of audit boxes, demands for case evidence, exports. Each step is a record
//! before anything of it is shown.

use rand_core::Rng as _;
use tacit_ledger::record;
use tacit_model::{MemberId, Reason, Ulid};
use tacit_store::StoreError;

use super::{Commit, Done, NewRecord};
use crate::store::audits::{self, BoxOpening, NewDemand};

/// A step of an auditor's work, or a requester's answer to it; verified as far as it can be outside the commit.
pub(crate) enum AuditJob {
    /// An authority or an auditor reads this many pseudonyms; how many it may in a day, none when this is not counted.
    Reading { reader: MemberId, pseudonyms: u64, per_day: Option<u64> },
    /// A box is to be opened; id, salt, time and index are set here.
    Request(Box<BoxOpening>),
    /// The second auditor approves; its signature over this holds.
    Approve { id: Ulid, second: MemberId, inner: Vec<u8>, signature: Vec<u8> },
    /// The first auditor is about to read.
    Read { id: Ulid, auditor: MemberId },
    /// Case evidence is demanded.
    Demand { auditor: MemberId, requester: String, about: String, within_ms: u64 },
    /// Case evidence is handed over.
    Answer { id: Ulid, requester: MemberId, answer: Vec<u8> },
    /// Records leave the federation.
    Export { reader: MemberId, records: u64, from: u64, until: u64, form: String },
}

impl Commit<'_> {
    pub(super) async fn audit(&mut self, job: AuditJob) -> Result<Done, StoreError> {
        match job {
            AuditJob::Reading { reader, pseudonyms, per_day } => {
                self.reading(&reader, pseudonyms, per_day).await
            }
            AuditJob::Request(opening) => self.request_opening(*opening).await,
            AuditJob::Approve { id, second, inner, signature } => {
                self.approve_opening(id, &second, &inner, &signature).await
            }
            AuditJob::Read { id, auditor } => self.read_opening(id, &auditor).await,
            AuditJob::Demand { auditor, requester, about, within_ms } => {
                self.demand(&auditor, requester, about, within_ms).await
            }
            AuditJob::Answer { id, requester, answer } => self.answer(id, &requester, &answer).await,
            AuditJob::Export { reader, records, from, until, form } => {
                let id = self.ulid().to_string();
                let reader = reader.to_string();
                let (record, _) = self.push(record::Export {
                    id,
                    time_ms: self.now.0,
                    reader,
                    records,
                    from,
                    until,
                    form,
                })?;
                Ok(Done::Logged(record))
            }
        }
    }

    async fn request_opening(&mut self, mut opening: BoxOpening) -> Result<Done, StoreError> {
        let known =
            audits::open_request(self.conn, &opening.auditor, &opening.about, &opening.ground).await?;
        if let Some(index) = known {
            // A lost answer.
            return Ok(Done::Before(index));
        }
        opening.id = self.ulid();
        opening.requested_ms = self.now.0;
        self.rng.fill_bytes(&mut opening.ground_salt);
        let record = self.step(&opening, "requested", opening.id)?;
        opening.requested_index = record.index;
        audits::put_opening(self.conn, &opening).await?;
        tracing::info!(auditor = %opening.auditor, requester = %opening.requester, "an audit box is to be opened");
        Ok(Done::Logged(record))
    }

    async fn approve_opening(
        &mut self,
        id: Ulid,
        second: &MemberId,
        inner: &[u8],
        signature: &[u8],
    ) -> Result<Done, StoreError> {
        let Some(opening) = audits::box_opening(self.conn, id).await? else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        if *opening.second != **second {
            return Ok(Done::Refused(Reason::NotPermitted));
        }
        if let Some((index, before, _)) = &opening.approved {
            // A lost answer; HPKE opens to the same bytes each time.
            return Ok(if before == inner { Done::Before(*index) } else { Done::Refused(Reason::Conflict) });
        }
        let new = self.ulid();
        let record = self.step(&opening, "approved", new)?;
        audits::approve_opening(self.conn, id, record.index, inner, signature).await?;
        tracing::info!(%second, auditor = %opening.auditor, "an opening of an audit box is approved");
        Ok(Done::Logged(record))
    }

    async fn read_opening(&mut self, id: Ulid, auditor: &MemberId) -> Result<Done, StoreError> {
        let Some(opening) = audits::box_opening(self.conn, id).await? else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        if *opening.auditor != **auditor || opening.approved.is_none() {
            return Ok(Done::Refused(Reason::NotPermitted));
        }
        if let Some(index) = opening.read_index {
            return Ok(Done::Before(index));
        }
        let new = self.ulid();
        let record = self.step(&opening, "read", new)?;
        audits::read_opening(self.conn, id, record.index).await?;
        Ok(Done::Logged(record))
    }

    /// The record of a step.
    fn step(&mut self, of: &BoxOpening, step: &str, id: Ulid) -> Result<NewRecord, StoreError> {
        let record = record::BoxOpened {
            id: id.to_string(),
            time_ms: self.now.0,
            step: step.to_owned(),
            auditor: of.auditor.clone(),
            second: of.second.clone(),
            requester: of.requester.clone(),
            registration: of.register_hash,
            about: of.about.clone(),
            ground: tacit_blind::opening::ground(&of.ground_salt, &of.ground),
        };
        Ok(self.push(record)?.0)
    }

    async fn demand(
        &mut self,
        auditor: &MemberId,
        requester: String,
        about: String,
        within_ms: u64,
    ) -> Result<Done, StoreError> {
        if let Some(index) = audits::open_demand(self.conn, auditor, &about, self.now.0).await? {
            // A lost answer, or one demand too many.
            return Ok(Done::Before(index));
        }
        let (id, due_ms) = (self.ulid(), self.now.plus_ms(within_ms).0);
        let (record, _) = self.push(record::Demand {
            id: id.to_string(),
            time_ms: self.now.0,
            auditor: auditor.to_string(),
            requester: requester.clone(),
            about: about.clone(),
            due_ms,
        })?;
        let (requester, about, log_index) = (requester.as_str(), about.as_str(), record.index);
        let new = NewDemand { id, auditor, requester, about, log_index, due_ms };
        audits::put_demand(self.conn, &new).await?;
        Ok(Done::Logged(record))
    }

    async fn answer(&mut self, id: Ulid, requester: &MemberId, answer: &[u8]) -> Result<Done, StoreError> {
        let demand = audits::case_demand(self.conn, id).await?.filter(|it| *it.requester == **requester);
        let Some(demand) = demand else { return Ok(Done::Refused(Reason::NotFound)) };
        // Sealed anew each time: what came first stays, and a lost answer is no mistake.
        if demand.answer.is_none() {
            audits::answer_demand(self.conn, id, answer, self.now.0).await?;
        }
        Ok(Done::Stored)
    }
}
