//! An objection is written, and goes to the body that listed with the next reading.

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use serde::{Deserialize, Serialize};

use super::{App, frame, refused, too_long, written};
use crate::{
    frame::{Frame, page},
    person::Scope,
    subject::{
        lists::{List, Redress, all},
        says::About,
    },
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest text of an objection, in characters.
const OBJECTION_MAX: usize = 8000;

#[derive(Template)]
#[template(path = "subject/redress/object.html")]
struct ObjectPage {
    frame: Frame,
    /// Lists that an objection can be about.
    lists: Vec<List>,
    redress: Redress,
    chosen: String,
    text: String,
    max: usize,
    wrongs: Wrongs,
}

async fn show(app: &App, visit: &Visit, chosen: &str, text: &str, wrongs: Wrongs) -> Result<Response, Fault> {
    let who = visit.who(Scope::Object)?;
    let (lists, redress) = all(app, visit).await?;
    let lists = lists.into_iter().filter(|list| list.takes_objections_of(who)).collect();
    let mut frame = frame(app, visit, "object-title");
    frame.wrong = !wrongs.is_empty();
    page(&ObjectPage {
        frame,
        lists,
        redress,
        chosen: chosen.to_owned(),
        text: text.to_owned(),
        max: OBJECTION_MAX,
        wrongs,
    })
}

pub(in crate::subject) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    show(&app, &visit, visit.query.get("list").unwrap_or_default(), "", Wrongs::default()).await
}

#[derive(Serialize)]
struct NewObjection<'w> {
    #[serde(flatten)]
    about: About<'w>,
    list: &'w str,
    text: &'w str,
}

/// What was taken down.
#[derive(Deserialize)]
pub(in crate::subject) struct Filed {
    objection: String,
    goes_to_name: String,
    #[serde(default)]
    next_reading: Option<String>,
}

pub(in crate::subject) async fn object(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let about: About<'_> = visit.who(Scope::Object)?.into();
    let list = visit.form.get("list").unwrap_or_default();
    let text = &written(&visit);
    let mut wrongs = Wrongs::missing(
        visit.language,
        &[
            ("list", "object-list-missing", !list.is_empty()),
            ("text", "object-text-missing", !text.is_empty()),
        ],
    );
    if text.chars().count() > OBJECTION_MAX {
        wrongs.add("text", too_long(&visit, OBJECTION_MAX));
    }
    if !wrongs.is_empty() {
        return show(&app, &visit, list, text, wrongs).await;
    }
    let objection = NewObjection { about, list, text };
    match app.of.api.post("/v1/objections", &objection, &visit.id).await {
        Ok(filed) => told(&app, &visit, "filed-objection", filed).await,
        Err(trouble) => {
            let wrong = refused(&visit, trouble, "object-under-way")?;
            show(&app, &visit, list, text, Wrongs::of("list", wrong)).await
        }
    }
}

#[derive(Template)]
#[template(path = "subject/redress/filed.html")]
struct FiledPage {
    frame: Frame,
    goes_to: String,
    next_reading: Option<String>,
    href: String,
}

/// The page after something was taken down.
pub(super) async fn told(
    app: &App,
    visit: &Visit,
    title: &'static str,
    filed: Filed,
) -> Result<Response, Fault> {
    let Filed { objection, goes_to_name: goes_to, next_reading } = filed;
    let href = visit.path(&format!("/objections/{objection}"));
    page(&FiledPage { frame: frame(app, visit, title), goes_to, next_reading, href })
}
