//! The clock, as an argument. [`SystemClock`] is the only code of the product that reads the
//! machine's time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::Millis;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time now, UTC.
    fn now(&self) -> Millis;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Millis {
        (**self).now()
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
}

/// A clock that stands until it is moved. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Shows `now` from here on, earlier or later.
    pub fn set(&self, now: Millis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves forward by `ms` milliseconds and returns the new time.
    pub fn advance_ms(&self, ms: u64) -> Millis {
        let step = |now: u64| Some(now.saturating_add(ms));
        let old = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap_or_else(|now| now);
        Millis(old).plus_ms(ms)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
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
    fn the_system_clock_shows_this_century() {
        let now = SystemClock.now();
        assert!(now > Millis::from_secs(1_700_000_000) && now < Millis::from_secs(4_000_000_000));
    }
}
