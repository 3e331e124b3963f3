//! The auditor desk: the whole log, read-only, as the portal verified it for itself.
//!
//! Pages tell from the [`copy::LogCopy`] what it holds. What the coordinator has to be asked for beyond the log's records
//! is on record there before it is answered, so it is asked for by a form, never by a page that is opened. Which openings
//! and demands there are is no reading of the log and is on no record.

mod agreements;
mod cases;
mod chain;
mod chart;
mod consents;
mod copy;
mod ends;
mod entries;
mod entry;
mod export;
mod findings;
mod follow;
mod log;
mod openings;
mod overview;
mod signals;
mod standing;

use std::sync::{Arc, Mutex};

use axum::{http::StatusCode, routing};
use tacit_client::ClientError;
use tacit_model::{Clock, LogSafe, LogText, Reason, Ulid};
use tokio::sync::watch;

use crate::{
    StartError,
    api::Trouble,
    common,
    desk::Desk,
    desks::DeskName,
    kept::Kept,
    routes::{Guard, Pages, Route},
    serving::{self, Shared},
    visit::{Fault, Visit},
};

use copy::LogCopy;
pub use ends::{End, Ending, Ends};

/// What the pages are made of.
pub(crate) struct Auditor {
    copy: LogCopy,
    /// What was counted last, for all who look.
    counted: Mutex<Option<Arc<signals::Counted>>>,
    /// What was read about a subject, for the session that read it.
    followed: Kept<follow::Followed>,
}

type App = Shared<Auditor>;

impl Auditor {
    /// The auditor's own end; without a registry nothing can be asked for yet.
    fn end(&self) -> Result<Arc<End>, Fault> {
        self.copy.end().ok_or_else(Fault::unavailable)
    }
}

/// Writes down who did what the federation's log knows as this auditor's doing.
fn noted(visit: &Visit, what: &str, index: Option<u64>) {
    let account = visit.login().map_or("", |login| login.account.as_str());
    tracing::info!(
        request_id = %LogSafe::new(&visit.id),
        account = %LogText::new(account),
        index,
        "{what}"
    );
}

/// The check that an address names: its index, its id and who asked.
fn check_at(app: &App, index: &str) -> Result<(u64, Ulid, String), Fault> {
    let index: u64 = index.parse().map_err(|_| Fault::NotFound)?;
    let copied = app.of.copy.now();
    let row = copied.rows().get(index).filter(|row| index < copied.size() && log::is_check(row.kind));
    row.map(|row| (index, row.id, row.member.to_owned())).ok_or(Fault::NotFound)
}

/// Why a call at the coordinator came to nothing.
fn failed(what: &str, error: &ClientError) -> Fault {
    let reason = error.reason();
    match error {
        ClientError::NoAnswer { .. }
        | ClientError::Refused { .. }
        | ClientError::Question { .. }
        | ClientError::Quorum(_) => tracing::warn!(%error, "{what}"),
        _ => tracing::error!(%error, "ALARM: what the coordinator shows does not hold: {what}"),
    }
    let status = match (error, reason) {
        (_, Reason::NotFound) => return Fault::NotFound,
        (ClientError::Refused { .. } | ClientError::Question { .. }, Reason::Conflict) => {
            StatusCode::CONFLICT
        }
        (ClientError::Refused { .. } | ClientError::Question { .. }, _) => StatusCode::FORBIDDEN,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Fault::Trouble(Trouble { status, ..Trouble::new(reason.as_str(), error.to_string()) })
}

/// Follows the log for a desk.
pub(crate) struct Follower {
    copy: LogCopy,
    ends: Ends,
    clock: Arc<dyn Clock>,
}

impl Follower {
    pub(crate) async fn follow(self, stopping: watch::Receiver<bool>) {
        copy::follow(self.copy, self.ends, self.clock, stopping).await;
    }
}

/// What a desk follows the log with; nothing is read before it is told to follow.
pub(crate) fn follower(ends: Ends, clock: Arc<dyn Clock>) -> Result<Follower, StartError> {
    let copy = LogCopy::new()
        .map_err(|error| StartError::Desk { desk: DeskName::Auditor, why: error.to_string() })?;
    Ok(Follower { copy, ends, clock })
}

/// The desk's pages.
pub(crate) fn pages(desk: Desk, follower: &Follower) -> Pages {
    let mut routes = common::routes();
    let get = |path, handler| Route::get(path, Guard::Login, handler);
    routes.extend([
        get("/{language}/", routing::get(overview::overview)),
        get("/{language}/chain", routing::get(chain::chain)),
        get("/{language}/consents", routing::get(consents::consents)),
        get("/{language}/agreements", routing::get(agreements::agreements)),
        get("/{language}/signals", routing::get(signals::signals)),
        Route::post("/{language}/signals", Guard::Login, routing::post(signals::count)),
        Route::post("/{language}/signals/findings", Guard::Login, routing::post(signals::keep)),
        get("/{language}/openings", routing::get(openings::openings)),
        get("/{language}/openings/{opening}", routing::get(openings::opening)),
        Route::post("/{language}/openings/{opening}/approve", Guard::Login, routing::post(openings::approve)),
        Route::post("/{language}/openings/{opening}/read", Guard::Login, routing::post(openings::read)),
        get("/{language}/cases", routing::get(cases::cases)),
        Route::post("/{language}/cases", Guard::Login, routing::post(cases::judge)),
        get("/{language}/findings", routing::get(findings::findings)),
        get("/{language}/findings.csv", routing::get(findings::csv)),
        get("/{language}/findings.jsonl", routing::get(findings::jsonl)),
        get("/{language}/findings/{finding}", routing::get(findings::finding)),
        Route::post("/{language}/findings/{finding}", Guard::Login, routing::post(findings::set)),
        Route::post("/{language}/export", Guard::Login, routing::post(export::export)),
        get("/{language}/log", routing::get(log::log)),
        get("/{language}/log/{index}", routing::get(entry::entry)),
        get("/{language}/log/{index}/follow", routing::get(follow::followed)),
        Route::post("/{language}/log/{index}/follow", Guard::Login, routing::post(follow::follow)),
        get("/{language}/log/{index}/opening", routing::get(openings::form)),
        Route::post("/{language}/log/{index}/opening", Guard::Login, routing::post(openings::ask)),
        get("/{language}/log/{index}/case", routing::get(cases::form)),
        Route::post("/{language}/log/{index}/case", Guard::Login, routing::post(cases::demand)),
        get("/{language}/log/{index}/record", routing::get(entry::record)),
        get("/{language}/log/{index}/proof", routing::get(entry::proof)),
    ]);
    let followed = Kept::new(desk.sessions.clone(), follow::MOST);
    let auditor = Auditor { copy: follower.copy.clone(), counted: Mutex::default(), followed };
    serving::pages(desk, auditor, routes)
}
