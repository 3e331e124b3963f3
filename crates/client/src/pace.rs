//! No faster than agreements allow: a batch asks as many checks a minute as it may, and waits for the next minute.
//!
//! The coordinator counts, by its own clock and whoever asks. What is counted here decides nothing: it keeps a batch
//! from asking what would be refused, because every refusal is a record.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tacit_blind::check::MAX_CHECKS;
use tacit_model::{Clock, Millis, Ulid};
use tokio::sync::watch;

use crate::prepared::Prepared;
use crate::requester::Requester;
use crate::round::Planned;

/// A minute is taken to begin this much later than the clock here says: so far may the coordinator's be behind (what
/// is further ahead of it is not fresh).
const BEHIND_MS: u64 = 5_000;
/// How long a refusal is believed at most.
pub(crate) const BELIEVED_MS: u64 = 65_000;
/// How often who waits looks at the clock, and whether anybody still wants the answers.
const LOOK_MS: u64 = 250;

/// The most checks a minute under one agreement.
pub(crate) type Burst = (Ulid, u64);

/// What this process asked in the current minute, by agreement that has such a limit.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<Ulid, Asked>>);

#[derive(Clone, Copy, Default)]
struct Asked {
    minute: u64,
    checks: u64,
    /// The coordinator said that there is no more before.
    not_before: Millis,
}

impl Pace {
    fn asked(&self) -> MutexGuard<'_, HashMap<Ulid, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a check under these agreements, whether there is room or not.
    fn count(&self, bursts: &[Burst], now: Millis) {
        count(&mut self.asked(), bursts, now.minus_ms(BEHIND_MS).utc_minute());
    }

    /// Counts a check if there is room for it under all of these agreements; else says until when there is none.
    fn take(&self, bursts: &[Burst], now: Millis) -> Result<(), Millis> {
        let behind = now.minus_ms(BEHIND_MS);
        let minute = behind.utc_minute();
        let mut all = self.asked();
        let next = |(agreement, most): &Burst| {
            let asked = all.get(agreement)?;
            let full = asked.minute == minute && asked.checks >= *most;
            let next = behind.next_utc_minute().plus_ms(BEHIND_MS);
            let due = if full { asked.not_before.max(next) } else { asked.not_before };
            (due > now).then_some(due)
        };
        if let Some(due) = bursts.iter().filter_map(next).max() {
            return Err(due);
        }
        count(&mut all, bursts, minute);
        Ok(())
    }

    /// The coordinator refused: others asked too. What was asked here and refused does not count.
    fn refused(&self, agreement: Ulid, until: Millis, now: Millis) {
        let until = until.min(now.plus_ms(BELIEVED_MS));
        self.asked().insert(agreement, Asked { not_before: until, ..Asked::default() });
    }
}

fn count(all: &mut HashMap<Ulid, Asked>, bursts: &[Burst], minute: u64) {
    for (agreement, _) in bursts {
        let asked = all.entry(*agreement).or_default();
        asked.checks = if asked.minute == minute { asked.checks + 1 } else { 1 };
        asked.minute = minute;
    }
}

/// Who wants the answers of a group.
pub(crate) enum Asker {
    /// Wants to be told now, also that it has to wait.
    Prompt,
    /// Waits for the next minute, as long as this stands; where there is a limit, in the order of the batch.
    Patient(Weak<()>, Option<Turn>),
}

/// The place of a group among those of its batch. Dropped once all of it is asked: then the next one's turn has come.
pub(crate) struct Turn {
    number: u64,
    now: Arc<watch::Sender<u64>>,
}

impl Turn {
    /// The first turn of a batch.
    pub(crate) fn first() -> Self {
        Self { number: 0, now: Arc::new(watch::channel(0).0) }
    }

    /// This turn, and the one after it is left here.
    pub(crate) fn take(&mut self) -> Self {
        let number = self.number;
        self.number += 1;
        Self { number, now: Arc::clone(&self.now) }
    }

    async fn come(&self) {
        // The sender is our own.
        let _ = self.now.subscribe().wait_for(|now| *now >= self.number).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.now.send_modify(|now| *now = (*now).max(self.number + 1));
    }
}

impl Asker {
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Patient(..))
    }

    /// Whether anybody may still want the answers.
    fn is_wanted(&self) -> bool {
        match self {
            Self::Prompt => true,
            Self::Patient(standing, _) => standing.strong_count() > 0,
        }
    }

    /// Waits until it is this late; false when nobody wants the answers any more.
    pub(crate) async fn wait(&self, clock: &dyn Clock, until: Millis) -> bool {
        loop {
            if !self.is_wanted() {
                return false;
            }
            let left = until.since(clock.now());
            if left == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(left.min(LOOK_MS))).await;
        }
    }
}

