//! Measures that rest on answers: registered with who decided, listed, lifted.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{Redirect, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    App, PAGE, id,
    says::{List, Lists, Measure, RecordAt},
};
use crate::{
    api::Trouble,
    form::Fields,
    frame::{Frame, page},
    language::Language,
    time,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest name of who decided, in characters: in any script no more than the 200 bytes that the node takes.
const DECIDER_MAX: usize = 50;

/// Who decided, when somebody is named.
fn decider(form: &Fields) -> Option<&str> {
    form.get("decider").filter(|decider| decider.chars().count() <= DECIDER_MAX)
}

fn missing(language: Language) -> String {
    language.with("measure-decider-missing", &[("longest", DECIDER_MAX.into())])
}

/// A measure as the node knows it: not about whom.
#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    registration: Option<RecordAt>,
    state: String,
    overdue: bool,
    list: String,
    case_number: String,
    words: String,
    decider: String,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    ask_again: Option<String>,
    #[serde(default)]
    lift_by: Option<String>,
}

impl Known {
    fn state(&self, language: Language) -> String {
        language.find(&format!("measure-state-{}", self.state)).unwrap_or_else(|| self.state.clone())
    }

    /// Whether somebody can still lift it.
    fn stands(&self) -> bool {
        matches!(self.state.as_str(), "standing" | "unconfirmed" | "due") && self.registration.is_some()
    }
}

#[derive(Serialize)]
struct Search<'q> {
    all: bool,
    cursor: &'q str,
    limit: usize,
}

#[derive(Deserialize)]
struct Page {
    measures: Vec<Known>,
    #[serde(default)]
    next_cursor: Option<String>,
}

struct Row {
    known: Known,
    list: String,
    state: String,
    /// Where the form that lifts it goes.
    lift: Option<String>,
    /// The field of who lifts it.
    field: String,
}

#[derive(Template)]
#[template(path = "officer/measures.html")]
struct MeasuresPage {
    frame: Frame,
    all: bool,
    rows: Vec<Row>,
    after: Option<String>,
    wrongs: Wrongs,
}

pub(super) async fn measures(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    listed(&app, &visit, None).await
}

/// The list; `wrong` was to be lifted without saying by whom.
async fn listed(app: &App, visit: &Visit, wrong: Option<&str>) -> Result<Response, Fault> {
    let all = visit.query.get("all").is_some();
    let cursor = visit.query.get("after").map(id).transpose()?.unwrap_or_default();
    let search = Search { all, cursor: &cursor, limit: PAGE };
    let found: Page = app.of.api.post("/v1/measures/search", &search, &visit.id).await?;
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("measures-title"), "measures");
    frame.wrong = wrong.is_some();
    let lists: Lists = app.of.api.get("/v1/lists", &visit.id).await?;
    let mut wrongs = Wrongs::default();
    let mut row = |(place, known): (usize, Known)| {
        let field = format!("decider-{}", place + 1);
        if known.registration.as_ref().is_some_and(|at| wrong == Some(at.id.as_str())) {
            wrongs = Wrongs::of(field.clone(), missing(visit.language));
        }
        Row {
            list: lists.titles(std::slice::from_ref(&known.list), visit.language),
            state: known.state(visit.language),
            lift: known.registration.as_ref().filter(|_| known.stands()).map(|at| {
                format!("{}?{}", visit.path(&format!("/measures/{}/lift", at.id)), visit.query.with(&[]))
            }),
            field,
            known,
        }
    };
    let rows = found.measures.into_iter().enumerate().map(&mut row).collect();
    page(&MeasuresPage {
        rows,
        after: found
            .next_cursor
            .map(|next| format!("{}?{}", visit.path("/measures"), visit.query.with(&[("after", &next)]))),
        frame,
        all,
        wrongs,
    })
}

#[derive(Template)]
#[template(path = "officer/measure.html")]
struct FormPage {
    frame: Frame,
    record: String,
    list: String,
    list_title: String,
    measure: Measure,
    decider: String,
    until: String,
    wrongs: Wrongs,
    /// What the node said, when that is about no field.
    said: Option<String>,
}

