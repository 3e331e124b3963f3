//! The result of a batch: a CSV file that every run leaves complete, and that the next run goes on from.
//!
//! ```text
//! out.csv            one line per row and list; what has no final answer says why
//! out.csv.journal    JSON lines: the question, then every record that got no answer
//! ```

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tacit_model::{Millis, Reason};
use tacit_wire::gateway::{CheckOutcome, ListAnswer, Question, check_outcome::Outcome, list_answer::Answer};

use super::{
    input::split,
    words::{plain, word},
};
use crate::exit::Failure;

/// The columns of the result.
const HEADER: [&str; 16] = [
    "line",
    "code",
    "list",
    "answer",
    "category",
    "listed_on",
    "expires_on",
    "contested",
    "reference",
    "as_of",
    "table_version",
    "record_id",
    "record_index",
    "reason",
    "message",
    "normalized",
];

/// Which rows of an earlier result are asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// What got no answer, and what a quota refused: a new day may have come.
    NotAnsweredAndQuota,
    /// What got no answer.
    NotAnswered,
    /// Everything that was refused too.
    Refused,
}

/// How many rows ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows of the file with a result.
    pub(super) rows: u64,
    /// List answers: on the list.
    pub(super) listed: u64,
    /// List answers: not on the list.
    pub(super) not_listed: u64,
    /// Rows whose code is not valid, or that are no rows.
    pub(super) invalid: u64,
    /// Rows on record without an answer.
    pub(super) not_answered: u64,
    /// Refusals by reason.
    pub(super) refused: BTreeMap<String, u64>,
}

impl Tally {
    /// How many were refused by a quota.
    pub(super) fn quota(&self) -> u64 {
        self.refused.iter().filter(|(reason, _)| reason.starts_with("quota_")).map(|(_, count)| count).sum()
    }

    fn count(&mut self, answer: &str, reason: &str) {
        match answer {
            "listed" => self.listed += 1,
            "not_listed" => self.not_listed += 1,
            "invalid" => self.invalid += 1,
            "not_answered" => self.not_answered += 1,
            _ => *self.refused.entry(reason.to_owned()).or_default() += 1,
        }
    }
}

