//! One uploaded batch: its rows, what it would cost, how far it is. It lies in memory alone and is wiped with its last
//! use.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tacit_model::RequestId;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::{
    table::{Line, NoRow},
    words::{Said, lies_in_row},
};
use crate::{
    api::{Api, Trouble},
    kept::Held,
};

/// Most bytes of answers that one batch keeps.
const TOLD_MAX: usize = 8 << 20;

/// What is asked of every row.
#[derive(Clone, Serialize)]
pub(super) struct Question {
    pub(super) lists: [String; 1],
    pub(super) purpose: String,
    pub(super) case_number: String,
    pub(super) officer: String,
    pub(super) scheme: String,
}

/// The same in words.
pub(super) struct Titles {
    pub(super) list: String,
    pub(super) purpose: String,
}

/// What the node says of the cost.
#[derive(Clone, Deserialize)]
pub(super) struct Plan {
    pub(super) checks: u64,
    pub(super) new_subjects: u64,
    invalid_rows: Vec<serde_json::Value>,
    pub(super) limits: Vec<Limit>,
}

/// What an agreement allows.
#[derive(Clone, Deserialize)]
pub(super) struct Limit {
    pub(super) agreement: String,
    pub(super) checks_per_day: u64,
    #[serde(default)]
    pub(super) checks_per_minute: Option<u64>,
    pub(super) new_subjects_per_day: u64,
    pub(super) consent_required: bool,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not yet anything, or nothing any more.
    Waits,
    Listed,
    NotListed,
    Refused,
    /// It is no question.
    Wrong,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Listed, Self::NotListed, Self::Refused, Self::Wrong, Self::Waits];

    /// Its word in addresses and files; `batch-kind-<word>` in words.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Listed => "listed",
            Self::NotListed => "not_listed",
            Self::Refused => "refused",
            Self::Wrong => "wrong",
        }
    }
}

/// What is known of a row.
pub(super) enum Told {
    Nothing,
    /// It was sent, and no answer came before the end.
    Unknown,
    /// It was not sent before the end.
    NotAsked,
    /// The file is at fault.
    Own(NoRow),
    /// A line of the node's.
    Node(Zeroizing<Vec<u8>>),
}

/// A row. Without `Debug`: the code is in it.
pub(super) struct Row {
    /// Its number in the file.
    pub(super) number: u64,
    pub(super) code: Zeroizing<String>,
    pub(super) case_number: Option<Zeroizing<String>>,
    pub(super) kind: Kind,
    pub(super) told: Told,
    /// Whether the node has it.
    sent: bool,
}

impl From<Line> for Row {
    fn from(line: Line) -> Self {
        let Line { number, code, case_number, wrong } = line;
        let (kind, told) = match wrong {
            Some(wrong) => (Kind::Wrong, Told::Own(wrong)),
            None => (Kind::Waits, Told::Nothing),
        };
        Self { number, code, case_number, kind, told, sent: false }
    }
}

/// How far a batch is.
#[derive(Clone)]
pub(super) enum Phase {
    /// Nothing was asked.
    Planned,
    Running,
    /// Every row has its answer, or why not.
    Done,
    /// Stopped by the officer.
    Stopped,
    /// The node did not go on.
    Broken(Trouble),
}

/// What changes.
pub(super) struct Inside {
    pub(super) phase: Phase,
    pub(super) rows: Vec<Row>,
    told_bytes: usize,
    task: Option<AbortHandle>,
}

impl Inside {
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.rows.iter().filter(|row| row.kind == kind).count()
    }

    /// Ends what is under way; each row that has no answer says so.
    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.task = None;
        for row in &mut self.rows {
            if matches!(row.told, Told::Nothing) {
                row.told = if row.sent { Told::Unknown } else { Told::NotAsked };
            }
        }
    }

    /// Keeps what the node said of a row.
    fn told(&mut self, at: usize, kind: Kind, line: Vec<u8>) -> Result<(), Trouble> {
        let line = Zeroizing::new(line);
        self.told_bytes += line.len();
        let row = self.rows.get_mut(at).filter(|row| matches!(row.told, Told::Nothing));
        match row {
            Some(row) if self.told_bytes <= TOLD_MAX => {
                (row.kind, row.told) = (kind, Told::Node(line));
                Ok(())
            }
            _ => Err(Trouble::new("internal", "The answers do not belong to the rows.".to_owned())),
        }
    }
}

/// A batch.
pub(in crate::officer) struct Job {
    pub(super) question: Question,
    pub(super) titles: Titles,
    /// What it would cost; none when no row can be asked.
    pub(super) plan: Option<Plan>,
    inside: Mutex<Inside>,
}

impl Held for Job {
    fn end(&self) {
        self.stop();
    }
}

