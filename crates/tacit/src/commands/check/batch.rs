//! `tacit check --batch IN --out OUT`: any number of rows, in bounded memory, resumable.
//!
//! ```text
//! read rows ─▶ (done already?) ─▶ gateway.CheckMany ─▶ answers ─▶ out.csv
//!     └─ no row ───────────────────────────────────────────────────▲
//! ```

use std::{
    collections::HashMap,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tacit_model::Reason;
use tacit_wire::gateway::{
    CheckManyRequest, PlanRequest, PlanResponse, Question, Subject, check_many_request, plan_request,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use zeroize::Zeroizing;

use super::{
    QuestionArguments,
    input::{Columns, Row, Rows},
    results::{Again, Results, Tally},
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::GatewayClient,
    signals::{Asked, Signals},
};

/// Rows read ahead of the gateway.
const AHEAD: usize = 2048;
/// Rows that may be without their answer at one time: what a node works on at once, and as much again waiting. It
/// bounds memory, and how long stopping takes.
const UNANSWERED: usize = 6144;
/// Answers between two flushes of the result.
const FLUSH_EVERY: u64 = 256;
/// Pause before rows without an answer are asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// How a batch is done.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    columns: Columns,
    /// Start without asking whether the cost is right.
    #[arg(long, short)]
    yes: bool,
    /// How often rows that got no answer are asked before the run ends; they can be resumed.
    #[arg(long, default_value_t = 5, value_name = "TIMES")]
    passes: u32,
    /// Ask refused rows of an earlier run again too.
    #[arg(long)]
    retry_refused: bool,
}

/// How one pass over the file ended.
enum Passed {
    /// Every row was asked and told.
    Through,
    /// The gateway went away before.
    Broken(Failure),
    /// Somebody said stop.
    Stopped,
}

pub(super) async fn run(
    context: &Context,
    mut client: GatewayClient,
    question: &QuestionArguments,
    input: &Path,
    out: &Path,
    options: &Options,
) -> Result<Exit, Failure> {
    let message = question.to_message();
    let again = if options.retry_refused { Again::Refused } else { Again::NotAnsweredAndQuota };
    // A file whose header cannot be read leaves no result behind.
    Rows::open(input, &options.columns)?;
    let results = Results::open(out, &message, again)?;
    let resumed = results.tally().rows;
    let (results, to_do) = survey(input, options, results).await?;
    if to_do > 0 {
        let shared = Arc::new(Mutex::new(results));
        let planned = plan(&mut client, &message, input, options, &shared).await;
        let agreed = planned.and_then(|plan| {
            tell_plan(context, &plan, resumed, to_do)?;
            confirm(context, options)
        });
        if let Err(failure) = agreed {
            lock(&shared).discard_if_empty();
            return Err(failure);
        }
        return ask_all(context, client, &message, input, out, options, shared, to_do).await;
    }
    let tally = results.finish()?;
    finish(context, &tally, resumed, out, None, Duration::ZERO)
}

/// Reads the file once: every row that is done must be the one that was asked about. Counts the others.
async fn survey(input: &Path, options: &Options, results: Results) -> Result<(Results, u64), Failure> {
    let mut rows = Rows::open(input, &options.columns)?;
    let reading = tokio::task::spawn_blocking(move || {
        let (mut to_do, mut last) = (0, 0);
        while let Some(row) = rows.next()? {
            last = row.line;
            let code = row.code.as_ref().map_or("", |code| code.as_str());
            if !results.has(row.line, code)? {
                to_do += 1;
            }
        }
        if results.last_line() > last {
            return Err(Failure::usage("the result has more rows than the file")
                .next("it is the result of another file: give another --out"));
        }
        Ok((results, to_do))
    });
    reading.await.map_err(Failure::internal)?
}

/// What the rows that are not done would cost.
async fn plan(
    client: &mut GatewayClient,
    question: &Question,
    input: &Path,
    options: &Options,
    shared: &Arc<Mutex<Results>>,
) -> Result<PlanResponse, Failure> {
    let rows = read(input, options, Arc::clone(shared))?;
    let first = PlanRequest { part: Some(plan_request::Part::Question(question.clone())) };
    let troubles = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&troubles);
    let subjects = rows.filter_map(move |row| {
        let subject = match row {
            Ok(Row { line, code: Ok(code) }) => Some(Subject { row: line, code: code.to_string() }),
            Ok(_) => None,
            Err(failure) => {
                *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                None
            }
        };
        async move { subject.map(|subject| PlanRequest { part: Some(plan_request::Part::Subject(subject)) }) }
    });
    let asked = client.plan(stream::once(async move { first }).chain(subjects)).await;
    if let Some(failure) = troubles.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(failure);
    }
    Ok(asked.map_err(|status| Failure::of_status("the gateway", &status))?.into_inner())
}