impl Requester {
    /// The next request: as many checks as it holds, and as their agreements allow now. `None` when all are asked, or
    /// nobody wants the answers any more.
    pub(crate) async fn next_chunk(
        &self,
        prepared: &Arc<Prepared>,
        planned: &mut VecDeque<Planned>,
        asker: &mut Asker,
    ) -> Option<Vec<Planned>> {
        if let Asker::Patient(_, Some(turn)) = asker {
            turn.come().await;
            // The group before may have ended because nobody is there any more.
            if !asker.is_wanted() {
                return None;
            }
        }
        loop {
            let mut chunk = Vec::with_capacity(planned.len().min(MAX_CHECKS));
            let mut full = None;
            while chunk.len() < MAX_CHECKS
                && let Some(next) = planned.pop_front()
            {
                let (bursts, now) = (prepared.bursts(&next.ask), self.now());
                if !asker.waits() {
                    self.pace().count(&bursts, now);
                } else if let Err(until) = self.pace().take(&bursts, now) {
                    planned.push_front(next);
                    full = Some(until);
                    break;
                }
                chunk.push(next);
            }
            match full {
                Some(until) if chunk.is_empty() => {
                    if !asker.wait(self.clock(), until).await {
                        return None;
                    }
                }
                _ => {
                    if let Asker::Patient(_, turn) = asker
                        && planned.is_empty()
                    {
                        *turn = None;
                    }
                    return (!chunk.is_empty()).then_some(chunk);
                }
            }
        }
    }

    /// The coordinator refused a check of this list until then.
    pub(crate) fn note_full(&self, prepared: &Prepared, list: usize, until: Millis) {
        if let Some((agreement, _)) = prepared.burst(list) {
            self.pace().refused(agreement, until, self.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Burst = (Ulid(1), 2);
    const TWO: Burst = (Ulid(2), 1);
    const MINUTE: u64 = 29_921_669;

    fn at(ms: u64) -> Millis {
        Millis(MINUTE * 60_000 + BEHIND_MS + ms)
    }

    #[test]
    fn a_minute_has_as_many_checks_as_the_agreement_allows() {
        let pace = Pace::default();
        assert_eq!([0, 59_998].map(|ms| pace.take(&[ONE], at(ms))), [Ok(()); 2]);
        assert_eq!(pace.take(&[ONE], at(59_999)), Err(at(60_000)));
        assert_eq!(pace.take(&[], at(59_999)), Ok(()), "no limit");
        // A check of two holders needs room under both agreements, and takes none where it is not asked.
        assert_eq!(pace.take(&[ONE, TWO], at(59_999)), Err(at(60_000)));
        assert_eq!(pace.take(&[TWO], at(59_999)), Ok(()));
        assert_eq!(pace.take(&[TWO, ONE], at(60_000)), Ok(()));
        assert_eq!(pace.take(&[TWO, ONE], at(60_001)), Err(at(120_000)));
        // Who does not wait is counted all the same.
        pace.count(&[ONE], at(60_002));
        assert_eq!(pace.take(&[ONE], at(60_003)), Err(at(120_000)));
    }

    #[test]
    fn a_refusal_is_believed_but_not_for_ever() {
        let pace = Pace::default();
        pace.count(&[ONE], at(0));
        pace.count(&[ONE], at(0));
        pace.refused(ONE.0, at(30_000), at(1));
        assert_eq!(pace.take(&[ONE], at(29_999)), Err(at(30_000)));
        // What was refused does not count.
        assert_eq!(pace.take(&[ONE], at(30_000)), Ok(()));
        pace.refused(ONE.0, at(9_000_000), at(40_000));
        assert_eq!(pace.take(&[ONE], at(40_000)), Err(at(40_000 + BELIEVED_MS)));
    }

    #[tokio::test]
    async fn the_groups_of_a_batch_come_in_turn_and_one_that_ends_early_holds_nobody_up() {
        let mut turns = Turn::first();
        let [first, second, third] = [turns.take(), turns.take(), turns.take()];
        first.come().await;
        let waits = tokio::time::timeout(Duration::from_millis(20), second.come()).await;
        assert!(waits.is_err());
        drop(first);
        second.come().await;
        drop(second);
        third.come().await;
    }

    #[tokio::test]
    async fn who_went_away_is_not_waited_for() {
        let clock = tacit_model::ManualClock::new(at(0));
        let here = Arc::new(());
        let asker = Asker::Patient(Arc::downgrade(&here), None);
        assert!(asker.wait(&clock, at(0)).await);
        let waiting = asker.wait(&clock, at(1));
        drop(here);
        assert!(!waiting.await, "the clock stands, and nobody wants the answer");
    }
}
