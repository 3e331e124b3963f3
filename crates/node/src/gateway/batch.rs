//! Many questions in bounded memory, the same for JSON Lines and gRPC.
//!
//! ```text
//! rows ─read, parse─▶ good: subjects ─▶ asker ─▶ outcomes ─┐
//!              └────▶ bad: named by line and reason ───────┴─▶ rows out, then one end
//! ```
//!
//! Every row that arrived leaves exactly one row; none is dropped. What the caller does not read stops the
//! reading of its rows. When the caller goes away no further row is asked, and what was asked is finished; what waits
//! for the checks of another minute was not asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use tacit_client::{Outcome, RowOutcome, Subject};
use tacit_model::{Normalization, Reason};
use tacit_policy::Registry;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{asker::Asker, metrics, problem::Problem, question::Checked};

/// Rows of answers that are kept for a caller that writes first and reads later.
pub(super) const ROWS_AHEAD: usize = 10_000;
/// Subjects read ahead of the asker.
const SUBJECTS_AHEAD: usize = 1024;

/// A row as it arrived.
pub(super) struct RowIn {
    /// Which one, from 1; for JSON Lines the line of the body.
    pub(super) line: u64,
    /// The caller's own number.
    pub(super) row: Option<u64>,
    /// The code as typed, or why the row cannot be read.
    pub(super) typed: Result<Zeroizing<String>, Problem>,
}

/// A row as it leaves.
#[derive(Debug)]
pub(super) struct RowOut {
    pub(super) line: u64,
    pub(super) row: Option<u64>,
    /// Changes made to the code as typed.
    pub(super) changes: Vec<Normalization>,
    /// What became of it; a problem when the row never was a question.
    pub(super) outcome: Result<RowOutcome, Problem>,
}

/// How the rows of a batch ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows that arrived.
    pub(super) rows: u64,
    /// Rows with answers.
    pub(super) answered: u64,
    /// Rows refused by a rule or a quota, or not reached.
    pub(super) refused: u64,
    /// Rows on record without an answer.
    pub(super) not_answered: u64,
    /// Rows whose code or form is not valid; they cost nothing.
    pub(super) invalid: u64,
    /// Why reading ended before the caller's end, if it did.
    pub(super) broken: Option<Problem>,
}

/// What leaves: rows, then one end.
#[derive(Debug)]
pub(super) enum Event {
    Row(Box<RowOut>),
    End(Tally),
}

/// The source of rows broke or fell silent.
pub(super) type Arrived = Result<RowIn, Problem>;

struct Waiting {
    line: u64,
    row: Option<u64>,
    changes: Vec<Normalization>,
}

/// What reader and writer share.
struct Shared {
    waiting: Mutex<HashMap<u64, Waiting>>,
    tally: Mutex<Tally>,
    /// True once the caller is gone, or has not read for too long: no further row is asked.
    gone: watch::Sender<bool>,
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds of one batch.
pub(super) struct Bounds {
    /// Most rows that are asked.
    pub(super) rows: u64,
    /// Longest silence of the caller.
    pub(super) idle: Duration,
    /// True once the node stops: no further row is asked.
    pub(super) stopping: watch::Receiver<bool>,
}

/// Starts a batch. `slot` is given back when all that was asked is finished.
pub(super) fn start(
    asker: &Arc<dyn Asker>,
    checked: Checked,
    rows: impl Stream<Item = Arrived> + Send + 'static,
    bounds: Bounds,
    slot: OwnedSemaphorePermit,
) -> mpsc::Receiver<Event> {
    let (out, events) = mpsc::channel(ROWS_AHEAD);
    let (subjects, taken) = mpsc::channel(SUBJECTS_AHEAD);
    let shared = Arc::new(Shared {
        waiting: Mutex::default(),
        tally: Mutex::default(),
        gone: watch::channel(false).0,
    });
    let outcomes = asker.check_many(checked.question.clone(), ReceiverStream::new(taken).boxed());
    let reader = Reader {
        checked,
        registry: asker.registry(),
        shared: Arc::clone(&shared),
        subjects,
        out: out.clone(),
        rows: bounds.rows,
        idle: bounds.idle,
        stopping: bounds.stopping,
    };
    let reading = tokio::spawn(reader.run(rows.boxed()).in_current_span());
    let writing = async move {
        write(outcomes, &shared, &out, bounds.idle).await;
        // An asker that ends early drops its subjects, and the reader ends with them.
        if reading.await.is_err() {
            shared.tally().broken = Some(Reason::Internal.into());
        }
        finish(&shared, &out, bounds.idle).await;
        drop(slot);
    };
    tokio::spawn(writing.in_current_span());
    events
}

struct Reader {
    checked: Checked,
    registry: Arc<Registry>,
    shared: Arc<Shared>,
    subjects: mpsc::Sender<Subject>,
    out: mpsc::Sender<Event>,
    rows: u64,
    idle: Duration,
    stopping: watch::Receiver<bool>,
}

impl Reader {
    async fn run(self, mut rows: BoxStream<'static, Arrived>) {
        let (mut gone, mut stopping) = (self.shared.gone.subscribe(), self.stopping.clone());
        loop {
            let arrived = tokio::select! {
                arrived = tokio::time::timeout(self.idle, rows.next()) => arrived,
                () = self.out.closed() => return,
                _ = gone.wait_for(|gone| *gone) => return,
                _ = stopping.wait_for(|stopping| *stopping) => {
                    let problem = Problem::new(Reason::Unavailable, "The node is stopping; send the other rows again.");
                    return self.broken(problem);
                }
            };
            let row = match arrived {
                Ok(Some(Ok(row))) => row,
                Ok(None) => return,
                Ok(Some(Err(problem))) => return self.broken(problem),
                Err(_) => return self.broken(Problem::new(Reason::Deadline, "No row arrived for too long.")),
            };
            if !self.take(row).await {
                return;
            }
        }
    }

