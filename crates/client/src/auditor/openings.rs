//! Audit boxes, opened by two: the first asks, the second takes off its layer, the first reads and judges.

use std::fmt;

use bytes::Bytes;
use tacit_blind::audit_box::{self, AuditorSecretKey, BoxFinding, OpenedBox};
use tacit_blind::enroll::Parties;
use tacit_blind::opening::{ProvenRegistration, ShownRegistration, approval_message, request_message};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::record::{BoxOpened, Record};
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Millis, Reason, Ulid, parse_ulid};
use tacit_policy::registry::entry::Role;
use tacit_wire::chunks32;
use tacit_wire::coordinator::{
    ApproveOpeningRequest, GetOpeningRequest, ListOpeningsRequest, RequestOpeningRequest,
    ShownRegistration as Shown, approve_opening_response, request_opening_response,
};

use super::cases::CaseFiles;
use super::found::{Found, What};
use super::{Auditor, Step, lacks, own, refused};
use crate::error::{ClientError, Party};
use crate::question::RecordRef;
use crate::retry;

/// Most checks of a request.
const MAX_CHECKS: usize = 1024;

/// An opening, without what it shows; the coordinator's word, beside its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningState {
    /// ULID, that of the record of the request.
    pub id: Ulid,
    /// Who asked.
    pub auditor: String,
    /// Who approves.
    pub second: String,
    /// Whose registration.
    pub requester: String,
    /// The record that it is about.
    pub about: String,
    /// Why.
    pub ground: String,
    /// When it was asked for.
    pub requested: Millis,
    /// requested, approved or read.
    pub step: String,
}

/// Which of the two keys of the audit boxes an auditor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxKey {
    /// The first: it asks, and reads what the second approved.
    First,
    /// The second: it approves.
    Second,
}

/// A registration with its box open.
pub struct Opened {
    /// The record of the check that it was opened for.
    pub about: RecordRef,
    /// Whose registration.
    pub requester: MemberId,
    /// T.
    pub pseudonym: [u8; 32],
    /// `matter` of the check.
    pub matter: [u8; 32],
    /// What the box says, when it can be read.
    pub opened: Option<OpenedBox>,
    /// What is wrong with it. The requester lied.
    pub finding: Option<BoxFinding>,
}

impl Opened {
    /// What does not hold, and a case that is not among the case files, when there are some.
    #[must_use]
    pub fn found(&self, cases: Option<&CaseFiles>) -> Vec<Found> {
        let made_up = |opened: &OpenedBox| cases.is_some_and(|cases| !cases.has(opened.case()));
        let case = self.opened.as_ref().filter(|opened| made_up(opened)).map(|_| What::BoxCaseUnlisted);
        let what = self.finding.map(What::of_box).into_iter().chain(case);
        let (requester, about) = (self.requester.as_str(), self.about.id.to_string());
        what.map(|what| Found::new(what, requester, &about)).collect()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("about", &self.about)
            .field("finding", &self.finding)
            .finish_non_exhaustive()
    }
}

/// What was shown of an opening, verified.
struct Verified {
    shown: Shown,
    about: RecordRef,
    requester: MemberId,
    registration: ShownRegistration,
    proven: ProvenRegistration,
    matter: [u8; 32],
}

impl Auditor {
    /// Which of the two keys of the audit boxes is this auditor's, by the registry; none where it has neither, or both.
    #[must_use]
    pub fn box_key(&self) -> Option<BoxKey> {
        let auditors = self.registry.members().filter(|it| it.has(Role::Auditor));
        let mut holders = auditors.flat_map(|it| it.keys.boxes.iter().map(|_| &it.id));
        let own = &self.config.member;
        match (holders.next()? == own, holders.next()? == own) {
            (true, false) => Some(BoxKey::First),
            (false, true) => Some(BoxKey::Second),
            _ => None,
        }
    }

