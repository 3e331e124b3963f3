//! "Am I on a list?": what each list means and how one leaves it, and the person's own checks, one by one.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::{
    App,
    says::{About, Named},
};
use crate::{
    api::Trouble,
    frame::{Frame, page},
    person::{Scope, Who},
    visit::{Fault, Visit},
};

/// Most lists that one form asks.
const CHECKS_MAX: usize = 20;

#[derive(Deserialize)]
struct Lists {
    lists: Vec<List>,
    requesters: Vec<Requester>,
    purposes: Vec<Purpose>,
    redress: Redress,
}

#[derive(Deserialize)]
struct Purpose {
    code: String,
    title: String,
}

/// Who may ask, and for what.
pub(super) struct Askers {
    pub(super) agencies: Vec<Named>,
    pub(super) purposes: Vec<Named>,
}

/// Who may ask.
#[derive(Deserialize)]
struct Requester {
    id: String,
    title: String,
    agreements: Vec<Allows>,
}

#[derive(Deserialize)]
struct Allows {
    id: String,
    lists: Vec<Named>,
    purposes: Vec<Named>,
    needs_consent: bool,
    legal_basis: Law,
}

/// An agreement under which somebody may ask with the person's consent.
pub(super) struct Agreement {
    pub(super) id: String,
    pub(super) requester: Named,
    /// Those that have codes of the person's kind.
    pub(super) lists: Vec<Named>,
    pub(super) purposes: Vec<Named>,
    pub(super) law: String,
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
pub(super) struct Redress {
    pub(super) decide_days: u64,
    appeal_days: u64,
    removal_reasons: Vec<String>,
}

/// A list as the authority tells of it.
#[derive(Deserialize)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) holder: Named,
    scheme: String,
    adverse: bool,
    legal_basis: Law,
    what_listing_means: String,
    measures: Vec<Measure>,
    notice_days: u64,
    retention_days: u64,
    objection_contact: String,
    objections_here: bool,
    #[serde(default)]
    review_body: Option<Named>,
    can_check: bool,
}

impl List {
    /// Whether somebody can object here to being on it.
    pub(super) fn takes_objections_of(&self, who: &Who) -> bool {
        self.adverse && self.objections_here && self.scheme == who.scheme
    }

    /// Whether somebody can say here that they consent to stand on it.
    fn is_joined_by(&self, who: &Who) -> bool {
        !self.adverse && self.objections_here && self.scheme == who.scheme
    }
}

/// All lists, and how an objection goes.
pub(super) async fn all(app: &App, visit: &Visit) -> Result<(Vec<List>, Redress), Fault> {
    let Lists { lists, redress, .. } = known(app, visit).await?;
    Ok((lists, redress))
}

/// The kinds of codes that lists have.
pub(super) async fn schemes(app: &App, visit: &Visit) -> Result<Vec<String>, Fault> {
    let lists = known(app, visit).await?.lists;
    Ok(lists.into_iter().map(|list| list.scheme).collect::<BTreeSet<_>>().into_iter().collect())
}

/// Who may ask, and for what: by agreements in force, and purposes of the registry.
pub(super) async fn askers(app: &App, visit: &Visit) -> Result<Askers, Fault> {
    let Lists { requesters, purposes, .. } = known(app, visit).await?;
    Ok(Askers {
        agencies: requesters.into_iter().map(|it| Named { id: it.id, title: it.title }).collect(),
        purposes: purposes.into_iter().map(|it| Named { id: it.code, title: it.title }).collect(),
    })
}

/// What a consent of this person can be about.
pub(super) async fn agreements(app: &App, visit: &Visit, who: &Who) -> Result<Vec<Agreement>, Fault> {
    let Lists { lists, requesters, .. } = known(app, visit).await?;
    let own = |named: &Named| lists.iter().any(|list| list.id == named.id && list.scheme == who.scheme);
    let mut found = Vec::new();
    for Requester { id, title, agreements } in requesters {
        for allows in agreements.into_iter().filter(|allows| allows.needs_consent) {
            let agreement = Agreement {
                id: allows.id,
                requester: Named { id: id.clone(), title: title.clone() },
                lists: allows.lists.into_iter().filter(own).collect(),
                purposes: allows.purposes,
                law: allows.legal_basis.law,
            };
            found.extend(Some(agreement).filter(|agreement| !agreement.lists.is_empty()));
        }
    }
    Ok(found)
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
    /// Whether this person can ask it, object to being on it, or join it.
    own: bool,
    objects: bool,
    joins: bool,
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, holder, name)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let Lists { lists, redress, .. } = known(&app, &visit).await?;
    let id = format!("{holder}/{name}");
    let list = lists.into_iter().find(|list| list.id == id).ok_or(Fault::NotFound)?;
    let own = visit.who(Scope::Check).is_ok_and(|who| list.can_check && who.scheme == list.scheme);
    let objects = visit.who(Scope::Object).is_ok_and(|who| list.takes_objections_of(who));
    let joins = visit.who(Scope::Consent).is_ok_and(|who| list.is_joined_by(who));
    let frame = Frame::new(&app.desk, &visit, list.title.clone(), "lists");
    page(&ListPage { frame, list, redress, own, objects, joins })
}

#[derive(Serialize)]
struct NewListingConsent<'w> {
    #[serde(flatten)]
    about: About<'w>,
    list: &'w str,
    given: bool,
}

#[derive(Deserialize)]
struct Joined {
    goes_to_name: String,
    #[serde(default)]
    next_reading: Option<String>,
}

#[derive(Template)]
#[template(path = "subject/joined.html")]
struct JoinedPage {
    frame: Frame,
    goes_to: String,
    next_reading: Option<String>,
    href: String,
}

/// Takes down that the person consents to stand on a favorable list, or no longer.
pub(super) async fn join(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, holder, name)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Consent)?;
    let id = format!("{holder}/{name}");
    let lists = known(&app, &visit).await?.lists;
    let list = lists.iter().find(|list| list.id == id && list.is_joined_by(who)).ok_or(Fault::NotFound)?;
    let given = match visit.form.get("given") {
        Some("yes") => true,
        Some("no") => false,
        _ => return Err(Fault::Form),
    };
    let consent = NewListingConsent { about: who.into(), list: &list.id, given };
    let joined: Joined = app.of.api.post("/v1/listing-consents", &consent, &visit.id).await?;
    let title = if given { "joined-given" } else { "joined-not" };
    let frame =
        Frame::new(&app.desk, &visit, visit.language.with(title, &[("list", (&list.title).into())]), "lists");
    let Joined { goes_to_name: goes_to, next_reading } = joined;
    page(&JoinedPage { frame, goes_to, next_reading, href: visit.path(&format!("/lists/{}", list.id)) })
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
    /// Whether one can object here to being on it.
    objects: bool,
    /// What it said, in a sentence.
    heading: String,
    said: Result<Said, Trouble>,
}

#[derive(Template)]
#[template(path = "subject/answers.html")]
struct AnswersPage {
    frame: Frame,
    answers: Vec<Answer>,
    may_object: bool,
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
        let objects = list.takes_objections_of(who);
        answers.push(Answer { id: list.id.clone(), objects, heading, said });
    }
    page(&AnswersPage { frame, answers, may_object: visit.who(Scope::Object).is_ok() })
}
