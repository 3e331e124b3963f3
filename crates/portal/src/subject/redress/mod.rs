//! Letters and objections: what came, what was sent, what is owed by when, and how one objects and appeals.

mod letter;
pub(super) mod object;

use std::collections::HashSet;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use letter::{file, letter};

use super::{
    App,
    says::{About, Freshness},
};
use crate::{
    api::Trouble,
    download::download,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest text of an appeal, in characters.
const APPEAL_MAX: usize = 2000;

/// Objections and letters of a person.
#[derive(Debug, Deserialize)]
pub(super) struct Matters {
    pub(super) objections: Vec<Matter>,
    letters: Vec<Post>,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
}

/// An objection.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Matter {
    pub(super) id: String,
    pub(super) list_name: String,
    filed: String,
    state: String,
    outcome: String,
    pub(super) owed: String,
    #[serde(default)]
    pub(super) owed_by: Option<String>,
    pub(super) overdue: bool,
    #[serde(default)]
    pub(super) appeal_until: Option<String>,
}

impl Matter {
    /// Whether nobody has said yet that they have it.
    fn is_on_its_way(&self) -> bool {
        matches!(self.state.as_str(), "waits" | "sent" | "appeal_waits" | "appealed")
    }
}

/// A letter. What it says is read by its page alone.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Post {
    pub(super) kind: String,
    from_name: String,
    to_name: String,
    pub(super) list_name: String,
    #[serde(default)]
    pub(super) logtime: Option<String>,
    record_id: String,
    #[serde(default)]
    letter: Option<Value>,
    problem: String,
}

