//! Case evidence: what opens the `matter` of a check, demanded on record and handed over past the coordinator.

use std::collections::BTreeSet;
use std::fmt;

use tacit_blind::audit_box::{AuditorPublicKey, AuditorSecretKey};
use tacit_blind::case_evidence::{CaseEvidence, Demanded};
use tacit_ledger::record::{self, Record};
use tacit_model::entropy::os_rng;
use tacit_model::{Millis, Ulid};
use tacit_wire::coordinator::audit_service_client::AuditServiceClient;
use tacit_wire::coordinator::{
    AnswerDemandRequest, DemandCaseRequest, ListDemandsRequest, demand_case_response,
};

use super::found::{Found, What};
use super::{Auditor, Step, lacks, refused};
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::requester::Requester;
use crate::retry;

/// What a requester handed over.
#[derive(Debug)]
pub enum CaseAnswer {
    /// Nothing yet, and there is time.
    Open,
    /// Nothing, and the time is over.
    Overdue,
    /// It opens the `matter` of the record.
    Proven(CaseEvidence),
    /// It opens something else, or cannot be read.
    False(CaseFinding),
}

/// What is wrong with case evidence. The requester is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaseFinding {
    /// It cannot be read.
    #[error("the case evidence cannot be read")]
    Unreadable,
    /// It does not open the record's `matter`.
    #[error("the case evidence is not that of the check")]
    OtherMatter,
}

/// The case files of a requester, as it hands them over another way: one number a line.
#[derive(Clone, Default)]
pub struct CaseFiles(BTreeSet<String>);

impl fmt::Debug for CaseFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaseFiles").field(&self.0.len()).finish()
    }
}

impl CaseFiles {
    /// Reads the lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Whether a case is among them.
    #[must_use]
    pub fn has(&self, case: &str) -> bool {
        self.0.contains(case.trim())
    }
}

/// A demand, with what became of it.
#[derive(Debug)]
pub struct Demand {
    /// Its record.
    pub step: Step,
    /// Who is to answer.
    pub requester: String,
    /// ULID of the record of the check.
    pub about: String,
    /// Until when.
    pub due: Millis,
    /// When it was answered, in the coordinator's words.
    pub answered: Option<Millis>,
    /// The answer as it came; empty while there is none.
    pub sealed: Vec<u8>,
}

impl Demand {
    /// What the answer shows about a check whose record has this `matter`.
    #[must_use]
    pub fn judge(&self, matter: &[u8; 32], key: &AuditorSecretKey, now: Millis) -> CaseAnswer {
        if self.sealed.is_empty() {
            return if now > self.due { CaseAnswer::Overdue } else { CaseAnswer::Open };
        }
        let id = self.step.record.id.to_string();
        match CaseEvidence::open(&self.sealed, &Demanded { demand: &id, record: &self.about }, key) {
            Ok(evidence) if evidence.opens(matter) => CaseAnswer::Proven(evidence),
            Ok(_) => CaseAnswer::False(CaseFinding::OtherMatter),
            Err(_) => CaseAnswer::False(CaseFinding::Unreadable),
        }
    }

    /// What is wrong with an answer, and a case that is not among the case files, when there are some.
    #[must_use]
    pub fn found(&self, answer: &CaseAnswer, cases: Option<&CaseFiles>) -> Option<Found> {
        let what = match answer {
            CaseAnswer::Overdue => What::Overdue,
            CaseAnswer::False(_) => What::CaseFalse,
            CaseAnswer::Proven(it) if cases.is_some_and(|cases| !cases.has(&it.case)) => What::CaseUnlisted,
            CaseAnswer::Open | CaseAnswer::Proven(_) => return None,
        };
        Some(Found::new(what, &self.requester, &self.about))
    }
}

