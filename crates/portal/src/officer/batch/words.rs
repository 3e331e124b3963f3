//! What became of a row, in words: the same on the page and in the file to take away.

use serde::Deserialize;

use super::{
    job::{Row, Told},
    table::NoRow,
};
use crate::{
    api::Trouble,
    frame::Frame,
    officer::{
        check::of_field,
        says::{Answer, Listing},
    },
    time,
};

/// What the node says of a row.
#[derive(Deserialize)]
pub(super) struct Said {
    /// The caller's own number.
    #[serde(default)]
    pub(super) row: Option<usize>,
    #[serde(default)]
    pub(super) answers: Option<Vec<Answer>>,
    #[serde(default)]
    pub(super) problem: Option<Trouble>,
}

/// A row in words.
pub(super) struct InWords {
    pub(super) words: String,
    /// The time of the answer, RFC 3339.
    pub(super) as_of: String,
    pub(super) listing: Option<Listing>,
    pub(super) reason: String,
    pub(super) record: Option<(String, u64)>,
}

impl InWords {
    fn of(words: String, reason: &str) -> Self {
        Self { words, as_of: String::new(), listing: None, reason: reason.to_owned(), record: None }
    }
}

pub(super) fn in_words(row: &Row, list: &str, frame: &Frame) -> InWords {
    match &row.told {
        Told::Nothing => InWords::of(frame.say("batch-row-waits"), ""),
        Told::Unknown => InWords::of(frame.say("batch-row-unknown"), ""),
        Told::NotAsked => InWords::of(frame.say("batch-row-not-asked"), ""),
        Told::Own(NoRow(key)) => InWords::of(frame.say(&format!("batch-row-{key}")), key),
        Told::Node(line) => match serde_json::from_slice(line) {
            Ok(said) => by_node(said, list, frame),
            // It was read before it was kept.
            Err(_) => InWords::of(frame.say("batch-row-unknown"), ""),
        },
    }
}

fn by_node(said: Said, list: &str, frame: &Frame) -> InWords {
    let answer = said.answers.and_then(|mut answers| answers.pop());
    let problem = said.problem;
    let Some(Answer { answer, listing, problem: refused, as_of, record }) = answer else {
        let Some(problem) = problem else { return InWords::of(frame.say("batch-row-unknown"), "") };
        return InWords::of(trouble(&problem, frame), &problem.reason);
    };
    let record = record.map(|record| (record.id, record.index));
    if let Some(refused) = refused {
        return InWords { record, ..InWords::of(trouble(&refused, frame), &refused.reason) };
    }
    let words = match (&*answer, &listing) {
        ("listed", Some(listing)) => {
            let mut sentences = vec![frame.with("batch-on", "list", list)];
            sentences.extend(details(listing, frame));
            sentences.join(frame.language.gap())
        }
        _ => frame.with("batch-off", "list", list),
    };
    InWords { words, as_of: as_of.unwrap_or_default(), listing, reason: String::new(), record }
}

/// What was wrong, and when to ask again.
fn trouble(trouble: &Trouble, frame: &Frame) -> String {
    let words = match of_field(trouble, frame.language) {
        Some((_, words)) => words,
        None => frame.reason(&trouble.reason),
    };
    let again = trouble.resets_at.as_ref().map(|at| frame.with("result-again", "time", frame.minute(at)));
    match again {
        Some(again) => [words, again].join(frame.language.gap()),
        None => words,
    }
}

fn details(listing: &Listing, frame: &Frame) -> Vec<String> {
    let day = |day: &String| time::day(day, frame.language);
    let stated = [
        ("result-category", listing.category_title.clone()),
        ("result-status", listing.status_text.clone()),
        ("result-listed-on", listing.listed_on.as_ref().map(day)),
        ("result-expires-on", listing.expires_on.as_ref().map(day)),
    ];
    let stated = stated.into_iter().filter_map(|(name, value)| Some((frame.say(name), value?)));
    // Some of the holder's words are sentences and end as such.
    let detail = |(name, value): (String, String)| {
        frame.with2("batch-detail", "name", name, "value", value.trim_end_matches(['.', '。']))
    };
    let mut details: Vec<String> = stated.map(detail).collect();
    details.extend(listing.contested.then(|| frame.say("result-contested")));
    details
}

/// Reasons that lie in the row itself.
pub(super) fn lies_in_row(reason: &str) -> bool {
    ["code_invalid", "code_scheme_unknown", "code_not_this_scheme", "malformed", "too_large"]
        .contains(&reason)
}