/// The cost, before anything is asked.
fn tell_plan(context: &Context, plan: &PlanResponse, resumed: u64, to_do: u64) -> Result<(), Failure> {
    let limits: Vec<_> = plan
        .limits
        .iter()
        .map(|limit| {
            json!({
                "agreement": limit.agreement_id, "lists": limit.lists, "checks_per_day": limit.checks_per_day,
                "checks_per_minute": limit.checks_per_minute, "new_subjects_per_day": limit.new_subjects_per_day,
                "consent_required": limit.consent_required,
            })
        })
        .collect();
    let value = json!({ "plan": {
        "rows": to_do, "done_before": resumed, "checks": plan.checks, "invalid": plan.invalid,
        "new_subjects": plan.new_subjects, "limits": limits,
    }});
    context.output.result(&value, || {
        let mut text = String::new();
        if resumed > 0 {
            text.push_str(&format!("{resumed} rows have their answer from before.\n"));
        }
        text.push_str(&format!(
            "{} checks, {} rows without a valid code, {} subjects that were never asked about.",
            plan.checks, plan.invalid, plan.new_subjects
        ));
        for limit in &plan.limits {
            text.push_str(&format!(
                "\n  agreement {}: {}\n    {} checks and {} new subjects a day{}",
                limit.agreement_id,
                limit.lists.join(", "),
                limit.checks_per_day,
                limit.new_subjects_per_day,
                if limit.consent_required { "; each subject's consent is needed" } else { "" },
            ));
            if let Some(most) = limit.checks_per_minute.filter(|most| plan.checks > *most) {
                let minutes = plan.checks.div_ceil(most.max(1)) - 1;
                text.push_str(&format!("\n    {most} checks a minute: it takes {minutes} minutes or more"));
            }
            if plan.new_subjects > limit.new_subjects_per_day || plan.checks > limit.checks_per_day {
                text.push_str(
                    "\n    MORE THAN A DAY ALLOWS: the rest is refused, and can be resumed on another day",
                );
            }
        }
        text
    })?;
    Ok(())
}

fn confirm(context: &Context, options: &Options) -> Result<(), Failure> {
    if options.yes {
        return Ok(());
    }
    if context.output.is_json() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to confirm the cost").next("say --yes"));
    }
    std::io::stderr().write_all(b"Start? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::usage("not started; nothing was asked"))
    }
}

