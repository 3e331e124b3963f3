//! Questions from end to end: one group of up to 1024 rows, a stream of any number, and what it would cost.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tacit_model::{ListId, Millis, Reason, SubjectCode, Ulid};

use crate::enroll::Known;
use crate::error::ClientError;
use crate::pace::{Asker, BELIEVED_MS, Turn};
use crate::prepared::Prepared;
use crate::question::{Answer, ListAnswer, Outcome, Question, RecordRef, Refusal, RowOutcome, Subject};
use crate::requester::Requester;
use crate::round::{Finding, Found, Heal, Planned};
use crate::store::{SubjectRow, SubjectState};

/// Rows of one group.
pub const GROUP: usize = 1024;
/// How often a row is asked before its refusal is final.
const TRIES: u32 = 3;
/// How many times in a row a group waits for a minute in which some of its checks are permitted.
const WAITS: u32 = 10;
/// How long a group waits for more rows of a slow source.
const GATHER: Duration = Duration::from_millis(25);

/// What a batch would cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows.
    pub checks: u64,
    /// Different subjects never asked about before by this agency.
    pub new_subjects: u64,
    /// Agreements that the question falls under.
    pub limits: Vec<AgreementLimit>,
}

/// Limits of one agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementLimit {
    /// The agreement.
    pub agreement: Ulid,
    /// Lists it covers, of those asked.
    pub lists: Vec<ListId>,
    /// Checks a day.
    pub checks_per_day: u64,
    /// Checks a minute, where that is limited.
    pub checks_per_minute: Option<u64>,
    /// New subjects a day.
    pub new_subjects_per_day: u64,
    /// Whether each subject's consent is needed.
    pub consent_required: bool,
}

impl Requester {
    /// Asks about subjects, 1024 at a time, each outcome in its place. Once begun it runs to its end even when the
    /// returned future is dropped: no record is left without its outcome. What is beyond the checks of a minute is
    /// refused, with when to ask again.
    pub async fn check_batch(&self, question: &Question, mut subjects: Vec<Subject>) -> Vec<RowOutcome> {
        let mut outcomes = Vec::with_capacity(subjects.len());
        while !subjects.is_empty() {
            let rest = subjects.split_off(subjects.len().min(GROUP));
            outcomes.extend(self.spawn_group(question, subjects, Asker::Prompt).await);
            subjects = rest;
        }
        outcomes
    }

