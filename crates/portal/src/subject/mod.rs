//! The subject desk: what is on record about a person or company, for themself.

mod acted;
mod acting;
mod asked;
mod consents;
mod entry;
mod grant;
mod home;
mod lists;
mod redress;
mod requests;
pub(crate) mod says;

use axum::routing;

use crate::{
    api::Api,
    common,
    desk::Desk,
    limits::Limit,
    person::Scope,
    routes::{Guard, Pages, Route},
    serving::{self, Shared},
};

/// What the pages are made of.
pub(crate) struct Subject {
    /// The consent authority.
    api: Api,
}

type App = Shared<Subject>;

/// The desk's pages.
pub(crate) fn pages(desk: Desk, api: Api) -> Pages {
    serving::pages(desk, Subject { api }, routes())
}

fn routes() -> Vec<Route<App>> {
    let mut routes = common::routes();
    routes.extend([
        Route::get("/{language}/", Guard::Open, routing::get(home::home)),
        Route::get("/{language}/acting", Guard::Login, routing::get(acting::acting)),
        Route::post("/{language}/acting", Guard::Login, routing::post(acting::act)),
        Route::post("/{language}/acting/stop", Guard::Login, routing::post(acting::stop)),
        Route::get("/{language}/acted", Guard::For(Scope::Read), routing::get(acted::acted))
            .limited(Limit::Lookup),
        Route::get("/{language}/asked", Guard::For(Scope::Read), routing::get(asked::asked))
            .limited(Limit::Lookup),
        Route::get("/{language}/asked.csv", Guard::For(Scope::Read), routing::get(asked::csv))
            .limited(Limit::Lookup),
        Route::get("/{language}/asked.json", Guard::For(Scope::Read), routing::get(asked::json))
            .limited(Limit::Lookup),
        Route::get("/{language}/asked/{record}", Guard::For(Scope::Read), routing::get(entry::entry))
            .limited(Limit::Lookup),
        Route::get("/{language}/asked/{record}/proof", Guard::For(Scope::Read), routing::get(entry::proof))
            .limited(Limit::Lookup),
        Route::get("/{language}/lists", Guard::For(Scope::Check), routing::get(lists::lists)),
        Route::post("/{language}/lists/check", Guard::For(Scope::Check), routing::post(lists::check))
            .limited(Limit::Checks),
        Route::get("/{language}/lists/{holder}/{name}", Guard::Login, routing::get(lists::list)),
        Route::post(
            "/{language}/lists/{holder}/{name}/join",
            Guard::For(Scope::Consent),
            routing::post(lists::join),
        ),
        Route::get("/{language}/matters", Guard::For(Scope::Read), routing::get(redress::matters))
            .limited(Limit::Lookup),
        Route::get("/{language}/matters.json", Guard::For(Scope::Read), routing::get(redress::json))
            .limited(Limit::Lookup),
        Route::get("/{language}/letters/{id}", Guard::For(Scope::Read), routing::get(redress::letter))
            .limited(Limit::Lookup),
        Route::get("/{language}/letters/{id}/file", Guard::For(Scope::Read), routing::get(redress::file))
            .limited(Limit::Lookup),
        Route::get(
            "/{language}/objections/new",
            Guard::For(Scope::Object),
            routing::get(redress::object::form),
        ),
        Route::post(
            "/{language}/objections/new",
            Guard::For(Scope::Object),
            routing::post(redress::object::object),
        ),
        Route::get("/{language}/objections/{id}", Guard::For(Scope::Read), routing::get(redress::matter))
            .limited(Limit::Lookup),
        Route::post(
            "/{language}/objections/{id}/appeal",
            Guard::For(Scope::Object),
            routing::post(redress::appeal),
        ),
        Route::get("/{language}/consents", Guard::For(Scope::Read), routing::get(consents::consents)),
        Route::get("/{language}/consents/new", Guard::For(Scope::Consent), routing::get(grant::form)),
        Route::post("/{language}/consents/new", Guard::For(Scope::Consent), routing::post(grant::grant)),
        Route::get("/{language}/consents/{id}", Guard::For(Scope::Read), routing::get(consents::consent)),
        Route::get(
            "/{language}/consents/{id}/receipt",
            Guard::For(Scope::Read),
            routing::get(consents::receipt),
        ),
        Route::get(
            "/{language}/consents/{id}/withdraw",
            Guard::For(Scope::Consent),
            routing::get(consents::confirm),
        ),
        Route::post(
            "/{language}/consents/{id}/withdraw",
            Guard::For(Scope::Consent),
            routing::post(consents::withdraw),
        ),
        Route::get(
            "/{language}/consents/{id}/renew",
            Guard::For(Scope::Consent),
            routing::get(grant::confirm),
        ),
        Route::post(
            "/{language}/consents/{id}/renew",
            Guard::For(Scope::Consent),
            routing::post(grant::renew),
        ),
        Route::post(
            "/{language}/consents/{id}/pause",
            Guard::For(Scope::Consent),
            routing::post(consents::pause),
        ),
        Route::post(
            "/{language}/consents/{id}/resume",
            Guard::For(Scope::Consent),
            routing::post(consents::resume),
        ),
        Route::get("/{language}/requests/{id}", Guard::For(Scope::Read), routing::get(requests::request)),
        Route::post(
            "/{language}/requests/{id}/allow",
            Guard::For(Scope::Consent),
            routing::post(requests::allow),
        ),
        Route::post(
            "/{language}/requests/{id}/refuse",
            Guard::For(Scope::Consent),
            routing::post(requests::refuse),
        ),
    ]);
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::Language, routes::split};

    #[test]
    fn whatever_can_be_done_for_another_has_words_in_both_languages() {
        let (_, table) = split(routes());
        let words: Vec<String> = table
            .iter()
            .filter(|route| matches!(route.guard, Guard::For(_)))
            .map(crate::routes::Guarded::word)
            .chain([acting::BEGAN.to_owned(), acting::STOPPED.to_owned()])
            .collect();
        assert!(
            words.contains(&"saw-asked-one-proof".to_owned())
                && words.contains(&"did-lists-check".to_owned())
        );
        for word in &words {
            for language in Language::ALL {
                assert!(language.find(word).is_some(), "{word} in {}", language.tag());
            }
        }
    }
}
