//! Asking for consent where a question was refused without it, and what became of that.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{App, PAGE, check::of_field, id, result::Asked, says::Lists};
use crate::{
    api::Trouble,
    frame::{Frame, page},
    language::Language,
    paging::Paging,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// Longest term that may be asked for, in days, as the node has it.
const DAYS_MAX: u32 = 3660;
/// How often may be asked, per what.
const UNITS: [&str; 4] = ["DAY", "WEEK", "MONTH", "YEAR"];

/// The form that asks for consent.
pub(super) struct AskForm {
    pub(super) code: Zeroizing<String>,
    pub(super) list: String,
    pub(super) purpose: String,
    pub(super) case_number: String,
    pub(super) days: String,
    pub(super) times: String,
    pub(super) unit: String,
    pub(super) wrongs: Wrongs,
}

impl AskForm {
    /// For a question that was refused.
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        Self {
            code: Zeroizing::new(asked.code.to_owned()),
            list: asked.list.list.clone(),
            purpose: asked.purpose.purpose.clone(),
            case_number: asked.case_number.to_owned(),
            days: String::new(),
            times: String::new(),
            unit: "MONTH".to_owned(),
            wrongs: Wrongs::default(),
        }
    }

    fn sent(visit: &Visit) -> Self {
        let field = |name| visit.form.get(name).unwrap_or_default().to_owned();
        Self {
            code: Zeroizing::new(field("code")),
            list: field("list"),
            purpose: field("purpose"),
            case_number: field("case_number"),
            days: field("days"),
            times: field("times"),
            unit: field("unit"),
            wrongs: Wrongs::default(),
        }
    }

    pub(super) fn units(&self) -> [&'static str; 4] {
        UNITS
    }

    /// Days and frequency, when they can be asked for.
    fn check(&mut self, language: Language) -> Option<(u32, String)> {
        let days = self.days.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        let times = self.times.parse().ok().filter(|times: &u32| (1..=1000).contains(times));
        if days.is_none() {
            self.wrongs.add("days", language.say("ask-days-wrong"));
        }
        if times.is_none() || !UNITS.contains(&self.unit.as_str()) {
            self.wrongs.add("times", language.say("ask-times-wrong"));
        }
        Some((days?, format!("{} {}", times?, self.unit))).filter(|_| self.wrongs.is_empty())
    }
}

#[derive(Template)]
#[template(path = "officer/ask.html")]
struct AskPage {
    frame: Frame,
    ask: AskForm,
    /// What the node said, when that is about no field.
    said: Option<String>,
}

#[derive(Serialize)]
struct Wanted<'q> {
    code: &'q str,
    lists: [&'q str; 1],
    purposes: [&'q str; 1],
    days: u32,
    frequency: &'q str,
    case_number: &'q str,
    officer: &'q str,
    scheme: &'q str,
}

#[derive(Deserialize)]
struct Waits {
    consent: String,
}

/// Asks. Sent from the page of a refused question, which carries the code; no address ever does.
pub(super) async fn ask(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut form = AskForm::sent(&visit);
    let language = visit.language;
    let Lists { lists } = app.of.api.get("/v1/lists", &visit.id).await?;
    let list = lists.iter().find(|known| known.list == form.list).ok_or(Fault::Form)?;
    if form.code.is_empty() || !list.purposes.iter().any(|known| known.purpose == form.purpose) {
        return Err(Fault::Form);
    }
    let Some((days, frequency)) = form.check(language) else { return again(&app, &visit, form, None) };
    let wanted = Wanted {
        code: &form.code,
        lists: [&form.list],
        purposes: [&form.purpose],
        days,
        frequency: &frequency,
        case_number: &form.case_number,
        officer: &visit.login()?.account,
        scheme: &list.scheme,
    };
    let asked: Result<Waits, Trouble> = app.of.api.post("/v1/consents", &wanted, &visit.id).await;
    match asked {
        Ok(Waits { consent }) => {
            Ok(Redirect::to(&visit.path(&format!("/consents/{consent}"))).into_response())
        }
        Err(trouble) if matches!(trouble.reason.as_str(), "unauthenticated" | "internal") => {
            Err(trouble.into())
        }
        Err(trouble) => {
            let words = language.reason(&trouble.reason).unwrap_or_else(|| trouble.message.clone());
            let said = of_field(&trouble, language).map_or(words, |(_, words)| words);
            again(&app, &visit, form, Some(said))
        }
    }
}

fn again(app: &App, visit: &Visit, ask: AskForm, said: Option<String>) -> Result<Response, Fault> {
    let mut frame = Frame::new(&app.desk, visit, visit.language.say("ask-title"), "wanted");
    frame.wrong = true;
    page(&AskPage { frame, ask, said })
}

#[derive(Serialize)]
struct Search<'q> {
    #[serde(skip_serializing_if = "str::is_empty")]
    consent: &'q str,
}

