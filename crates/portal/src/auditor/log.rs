//! The access log: filters in the address, a cursor that stays.

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use jiff::civil::Date;
use tacit_ledger::record::{Access, CONSENT_STATES, Consent, MEASURE_STATES, Measure, Record, Refused};
use tacit_model::Millis;

use super::{
    App,
    copy::{Decision, Filter, Row, Start},
    export::EXPORT_MAX,
    standing::Standing,
};
use crate::{
    form::Fields,
    frame::{Frame, page},
    language::Language,
    time,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Entries of a page.
const PAGE: usize = 50;
/// What leads elsewhere in the log, beside the filters.
const CURSORS: [&str; 2] = ["before", "after"];

/// Before the state of a consent or a measure, among the decisions; its words begin so too.
pub(super) const BECAME: &str = "became-";

/// A choice of a filter.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) words: String,
    pub(super) chosen: bool,
}

/// A filter that is set, with the address of the page without it.
pub(super) struct Chip {
    pub(super) words: String,
    pub(super) href: String,
}

/// The filters as they were typed, and what they mean.
pub(super) struct Asked {
    pub(super) filter: Filter,
    pub(super) wrongs: Wrongs,
    /// Names and values of those that are set.
    set: Vec<(&'static str, String)>,
}

impl Asked {
    /// The filters in the address, or in a form.
    pub(super) fn of(app: &App, visit: &Visit, fields: &Fields) -> Self {
        let mut asked = Self { filter: Filter::default(), wrongs: Wrongs::default(), set: Vec::new() };
        let language = visit.language;
        let mut field = |name: &'static str| {
            let value = fields.get(name)?.to_owned();
            asked.set.push((name, value.clone()));
            Some(value)
        };
        let (from, until, kind) = (field("from"), field("until"), field("kind"));
        let (member, purpose, list) = (field("member"), field("purpose"), field("list"));
        let (decision, id, index) = (field("decision"), field("id"), field("index"));
        let mut wrong = |field, key| asked.wrongs.add(field, language.say(key));
        let day = |text: &str, later: bool| -> Option<Millis> {
            let day = text.parse::<Date>().ok()?;
            let day = if later { day.tomorrow().ok()? } else { day };
            time::start_of(day, &app.desk.zone)?.parse().ok()
        };
        let filter = &mut asked.filter;
        filter.since = from.and_then(|text| {
            day(&text, false).or_else(|| {
                wrong("from", "log-day-wrong");
                None
            })
        });
        filter.until = until.and_then(|text| {
            day(&text, true).or_else(|| {
                wrong("until", "log-day-wrong");
                None
            })
        });
        filter.index = index.and_then(|text| {
            let found = text.parse().ok();
            if found.is_none() {
                wrong("index", "log-index-wrong");
            }
            found
        });
        filter.id = id.and_then(|text| {
            let found = text.to_ascii_uppercase().parse().ok();
            if found.is_none() {
                wrong("id", "log-id-wrong");
            }
            found
        });
        filter.decision = decision.map(|word| match word.as_str() {
            "permitted" => Decision::Permitted,
            "refused" => Decision::Refused,
            _ => match word.strip_prefix(BECAME) {
                Some(state) => Decision::Became(state.to_owned()),
                None => Decision::For(word),
            },
        });
        (filter.kind, filter.member, filter.purpose, filter.list) = (kind, member, purpose, list);
        asked
    }

    pub(super) fn is_set(&self) -> bool {
        !self.set.is_empty()
    }

