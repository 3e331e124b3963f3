//! What is out of the ordinary, and whether two counts of the same agree. What only the coordinator can count is counted
//! when somebody asks for it by a form, since each such reading is on record.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use jiff::tz::TimeZone;
use tacit_client::{Found, Seen, Signals, Usual, What, is_odd, stated, unusual};
use tacit_ledger::record::{Access, Refused};
use tacit_model::Millis;

use super::{
    App,
    copy::{QUARTER_MS, Rows},
    findings, noted,
    standing::Standing,
};
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// Most records of one counting.
const RANGE_MAX: u64 = 1_000_000;
/// What was counted about a requester.
#[derive(Debug, Clone)]
struct Count {
    requester: String,
    seen: Seen,
    /// The coordinator's counts; none when it leaves the requester out.
    told: Option<Signals>,
    /// How many subjects its agreements state.
    usual: Option<u64>,
    /// How many the custodian evaluated.
    evaluated: u64,
}

/// One counting.
#[derive(Debug)]
pub(super) struct Counted {
    at: Millis,
    from: u64,
    until: u64,
    counts: Vec<Count>,
}

/// A requester as the page shows it.
struct Line {
    requester: String,
    checks: u64,
    refused: u64,
    odd: u64,
    subjects: u64,
    most: u64,
    lists: u64,
    enrolled: u64,
    evaluated: u64,
    signals: Vec<String>,
}

#[derive(Template)]
#[template(path = "auditor/signals.html")]
struct SignalsPage {
    frame: Frame,
    standing: Standing,
    /// When and over which records; none while nothing was counted.
    counted: Option<String>,
    /// Whether anything is to be kept.
    any: bool,
    lines: Vec<Line>,
}

pub(super) async fn signals(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let language = visit.language;
    let frame = Frame::new(&app.desk, &visit, language.say("signals-title"), "signals");
    let counted = app.of.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let line = |count: &Count| {
        let of = |value: fn(&Signals) -> u64| count.told.as_ref().map_or(0, value);
        Line {
            requester: count.requester.clone(),
            checks: count.seen.checks,
            refused: count.seen.refused,
            odd: count.seen.odd,
            subjects: of(|it| it.subjects),
            most: of(|it| it.most_of_one),
            lists: of(|it| it.most_lists),
            enrolled: of(|it| it.enrolled),
            evaluated: count.evaluated,
            signals: found(count)
                .into_iter()
                .map(|what| findings::found_words(language, what, &what.text(&count.requester)))
                .collect(),
        }
    };
    let said = counted.as_ref().map(|counted| {
        language.with(
            "signals-counted",
            &[
                ("from", counted.from.to_string().into()),
                ("last", counted.until.saturating_sub(1).to_string().into()),
                ("time", frame.exact(&counted.at.to_rfc3339()).into()),
            ],
        )
    });
    let lines: Vec<Line> = counted.iter().flat_map(|counted| &counted.counts).map(line).collect();
    let template = SignalsPage {
        standing: Standing::of(&app.of.copy.now(), &frame),
        any: lines.iter().any(|line| !line.signals.is_empty()),
        lines,
        counted: said,
        frame,
    };
    page(&template)
}

/// Counts anew.
pub(super) async fn count(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let end = app.of.end()?;
    let until = app.of.copy.now().size();
    let from = until.saturating_sub(RANGE_MAX);
    if until == 0 {
        return Err(Fault::unavailable());
    }
    noted(&visit, "signals are counted", None);
    let told = end.auditor.signals(from, until, Usual::default().repeats).await.map_err(|error| {
        tracing::warn!(%error, "signals are not counted");
        Fault::unavailable()
    })?;
    let copied = app.of.copy.now();
    let mut seen = seen(copied.rows(), from, until, &app.desk.zone);
    // Whom one of the two leaves out is in the other's.
    for it in &told {
        seen.entry(it.requester.clone()).or_default();
    }
    let mut told: BTreeMap<String, Signals> = told.into_iter().map(|it| (it.requester.clone(), it)).collect();
    let count = |(requester, seen): (String, Seen)| Count {
        told: told.remove(&requester),
        usual: stated(end.auditor.registry(), &requester, visit.now),
        evaluated: copied.rows().evaluated(&requester),
        requester,
        seen,
    };
    let counts = seen.into_iter().map(count).collect();
    let counted = Counted { at: visit.now, from, until, counts };
    *app.of.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(counted));
    Ok(Redirect::to(&visit.path("/signals")).into_response())
}

