//! What was found that does not fit, with what became of it: the auditor's file, which the command line writes too.

use std::collections::HashSet;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use tacit_client::{Finding, FindingStatus, FindingsError, Found, What};
use tacit_model::{Millis, Ulid, parse_ulid};

use super::{App, End, noted, openings::in_one_line};
use crate::{
    download::{download, safe},
    frame::{Frame, page},
    language::Language,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// What a finding says.
pub(super) fn found_words(language: Language, what: What, text: &str) -> String {
    let (count, of) = what.numbers();
    let numbers = [("count", count.into()), ("of", of.into())];
    let words = language.find_with(&format!("found-{}", what.code()), &numbers);
    match (words, what) {
        // The rest of it is said by the log's reader.
        (Some(words), What::LogFails) => format!("{words}{}{text}", language.gap()),
        (Some(words), _) => words,
        (None, _) => text.to_owned(),
    }
}

/// Works on the file.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FindingsError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(FindingsError::Unknown)) => Err(Fault::NotFound),
        Ok(Err(error)) => {
            tracing::error!(%error, "findings cannot be read or kept");
            Err(Fault::Internal)
        }
        Err(error) => {
            tracing::error!(%error, "findings cannot be read or kept");
            Err(Fault::Internal)
        }
    }
}

/// Keeps what was found.
pub(super) async fn keep(end: &End, now: Millis, found: Vec<Found>) -> Result<usize, Fault> {
    let file = end.findings();
    blocking(move || file.keep(now, &found)).await
}

async fn all(end: &End) -> Result<Vec<Finding>, Fault> {
    let file = end.findings();
    blocking(move || file.all()).await
}

/// A finding as a page shows it.
struct Line {
    href: String,
    when: String,
    kind: String,
    member: String,
    /// The entry that shows it, when it is one.
    entry: Option<(u64, String)>,
    words: String,
    status: String,
    is_open: bool,
    /// What was said to it: when, how far it is since, and why.
    said: Vec<(String, String, String)>,
}

fn lines(app: &App, findings: &[Finding], frame: &Frame, visit: &Visit) -> Vec<Line> {
    let ids: HashSet<Ulid> = findings.iter().filter_map(|it| parse_ulid(&it.record)).collect();
    let (places, size) = {
        let copied = app.of.copy.now();
        let size = copied.size();
        (copied.rows().places(&ids, size), size)
    };
    let place = |record: &str| match parse_ulid(record) {
        Some(id) => places.get(&id).copied(),
        None => record.parse().ok().filter(|index| *index < size),
    };
    let line = |it: &Finding| Line {
        href: visit.path(&format!("/findings/{}", it.id)),
        when: frame.minute(&it.found),
        kind: frame.word("finding-kind", &it.kind),
        member: it.member.clone(),
        entry: place(&it.record).map(|index| (index, visit.path(&format!("/log/{index}")))),
        words: it.what.map_or_else(|| it.text.clone(), |what| found_words(visit.language, what, &it.text)),
        status: frame.word("finding-status", it.status.as_str()),
        is_open: it.status == FindingStatus::Open,
        said: it
            .said
            .iter()
            .map(|(at, status, note)| {
                (frame.minute(at), frame.word("finding-status", status.as_str()), note.clone())
            })
            .collect(),
    };
    findings.iter().map(line).collect()
}

/// A way to the findings of one status, or of all.
struct Way {
    words: String,
    href: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "auditor/findings.html")]
struct FindingsPage {
    frame: Frame,
    ways: Vec<Way>,
    lines: Vec<Line>,
    csv: String,
    jsonl: String,
}

/// The status that the address asks for.
fn asked(visit: &Visit) -> Option<FindingStatus> {
    visit.query.get("status").and_then(FindingStatus::of)
}

/// Newest first, as far as the address asks for them.
async fn wanted(app: &App, visit: &Visit) -> Result<Vec<Finding>, Fault> {
    let status = asked(visit);
    let mut found = all(&*app.of.end()?).await?;
    found.retain(|it| status.is_none_or(|status| it.status == status));
    found.reverse();
    Ok(found)
}

pub(super) async fn findings(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let found = wanted(&app, &visit).await?;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("findings-title"), "findings");
    let status = asked(&visit);
    let query = status.map_or_else(String::new, |status| format!("?status={}", status.as_str()));
    let every = std::iter::once(None).chain(FindingStatus::ALL.map(Some));
    let ways = every.map(|it| Way {
        words: it.map_or_else(
            || frame.say("findings-all"),
            |status| frame.word("finding-status", status.as_str()),
        ),
        href: it.map_or_else(
            || frame.path("/findings"),
            |status| frame.path(&format!("/findings?status={}", status.as_str())),
        ),
        here: it == status,
    });
    page(&FindingsPage {
        ways: ways.collect(),
        lines: lines(&app, &found, &frame, &visit),
        csv: frame.path(&format!("/findings.csv{query}")),
        jsonl: frame.path(&format!("/findings.jsonl{query}")),
        frame,
    })
}

