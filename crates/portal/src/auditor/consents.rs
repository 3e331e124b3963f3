//! What became of consents, by who they are given to: the records of changes, counted from the log.

use std::collections::BTreeMap;

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use tacit_ledger::record::{CONSENT_STATES, Consent};

use super::{
    App,
    log::{BECAME, outcome_words},
    standing::Standing,
};
use crate::{
    form::Fields,
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// How often something became of a consent, with the way to these records.
struct Cell {
    state: String,
    count: u64,
    href: String,
}

/// Whom consents are given to.
struct Line {
    requester: String,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "auditor/consents.html")]
struct ConsentsPage {
    frame: Frame,
    standing: Standing,
    states: Vec<String>,
    lines: Vec<Line>,
}

pub(super) async fn consents(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let frame = Frame::new(&app.desk, &visit, visit.language.say("changes-title"), "changes");
    let copied = app.of.copy.now();
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for it in copied.rows().counts().filter(|it| it.kind == Consent::KIND) {
        *counts.entry(it.member).or_default().entry(it.outcome).or_default() += it.count;
    }
    let words = |state: &str| outcome_words(visit.language, Consent::KIND, state);
    let line = |(requester, counts): (&str, BTreeMap<&str, u64>)| Line {
        requester: requester.to_owned(),
        cells: CONSENT_STATES
            .iter()
            .map(|state| {
                let state_filter = format!("{BECAME}{state}");
                let filters = [("kind", Consent::KIND), ("member", requester), ("decision", &*state_filter)];
                let query = Fields::default().with(&filters);
                Cell {
                    state: words(state),
                    count: counts.get(state).copied().unwrap_or_default(),
                    href: format!("{}?{query}", visit.path("/log")),
                }
            })
            .collect(),
    };
    let template = ConsentsPage {
        standing: Standing::of(&copied, &frame),
        states: CONSENT_STATES.iter().map(|state| words(state)).collect(),
        lines: counts.into_iter().map(line).collect(),
        frame,
    };
    page(&template)
}
