//! What machines read: one object with every step and its outcome.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// What became of one step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// Its name.
    pub(super) step: &'static str,
    /// Whether it came out as promised.
    pub(super) ok: bool,
    /// What came out, one word: `listed`, a reason code, `detected`.
    pub(super) outcome: String,
    /// How long it took.
    pub(super) took_ms: u64,
    /// Figures.
    pub(super) facts: Value,
}

impl Step {
    /// A step that came out as `outcome` and should have as `promised`.
    pub(super) fn of(step: &'static str, promised: &str, outcome: impl Into<String>, facts: Value) -> Self {
        let outcome = outcome.into();
        Self { step, ok: outcome == promised, outcome, took_ms: 0, facts }
    }
}

/// The whole demonstration.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Whether every step came out as promised.
    pub(super) ok: bool,
    /// The federation's folder.
    pub(super) folder: PathBuf,
    /// Steps, in order.
    pub(super) steps: Vec<Step>,
    /// How long all of it took.
    pub(super) took_ms: u64,
    /// Most memory that the process used; absent where the system does not tell.
    pub(super) peak_memory_bytes: Option<u64>,
}

/// Milliseconds, for JSON.
pub(super) fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The most memory this process used so far (`VmHWM` of proc(5)).
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
