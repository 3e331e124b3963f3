//! Enrollment (protocol section 3), once per subject: find what is kept, blind what is new, have the custodian
//! evaluate, register with the coordinator.
//!
//! ```text
//! keys -> store ─┬─ enrolled ────────────────────────────────────────────────▶ Known
//!                ├─ pending ───────┐ (same Ph again: costs no quota)
//!                ├─ earlier epoch ─┤ (same Ph too, and carried on: P41)
//!                └─ nothing: blind ┴▶ durable ─▶ D ─▶ verify, unblind ─▶ box, proof ─▶ C ─▶ durable ─▶ Known
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use tacit_blind::audit_box::AuditorPublicKey;
use tacit_blind::enroll::{self, Blinded, Enrolled, MAX_BATCH, Parties};
use tacit_blind::group::Point;
use tacit_blind::oprf::DleqProof;
use tacit_blind::subject::Subject;
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Millis, Reason, SubjectCode};
use tacit_policy::Registry;
use tacit_wire::coordinator::enrollment_service_client::EnrollmentServiceClient;
use tacit_wire::coordinator::{LiveConsent, RegisterRequest, register_response};
use tacit_wire::custodian::pseudonym_service_client::PseudonymServiceClient;
use tacit_wire::custodian::{EvaluateRequest, evaluate_response};
use tacit_wire::{chunks32, concat32};
use zeroize::Zeroizing;

use crate::carrying::{Carry, carry, is_no_carry};
use crate::connections::MAX_MESSAGE;
use crate::enrolling::Enrolling;
use crate::error::{ClientError, Party};
use crate::question::{Question, Refusal};
use crate::requester::{Requester, heavy};
use crate::retry;
use crate::store::{RowKey, SubjectRow};
use crate::subject_row::{Opened, decode, encode};
use crate::vault::Kind;

/// An enrolled subject, ready to be asked about.
pub(crate) struct Known {
    /// For Finalize; names the subject, wiped on drop.
    pub(crate) input: Zeroizing<Vec<u8>>,
    pub(crate) enrolled: Enrolled,
}

/// A subject on its way.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// Place among the subjects asked for.
    pub(crate) place: usize,
    pub(crate) key: RowKey,
    pub(crate) code: SubjectCode,
    pub(crate) blinded: Blinded,
    /// The registration of an earlier epoch that it continues.
    pub(crate) carry: Option<Carry>,
}

/// What the audit box of a new subject says about why it was enrolled.
#[derive(Clone, Copy)]
pub(crate) struct EnrolledFor<'a> {
    /// Case number.
    pub(crate) case: &'a str,
    /// Who asks or writes.
    pub(crate) officer: &'a str,
}

impl<'a> From<&'a Question> for EnrolledFor<'a> {
    fn from(question: &'a Question) -> Self {
        Self { case: &question.case, officer: &question.officer }
    }
}

/// What an enrollment is made with.
pub(crate) struct Terms {
    pub(crate) registry: Arc<Registry>,
    pub(crate) requester: MemberId,
    pub(crate) epoch: u32,
    pub(crate) custodian_key: Point,
    pub(crate) auditors: [AuditorPublicKey; 2],
    pub(crate) case: String,
    pub(crate) officer: String,
}

impl Terms {
    fn new(
        registry: Arc<Registry>,
        requester: &MemberId,
        ground: EnrolledFor<'_>,
    ) -> Result<Self, ClientError> {
        let epoch = registry
            .member(requester)
            .and_then(|member| member.pseudonym_epoch)
            .ok_or(ClientError::Registry("our pseudonym epoch"))?;
        let key = registry
            .pseudonym_key(requester, epoch)
            .ok_or(ClientError::Registry("our pseudonym key at the custodian"))?;
        let boxes = registry.audit_boxes().ok_or(ClientError::Registry("the auditors' box keys"))?;
        let [first, second] = boxes.map(|key| AuditorPublicKey::decode(&key.0).map_err(ClientError::Own));
        Ok(Self {
            epoch,
            custodian_key: Point::decode(&key.0).map_err(ClientError::proof(Party::Custodian))?,
            auditors: [first?, second?],
            case: ground.case.to_owned(),
            officer: ground.officer.to_owned(),
            requester: requester.clone(),
            registry,
        })
    }

