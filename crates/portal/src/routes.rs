//! The table of pages: what the router is made of, what guards each, and what the deny-tests walk through.

use axum::{Router, http::Method, routing::MethodRouter};

use crate::{person::Scope, visit::Fault};

/// What somebody needs before a page is shown, or a form is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing.
    Open,
    /// A login at this desk.
    Login,
    /// A login at this desk of somebody who decides objections.
    Decides,
    /// A login at this desk, and the right to do this for whom the person acts.
    For(Scope),
}

/// One page or form.
pub(crate) struct Route<S> {
    pub(crate) method: Method,
    /// A segment in braces stands for any one segment; pages begin with `/{language}`.
    pub(crate) path: &'static str,
    pub(crate) guard: Guard,
    pub(crate) handler: MethodRouter<S>,
}

impl<S> Route<S> {
    pub(crate) fn get(path: &'static str, guard: Guard, handler: MethodRouter<S>) -> Self {
        Self { method: Method::GET, path, guard, handler }
    }

    pub(crate) fn post(path: &'static str, guard: Guard, handler: MethodRouter<S>) -> Self {
        Self { method: Method::POST, path, guard, handler }
    }
}

/// What guards an address; the handlers stand in the router.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) guard: Guard,
}

impl Guarded {
    fn is_at(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let all = self.path.split('/').all(|own| match given.next() {
            Some(segment) => own == segment || (own.starts_with('{') && !segment.is_empty()),
            None => false,
        });
        all && given.next().is_none()
    }
}

/// The guard of a request. An address that is not ours needs a login like most others, so that strangers learn nothing.
pub(crate) fn found<'g>(table: &'g [Guarded], method: &Method, path: &str) -> (&'g str, Guard) {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    // Words before wildcards, as the router has it.
    let mut at = table.iter().filter(|known| known.is_at(path));
    let exact = at
        .clone()
        .filter(|known| known.method == *method)
        .min_by_key(|known| known.path.matches('{').count());
    exact.or_else(|| at.next()).map_or(("other", Guard::Login), |known| (known.path, known.guard))
}

/// The router of a table, and the table without its handlers.
pub(crate) fn split<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> (Router<S>, Vec<Guarded>) {
    let mut router = Router::new();
    let mut table = Vec::new();
    for route in routes {
        table.push(Guarded { method: route.method, path: route.path, guard: route.guard });
        router = router.route(route.path, route.handler);
    }
    let router =
        router.fallback(|| async { Fault::NotFound }).method_not_allowed_fallback(|| async { Fault::Method });
    (router, table)
}
