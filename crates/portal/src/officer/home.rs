//! The first page.

use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::App;
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
};

#[derive(Template)]
#[template(path = "officer/home.html")]
struct HomePage {
    frame: Frame,
    /// Whether somebody is logged in.
    inside: bool,
}

pub(super) async fn home(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let inside = visit.login().is_ok();
    let frame = Frame::new(&app.desk, &visit, visit.language.say("office-title"), "home");
    page(&HomePage { frame, inside })
}
