//! One check: which list, for what, in which case, about which code.

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use serde::Serialize;

use super::{
    App,
    result::{self, Asked},
    says::{List, Lists, Purpose, Told},
};
use crate::{
    api::Trouble,
    form::Fields,
    frame::{Frame, page},
    language::Language,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest code as typed and longest case number, in bytes, as the node has them.
pub(super) const TEXT_MAX: usize = 200;

#[derive(Template)]
#[template(path = "officer/check.html")]
struct CheckPage {
    frame: Frame,
    lists: Vec<List>,
    /// What was typed.
    form: std::sync::Arc<Fields>,
    wrongs: Wrongs,
}

/// The value of a choice: a list with a purpose.
pub(super) fn choice(list: &List, purpose: &Purpose) -> String {
    format!("{} {}", list.list, purpose.purpose)
}

/// The list and the purpose that were chosen, of those that there are.
pub(super) fn chosen<'l>(lists: &'l [List], form: &Fields) -> Option<(&'l List, &'l Purpose)> {
    let mut pairs = lists.iter().flat_map(|list| list.purposes.iter().map(move |purpose| (list, purpose)));
    pairs.find(|(list, purpose)| form.get("choice") == Some(choice(list, purpose).as_str()))
}

pub(super) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    show(&app, &visit, lists, Wrongs::default())
}

fn show(app: &App, visit: &Visit, lists: Vec<List>, wrongs: Wrongs) -> Result<Response, Fault> {
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("check-title"), "check");
    frame.wrong = !wrongs.is_empty();
    page(&CheckPage { frame, lists, form: visit.form.clone(), wrongs })
}

#[derive(Serialize)]
struct Question<'q> {
    code: &'q str,
    lists: [&'q str; 1],
    purpose: &'q str,
    case_number: &'q str,
    officer: &'q str,
    scheme: &'q str,
}

pub(super) async fn check(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    let (language, form) = (visit.language, visit.form.clone());
    let field = |name| form.get(name).filter(|text| text.len() <= TEXT_MAX);
    let mut wrongs = Wrongs::default();
    let chosen = chosen(&lists, &form);
    let (code, case_number) = (field("code"), field("case_number"));
    if code.is_none() {
        wrongs.add("code", language.say("check-code-missing"));
    }
    if chosen.is_none() {
        wrongs.add("choice", language.say("check-choice-missing"));
    }
    if case_number.is_none() {
        wrongs.add("case_number", language.say("check-case-missing"));
    }
    let (Some(code), Some((list, purpose)), Some(case_number)) = (code, chosen, case_number) else {
        return show(&app, &visit, lists, wrongs);
    };
    let question = Question {
        code,
        lists: [&list.list],
        purpose: &purpose.purpose,
        case_number,
        officer: &visit.login()?.account,
        scheme: &list.scheme,
    };
    let told: Result<Told, Trouble> = app.of.api.post("/v1/checks", &question, &visit.id).await;
    let told = match told {
        Err(trouble) => match of_field(&trouble, language) {
            Some((field, words)) => {
                wrongs.add(field, words);
                return show(&app, &visit, lists, wrongs);
            }
            None => Err(trouble),
        },
        told => told,
    };
    result::show(&app, &visit, &Asked { list, purpose, code, case_number }, told)
}

/// What the node found wrong with a field that a person filled in.
pub(super) fn of_field(trouble: &Trouble, language: Language) -> Option<(&'static str, String)> {
    let words = language.reason(&trouble.reason).unwrap_or_else(|| trouble.message.clone());
    match (trouble.reason.as_str(), trouble.field.as_deref()) {
        ("code_invalid", _) => Some((
            "code",
            match trouble.position {
                Some(position) => language.with("check-code-position", &[("position", position.into())]),
                None => language.say("check-code-disagrees"),
            },
        )),
        ("code_not_this_scheme" | "code_scheme_unknown", _) | ("malformed", Some("code")) => {
            Some(("code", words))
        }
        ("case_required", _) | ("malformed", Some("case_number")) => Some(("case_number", words)),
        _ => None,
    }
}
