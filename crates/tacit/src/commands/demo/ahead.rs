//! A clock that days can be added to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tacit_model::{Clock, Millis};

/// Milliseconds of a day, and of an hour.
const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// Another clock, which may be set back at first, and the time that passed beside it: to whoever goes by this one it
/// passed.
pub(super) struct Ahead {
    base: Arc<dyn Clock>,
    back_ms: u64,
    by_ms: AtomicU64,
}

impl Ahead {
    pub(super) fn of(base: Arc<dyn Clock>) -> Self {
        Self { base, back_ms: 0, by_ms: AtomicU64::new(0) }
    }

    /// So many hours behind another clock, until they have passed.
    pub(super) fn behind(base: Arc<dyn Clock>, hours: u64) -> Self {
        Self { base, back_ms: hours.saturating_mul(HOUR_MS), by_ms: AtomicU64::new(0) }
    }

    /// Lets so many days pass.
    pub(super) fn pass(&self, days: u64) {
        self.by_ms.fetch_add(days.saturating_mul(DAY_MS), Ordering::SeqCst);
    }

    /// Lets so many hours pass.
    pub(super) fn pass_hours(&self, hours: u64) {
        self.by_ms.fetch_add(hours.saturating_mul(HOUR_MS), Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Millis {
        self.base.now().minus_ms(self.back_ms).plus_ms(self.by_ms.load(Ordering::SeqCst))
    }

    fn steady(&self) -> u64 {
        self.base.steady().saturating_add(self.by_ms.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::ManualClock;

    use super::*;

    #[test]
    fn days_that_pass_are_days_by_both_measures() {
        let base = ManualClock::new(Millis(1_000));
        let ahead = Ahead::of(Arc::new(base.clone()));
        ahead.pass(2);
        base.advance_ms(5);
        assert_eq!((ahead.now(), ahead.steady()), (Millis(1_005 + 2 * DAY_MS), 5 + 2 * DAY_MS));
    }

    #[test]
    fn a_clock_that_was_set_back_shows_the_time_once_the_hours_have_passed() {
        let base = ManualClock::new(Millis(100 * HOUR_MS));
        let behind = Ahead::behind(Arc::new(base.clone()), 72);
        assert_eq!((behind.now(), behind.steady()), (Millis(28 * HOUR_MS), 0));
        behind.pass_hours(72);
        assert_eq!((behind.now(), behind.steady()), (base.now(), 72 * HOUR_MS));
    }
}
