//! One table of routes: what a router is made of, what guards each address, and what the OpenAPI document is compared
//! with.

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    routing::MethodRouter,
};
use tacit_model::Reason;

use crate::{
    problem::Problem,
    tokens::{Application, Right},
};

/// How much of the machinery a route passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Anybody on this machine.
    Open,
    /// With a token, within the time limit.
    Token,
    /// With a token; long, limited by silence.
    Batch,
    /// With a token that has the right [`Right::Redress`], within the time limit.
    Redress,
}

impl Guard {
    /// Whether it lets in who showed this application's token; `None` for a token that is missing or not known.
    ///
    /// # Errors
    /// [`Problem`]: without a token, or with one that has no right to this.
    pub fn admit(self, application: Option<&Application>) -> Result<(), Problem> {
        match (self, application) {
            (Self::Open, _) => Ok(()),
            (_, None) => {
                Err(Problem::new(Reason::Unauthenticated, "The access token is missing or not known here."))
            }
            (Self::Redress, Some(application)) if !application.has(Right::Redress) => {
                Err(Problem::new(Reason::WrongRole, "The access token does not have the right `redress`."))
            }
            (_, Some(_)) => Ok(()),
        }
    }
}

/// One route of an interface with the state `S`.
#[derive(Debug)]
pub struct Route<S> {
    /// The one method that it takes.
    pub method: Method,
    /// Its path. A segment in braces stands for any one segment.
    pub path: &'static str,
    /// What guards it.
    pub guard: Guard,
    /// Makes the handler.
    pub handler: fn() -> MethodRouter<S>,
}

impl<S> Route<S> {
    /// A route that is read.
    #[must_use]
    pub const fn get(path: &'static str, guard: Guard, handler: fn() -> MethodRouter<S>) -> Self {
        Self { method: Method::GET, path, guard, handler }
    }

    /// A route that takes a body.
    #[must_use]
    pub const fn post(path: &'static str, guard: Guard, handler: fn() -> MethodRouter<S>) -> Self {
        Self { method: Method::POST, path, guard, handler }
    }

    /// Whether a path is this route's.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let all = self.path.split('/').all(|own| match given.next() {
            Some(segment) => own == segment || (own.starts_with('{') && !segment.is_empty()),
            None => false,
        });
        all && given.next().is_none()
    }
}

/// The route of a path with its guard. A path that is not ours needs a token like any other, so that strangers learn
/// nothing.
#[must_use]
pub fn found<S>(routes: &'static [Route<S>], path: &str) -> (&'static str, Guard) {
    let known = routes.iter().find(|route| route.is_at(path));
    known.map_or(("other", Guard::Token), |route| (route.path, route.guard))
}

/// The router of a table, with words for every other address and method.
pub fn router<S: Clone + Send + Sync + 'static>(routes: &'static [Route<S>]) -> Router<S> {
    routes
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)()))
        .fallback(|| async { Problem::new(Reason::NotFound, "There is no such address here.") })
        .method_not_allowed_fallback(move |uri: Uri| async move {
            let known = routes.iter().find(|route| route.is_at(uri.path()));
            let method = known.map_or("another method", |route| route.method.as_str());
            Problem::new(Reason::Malformed, format!("This address takes {method}."))
                .with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
}