/// The file of results, open for more.
pub(super) struct Results {
    file: csv::Writer<BufWriter<File>>,
    journal: File,
    path: PathBuf,
    lists: usize,
    /// By line: a keyed hash of the code that has its final answer there; 0 for none.
    done: Vec<u64>,
    hasher: RandomState,
    tally: Tally,
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Results")
            .field("path", &self.path)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Results {
    /// Begins a result, or takes an earlier one over: rows without a final answer are taken out, to be asked again.
    pub(super) fn open(path: &Path, question: &Question, again: Again) -> Result<Self, Failure> {
        let journal_path = beside(path, "journal");
        let stated = describe(question);
        let resumed = path.exists();
        if resumed {
            check_journal(path, &journal_path, &stated)?;
        }
        let unwritable = |error: std::io::Error| {
            Failure::usage(format!("{} cannot be written", path.display())).why(error)
        };
        let mut journal =
            OpenOptions::new().create(true).append(true).open(&journal_path).map_err(unwritable)?;
        if !resumed {
            journal.set_len(0).map_err(unwritable)?;
            writeln!(journal, "{}", json!({ "question": stated })).map_err(unwritable)?;
        }
        let fresh = beside(path, "new");
        let file = BufWriter::new(File::create(&fresh).map_err(unwritable)?);
        let mut results = Self {
            file: csv::WriterBuilder::new().from_writer(file),
            journal,
            path: path.to_owned(),
            lists: question.lists.len(),
            done: Vec::new(),
            hasher: RandomState::new(),
            tally: Tally::default(),
        };
        results.write_fields(&HEADER.map(str::to_owned))?;
        if resumed {
            results.take_over(again)?;
        }
        results.flush()?;
        std::fs::rename(&fresh, path).map_err(unwritable)?;
        Ok(results)
    }

    /// Copies the rows of the earlier result that are final.
    fn take_over(&mut self, again: Again) -> Result<(), Failure> {
        let path = self.path.clone();
        let broken = |problem: String| {
            Failure::usage(format!("{} cannot be resumed", path.display()))
                .why(problem)
                .next("give another --out, or remove it")
        };
        let file = File::open(&path).map_err(|error| broken(error.to_string()))?;
        let mut lines = BufReader::new(file).split(b'\n');
        let header = lines.next().transpose().map_err(|error| broken(error.to_string()))?.unwrap_or_default();
        let header = String::from_utf8_lossy(&header);
        if split(header.trim_end_matches('\r')) != Ok(HEADER.map(str::to_owned).to_vec()) {
            return Err(broken("it does not have the columns of a result".to_owned()));
        }
        let mut row: Vec<Vec<String>> = Vec::new();
        for bytes in lines {
            let bytes = bytes.map_err(|error| broken(error.to_string()))?;
            // What a stopped run left half written is asked again.
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let Ok(fields) = split(text.trim_end_matches('\r')) else { continue };
            if fields.len() != HEADER.len() {
                continue;
            }
            if row.first().is_some_and(|first| first[0] != fields[0]) {
                self.keep(std::mem::take(&mut row), again)?;
            }
            row.push(fields);
        }
        self.keep(row, again)
    }

    /// Keeps one row of the earlier result, if all of it is there and final.
    fn keep(&mut self, row: Vec<Vec<String>>, again: Again) -> Result<(), Failure> {
        let Some(first) = row.first() else { return Ok(()) };
        let whole = first[2].is_empty() || row.len() == self.lists;
        let is_final = |fields: &Vec<String>| match fields[3].as_str() {
            "listed" | "not_listed" | "invalid" => true,
            "refused" => match again {
                Again::Refused => false,
                Again::NotAnswered => !may_retry(&fields[13]),
                Again::NotAnsweredAndQuota => !fields[13].starts_with("quota_") && !may_retry(&fields[13]),
            },
            _ => false,
        };
        let Ok(line) = first[0].parse() else { return Ok(()) };
        if !whole || !row.iter().all(is_final) || self.is_done(line) {
            return Ok(());
        }
        let hash = self.hash(&first[1]);
        self.mark(line, hash);
        for fields in &row {
            self.tally.count(&fields[3], &fields[13]);
            self.write_fields(fields)?;
        }
        self.tally.rows += 1;
        Ok(())
    }

    /// Whether a row has its final answer. The code must be the one that was asked about.
    ///
    /// # Errors
    /// When the result is of another file.
    pub(super) fn has(&self, line: u64, code: &str) -> Result<bool, Failure> {
        match self.done_hash(line) {
            0 => Ok(false),
            hash if hash == self.hash(&cell(code)) => Ok(true),
            _ => Err(Failure::usage(format!("{} is the result of another file", self.path.display()))
                .why(format!("line {line} has another code there"))
                .next("give another --out")),
        }
    }

    /// The last line that has a final answer.
    pub(super) fn last_line(&self) -> u64 {
        self.done.len().saturating_sub(1) as u64
    }

    /// How many rows ended how, those of earlier runs included.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes what became of a row.
    pub(super) fn add(&mut self, line: u64, code: &str, outcome: &CheckOutcome) -> Result<(), Failure> {
        self.tally.rows += 1;
        let (code, normalized) = (cell(code), outcome.normalized.join("; "));
        match &outcome.outcome {
            Some(Outcome::Answers(answers)) => {
                for answer in &answers.lists {
                    let mut fields = answer_fields(answer);
                    fields[0] = line.to_string();
                    fields[1].clone_from(&code);
                    fields[15].clone_from(&normalized);
                    self.write_counted(&fields)?;
                }
                Ok(())
            }
            Some(Outcome::Refusal(refusal)) => {
                let answer = if is_invalid(&refusal.reason) { "invalid" } else { "refused" };
                self.add_whole(line, &code, answer, &refusal.reason, &refusal.message, "", &normalized)
            }
            Some(Outcome::NotAnswered(lost)) => {
                self.journal_line(
                    &json!({ "line": line, "reason": lost.reason, "records": lost.record_ids }),
                )?;
                let records = lost.record_ids.join(" ");
                let message = "On record, but no answer came; it is asked again by the next run.";
                self.add_whole(line, &code, "not_answered", &lost.reason, message, &records, &normalized)
            }
            None => self.add_whole(line, &code, "not_answered", Reason::Internal.as_str(), "", "", ""),
        }
    }

    /// Writes a line of the file that is no row.
    pub(super) fn add_broken(&mut self, line: u64, problem: &str) -> Result<(), Failure> {
        self.tally.rows += 1;
        self.add_whole(line, "", "invalid", Reason::RowMalformed.as_str(), problem, "", "")
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of the file")]
    fn add_whole(
        &mut self,
        line: u64,
        code: &str,
        answer: &str,
        reason: &str,
        message: &str,
        records: &str,
        normalized: &str,
    ) -> Result<(), Failure> {
        let mut fields = empty();
        for (place, value) in [(1, code), (3, answer), (11, records), (13, reason), (15, normalized)] {
            fields[place] = value.to_owned();
        }
        fields[0] = line.to_string();
        fields[14] = plain(message);
        self.write_counted(&fields)
    }

    fn write_counted(&mut self, fields: &[String; 16]) -> Result<(), Failure> {
        self.tally.count(&fields[3], &fields[13]);
        self.write_fields(fields)
    }

    fn write_fields<T: AsRef<[u8]>>(&mut self, fields: &[T]) -> Result<(), Failure> {
        self.file.write_record(fields).map_err(|error| self.unwritable(&error))
    }

    fn journal_line(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.journal, "{value}").map_err(|error| self.unwritable(&error))
    }

    /// Removes a result that nothing was written to, as when nobody confirmed the cost.
    pub(super) fn discard_if_empty(&self) {
        if self.tally.rows == 0 {
            for path in [self.path.clone(), beside(&self.path, "journal")] {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(path = %path.display(), %error, "an empty result could not be removed");
                }
            }
        }
    }

