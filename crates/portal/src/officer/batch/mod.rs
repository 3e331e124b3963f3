//! Many checks from a file: uploaded, planned with its cost and its row errors, started, followed, taken away.
//!
//! ```text
//! file ─▶ rows ─plan─▶ what it costs, which rows are no questions ─start─▶ progress ─▶ answers, CSV, JSON
//! ```
//! All of it lies in the portal's memory for the session that uploaded it, and goes with it.

mod files;
mod job;
mod table;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};

pub(super) use self::files::{csv, json};
pub(super) use self::job::Job;

/// Most batches that a desk keeps; with at most 5,000 rows, 1 MiB of file and 8 MiB of answers each.
pub(super) const MOST: usize = 16;
use self::{
    job::{Kind, Phase, Question, Titles},
    table::{NoTable, ROWS_MAX},
    words::in_words,
};
use super::{
    App, PAGE,
    check::{TEXT_MAX, chosen, of_field},
    says::{List, Lists},
};
use crate::{
    api::Trouble,
    form::Fields,
    frame::{Frame, page},
    paging::Paging,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

#[derive(Template)]
#[template(path = "officer/batch_form.html")]
struct FormPage {
    frame: Frame,
    lists: Vec<List>,
    /// What was typed.
    form: Arc<Fields>,
    wrongs: Wrongs,
}

/// What an agreement allows, and whether it is less than what is asked for.
struct LimitRow {
    limit: job::Limit,
    beyond: bool,
}

/// A row of the table.
struct RowShown {
    number: u64,
    code: String,
    case_number: String,
    words: String,
    as_of: String,
    /// Number of its record, and the address of its receipt.
    record: Option<(u64, Option<String>)>,
}

/// A kind of row, to show no others.
struct Choice {
    kind: &'static str,
    words: String,
    count: usize,
    here: bool,
}

#[derive(Template)]
#[template(path = "officer/batch.html")]
struct JobPage<'j> {
    frame: Frame,
    job: &'j Job,
    phase: Phase,
    /// All rows, those that can be asked, and of those the ones that have an answer or a refusal.
    total: usize,
    askable: usize,
    done: usize,
    wrong: usize,
    limits: Vec<LimitRow>,
    choices: Vec<Choice>,
    rows: Vec<RowShown>,
    paging: Paging,
}

impl JobPage<'_> {
    fn is_planned(&self) -> bool {
        matches!(self.phase, Phase::Planned)
    }

    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    fn shows_all(&self) -> bool {
        self.choices.iter().all(|choice| !choice.here)
    }

    /// Why it ended before its end.
    fn early(&self) -> Option<String> {
        match &self.phase {
            Phase::Stopped => Some(self.frame.say("batch-stopped")),
            Phase::Broken(trouble) => {
                Some(self.frame.with("batch-broken", "why", self.frame.reason(&trouble.reason)))
            }
            Phase::Planned | Phase::Running | Phase::Done => None,
        }
    }
}

pub(super) async fn batch(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    match app.of.batches.of(&visit.place()?) {
        Some(job) => show(&app, &visit, &job),
        None => {
            let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
            form(&app, &visit, lists, Wrongs::default())
        }
    }
}

fn form(app: &App, visit: &Visit, lists: Vec<List>, wrongs: Wrongs) -> Result<Response, Fault> {
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("batch-title"), "batch");
    frame.wrong = !wrongs.is_empty();
    page(&FormPage { frame, lists, form: visit.form.clone(), wrongs })
}

