//! All that is on record about one pseudonym of one requester, by any check of it. The reading is on record before
//! anything is shown, so it is asked for by a form; what was read and verified is kept for the session, and its pages are
//! shown from there.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use tacit_client::{ChainEntry, ChainFinding, Details, SubjectLog};
use tacit_ledger::record::Refused;
use tacit_model::{Millis, Reason};

use super::{
    App, check_at,
    copy::fields,
    log::{kind_words, named, outcome_words},
    noted,
};
use crate::{
    api::Trouble,
    frame::{Frame, page},
    kept::Held,
    paging::Paging,
    visit::{Fault, Visit},
};

/// A record about the pseudonym.
struct Line {
    index: u64,
    when: String,
    event: String,
    outcome: String,
    refused: bool,
    lists: String,
    purpose: String,
    href: String,
    /// What stands beside the log about it, each with its name.
    beside: Vec<String>,
}

/// Records of a page.
const PAGE: usize = 50;
/// Most readings that a desk keeps, one for each session; with 10,000 records one has some 20 MB.
pub(super) const MOST: usize = 16;

/// A reading.
pub(super) struct Followed {
    /// The entry by which it was asked for.
    index: u64,
    pseudonym: [u8; 32],
    log: SubjectLog,
}

impl Held for Followed {}

/// A page of what was read.
struct Chain {
    pseudonym: String,
    records: u64,
    size: u64,
    lines: Vec<Line>,
    paging: Paging,
    /// How many older records can no longer be told apart, and since when.
    erased: Option<(u64, String)>,
}

#[derive(Template)]
#[template(path = "auditor/follow.html")]
struct FollowPage {
    frame: Frame,
    index: u64,
    entry_href: String,
    /// None when what opens the record was erased.
    chain: Option<Chain>,
}

/// What this session read. Who read nothing finds the form; opening a page reads nothing.
pub(super) async fn followed(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let index: u64 = index.parse().map_err(|_| Fault::NotFound)?;
    match app.of.followed.of(&visit.place()?).filter(|read| read.index == index) {
        Some(read) => show(&app, &visit, index, Some(&read)),
        None => Ok(Redirect::to(&visit.path(&format!("/log/{index}"))).into_response()),
    }
}

/// Reads; what this session read before is forgotten.
pub(super) async fn follow(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let index = check_at(&app, &index)?.0;
    let (end, place) = (app.of.end()?, visit.place()?);
    noted(&visit, "a pseudonym is followed", Some(index));
    let read = match end.auditor.follow(index).await {
        Ok(read) => Followed { index, pseudonym: read.pseudonym, log: read.log },
        Err(finding) if finding.reason() == Reason::NotFound => return show(&app, &visit, index, None),
        Err(finding) => return Err(trouble(index, &finding)),
    };
    app.of.followed.forget(&place);
    let full = |_| Fault::Trouble(Trouble::new(Reason::Overloaded.as_str(), String::new()));
    app.of.followed.keep(place, read).map_err(full)?;
    Ok(Redirect::to(&visit.path(&format!("/log/{index}/follow"))).into_response())
}

fn show(app: &App, visit: &Visit, index: u64, read: Option<&Followed>) -> Result<Response, Fault> {
    let title = visit.language.with("follow-title", &[("index", index.to_string().into())]);
    let frame = Frame::new(&app.desk, visit, title, "log");
    page(&FollowPage {
        index,
        entry_href: visit.path(&format!("/log/{index}")),
        chain: read.map(|read| chain(read, &frame, visit)),
        frame,
    })
}

fn trouble(index: u64, finding: &ChainFinding) -> Fault {
    if matches!(finding, ChainFinding::Client(_)) {
        tracing::warn!(%finding, index, "a pseudonym cannot be followed");
    } else {
        tracing::error!(%finding, index, "ALARM: what the coordinator shows of a pseudonym does not hold");
    }
    Fault::Trouble(Trouble::new(finding.reason().as_str(), finding.to_string()))
}

fn chain(read: &Followed, frame: &Frame, visit: &Visit) -> Chain {
    let log = &read.log;
    let erased = log.entries.first().filter(|entry| matches!(entry.details, Details::Erasure));
    let erased = erased.map(|entry| {
        let at = Millis(entry.record.time_ms()).to_rfc3339();
        (log.erased, frame.exact(&at))
    });
    let path = format!("/log/{}/follow", read.index);
    let paging = Paging::of(visit, &path, log.entries.len(), PAGE);
    let newest_first = paging.rows(log.entries.iter().rev(), PAGE);
    Chain {
        pseudonym: hex::encode(read.pseudonym),
        records: log.statement.records,
        size: log.statement.size,
        lines: newest_first.map(|entry| line(entry, frame, visit)).collect(),
        paging,
        erased,
    }
}

fn line(entry: &ChainEntry, frame: &Frame, visit: &Visit) -> Line {
    let language = visit.language;
    let of = |name| fields(&entry.proof.record).find(|(field, _)| *field == name).map_or("", |(_, it)| it);
    let kind = entry.record.kind();
    // A record has one of them, or none.
    let outcome = format!("{}{}", of("reason"), of("state"));
    Line {
        index: entry.index,
        when: frame.minute(&Millis(entry.record.time_ms()).to_rfc3339()),
        event: kind_words(language, kind),
        outcome: outcome_words(language, kind, &outcome),
        refused: kind == Refused::KIND,
        lists: of("lists").to_owned(),
        purpose: of("purpose").to_owned(),
        href: visit.path(&format!("/log/{}", entry.index)),
        beside: beside(&entry.details, visit),
    }
}

fn beside(details: &Details, visit: &Visit) -> Vec<String> {
    let language = visit.language;
    let all = match details {
        Details::Check { exact, rules, agreement, basis } => vec![
            (
                "follow-exact",
                language.reason(exact).map_or_else(|| exact.clone(), |words| format!("{words} ({exact})")),
            ),
            ("follow-rules", rules.join(language.comma())),
            ("field-agreement", agreement.clone()),
            ("follow-basis", basis.to_string()),
        ],
        Details::Consent { number, .. } | Details::Request { number, .. } => {
            vec![("follow-change", number.to_string())]
        }
        Details::Measure { list, decider, words } => vec![
            ("field-list", list.clone()),
            ("follow-decider", decider.clone()),
            ("follow-measure", words.clone()),
        ],
        // A letter is sealed to others.
        Details::Notice(_) | Details::Erasure => Vec::new(),
    };
    let there = all.into_iter().filter(|(_, value)| !value.is_empty());
    there.map(|(name, value)| named(language, language.say(name), value)).collect()
}
