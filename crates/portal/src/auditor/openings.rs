//! Audit boxes, opened by two members, each at a desk of its own: the first asks, the second takes off its layer, the first
//! reads and judges. Each step is on record before it is taken, so each is a form.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use tacit_client::{BoxKey, CaseFiles, Opened, OpeningState};
use tacit_model::{Ulid, parse_ulid};

use super::{App, End, check_at, entries::Entries, failed, findings, noted};
use crate::{
    frame::{Frame, page},
    language::Language,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest ground, in characters.
const GROUND_MAX: usize = 500;

/// What this desk may do about boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Ask and read.
    First,
    /// Approve.
    Second,
    /// Watch.
    Neither,
    /// It has one of the two keys, and was not given it.
    NoKeys,
}

impl Part {
    fn of(end: &End) -> Self {
        match end.auditor.box_key() {
            Some(_) if end.opens.is_none() || end.signs.is_none() => Self::NoKeys,
            Some(BoxKey::First) => Self::First,
            Some(BoxKey::Second) => Self::Second,
            None => Self::Neither,
        }
    }

    fn words(self, end: &End, language: Language) -> String {
        let key = match self {
            Self::First => "openings-first",
            Self::Second => "openings-second",
            Self::Neither => "openings-neither",
            Self::NoKeys => "openings-no-keys",
        };
        language.with(key, &[("auditor", end.auditor.member().as_str().into())])
    }
}

/// What this desk does next about an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Approve,
    Read,
    Nothing,
}

/// An opening as a page shows it.
struct Line {
    id: Ulid,
    href: String,
    when: String,
    /// The entry that it is about, once that is verified here.
    entry: Option<(u64, String)>,
    about: String,
    requester: String,
    ground: String,
    auditor: String,
    second: String,
    step: String,
    next: Next,
    /// Whether it was asked for here, so that somebody else approves it.
    own: bool,
    was_read: bool,
}

impl Line {
    fn may_approve(&self) -> bool {
        self.next == Next::Approve
    }

    fn may_read(&self) -> bool {
        self.next == Next::Read
    }

    /// Whether nothing goes on before this desk does something.
    fn waits(&self) -> bool {
        self.may_approve() || self.may_read() && !self.was_read
    }
}

/// Openings, newest first, as this desk may go on with them.
async fn told(app: &App, end: &End, frame: &Frame, visit: &Visit) -> Result<Vec<Line>, Fault> {
    let openings = end.auditor.openings().await;
    let openings = openings.map_err(|error| failed("openings are not told", &error))?;
    let entries = Entries::of(app, openings.iter().map(|it| it.about.as_str()));
    let (part, own) = (Part::of(end), end.auditor.member().as_str());
    let line = |it: OpeningState| Line {
        id: it.id,
        href: visit.path(&format!("/openings/{}", it.id)),
        when: frame.minute(&it.requested.to_rfc3339()),
        entry: entries.entry(&it.about, visit),
        step: frame.word("opening-step", &it.step),
        next: match (part, it.step.as_str()) {
            (Part::Second, "requested") if it.second == own && it.auditor != own => Next::Approve,
            (Part::First, "approved" | "read") if it.auditor == own => Next::Read,
            _ => Next::Nothing,
        },
        own: it.auditor == own,
        was_read: it.step == "read",
        about: it.about,
        requester: it.requester,
        ground: it.ground,
        auditor: it.auditor,
        second: it.second,
    };
    Ok(openings.into_iter().map(line).collect())
}

#[derive(Template)]
#[template(path = "auditor/openings.html")]
struct OpeningsPage {
    frame: Frame,
    part: String,
    lines: Vec<Line>,
}

pub(super) async fn openings(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let end = app.of.end()?;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("openings-title"), "openings");
    let lines = told(&app, &end, &frame, &visit).await?;
    page(&OpeningsPage { part: Part::of(&end).words(&end, visit.language), lines, frame })
}

#[derive(Template)]
#[template(path = "auditor/opening.html")]
struct OpeningPage {
    frame: Frame,
    part: String,
    line: Line,
}

