//! The officer desk: questions to the lists that the agency may ask, one by one or from a file, what became of them, and what rests on them.

mod batch;
mod cases;
mod check;
mod checks;
mod consents;
mod home;
mod measures;
mod node;
mod result;
mod says;

use axum::routing;
use tacit_model::parse_ulid;

use crate::{
    api::Api,
    common,
    desk::Desk,
    kept::Kept,
    routes::{Guard, Pages, Route},
    serving::{self, Shared},
    visit::Fault,
};

/// Rows of a page.
const PAGE: usize = 20;

/// What the pages are made of.
pub(crate) struct Officer {
    /// The agency's node.
    api: Api,
    /// What officers uploaded, for as long as their sessions last.
    batches: Kept<batch::Job>,
}

type App = Shared<Officer>;

/// The desk's pages.
pub(crate) fn pages(desk: Desk, api: Api) -> Pages {
    let mut routes = common::routes();
    routes.extend([
        Route::get("/{language}/", Guard::Open, routing::get(home::home)),
        Route::get("/{language}/check", Guard::Login, routing::get(check::form)),
        Route::post("/{language}/check", Guard::Login, routing::post(check::check)),
        Route::get("/{language}/batch", Guard::Login, routing::get(batch::batch)),
        Route::upload("/{language}/batch", routing::post(batch::upload)),
        Route::post("/{language}/batch/start", Guard::Login, routing::post(batch::start)),
        Route::post("/{language}/batch/stop", Guard::Login, routing::post(batch::stop)),
        Route::post("/{language}/batch/forget", Guard::Login, routing::post(batch::forget)),
        Route::get("/{language}/batch/results.csv", Guard::Login, routing::get(batch::csv)),
        Route::get("/{language}/batch/results.json", Guard::Login, routing::get(batch::json)),
        Route::get("/{language}/checks", Guard::Login, routing::get(checks::checks)),
        Route::get("/{language}/checks/{record}/receipt", Guard::Login, routing::get(checks::receipt)),
        Route::get("/{language}/consents", Guard::Login, routing::get(consents::consents)),
        Route::post("/{language}/consents", Guard::Login, routing::post(consents::ask)),
        Route::get("/{language}/consents/{consent}", Guard::Login, routing::get(consents::one)),
        Route::get("/{language}/measures", Guard::Login, routing::get(measures::measures)),
        Route::post("/{language}/measures", Guard::Login, routing::post(measures::register)),
        Route::get("/{language}/measures/new", Guard::Login, routing::get(measures::form)),
        Route::get("/{language}/measures/{measure}/lift", Guard::Login, routing::get(measures::list_of)),
        Route::post("/{language}/measures/{measure}/lift", Guard::Login, routing::post(measures::lift)),
        Route::get("/{language}/cases", Guard::Decides, routing::get(cases::cases)),
        Route::get("/{language}/cases/{level}/{case}", Guard::Decides, routing::get(cases::case)),
        Route::post("/{language}/cases/{level}/{case}", Guard::Decides, routing::post(cases::decide)),
        Route::get("/{language}/node", Guard::Login, routing::get(node::node)),
    ]);
    let batches = Kept::new(desk.sessions.clone(), batch::MOST);
    serving::pages(desk, Officer { api, batches }, routes)
}

/// An id out of an address, before it stands in another: nothing else names a record.
fn id(text: &str) -> Result<String, Fault> {
    parse_ulid(text).map(|id| id.to_string()).ok_or(Fault::NotFound)
}