    async fn spawn_group(
        &self,
        question: &Question,
        subjects: Vec<Subject>,
        asker: Asker,
    ) -> Vec<RowOutcome> {
        let rows: Vec<u64> = subjects.iter().map(|subject| subject.row).collect();
        let (this, question) = (self.clone(), question.clone());
        let group = tokio::spawn(async move { this.check_group(&question, subjects, asker).await });
        group.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a group of checks ended early");
            let lost = |row| RowOutcome {
                row,
                outcome: Outcome::NotAnswered(Reason::Internal),
                unanswered: Vec::new(),
            };
            rows.into_iter().map(lost).collect()
        })
    }

    /// Asks about a stream of subjects in bounded memory: at most `in_flight` groups at a time (2 to 4 keep all
    /// parties busy). Outcomes come in the order of the subjects. Where an agreement limits the checks of a minute, it
    /// asks as many and waits for the next one, until the stream is dropped.
    pub fn check_many<S>(
        &self,
        question: Question,
        subjects: S,
        in_flight: usize,
    ) -> impl Stream<Item = RowOutcome> + Send + use<S>
    where
        S: Stream<Item = Subject> + Send,
    {
        let (this, question) = (self.clone(), Arc::new(question));
        // No group waits for more than a minute before it tells something.
        let slow = Prepared::new(this.registry(), this.member(), &question, this.now())
            .ok()
            .and_then(|prepared| prepared.most_a_minute());
        let size = slow.and_then(|most| usize::try_from(most).ok()).map_or(GROUP, |most| most.min(GROUP));
        let mut turns = slow.map(|_| Turn::first());
        groups(subjects, size)
            .map(move |group| {
                let (this, question) = (this.clone(), Arc::clone(&question));
                let turn = turns.as_mut().map(Turn::take);
                async move {
                    let standing = Arc::new(());
                    let asker = Asker::Patient(Arc::downgrade(&standing), turn);
                    let outcomes = this.spawn_group(&question, group, asker).await;
                    drop(standing);
                    outcomes
                }
            })
            .buffered(in_flight.max(1))
            .flat_map(stream::iter)
    }

    /// Counts what a batch would cost, without asking anybody.
    ///
    /// # Errors
    /// [`ClientError::Question`], or the storage.
    pub async fn plan<S>(&self, question: &Question, subjects: S) -> Result<Plan, ClientError>
    where
        S: Stream<Item = SubjectCode> + Send,
    {
        let now = self.now();
        let prepared = Prepared::new(self.registry(), self.member(), question, now)?;
        let epoch = self.registry().member(self.member()).and_then(|member| member.pseudonym_epoch);
        let epoch = epoch.ok_or(ClientError::Registry("our pseudonym epoch"))?;
        let mut epochs = self.registry().pseudonym_epochs(self.member());
        epochs.retain(|earlier| *earlier < epoch);
        let mut plan = Plan { limits: prepared.limits(), ..Plan::default() };
        // Eight bytes of a keyed hash tell new subjects apart well enough for a count.
        let mut seen = HashSet::new();
        let mut chunks = std::pin::pin!(subjects.chunks(GROUP));
        while let Some(codes) = chunks.next().await {
            plan.checks += codes.len() as u64;
            let keys: Vec<_> = codes.iter().map(|code| self.subject_key(code, epoch)).collect();
            let is_new =
                |row: &Option<SubjectRow>| row.as_ref().is_none_or(|row| row.state == SubjectState::Pending);
            let mut new: Vec<bool> = self.store().subjects(keys.clone()).await?.iter().map(is_new).collect();
            // Who was enrolled in an earlier epoch is known to the custodian.
            for &earlier in &epochs {
                let keys = codes.iter().map(|code| self.subject_key(code, earlier)).collect();
                let rows = self.store().subjects(keys).await?;
                new.iter_mut().zip(&rows).for_each(|(new, row)| *new &= is_new(row));
            }
            for (key, _) in keys.iter().zip(new).filter(|(_, new)| *new) {
                let mut short = [0; 8];
                short.copy_from_slice(&key[..8]);
                plan.new_subjects += u64::from(seen.insert(u64::from_be_bytes(short)));
            }
        }
        Ok(plan)
    }

    async fn check_group(
        &self,
        question: &Question,
        subjects: Vec<Subject>,
        mut asker: Asker,
    ) -> Vec<RowOutcome> {
        let prepared = match Prepared::new(self.registry(), self.member(), question, self.now()) {
            Ok(prepared) => Arc::new(prepared),
            Err(error) => {
                let refusal = Refusal { message: error.to_string(), ..Refusal::from(error.reason()) };
                return subjects.into_iter().map(|subject| refused(subject.row, refusal.clone())).collect();
            }
        };
        let mut rows: Vec<Row> = subjects.into_iter().map(|subject| Row::new(subject, &prepared)).collect();
        if let Err(error) = self.know_rows(question, &mut rows).await {
            tracing::error!(%error, "subjects could not be enrolled");
            let refusal = error.to_refusal();
            rows.iter_mut().for_each(|row| row.refuse(&refusal));
        }
        let (mut attempt, mut waits) = (1, 0);
        loop {
            let begun = self.now();
            let Some(mut planned) = self.plan_round(&prepared, &mut rows, begun).await else { break };
            let again = Again { another: attempt < TRIES, wait: asker.waits() && waits < WAITS };
            let (mut heals, mut found) = (Vec::new(), 0);
            while let Some(chunk) = self.next_chunk(&prepared, &mut planned, &mut asker).await {
                for finding in self.clone().round(Arc::clone(&prepared), chunk).await {
                    found += 1;
                    let Some(heal) = take(&mut rows, &prepared, finding, again) else { continue };
                    if let (_, list, Heal::Until(at)) = heal {
                        self.note_full(&prepared, list, at);
                    }
                    heals.push(heal);
                }
            }
            // Nobody wants them any more.
            for (place, list) in planned.iter().flat_map(Planned::places) {
                let id = prepared.lists[list].list.clone();
                rows[place].answers[list] = Some(ListAnswer::refused(id, Reason::QuotaRate.into(), None));
            }
            if heals.is_empty() {
                break;
            }
            let full = heals.iter().filter(|(.., heal)| matches!(heal, Heal::Until(_))).count();
            // To wait is no try; but nobody waits for ever when nothing comes of it.
            waits = if full > 0 && full == found { waits + 1 } else { 0 };
            let pause = Pause { attempt, waits, asker: &asker };
            attempt += u32::from(full < heals.len());
            if !self.heal(&prepared, question, &rows, heals, begun, pause).await {
                break;
            }
        }
        rows.into_iter().map(|row| row.finish(&prepared)).collect()
    }

    /// Enrolls the subjects of all rows that have a list to ask.
    async fn know_rows(&self, question: &Question, rows: &mut [Row]) -> Result<(), ClientError> {
        let places: Vec<usize> = (0..rows.len()).filter(|&place| !rows[place].wanted.is_empty()).collect();
        if places.is_empty() {
            return Ok(());
        }
        let codes: Vec<SubjectCode> = places.iter().map(|&place| rows[place].code.clone()).collect();
        for (place, known) in places.into_iter().zip(self.know(question, &codes).await?) {
            match known {
                Ok(known) => rows[place].known = Some(known),
                Err(refusal) => rows[place].refuse(&refusal),
            }
        }
        Ok(())
    }

    /// The checks for what is still wanted; `None` when nothing is.
    async fn plan_round(
        &self,
        prepared: &Prepared,
        rows: &mut [Row],
        now: Millis,
    ) -> Option<VecDeque<Planned>> {
        let open: Vec<(usize, Arc<Known>)> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.wanted.is_empty())
            .filter_map(|(place, row)| Some((place, Arc::clone(row.known.as_ref()?))))
            .collect();
        let mut consents = vec![Vec::new(); open.len()];
        if prepared.needs_consents() && !open.is_empty() {
            let pseudonyms: Vec<[u8; 32]> =
                open.iter().map(|(_, known)| *known.enrolled.pseudonym()).collect();
            match self.consents_of(&pseudonyms, now).await {
                Ok(known) => consents = known,
                // Without them the coordinator refuses, and records that.
                Err(error) => tracing::warn!(%error, "consents are not known"),
            }
        }
        let mut planned = VecDeque::with_capacity(open.len());
        for ((place, known), consents) in open.into_iter().zip(consents) {
            let row = &mut rows[place];
            let (asks, refused) = prepared.asks(&row.wanted, &consents, now);
            for (list, refusal) in refused {
                let id = prepared.lists[list].list.clone();
                row.answers[list] = Some(ListAnswer::refused(id, refusal, None));
            }
            let row = row.row;
            planned.extend(asks.into_iter().map(|ask| Planned {
                place,
                row,
                known: Arc::clone(&known),
                ask,
            }));
        }
        rows.iter_mut().for_each(|row| row.wanted.clear());
        (!planned.is_empty()).then_some(planned)
    }

    /// Does what asking again needs; false when nobody wants the answers any more.
    async fn heal(
        &self,
        prepared: &Prepared,
        question: &Question,
        rows: &[Row],
        heals: Vec<(usize, usize, Heal)>,
        begun: Millis,
        Pause { attempt, waits, asker }: Pause<'_>,
    ) -> bool {
        let mut again: Vec<usize> = Vec::new();
        let mut pause = false;
        let mut until = None;
        for (place, list, heal) in heals {
            match heal {
                Heal::Nothing => {}
                Heal::Manifest => {
                    self.manifests().doubt(&prepared.lists[list].list, begun);
                    pause = true;
                }
                Heal::Register => again.push(place),
                Heal::Pause => pause = true,
                Heal::Until(at) => until = until.max(Some(at)),
            }
        }
        if let Some(until) = until {
            // Also when it is past by the clock here: the coordinator's is behind.
            let now = self.now();
            let until = until.max(now.plus_ms(1_000 * u64::from(waits))).min(now.plus_ms(BELIEVED_MS));
            if !asker.wait(self.clock(), until).await {
                return false;
            }
        }
        if pause {
            tokio::time::sleep(Duration::from_millis(100 * u64::from(attempt))).await;
        }
        // Several rows may be about one subject, which stands in a batch of the custodian once.
        again.dedup();
        let mut seen = HashSet::new();
        let subjects: Vec<_> = again
            .into_iter()
            .filter_map(|place| Some((rows[place].code.clone(), Arc::clone(rows[place].known.as_ref()?))))
            .filter(|(_, known)| seen.insert(*known.enrolled.pseudonym()))
            .collect();
        if !subjects.is_empty()
            && let Err(error) = self.register_again(question, subjects).await
        {
            tracing::warn!(%error, "subjects could not be registered again");
        }
        true
    }
}

