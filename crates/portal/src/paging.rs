//! The pages of something long: which of them an address asks for, and the ways to those around it.

use crate::visit::Visit;

/// One page of several, by the template `paging.html`.
pub(crate) struct Paging {
    pub(crate) number: usize,
    pub(crate) pages: usize,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Paging {
    /// The page that an address asks for, from 1.
    pub(crate) fn asked(visit: &Visit) -> usize {
        visit.query.get("page").and_then(|page| page.parse().ok()).filter(|page| *page > 0).unwrap_or(1)
    }

    /// Of `total` rows, so many on a page, at this path of the desk; beyond the last page there is the last page.
    pub(crate) fn of(visit: &Visit, path: &str, total: usize, on_a_page: usize) -> Self {
        let pages = total.div_ceil(on_a_page).max(1);
        let number = Self::asked(visit).min(pages);
        let to = |page: usize| to(visit, path, page);
        Self {
            number,
            pages,
            before: (number > 1).then(|| to(number - 1)),
            after: (number < pages).then(|| to(number + 1)),
        }
    }

    /// The address of the last page, when the one that was asked for is beyond it.
    pub(crate) fn beyond(&self, visit: &Visit, path: &str) -> Option<String> {
        (Self::asked(visit) > self.pages).then(|| to(visit, path, self.pages))
    }

    /// The rows of this page.
    pub(crate) fn rows<T>(&self, all: impl Iterator<Item = T>, on_a_page: usize) -> impl Iterator<Item = T> {
        all.skip((self.number - 1) * on_a_page).take(on_a_page)
    }
}

fn to(visit: &Visit, path: &str, page: usize) -> String {
    format!("{}?{}", visit.path(path), visit.query.with(&[("page", &page.to_string())]))
}
