//! What auditors see beyond the records. Each reading is a record before it is answered, and all that can be proven is
//! verified here: chains, registrations, records, and that a quorum stands behind them.

mod cases;
mod findings;
mod found;
mod honey;
mod openings;
mod unusual;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record::{Export, Record};
use tacit_model::{Clock, MemberId, Millis, Reason};
use tacit_policy::Registry;
use tacit_wire::common;
use tacit_wire::coordinator::audit_service_client::AuditServiceClient;
use tacit_wire::coordinator::{
    AuditLogged, FollowRequest, FollowResponse, GetSignalsRequest, RecordExportRequest,
};
use tonic::Request;
use tonic::transport::Channel;

use crate::chain_finding::ChainFinding;
use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::question::RecordRef;
use crate::quorum::WitnessedLog;
use crate::retry::{self, Deadlines, Patience, is_passing};
use crate::subject_log::{ReadChain, SubjectChains, SubjectLog};

pub use cases::{CaseAnswer, CaseFiles, CaseFinding, Demand};
pub use findings::{Finding, FindingStatus, Findings, FindingsError};
pub use found::{Found, What};
pub use honey::Alarm;
pub use openings::{BoxKey, Opened, OpeningState};
pub use unusual::{Seen, Usual, is_odd, stated, unusual};

/// Who the auditor is, and how patient.
#[derive(Debug, Clone)]
pub struct AuditorConfig {
    /// The auditor's member id.
    pub member: MemberId,
    /// The pinned key of the coordinator's log.
    pub log_key: NoteVerifier,
    /// How long others are waited for.
    pub deadlines: Deadlines,
}

/// An auditor at the coordinator. Clones share everything.
#[derive(Clone)]
pub struct Auditor {
    client: AuditServiceClient<Channel>,
    config: AuditorConfig,
    chains: SubjectChains,
    log: WitnessedLog,
    registry: Arc<Registry>,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").field("member", &self.config.member).finish_non_exhaustive()
    }
}

/// A step that is on record.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its record.
    pub record: RecordRef,
    /// When.
    pub time: Millis,
}

/// All that is on record about one pseudonym of one requester.
#[derive(Clone)]
pub struct Followed {
    /// T.
    pub pseudonym: [u8; 32],
    /// The chain, verified.
    pub log: SubjectLog,
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("records", &self.log.statement.records).finish_non_exhaustive()
    }
}

/// What only the coordinator can count about a requester, in a range of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// The requester.
    pub requester: String,
    /// Records of its checks: the same number as in the log, or the coordinator counts wrongly.
    pub checks: u64,
    /// Subjects that they are about.
    pub subjects: u64,
    /// Records whose openings are erased.
    pub erased: u64,
    /// Most records about one subject.
    pub most_of_one: u64,
    /// Subjects that are asked about repeatedly.
    pub repeated: u64,
    /// Most different lists asked about one subject.
    pub most_lists: u64,
    /// Pseudonyms registered since ever.
    pub enrolled: u64,
    /// Of these, those under which no consent was ever given or asked for.
    pub without_consent: u64,
}

impl Auditor {
    /// An auditor behind a channel to the coordinator.
    #[must_use]
    pub fn new(
        config: AuditorConfig,
        registry: Arc<Registry>,
        coordinator: Channel,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (key, deadlines) = (config.log_key.clone(), config.deadlines);
        Self {
            client: AuditServiceClient::new(coordinator.clone()).max_decoding_message_size(MAX_MESSAGE),
            chains: SubjectChains::new(coordinator.clone(), key.clone(), deadlines),
            log: WitnessedLog::new(key, &registry, coordinator, deadlines, clock),
            config,
            registry,
        }
    }

