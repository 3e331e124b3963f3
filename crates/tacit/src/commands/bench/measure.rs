//! How things are measured: the best of several runs, percentiles, and this process's memory.

use std::time::{Duration, Instant};

use super::BenchError;

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Runs of which the best counts.
    pub(super) runs: usize,
    /// Least time of one run of a measure that can be repeated at will.
    pub(super) at_least: Duration,
}

/// One of several things whose rates are compared.
pub(super) struct Contest<'a> {
    /// Units of work in one pass.
    per_pass: usize,
    pass: Box<dyn FnMut() -> Result<(), BenchError> + 'a>,
}

impl<'a> Contest<'a> {
    pub(super) fn new(per_pass: usize, pass: impl FnMut() -> Result<(), BenchError> + 'a) -> Self {
        Self { per_pass, pass: Box::new(pass) }
    }
}

impl Effort {
    /// Units a second of each contest, on this thread. The contests take turns within each run, so that a
    /// machine that is busy for a while slows all of them and their ratios stay true.
    pub(super) fn race(&self, contests: &mut [Contest<'_>]) -> Result<Vec<f64>, BenchError> {
        let mut best = vec![0.0_f64; contests.len()];
        for contest in &mut *contests {
            // Once unmeasured: caches, lazily built tables.
            (contest.pass)()?;
        }
        for _ in 0..self.runs {
            for (contest, best) in contests.iter_mut().zip(&mut best) {
                let (start, mut passes) = (Instant::now(), 0_usize);
                while passes == 0 || start.elapsed() < self.at_least {
                    (contest.pass)()?;
                    passes += 1;
                }
                *best = best.max(rate(passes * contest.per_pass, start.elapsed()));
            }
        }
        Ok(best)
    }
}

/// Units a second.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(super) fn rate(units: usize, took: Duration) -> f64 {
    units as f64 / took.as_secs_f64().max(1e-9)
}

/// Durations of single calls.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn sorted(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The smallest duration that `percent` of the calls did not exceed, in milliseconds (nearest rank).
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// The most memory this process has had since [`forget_peak`], in MB (1,000,000 bytes): `VmHWM` of
/// `/proc/self/status`. `None` where there is no such file.
pub(super) fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kib) * 1024.0 / 1e6)
}

/// Processor time that all threads of this process have used: user and system, from `/proc/self/stat` (proc(5)), in
/// steps of 10 ms. `None` where there is no such file.
pub(super) fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields are counted from behind the name, which may hold spaces: utime and stime are the 12th and 13th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// Makes the present memory the peak (proc(5), `clear_refs`). Where that is not allowed the peak stays that of the
/// whole process, which is never less.
pub(super) fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let all = Latencies::sorted((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!([50, 90, 99, 100].map(|percent| all.percentile_ms(percent)), [100.0, 180.0, 198.0, 200.0]);
        assert_eq!(Latencies::default().percentile_ms(50), 0.0);
    }

    #[test]
    fn contests_take_turns_and_the_first_error_ends_them() {
        let effort = Effort { runs: 2, at_least: Duration::ZERO };
        let order = std::cell::RefCell::new(Vec::new());
        let note = |which: usize| {
            order.borrow_mut().push(which);
            Ok(())
        };
        let rates = effort.race(&mut [Contest::new(1, || note(1)), Contest::new(1, || note(2))]).unwrap();
        assert!(rates.iter().all(|rate| *rate > 0.0));
        assert_eq!(*order.borrow(), [1, 2, 1, 2, 1, 2]);
        assert!(effort.race(&mut [Contest::new(1, || Err(BenchError::Wrong("x")))]).is_err());
    }

    #[test]
    fn this_process_has_memory() {
        forget_peak();
        assert!(peak_memory_mb().is_none_or(|peak| peak > 1.0));
        assert!(processor_time().is_none_or(|used| used < Duration::from_secs(3_600)));
    }
}