/// Pass after pass, until every row has an answer or no more passes are allowed.
#[expect(clippy::too_many_arguments, reason = "called once; they are the arguments of the command")]
async fn ask_all(
    context: &Context,
    client: GatewayClient,
    question: &Question,
    input: &Path,
    out: &Path,
    options: &Options,
    mut shared: Arc<Mutex<Results>>,
    to_do: u64,
) -> Result<Exit, Failure> {
    let resumed = lock(&shared).tally().rows;
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    let bar = progress(context, to_do);
    let mut pass = 1;
    let ended = loop {
        let passed = ask_once(client.clone(), question, input, options, &shared, &bar, &mut signals).await?;
        let lost = lock(&shared).tally().not_answered > 0;
        match passed {
            Passed::Stopped => {
                break Some(Failure::trouble("stopped").next("run the same command again to resume"));
            }
            Passed::Through if !lost => break None,
            Passed::Broken(failure) if failure.exit == Exit::Usage || failure.exit == Exit::Refused => {
                break Some(failure);
            }
            Passed::Through | Passed::Broken(_) if pass < options.passes => {
                bar.set_message("waiting to ask again what got no answer");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = signals.next() => break Some(Failure::trouble("stopped").next("run the same command again to resume")),
                }
            }
            Passed::Through => break None,
            Passed::Broken(failure) => break Some(failure),
        }
        pass += 1;
        lock(&shared).flush()?;
        // What has no final answer is taken out of the result and asked again.
        shared = Arc::new(Mutex::new(Results::open(out, question, Again::NotAnswered)?));
        bar.set_position(lock(&shared).tally().rows.saturating_sub(resumed));
    };
    bar.finish_and_clear();
    let results = Arc::try_unwrap(shared).map_err(|_| Failure::internal("the result is still in use"))?;
    let tally = results.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
    finish(context, &tally, resumed, out, ended, started.elapsed())
}

/// One pass over the file.
async fn ask_once(
    mut client: GatewayClient,
    question: &Question,
    input: &Path,
    options: &Options,
    shared: &Arc<Mutex<Results>>,
    bar: &ProgressBar,
    signals: &mut Signals,
) -> Result<Passed, Failure> {
    let in_flight = InFlight::default();
    let (broken_tx, mut broken) = mpsc::unbounded_channel();
    let first = CheckManyRequest { part: Some(check_many_request::Part::Question(question.clone())) };
    let asked = in_flight.clone();
    let room = Arc::new(Semaphore::new(UNANSWERED));
    let taken = Arc::clone(&room);
    let subjects = read(input, options, Arc::clone(shared))?.filter_map(move |row| {
        let subject = match row {
            Ok(Row { line, code: Ok(code) }) => {
                let subject = Subject { row: line, code: code.to_string() };
                asked.add(line, code);
                Some(subject)
            }
            Ok(Row { line, code: Err(problem) }) => {
                // The receiver outlives the stream.
                let _ = broken_tx.send(Ok((line, problem)));
                None
            }
            Err(failure) => {
                let _ = broken_tx.send(Err(failure));
                None
            }
        };
        let taken = Arc::clone(&taken);
        async move {
            let subject = subject?;
            // It is given back with the answer; the semaphore is never closed.
            taken.acquire().await.ok()?.forget();
            Some(CheckManyRequest { part: Some(check_many_request::Part::Subject(subject)) })
        }
    });
    // Dropping the sender ends the questions; answers to those that were asked still come.
    let (go_on, stopped) = oneshot::channel::<()>();
    let mut go_on = Some(go_on);
    let requests = stream::once(async move { first }).chain(subjects.take_until(stopped));
    let mut answers = match client.check_many(requests).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Ok(Passed::Broken(Failure::of_status("the gateway", &status))),
    };
    let mut since_flush = 0;
    loop {
        tokio::select! {
            biased;
            asked = signals.next() => if asked == Asked::Stop && go_on.take().is_none() {
                // The second time nothing is waited for.
                lock(shared).flush()?;
                return Ok(Passed::Stopped);
            },
            Some(row) = broken.recv() => {
                let (line, problem) = row?;
                lock(shared).add_broken(line, problem)?;
                bar.inc(1);
            }
            answer = answers.message() => match answer {
                Ok(Some(answer)) => {
                    let code = in_flight.take(answer.row);
                    room.add_permits(1);
                    lock(shared).add(answer.row, code.as_deref().map_or("", String::as_str), &answer.outcome.unwrap_or_default())?;
                    bar.inc(1);
                    since_flush += 1;
                    if since_flush >= FLUSH_EVERY {
                        since_flush = 0;
                        lock(shared).flush()?;
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    lock(shared).flush()?;
                    return Ok(Passed::Broken(Failure::of_status("the gateway", &status)));
                }
            },
        }
    }
    while let Ok(row) = broken.try_recv() {
        let (line, problem) = row?;
        lock(shared).add_broken(line, problem)?;
    }
    lock(shared).flush()?;
    if go_on.is_none() {
        return Ok(Passed::Stopped);
    }
    if in_flight.is_empty() {
        Ok(Passed::Through)
    } else {
        Ok(Passed::Broken(Failure::trouble("the gateway left rows out")))
    }
}

