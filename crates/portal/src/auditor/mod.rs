//! The auditor desk: the whole log, read-only, as the portal verified it for itself.
//!
//! Pages tell from the [`copy::LogCopy`] what it holds. What the coordinator has to be asked for beyond the log's records
//! is on record there before it is answered, so it is asked for by a form, never by a page that is opened.

mod agreements;
mod chain;
mod chart;
mod consents;
mod copy;
mod ends;
mod entry;
mod export;
mod follow;
mod log;
mod overview;
mod signals;
mod standing;

use std::sync::{Arc, Mutex};

use axum::routing;
use tacit_model::{Clock, LogSafe, LogText};
use tokio::sync::watch;

use crate::{
    StartError, common,
    desk::Desk,
    desks::DeskName,
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
        Route::post("/{language}/export", Guard::Login, routing::post(export::export)),
        get("/{language}/log", routing::get(log::log)),
        get("/{language}/log/{index}", routing::get(entry::entry)),
        get("/{language}/log/{index}/follow", routing::get(follow::form)),
        Route::post("/{language}/log/{index}/follow", Guard::Login, routing::post(follow::follow)),
        get("/{language}/log/{index}/record", routing::get(entry::record)),
        get("/{language}/log/{index}/proof", routing::get(entry::proof)),
    ]);
    serving::pages(desk, Auditor { copy: follower.copy.clone(), counted: Mutex::default() }, routes)
}
