//! The import of a CSV file: one thread reads and checks rows, the caller's task writes them.
//!
//! ```text
//! file ─ Lines ─ RowReader ─▶ chunks of rows ─▶ one transaction each: compare, write, keep former values
//! ```
//! Memory is a few chunks, whatever the file's size: whether a subject stands in the file twice is known from the
//! database, where each record names the import and the line that last brought it.

use std::collections::{HashMap, HashSet, hash_map::Entry};
use std::io::Read;

use rand_core::Rng as _;
use tacit_model::{Clock, entropy::os_rng};
use tacit_store::{Conn, StoreError};
use tokio::sync::mpsc;

use super::csv::Lines;
use super::report::{ImportEvent, ImportReport, Rejection};
use super::row::{Row, RowProblem, RowReader, Stated};
use super::rules::{Facts, ListRules, RecordState};
use super::{ImportOptions, RecordsError};
use crate::store::{
    self,
    holder::{
        changes, imports,
        imports::ImportCounts,
        joins::{self, Join},
        lists::ListNo,
        notices::{self, Notice},
        records::{self, Existing, WriteHistory, WriteRecord},
    },
};

/// Rows of one transaction.
const CHUNK: usize = 4096;

/// Chunks that may wait for the writer.
const WAITING: usize = 4;

/// Rows that were read together.
#[derive(Default)]
struct Chunk {
    rows: Vec<Row>,
    rejected: Vec<Rejection>,
    blank: u64,
}

/// Reads the whole file; ends early when nobody takes the chunks any more.
fn read_all(
    mut lines: Lines<impl Read>,
    mut reader: RowReader,
    out: &mpsc::Sender<Chunk>,
) -> std::io::Result<()> {
    let mut chunk = Chunk::default();
    loop {
        let line = lines.next()?;
        let Some(line) = line else { break };
        if line == Ok("") {
            chunk.blank += 1;
            continue;
        }
        let parsed = reader.read(line);
        let line = lines.number();
        match parsed {
            Ok(row) => chunk.rows.push(Row { line, ..row }),
            Err(problem) => chunk.rejected.push(Rejection { line, problem }),
        }
        if chunk.rows.len() + chunk.rejected.len() >= CHUNK
            && out.blocking_send(std::mem::take(&mut chunk)).is_err()
        {
            return Ok(());
        }
    }
    // A writer that went away has its own error to tell.
    let _ = out.blocking_send(chunk);
    Ok(())
}

/// The import under way.
pub(super) struct Import<'a> {
    pub(super) db: &'a tacit_store::Db,
    pub(super) clock: &'a dyn Clock,
    pub(super) list: ListNo,
    pub(super) import_id: i64,
    pub(super) rules: ListRules,
    pub(super) options: &'a ImportOptions,
    /// What the file says beside what every file does.
    pub(super) stated: Stated,
    /// Whether the list had no record when the import began.
    pub(super) fresh: bool,
    pub(super) report: ImportReport,
}

