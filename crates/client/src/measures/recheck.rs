//! What time brings: lost answers are asked after, answers that are too old are asked for again, measures end.

use tacit_model::{Millis, Reason};

use super::kept::{Asked, Kept, Said};
use super::{LIFT_WITHIN_MS, MeasureState, Measures, Opened, RETRY_MS, subject_of};
use crate::error::ClientError;
use crate::question::{Answer, ListAnswer, Outcome, Question, Subject};

/// Measures of one step.
const AT_ONCE: u32 = 64;
/// When a question that was refused is asked again: rules and quotas change slowly.
const REFUSED_MS: u64 = 60 * 60 * 1000;

impl Kept {
    /// When the newest answer is too old, or the measure ends before.
    pub(super) fn ask_again(&self) -> Millis {
        let old = self.as_of.plus_ms(self.life_ms);
        self.until.map_or(old, |until| until.min(old))
    }
}

impl Measures {
    /// Does what is due now, and tells for how many measures. What fails is tried again later.
    ///
    /// # Errors
    /// The storage.
    pub async fn step(&self) -> Result<usize, ClientError> {
        let rows = self.store.next(self.requester.now(), AT_ONCE).await?;
        let count = rows.len();
        for row in rows {
            let opened = self.open(row)?;
            if let Err(error) = self.advance(opened).await {
                tracing::warn!(%error, reason = %error.reason(), "a measure could not be brought further");
            }
        }
        Ok(count)
    }

    async fn advance(&self, mut opened: Opened) -> Result<(), ClientError> {
        let now = self.requester.now();
        let registered = opened.kept.registered.is_some();
        if registered && opened.kept.until.is_some_and(|until| until <= now) {
            opened.row.state = MeasureState::Ended;
            (opened.row.next, opened.row.lift_by) = (None, None);
            self.put(&mut opened, None).await?;
            return Ok(());
        }
        // Claimed: whoever else looks at it meanwhile leaves it alone; a crash leaves it for later.
        opened.row.next = Some(now.plus_ms(RETRY_MS));
        if !self.put(&mut opened, None).await? {
            return Ok(());
        }
        match opened.row.state {
            MeasureState::Sent => self.send_registration(opened).await.map(drop),
            MeasureState::Lifting => self.send_lift(opened).await.map(drop),
            MeasureState::Standing | MeasureState::Unconfirmed => self.ask_again(opened).await,
            MeasureState::Refused | MeasureState::Due | MeasureState::Lifted | MeasureState::Ended => Ok(()),
        }
    }

    /// Asks the same list for the same purpose in the same case.
    async fn ask_again(&self, mut opened: Opened) -> Result<(), ClientError> {
        let kept = &opened.kept;
        let question = Question {
            lists: vec![kept.list.clone()],
            purpose: kept.purpose.clone(),
            case: kept.case.clone(),
            officer: kept.officer.clone(),
        };
        let outcome = match subject_of(&self.requester.registry(), kept) {
            Some(code) => self.requester.check_batch(&question, vec![Subject { row: 0, code }]).await.pop(),
            None => None,
        };
        let answer = match outcome.map(|row| row.outcome) {
            Some(Outcome::Answers(mut answers)) => answers.pop().ok_or(Reason::Internal),
            Some(Outcome::Refused(refusal)) => Err(refusal.reason),
            Some(Outcome::NotAnswered(reason)) => Err(reason),
            None => Err(Reason::CodeSchemeUnknown),
        };
        let life = self.requester.registry().agreement(opened.kept.agreement).map(|it| it.data_life.millis());
        opened.kept.life_ms = life.unwrap_or(opened.kept.life_ms);
        opened.asked_again(answer, self.requester.now());
        if opened.row.state == MeasureState::Due {
            let registered = opened.row.id.map(|id| id.to_string()).unwrap_or_default();
            tracing::warn!(
                registered,
                "the list does not name the subject any more: the measure has to be lifted"
            );
        }
        self.put(&mut opened, None).await?;
        Ok(())
    }
}

impl Opened {
    /// What follows from the answer.
    fn asked_again(&mut self, answer: Result<ListAnswer, Reason>, now: Millis) {
        let Self { row, kept } = self;
        let (record, as_of) = match &answer {
            Ok(answer) => (answer.record, answer.as_of.unwrap_or(now)),
            Err(_) => (None, now),
        };
        let said = match answer.map(|answer| answer.answer) {
            Ok(Answer::Listed(_)) => Said::Listed,
            Ok(Answer::NotListed) => Said::NotListed,
            Ok(Answer::Refused(refusal)) => Said::Nothing(refusal.reason.outward()),
            Err(reason) => Said::Nothing(reason.outward()),
        };
        kept.asked = Some(Asked { at: as_of, record, said });
        match said {
            Said::Listed => {
                kept.as_of = as_of;
                row.state = MeasureState::Standing;
                row.next = Some(kept.ask_again());
            }
            Said::NotListed => {
                row.state = MeasureState::Due;
                row.lift_by = Some(as_of.plus_ms(LIFT_WITHIN_MS));
                row.next = kept.until;
            }
            Said::Nothing(reason) => {
                let later = if reason.may_retry() { RETRY_MS } else { REFUSED_MS };
                let later = now.plus_ms(later);
                row.state = MeasureState::Unconfirmed;
                row.next = Some(kept.until.map_or(later, |until| until.min(later)));
            }
        }
    }
}
