//! Objections to own listings and appeals that this agency reviews, for those who decide them.

use std::collections::HashSet;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{App, PAGE, id};
use crate::{
    api::Trouble,
    form::Fields,
    frame::{Alert, Frame, page},
    language::{Language, Value as Said},
    time,
    visit::{Fault, Visit},
    wrongs::Wrongs,
};

/// What is decided here: objections to own listings, and appeals against what other agencies decided.
const LEVELS: [&str; 2] = ["objection", "appeal"];
/// Most cases of one call to the node.
const CALL: usize = 100;
/// What may be decided.
const OUTCOMES: [&str; 3] = ["upheld", "annulled", "corrected"];
/// The texts of a decision, each with its greatest length in characters, as the node has it.
const TEXTS: [(&str, usize); 3] = [("corrected", 500), ("reasons", 4000), ("decided_by", 200)];

#[derive(Serialize)]
struct Search<'q> {
    level: &'q str,
    over: bool,
    cursor: &'q str,
    limit: usize,
}

#[derive(Deserialize)]
struct Queue {
    cases: Vec<Case>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// A case: not whom it is about.
#[derive(Deserialize)]
struct Case {
    case_id: String,
    level: String,
    title: String,
    state: String,
    received_on: String,
    decide_by: String,
    #[serde(default)]
    due: Option<Due>,
    overdue: bool,
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    decided_on: Option<String>,
    #[serde(default)]
    carried_out_on: Option<String>,
}

/// What has to be done, by when.
#[derive(Deserialize)]
struct Due {
    what: String,
    by: String,
}

impl Case {
    fn state(&self, language: Language) -> String {
        language.find(&format!("case-state-{}", self.state)).unwrap_or_else(|| self.state.clone())
    }

    fn due(&self, language: Language) -> Option<String> {
        let due = self.due.as_ref()?;
        let words = language.find(&format!("case-duty-{}", due.what)).unwrap_or_else(|| due.what.clone());
        let day = time::day(&due.by, language);
        Some(language.with("case-due", &[("what", words.into()), ("day", day.into())]))
    }

    /// Whether this agency has to decide it now.
    fn is_open(&self) -> bool {
        self.due.as_ref().is_some_and(|due| due.what == "decide")
    }

    /// The day from which the record is another one by what was decided.
    fn corrected_on(&self) -> Option<&str> {
        let changes = self.outcome.as_deref().is_some_and(|outcome| outcome != "upheld");
        self.carried_out_on.as_deref().filter(|_| changes)
    }

    /// What it is called.
    fn name(&self, language: Language) -> String {
        let key = if self.level == "appeal" { "case-appeal-title" } else { "case-objection-title" };
        language.with(key, &[("list", (&self.title).into())])
    }
}

struct Row {
    state: String,
    due: Option<String>,
    href: String,
    case: Case,
}

#[derive(Template)]
#[template(path = "officer/cases.html")]
struct CasesPage {
    frame: Frame,
    level: &'static str,
    over: bool,
    /// Whether this agency keeps a list at all.
    keeps: bool,
    rows: Vec<Row>,
    after: Option<String>,
}

impl CasesPage {
    fn is_appeal(&self) -> bool {
        self.level == "appeal"
    }
}

/// A level by its word; nothing else stands in an address of the node.
fn level(word: &str) -> Option<&'static str> {
    LEVELS.into_iter().find(|known| *known == word)
}

/// Cases as the node lists them; none where the agency keeps no list.
async fn queue(app: &App, visit: &Visit, search: &Search<'_>) -> Result<Option<Queue>, Trouble> {
    match app.of.api.post("/v1/cases/search", search, &visit.id).await {
        Err(trouble) if trouble.reason == "not_found" => Ok(None),
        found => found.map(Some),
    }
}

