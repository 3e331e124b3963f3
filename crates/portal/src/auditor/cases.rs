//! Case evidence: what opens the commitment to case and officer in the record of a check. It is demanded on record, comes
//! from the requester past the coordinator, and is opened and judged when somebody asks for that by a form.

use std::collections::HashMap;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use tacit_client::{AuditorSecretKey, CaseAnswer, CaseFiles, Demand};
use tacit_ledger::record::Record;

use super::{App, End, check_at, entries::Entries, export, failed, findings, noted};
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest time for an answer, and the usual one, in days.
const DAYS_MAX: u32 = 30;
const DAYS: u32 = 3;

#[derive(Template)]
#[template(path = "auditor/case_form.html")]
struct FormPage {
    frame: Frame,
    index: u64,
    entry_href: String,
    requester: String,
    /// Whether an answer could be sealed to this auditor.
    has_key: bool,
    days: String,
    wrongs: Wrongs,
}

fn form_page(app: &App, visit: &Visit, index: &str, typed: &str, wrongs: Wrongs) -> Result<Response, Fault> {
    let (index, _, requester) = check_at(app, index)?;
    let end = app.of.end()?;
    let title = visit.language.with("evidence-demand-title", &[("index", index.to_string().into())]);
    let mut frame = Frame::new(&app.desk, visit, title, "log");
    frame.wrong = !wrongs.is_empty();
    page(&FormPage {
        index,
        entry_href: visit.path(&format!("/log/{index}")),
        requester,
        has_key: end.opens.is_some(),
        days: typed.to_owned(),
        wrongs,
        frame,
    })
}

pub(super) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    form_page(&app, &visit, &index, &DAYS.to_string(), Wrongs::default())
}

pub(super) async fn demand(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (at, ..) = check_at(&app, &index)?;
    let typed = visit.form.get("days").unwrap_or_default();
    let Some(days) = typed.parse::<u32>().ok().filter(|days| (1..=DAYS_MAX).contains(days)) else {
        let wrongs = Wrongs::of("days", visit.language.say("evidence-days-wrong"));
        return form_page(&app, &visit, &index, typed, wrongs);
    };
    let end = app.of.end()?;
    let demanded = end.auditor.demand_case(at, days * 86_400).await;
    let step = demanded.map_err(|error| failed("a case is not demanded", &error))?;
    noted(&visit, "the evidence of a case is demanded", Some(step.record.index));
    Ok(Redirect::to(&visit.path("/cases")).into_response())
}

/// How a demand is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Open,
    Overdue,
    Answered,
    Proven,
    False,
}

/// A demand as a page shows it.
struct Line {
    when: String,
    href: String,
    /// The entry that it is about, once that is verified here.
    entry: Option<(u64, String)>,
    about: String,
    requester: String,
    due: String,
    answered: Option<String>,
    state: Shown,
    /// Case and officer, once the answer was opened and is proven.
    said: Option<(String, String)>,
    found: Option<String>,
}

impl Line {
    fn words(&self, frame: &Frame) -> String {
        match self.state {
            Shown::Open => frame.say("evidence-open"),
            Shown::Overdue => frame.say("evidence-overdue"),
            Shown::Answered => frame.say("evidence-answered"),
            Shown::Proven => frame.say("evidence-proven"),
            Shown::False => frame.say("evidence-false"),
        }
    }

    fn class(&self) -> &'static str {
        match self.state {
            Shown::Open | Shown::Answered => "pending",
            Shown::Proven => "verified",
            Shown::Overdue | Shown::False => "fails",
        }
    }
}

#[derive(Template)]
#[template(path = "auditor/cases.html")]
struct CasesPage {
    frame: Frame,
    has_key: bool,
    /// Whether answers were opened.
    judged: bool,
    /// How many of them do not hold.
    wrong: usize,
    lines: Vec<Line>,
}

/// What answers are opened with.
struct Judging<'k> {
    key: &'k AuditorSecretKey,
    cases: Option<CaseFiles>,
}

pub(super) async fn cases(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    listed(&app, &visit, &*app.of.end()?, None).await
}

/// Opens the answers and judges them; what is wrong is kept as a finding.
pub(super) async fn judge(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let end = app.of.end()?;
    let judging = Judging { key: end.opens()?, cases: visit.form.get("cases").map(CaseFiles::parse) };
    noted(&visit, "the evidence of cases is read", None);
    listed(&app, &visit, &end, Some(judging)).await
}

async fn listed(
    app: &App,
    visit: &Visit,
    end: &End,
    judging: Option<Judging<'_>>,
) -> Result<Response, Fault> {
    let frame = Frame::new(&app.desk, visit, visit.language.say("evidence-title"), "evidence");
    let demands = end.auditor.demands().await;
    let demands = demands.map_err(|error| failed("demands are not told", &error))?;
    let entries = Entries::of(app, demands.iter().map(|it| it.about.as_str()));
    let matters = if judging.is_some() { matters(app, &entries).await? } else { HashMap::new() };
    let (mut lines, mut kept) = (Vec::with_capacity(demands.len()), Vec::new());
    for it in &demands {
        let place = entries.place(&it.about);
        let mut line = Line {
            when: frame.minute(&it.step.time.to_rfc3339()),
            href: visit.path(&format!("/log/{}", it.step.record.index)),
            entry: entries.entry(&it.about, visit),
            about: it.about.clone(),
            requester: it.requester.clone(),
            due: frame.minute(&it.due.to_rfc3339()),
            answered: it.answered.map(|at| frame.minute(&at.to_rfc3339())),
            state: state(it, visit),
            said: None,
            found: None,
        };
        if let Some((judging, matter)) = judging.as_ref().zip(place.and_then(|place| matters.get(&place))) {
            let answer = it.judge(matter, judging.key, visit.now);
            let found = it.found(&answer, judging.cases.as_ref());
            line.found = found.as_ref().map(|it| findings::found_words(visit.language, it.what, &it.text));
            kept.extend(found);
            (line.state, line.said) = match answer {
                CaseAnswer::Open => (Shown::Open, None),
                CaseAnswer::Overdue => (Shown::Overdue, None),
                CaseAnswer::False(_) => (Shown::False, None),
                CaseAnswer::Proven(it) => (Shown::Proven, Some((it.case.clone(), it.officer.clone()))),
            };
        }
        lines.push(line);
    }
    let wrong = kept.len();
    findings::keep(end, visit.now, kept).await?;
    page(&CasesPage { has_key: end.opens.is_some(), judged: judging.is_some(), wrong, lines, frame })
}

/// What can be told of a demand without opening its answer.
fn state(demand: &Demand, visit: &Visit) -> Shown {
    match (demand.sealed.is_empty(), visit.now > demand.due) {
        (false, _) => Shown::Answered,
        (true, true) => Shown::Overdue,
        (true, false) => Shown::Open,
    }
}

/// The commitments to case and officer in these records, by index.
async fn matters(app: &App, entries: &Entries) -> Result<HashMap<u64, [u8; 32]>, Fault> {
    let records = export::proven(app, &entries.places()).await?;
    let matter = |logged: &tacit_ledger::logged::LoggedRecord| match Record::parse(&logged.record) {
        Ok(Record::Access(it)) => Some((logged.index, it.matter)),
        Ok(Record::Refused(it)) => Some((logged.index, it.matter)),
        _ => None,
    };
    Ok(records.iter().filter_map(matter).collect())
}