    /// Hands everything written so far to the operating system.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.unwritable(&error))
    }

    /// Everything is on the disk.
    pub(super) fn finish(mut self) -> Result<Tally, Failure> {
        self.flush()?;
        let file = self.file.into_inner().map_err(|error| error.to_string());
        let synced = file.and_then(|file| file.into_inner().map_err(|error| error.to_string()));
        synced.and_then(|file| file.sync_all().map_err(|error| error.to_string())).map_err(|error| {
            Failure::trouble(format!("{} cannot be written", self.path.display())).why(error)
        })?;
        Ok(self.tally)
    }

    fn unwritable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::trouble(format!("{} cannot be written", self.path.display())).why(error)
    }

    fn hash(&self, code: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(code.as_bytes());
        hasher.finish().max(1)
    }

    fn done_hash(&self, line: u64) -> u64 {
        usize::try_from(line).ok().and_then(|line| self.done.get(line)).copied().unwrap_or(0)
    }

    fn is_done(&self, line: u64) -> bool {
        self.done_hash(line) != 0
    }

    fn mark(&mut self, line: u64, hash: u64) {
        let Ok(line) = usize::try_from(line) else { return };
        if line >= self.done.len() {
            self.done.resize(line + 1, 0);
        }
        if let Some(place) = self.done.get_mut(line) {
            *place = hash;
        }
    }
}

fn empty() -> [String; 16] {
    std::array::from_fn(|_| String::new())
}

fn answer_fields(answer: &ListAnswer) -> [String; 16] {
    let mut fields = empty();
    fields[2].clone_from(&answer.list_id);
    fields[3] = word(answer).to_owned();
    match &answer.answer {
        Some(Answer::Listed(hit)) => {
            fields[4] = hit.category.to_string();
            fields[5].clone_from(&hit.listed_on);
            fields[6].clone_from(&hit.expires_on);
            fields[7] = if hit.contested { "yes" } else { "no" }.to_owned();
            fields[8].clone_from(&hit.reference);
        }
        Some(Answer::Refusal(refusal)) => {
            fields[13].clone_from(&refusal.reason);
            fields[14] = plain(&refusal.message);
        }
        Some(Answer::NotListed(_)) | None => {}
    }
    if answer.as_of_ms > 0 {
        fields[9] = Millis(answer.as_of_ms).to_rfc3339();
    }
    fields[10].clone_from(&answer.table_version);
    if !answer.record_id.is_empty() {
        fields[11].clone_from(&answer.record_id);
        fields[12] = answer.record_index.to_string();
    }
    fields
}

/// A text from the input that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let text = plain(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

/// Reasons that lie in the row itself.
fn is_invalid(reason: &str) -> bool {
    ["code_invalid", "code_scheme_unknown", "code_not_this_scheme", "row_malformed", "too_large"]
        .contains(&reason)
}

/// Whether asking again may help without anybody changing a rule.
fn may_retry(reason: &str) -> bool {
    reason.parse::<Reason>().is_ok_and(|reason| reason.may_retry())
}

/// What must be the same for a result to be resumed.
fn describe(question: &Question) -> Value {
    json!({
        "lists": question.lists, "purpose": question.purpose, "case": question.case_number, "scheme": question.scheme,
    })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The result must be one of this very question.
fn check_journal(path: &Path, journal: &Path, stated: &Value) -> Result<(), Failure> {
    let refuse = |why: &str| {
        Err(Failure::usage(format!("{} is there already and cannot be resumed", path.display()))
            .why(why)
            .next("give another --out"))
    };
    let Ok(text) = std::fs::read_to_string(journal) else {
        return refuse("there is no journal beside it, so it is no result of this command");
    };
    let first: Option<Value> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    match first.as_ref().and_then(|first| first.get("question")) {
        Some(known) if known == stated => Ok(()),
        Some(_) => refuse("it is the result of another question"),
        None => refuse("its journal cannot be read"),
    }
}

#[cfg(test)]
mod tests;