pub(super) async fn opening(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, opening)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let id = parse_ulid(&opening).ok_or(Fault::NotFound)?;
    let end = app.of.end()?;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("opening-title"), "openings");
    let line = told(&app, &end, &frame, &visit).await?.into_iter().find(|line| line.id == id);
    let line = line.ok_or(Fault::NotFound)?;
    page(&OpeningPage { part: Part::of(&end).words(&end, visit.language), line, frame })
}

#[derive(Template)]
#[template(path = "auditor/opening_form.html")]
struct FormPage {
    frame: Frame,
    index: u64,
    entry_href: String,
    requester: String,
    part: String,
    /// Whether this desk may ask.
    asks: bool,
    ground: String,
    wrongs: Wrongs,
}

fn form_page(app: &App, visit: &Visit, index: &str, typed: &str, wrongs: Wrongs) -> Result<Response, Fault> {
    let (index, _, requester) = check_at(app, index)?;
    let end = app.of.end()?;
    let title = visit.language.with("opening-ask-title", &[("index", index.to_string().into())]);
    let mut frame = Frame::new(&app.desk, visit, title, "log");
    frame.wrong = !wrongs.is_empty();
    let part = Part::of(&end);
    page(&FormPage {
        index,
        entry_href: visit.path(&format!("/log/{index}")),
        requester,
        part: part.words(&end, visit.language),
        asks: part == Part::First,
        ground: typed.to_owned(),
        wrongs,
        frame,
    })
}

pub(super) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    form_page(&app, &visit, &index, "", Wrongs::default())
}

/// A text in one line, which a record or a file can take; none when it is too long or has characters that no text has.
pub(super) fn in_one_line(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (line.chars().count() <= GROUND_MAX && !line.chars().any(char::is_control)).then_some(line)
}

pub(super) async fn ask(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (at, about, _) = check_at(&app, &index)?;
    let typed = visit.form.get("ground").unwrap_or_default();
    let ground = match in_one_line(typed) {
        Some(ground) if !ground.is_empty() => ground,
        _ => {
            let wrongs = Wrongs::of("ground", visit.language.say("opening-ground-wrong"));
            return form_page(&app, &visit, &index, typed, wrongs);
        }
    };
    let end = app.of.end()?;
    let asked = end.auditor.request_opening(at, &about.to_string(), &ground, end.signs()?).await;
    let step = asked.map_err(|error| failed("an opening is not asked for", &error))?;
    noted(&visit, "an opening of an audit box is asked for", Some(step.record.index));
    Ok(Redirect::to(&visit.path(&format!("/openings/{}", step.record.id))).into_response())
}

pub(super) async fn approve(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, opening)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let id = parse_ulid(&opening).ok_or(Fault::NotFound)?;
    let end = app.of.end()?;
    let approved = end.auditor.approve_opening(id, end.opens()?, end.signs()?).await;
    let step = approved.map_err(|error| failed("an opening is not approved", &error))?;
    noted(&visit, "an opening of an audit box is approved", Some(step.record.index));
    Ok(Redirect::to(&visit.path(&format!("/openings/{id}"))).into_response())
}

#[derive(Template)]
#[template(path = "auditor/opened.html")]
struct OpenedPage {
    frame: Frame,
    back: String,
    entry_href: String,
    it: Opened,
    /// What does not hold, in words.
    found: Vec<String>,
    /// Whether the case was looked for among case files.
    looked: bool,
}

/// Shown once, as the answer to this form, and kept nowhere.
pub(super) async fn read(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, opening)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let id = parse_ulid(&opening).ok_or(Fault::NotFound)?;
    let end = app.of.end()?;
    let cases = visit.form.get("cases").map(CaseFiles::parse);
    let opened = end.auditor.open_approved(id, end.opens()?).await;
    let it = opened.map_err(|error| failed("an audit box is not read", &error))?;
    noted(&visit, "an audit box is read", Some(it.about.index));
    let found = it.found(cases.as_ref());
    let words = found.iter().map(|it| findings::found_words(visit.language, it.what, &it.text)).collect();
    findings::keep(&end, visit.now, found).await?;
    let title = visit.language.with("opened-title", &[("index", it.about.index.to_string().into())]);
    page(&OpenedPage {
        frame: Frame::new(&app.desk, &visit, title, "openings"),
        back: visit.path(&format!("/openings/{id}")),
        entry_href: visit.path(&format!("/log/{}", it.about.index)),
        it,
        found: words,
        looked: cases.is_some(),
    })
}
