//! Who asked about me, refused attempts too: filters in the address, pages, and everything to take away.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    App,
    lists::{Askers, askers},
    says::{About, Freshness, Usage, Usages},
};
use crate::{
    choice::{Choice, choices, chosen},
    download::{download, safe},
    frame::{Frame, page},
    paging::Paging,
    period::Period,
    person::Scope,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Entries of a page.
const PAGE: usize = 20;
/// Entries of one call for everything.
const ALL: usize = 1000;

#[derive(Serialize)]
struct Find<'w> {
    #[serde(flatten)]
    about: About<'w>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'w str>,
    offset: usize,
    limit: usize,
}

/// The times between which there are entries.
#[derive(Deserialize)]
struct Ends {
    earliest: Option<String>,
}

/// A row of the page.
struct Row {
    usage: Usage,
    when: String,
    sentence: String,
    href: String,
}

#[derive(Template)]
#[template(path = "subject/asked.html")]
struct AskedPage {
    frame: Frame,
    period: Period,
    wrongs: Wrongs,
    agencies: Vec<Choice>,
    purposes: Vec<Choice>,
    /// Whether anything is filtered.
    narrowed: bool,
    /// What is said in the place of rows.
    none: String,
    rows: Vec<Row>,
    total: usize,
    freshness: Freshness,
    paging: Paging,
    csv: String,
    json: String,
}

pub(super) async fn asked(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let who = visit.who(Scope::Read)?;
    let period = Period::of(&visit.query);
    let (from, until) = period.bounds(&app.desk.zone);
    let offset = (Paging::asked(&visit) - 1).saturating_mul(PAGE).saturating_add(1);
    let Askers { agencies, purposes } = askers(&app, &visit).await?;
    let (agencies, purposes) = (choices(agencies, &visit, "agency"), choices(purposes, &visit, "purpose"));
    let (receiver, purpose) = (chosen(&agencies), chosen(&purposes));
    let find = Find { about: who.into(), from, until, receiver, purpose, offset, limit: PAGE };
    let found: Usages = app.of.api.post("/v1/findUsage", &find, &visit.id).await?;
    let paging = Paging::of(&visit, "/asked", found.total, PAGE);
    if let Some(last) = paging.beyond(&visit, "/asked") {
        return Ok(Redirect::to(&last).into_response());
    }
    let mut frame = Frame::new(&app.desk, &visit, visit.language.say("asked-title"), "asked");
    let wrongs = period.wrongs(visit.language);
    frame.wrong = !wrongs.is_empty();
    let narrowed = receiver.is_some() || purpose.is_some();
    let none = if found.usage.is_empty() {
        let about: About<'_> = who.into();
        let ends: Ends = app.of.api.post("/v1/usagePeriod", &about, &visit.id).await?;
        nobody(&frame, &period, narrowed, &ends)
    } else {
        String::new()
    };
    let export = |kind: &str| format!("{}?{}", visit.path(kind), visit.query.with(&[("page", "")]));
    let template = AskedPage {
        paging,
        rows: found
            .usage
            .into_iter()
            .map(|usage| Row {
                when: frame.minute(&usage.logtime),
                sentence: usage.sentence(visit.language),
                href: visit.path(&format!("/asked/{}", usage.record.id)),
                usage,
            })
            .collect(),
        frame,
        narrowed: period.is_set() || narrowed,
        none,
        agencies,
        purposes,
        wrongs,
        period,
        total: found.total,
        freshness: found.freshness,
        csv: export("/asked.csv"),
        json: export("/asked.json"),
    };
    page(&template)
}

/// Says that nothing was found, in which days, and how far back there is something.
fn nobody(frame: &Frame, period: &Period, chosen: bool, ends: &Ends) -> String {
    let mut said = match period.days() {
        (Some(from), Some(until)) => {
            frame.with2("asked-none-between", "from", frame.day(from), "until", frame.day(until))
        }
        (Some(from), None) => frame.with("asked-none-since", "from", frame.day(from)),
        (None, Some(until)) => frame.with("asked-none-until", "until", frame.day(until)),
        (None, None) if chosen => frame.say("asked-none-such"),
        (None, None) => frame.say("asked-none"),
    };
    let mut tell = |words: String| said = format!("{said}{}{words}", frame.language.gap());
    if chosen && period.is_set() {
        tell(frame.say("asked-none-chosen"));
    }
    if let Some(earliest) = &ends.earliest {
        tell(frame.with("asked-back", "time", frame.minute(earliest)));
    }
    said
}

/// Everything of a period, as the authority says it.
async fn everything(app: &App, visit: &Visit) -> Result<(Vec<Value>, Map<String, Value>), Fault> {
    let who = visit.who(Scope::Read)?;
    let (from, until) = Period::of(&visit.query).bounds(&app.desk.zone);
    let Askers { agencies, purposes } = askers(app, visit).await?;
    let (agencies, purposes) = (choices(agencies, visit, "agency"), choices(purposes, visit, "purpose"));
    let (receiver, purpose) = (chosen(&agencies), chosen(&purposes));
    let mut all = Vec::new();
    loop {
        let (from, until) = (from.clone(), until.clone());
        let about = who.into();
        let find = Find { about, from, until, receiver, purpose, offset: all.len() + 1, limit: ALL };
        let mut found: Map<String, Value> = app.of.api.post("/v1/findUsage", &find, &visit.id).await?;
        let Some(Value::Array(part)) = found.remove("usage") else { return Err(Fault::Internal) };
        let last = part.len() < ALL;
        all.extend(part);
        if last {
            return Ok((all, found));
        }
    }
}

pub(super) async fn json(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (all, mut around) = everything(&app, &visit).await?;
    around.insert("usage".to_owned(), Value::Array(all));
    let text = serde_json::to_vec_pretty(&around).map_err(|_| Fault::Internal)?;
    Ok(download(text, "application/json", "who-asked.json"))
}

pub(super) async fn csv(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (all, _) = everything(&app, &visit).await?;
    let mut out = csv::Writer::from_writer(Vec::new());
    let header = [
        "time",
        "outcome",
        "agency",
        "agency_name",
        "lists",
        "purpose",
        "basis",
        "legal_basis",
        "reason",
        "record_id",
        "log_index",
        "proof",
    ];
    let mut write = |fields: &[&str]| {
        out.write_record(fields.iter().map(|field| safe(field))).map_err(|_| Fault::Internal)
    };
    write(&header)?;
    for value in all {
        let usage: Usage = serde_json::from_value(value).map_err(|_| Fault::Internal)?;
        let lists: Vec<&str> = usage.lists.iter().map(|list| list.id.as_str()).collect();
        write(&[
            &usage.logtime,
            &usage.outcome,
            &usage.receiver,
            &usage.receiver_name,
            &lists.join(" "),
            usage.purpose.as_ref().map_or("", |purpose| &purpose.id),
            &usage.basis,
            usage.legal_basis.as_ref().map_or("", |basis| &basis.citation),
            &usage.reason,
            &usage.record.id,
            &usage.record.index.to_string(),
            &usage.proof,
        ])?;
    }
    let text = out.into_inner().map_err(|_| Fault::Internal)?;
    Ok(download(text, "text/csv; charset=utf-8", "who-asked.csv"))
}
