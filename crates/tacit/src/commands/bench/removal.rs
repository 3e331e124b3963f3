//! How long a removed record is still answered as listed: from the removal to the first check that says otherwise.

use std::time::{Duration, Instant};

use tacit_node::config::HolderConfig;
use tacit_node::records::{ChangeOutcome, RemovalReason};

use super::BenchError;
use super::calls::is_listed;
use super::figure::{Figure, Floor};
use super::plan::Plan;
use super::rig::{Own, Rig};
use super::subjects;

/// Longest wait for a removal.
const WITHIN: Duration = Duration::from_secs(120);

/// Between two checks of a subject that was removed.
const PAUSE: Duration = Duration::from_millis(50);

/// Removes records one after the other, as an officer does beside the running node. Each but the first is removed just
/// after a tick, so that it waits for a whole one; the slowest counts.
pub(super) async fn run(rig: &Rig, plan: &Plan, figures: &mut Vec<Figure>) -> Result<(), BenchError> {
    let own = rig.own().await?;
    let (mut worst, mut removals) = (Duration::ZERO, 0);
    // From the end of the list, which the batches ask last.
    for n in (0..plan.records).rev().take(plan.effort.runs + 1) {
        worst = worst.max(removed(rig, &own, &subjects::code(n)).await?);
        removals += 1;
    }
    own.db.close().await;
    if removals == 0 {
        return Err(BenchError::Wrong("no record was removed"));
    }
    let tick = Duration::from_millis(HolderConfig::default().tick_ms);
    let figure = Figure::new(
        "removal",
        "a removal until checks say so, the slowest, tick included",
        worst.as_secs_f64(),
        "s",
    );
    let share = tick.as_secs_f64() / worst.as_secs_f64();
    figures.push(plan.floor_of_full_list(figure.share(share, "one tick of 10 s"), Floor::AtMost(15.0)));
    Ok(())
}

/// Removes one record, and waits until a check finds the subject not listed.
async fn removed(rig: &Rig, own: &Own, code: &str) -> Result<Duration, BenchError> {
    // The subject is enrolled by this check: what follows is about the list alone.
    if !is_listed(rig, code).await? {
        return Err(BenchError::Answer("not listed before the removal".to_owned()));
    }
    let begun = Instant::now();
    let outcome = own.records.remove(&own.list, code, RemovalReason::Fulfilled, "bench").await?;
    if outcome != ChangeOutcome::Changed {
        return Err(BenchError::Wrong("the record was not removed"));
    }
    while is_listed(rig, code).await? {
        if begun.elapsed() > WITHIN {
            return Err(BenchError::Answer("still listed long after the removal".to_owned()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(begun.elapsed())
}