/// The codes that were sent and not yet answered.
#[derive(Clone, Default)]
struct InFlight(Arc<Mutex<HashMap<u64, Zeroizing<String>>>>);

impl InFlight {
    fn add(&self, line: u64, code: Zeroizing<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(line, code);
    }

    fn take(&self, line: u64) -> Option<Zeroizing<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&line)
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The rows that have no final answer yet, read ahead in a thread of their own.
fn read(
    input: &Path,
    options: &Options,
    results: Arc<Mutex<Results>>,
) -> Result<impl Stream<Item = Result<Row, Failure>> + Send + use<>, Failure> {
    let mut rows = Rows::open(&PathBuf::from(input), &options.columns)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            let row = match rows.next() {
                Ok(None) => return,
                Ok(Some(row)) => {
                    let code = row.code.as_ref().map_or("", |code| code.as_str());
                    match lock(&results).has(row.line, code) {
                        Ok(true) => continue,
                        Ok(false) => Ok(row),
                        Err(failure) => Err(failure),
                    }
                }
                Err(failure) => Err(failure),
            };
            let failed = row.is_err();
            // Nobody reads any more: the pass has ended.
            if sender.blocking_send(row).is_err() || failed {
                return;
            }
        }
    });
    Ok(stream::unfold(
        receiver,
        |mut receiver| async move { receiver.recv().await.map(|row| (row, receiver)) },
    ))
}

fn lock(results: &Mutex<Results>) -> std::sync::MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finish(
    context: &Context,
    tally: &Tally,
    resumed: u64,
    out: &Path,
    ended: Option<Failure>,
    took: Duration,
) -> Result<Exit, Failure> {
    let asked = tally.rows.saturating_sub(resumed);
    let seconds = took.as_secs_f64();
    let value = json!({
        "out": out, "rows": tally.rows, "done_before": resumed, "listed": tally.listed, "not_listed": tally.not_listed,
        "invalid": tally.invalid, "refused": tally.refused, "not_answered": tally.not_answered,
        "seconds": (seconds * 1000.0).round() / 1000.0, "notice": super::NOTICE,
    });
    context.output.result(&value, || {
        let mut text = format!(
            "{} rows: {} listed, {} not listed, {} invalid, {} not answered",
            tally.rows, tally.listed, tally.not_listed, tally.invalid, tally.not_answered
        );
        for (reason, count) in &tally.refused {
            text.push_str(&format!(", {count} refused ({reason})"));
        }
        if asked > 0 && seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = asked as f64 / seconds;
            text.push_str(&format!("\n{asked} in {seconds:.1} s, {rate:.0} a second"));
        }
        text.push_str(&format!("\n{} names line, answer and record of each", out.display()));
        text.push_str(&format!("\n{}", super::NOTICE));
        text
    })?;
    if let Some(failure) = ended {
        return Err(failure);
    }
    if tally.not_answered > 0 {
        return Err(Failure::trouble(format!("{} rows got no answer", tally.not_answered))
            .reason(Reason::NotAnswered)
            .next("run the same command again to resume"));
    }
    if tally.quota() > 0 {
        let reason = tally.refused.keys().find_map(|key| {
            key.parse::<Reason>().ok().filter(|it| key.starts_with("quota_") && *it != Reason::QuotaRate)
        });
        let failure = Failure::new(Exit::Refused, format!("{} rows were refused by a quota", tally.quota()));
        return Err(failure.reason(reason.unwrap_or(Reason::QuotaRate)));
    }
    Ok(Exit::Done)
}

fn progress(context: &Context, rows: u64) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rows);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos} of {len} rows  {per_sec}  {eta} left  {msg}")
    {
        bar.set_style(style);
    }
    bar
}