    fn broken(&self, problem: Problem) {
        self.shared.tally().broken = Some(problem);
    }

    /// Hands one row on; false when nobody takes rows any more.
    async fn take(&self, row: RowIn) -> bool {
        let RowIn { line, row, typed } = row;
        let number = {
            let mut tally = self.shared.tally();
            tally.rows += 1;
            tally.rows
        };
        let parsed = if number > self.rows {
            Err(Problem::new(
                Reason::TooMany,
                "The batch has more rows than one request may have; send the rest anew.",
            ))
        } else {
            typed.and_then(|typed| self.checked.read_code(&typed, &self.registry))
        };
        match parsed {
            Ok(parsed) => {
                let waiting = Waiting { line, row, changes: parsed.changes };
                self.shared.waiting().insert(number, waiting);
                let subject = Subject { row: number, code: parsed.subject };
                if self.subjects.send(subject).await.is_ok() {
                    return true;
                }
                // The asker has ended: this row is reported with the others that got no outcome.
                self.broken(Reason::Unavailable.into());
                false
            }
            Err(problem) => {
                self.shared.tally().invalid += 1;
                metrics::row("invalid");
                let out = RowOut { line, row, changes: Vec::new(), outcome: Err(problem) };
                send(&self.out, Event::Row(Box::new(out)), self.idle).await
            }
        }
    }
}

/// Passes outcomes on until there are none. Once the caller is gone they are only awaited, and no longer than a silent
/// caller is: who waits for another minute's checks then asks no more.
async fn write(
    mut outcomes: BoxStream<'static, RowOutcome>,
    shared: &Shared,
    out: &mpsc::Sender<Event>,
    idle: Duration,
) {
    let mut gone = None;
    let leaves = || {
        shared.gone.send_replace(true);
        Some(Instant::now() + idle)
    };
    loop {
        let outcome = tokio::select! {
            outcome = outcomes.next() => outcome,
            () = out.closed(), if gone.is_none() => {
                gone = leaves();
                continue;
            }
            () = until(gone) => None,
        };
        let Some(outcome) = outcome else { return };
        let Some(Waiting { line, row, changes }) = shared.waiting().remove(&outcome.row) else {
            tracing::error!("an outcome names no row that waits for one");
            continue;
        };
        count(&mut shared.tally(), &outcome.outcome);
        let row = RowOut { line, row, changes, outcome: Ok(outcome) };
        if gone.is_none() && !send(out, Event::Row(Box::new(row)), idle).await {
            gone = leaves();
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Reports the rows that got no outcome, then the end.
async fn finish(shared: &Shared, out: &mpsc::Sender<Event>, idle: Duration) {
    let mut left: Vec<Waiting> = shared.waiting().drain().map(|(_, waiting)| waiting).collect();
    left.sort_by_key(|waiting| waiting.line);
    for Waiting { line, row, changes } in left {
        shared.tally().refused += 1;
        metrics::row("refused");
        let row = RowOut { line, row, changes, outcome: Err(Reason::Unavailable.into()) };
        if !send(out, Event::Row(Box::new(row)), idle).await {
            return;
        }
    }
    let tally = shared.tally().clone();
    send(out, Event::End(tally), idle).await;
}

fn count(tally: &mut Tally, outcome: &Outcome) {
    let (counter, name) = match outcome {
        Outcome::Answers(_) => (&mut tally.answered, "answered"),
        Outcome::Refused(_) => (&mut tally.refused, "refused"),
        Outcome::NotAnswered(_) => (&mut tally.not_answered, "not_answered"),
    };
    *counter += 1;
    metrics::row(name);
}

/// False when the caller is gone, or has not read for too long.
async fn send(out: &mpsc::Sender<Event>, event: Event, idle: Duration) -> bool {
    out.send_timeout(event, idle).await.is_ok()
}
