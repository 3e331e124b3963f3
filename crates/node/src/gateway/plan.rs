//! Reading a batch without asking it: how many rows are questions, and what they would cost.

use futures::{Stream, StreamExt as _, stream};
use tacit_client::Plan;
use tacit_model::{Reason, SubjectCode};
use tokio::sync::mpsc;

use super::{batch::Arrived, json::App, problem::Problem, question::Checked};

/// Subjects read ahead of the planner.
const AHEAD: usize = 1024;

/// Most rows that are named with what is wrong with them; beyond, they are counted.
pub(super) const NAMED_MAX: usize = 10_000;

/// Rows of a batch that was not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Rows whose code is valid.
    pub(super) checks: u64,
    /// Rows whose code or form is not.
    pub(super) invalid: u64,
    /// The first of those.
    pub(super) named: Vec<Invalid>,
}

/// A row that would not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    /// Which one, from 1; for JSON Lines the line of the body.
    pub(super) line: u64,
    /// The caller's own number.
    pub(super) row: Option<u64>,
    /// What is wrong with it.
    pub(super) problem: Problem,
}

/// Counts the rows and has the valid ones planned, in bounded memory.
pub(super) async fn plan(
    app: &App,
    checked: Checked,
    rows: impl Stream<Item = Arrived> + Send,
) -> Result<(Plan, Count), Problem> {
    let (subjects, taken) = mpsc::channel(AHEAD);
    let valid = stream::unfold(taken, |mut taken: mpsc::Receiver<SubjectCode>| async move {
        taken.recv().await.map(|subject| (subject, taken))
    });
    let planning = app.asker.plan(checked.question.clone(), valid.boxed());
    let (planned, counted) = tokio::join!(planning, count(app, checked, rows, subjects));
    let count = counted?;
    Ok((planned?, count))
}

async fn count(
    app: &App,
    checked: Checked,
    rows: impl Stream<Item = Arrived> + Send,
    subjects: mpsc::Sender<SubjectCode>,
) -> Result<Count, Problem> {
    let registry = app.asker.registry();
    let mut rows = std::pin::pin!(rows);
    let mut count = Count::default();
    loop {
        let row = match tokio::time::timeout(app.idle(), rows.next()).await {
            Ok(Some(row)) => row?,
            Ok(None) => return Ok(count),
            Err(_) => return Err(Problem::slow()),
        };
        if count.checks + count.invalid >= app.limits.rows {
            return Err(Problem::new(Reason::TooMany, "There are more rows than one request may have."));
        }
        match row.typed.and_then(|typed| checked.read_code(&typed, &registry)) {
            Ok(parsed) => {
                count.checks += 1;
                // A planner that has ended answers by itself.
                let _ = subjects.send(parsed.subject).await;
            }
            Err(problem) => {
                count.invalid += 1;
                if count.named.len() < NAMED_MAX {
                    count.named.push(Invalid { line: row.line, row: row.row, problem });
                }
            }
        }
    }
}
