//! Who may ask which list for what: the agreements of the registry, and all of them together as a matrix.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use tacit_policy::Registry;

use super::App;
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// An agreement as the page shows it.
struct Line {
    id: String,
    requester: String,
    holder: String,
    lists: Vec<String>,
    purposes: Vec<String>,
    law: String,
    consent: bool,
    per_day: u64,
    until: String,
    in_force: bool,
}

/// Who may ask a list for a purpose.
struct May {
    requester: String,
    consent: bool,
}

/// A purpose with a cell for each list.
struct MatrixRow {
    purpose: String,
    cells: Vec<(String, Vec<May>)>,
}

#[derive(Template)]
#[template(path = "auditor/agreements.html")]
struct AgreementsPage {
    frame: Frame,
    number: u64,
    issued: String,
    agreements: Vec<Line>,
    lists: Vec<String>,
    matrix: Vec<MatrixRow>,
}

pub(super) async fn agreements(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let end = app.of.end()?;
    let registry: &Registry = end.auditor.registry();
    let frame = Frame::new(&app.desk, &visit, visit.language.say("agreements-title"), "agreements");
    let purpose = |code| registry.purpose_title(code).to_owned();
    let list = |id| registry.list_title(id).to_owned();
    let mut cells: BTreeMap<(String, String), BTreeMap<String, bool>> = BTreeMap::new();
    let mut lines = Vec::new();
    for it in registry.agreements() {
        let (consent, in_force) = (registry.needs_consent(it), it.in_force(visit.now));
        if in_force {
            for code in &it.purposes {
                for id in &it.lists {
                    let cell = cells.entry((purpose(code), list(id))).or_default();
                    // One agreement that needs no consent is enough.
                    let known = cell.entry(it.requester.to_string()).or_insert(consent);
                    *known = *known && consent;
                }
            }
        }
        lines.push(Line {
            id: it.id.to_string(),
            requester: it.requester.to_string(),
            holder: it.holder.to_string(),
            lists: it.lists.iter().map(list).collect(),
            purposes: it.purposes.iter().map(purpose).collect(),
            law: registry.law(&it.legal_basis),
            consent,
            per_day: it.quotas.checks_per_day,
            until: frame.minute(&it.valid_until.to_rfc3339()),
            in_force,
        });
    }
    lines.sort_by(|a, b| (!a.in_force, &a.requester, &a.holder).cmp(&(!b.in_force, &b.requester, &b.holder)));
    let lists: BTreeSet<String> = cells.keys().map(|(_, list)| list.clone()).collect();
    let purposes: BTreeSet<String> = cells.keys().map(|(purpose, _)| purpose.clone()).collect();
    let mut row = |purpose: String| {
        let mut cell = |list: &String| {
            let may = cells.remove(&(purpose.clone(), list.clone())).unwrap_or_default();
            let may = may.into_iter().map(|(requester, consent)| May { requester, consent }).collect();
            (list.clone(), may)
        };
        let cells = lists.iter().map(&mut cell).collect();
        MatrixRow { purpose, cells }
    };
    let template = AgreementsPage {
        number: registry.number(),
        issued: frame.minute(&registry.issued_at().to_rfc3339()),
        agreements: lines,
        matrix: purposes.into_iter().map(&mut row).collect(),
        lists: lists.iter().cloned().collect(),
        frame,
    };
    page(&template)
}
