//! What a list answered, with what it says and what it does not, and what may follow.
//!
//! It is the answer to a form, so that no address leads to it and nothing keeps it.

use askama::Template;
use axum::response::Response;

use super::{
    App,
    consents::AskForm,
    says::{Answer, List, Listing, Measure, Purpose, RecordAt, Terms, Told},
};
use crate::{
    api::Trouble,
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// What was asked.
pub(super) struct Asked<'q> {
    pub(super) list: &'q List,
    pub(super) purpose: &'q Purpose,
    pub(super) code: &'q str,
    pub(super) case_number: &'q str,
}

/// A measure that may be decided now.
struct Allowed {
    measure: Measure,
    href: String,
}

/// Why there is no answer.
struct Refused {
    reason: String,
    again: Option<String>,
}

#[derive(Template)]
#[template(path = "officer/result.html")]
struct ResultPage<'q> {
    frame: Frame,
    asked: &'q Asked<'q>,
    /// The code as it was read, when it differs from what was typed.
    read: Option<String>,
    /// What was changed to read it, in words.
    changes: String,
    as_of: String,
    /// What the list says; none when it does not name the subject.
    listing: Option<Listing>,
    refused: Option<Refused>,
    terms: Option<Terms>,
    allowed: Vec<Allowed>,
    record: Option<RecordAt>,
    ask: Option<AskForm>,
}

pub(super) fn show(
    app: &App,
    visit: &Visit,
    asked: &Asked<'_>,
    told: Result<Told, Trouble>,
) -> Result<Response, Fault> {
    let language = visit.language;
    let frame = Frame::new(&app.desk, visit, language.say("result-title"), "check");
    let (told, problem) = match told {
        Ok(told) => (Some(told), None),
        Err(trouble) if matches!(trouble.reason.as_str(), "unauthenticated" | "internal") => {
            return Err(trouble.into());
        }
        Err(trouble) => (None, Some(trouble)),
    };
    let (mut read, mut changes, mut terms, mut answer) = (None, String::new(), None, None);
    if let Some(mut told) = told {
        if told.answers.len() != 1 {
            return Err(Fault::Internal);
        }
        answer = told.answers.pop();
        terms = told.terms.pop();
        let words = told.normalized.iter().map(|change| {
            let key = format!("read-{}", change.change.replace('_', "-"));
            language.find(&key).unwrap_or_else(|| change.change.clone())
        });
        changes = words.collect::<Vec<_>>().join(language.comma());
        read = told.read_as;
    }
    let (record, as_of, listing, problem) = match answer {
        Some(Answer { answer, listing, problem, as_of, record }) => {
            // Whatever it is, it is one of the three, whole.
            let whole = match answer.as_str() {
                "listed" => listing.is_some() && as_of.is_some(),
                "not_listed" => listing.is_none() && as_of.is_some(),
                _ => problem.is_some(),
            };
            if !whole {
                return Err(Fault::Internal);
            }
            (record, as_of, listing, problem)
        }
        None => (None, None, None, problem),
    };
    let ask = problem.as_ref().filter(|problem| problem.reason == "consent_required");
    let ask = ask.map(|_| AskForm::of(asked));
    let refused = problem.map(|problem| Refused {
        reason: language.reason(&problem.reason).unwrap_or(problem.message),
        again: problem.resets_at.map(|at| frame.minute(&at)),
    });
    let allowed = terms.as_mut().map(|terms: &mut Terms| std::mem::take(&mut terms.measures));
    let at = record.as_ref().map_or("", |record| record.id.as_str());
    let href = |measure: &Measure| {
        let query = crate::form::Fields::default().with(&[
            ("record", at),
            ("list", &asked.list.list),
            ("agreement", &measure.agreement),
            ("measure", &measure.measure.to_string()),
        ]);
        format!("{}?{query}", visit.path("/measures/new"))
    };
    let allowed = allowed.unwrap_or_default().into_iter();
    let allowed = allowed.map(|measure| Allowed { href: href(&measure), measure }).collect();
    page(&ResultPage {
        as_of: as_of.map(|at| frame.minute(&at)).unwrap_or_default(),
        frame,
        asked,
        read,
        changes,
        listing,
        refused,
        terms,
        allowed,
        record,
        ask,
    })
}
