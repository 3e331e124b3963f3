//! Inclusion proofs of records that somebody picks at random, from a log that is stored.

use std::time::Instant;

use rand_core::Rng as _;
use tacit_ledger::merkle::{leaf_hash, verify_inclusion};
use tacit_ledger::tree::TreeView;
use tacit_model::entropy;

use super::BenchError;
use super::figure::{Figure, Floor};
use super::measure::{Contest, Effort, rate};
use super::stored::Stored;

/// Proofs between two looks at the time: so many that every part of a log of 200,000 is asked about.
const PASS: usize = 4_096;

/// Measures proofs that one caller asks for one by one.
pub(super) async fn run(
    stored: &Stored,
    effort: Effort,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let (log, size) = (stored.open().await?, stored.size());
    let head = log.head();
    let picked = picked(size);

    // Once unmeasured, and verified: every proof is one.
    for (index, record) in picked.iter().zip(log.records(&picked).await?) {
        let proof = log.inclusion(&[*index], size).await?.pop().unwrap_or_default();
        verify_inclusion(&leaf_hash(&record), *index, &proof, size, head.root())
            .map_err(|_| BenchError::Wrong("a proof does not hold"))?;
    }
    let mut leaves = Vec::new();
    for start in (0..size).step_by(16_384) {
        leaves.extend(log.entries(start, 16_384).await?.iter().map(|record| leaf_hash(record)));
    }
    let tree = TreeView::from_leaves(&leaves).map_err(|_| BenchError::Wrong("the tree"))?;

    let (mut best, mut best_raw) = (0.0_f64, 0.0_f64);
    for _ in 0..effort.runs {
        let (begun, mut count) = (Instant::now(), 0);
        while count == 0 || begun.elapsed() < effort.at_least {
            for index in &picked {
                std::hint::black_box(log.inclusion(&[*index], size).await?);
            }
            count += picked.len();
        }
        best = best.max(rate(count, begun.elapsed()));
        let raw = Contest::new(picked.len(), || {
            for index in &picked {
                std::hint::black_box(
                    tree.inclusion(*index, size).map_err(|_| BenchError::Wrong("a proof in memory"))?,
                );
            }
            Ok(())
        });
        let once = Effort { runs: 1, at_least: effort.at_least };
        best_raw = once.race(&mut [raw])?.into_iter().fold(best_raw, f64::max);
    }
    let raw = Figure::new("raw.proofs", "proofs from a tree that is whole in memory", best_raw, "1/s");
    figures.push(raw.clone());
    figures.push(
        Figure::new("proofs", "inclusion proofs of random records from the stored log", best, "1/s")
            .of(&raw)
            .floor(Floor::AtLeast(5000.0)),
    );
    Ok(())
}

/// Indexes at random, the same throughout a run.
fn picked(size: u64) -> Vec<u64> {
    let mut rng = entropy::os_rng();
    (0..PASS).map(|_| rng.next_u64() % size.max(1)).collect()
}
