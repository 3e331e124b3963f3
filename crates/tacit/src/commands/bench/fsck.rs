//! `tacit log verify` of an exported log, as an auditor runs it: a process of its own, from its start to its end, that
//! reads every file, recomputes every hash and looks into every record. The files were just written, so they come from
//! the memory of the file system and not from the disk.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;
use tacit_ledger::merkle::leaf_hash;
use tokio::process::Command;

use super::BenchError;
use super::appends::{BATCH, entries};
use super::figure::{Figure, Floor};
use super::measure::{Contest, Effort, rate};
use super::stored::Stored;

/// Verifies the log with `program`, which is this one.
pub(super) async fn run(
    program: &Path,
    stored: &Stored,
    folder: &Path,
    effort: Effort,
    cores: usize,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let export = stored.export(folder).await?;
    let records = entries(1, BATCH)?.concat();
    let (mut best, mut best_raw) = (0.0_f64, 0.0_f64);
    for _ in 0..effort.runs {
        let begun = Instant::now();
        let verified = verify(program, &export).await?;
        let took = begun.elapsed();
        if verified != Some(stored.size()) {
            return Err(BenchError::Wrong("an exported log does not verify"));
        }
        best = best.max(rate(usize::try_from(stored.size()).unwrap_or(usize::MAX), took));
        let raw = Contest::new(records.len(), || {
            for (_, record) in &records {
                std::hint::black_box(leaf_hash(record));
            }
            Ok(())
        });
        let once = Effort { runs: 1, at_least: effort.at_least };
        best_raw = once.race(&mut [raw])?.into_iter().fold(best_raw, f64::max);
    }
    std::fs::remove_dir_all(export)?;
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let raw = Figure::new("raw.leaf", "leaf hashes of records, all cores", best_raw * cores as f64, "1/s");
    figures.push(raw.clone());
    figures.push(
        Figure::new("fsck", "records verified from an exported log by `tacit log verify`", best, "1/s")
            .of(&raw)
            .floor(Floor::AtLeast(200_000.0)),
    );
    Ok(())
}

/// The size to which an exported log verifies.
async fn verify(program: &Path, export: &Path) -> Result<Option<u64>, BenchError> {
    let mut command = Command::new(program);
    command.args(["--json", "log", "verify"]).arg(export).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let is_verified = output.status.success() && told.get("verified").and_then(Value::as_bool) == Some(true);
    Ok(told.get("size").and_then(Value::as_u64).filter(|_| is_verified))
}
