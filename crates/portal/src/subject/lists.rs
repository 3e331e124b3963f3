//! "Am I on a list?": what each list means and how one leaves it, and the person's own checks, one by one.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::{App, says::Named};
use crate::{
    api::Trouble,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
};

/// Most lists that one form asks.
const CHECKS_MAX: usize = 20;

#[derive(Deserialize)]
struct Lists {
    lists: Vec<List>,
    redress: Redress,
}

#[derive(Deserialize)]
struct Law {
    law: String,
}

#[derive(Deserialize)]
struct Measure {
    title: String,
    legal_basis: Law,
    by: Named,
}

#[derive(Deserialize)]
struct Redress {
    decide_days: u64,
    appeal_days: u64,
    removal_reasons: Vec<String>,
}

/// A list as the authority tells of it.
#[derive(Deserialize)]
struct List {
    id: String,
    title: String,
    holder: Named,
    scheme: String,
    adverse: bool,
    legal_basis: Law,
    what_listing_means: String,
    measures: Vec<Measure>,
    notice_days: u64,
    retention_days: u64,
    objection_contact: String,
    #[serde(default)]
    review_body: Option<Named>,
    can_check: bool,
}

async fn known(app: &App, visit: &Visit) -> Result<Lists, Fault> {
    Ok(app.of.api.get("/v1/lists", &visit.id).await?)
}

#[derive(Template)]
#[template(path = "subject/lists.html")]
struct ListsPage {
    frame: Frame,
    /// Lists that this person can ask.
    own: Vec<List>,
    /// Lists of other kinds of codes.
    others: Vec<List>,
}

pub(super) async fn lists(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Check)?;
    let (own, others) = known(&app, &visit)
        .await?
        .lists
        .into_iter()
        .partition(|list| list.can_check && list.scheme == who.scheme);
    let frame = Frame::new(&app.desk, &visit, visit.language.say("lists-title"), "lists");
    page(&ListsPage { frame, own, others })
}

#[derive(Template)]
#[template(path = "subject/list.html")]
struct ListPage {
    frame: Frame,
    list: List,
    redress: Redress,
    /// Whether this person can ask it.
    own: bool,
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, holder, name)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let Lists { lists, redress } = known(&app, &visit).await?;
    let id = format!("{holder}/{name}");
    let list = lists.into_iter().find(|list| list.id == id).ok_or(Fault::NotFound)?;
    let own = visit.who(Scope::Check).is_ok_and(|who| list.can_check && who.scheme == list.scheme);
    page(&ListPage { frame: Frame::new(&app.desk, &visit, list.title.clone(), "lists"), list, redress, own })
}

#[derive(Serialize)]
struct Ask<'w> {
    code: &'w str,
    list: &'w str,
}

/// What a list said about the person.
#[derive(Deserialize)]
struct Said {
    answer: String,
    #[serde(default)]
    listed_on: Option<String>,
    #[serde(default)]
    expires_on: Option<String>,
    #[serde(default)]
    reference: Option<String>,
    objections: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    as_of: Option<String>,
}

/// One list with what it said.
struct Answer {
    id: String,
    /// What it said, in a sentence.
    heading: String,
    said: Result<Said, Trouble>,
}

#[derive(Template)]
#[template(path = "subject/answers.html")]
struct AnswersPage {
    frame: Frame,
    answers: Vec<Answer>,
}

/// Asks the lists that were named, one after the other; their answers are shown once and kept nowhere here.
pub(super) async fn check(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Check)?;
    let wanted = visit.form.all("list");
    if wanted.is_empty() || wanted.len() > CHECKS_MAX {
        return Err(Fault::Form);
    }
    let known = known(&app, &visit).await?.lists;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("answers-title"), "lists");
    let mut answers = Vec::new();
    for id in wanted {
        let list = known.iter().find(|list| list.id == id && list.can_check).ok_or(Fault::NotFound)?;
        let said: Result<Said, Trouble> =
            app.of.api.post("/v1/checks", &Ask { code: &who.code, list: id }, &visit.id).await;
        let (answer, as_of) = match &said {
            Ok(said) => (said.answer.as_str(), said.as_of.as_deref().unwrap_or_default()),
            Err(_) => ("refused", ""),
        };
        let heading = match answer {
            "listed" => frame.with2("answers-listed", "list", &list.title, "time", frame.minute(as_of)),
            "not_listed" => {
                frame.with2("answers-not-listed", "list", &list.title, "time", frame.minute(as_of))
            }
            _ => frame.with("answers-none", "list", &list.title),
        };
        answers.push(Answer { id: list.id.clone(), heading, said });
    }
    page(&AnswersPage { frame, answers })
}