fn show(app: &App, visit: &Visit, job: &Job) -> Result<Response, Fault> {
    let language = visit.language;
    let inside = job.inside();
    let title = match inside.phase {
        Phase::Planned => language.say("batch-plan-title"),
        Phase::Running => language.say("batch-running-title"),
        Phase::Done | Phase::Stopped | Phase::Broken(_) => language.say("batch-results-title"),
    };
    let frame = Frame::new(&app.desk, visit, title, "batch");
    let planned = matches!(inside.phase, Phase::Planned);
    // Before it starts, the rows that would not be asked are what there is to look at.
    let wanted = if planned { Some("wrong") } else { visit.query.get("show") };
    let wanted = Kind::ALL.into_iter().find(|kind| wanted == Some(kind.as_str()));
    let total = inside.rows.len();
    let wrong = inside.count(Kind::Wrong);
    let shown = wanted.map_or(total, |kind| inside.count(kind));
    let paging = Paging::of(visit, "/batch", shown, PAGE);
    let rows = inside.rows.iter().filter(|row| wanted.is_none_or(|kind| row.kind == kind));
    let rows = paging.rows(rows, PAGE).map(|row| {
        let told = in_words(row, &job.titles.list, &frame);
        RowShown {
            number: row.number,
            code: row.code.to_string(),
            case_number: row.case_number.as_deref().unwrap_or(&job.question.case_number).clone(),
            words: told.words,
            as_of: frame.minute(&told.as_of),
            // A refusal is on record and has no receipt.
            record: told.record.map(|(id, index)| {
                let receipt = (!told.as_of.is_empty()).then(|| visit.path(&format!("/checks/{id}/receipt")));
                (index, receipt)
            }),
        }
    });
    let choices = Kind::ALL.into_iter().map(|kind| Choice {
        kind: kind.as_str(),
        words: frame.word("batch-kind", kind.as_str()),
        count: inside.count(kind),
        here: wanted == Some(kind),
    });
    let limits = job.plan.iter().flat_map(|plan| {
        plan.limits.iter().map(|limit| LimitRow {
            beyond: plan.checks > limit.checks_per_day || plan.new_subjects > limit.new_subjects_per_day,
            limit: limit.clone(),
        })
    });
    page(&JobPage {
        rows: rows.collect(),
        choices: choices.filter(|choice| choice.count > 0).collect(),
        limits: limits.collect(),
        phase: inside.phase.clone(),
        total,
        askable: total - wrong,
        done: total - wrong - inside.count(Kind::Waits),
        wrong,
        paging,
        frame,
        job,
    })
}

fn back(visit: &Visit) -> Response {
    Redirect::to(&visit.path("/batch")).into_response()
}

pub(super) async fn upload(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let place = visit.place()?;
    if app.of.batches.of(&place).is_some() {
        // What is there is shown; it is forgotten only by its own button.
        return Ok(back(&visit));
    }
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    let language = visit.language;
    let mut wrongs = Wrongs::default();
    let chosen = chosen(&lists, &visit.form);
    if chosen.is_none() {
        wrongs.add("choice", language.say("check-choice-missing"));
    }
    let case_number = visit.form.get("case_number").filter(|text| text.len() <= TEXT_MAX);
    if case_number.is_none() {
        wrongs.add("case_number", language.say("check-case-missing"));
    }
    let lines = lines(&visit).await?;
    let lines = lines.map_err(|NoTable(key)| wrongs.add("file", language.say(&format!("batch-file-{key}"))));
    let (Ok(lines), Some((list, purpose)), Some(case_number)) = (lines, chosen, case_number) else {
        return form(&app, &visit, lists, wrongs);
    };
    let question = Question {
        lists: [list.list.clone()],
        purpose: purpose.purpose.clone(),
        case_number: case_number.to_owned(),
        officer: visit.login()?.account.clone(),
        scheme: list.scheme.clone(),
    };
    let titles = Titles { list: list.title.clone(), purpose: purpose.title.clone() };
    let planned = Job::plan(&app.of.api, question, titles, lines, &visit.id).await;
    let job = match planned.map_err(|trouble| at_field(&trouble, &visit).ok_or(trouble)) {
        Ok(job) => job,
        Err(Ok((field, words))) => {
            wrongs.add(field, words);
            return form(&app, &visit, lists, wrongs);
        }
        Err(Err(trouble)) => return Err(trouble.into()),
    };
    if app.of.batches.keep(place, job).is_err() {
        wrongs.add("file", language.say("batch-full"));
        return form(&app, &visit, lists, wrongs);
    }
    Ok(back(&visit))
}

/// What the node found wrong with the question of all rows.
fn at_field(trouble: &Trouble, visit: &Visit) -> Option<(&'static str, String)> {
    of_field(trouble, visit.language).filter(|(field, _)| *field == "case_number")
}

/// The rows of the file that was sent.
async fn lines(visit: &Visit) -> Result<Result<Vec<table::Line>, NoTable>, Fault> {
    let Some(file) = visit.file.clone() else { return Ok(Err(NoTable("missing"))) };
    // Unpacking takes time that other pages are not made to wait for.
    let read = move || match &file.content {
        Some(content) => table::read(content),
        None => Err(NoTable("large")),
    };
    tokio::task::spawn_blocking(read).await.map_err(|error| {
        tracing::error!(%error, "a file was not read to its end");
        Fault::Internal
    })
}

pub(super) async fn start(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    if let Some(job) = app.of.batches.of(&visit.place()?) {
        job.start(&app.of.api, &visit.id);
    }
    Ok(back(&visit))
}

pub(super) async fn stop(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    if let Some(job) = app.of.batches.of(&visit.place()?) {
        job.stop();
    }
    Ok(back(&visit))
}

pub(super) async fn forget(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    app.of.batches.forget(&visit.place()?);
    Ok(back(&visit))
}