    /// Asks for the box behind a record of a check.
    ///
    /// # Errors
    /// A refusal; a record that does not hold.
    pub async fn request_opening(
        &self,
        index: u64,
        about: &str,
        ground: &str,
        signing: &SigningKey,
    ) -> Result<Step, ClientError> {
        let message = request_message(about, ground).map_err(ClientError::Own)?;
        let signature = Bytes::copy_from_slice(&signing.sign(&message));
        let request = RequestOpeningRequest { index, ground: ground.to_owned(), signature };
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.request_opening(request).await }
        })
        .await?;
        let logged = match response.outcome {
            Some(request_opening_response::Outcome::Logged(logged)) => logged,
            Some(request_opening_response::Outcome::Refusal(refusal)) => return Err(refused(&refusal)),
            None => return Err(lacks("outcome")),
        };
        let (step, record) = self.logged(Some(&logged)).await?;
        let record = box_opened(record, "requested")?;
        if record.about != about || *record.auditor != *self.config.member {
            return Err(ClientError::OtherRecord("it names another opening"));
        }
        Ok(step)
    }

    /// Openings that were asked for, newest first.
    ///
    /// # Errors
    /// No answer.
    pub async fn openings(&self) -> Result<Vec<OpeningState>, ClientError> {
        let request = ListOpeningsRequest {};
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.list_openings(request).await }
        })
        .await?;
        let told = response.openings.into_iter().map(|it| {
            Ok(OpeningState {
                id: parse_ulid(&it.id).ok_or_else(|| lacks("id"))?,
                auditor: it.auditor,
                second: it.second,
                requester: it.requester,
                about: it.about,
                ground: it.ground,
                requested: Millis(it.requested_ms),
                step: it.step,
            })
        });
        told.collect()
    }

    /// Takes the outer layer off a box and hands it to who asked. What is shown is verified first, so that nobody
    /// approves another registration than that of the record.
    ///
    /// # Errors
    /// A refusal; what was shown does not hold; the box has no layer of this key.
    pub async fn approve_opening(
        &self,
        id: Ulid,
        key: &AuditorSecretKey,
        signing: &SigningKey,
    ) -> Result<Step, ClientError> {
        self.is_box_key(key, 1)?;
        let it = self.shown(id).await?;
        let register_hash = it.proven.register_hash;
        let peeled = audit_box::open_outer(&it.registration.audit_box, &it.proven.registered(), key);
        // A box that its requester made unreadable is approved as it is: the finding is the first auditor's to make.
        let inner = match peeled {
            Ok(inner) => inner.to_vec(),
            Err(BoxFinding::Unreadable) => it.registration.audit_box[..audit_box::INNER_BYTES].to_vec(),
            Err(_) => return Err(lacks("audit_box")),
        };
        let message = approval_message(&id.to_string(), &register_hash, &inner).map_err(ClientError::Own)?;
        let signature = Bytes::copy_from_slice(&signing.sign(&message));
        let request = ApproveOpeningRequest { id: id.to_string(), inner: inner.into(), signature };
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.approve_opening(request).await }
        })
        .await?;
        let logged = match response.outcome {
            Some(approve_opening_response::Outcome::Logged(logged)) => logged,
            Some(approve_opening_response::Outcome::Refusal(refusal)) => return Err(refused(&refusal)),
            None => return Err(lacks("outcome")),
        };
        let (step, record) = self.logged(Some(&logged)).await?;
        if box_opened(record, "approved")?.registration != register_hash {
            return Err(ClientError::OtherRecord("it names another registration"));
        }
        Ok(step)
    }

    /// Opens an approved box and judges it: `Ph = z·HashToGroup(input)` and `Th = z·T`.
    ///
    /// # Errors
    /// A refusal, as long as the second auditor has not approved; what was shown does not hold.
    pub async fn open_approved(&self, id: Ulid, key: &AuditorSecretKey) -> Result<Opened, ClientError> {
        self.is_box_key(key, 0)?;
        let it = self.shown(id).await?;
        let second = it.shown.opening.as_ref().map(|opening| opening.second.as_str()).unwrap_or_default();
        let second = second.parse().map_err(|_| lacks("second"))?;
        let member = self.registry.member(&second).ok_or(own(Reason::UnknownMember, "second"))?;
        let message = approval_message(&id.to_string(), &it.proven.register_hash, &it.shown.inner)
            .map_err(ClientError::Own)?;
        let approval: [u8; 64] = tacit_wire::array("approval", &it.shown.approval)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        if member.id == self.config.member || member.keys.signing.0.verify(&message, &approval).is_err() {
            return Err(ClientError::OtherRecord("the second auditor did not sign what was handed over"));
        }
        let registered = it.proven.registered();
        let (opened, finding) = match audit_box::open_inner(&it.shown.inner, &registered, key) {
            Ok(opened) => {
                let finding = audit_box::check_opened(&opened, &registered).err();
                (Some(opened), finding)
            }
            Err(finding) => (None, Some(finding)),
        };
        Ok(Opened {
            about: it.about,
            requester: it.requester.clone(),
            pseudonym: it.registration.pseudonym,
            matter: it.matter,
            opened,
            finding,
        })
    }

    /// With another key every box would look unreadable, and its requester like a liar.
    fn is_box_key(&self, key: &AuditorSecretKey, place: usize) -> Result<(), ClientError> {
        let boxes = self.registry.audit_boxes().ok_or(ClientError::Registry("the auditors' box keys"))?;
        if key.public().encode() == boxes[place].0 {
            return Ok(());
        }
        Err(own(Reason::NotPermitted, "keys.box"))
    }

    /// What the coordinator shows of an opening, verified against the record it is about.
    async fn shown(&self, id: Ulid) -> Result<Verified, ClientError> {
        let request = GetOpeningRequest { id: id.to_string() };
        let response = retry::call(Party::Coordinator, &self.config.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.get_opening(request).await }
        })
        .await?;
        if let Some(refusal) = response.refusal {
            return Err(refused(&refusal));
        }
        let shown = response.shown.ok_or_else(|| lacks("shown"))?;
        let (about, record) = self.proven(shown.record.as_ref(), &shown.checkpoint).await?;
        let (requester, evidence, matter) = match record {
            Record::Access(it) => (it.requester, it.evidence, it.matter),
            Record::Refused(it) => (it.requester, it.evidence, it.matter),
            _ => return Err(ClientError::OtherRecord("it is of no check")),
        };
        let requester: MemberId = requester.parse().map_err(|_| lacks("requester"))?;
        let registration = registration(&shown).map_err(ClientError::malformed(Party::Coordinator))?;
        let member = self.registry.member(&requester).ok_or(own(Reason::UnknownMember, "requester"))?;
        let former = member.keys.changes.iter().map(|change| change.key);
        let keys: Vec<[u8; 32]> =
            std::iter::once(member.keys.signing).chain(former).map(|key| key.0.to_bytes()).collect();
        let parties = Parties {
            custodian: self.registry.custodian(),
            coordinator: self.registry.coordinator(),
            requester: &requester,
        };
        let proven = registration
            .verify(&evidence, &parties, &keys, &mut os_rng())
            .map_err(|_| ClientError::OtherRecord("the registration shown is not the one behind it"))?;
        Ok(Verified { shown, about: about.record, requester, registration, proven, matter })
    }
}

