//! What the witnesses say of the time, and whether the own clock may date records.

use std::sync::PoisonError;

use tacit_ledger::quorum::WitnessSet;
use tacit_model::{
    Clock as _, Millis, Reason,
    told::{Needed, Reading, Said, Told, Verdict},
};

use super::{PATIENCE, Witnesses};

/// How far the clock may be from what the witnesses say, and the newest record ahead of it, in milliseconds.
const MOST_MS: u64 = 15_000;

impl Witnesses {
    /// Takes the time that a cosignature tells.
    pub(super) fn heard_time(&self, name: &str, time_s: u64, size: u64, asked: u64, heard: u64) {
        let said = Said { time: Millis::from_secs(time_s), size, asked: Some(asked), heard };
        self.told().note(name, said);
        let reading = Reading::of(&self.clock);
        self.counted(|told, needed| told.confirm(needed, reading));
        self.spoken.send_modify(|spoken| *spoken += 1);
    }

    /// What the witnesses make of the clock as it was read.
    pub(super) fn verdict(&self, reading: Reading) -> Verdict {
        self.counted(|told, needed| told.verdict(needed, reading))
    }

    /// Whether the clock is what the witnesses say; after a start it waits until they spoke.
    pub(super) async fn clock_is_told(&self) -> Result<(), Reason> {
        if self.verdict(Reading::of(&self.clock)) == Verdict::Unknown && !self.began {
            let mut spoken = self.spoken.subscribe();
            let known = |_: &u64| self.verdict(Reading::of(&self.clock)) != Verdict::Unknown;
            self.want();
            if tokio::time::timeout(PATIENCE, spoken.wait_for(known)).await.is_err() {
                return Err(Reason::QuorumStale);
            }
        }
        self.dated(Millis(0)).map(drop)
    }

    /// The time by the clock, for a log whose newest record is of `newest`. Whatever a record says of the time was
    /// read here.
    ///
    /// # Errors
    /// [`Reason::ClockOff`] when too few witnesses agree with the clock, or when they do and the log is ahead of it: it
    /// was dated by a clock that was off.
    pub(crate) fn dated(&self, newest: Millis) -> Result<Millis, Reason> {
        let reading = Reading::of(&self.clock);
        let off = match self.verdict(reading) {
            Verdict::Agrees => newest.since(reading.now) > MOST_MS,
            Verdict::Off => true,
            Verdict::Unknown => false,
        };
        metrics::gauge!("tacit_clock_off").set(if off { 1.0 } else { 0.0 });
        if !off {
            return Ok(reading.now);
        }
        tracing::warn!(now = %reading.now.to_rfc3339(), newest = %newest.to_rfc3339(), "the clock is off; nothing is decided");
        // Soon they say whether it is right again.
        self.want();
        Err(Reason::ClockOff)
    }

    /// By the clock, whether that is right or not.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        // Every change under the lock is one assignment.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted<T>(&self, with: impl FnOnce(&mut Told, Needed<'_>) -> T) -> T {
        self.counted_by(&self.set(), with)
    }

    /// What these witnesses make of the clock as it was read.
    pub(super) fn verdict_of(&self, set: &WitnessSet, reading: Reading) -> Verdict {
        self.counted_by(set, |told, needed| told.verdict(needed, reading))
    }

    fn counted_by<T>(&self, set: &WitnessSet, with: impl FnOnce(&mut Told, Needed<'_>) -> T) -> T {
        let names: Vec<&str> = set.iter().map(|witness| witness.name()).collect();
        with(&mut self.told(), Needed { of: &names, count: set.quorum(), most_ms: MOST_MS })
    }
}
