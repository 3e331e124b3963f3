//! The first page: what needs the person, and where everything is.

use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::{App, consents, redress};
use crate::{
    frame::{Alert, Frame, page},
    person::{Acting, Scope},
    visit::{Fault, Visit},
};

/// For how many days a letter is new.
const NEW_DAYS: u64 = 14;
/// Most letters that are named as new.
const NEW_MAX: usize = 5;

#[derive(Template)]
#[template(path = "subject/home.html")]
struct HomePage {
    frame: Frame,
    /// Whether somebody is logged in.
    inside: bool,
    alerts: Vec<Alert>,
}

pub(super) async fn home(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let inside = visit.login().is_ok();
    let frame = Frame::new(&app.desk, &visit, visit.language.say("home-title"), "home");
    // Of others only what is opened on purpose is read, for it is written down for them.
    let own = visit.login().is_ok_and(|login| login.acting == Acting::Own && login.own.is_some());
    let alerts = if own {
        match alerts(&app, &visit, &frame).await {
            Ok(alerts) => alerts,
            // The way to everything else stays open.
            Err(_) => vec![Alert { words: frame.say("alert-not-now"), href: visit.path("/") }],
        }
    } else {
        Vec::new()
    };
    page(&HomePage { frame, inside, alerts })
}

/// What waits for the person, what others owe, and what is new.
async fn alerts(app: &App, visit: &Visit, frame: &Frame) -> Result<Vec<Alert>, Fault> {
    let (consents, matters) =
        tokio::try_join!(consents::known(app, visit, Scope::Read), redress::known(app, visit, Scope::Read))?;
    let mut alerts = Vec::new();
    let mut tell = |words, rest: String| alerts.push(Alert { words, href: visit.path(&rest) });
    if !matters.freshness.findings.is_empty() {
        tell(frame.say("alert-finding"), "/asked".to_owned());
    }
    for asked in consents.requests.iter().filter(|asked| !asked.may.is_empty()) {
        let (agency, until) = (&asked.terms.requester.title, frame.minute(&asked.decide_by));
        let words = frame.with2("alert-request", "agency", agency, "time", until);
        tell(words, format!("/requests/{}", asked.terms.id));
    }
    for matter in &matters.objections {
        let place = format!("/objections/{}", matter.id);
        if let Some(day) = matter.owed_by.as_deref().filter(|_| matter.overdue) {
            tell(frame.with2("alert-overdue", "list", &matter.list_name, "day", frame.day(day)), place);
        } else if let Some(day) = &matter.appeal_until {
            tell(frame.with2("alert-appeal", "list", &matter.list_name, "day", frame.day(day)), place);
        }
    }
    // Times of one spelling, which sort as texts.
    let since = visit.now.minus_ms(NEW_DAYS * 86_400_000).to_rfc3339();
    let new = matters.came().filter(|post| post.logtime.as_ref().is_some_and(|at| *at >= since));
    for post in new.take(NEW_MAX) {
        tell(frame.with("alert-letter", "what", post.sentence(frame)), format!("/letters/{}", post.id()));
    }
    Ok(alerts)
}