/// What may still be done about refusals of a round.
#[derive(Clone, Copy)]
struct Again {
    /// Another try.
    another: bool,
    /// Waiting for the next minute.
    wait: bool,
}

/// Before asking again.
struct Pause<'a> {
    attempt: u32,
    waits: u32,
    asker: &'a Asker,
}

/// One row under way.
struct Row {
    row: u64,
    code: SubjectCode,
    known: Option<Arc<Known>>,
    /// Places of the lists still to be asked.
    wanted: Vec<usize>,
    answers: Vec<Option<ListAnswer>>,
    /// Lists that got no answer: why, and the record.
    lost: Vec<(usize, Reason, Option<RecordRef>)>,
    unanswered: Vec<RecordRef>,
    refused: Option<Refusal>,
}

impl Row {
    fn new(subject: Subject, prepared: &Prepared) -> Self {
        let scheme = subject.code.scheme();
        let wanted: Vec<usize> =
            (0..prepared.lists.len()).filter(|&list| prepared.lists[list].scheme == scheme).collect();
        let refused = wanted.is_empty().then(|| Reason::CodeNotThisScheme.into());
        let other = |list: &crate::prepared::PreparedList| {
            (list.scheme != scheme)
                .then(|| ListAnswer::refused(list.list.clone(), Reason::CodeNotThisScheme.into(), None))
        };
        let answers = prepared.lists.iter().map(other).collect();
        Self {
            row: subject.row,
            code: subject.code,
            known: None,
            wanted,
            answers,
            lost: Vec::new(),
            unanswered: Vec::new(),
            refused,
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.wanted.clear();
        self.refused = Some(refusal.clone());
    }

    fn finish(mut self, prepared: &Prepared) -> RowOutcome {
        if let Some(refusal) = self.refused {
            return refused(self.row, refusal);
        }
        let answered: HashSet<RecordRef> = self
            .answers
            .iter()
            .flatten()
            .filter(|answer| matches!(answer.answer, Answer::Listed(_) | Answer::NotListed))
            .filter_map(|answer| answer.record)
            .collect();
        let mut seen = HashSet::new();
        self.unanswered.retain(|record| !answered.contains(record) && seen.insert(*record));
        let reason = self.lost.first().map_or(Reason::Internal, |(_, reason, _)| *reason);
        let outcome = if self.answers.iter().all(Option::is_none) {
            Outcome::NotAnswered(reason)
        } else {
            let lost = std::mem::take(&mut self.lost);
            let answers = self.answers.into_iter().enumerate().map(|(place, answer)| {
                answer.unwrap_or_else(|| {
                    let record =
                        lost.iter().find(|(list, ..)| *list == place).and_then(|(.., record)| *record);
                    ListAnswer::refused(
                        prepared.lists[place].list.clone(),
                        Reason::NotAnswered.into(),
                        record,
                    )
                })
            });
            Outcome::Answers(answers.collect())
        };
        RowOutcome { row: self.row, outcome, unanswered: self.unanswered }
    }
}

fn refused(row: u64, refusal: Refusal) -> RowOutcome {
    RowOutcome { row, outcome: Outcome::Refused(refusal), unanswered: Vec::new() }
}

/// Takes a finding over; gives what has to happen before the list is asked again.
fn take(
    rows: &mut [Row],
    lists: &Prepared,
    (place, list, finding): Found,
    again: Again,
) -> Option<(usize, usize, Heal)> {
    let row = &mut rows[place];
    match finding {
        Finding::Done(answer) => row.answers[list] = Some(answer),
        Finding::Lost { reason, record } => {
            row.unanswered.extend(record);
            row.lost.push((list, reason, record));
        }
        Finding::Again { reason, record, unanswered, heal } => {
            if unanswered {
                row.unanswered.extend(record);
            }
            let (more, resets_at) = match heal {
                Heal::Until(at) => (again.wait, Some(at)),
                _ => (again.another, None),
            };
            if more {
                row.wanted.push(list);
                return Some((place, list, heal));
            }
            if unanswered && record.is_some() {
                row.lost.push((list, reason, record));
            } else {
                let id = lists.lists[list].list.clone();
                let refusal = Refusal { resets_at, ..reason.into() };
                row.answers[list] = Some(ListAnswer::refused(id, refusal, record));
            }
        }
    }
    None
}

/// Groups of what is there, not waiting long for a slow source.
fn groups<S: Stream<Item = Subject> + Send>(
    subjects: S,
    size: usize,
) -> impl Stream<Item = Vec<Subject>> + Send {
    stream::unfold(Box::pin(subjects.fuse()), move |mut subjects| async move {
        let mut group = vec![subjects.next().await?];
        let until = tokio::time::Instant::now() + GATHER;
        while group.len() < size {
            match tokio::time::timeout_at(until, subjects.next()).await {
                Ok(Some(subject)) => group.push(subject),
                Ok(None) | Err(_) => break,
            }
        }
        Some((group, subjects))
    })
}
