//! The first page: where everything is, and what waits for those who decide objections.

use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::{App, cases};
use crate::{
    frame::{Alert, Frame, page},
    visit::{Fault, Visit},
};

#[derive(Template)]
#[template(path = "officer/home.html")]
struct HomePage {
    frame: Frame,
    /// Whether somebody is logged in, and whether they decide objections.
    inside: bool,
    decides: bool,
    alerts: Vec<Alert>,
}

pub(super) async fn home(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (inside, decides) = (visit.login().is_ok(), visit.login().is_ok_and(|login| login.decides));
    let frame = Frame::new(&app.desk, &visit, visit.language.say("office-title"), "home");
    let alerts = if decides {
        match cases::waiting(&app, &visit).await {
            Ok(alerts) => alerts,
            // The way to everything else stays open.
            Err(_) => vec![Alert { words: frame.say("alert-not-now"), href: visit.path("/") }],
        }
    } else {
        Vec::new()
    };
    page(&HomePage { frame, inside, decides, alerts })
}
