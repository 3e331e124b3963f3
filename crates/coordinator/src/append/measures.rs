//! Measures: what requesters do on an answer of theirs, each a record of its subject's chain.

use tacit_blind::commit;
use tacit_ledger::record::{self, Access, MAX_MEASURE_MS, MEASURE_STATES, Record};
use tacit_model::{MemberId, Millis, Reason, Ulid, parse_ulid};
use tacit_store::StoreError;

use super::{Commit, Done, NewRecord, records::commit_subject};
use crate::{
    opening::{CheckOpening, MeasureOpening, Opening, open},
    store::{
        chains,
        measures::{self, StoredMeasure},
        openings,
        subjects::{self, Number},
    },
};

/// Who decided, with the salt of the record's commitment.
pub(crate) struct Decided {
    pub(crate) decider: String,
    pub(crate) salt: [u8; 32],
}

/// A measure that a requester registers.
pub(crate) struct MeasureJob {
    pub(crate) requester: MemberId,
    pub(crate) answer: Ulid,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) list: String,
    /// Place among the measures of the agreement, from 1.
    pub(crate) number: u32,
    pub(crate) until: Option<Millis>,
    pub(crate) decided: Decided,
}

/// A measure that a requester lifts.
pub(crate) struct LiftJob {
    pub(crate) requester: MemberId,
    /// The record that registered it.
    pub(crate) id: Ulid,
    pub(crate) decided: Decided,
}

/// What the answer of a measure was asked under.
struct Asked {
    subject: Number,
    agreement: Ulid,
    words: String,
}

impl Commit<'_> {
    /// A measure. The same again gets the same record.
    pub(super) async fn measure(&mut self, job: &MeasureJob) -> Result<Done, StoreError> {
        let known = measures::by_answer(self.conn, job.answer, &job.list, job.number).await?;
        if let Some(known) = known.filter(|known| known.requester == job.requester) {
            let same = known.until == job.until && known.details == details(&known, &job.decided)?;
            return Ok(if same { Done::Before(known.log_index) } else { Done::Refused(Reason::Conflict) });
        }
        let asked = match self.asked(job).await? {
            Ok(asked) => asked,
            Err(reason) => return Ok(Done::Refused(reason)),
        };
        let in_time = |until: Millis| until > self.now && until.since(self.now) <= MAX_MEASURE_MS;
        if !job.until.is_none_or(in_time) {
            return Ok(Done::Refused(Reason::Malformed));
        }
        let Asked { subject, agreement, words } = asked;
        let mut measure = StoredMeasure {
            id: self.ulid(),
            requester: job.requester.clone(),
            answer: job.answer,
            list: job.list.clone(),
            agreement,
            number: job.number,
            words,
            until: job.until,
            pseudonym: job.pseudonym,
            details: [0; 32],
            log_index: 0,
            lifted_index: None,
        };
        measure.details = details(&measure, &job.decided)?;
        let record = self.log_measure(&measure, measure.id, subject, &job.decided).await?;
        measure.log_index = record.index;
        measures::store(self.conn, &measure).await?;
        Ok(Done::Logged(record))
    }

    /// A measure is over, because its requester says so. Lifted once, it stays so.
    pub(super) async fn lift_measure(&mut self, job: &LiftJob) -> Result<Done, StoreError> {
        let known = measures::by_id(self.conn, job.id).await?;
        let Some(measure) = known.filter(|known| known.requester == job.requester) else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        if let Some(index) = measure.lifted_index {
            return Ok(Done::Before(index));
        }
        let numbers = subjects::number(self.conn, &[measure.pseudonym]).await?;
        let subject = numbers.get(&measure.pseudonym).copied();
        let missing = || StoreError::corrupt("subject", "pseudonym", measure.id, "is missing");
        let id = self.ulid();
        let record = self.log_measure(&measure, id, subject.ok_or_else(missing)?, &job.decided).await?;
        measures::lift(self.conn, measure.id, record.index).await?;
        Ok(Done::Logged(record))
    }

    /// What the question was asked under, if the answer is the requester's own, of this list, still kept, and the
    /// agreement names the measure.
    async fn asked(&mut self, job: &MeasureJob) -> Result<Result<Asked, Reason>, StoreError> {
        // Another requester's record, and one that was erased, look like none.
        let Some((index, subject, bytes)) = chains::record_by_id(self.conn, job.answer).await? else {
            return Ok(Err(Reason::NotFound));
        };
        let own = |access: &Access| {
            *access.requester == *job.requester && access.lists.iter().any(|at| at.list == job.list)
        };
        let access = Record::parse(&bytes).ok().and_then(|record| Access::try_from(record).ok());
        let Some(access) = access.filter(own) else { return Ok(Err(Reason::NotFound)) };
        let corrupt = |column| StoreError::corrupt("opening", column, index, "is missing or does not open");
        let chain = openings::chains(self.conn, &[subject]).await?.remove(&subject);
        let chain = chain.ok_or_else(|| corrupt("subject"))?;
        let mut sealed =
            chains::opening(self.conn, subject, index).await?.ok_or_else(|| corrupt("sealed"))?;
        let Ok(Opening::Check(CheckOpening { link, agreement, .. })) =
            open(&mut sealed, &chain.opening_key, index)
        else {
            return Err(corrupt("sealed"));
        };
        if commit_subject(&link, &job.pseudonym) != access.subject {
            return Ok(Err(Reason::NotFound));
        }
        let agreement = parse_ulid(agreement).ok_or_else(|| corrupt("agreement"))?;
        let named = self.registry.agreement(agreement).and_then(|agreement| {
            let measure = agreement.measure(job.number)?;
            Some((agreement.data_life, measure.title.clone()))
        });
        let Some((data_life, words)) = named else { return Ok(Err(Reason::MeasureUnknown)) };
        if self.now.since(Millis(access.time_ms)) > data_life.millis() {
            return Ok(Err(Reason::AnswerTooOld));
        }
        Ok(Ok(Asked { subject, agreement, words }))
    }

    /// Writes the record of a measure as the next of its subject's chain: with the measure's own id it registers it.
    async fn log_measure(
        &mut self,
        measure: &StoredMeasure,
        id: Ulid,
        subject: Number,
        decided: &Decided,
    ) -> Result<NewRecord, StoreError> {
        let chain = self.chain_of(subject).await?;
        let link = self.link(&chain);
        let (record, leaf) = self.push(record::Measure {
            id: id.to_string(),
            time_ms: self.now.0,
            requester: measure.requester.to_string(),
            answer: measure.answer.to_string(),
            agreement: measure.agreement.to_string(),
            measure: measure.number,
            state: MEASURE_STATES[usize::from(id != measure.id)].to_owned(),
            registered: measure.id.to_string(),
            until_ms: measure.until.map(|until| until.0),
            details: details(measure, decided)?,
            subject: commit_subject(&link, &measure.pseudonym),
        })?;
        let opening = Opening::Measure(MeasureOpening {
            link,
            salt_details: decided.salt,
            list: &measure.list,
            decider: &decided.decider,
            words: &measure.words,
        });
        self.link_record(subject, chain.after(record.index, leaf), record.index, &opening).await?;
        Ok(record)
    }
}

/// `details` of a record.
fn details(measure: &StoredMeasure, decided: &Decided) -> Result<[u8; 32], StoreError> {
    commit::measure(&decided.salt, &measure.list, &decided.decider, &measure.words)
        .map_err(|_| StoreError::LogHead("the details of a measure are too long for their commitment"))
}