impl Job {
    /// Has the node plan the rows. Nothing leaves the agency by it.
    pub(super) async fn plan(
        api: &Api,
        question: Question,
        titles: Titles,
        lines: Vec<Line>,
        id: &RequestId,
    ) -> Result<Self, Trouble> {
        let rows = lines.into_iter().map(Row::from).collect();
        let mut inside = Inside { phase: Phase::Planned, rows, told_bytes: 0, task: None };
        let asked: Vec<usize> = places(&inside.rows);
        let mut plan = None;
        if !asked.is_empty() {
            let body = body(&question, &inside.rows, &asked)?;
            let mut planned: Plan = api.post_lines("/v1/checks/plan", body, id).await?;
            for row in std::mem::take(&mut planned.invalid_rows) {
                let at = row.get("row").and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let line = serde_json::to_vec(&row).unwrap_or_default();
                inside.told(at, Kind::Wrong, line)?;
            }
            plan = Some(planned);
        }
        Ok(Self { question, titles, plan, inside: Mutex::new(inside) })
    }

    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to ask, once; the task ends with the batch.
    pub(super) fn start(self: &std::sync::Arc<Self>, api: &Api, id: &RequestId) {
        let mut inside = self.inside();
        if !matches!(inside.phase, Phase::Planned) || places(&inside.rows).is_empty() {
            return;
        }
        inside.phase = Phase::Running;
        let (job, api, id) = (std::sync::Arc::clone(self), api.clone(), id.clone());
        let task = tokio::spawn(async move {
            let phase = match job.ask(&api, &id).await {
                Ok(()) => Phase::Done,
                Err(trouble) => Phase::Broken(trouble),
            };
            // Unless it was stopped in the meantime.
            let mut inside = job.inside();
            if matches!(inside.phase, Phase::Running) {
                inside.end(phase);
            }
        });
        inside.task = Some(task.abort_handle());
    }

    /// Asks no further row. What the node has begun it finishes, without telling us.
    pub(super) fn stop(&self) {
        let mut inside = self.inside();
        if let Some(task) = inside.task.take() {
            task.abort();
            inside.end(Phase::Stopped);
        }
    }

    /// All rows, case by case.
    async fn ask(&self, api: &Api, id: &RequestId) -> Result<(), Trouble> {
        loop {
            let (question, body, asked) = {
                let mut inside = self.inside();
                let asked = places(&inside.rows);
                let Some(first) = asked.first().and_then(|at| inside.rows.get(*at)) else { return Ok(()) };
                let case_number = first.case_number.clone();
                let question = match &case_number {
                    Some(own) => Question { case_number: own.to_string(), ..self.question.clone() },
                    None => self.question.clone(),
                };
                let same =
                    |at: &usize| inside.rows.get(*at).is_some_and(|row| row.case_number == case_number);
                let asked: Vec<usize> = asked.into_iter().filter(same).collect();
                let body = body(&question, &inside.rows, &asked)?;
                for at in &asked {
                    if let Some(row) = inside.rows.get_mut(*at) {
                        row.sent = true;
                    }
                }
                (question, body, asked.len())
            };
            tracing::info!(rows = asked, list = question.lists.concat(), "a batch is asked");
            self.ask_one_case(api, body, id).await?;
        }
    }

    async fn ask_one_case(&self, api: &Api, body: Vec<u8>, id: &RequestId) -> Result<(), Trouble> {
        let mut lines = api.exchange(BATCH, body, id).await?;
        while let Some(line) = lines.next().await.map_err(|error| api.silent(&error))? {
            let said: OneLine =
                serde_json::from_slice(&line).map_err(|error| crate::api::unreadable(&error, BATCH))?;
            let said = match said {
                OneLine::Row(said) => said,
                OneLine::End { end: End { problem: None } } => return Ok(()),
                OneLine::End { end: End { problem: Some(problem) } } => return Err(problem),
            };
            let kind = kind(&said)?;
            self.inside().told(said.row.unwrap_or(usize::MAX), kind, line)?;
        }
        // Without its end an answer was cut off.
        Err(Trouble::new("unavailable", "The answer breaks off.".to_owned()))
    }
}

const BATCH: &str = "/v1/checks/batch";

#[derive(Deserialize)]
#[serde(untagged)]
enum OneLine {
    End { end: End },
    Row(Said),
}

#[derive(Deserialize)]
struct End {
    #[serde(default)]
    problem: Option<Trouble>,
}

/// Whatever it is, it is one of the four, whole.
fn kind(said: &Said) -> Result<Kind, Trouble> {
    let broken = || Trouble::new("internal", "The answer cannot be read.".to_owned());
    let Some(answers) = &said.answers else {
        let problem = said.problem.as_ref().ok_or_else(broken)?;
        return Ok(if lies_in_row(&problem.reason) { Kind::Wrong } else { Kind::Refused });
    };
    let [answer] = answers.as_slice() else { return Err(broken()) };
    match &*answer.answer {
        "listed" if answer.listing.is_some() && answer.as_of.is_some() => Ok(Kind::Listed),
        "not_listed" if answer.listing.is_none() && answer.as_of.is_some() => Ok(Kind::NotListed),
        "refused" if answer.problem.is_some() => Ok(Kind::Refused),
        _ => Err(broken()),
    }
}

/// The rows that were not asked yet and can be.
fn places(rows: &[Row]) -> Vec<usize> {
    let open = |row: &Row| matches!(row.told, Told::Nothing) && !row.sent;
    rows.iter().enumerate().filter(|(_, row)| open(row)).map(|(at, _)| at).collect()
}

/// The lines that ask some rows.
fn body(question: &Question, rows: &[Row], asked: &[usize]) -> Result<Vec<u8>, Trouble> {
    #[derive(Serialize)]
    struct Line<'r> {
        row: usize,
        code: &'r str,
    }
    let broken = |error: serde_json::Error| Trouble::new("internal", error.to_string());
    let mut body = serde_json::to_vec(question).map_err(broken)?;
    for at in asked {
        let Some(row) = rows.get(*at) else { continue };
        body.push(b'\n');
        serde_json::to_writer(&mut body, &Line { row: *at, code: &row.code }).map_err(broken)?;
    }
    Ok(body)
}