/// As a table.
pub(super) async fn csv(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: [&str; 8]| table.write_record(cells).map_err(|_| Fault::Internal);
    write(["id", "found", "kind", "member", "record", "status", "text", "said"])?;
    for it in wanted(&app, &visit).await?.iter().rev() {
        let said: Vec<String> =
            it.said.iter().map(|(at, status, note)| format!("{at} {} {note}", status.as_str())).collect();
        let (text, said) = (safe(&it.text), safe(&said.join("\n")));
        write([&it.id, &it.found, &it.kind, &it.member, &it.record, it.status.as_str(), &text, &said])?;
    }
    let bytes = table.into_inner().map_err(|_| Fault::Internal)?;
    Ok(download(bytes, "text/csv; charset=utf-8", "findings.csv"))
}

/// Line by line as they stand in the file.
pub(super) async fn jsonl(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut lines = Vec::new();
    for it in wanted(&app, &visit).await?.iter().rev() {
        serde_json::to_writer(&mut lines, it).map_err(|_| Fault::Internal)?;
        lines.push(b'\n');
    }
    Ok(download(lines, "application/jsonl", "findings.jsonl"))
}

/// A status that may be chosen.
struct Choice {
    value: &'static str,
    words: String,
}

#[derive(Template)]
#[template(path = "auditor/finding.html")]
struct FindingPage {
    frame: Frame,
    line: Line,
    id: String,
    choices: Vec<Choice>,
    /// What was typed.
    chosen: String,
    note: String,
    wrongs: Wrongs,
}

impl FindingPage {
    fn is_chosen(&self, value: &str) -> bool {
        self.chosen == value
    }
}

async fn one(app: &App, visit: &Visit, id: &str, wrongs: Wrongs) -> Result<Response, Fault> {
    let found = all(&*app.of.end()?).await?.into_iter().find(|it| it.id == id).ok_or(Fault::NotFound)?;
    let language = visit.language;
    let mut frame = Frame::new(&app.desk, visit, language.say("finding-title"), "findings");
    frame.wrong = !wrongs.is_empty();
    let line = lines(app, std::slice::from_ref(&found), &frame, visit).pop().ok_or(Fault::Internal)?;
    let choice = |status: FindingStatus| Choice {
        value: status.as_str(),
        words: frame.word("finding-status", status.as_str()),
    };
    let typed = |name| visit.form.get(name).unwrap_or_default().to_owned();
    page(&FindingPage {
        line,
        id: found.id,
        choices: FindingStatus::ALL.map(choice).into(),
        chosen: typed("status"),
        note: typed("note"),
        wrongs,
        frame,
    })
}

pub(super) async fn finding(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, finding)): Path<(String, String)>,
) -> Result<Response, Fault> {
    one(&app, &visit, &finding, Wrongs::default()).await
}

/// Says what became of it.
pub(super) async fn set(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, finding)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let language = visit.language;
    let Some(status) = visit.form.get("status").and_then(FindingStatus::of) else {
        return one(&app, &visit, &finding, Wrongs::of("status", language.say("finding-status-wrong"))).await;
    };
    let Some(note) = in_one_line(visit.form.get("note").unwrap_or_default()) else {
        return one(&app, &visit, &finding, Wrongs::of("note", language.say("finding-note-wrong"))).await;
    };
    let (file, now, id) = (app.of.end()?.findings(), visit.now, finding);
    let set = blocking(move || file.set(now, &id, status, &note)).await?;
    noted(&visit, "it is said what became of a finding", None);
    Ok(Redirect::to(&visit.path(&format!("/findings/{}", set.id))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_found_has_words_of_its_own_in_both_languages() {
        let numbered = (3, 4);
        let all = What::each(numbered.0, numbered.1);
        for language in Language::ALL {
            let mut said = HashSet::new();
            for what in all {
                let text = what.text("tax");
                let words = found_words(language, what, &text);
                let key = format!("found-{}", what.code());
                assert!(language.find(&key).is_some(), "{key} in {}", language.tag());
                if what.numbers() == numbered {
                    assert!(words.contains('3') && words.contains('4'), "{words}");
                }
                assert!(said.insert(words));
            }
            for kind in all.map(What::kind) {
                assert!(language.find(&format!("finding-kind-{kind}")).is_some(), "{kind}");
            }
            for status in FindingStatus::ALL {
                assert!(language.find(&format!("finding-status-{}", status.as_str())).is_some());
            }
        }
    }
}