impl Post {
    fn field(&self, name: &str) -> &str {
        self.letter.as_ref().and_then(|letter| letter.get(name)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its own id; empty when it cannot be read.
    pub(super) fn id(&self) -> &str {
        self.field("id")
    }

    fn thread(&self) -> &str {
        self.field("thread")
    }

    /// What its body says under a name.
    fn said(&self, name: &str) -> &str {
        let body = self.letter.as_ref().and_then(|letter| letter.get("body"));
        body.and_then(|body| body.get(name)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Between whom it went; `receivers` by their names.
    fn between(&self, receivers: &[&str], frame: &Frame) -> String {
        let receivers = || frame.language.names(receivers.iter().copied());
        match (self.to_name.as_str(), self.kind.as_str()) {
            ("", _) => frame.with("letter-from", "agency", &self.from_name),
            // The person did not write it.
            (_, "review-decision") => frame.with("letter-passed-on", "agency", receivers()),
            _ => frame.with("letter-to", "agency", receivers()),
        }
    }

    /// Whether it says what its sender may say.
    pub(super) fn counts(&self) -> bool {
        self.problem.is_empty()
    }

    /// What it is, in a sentence.
    pub(super) fn sentence(&self, frame: &Frame) -> String {
        match self.kind.as_str() {
            "" => frame.say("letter-unreadable"),
            "decision" if self.said("level") == "review" => {
                frame.about("letter-kind-decision-review", &self.list_name)
            }
            kind => frame.about(&format!("letter-kind-{kind}"), &self.list_name),
        }
    }
}

impl Frame {
    /// The key of what a body owes the person.
    pub(crate) fn owed(&self, what: &str) -> &'static str {
        if what == "review" { "matter-review-by" } else { "matter-decide-by" }
    }

    /// A sentence about a list.
    fn about(&self, key: &str, list: &str) -> String {
        match self.language.find(key) {
            Some(_) => self.with(key, "list", list),
            None => list.to_owned(),
        }
    }
}

pub(super) async fn known(app: &App, visit: &Visit, scope: Scope) -> Result<Matters, Fault> {
    let about: About<'_> = visit.who(scope)?.into();
    Ok(app.of.api.post("/v1/matters", &about, &visit.id).await?)
}

impl Matters {
    /// Letters that came to the person and count, newest first.
    pub(super) fn came(&self) -> impl Iterator<Item = &Post> {
        self.letters.iter().rev().filter(|post| post.to_name.is_empty() && post.counts())
    }
}

/// A row of a table of letters.
struct Row {
    sentence: String,
    when: Option<String>,
    who: String,
    /// Empty for one that cannot be read.
    id: String,
    problem: String,
}

/// Letters as rows, newest first; one that went to several members is one row.
fn rows<'a>(letters: impl Iterator<Item = &'a Post>, frame: &Frame) -> Vec<Row> {
    let letters: Vec<&Post> = letters.collect();
    let (mut seen, mut rows) = (HashSet::new(), Vec::new());
    for post in &letters {
        if !post.id().is_empty() && !seen.insert(post.id()) {
            continue;
        }
        let receivers: Vec<&str> = letters
            .iter()
            .filter(|other| !post.id().is_empty() && other.id() == post.id())
            .map(|other| other.to_name.as_str())
            .collect();
        rows.push(Row {
            sentence: post.sentence(frame),
            when: post.logtime.as_deref().map(|at| frame.minute(at)),
            who: post.between(&receivers, frame),
            id: post.id().to_owned(),
            problem: post.problem.clone(),
        });
    }
    // Those that wait have no place in the log yet; they are the newest.
    let time = |id: &str| letters.iter().find(|post| post.id() == id).and_then(|post| post.logtime.clone());
    rows.sort_by_cached_key(|row| std::cmp::Reverse(time(&row.id).unwrap_or_else(|| "~".to_owned())));
    rows
}

#[derive(Template)]
#[template(path = "subject/redress/matters.html")]
struct MattersPage {
    frame: Frame,
    objections: Vec<Matter>,
    rows: Vec<Row>,
    freshness: Freshness,
    may_object: bool,
}

pub(super) async fn matters(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut known = known(&app, &visit, Scope::Read).await?;
    known.objections.reverse();
    let frame = frame(&app, &visit, "matters-title");
    let rows = rows(known.letters.iter(), &frame);
    let Matters { objections, freshness, .. } = known;
    page(&MattersPage { frame, objections, rows, freshness, may_object: visit.who(Scope::Object).is_ok() })
}

/// Everything, as the authority says it.
pub(super) async fn json(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let about: About<'_> = visit.who(Scope::Read)?.into();
    let all: Value = app.of.api.post("/v1/matters", &about, &visit.id).await?;
    let text = serde_json::to_vec_pretty(&all).map_err(|_| Fault::Internal)?;
    Ok(download(text, "application/json", "letters-and-objections.json"))
}

#[derive(Template)]
#[template(path = "subject/redress/matter.html")]
struct MatterPage {
    frame: Frame,
    matter: Matter,
    rows: Vec<Row>,
    /// Whether the person may appeal here now.
    may_appeal: bool,
    text: String,
    wrongs: Wrongs,
}

async fn show(app: &App, visit: &Visit, id: &str, text: String, wrongs: Wrongs) -> Result<Response, Fault> {
    let known = known(app, visit, Scope::Read).await?;
    let matter = known.objections.into_iter().find(|matter| matter.id == id).ok_or(Fault::NotFound)?;
    let mut frame = frame(app, visit, "matter-title");
    frame.wrong = !wrongs.is_empty();
    let rows = rows(known.letters.iter().filter(|post| post.thread() == id), &frame);
    let may_appeal = matter.appeal_until.is_some() && visit.who(Scope::Object).is_ok();
    page(&MatterPage { frame, matter, rows, may_appeal, text, wrongs })
}

pub(super) async fn matter(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    show(&app, &visit, &id, String::new(), Wrongs::default()).await
}

#[derive(Serialize)]
struct NewAppeal<'w> {
    #[serde(flatten)]
    about: About<'w>,
    objection: &'w str,
    text: &'w str,
}

/// Takes down an appeal against a decision.
pub(super) async fn appeal(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let about: About<'_> = visit.who(Scope::Object)?.into();
    let text = written(&visit);
    let wrong = match text.chars().count() {
        0 => Some(visit.language.say("appeal-text-missing")),
        length if length > APPEAL_MAX => Some(too_long(&visit, APPEAL_MAX)),
        _ => None,
    };
    if let Some(wrong) = wrong {
        return show(&app, &visit, &id, text, Wrongs::of("text", wrong)).await;
    }
    let appeal = NewAppeal { about, objection: &id, text: &text };
    match app.of.api.post::<object::Filed>("/v1/appeals", &appeal, &visit.id).await {
        Ok(filed) => object::told(&app, &visit, "filed-appeal", filed).await,
        Err(trouble) => {
            let wrong = refused(&visit, trouble, "appeal-not-open")?;
            show(&app, &visit, &id, text, Wrongs::of("text", wrong)).await
        }
    }
}

/// What the person wrote. Browsers end lines with two characters, letters with one.
fn written(visit: &Visit) -> String {
    visit.form.get("text").unwrap_or_default().replace("\r\n", "\n")
}

fn too_long(visit: &Visit, max: usize) -> String {
    visit.language.with("object-text-long", &[("max", max.into())])
}

/// What to say at the form when the authority does not take it; what is not about the form is a page of its own.
fn refused(visit: &Visit, trouble: Trouble, conflict: &'static str) -> Result<String, Fault> {
    match trouble.reason.as_str() {
        "conflict" => Ok(visit.language.say(conflict)),
        "malformed" => Ok(visit.language.say("object-text-odd")),
        reason if trouble.status != StatusCode::NOT_FOUND && trouble.status.is_client_error() => {
            Ok(visit.language.reason(reason).unwrap_or_else(|| reason.to_owned()))
        }
        _ => Err(trouble.into()),
    }
}

fn frame(app: &App, visit: &Visit, title: &str) -> Frame {
    Frame::new(&app.desk, visit, visit.language.say(title), "matters")
}
