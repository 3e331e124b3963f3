//! Consents: what was allowed to whom, and taking it back. Nothing is changed without being asked once more.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    App,
    grant::later,
    says::{About, Freshness, Named},
};
use crate::{
    download::download,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
};

/// What a consent, or a request for one, is about.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Terms {
    pub(super) id: String,
    pub(super) requester: Named,
    pub(super) lists: Vec<Named>,
    pub(super) purposes: Vec<Named>,
    pub(super) not_before: String,
    pub(super) expires: String,
    pub(super) frequency: String,
}

/// A request that waits.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asked {
    #[serde(flatten)]
    pub(super) terms: Terms,
    pub(super) requested: String,
    pub(super) decide_by: String,
    pub(super) may: Vec<String>,
}

/// A change of a consent.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    state: String,
    time: String,
    index: u64,
    proof: String,
}

/// A consent.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Consent {
    #[serde(flatten)]
    pub(super) terms: Terms,
    state: String,
    allows: bool,
    uses: u64,
    events: Vec<Event>,
    may: Vec<String>,
}

impl Consent {
    pub(super) fn can(&self, change: &str) -> bool {
        self.may.iter().any(|may| may == change)
    }
}

/// Everything of a person.
#[derive(Debug, Deserialize)]
pub(super) struct Consents {
    pub(super) requests: Vec<Asked>,
    consents: Vec<Consent>,
    #[serde(flatten)]
    freshness: Freshness,
}

pub(super) async fn known(app: &App, visit: &Visit, scope: Scope) -> Result<Consents, Fault> {
    let about: About<'_> = visit.who(scope)?.into();
    Ok(app.of.api.post("/v1/consents/search", &about, &visit.id).await?)
}

#[derive(Template)]
#[template(path = "subject/consents.html")]
struct ConsentsPage {
    frame: Frame,
    requests: Vec<Asked>,
    /// Consents that allow questions now, and those that do not.
    standing: Vec<Consent>,
    others: Vec<Consent>,
    freshness: Freshness,
    may_give: bool,
}

pub(super) async fn consents(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let Consents { requests, consents, freshness } = known(&app, &visit, Scope::Read).await?;
    let (standing, others) = consents.into_iter().partition(|consent| consent.allows);
    let frame = Frame::new(&app.desk, &visit, visit.language.say("consents-title"), "consents");
    let may_give = visit.who(Scope::Consent).is_ok();
    page(&ConsentsPage { frame, requests, standing, others, freshness, may_give })
}

pub(super) async fn one(app: &App, visit: &Visit, scope: Scope, id: &str) -> Result<Consent, Fault> {
    let known = known(app, visit, scope).await?;
    known.consents.into_iter().find(|consent| consent.terms.id == id).ok_or(Fault::NotFound)
}

#[derive(Template)]
#[template(path = "subject/consent.html")]
struct ConsentPage {
    frame: Frame,
    consent: Consent,
    may_change: bool,
    renews: bool,
}

pub(super) async fn consent(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let consent = one(&app, &visit, Scope::Read, &id).await?;
    let may_change = visit.who(Scope::Consent).is_ok();
    let renews = consent.can("renew") && !later(&consent, visit.now).is_empty();
    page(&ConsentPage { frame: frame(&app, &visit, "consent-title"), consent, may_change, renews })
}

#[derive(Template)]
#[template(path = "subject/withdraw.html")]
struct WithdrawPage {
    frame: Frame,
    consent: Consent,
}

/// Asks once before a consent is taken back.
pub(super) async fn confirm(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let consent = one(&app, &visit, Scope::Consent, &id).await?;
    if !consent.can("withdraw") {
        return Err(Fault::NotFound);
    }
    page(&WithdrawPage { frame: frame(&app, &visit, "withdraw-title"), consent })
}

/// What became of a change.
#[derive(Debug, Deserialize)]
pub(super) struct Changed {
    id: String,
    state: String,
    time: String,
    index: u64,
}

#[derive(Template)]
#[template(path = "subject/changed.html")]
struct ChangedPage {
    frame: Frame,
    /// Who asks, or may ask.
    agency: String,
    changed: Changed,
}

/// The page after a change.
pub(super) fn told(app: &App, visit: &Visit, agency: &Named, changed: Changed) -> Result<Response, Fault> {
    page(&ChangedPage { frame: frame(app, visit, "changed-title"), agency: agency.title.clone(), changed })
}

pub(super) async fn withdraw(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    change(&app, &visit, &id, "withdraw").await
}

pub(super) async fn pause(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    change(&app, &visit, &id, "pause").await
}

pub(super) async fn resume(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    change(&app, &visit, &id, "resume").await
}

async fn change(app: &App, visit: &Visit, id: &str, change: &str) -> Result<Response, Fault> {
    // An id that the person has; what comes from an address goes no further otherwise.
    let consent = one(app, visit, Scope::Consent, id).await?;
    let about: About<'_> = visit.who(Scope::Consent)?.into();
    let path = format!("/v1/consents/{}/{change}", consent.terms.id);
    told(app, visit, &consent.terms.requester, app.of.api.post(&path, &about, &visit.id).await?)
}

/// The receipt of a consent, JSON-LD.
pub(super) async fn receipt(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    #[derive(Serialize, Deserialize)]
    struct Receipt {
        document: Value,
    }
    let consent = one(&app, &visit, Scope::Read, &id).await?;
    let about: About<'_> = visit.who(Scope::Read)?.into();
    let path = format!("/v1/consents/{}/receipt", consent.terms.id);
    let receipt: Receipt = app.of.api.post(&path, &about, &visit.id).await?;
    let text = serde_json::to_vec_pretty(&receipt.document).map_err(|_| Fault::Internal)?;
    Ok(download(text, "application/ld+json", &format!("consent-{}.json", consent.terms.id)))
}

fn frame(app: &App, visit: &Visit, title: &str) -> Frame {
    Frame::new(&app.desk, visit, visit.language.say(title), "consents")
}