    /// The auditor's member id.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.config.member
    }

    /// The registry that members and their keys are taken from.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// All records of the pseudonym that a record of a check is about. The names under which the chain goes on over
    /// pseudonym epochs are the coordinator's word: who has no code cannot have them evaluated.
    ///
    /// # Errors
    /// [`ChainFinding`]; [`Reason::NotFound`] when there is no such check or its opening is erased;
    /// [`Reason::QuotaReads`] beyond the limit of the day.
    pub async fn follow(&self, index: u64) -> Result<Followed, ChainFinding> {
        let mut patience = Patience::new(&self.config.deadlines);
        let parts = loop {
            let status = match self.follow_once(index).await {
                Ok(parts) => break parts,
                Err(status) => status,
            };
            if !is_passing(&status) || !patience.pause().await {
                let reason = retry::reason(&status);
                return Err(ClientError::NoAnswer { party: Party::Coordinator, reason }.into());
            }
        };
        let first = parts.first().ok_or_else(|| ClientError::missing(Party::Coordinator, "pseudonym"))?;
        let pseudonym: [u8; 32] = tacit_wire::array("pseudonym", &first.pseudonym)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        let chain = ReadChain(parts.into_iter().filter_map(|part| part.part).collect());
        let others: Vec<[u8; 32]> =
            chain.said_names().into_iter().filter(|name| *name != pseudonym).collect();
        let log = self.chains.verify_among(&pseudonym, &others, &chain, Default::default())?;
        self.log.accept_alone(&log.checkpoint).await?;
        if !log.entries.iter().any(|entry| entry.index == index) {
            return Err(ClientError::OtherRecord("it is not in the chain that was shown for it").into());
        }
        Ok(Followed { pseudonym, log })
    }

    async fn follow_once(&self, index: u64) -> Result<Vec<FollowResponse>, tonic::Status> {
        let mut client = self.client.clone();
        let mut stream = client.follow(Request::new(FollowRequest { index })).await?.into_inner();
        let patience = Patience::new(&self.config.deadlines);
        let mut parts = Vec::new();
        while let Some(part) = patience.once((), |_| stream.message()).await? {
            parts.push(part);
        }
        Ok(parts)
    }

    /// What only the coordinator can count about the records `from..until`, by requester.
    ///
    /// # Errors
    /// No answer; a range beyond the log or of more than 1,000,000 records.
    pub async fn signals(&self, from: u64, until: u64, repeats: u32) -> Result<Vec<Signals>, ClientError> {
        let request = GetSignalsRequest { from, until, repeats };
        // Counting takes longer than other calls: about a second for 100,000 records.
        let deadlines =
            Deadlines { call_ms: self.config.deadlines.call_ms.max(60_000), ..self.config.deadlines };
        let response = retry::call(Party::Coordinator, &deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.get_signals(request).await }
        })
        .await?;
        let told = response.requesters.into_iter().map(|it| Signals {
            requester: it.requester,
            checks: it.checks,
            subjects: it.subjects,
            erased: it.erased,
            most_of_one: it.most_of_one,
            repeated: it.repeated,
            most_lists: it.most_lists,
            enrolled: it.enrolled,
            without_consent: it.without_consent,
        });
        Ok(told.collect())
    }

    /// Puts an export on record.
    ///
    /// # Errors
    /// No answer; a record that does not hold.
    pub async fn record_export(
        &self,
        records: u64,
        from: u64,
        until: u64,
        form: &str,
    ) -> Result<Step, ClientError> {
        let request = RecordExportRequest { records, from, until, form: form.to_owned() };
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.record_export(request).await }
        })
        .await?;
        let (step, record) = self.logged(response.logged.as_ref()).await?;
        let record: Export =
            record.try_into().map_err(|_| ClientError::OtherRecord("it is not of kind export"))?;
        if *record.reader != *self.config.member || (record.from, record.until) != (from, until) {
            return Err(ClientError::OtherRecord("it names another export"));
        }
        Ok(step)
    }

    /// A record that was caused here, proven under a checkpoint that a quorum stands behind.
    async fn logged(&self, logged: Option<&AuditLogged>) -> Result<(Step, Record), ClientError> {
        let logged = logged.ok_or_else(|| ClientError::missing(Party::Coordinator, "logged"))?;
        self.proven(logged.record.as_ref(), &logged.checkpoint).await
    }

    async fn proven(
        &self,
        record: Option<&common::LoggedRecord>,
        checkpoint: &Bytes,
    ) -> Result<(Step, Record), ClientError> {
        let verified = self.log.key().verify(record, checkpoint)?;
        self.log.accept_alone(checkpoint).await?;
        let index = verified.index();
        let record = verified.into_record();
        let id = record_id(record.id())?;
        Ok((Step { record: RecordRef { id, index }, time: Millis(record.time_ms()) }, record))
    }
}

/// A refusal of the coordinator.
fn refused(refusal: &common::Refusal) -> ClientError {
    ClientError::Refused { party: Party::Coordinator, refusal: refusal.into() }
}

/// What is not in the form that the coordinator promises.
fn lacks(field: &'static str) -> ClientError {
    ClientError::missing(Party::Coordinator, field)
}

/// A question of our own that cannot be asked.
fn own(reason: Reason, field: &'static str) -> ClientError {
    ClientError::Question { reason, field }
}
