//! A clock that days can be added to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tacit_model::{Clock, Millis};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Another clock, and the days that passed beside it: to whoever goes by this one they were days.
pub(super) struct Ahead {
    base: Arc<dyn Clock>,
    by_ms: AtomicU64,
}

impl Ahead {
    pub(super) fn of(base: Arc<dyn Clock>) -> Self {
        Self { base, by_ms: AtomicU64::new(0) }
    }

    /// Lets so many days pass.
    pub(super) fn pass(&self, days: u64) {
        self.by_ms.fetch_add(days.saturating_mul(DAY_MS), Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Millis {
        self.base.now().plus_ms(self.by_ms.load(Ordering::SeqCst))
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
}