#[derive(Deserialize)]
struct Requests {
    requests: Vec<Request>,
}

/// A request with what became of it: not about whom.
#[derive(Deserialize)]
struct Request {
    consent: String,
    state: String,
    lists: Vec<String>,
    purposes: Vec<String>,
    requested: String,
    stands_until: String,
    #[serde(default)]
    decided: Option<String>,
    expires: String,
    frequency: String,
    #[serde(default)]
    given: Option<Given>,
    uses: u64,
}

/// What the subject allowed.
#[derive(Deserialize)]
struct Given {
    lists: Vec<String>,
    purposes: Vec<String>,
    expires: String,
    frequency: String,
}

impl Request {
    fn state(&self, language: Language) -> String {
        language.find(&format!("wanted-state-{}", self.state)).unwrap_or_else(|| self.state.clone())
    }

    fn waits(&self) -> bool {
        self.state == "requested"
    }

    fn holds(&self) -> bool {
        matches!(self.state.as_str(), "given" | "renewed" | "resumed")
    }
}

struct Row {
    lists: String,
    purposes: String,
    state: String,
    when: String,
    href: String,
}

#[derive(Template)]
#[template(path = "officer/consents.html")]
struct ConsentsPage {
    frame: Frame,
    rows: Vec<Row>,
    total: usize,
    paging: Paging,
}

pub(super) async fn consents(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let Requests { mut requests } =
        app.of.api.post("/v1/consents/search", &Search { consent: "" }, &visit.id).await?;
    requests.reverse();
    let total = requests.len();
    let paging = Paging::of(&visit, "/consents", total, PAGE);
    let frame = Frame::new(&app.desk, &visit, visit.language.say("wanted-all-title"), "wanted");
    let known: Lists = app.of.api.get("/v1/lists", &visit.id).await?;
    let rows = paging.rows(requests.into_iter(), PAGE).map(|request| Row {
        lists: known.titles(&request.lists, visit.language),
        purposes: known.purposes(&request.purposes, visit.language),
        state: request.state(visit.language),
        when: frame.minute(&request.requested),
        href: visit.path(&format!("/consents/{}", request.consent)),
    });
    page(&ConsentsPage { rows: rows.collect(), paging, frame, total })
}

#[derive(Template)]
#[template(path = "officer/consent.html")]
struct ConsentPage {
    frame: Frame,
    state: String,
    request: Request,
    known: Lists,
    here: String,
}

impl ConsentPage {
    fn lists(&self, ids: &[String]) -> String {
        self.known.titles(ids, self.frame.language)
    }

    fn purposes(&self, ids: &[String]) -> String {
        self.known.purposes(ids, self.frame.language)
    }
}

pub(super) async fn one(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, consent)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let consent = id(&consent)?;
    let Requests { mut requests } =
        app.of.api.post("/v1/consents/search", &Search { consent: &consent }, &visit.id).await?;
    let request = requests.pop().ok_or(Fault::NotFound)?;
    let language = visit.language;
    page(&ConsentPage {
        frame: Frame::new(&app.desk, &visit, language.say("wanted-title"), "wanted"),
        state: request.state(language),
        request,
        known: app.of.api.get("/v1/lists", &visit.id).await?,
        here: visit.path(&format!("/consents/{consent}")),
    })
}