impl Import<'_> {
    /// Takes all rows.
    pub(super) async fn run<R: Read + Send + 'static>(
        &mut self,
        lines: Lines<R>,
        reader: RowReader,
        on: &mut (dyn FnMut(ImportEvent<'_>) + Send),
    ) -> Result<(), RecordsError> {
        let (out, mut chunks) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || read_all(lines, reader, &out));
        while let Some(chunk) = chunks.recv().await {
            // Between two chunks others may write.
            let mut conn = self.db.write().await?;
            self.take(&mut conn, chunk, on).await?;
        }
        reading.await.map_err(std::io::Error::other)??;
        Ok(())
    }

    async fn take(
        &mut self,
        conn: &mut Conn,
        chunk: Chunk,
        on: &mut (dyn FnMut(ImportEvent<'_>) + Send),
    ) -> Result<(), RecordsError> {
        let mut rejected = chunk.rejected;
        let rows = first_of_each(chunk.rows, &mut rejected);
        let taken = self.write(conn, &rows, &mut rejected).await?;
        self.report.blank += chunk.blank;
        self.report.imported += taken.imported;
        self.report.changed += taken.changed;
        self.report.unchanged += taken.unchanged;
        rejected.sort_by_key(|rejection| rejection.line);
        for rejection in rejected {
            on(ImportEvent::Rejected(&rejection));
            self.report.reject(rejection, self.options.keep_rejections);
        }
        self.report.read =
            self.report.imported + self.report.changed + self.report.unchanged + self.report.rejected;
        on(ImportEvent::Progress { read: self.report.read, rejected: self.report.rejected });
        Ok(())
    }

    /// Writes one chunk in one transaction.
    async fn write(
        &mut self,
        conn: &mut Conn,
        rows: &[Row],
        rejected: &mut Vec<Rejection>,
    ) -> Result<ImportCounts, StoreError> {
        let now = self.clock.now();
        let mut tx = store::begin(conn).await?;
        imports::beat(&mut tx, self.import_id, now).await?;
        let seq = changes::next(&mut tx).await?;
        let codes: Vec<&str> = rows.iter().map(|row| row.subject.expose_code()).collect();
        let references = random_references(rows.len());
        let mut existing = HashMap::new();
        // On an adverse list nobody joins.
        let joins = if self.rules.is_adverse() {
            HashMap::new()
        } else {
            joins::of_codes(&mut tx, self.list, &codes).await?
        };
        if self.fresh && joins.is_empty() {
            let all: Vec<WriteRecord<'_>> = rows
                .iter()
                .zip(&references)
                .map(|(row, reference)| new_record(row, &row.facts, *reference, seq))
                .collect();
            if records::write(&mut tx, self.list, self.import_id, &all, true).await? == rows.len() as u64 {
                tx.commit().await?;
                rows.iter().for_each(|row| self.accepted(row, &row.facts));
                return Ok(ImportCounts { imported: rows.len() as u64, ..ImportCounts::default() });
            }
            // Some subjects stood in an earlier chunk: look closer, at what is there now.
        }
        if !rows.is_empty() {
            existing = records::existing(&mut tx, self.list, &codes).await?;
        }
        let notices = notices_of(&mut tx, rows, &existing).await?;
        let mut counts = ImportCounts::default();
        let (mut writes, mut history) = (Vec::new(), Vec::new());
        let facts: Vec<Facts> = rows
            .iter()
            .map(|row| {
                let code = row.subject.expose_code();
                self.facts_of(row, existing.get(code), &notices, joins.get(code))
            })
            .collect();
        for ((row, facts), reference) in rows.iter().zip(&facts).zip(&references) {
            match existing.get(row.subject.expose_code()) {
                None => {
                    counts.imported += 1;
                    writes.push(new_record(row, facts, *reference, seq));
                }
                Some(old) if old.import_id == self.import_id && old.import_line != row.line => {
                    let problem = RowProblem::Repeated { first_line: old.import_line };
                    rejected.push(Rejection { line: row.line, problem });
                    continue;
                }
                // Written by the attempt above, in this very transaction.
                Some(old) if old.import_id == self.import_id => counts.imported += 1,
                Some(old) if old.facts == *facts => {
                    counts.unchanged += 1;
                    writes.push(WriteRecord {
                        change_seq: old.change_seq,
                        ..new_record(row, facts, old.reference, seq)
                    });
                }
                Some(old) => {
                    let restored = old.facts.state == RecordState::Removed;
                    *(if restored { &mut counts.imported } else { &mut counts.changed }) += 1;
                    writes.push(new_record(row, facts, old.reference, seq));
                    history.push(WriteHistory {
                        record: old.id,
                        at: now,
                        by: &self.options.by,
                        action: if restored { "restored" } else { "corrected" },
                        reason: "import",
                        before: &old.facts,
                    });
                }
            }
            self.report.normalized(&row.changes);
            self.note_standing(row, facts);
        }
        records::write(&mut tx, self.list, self.import_id, &writes, false).await?;
        records::add_history(&mut tx, &history).await?;
        tx.commit().await?;
        Ok(counts)
    }

    /// What a row says, completed by what is kept: a file without the columns leaves objections and bodies as they are.
    /// What comes back after a removal is another listing. A file that knows of no notification does not undo the one
    /// that was sent through the log about the same decision, and what a subject said through its authority counts
    /// before a consent of an earlier day, or none.
    fn facts_of(
        &self,
        row: &Row,
        old: Option<&Existing>,
        notices: &HashMap<u64, Notice>,
        join: Option<&Join>,
    ) -> Facts {
        let mut facts = row.facts.clone();
        if let Some(old) = old.filter(|_| !self.stated.consented_on) {
            facts.consented_on = old.facts.consented_on;
        }
        if let Some(join) = join.filter(|join| facts.consented_on <= join.said_on) {
            facts.consented_on = join.consented_on();
        }
        let Some(old) = old.filter(|old| old.facts.state != RecordState::Removed) else {
            return facts;
        };
        if let Some(notice) = notices.get(&old.id.get()).filter(|notice| notice.is_of(&facts))
            && facts.notified_on == 0
            && notice.notified_on > 0
        {
            facts.notified_on = notice.notified_on;
            facts.effective_on = facts.effective_on.max(old.facts.effective_on);
        }
        let old = &old.facts;
        if !self.stated.contested && old.state == RecordState::Contested {
            facts.state = RecordState::Contested;
        }
        if !self.stated.fact_finding_body {
            facts.fact_finding_body.clone_from(&old.fact_finding_body);
        }
        if !self.stated.listing_body {
            facts.listing_body.clone_from(&old.listing_body);
        }
        facts
    }

    fn accepted(&mut self, row: &Row, facts: &Facts) {
        self.report.normalized(&row.changes);
        self.note_standing(row, facts);
    }

    fn note_standing(&mut self, row: &Row, facts: &Facts) {
        let today = self.rules.today(self.clock.now());
        self.report.standing(self.rules.standing(row.subject.expose_code(), facts, today));
    }
}

/// The notices of records that the file names without a notification, though one is kept.
async fn notices_of(
    tx: &mut Conn,
    rows: &[Row],
    existing: &HashMap<String, Existing>,
) -> Result<HashMap<u64, Notice>, StoreError> {
    let silent = rows.iter().filter(|row| row.facts.notified_on == 0);
    let known = silent.filter_map(|row| existing.get(row.subject.expose_code()));
    let records: Vec<u64> = known.filter(|old| old.facts.notified_on > 0).map(|old| old.id.get()).collect();
    notices::of_records(tx, &records).await
}

/// Keeps the first row of each subject; later ones are rejected.
fn first_of_each(rows: Vec<Row>, rejected: &mut Vec<Rejection>) -> Vec<Row> {
    let mut first: HashMap<String, u64> = HashMap::with_capacity(rows.len());
    let mut repeated = HashSet::new();
    for row in &rows {
        match first.entry(row.subject.expose_code().to_owned()) {
            Entry::Vacant(free) => {
                free.insert(row.line);
            }
            Entry::Occupied(taken) => {
                repeated.insert(row.line);
                rejected.push(Rejection {
                    line: row.line,
                    problem: RowProblem::Repeated { first_line: *taken.get() },
                });
            }
        }
    }
    if repeated.is_empty() {
        rows
    } else {
        rows.into_iter().filter(|row| !repeated.contains(&row.line)).collect()
    }
}

fn new_record<'a>(row: &'a Row, facts: &'a Facts, reference: i64, change_seq: i64) -> WriteRecord<'a> {
    WriteRecord { code: row.subject.expose_code(), reference, facts, change_seq, import_line: row.line }
}

/// Random numbers that labels show instead of record ids.
fn random_references(count: usize) -> Vec<i64> {
    let mut rng = os_rng();
    (0..count).map(|_| rng.next_u64().cast_signed()).collect()
}