    pub(crate) fn parties(&self) -> Parties<'_> {
        Parties {
            custodian: self.registry.custodian(),
            coordinator: self.registry.coordinator(),
            requester: &self.requester,
        }
    }
}

/// How each subject ended: known, or refused.
pub(crate) type Outcomes = Vec<Option<Result<Arc<Known>, Refusal>>>;

impl Requester {
    /// The row key of a subject in a pseudonym epoch.
    pub(crate) fn subject_key(&self, code: &SubjectCode, epoch: u32) -> RowKey {
        let parts: [&[u8]; 3] =
            [&epoch.to_be_bytes(), code.scheme().as_bytes(), code.expose_code().as_bytes()];
        self.vault().row_key(Kind::Subject, &parts)
    }

    /// Finds or enrolls up to 1024 subjects, each result in its place. A repeated subject is enrolled once.
    pub(crate) async fn know(
        &self,
        ground: impl Into<EnrolledFor<'_>>,
        codes: &[SubjectCode],
    ) -> Result<Vec<Result<Arc<Known>, Refusal>>, ClientError> {
        let terms = Arc::new(Terms::new(self.registry(), self.member(), ground.into())?);
        let keys: Vec<RowKey> = codes.iter().map(|code| self.subject_key(code, terms.epoch)).collect();
        let mut first: HashMap<RowKey, usize> = HashMap::with_capacity(keys.len());
        let same: Vec<usize> =
            keys.iter().enumerate().map(|(place, key)| *first.entry(*key).or_insert(place)).collect();
        let places: Vec<usize> = (0..keys.len()).filter(|&place| same[place] == place).collect();

        let rows = self.store().subjects(places.iter().map(|&place| keys[place]).collect()).await?;
        let mut outcomes: Outcomes = vec![None; codes.len()];
        let (mut resumed, mut missing) = (Vec::new(), Vec::new());
        let found: Vec<_> = places
            .into_iter()
            .zip(rows)
            .filter_map(|(place, row)| match row {
                Some(row) => Some((place, keys[place], codes[place].clone(), row)),
                None => {
                    missing.push(place);
                    None
                }
            })
            .collect();
        self.take_rows(found, &mut outcomes, &mut resumed).await?;
        let unknown = missing.iter().copied().chain(resumed.iter().map(|it| it.place));
        let earlier = self.earlier(&terms, codes, unknown.collect()).await?;
        let missing = self.adopt(&keys, codes, missing, &earlier, &mut outcomes, &mut resumed).await?;
        let fresh = self.blind_new(codes, &keys, missing, &mut outcomes, &mut resumed).await?;
        resumed.iter_mut().for_each(|candidate| carry(candidate, &earlier));
        // Those that the custodian may know already first: they may pass where new ones do not.
        self.enroll_all(&terms, resumed, false, &mut outcomes).await?;
        self.enroll_all(&terms, fresh, true, &mut outcomes).await?;
        let ended = |place: usize| outcomes[place].clone().unwrap_or(Err(Reason::Internal.into()));
        Ok(same.into_iter().map(ended).collect())
    }

    /// The pseudonym of a subject that is enrolled already: of the newest epoch that it is enrolled in, for it is carried
    /// on with the next question.
    pub(crate) async fn pseudonym_of(&self, code: &SubjectCode) -> Result<Option<[u8; 32]>, ClientError> {
        Ok(self.own_pseudonyms(code).await?.first().copied())
    }