    /// Names and values of the filters that are set.
    pub(super) fn set(&self) -> &[(&'static str, String)] {
        &self.set
    }

    fn value(&self, name: &str) -> &str {
        self.set.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

/// A row of the page.
struct Line {
    index: u64,
    when: String,
    event: String,
    member: String,
    holder: String,
    lists: String,
    purpose: String,
    decision: String,
    refused: bool,
    id: String,
    href: String,
}

#[derive(Template)]
#[template(path = "auditor/log.html")]
struct LogPage {
    frame: Frame,
    standing: Standing,
    asked: Asked,
    kinds: Vec<Choice>,
    members: Vec<Choice>,
    purposes: Vec<Choice>,
    lists: Vec<Choice>,
    decisions: Vec<Choice>,
    chips: Vec<Chip>,
    rows: Vec<Line>,
    total: usize,
    /// Whether more were found than one export takes.
    too_many: bool,
    /// The log's, for who verifies an export.
    key: String,
    newer: Option<String>,
    older: Option<String>,
}

pub(super) async fn log(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let asked = Asked::of(&app, &visit, &visit.query);
    let mut frame = Frame::new(&app.desk, &visit, visit.language.say("log-title"), "log");
    frame.wrong = !asked.wrongs.is_empty();
    let cursor = |name: &str| visit.query.get(name).and_then(|text| text.parse().ok());
    let start = match (cursor("before"), cursor("after")) {
        (Some(before), _) => Start::Before(before),
        (None, Some(after)) => Start::After(after),
        (None, None) => Start::Newest,
    };
    let copied = app.of.copy.now();
    let language = visit.language;
    // What cannot be read finds nothing, rather than everything.
    let size = if asked.wrongs.is_empty() { copied.size() } else { 0 };
    let found = copied.rows().find(&asked.filter, size, start, PAGE);
    let to = |name: &'static str, index: u64| {
        let index = index.to_string();
        let changes = CURSORS.map(|cursor| (cursor, if cursor == name { index.as_str() } else { "" }));
        format!("{}?{}", visit.path("/log"), visit.query.with(&changes))
    };
    let ends = found.rows.first().map(|row| row.index).zip(found.rows.last().map(|row| row.index));
    let (newer, older) = match ends {
        Some((first, last)) => {
            (found.newer.then(|| to("after", first)), found.older.then(|| to("before", last)))
        }
        None => (None, None),
    };
    let rows = copied.rows();
    let choices = |name: &str, values: Vec<&str>, words: &dyn Fn(&str) -> String| {
        let chosen = asked.value(name);
        values
            .into_iter()
            .map(|value| Choice { value: value.to_owned(), words: words(value), chosen: value == chosen })
            .collect::<Vec<_>>()
    };
    let same = |value: &str| value.to_owned();
    let decided = |value: &str| decision_words(language, value);
    let mut decisions = vec!["permitted", "refused"];
    decisions.extend(rows.reasons());
    let states: Vec<String> =
        CONSENT_STATES.iter().chain(&MEASURE_STATES).map(|state| format!("{BECAME}{state}")).collect();
    decisions.extend(states.iter().map(String::as_str));
    let template = LogPage {
        standing: Standing::of(&copied, &frame),
        kinds: choices("kind", Record::KINDS.to_vec(), &|kind| kind_words(language, kind)),
        members: choices("member", rows.members(), &same),
        purposes: choices("purpose", rows.purposes(), &same),
        lists: choices("list", rows.listed(), &same),
        decisions: choices("decision", decisions, &decided),
        chips: chips(&asked, &visit),
        rows: found.rows.iter().map(|row| line(row, &frame, &visit)).collect(),
        total: found.total,
        too_many: found.total > EXPORT_MAX,
        key: app.of.copy.key().map(|key| key.to_string()).unwrap_or_default(),
        newer,
        older,
        asked,
        frame,
    };
    page(&template)
}

fn chips(asked: &Asked, visit: &Visit) -> Vec<Chip> {
    let language = visit.language;
    let chip = |(name, value): &(&'static str, String)| {
        let mut changes = CURSORS.map(|cursor| (cursor, "")).to_vec();
        changes.push((*name, ""));
        let said = match *name {
            "kind" => kind_words(language, value),
            "decision" => decision_words(language, value),
            "from" | "until" => time::day(value, language),
            _ => value.clone(),
        };
        Chip {
            words: named(language, language.say(&format!("log-by-{name}")), said),
            href: format!("{}?{}", visit.path("/log"), visit.query.with(&changes)),
        }
    };
    asked.set.iter().filter(|(name, _)| asked.wrongs.at(name).is_none()).map(chip).collect()
}

fn line(row: &Row<'_>, frame: &Frame, visit: &Visit) -> Line {
    let language = visit.language;
    Line {
        index: row.index,
        when: frame.minute(&row.time.to_rfc3339()),
        event: kind_words(language, row.kind),
        member: row.member.to_owned(),
        holder: row.holder.to_owned(),
        lists: row.lists.join(" "),
        purpose: row.purpose.to_owned(),
        decision: outcome_words(language, row.kind, row.outcome),
        refused: row.kind == Refused::KIND,
        id: row.id.to_string(),
        href: visit.path(&format!("/log/{}", row.index)),
    }
}

/// A value with its name.
pub(super) fn named(language: Language, name: String, value: String) -> String {
    language.with("log-chip-set", &[("name", name.into()), ("value", value.into())])
}

/// A kind of records in words.
pub(super) fn kind_words(language: Language, kind: &str) -> String {
    language.find(&format!("kind-{kind}")).unwrap_or_else(|| kind.to_owned())
}

/// A reason in words, or the reason itself.
pub(super) fn reason_words(language: Language, reason: &str) -> String {
    language.reason(reason).unwrap_or_else(|| reason.to_owned())
}

/// What became of a check, a consent or a measure, in words.
pub(super) fn outcome_words(language: Language, kind: &str, outcome: &str) -> String {
    match kind {
        Access::KIND => language.say("log-permitted"),
        Refused::KIND => reason_words(language, outcome),
        _ => language.find(&format!("{BECAME}{outcome}")).unwrap_or_else(|| outcome.to_owned()),
    }
}

/// Whether a record is of a check, refused or not.
pub(super) fn is_check(kind: &str) -> bool {
    [Access::KIND, Refused::KIND].contains(&kind)
}

fn decision_words(language: Language, value: &str) -> String {
    match value {
        "permitted" => language.say("log-permitted"),
        "refused" => language.say("log-refused"),
        _ => match value.strip_prefix(BECAME) {
            Some(state) => {
                let kind = if MEASURE_STATES.contains(&state) { Measure::KIND } else { Consent::KIND };
                named(language, kind_words(language, kind), outcome_words(language, kind, state))
            }
            None => reason_words(language, value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_records_has_words_in_both_languages() {
        for kind in Record::KINDS {
            for language in Language::ALL {
                assert_ne!(kind_words(language, kind), *kind, "{}", language.tag());
            }
        }
        for state in CONSENT_STATES.iter().chain(&MEASURE_STATES) {
            for language in Language::ALL {
                assert_ne!(outcome_words(language, "", state), *state, "{}", language.tag());
            }
        }
    }
}
