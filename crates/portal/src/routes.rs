//! The table of pages: what the router is made of, what guards each, and what the deny-tests walk through.

use std::sync::Arc;

use axum::{Router, http::Method, routing::MethodRouter};

use crate::{limits::Limit, person::Scope, visit::Fault};

/// What somebody needs before a page is shown, or a form is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
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
    /// What it is counted as.
    limit: Option<Limit>,
    /// Whether its form carries a file.
    file: bool,
    pub(crate) handler: MethodRouter<S>,
}

impl<S> Route<S> {
    pub(crate) fn get(path: &'static str, guard: Guard, handler: MethodRouter<S>) -> Self {
        Self { method: Method::GET, path, guard, limit: None, file: false, handler }
    }

    pub(crate) fn post(path: &'static str, guard: Guard, handler: MethodRouter<S>) -> Self {
        Self { method: Method::POST, path, guard, limit: None, file: false, handler }
    }

    /// A form with a file, for who is logged in.
    pub(crate) fn upload(path: &'static str, handler: MethodRouter<S>) -> Self {
        Self { file: true, ..Self::post(path, Guard::Login, handler) }
    }

    /// Only so often.
    pub(crate) fn limited(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

/// What guards an address; the handlers stand in the router.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// GET or POST.
    pub method: Method,
    /// A segment in braces stands for any one segment.
    pub path: &'static str,
    /// What is needed there.
    pub guard: Guard,
    /// What it is counted as, when it may be asked only so often.
    pub limit: Option<Limit>,
    /// Whether its form carries a file.
    pub file: bool,
}

/// An address that is not ours needs a login like most others, so that strangers learn nothing.
static OTHER: Guarded =
    Guarded { method: Method::GET, path: "other", guard: Guard::Login, limit: None, file: false };

/// The pages of a desk: what serves them, and the table that this was made of.
pub(crate) struct Pages {
    pub(crate) router: Router,
    pub(crate) table: Arc<[Guarded]>,
}

impl Guarded {
    /// The word of what is done there: `saw-asked-one`, `did-lists-check`.
    pub(crate) fn word(&self) -> String {
        let mut word = if self.method == Method::GET { "saw" } else { "did" }.to_owned();
        for segment in self.path.split(['/', '.']).filter(|segment| !["", "{language}"].contains(segment)) {
            word.push('-');
            word.push_str(if segment.starts_with('{') { "one" } else { segment });
        }
        word
    }

    /// What stands in the braces of an address, beside the language.
    pub(crate) fn named(&self, path: &str) -> Vec<String> {
        let parts = self.path.split('/').zip(path.split('/'));
        let named = parts.filter(|(own, _)| own.starts_with('{') && *own != "{language}");
        named.map(|(_, given)| given.to_owned()).collect()
    }

    fn is_at(&self, path: &str) -> bool {
        let mut given = path.split('/');
        let all = self.path.split('/').all(|own| match given.next() {
            Some(segment) => own == segment || (own.starts_with('{') && !segment.is_empty()),
            None => false,
        });
        all && given.next().is_none()
    }
}

/// What guards a request.
pub(crate) fn found<'g>(table: &'g [Guarded], method: &Method, path: &str) -> &'g Guarded {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    // Words before wildcards, as the router has it.
    let mut at = table.iter().filter(|known| known.is_at(path));
    let exact = at
        .clone()
        .filter(|known| known.method == *method)
        .min_by_key(|known| known.path.matches('{').count());
    exact.or_else(|| at.next()).unwrap_or(&OTHER)
}

/// Where what answers a form can be read in another language: at the form's own address or, when that is no page, at the
/// nearest one above it.
pub(crate) fn page_above<'p>(table: &[Guarded], path: &'p str) -> &'p str {
    let mut at = path;
    loop {
        if table.iter().any(|known| known.method == Method::GET && known.is_at(at)) {
            return at;
        }
        match at.rfind('/') {
            Some(end) if end > 0 => at = &at[..end],
            _ => return "/",
        }
    }
}

/// The router of a table, and the table without its handlers.
pub(crate) fn split<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> (Router<S>, Arc<[Guarded]>) {
    let mut router = Router::new();
    let mut table = Vec::new();
    for route in routes {
        let Route { method, path, guard, limit, file, .. } = route;
        table.push(Guarded { method, path, guard, limit, file });
        router = router.route(path, route.handler);
    }
    let router =
        router.fallback(|| async { Fault::NotFound }).method_not_allowed_fallback(|| async { Fault::Method });
    (router, table.into())
}

/// Whether every segment of an address is text once it is decoded; what is not names nothing.
pub(crate) fn is_text(path: &str) -> bool {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(), digit()) else { return false };
        bytes.push(high << 4 | low);
    }
    std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_text_is_told_from_one_that_is() {
        for good in ["/en/asked", "/zh/%E5%90%8D%E5%8D%95", "/a%20b"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/%FF", "/%E5%90", "/%4", "/%zz", "/%00", "/%+1"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