fn box_opened(record: Record, step: &str) -> Result<BoxOpened, ClientError> {
    let record: BoxOpened =
        record.try_into().map_err(|_| ClientError::OtherRecord("it is not of kind box-opened"))?;
    if record.step == step { Ok(record) } else { Err(ClientError::OtherRecord("it is of another step")) }
}

fn registration(shown: &Shown) -> Result<ShownRegistration, tacit_wire::convert::Malformed> {
    Ok(ShownRegistration {
        epoch: shown.epoch,
        blinded_subject: tacit_wire::array("blinded_subject", &shown.blinded_subject)?,
        evaluated: tacit_wire::array("evaluated", &shown.evaluated)?,
        pseudonym: tacit_wire::array("pseudonym", &shown.pseudonym)?,
        proof: tacit_wire::array("proof", &shown.proof)?,
        audit_box: tacit_wire::array::<{ audit_box::BOX_BYTES }>("audit_box", &shown.audit_box)?.to_vec(),
        salt_evidence: tacit_wire::array("salt_evidence", &shown.salt_evidence)?,
        context: shown.context.to_vec(),
        bind_proof: tacit_wire::array("bind_proof", &shown.bind_proof)?,
        signature: tacit_wire::array("signature", &shown.signature)?,
        check_hashes: chunks32("check_hashes", &shown.check_hashes, MAX_CHECKS)?,
    })
}
