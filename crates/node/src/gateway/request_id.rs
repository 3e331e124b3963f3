//! Under which id a request of the agency's own applications is told, logged and handed on to other parties.

use tacit_model::RequestId;

use super::json::App;

/// The caller's id unless it could be a code, or a new one.
pub(super) fn request_id(app: &App, foreign: Option<&str>) -> RequestId {
    tacit_desk::request_id::request_id(app.asker.registry().schemes(), app.clock.now(), foreign)
}