impl Auditor {
    /// Demands the case evidence of a check.
    ///
    /// # Errors
    /// A refusal; a record that does not hold.
    pub async fn demand_case(&self, index: u64, within_s: u32) -> Result<Step, ClientError> {
        let request = DemandCaseRequest { index, within_s };
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.demand_case(request).await }
        })
        .await?;
        let logged = match response.outcome {
            Some(demand_case_response::Outcome::Logged(logged)) => logged,
            Some(demand_case_response::Outcome::Refusal(refusal)) => return Err(refused(&refusal)),
            None => return Err(lacks("outcome")),
        };
        let (step, record) = self.logged(Some(&logged)).await?;
        match record {
            Record::Demand(it) if *it.auditor == *self.config.member => Ok(step),
            _ => Err(ClientError::OtherRecord("it is not the demand that was made")),
        }
    }

    /// The auditor's demands, newest first, each proven.
    ///
    /// # Errors
    /// No answer; a record that does not hold.
    pub async fn demands(&self) -> Result<Vec<Demand>, ClientError> {
        let response = retry::call(
            Party::Coordinator,
            &self.config.deadlines,
            ListDemandsRequest { open: false },
            |request| {
                let mut client = self.client.clone();
                async move { client.list_demands(request).await }
            },
        )
        .await?;
        let mut demands = Vec::with_capacity(response.demands.len());
        for it in response.demands {
            let (step, record) = self.proven(it.record.as_ref(), &response.checkpoint).await?;
            let Record::Demand(record) = record else {
                return Err(ClientError::OtherRecord("it is not of kind demand"));
            };
            demands.push(Demand {
                step,
                requester: record.requester,
                about: record.about,
                due: Millis(record.due_ms),
                answered: (it.answered_ms > 0).then_some(Millis(it.answered_ms)),
                sealed: it.answer.to_vec(),
            });
        }
        Ok(demands)
    }
}

impl Requester {
    /// Answers every demand for case evidence that is in the log and addressed to this requester, without anybody's
    /// doing: the case and officer of a check that was made here are the auditors' to see. How many were answered.
    ///
    /// # Errors
    /// No answer; the storage.
    pub async fn answer_demands(&self) -> Result<usize, ClientError> {
        let client = AuditServiceClient::new(self.connections().coordinator());
        let request = ListDemandsRequest { open: true };
        let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
            let mut client = client.clone();
            async move { client.list_demands(request).await }
        })
        .await?;
        if response.demands.is_empty() {
            return Ok(0);
        }
        self.witnessed().accept_alone(&response.checkpoint).await?;
        let mut answered = 0;
        for it in &response.demands {
            let verified = self.log().verify(it.record.as_ref(), &response.checkpoint)?;
            let demand: record::Demand = verified
                .into_record()
                .try_into()
                .map_err(|_| ClientError::OtherRecord("it is not of kind demand"))?;
            if *demand.requester != **self.member() {
                continue;
            }
            let Some(evidence) = self.case_evidence(record_id(&demand.about)?).await? else {
                tracing::warn!(demand = %demand.id, "case evidence is demanded of a check that is not kept here");
                continue;
            };
            let Some(key) = self.box_key(&demand.auditor) else {
                tracing::warn!(auditor = %demand.auditor, "who demands case evidence has no box key");
                continue;
            };
            let of = Demanded { demand: &demand.id, record: &demand.about };
            let answer = evidence.seal(&of, &key, &mut os_rng()).map_err(ClientError::Own)?;
            let request = AnswerDemandRequest { id: demand.id.clone(), answer: answer.into() };
            let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
                let mut client = client.clone();
                async move { client.answer_demand(request).await }
            })
            .await?;
            match response.refusal {
                Some(refusal) => tracing::warn!(reason = %refusal.reason, "case evidence was not taken"),
                None => answered += 1,
            }
        }
        Ok(answered)
    }

    /// The key that an auditor's answers are sealed to: its first.
    fn box_key(&self, auditor: &str) -> Option<AuditorPublicKey> {
        let registry = self.registry();
        let key = registry.member(&auditor.parse().ok()?)?.keys.boxes.first().copied()?;
        AuditorPublicKey::decode(&key.0).ok()
    }

    /// What opens the `matter` of a check that was made here; `None` when it is not kept.
    async fn case_evidence(&self, record: Ulid) -> Result<Option<CaseEvidence>, ClientError> {
        let Some(stored) = self.store().record(record).await? else { return Ok(None) };
        let (request, answer) = self.open_stored(&stored)?;
        let Some(item) = answer.items.iter().find(|item| item.id == record) else { return Ok(None) };
        let Some((_, salt)) = request.checks.get(item.check) else { return Ok(None) };
        let (case, officer) = (request.case.clone(), request.officer.clone());
        Ok(Some(CaseEvidence { salt: *salt, case, officer }))
    }
}