/// The measure that an address or a form names, of those that the agreements allow.
fn named(fields: &Fields, lists: Vec<List>) -> Result<(String, List, Measure), Fault> {
    let record = id(fields.get("record").ok_or(Fault::NotFound)?)?;
    let field = |name| fields.get(name).unwrap_or_default();
    let mut list = lists.into_iter().find(|known| known.list == field("list")).ok_or(Fault::NotFound)?;
    let known = |measure: &Measure| {
        measure.agreement == field("agreement") && measure.measure.to_string() == field("measure")
    };
    let place = list.measures.iter().position(known).ok_or(Fault::NotFound)?;
    let measure = list.measures.swap_remove(place);
    Ok((record, list, measure))
}

pub(super) async fn form(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    let (record, list, measure) = named(&visit.query, lists)?;
    page(&FormPage {
        frame: Frame::new(&app.desk, &visit, visit.language.say("measure-title"), "measures"),
        record,
        list: list.list,
        list_title: list.title,
        measure,
        decider: String::new(),
        until: String::new(),
        wrongs: Wrongs::default(),
        said: None,
    })
}

#[derive(Serialize)]
struct Register<'q> {
    record: &'q str,
    list: &'q str,
    measure: u32,
    until: &'q str,
    decider: &'q str,
}

#[derive(Deserialize)]
struct One {
    measure: Known,
}

#[derive(Template)]
#[template(path = "officer/measured.html")]
struct MeasuredPage {
    frame: Frame,
    known: Known,
    state: String,
}

pub(super) async fn register(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let language = visit.language;
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    let (record, list, measure) = named(&visit.form, lists)?;
    let mut wrongs = Wrongs::default();
    if decider(&visit.form).is_none() {
        wrongs.add("decider", missing(language));
    }
    let decider = visit.form.get("decider").unwrap_or_default().to_owned();
    let until = visit.form.get("until").unwrap_or_default().to_owned();
    // The measure still stands on its last day.
    let end = until.parse::<jiff::civil::Date>().ok().and_then(|day| day.tomorrow().ok());
    let end = end.and_then(|day| time::start_of(day, &app.desk.zone));
    if !until.is_empty() && end.is_none() {
        wrongs.add("until", language.say("asked-period-wrong"));
    }
    let mut said = None;
    if wrongs.is_empty() {
        let wanted = Register {
            record: &record,
            list: &list.list,
            measure: measure.measure,
            until: end.as_deref().unwrap_or_default(),
            decider: &decider,
        };
        let made: Result<One, Trouble> = app.of.api.post("/v1/measures", &wanted, &visit.id).await;
        match made {
            Ok(One { measure }) => return done(&app, &visit, measure, language.say("measure-registered")),
            Err(trouble) if trouble.field.as_deref() == Some("until") => {
                wrongs.add("until", language.say("measure-until-wrong"));
            }
            Err(trouble) => match Fault::from(trouble) {
                Fault::Trouble(trouble) => {
                    said = Some(language.reason(&trouble.reason).unwrap_or(trouble.message));
                }
                fault => return Err(fault),
            },
        }
    }
    let mut frame = Frame::new(&app.desk, &visit, language.say("measure-title"), "measures");
    frame.wrong = true;
    let (list, list_title) = (list.list, list.title);
    page(&FormPage { frame, record, list, list_title, measure, decider, until, wrongs, said })
}

#[derive(Serialize)]
struct Lift<'q> {
    decider: &'q str,
}

/// Where the page of a form leads that is opened by its address, or in the other language: to the list.
pub(super) async fn list_of(Extension(visit): Extension<Visit>) -> Redirect {
    Redirect::to(&format!("{}?{}", visit.path("/measures"), visit.query.with(&[])))
}

pub(super) async fn lift(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, measure)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let measure = id(&measure)?;
    let Some(decider) = decider(&visit.form) else { return listed(&app, &visit, Some(&measure)).await };
    let One { measure } =
        app.of.api.post(&format!("/v1/measures/{measure}/lift"), &Lift { decider }, &visit.id).await?;
    done(&app, &visit, measure, visit.language.say("measure-lifted"))
}

fn done(app: &App, visit: &Visit, known: Known, title: String) -> Result<Response, Fault> {
    let frame = Frame::new(&app.desk, visit, title, "measures");
    page(&MeasuredPage { state: known.state(visit.language), known, frame })
}