/// What this agency has to decide now: how much of each level, and by when first.
pub(super) async fn waiting(app: &App, visit: &Visit) -> Result<Vec<Alert>, Fault> {
    let language = visit.language;
    let mut alerts = Vec::new();
    for level in LEVELS {
        let search = Search { level, over: false, cursor: "", limit: CALL };
        let Some(Queue { cases, next_cursor }) = queue(app, visit, &search).await? else { break };
        let open = || cases.iter().filter(|case| case.is_open());
        let Some(first) = open().filter_map(|case| Some(&case.due.as_ref()?.by)).min() else { continue };
        let key = match level {
            "appeal" => "cases-waiting-appeal",
            _ => "cases-waiting-objection",
        };
        // There may be more than one call tells.
        let count: Said<'_> = match (open().count(), &next_cursor) {
            (count, None) => count.into(),
            (count, Some(_)) => format!("{count}+").into(),
        };
        let mut words = language.with(key, &[("count", count), ("day", time::day(first, language).into())]);
        let overdue = open().filter(|case| case.overdue).count();
        if overdue > 0 {
            words += language.gap();
            words += &language.with("cases-waiting-overdue", &[("count", overdue.into())]);
        }
        alerts.push(Alert { words, href: visit.path(&format!("/cases?level={level}")) });
    }
    Ok(alerts)
}

pub(super) async fn cases(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let level = visit.query.get("level").map_or(Some("objection"), level).ok_or(Fault::NotFound)?;
    let over = visit.query.get("over").is_some();
    let cursor = visit.query.get("after").map(id).transpose()?.unwrap_or_default();
    let search = Search { level, over, cursor: &cursor, limit: PAGE };
    let found = queue(&app, &visit, &search).await?;
    let keeps = found.is_some();
    let found = found.unwrap_or(Queue { cases: Vec::new(), next_cursor: None });
    let title = if level == "appeal" { "cases-appeals-title" } else { "cases-title" };
    let frame = Frame::new(&app.desk, &visit, visit.language.say(title), "cases");
    let rows = found.cases.into_iter().map(|case| Row {
        state: case.state(visit.language),
        due: case.due(visit.language),
        href: visit.path(&format!("/cases/{level}/{}", case.case_id)),
        case,
    });
    page(&CasesPage {
        rows: rows.collect(),
        after: found
            .next_cursor
            .map(|next| format!("{}?{}", visit.path("/cases"), visit.query.with(&[("after", &next)]))),
        frame,
        level,
        over,
        keeps,
    })
}

#[derive(Deserialize)]
struct File {
    case: Case,
    subject: Subject,
    letters: Vec<Letter>,
}

/// Whom a case is about.
#[derive(Deserialize)]
struct Subject {
    scheme: String,
    code: String,
}

#[derive(Deserialize)]
struct Letter {
    at: String,
    from_title: String,
    letter: Value,
    encloses: Vec<Enclosed>,
}

/// A letter inside another.
#[derive(Deserialize)]
struct Enclosed {
    from_title: String,
    letter: Value,
}

/// What a letter says beside its text, with the keys of their names.
const SAID: [(&str, &str); 4] = [
    ("outcome", "letter-outcome"),
    ("corrected", "case-corrected"),
    ("reasons", "case-reasons"),
    ("by", "letter-by"),
];

/// A letter as it is read: when it came, who wrote it, what kind it is, its text, and what else it says by name.
struct Told {
    when: Option<String>,
    from: String,
    kind: String,
    text: Option<String>,
    said: Vec<(String, String)>,
}

impl Told {
    fn of(when: Option<String>, from: &str, letter: &Value, language: Language) -> Self {
        let body = letter.get("body");
        let text = |name: &str| body?.get(name)?.as_str().map(str::to_owned);
        let kind = text("kind").unwrap_or_default();
        Self {
            when,
            from: from.to_owned(),
            kind: language.find(&format!("letter-{kind}")).unwrap_or(kind),
            text: text("text"),
            said: SAID
                .into_iter()
                .filter_map(|(field, key)| {
                    let said = text(field)?;
                    let said = if field == "outcome" { words_of(language, &said) } else { said };
                    Some((language.say(key), said))
                })
                .collect(),
        }
    }

    /// Each letter, and then those inside it that were not shown before.
    fn all(letters: &[Letter], frame: &Frame) -> Vec<Self> {
        let (mut seen, mut told) = (HashSet::new(), Vec::new());
        for Letter { at, from_title: from, letter, encloses } in letters {
            let own = std::iter::once((Some(frame.minute(at)), from, letter));
            let written = |letter: &Value| Some(frame.minute(letter.get("written")?.as_str()?));
            let inside = encloses.iter().map(|it| (written(&it.letter), &it.from_title, &it.letter));
            for (when, from, letter) in own.chain(inside) {
                let id = letter.get("id").and_then(Value::as_str);
                if id.is_none_or(|id| seen.insert(id)) {
                    told.push(Self::of(when, from, letter, frame.language));
                }
            }
        }
        told
    }
}

