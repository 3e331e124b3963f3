//! Requests for consent: shown whole, and allowed in whole or in part, or refused. Nothing is ticked beforehand.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Serialize;

use super::{
    App,
    consents::{Asked, known, told},
    says::About,
};
use crate::{
    form::Fields,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// For how many days a request can be allowed, beside its own end.
pub(super) const DAYS: [u32; 3] = [30, 90, 365];

#[derive(Template)]
#[template(path = "subject/request.html")]
struct RequestPage {
    frame: Frame,
    asked: Asked,
    /// What the person is told with it, and what their consent names.
    notice: String,
    days: Vec<u32>,
    /// What was ticked before something was found missing.
    form: Arc<Fields>,
    wrongs: Wrongs,
}

async fn one(app: &App, visit: &Visit, scope: Scope, id: &str) -> Result<Asked, Fault> {
    let known = known(app, visit, scope).await?;
    known.requests.into_iter().find(|asked| asked.terms.id == id).ok_or(Fault::NotFound)
}

/// What stands on the page, in the page's language; its hash stands in the consent.
fn notice(frame: &Frame, asked: &Asked) -> String {
    let terms = &asked.terms;
    let words = frame.language.with(
        "request-notice",
        &[
            ("agency", (&terms.requester.title).into()),
            ("lists", frame.titles(&terms.lists).into()),
            ("purposes", frame.titles(&terms.purposes).into()),
            ("from", frame.minute(&terms.not_before).into()),
            ("until", frame.minute(&terms.expires).into()),
            ("frequency", frame.often(&terms.frequency).into()),
        ],
    );
    frame.joined(&[words, frame.say("withdraw-what")])
}

/// The days for which it can be allowed: those that end before it does.
fn days(visit: &Visit, asked: &Asked) -> Vec<u32> {
    let until = |days: u32| visit.now.plus_ms(u64::from(days) * 24 * 60 * 60 * 1000).to_rfc3339();
    // Times of one spelling, which sort as texts.
    DAYS.into_iter().filter(|days| until(*days) < asked.terms.expires).collect()
}

fn show(app: &App, visit: &Visit, asked: Asked, wrongs: Wrongs) -> Result<Response, Fault> {
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("request-title"), "consents");
    frame.wrong = !wrongs.is_empty();
    let notice = notice(&frame, &asked);
    let days = days(visit, &asked);
    page(&RequestPage { frame, asked, notice, days, form: visit.form.clone(), wrongs })
}

pub(super) async fn request(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let asked = one(&app, &visit, Scope::Read, &id).await?;
    show(&app, &visit, asked, Wrongs::default())
}

/// What the person was shown.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) language: &'static str,
    pub(super) text: String,
}

#[derive(Serialize)]
struct Allow<'w> {
    #[serde(flatten)]
    about: About<'w>,
    lists: Vec<&'w str>,
    purposes: Vec<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    shown: Shown,
}

pub(super) async fn allow(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let asked = one(&app, &visit, Scope::Consent, &id).await?;
    let (lists, purposes) = (visit.form.all("list"), visit.form.all("purpose"));
    let days = match visit.form.get("days") {
        Some("asked") => Some(None),
        Some(chosen) => chosen.parse().ok().filter(|chosen| days(&visit, &asked).contains(chosen)).map(Some),
        None => None,
    };
    let within = |chosen: &[&str], asked: &[super::says::Named]| {
        !chosen.is_empty() && chosen.iter().all(|one| asked.iter().any(|known| known.id == **one))
    };
    let (known_lists, known_purposes) =
        (within(&lists, &asked.terms.lists), within(&purposes, &asked.terms.purposes));
    let (true, true, Some(days)) = (known_lists, known_purposes, days) else {
        let wrongs = Wrongs::missing(
            visit.language,
            &[
                ("list", "request-list-missing", known_lists),
                ("purpose", "request-purpose-missing", known_purposes),
                ("days", "request-days-missing", days.is_some()),
            ],
        );
        return show(&app, &visit, asked, wrongs);
    };
    let frame = Frame::new(&app.desk, &visit, String::new(), "consents");
    let shown = Shown { language: visit.language.tag(), text: notice(&frame, &asked) };
    let allow = Allow { about: visit.who(Scope::Consent)?.into(), lists, purposes, days, shown };
    let path = format!("/v1/requests/{}/allow", asked.terms.id);
    told(&app, &visit, &asked.terms.requester, app.of.api.post(&path, &allow, &visit.id).await?)
}

pub(super) async fn refuse(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let asked = one(&app, &visit, Scope::Consent, &id).await?;
    let about: About<'_> = visit.who(Scope::Consent)?.into();
    let path = format!("/v1/requests/{}/refuse", asked.terms.id);
    told(&app, &visit, &asked.terms.requester, app.of.api.post(&path, &about, &visit.id).await?)
}