    /// All pseudonyms of a subject that is enrolled already, of the newest epoch first.
    pub(crate) async fn own_pseudonyms(&self, code: &SubjectCode) -> Result<Vec<[u8; 32]>, ClientError> {
        let registry = self.registry();
        let epoch = registry.member(self.member()).and_then(|member| member.pseudonym_epoch);
        let epoch = epoch.ok_or(ClientError::Registry("our pseudonym epoch"))?;
        let mut own = Vec::new();
        for epoch in registry.pseudonym_epochs(self.member()).into_iter().rev().filter(|it| *it <= epoch) {
            let key = self.subject_key(code, epoch);
            let Some(row) = self.store().subjects(vec![key]).await?.pop().flatten() else { continue };
            let plain = self.vault().open(Kind::Subject, &key, &row.sealed)?;
            if let Opened::Enrolled(known) = decode(&plain)?.known(code.clone(), row.state)? {
                own.push(*known.enrolled.pseudonym());
            }
        }
        Ok(own)
    }

    /// Registers subjects again under what is kept of them: the coordinator does not know them, or knows another Ph.
    pub(crate) async fn register_again(
        &self,
        ground: impl Into<EnrolledFor<'_>>,
        subjects: Vec<(SubjectCode, Arc<Known>)>,
    ) -> Result<(), ClientError> {
        let terms = Arc::new(Terms::new(self.registry(), self.member(), ground.into())?);
        let mut outcomes: Outcomes = vec![None; subjects.len()];
        let codes: Vec<SubjectCode> = subjects.iter().map(|(code, _)| code.clone()).collect();
        let earlier = self.earlier(&terms, &codes, (0..codes.len()).collect()).await?;
        let again = |(place, (code, known)): (usize, (SubjectCode, Arc<Known>))| {
            let key = self.subject_key(&code, terms.epoch);
            let enrolled = &known.enrolled;
            let blinded = Blinded::from_parts(enrolled.z().clone(), *enrolled.blinded_subject());
            let mut candidate = Candidate { place, key, code, blinded, carry: None };
            carry(&mut candidate, &earlier);
            candidate
        };
        let candidates = subjects.into_iter().enumerate().map(again).collect();
        self.enroll_all(&terms, candidates, false, &mut outcomes).await
    }

    /// Opens rows: enrolled ones are done, pending ones go on.
    pub(crate) async fn take_rows(
        &self,
        rows: Vec<(usize, RowKey, SubjectCode, SubjectRow)>,
        outcomes: &mut Outcomes,
        pending: &mut Vec<Candidate>,
    ) -> Result<(), ClientError> {
        let this = self.clone();
        let opened = heavy(rows.len(), move || {
            let open = |(place, key, code, row): (usize, RowKey, SubjectCode, SubjectRow)| {
                let plain = this.vault().open(Kind::Subject, &key, &row.sealed)?;
                let kept = decode(&plain)?;
                Ok((place, key, kept.known(code, row.state)?))
            };
            rows.into_iter().map(open).collect::<Result<Vec<_>, ClientError>>()
        })
        .await??;
        for (place, key, known) in opened {
            match known {
                Opened::Enrolled(known) => outcomes[place] = Some(Ok(Arc::new(known))),
                Opened::Pending(code, blinded) => {
                    pending.push(Candidate { place, key, code, blinded, carry: None });
                }
            }
        }
        Ok(())
    }