#[derive(Template)]
#[template(path = "officer/case.html")]
struct CasePage {
    frame: Frame,
    state: String,
    due: Option<String>,
    outcome: Option<String>,
    file: File,
    letters: Vec<Told>,
    outcomes: [&'static str; 3],
    form: std::sync::Arc<Fields>,
    wrongs: Wrongs,
    said: Option<String>,
}

impl CasePage {
    fn typed(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }

    fn is_chosen(&self, outcome: &str) -> bool {
        self.form.get("outcome") == Some(outcome)
    }

    fn outcome_words(&self, outcome: &str) -> String {
        words_of(self.frame.language, outcome)
    }
}

fn words_of(language: Language, outcome: &str) -> String {
    language.find(&format!("case-outcome-{outcome}")).unwrap_or_else(|| outcome.to_owned())
}

/// The address of a case at the node, of the two last segments of a page's address.
fn at(level_word: &str, case: &str) -> Result<String, Fault> {
    let level = level(level_word).ok_or(Fault::NotFound)?;
    Ok(format!("/v1/cases/{level}/{}", id(case)?))
}

pub(super) async fn case(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, level, case)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let at = at(&level, &case)?;
    let file = app.of.api.get(&at, &visit.id).await?;
    show(&app, &visit, file, Wrongs::default(), None)
}

fn show(
    app: &App,
    visit: &Visit,
    file: File,
    wrongs: Wrongs,
    said: Option<String>,
) -> Result<Response, Fault> {
    let language = visit.language;
    let mut frame = Frame::new(&app.desk, visit, file.case.name(language), "cases");
    frame.wrong = !wrongs.is_empty() || said.is_some();
    page(&CasePage {
        state: file.case.state(language),
        due: file.case.due(language),
        outcome: file.case.outcome.as_deref().map(|outcome| words_of(language, outcome)),
        letters: Told::all(&file.letters, &frame),
        frame,
        file,
        outcomes: OUTCOMES,
        form: visit.form.clone(),
        wrongs,
        said,
    })
}

#[derive(Serialize)]
struct Decide<'q> {
    outcome: &'q str,
    corrected: &'q str,
    reasons: &'q str,
    decided_by: &'q str,
}

/// Decides, once; what was decided is then what the case shows.
pub(super) async fn decide(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, level, case)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let at = at(&level, &case)?;
    let language = visit.language;
    let field = |name| visit.form.get(name).unwrap_or_default();
    let wanted = Decide {
        outcome: field("outcome"),
        corrected: field("corrected"),
        reasons: field("reasons"),
        decided_by: field("decided_by"),
    };
    let mut wrongs = Wrongs::default();
    if !OUTCOMES.contains(&wanted.outcome) {
        wrongs.add("outcome", language.say("case-outcome-missing"));
    }
    if (wanted.outcome == "corrected") == wanted.corrected.is_empty() {
        wrongs.add("corrected", language.say("case-corrected-wrong"));
    }
    if wanted.reasons.is_empty() {
        wrongs.add("reasons", language.say("case-reasons-missing"));
    }
    if wanted.decided_by.is_empty() {
        wrongs.add("decided_by", language.say("case-decided-by-missing"));
    }
    for (name, longest) in TEXTS {
        if field(name).chars().count() > longest {
            wrongs.add(name, language.with("case-too-long", &[("longest", longest.into())]));
        }
    }
    let mut said = None;
    if wrongs.is_empty() {
        let decided: Result<File, Trouble> =
            app.of.api.post(&format!("{at}/decide"), &wanted, &visit.id).await;
        match decided.map_err(Fault::from) {
            Ok(_) => {
                return Ok(Redirect::to(&visit.path(&format!("/cases/{level}/{case}"))).into_response());
            }
            Err(Fault::Trouble(trouble)) => {
                said = Some(language.reason(&trouble.reason).unwrap_or(trouble.message));
            }
            Err(fault) => return Err(fault),
        }
    }
    let file = app.of.api.get(&at, &visit.id).await?;
    show(&app, &visit, file, wrongs, said)
}
