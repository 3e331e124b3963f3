//! The work on measures that time brings, beside everything else that a requester's node does.

use std::time::Duration;

use tacit_client::{MeasureCounts, Measures};

/// Pause between two looks at what is due.
const EVERY: Duration = Duration::from_secs(2);

/// Asks again, retries and counts, for ever: run it as a task.
pub async fn run(measures: Measures) {
    let mut overdue = 0;
    loop {
        if let Err(error) = measures.step().await {
            tracing::warn!(%error, "what is due of measures could not be read");
        }
        match measures.counts().await {
            Ok(counts) => {
                show(counts);
                if counts.overdue > overdue {
                    let count = counts.overdue;
                    tracing::error!(
                        count,
                        "measures stand longer than three days after their list gave no ground"
                    );
                }
                overdue = counts.overdue;
            }
            Err(error) => tracing::warn!(%error, "measures could not be counted"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn show(counts: MeasureCounts) {
    let MeasureCounts { standing, unconfirmed, due, overdue } = counts;
    let states = [("standing", standing), ("unconfirmed", unconfirmed), ("due", due), ("overdue", overdue)];
    for (state, count) in states {
        // No agency has more measures than a gauge counts exactly.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("tacit_node_measures", "state" => state).set(f64::from(count));
    }
}
