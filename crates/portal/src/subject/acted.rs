//! Who acted for me: what somebody with a mandate, or a clerk, opened or changed, and what was refused to them.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};

use super::App;
use crate::{
    frame::{Frame, page},
    journal::{How, Outcome},
    paging::Paging,
    person::Scope,
    visit::{Fault, Visit},
};

/// Entries of a page.
const PAGE: u32 = 20;

/// A row of the page.
struct Row {
    when: String,
    name: String,
    how: String,
    what: String,
    about: Vec<String>,
    outcome: String,
    refused: bool,
    id: String,
}

#[derive(Template)]
#[template(path = "subject/acted.html")]
struct ActedPage {
    frame: Frame,
    rows: Vec<Row>,
    total: u64,
    paging: Paging,
}

pub(super) async fn acted(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Read)?;
    let journal = app.desk.journal.as_ref().ok_or(Fault::NotFound)?;
    let offset = u64::try_from(Paging::asked(&visit) - 1).unwrap_or(u64::MAX).saturating_mul(u64::from(PAGE));
    let (acts, total) = journal.of(who, offset, PAGE).await?;
    let paging = Paging::of(&visit, "/acted", usize::try_from(total).unwrap_or(usize::MAX), PAGE as usize);
    if let Some(last) = paging.beyond(&visit, "/acted") {
        return Ok(Redirect::to(&last).into_response());
    }
    let frame = Frame::new(&app.desk, &visit, visit.language.say("acted-title"), "home");
    let rows = acts.into_iter().map(|(id, act)| {
        let (family, word) = act.what.split_once('-').unwrap_or(("did", &act.what));
        let (outcome, refused) = match &act.outcome {
            Outcome::Begun => (frame.say("acted-begun"), false),
            Outcome::Done => (frame.say("acted-done"), false),
            Outcome::Refused(why) => (frame.word("acted-why", why), true),
            Outcome::Failed(why) => (frame.with("acted-failed", "why", frame.word("problem", why)), false),
        };
        Row {
            when: frame.exact(&act.at.to_rfc3339()),
            how: match &act.how {
                How::Mandate => frame.say("acted-mandate"),
                How::Counter { why } => frame.with("acted-counter", "why", why),
            },
            what: frame.word(family, word),
            name: act.name,
            about: act.about,
            outcome,
            refused,
            id,
        }
    });
    let template = ActedPage { rows: rows.collect(), total, paging, frame };
    page(&template)
}
