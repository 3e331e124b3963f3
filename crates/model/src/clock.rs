//! The clock, as an argument. [`SystemClock`] is the only code of the product that reads the
//! machine's time.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::Millis;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time now, UTC.
    fn now(&self) -> Millis;

    /// Milliseconds since some start that is the same as long as the process lives. It is never set: what it and
    /// [`Clock::now`] differ by changes only when the time is.
    fn steady(&self) -> u64;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Millis {
        (**self).now()
    }

    fn steady(&self) -> u64 {
        (**self).steady()
    }
}

/// The machine's clock. It may be stepped by an administrator: nobody may assume that it only
/// moves forward.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        let now = SystemTime::now();
        // A clock before 1970 counts as 1970: every freshness check then fails closed.
        Millis::default().plus(now.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn steady(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands until it is moved. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    now: AtomicU64,
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self(Arc::new(Shown { now: AtomicU64::new(now.0), steady: AtomicU64::new(0) }))
    }

    /// Shows `now` from here on: time passes until then, or, when that is earlier, the clock is set back.
    pub fn set(&self, now: Millis) {
        let old = self.0.now.swap(now.0, Ordering::SeqCst);
        self.0.steady.fetch_add(now.0.saturating_sub(old), Ordering::SeqCst);
    }

    /// Is set to show `now`, earlier or later; no time passes.
    pub fn jump_to(&self, now: Millis) {
        self.0.now.store(now.0, Ordering::SeqCst);
    }

    /// Moves forward by `ms` milliseconds and returns the new time.
    pub fn advance_ms(&self, ms: u64) -> Millis {
        let step = |now: u64| Some(now.saturating_add(ms));
        let old = self.0.now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap_or_else(|now| now);
        self.0.steady.fetch_add(ms, Ordering::SeqCst);
        Millis(old).plus_ms(ms)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.now.load(Ordering::SeqCst))
    }

    fn steady(&self) -> u64 {
        self.0.steady.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_share_the_time() {
        let clock = ManualClock::new(Millis(1000));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        assert_eq!(clock.advance_ms(5), Millis(1005));
        assert_eq!(shared.now(), Millis(1005));
        clock.set(Millis(1));
        assert_eq!(shared.now(), Millis(1));
    }

    #[test]
    fn steady_time_passes_with_the_time_and_stays_when_that_is_set() {
        let clock = ManualClock::new(Millis(1000));
        clock.advance_ms(5);
        clock.set(Millis(1015));
        assert_eq!((clock.now(), clock.steady()), (Millis(1015), 15));
        clock.set(Millis(1000));
        clock.jump_to(Millis(9000));
        assert_eq!((clock.now(), clock.steady()), (Millis(9000), 15));
        let before = SystemClock.steady();
        assert!(SystemClock.steady() >= before);
    }

    #[test]
    fn the_system_clock_shows_this_century() {
        let now = SystemClock.now();
        assert!(now > Millis::from_secs(1_700_000_000) && now < Millis::from_secs(4_000_000_000));
    }
}