    /// Blinds subjects that were never seen here, and keeps them before anybody else sees them.
    async fn blind_new(
        &self,
        codes: &[SubjectCode],
        keys: &[RowKey],
        missing: Vec<usize>,
        outcomes: &mut Outcomes,
        resumed: &mut Vec<Candidate>,
    ) -> Result<Vec<Candidate>, ClientError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(refusal) = self.exhausted() {
            missing.into_iter().for_each(|place| outcomes[place] = Some(Err(refusal.clone())));
            return Ok(Vec::new());
        }
        let new: Vec<(usize, RowKey, SubjectCode)> =
            missing.into_iter().map(|place| (place, keys[place], codes[place].clone())).collect();
        let this = self.clone();
        let (candidates, rows) = heavy(new.len(), move || {
            let mut rng = os_rng();
            let subjects =
                new.iter().map(|(_, _, code)| Subject::new(code)).collect::<Result<Vec<_>, _>>()?;
            let blinded = enroll::blind_subjects(&subjects, &mut rng);
            let rows = new
                .iter()
                .zip(&blinded)
                .map(|((_, key, _), blinded)| {
                    let plain = encode(blinded.z(), blinded.blinded_subject(), None);
                    (*key, this.vault().seal(Kind::Subject, key, &plain, &mut rng))
                })
                .collect::<Vec<_>>();
            let candidates = new
                .into_iter()
                .zip(blinded)
                .map(|((place, key, code), blinded)| Candidate { place, key, code, blinded, carry: None })
                .collect::<Vec<_>>();
            Ok((candidates, rows))
        })
        .await?
        .map_err(ClientError::Own)?;
        let sealed: Vec<_> = rows.iter().map(|(_, sealed)| sealed.clone()).collect();
        let standing = self.store().begin_enrollments(rows).await?;
        let (mut fresh, mut others) = (Vec::with_capacity(candidates.len()), Vec::new());
        for ((candidate, own), row) in candidates.into_iter().zip(sealed).zip(standing) {
            if row.sealed == own {
                fresh.push(candidate);
            } else {
                // Another batch was faster: its blinding stands.
                others.push((candidate.place, candidate.key, candidate.code, row));
            }
        }
        self.take_rows(others, outcomes, resumed).await?;
        Ok(fresh)
    }

    /// Enrolls in row order; when the quota ends in the middle, exactly what is left of it.
    async fn enroll_all(
        &self,
        terms: &Arc<Terms>,
        mut rest: Vec<Candidate>,
        fresh: bool,
        outcomes: &mut Outcomes,
    ) -> Result<(), ClientError> {
        let mut size = MAX_BATCH;
        while !rest.is_empty() {
            let mut batch = rest;
            rest = batch.split_off(size.min(batch.len()));
            match self.enroll_batch(terms, &batch).await? {
                Ok(known) => {
                    for (candidate, known) in batch.iter().zip(known) {
                        outcomes[candidate.place] = Some(Ok(known));
                    }
                    size = MAX_BATCH;
                }
                Err((Party::Custodian, refusal))
                    if refusal.reason == Reason::QuotaNewSubjects
                        && (1..batch.len() as u64).contains(&refusal.remaining) =>
                {
                    size = usize::try_from(refusal.remaining).unwrap_or(1);
                    batch.append(&mut rest);
                    rest = batch;
                }
                // What the coordinator will not carry on begins anew: found by halves, since a batch is all or nothing.
                Err((Party::Coordinator, refusal))
                    if is_no_carry(refusal.reason) && batch.iter().any(|it| it.carry.is_some()) =>
                {
                    if let [only] = batch.as_mut_slice() {
                        tracing::warn!(reason = %refusal.reason, "a subject is not carried into the new epoch");
                        only.carry = None;
                    }
                    size = (batch.len() / 2).max(1);
                    batch.append(&mut rest);
                    rest = batch;
                }
                Err((party, refusal)) => {
                    batch.append(&mut rest);
                    for candidate in &batch {
                        outcomes[candidate.place] = Some(Err(refusal.clone()));
                    }
                    if party == Party::Custodian && refusal.reason == Reason::QuotaNewSubjects {
                        self.note_exhausted(&refusal);
                    }
                    // What the custodian has refused it does not know: nothing is lost by forgetting it.
                    let unknown = fresh && party == Party::Custodian;
                    if unknown || refusal.reason == Reason::EnrolledOtherwise {
                        self.store().drop_pending(batch.iter().map(|it| it.key).collect()).await?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One batch, all or nothing.
    async fn enroll_batch(
        &self,
        terms: &Arc<Terms>,
        batch: &[Candidate],
    ) -> Result<Result<Vec<Arc<Known>>, (Party, Refusal)>, ClientError> {
        let subjects: Vec<[u8; 32]> = batch.iter().map(|it| it.blinded.blinded_subject().encode()).collect();
        let request =
            EvaluateRequest { epoch: terms.epoch, blinded: concat32(&subjects), acting_for: String::new() };
        let (evaluated, dleq) = match self.evaluate_subjects(request, batch.len()).await? {
            Ok(evaluated) => evaluated,
            Err(refusal) => return Ok(Err((Party::Custodian, refusal))),
        };
        let (terms, batch) = (Arc::clone(terms), batch.to_vec());
        let made = heavy(batch.len(), move || Enrolling::make(&terms, batch, &evaluated, dleq)).await??;
        let consents = match self.register(made.request).await? {
            Ok(consents) => consents,
            Err(refusal) => return Ok(Err((Party::Coordinator, refusal))),
        };
        let mut rng = os_rng();
        let rows = made
            .subjects
            .iter()
            .map(|(key, known)| {
                let enrolled = &known.enrolled;
                let plain = encode(enrolled.z(), enrolled.blinded_subject(), Some(enrolled.pseudonym()));
                (*key, self.vault().seal(Kind::Subject, key, &plain, &mut rng))
            })
            .collect();
        let consents = self.consent_rows(&consents, &mut rng)?;
        self.store().finish_enrollments(rows, consents).await?;
        Ok(Ok(made.subjects.into_iter().map(|(_, known)| known).collect()))
    }

    async fn evaluate_subjects(
        &self,
        request: EvaluateRequest,
        count: usize,
    ) -> Result<Result<EvaluatedSubjects, Refusal>, ClientError> {
        let response = retry::call(Party::Custodian, self.deadlines(), request, |request| {
            let mut custodian = PseudonymServiceClient::new(self.connections().custodian())
                .max_decoding_message_size(MAX_MESSAGE);
            async move { custodian.evaluate(request).await }
        })
        .await?;
        read_evaluated(response, count)
    }

    async fn register(
        &self,
        request: RegisterRequest,
    ) -> Result<Result<Vec<LiveConsent>, Refusal>, ClientError> {
        let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
            let mut coordinator = EnrollmentServiceClient::new(self.connections().coordinator())
                .max_decoding_message_size(MAX_MESSAGE);
            async move { coordinator.register(request).await }
        })
        .await?;
        match response.outcome {
            Some(register_response::Outcome::Registered(registered)) => Ok(Ok(registered.consents)),
            Some(register_response::Outcome::Refusal(refusal)) => Ok(Err((&refusal).into())),
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }
}

/// Th of each subject, with the custodian's proof over all of them, not yet verified.
pub(crate) type EvaluatedSubjects = (Vec<[u8; 32]>, DleqProof);

/// The custodian's answer for `count` subjects, its proof not yet verified.
pub(crate) fn read_evaluated(
    response: tacit_wire::custodian::EvaluateResponse,
    count: usize,
) -> Result<Result<EvaluatedSubjects, Refusal>, ClientError> {
    match response.outcome {
        Some(evaluate_response::Outcome::Evaluated(evaluated)) => {
            let points = chunks32("evaluated", &evaluated.evaluated, count)
                .map_err(ClientError::malformed(Party::Custodian))?;
            let proof = DleqProof::decode_slice(&evaluated.dleq_proof)
                .map_err(ClientError::proof(Party::Custodian))?;
            Ok(Ok((points, proof)))
        }
        Some(evaluate_response::Outcome::Refusal(refusal)) => Ok(Err((&refusal).into())),
        None => Err(ClientError::missing(Party::Custodian, "outcome")),
    }
}

/// How long a refusal of the custodian is repeated without asking again, in milliseconds. The custodian may learn a
/// little later than this member of an agreement that allows more.
const REPEATED_MS: u64 = 5_000;

/// When the custodian will evaluate new subjects again, so that a long batch does not ask in vain; and when it said so.
#[derive(Debug, Default)]
pub(crate) struct Exhausted(std::sync::Mutex<Option<(Millis, Refusal)>>);

impl Exhausted {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<(Millis, Refusal)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn get(&self, now: Millis) -> Option<Refusal> {
        let (said, refusal) = self.slot().clone()?;
        let holds = now.since(said) < REPEATED_MS && refusal.resets_at.is_some_and(|at| now < at);
        holds.then_some(refusal)
    }

    pub(crate) fn set(&self, refusal: Option<Refusal>, now: Millis) {
        *self.slot() = refusal.map(|refusal| (now, refusal));
    }
}
