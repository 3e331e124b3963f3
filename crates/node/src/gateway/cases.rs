//! Objections and appeals at the gateway: the queue, one case, and what is decided about it.

use tacit_model::{LogSafe, Reason, RequestId, Ulid, parse_ulid};
use tacit_policy::{
    letter::{Due, Duty, LetterText, Level, Outcome, limits},
    registry::entry::Role,
};

use super::{
    json::App,
    problem::{Problem, capitalized},
    tokens::Application,
};
use crate::redress::{CasePage, CaseView, NewRuling, Redress, RedressError};

/// Cases of a page when no number is stated.
const PAGE: u32 = 50;
/// Most cases of a page.
const PAGE_MAX: u32 = 100;

/// What is said with every case.
pub(super) const NOTICE: &str = "Who is named as deciding decides, once. The person gets the decision as a letter; what is annulled \
     is removed from the list at once, what is corrected once the corrected record is imported.";

/// A level by its word in this interface.
pub(super) fn level(word: &str) -> Option<Level> {
    [Level::First, Level::Review].into_iter().find(|level| level_word(*level) == word)
}

/// The word of a level: what the body is to decide.
pub(super) fn level_word(level: Level) -> &'static str {
    match level {
        Level::First => "objection",
        Level::Review => "appeal",
    }
}

/// A decision as it arrived. An empty field is a missing one.
pub(super) struct RawRuling {
    pub(super) outcome: String,
    pub(super) corrected: String,
    pub(super) reasons: String,
    pub(super) decided_by: String,
}

impl RawRuling {
    fn check(self) -> Result<NewRuling, Problem> {
        let malformed = |field: &'static str, text: String| Problem::of_field(Reason::Malformed, field, text);
        let words = |field: &'static str, text: &str, limit| {
            LetterText::new(text, limit).map_err(|error| malformed(field, capitalized(&error.to_string())))
        };
        let Self { outcome, corrected, reasons, decided_by } = self;
        let outcome = outcome.parse::<Outcome>();
        let outcome = outcome.map_err(|error| malformed("outcome", capitalized(&error.to_string())))?;
        let corrected = match (outcome, corrected.as_str()) {
            (Outcome::Corrected, text) => Some(words("corrected", text, limits::CORRECTED)?),
            (Outcome::Upheld | Outcome::Annulled, "") => None,
            _ => return Err(malformed("corrected", capitalized(&RedressError::Corrected.to_string()))),
        };
        let reasons = words("reasons", &reasons, limits::REASONS)?;
        if decided_by.chars().any(char::is_control) {
            return Err(malformed("decided_by", "The field holds a control character.".to_owned()));
        }
        let by = words("decided_by", &decided_by, limits::BY)?;
        Ok(NewRuling { outcome, corrected, reasons, by })
    }
}

/// A page of cases that are not over, or of all.
pub(super) async fn page(
    app: &App,
    level: &str,
    over: bool,
    cursor: &str,
    limit: u32,
) -> Result<CasePage, Problem> {
    let malformed =
        |field: &'static str, text: &'static str| Problem::of_field(Reason::Malformed, field, text);
    let redress = redress(app)?;
    let level =
        self::level(level).ok_or_else(|| malformed("level", "The level is one of: objection, appeal."))?;
    if limit > PAGE_MAX {
        return Err(malformed("limit", "A page has at most 100 cases."));
    }
    let no_cursor = || malformed("cursor", "This is no cursor of a page before.");
    let after = match cursor {
        "" => None,
        text => Some(parse_ulid(text).ok_or_else(no_cursor)?),
    };
    let page = redress.page(level, over, after, if limit == 0 { PAGE } else { limit }).await;
    page.map_err(|error| problem(&error))?.ok_or_else(no_cursor)
}

/// One case.
pub(super) async fn show(app: &App, level: &str, id: &str) -> Result<CaseView, Problem> {
    let redress = redress(app)?;
    let (level, id) = named(level, id)?;
    let found = redress.show(level, id).await.map_err(|error| problem(&error))?;
    found.ok_or_else(|| problem(&RedressError::NoCase))
}

/// Decides one; which application did it is logged.
pub(super) async fn decide(
    app: &App,
    level: &str,
    id: &str,
    raw: RawRuling,
    request: &RequestId,
    application: Option<&Application>,
) -> Result<CaseView, Problem> {
    let redress = redress(app)?;
    let (level, id) = named(level, id)?;
    let ruling = raw.check()?;
    let outcome = ruling.outcome;
    let decided = redress.decide(level, id, ruling).await.map_err(|error| problem(&error))?;
    tracing::info!(
        request_id = %LogSafe::new(request),
        application = application.map(|name| tracing::field::display(LogSafe::new(name))),
        case = %id,
        level = level_word(level),
        outcome = outcome.as_str(),
        "a case is decided"
    );
    Ok(decided)
}

/// How many letters are on their way; `None` where none are carried.
pub(super) async fn letters_waiting(app: &App) -> Result<Option<u64>, Problem> {
    let Some(redress) = &app.redress else { return Ok(None) };
    redress.on_the_way().await.map(Some).map_err(|error| problem(&error))
}

fn named(level: &str, id: &str) -> Result<(Level, Ulid), Problem> {
    let level = self::level(level)
        .ok_or_else(|| Problem::new(Reason::NotFound, "A case is an `objection` or an `appeal`."))?;
    let wrong = "The id of a case is a ULID: 26 characters, capitals and digits.";
    let id = parse_ulid(id).ok_or_else(|| Problem::of_field(Reason::Malformed, "case_id", wrong))?;
    Ok((level, id))
}

/// What this agency keeps of cases, under the registry in force. Who keeps no list decides about none.
fn redress(app: &App) -> Result<Redress, Problem> {
    let registry = app.asker.registry();
    let holds = registry.member(app.asker.member()).is_some_and(|own| own.has(Role::Holder));
    let none =
        || Problem::new(Reason::NotFound, "This agency keeps no list, so it has no objections or appeals.");
    app.redress.as_ref().filter(|_| holds).map(|redress| redress.under(registry)).ok_or_else(none)
}

fn problem(error: &RedressError) -> Problem {
    match error.reason() {
        reason @ (Reason::Internal | Reason::RegistryInvalid) => {
            tracing::error!(%error, "a case could not be read or decided");
            reason.into()
        }
        reason => Problem::new(reason, capitalized(&error.to_string())),
    }
}

/// How far a case is, in words for who decides.
pub(super) fn words(view: &CaseView) -> &'static str {
    match (view.due, view.is_overdue()) {
        (Some(Due { duty: Duty::Decide, .. }), false) => "It is to be decided here.",
        (Some(Due { duty: Duty::Decide, .. }), true) => "It should have been decided here: decide it now.",
        (Some(Due { duty: Duty::Correct, .. }), false) => {
            "It is decided, and the record is to be made as decided."
        }
        (Some(Due { duty: Duty::Correct, .. }), true) => {
            "It is decided, and the record should be as decided by now: import the corrected record."
        }
        (Some(Due { duty: Duty::Review, .. }), false) => {
            "It is decided here, and appealed: the other body decides."
        }
        (Some(Due { duty: Duty::Review, .. }), true) => {
            "The other body should have decided about the appeal by now."
        }
        (None, _) => "It is decided, and nothing is left to be done here.",
    }
}
