//! What happens in the federation, in numbers.

use std::{cmp::Reverse, collections::BTreeMap};

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use tacit_ledger::record::{Access, Refused};

use super::{
    App,
    chart::{self, Chart},
    log::reason_words,
    standing::Standing,
};
use crate::{
    form::Fields,
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// What a requester did.
#[derive(Default)]
struct Asked {
    permitted: u64,
    refused: u64,
}

/// A row with a count that leads into the log.
struct Counted {
    words: String,
    count: u64,
    refused: u64,
    href: String,
}

#[derive(Template)]
#[template(path = "auditor/overview.html")]
struct OverviewPage {
    frame: Frame,
    standing: Standing,
    chart: Chart,
    permitted: u64,
    refused: u64,
    others: u64,
    requesters: Vec<Counted>,
    reasons: Vec<Counted>,
}

pub(super) async fn overview(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let frame = Frame::new(&app.desk, &visit, visit.language.say("overview-title"), "overview");
    let copied = app.of.copy.now();
    let size = copied.size();
    let days = chart::days(copied.rows(), visit.now, &app.desk.zone);
    let mut requesters: BTreeMap<&str, Asked> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut permitted, mut refused) = (0, 0);
    for it in copied.rows().counts() {
        match it.kind {
            Access::KIND => {
                permitted += it.count;
                requesters.entry(it.member).or_default().permitted += it.count;
            }
            Refused::KIND => {
                refused += it.count;
                requesters.entry(it.member).or_default().refused += it.count;
                *reasons.entry(it.outcome).or_default() += it.count;
            }
            _ => {}
        }
    }
    let to = |name: &str, value: &str| {
        format!("{}?{}", visit.path("/log"), Fields::default().with(&[(name, value)]))
    };
    let requester = |(member, asked): (&str, Asked)| Counted {
        words: member.to_owned(),
        count: asked.permitted + asked.refused,
        refused: asked.refused,
        href: to("member", member),
    };
    let reason = |(reason, count): (&str, u64)| Counted {
        words: reason_words(visit.language, reason),
        count,
        refused: count,
        href: to("decision", reason),
    };
    let mut reasons: Vec<Counted> = reasons.into_iter().map(reason).collect();
    reasons.sort_by_key(|reason| Reverse(reason.count));
    let template = OverviewPage {
        standing: Standing::of(&copied, &frame),
        chart: chart::chart(&days, visit.language),
        permitted,
        refused,
        others: size.saturating_sub(permitted + refused),
        requesters: requesters.into_iter().map(requester).collect(),
        reasons,
        frame,
    };
    page(&template)
}