/// What the records of a range say, by requester.
pub(super) fn seen(rows: &Rows, from: u64, until: u64, zone: &TimeZone) -> BTreeMap<String, Seen> {
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    let skipped = usize::try_from(from).unwrap_or(usize::MAX);
    // Records come in the order of time: what was found of a quarter of an hour holds for many.
    let mut known = (u64::MAX, false);
    for record in rows.all(until).skip(skipped) {
        let refused = match record.kind {
            Access::KIND => false,
            Refused::KIND => true,
            _ => continue,
        };
        let it = seen.entry(record.member).or_default();
        let quarter = record.time.0 / QUARTER_MS;
        if quarter != known.0 {
            known = (quarter, is_odd(record.time, zone));
        }
        it.checks += 1;
        it.refused += u64::from(refused);
        it.odd += u64::from(known.1);
    }
    seen.into_iter().map(|(requester, it)| (requester.to_owned(), it)).collect()
}

/// Keeps what was out of the ordinary when it was counted.
pub(super) async fn keep(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let end = app.of.end()?;
    let counted = app.of.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(counted) = counted else {
        return Ok(Redirect::to(&visit.path("/signals")).into_response());
    };
    let of = |count: &Count| {
        // The custodian counts every minute: by now it may have reported what was registered before.
        let evaluated = app.of.copy.now().rows().evaluated(&count.requester);
        let found = found(&Count { evaluated, ..count.clone() });
        let (from, until) = (counted.from, counted.until);
        found.into_iter().map(|what| Found::counted(what, &count.requester, from, until)).collect::<Vec<_>>()
    };
    let found = counted.counts.iter().flat_map(of).collect();
    findings::keep(&end, visit.now, found).await?;
    noted(&visit, "signals are kept as findings", None);
    Ok(Redirect::to(&visit.path("/findings")).into_response())
}

/// What is out of the ordinary.
fn found(count: &Count) -> Vec<What> {
    let mut found = unusual(count.told.as_ref(), count.seen, count.usual, &Usual::default());
    // A subject of which an answer was lost is evaluated and not registered; the other way nobody can explain.
    let told = count.told.as_ref().filter(|told| told.enrolled > count.evaluated);
    found.extend(told.map(|told| What::Unevaluated { count: told.enrolled, of: count.evaluated }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_outside_office_hours_is_odd_where_the_desk_is_and_only_the_range_is_counted() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let mut rows = Rows::default();
        for (kind, time) in [
            ("access", "2026-11-20T22:59:59.999Z"),
            ("access", "2026-11-20T22:59:59.999Z"),
            ("refused", "2026-11-20T23:00:00.000Z"),
            ("manifest", "2026-11-20T23:00:00.000Z"),
            ("access", "2026-11-21T10:59:59.999Z"),
            ("access", "2026-11-21T11:00:00.000Z"),
            ("access", "2026-11-21T11:00:00.000Z"),
        ] {
            let record = format!("tacit-log/v1\nkind {kind}\nrequester bank\n");
            rows.push(record.as_bytes(), time.parse::<Millis>().unwrap().0);
        }
        let Seen { checks, refused, odd } = seen(&rows, 1, 6, &zone)["bank"];
        assert_eq!((checks, refused, odd), (4, 1, 2));
    }

    #[test]
    fn what_two_count_differently_is_said_and_what_is_usual_is_not() {
        let seen = Seen { checks: 30, refused: 2, odd: 1 };
        let told = Signals {
            requester: "procurement".to_owned(),
            checks: 30,
            subjects: 20,
            erased: 0,
            most_of_one: 3,
            repeated: 0,
            most_lists: 2,
            enrolled: 20,
            without_consent: 0,
        };
        let count = |seen, told| Count {
            requester: "procurement".to_owned(),
            seen,
            told,
            usual: Some(20),
            evaluated: 20,
        };
        let words = |count: &Count| found(count).into_iter().map(What::code).collect::<Vec<_>>();
        assert_eq!(words(&count(seen, Some(told.clone()))), [""; 0]);
        let many = Seen { checks: 30, refused: 15, odd: 30 };
        let wide = Signals { subjects: 21, repeated: 1, most_lists: 8, enrolled: 21, checks: 29, ..told };
        assert_eq!(
            words(&count(many, Some(wide))),
            ["sweep", "refused", "odd-hours", "breadth", "repeats", "miscounted", "unevaluated"]
        );
        assert_eq!(words(&count(seen, None)), ["uncounted"]);
    }
}
