//! The agency's own records: import, removal, objections, and what is answered of them.
//!
//! [`Records`] works on the database directly, in the node or beside it in the command line; a running node
//! notices changes on its next tick. A record is never deleted: removal is a state, and every correction keeps the
//! former values with who and why.

mod csv;
mod day;
mod error;
mod import;
mod report;
mod row;
mod rules;
#[cfg(test)]
pub(crate) mod testing;
mod view;

use std::io::Read;
use std::sync::Arc;

use tacit_model::{Clock, ListId, MemberId, Millis, Reason, SubjectCode};
use tacit_policy::{Registry, registry::entry::List};
use tacit_store::{Conn, Db, StoreError};

use crate::store::{
    self,
    holder::{
        changes, imports,
        imports::ImportCounts,
        joins::{self, Join},
        lists::{self, HeldList},
        notices, records, requests,
    },
};

pub(crate) use day::date;
pub use day::{format_day, parse_day};
pub use error::RecordsError;
pub use report::{ImportEvent, ImportReport, Rejection};
pub use row::{Column, HeaderProblem, RowProblem};
pub use rules::{FLAG_CONTESTED, Facts, ListRules, RecordState, STATUS_LISTED, Standing, UnknownTimeZone};
pub use tacit_policy::letter::{RemovalReason, UnknownRemovalReason};
pub use view::{Counts, HistoryEntry, RecordView, Sealed};

/// Longest name of who acts, in bytes.
const BY_MAX: usize = 200;

/// How an import is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// Who imports; 1 to 200 bytes.
    pub by: String,
    /// Name of the file, for the history; may be empty.
    pub source: String,
    /// How many rejected rows the report keeps. Every one is told as [`ImportEvent::Rejected`].
    pub keep_rejections: usize,
}

/// What became of a change to one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// Changed; the next tick publishes it.
    Changed,
    /// It was so already.
    Unchanged,
    /// The subject has no record, or a removed one.
    NotOnList,
}

/// What became of a request to publish a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealOutcome {
    /// The node has not done it yet.
    Waiting,
    /// Every change made before the request is published in this version or an earlier one.
    Published {
        /// List epoch.
        epoch: u64,
        /// Version within it.
        version: u64,
    },
    /// It could not be published; the node goes on trying.
    Failed(Reason),
}

/// The records of a holder's lists.
#[derive(Clone)]
pub struct Records {
    db: Db,
    registry: Arc<Registry>,
    holder: MemberId,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Records {
    /// The records that `holder` keeps in `db`, under the lists' rules of `registry`.
    pub fn new(db: Db, registry: Arc<Registry>, holder: MemberId, clock: Arc<dyn Clock>) -> Self {
        Self { db, registry, holder, clock }
    }

    /// Imports a CSV file: adds new records, corrects those that are there, and reports each row that is broken.
    ///
    /// The header names the columns in any order: `code`, `category`, `decision_ref`, `decided_on` (must be given in
    /// every row), `notified_on`, `effective_on`, `expires_on` (may be empty), and optionally `contested`,
    /// `fact_finding_body`, `listing_body` and, for a favorable list, `consented_on`; without one of these columns what is kept stays as it is. Records
    /// that the file does not name stay as they are. What [`ImportEvent::Progress`] told is durable.
    ///
    /// # Errors
    /// [`RecordsError`] when the file as a whole cannot be taken; broken rows are in the report.
    pub async fn import<R: Read + Send + 'static>(
        &self,
        reader: R,
        list: &ListId,
        options: &ImportOptions,
        mut on: impl FnMut(ImportEvent<'_>) + Send,
    ) -> Result<ImportReport, RecordsError> {
        check_by(&options.by)?;
        let entry = self.entry(list)?;
        let rules = ListRules::of(entry, &self.registry)?;
        let mut lines = csv::Lines::new(reader);
        let categories =
            self.registry.categories().map(|category| (category.code, rules.takes(category.code))).collect();
        let schemes = self.registry.schemes().clone();
        let rows =
            row::RowReader::new(lines.next()?, schemes, entry.scheme.clone(), categories, rules.clone())?;

        let mut conn = self.db.write().await?;
        let mut tx = store::begin(&mut conn).await?;
        let held = lists::find_or_begin(&mut tx, list, &entry.scheme).await?;
        same_scheme(list, &held, entry)?;
        let begun = imports::begin(&mut tx, held.no, &options.by, &options.source, self.clock.now()).await?;
        let import_id = begun.ok_or_else(|| RecordsError::ImportUnderWay(list.clone()))?;
        let fresh = !records::any(&mut tx, held.no).await?;
        tx.commit().await?;
        drop(conn);

        let mut import = import::Import {
            db: &self.db,
            clock: &*self.clock,
            list: held.no,
            import_id,
            rules,
            options,
            stated: rows.stated(),
            fresh,
            report: ImportReport::default(),
        };
        let outcome = import.run(lines, rows, &mut on).await;
        let report = import.report;
        let counts = ImportCounts {
            read: report.read,
            imported: report.imported,
            changed: report.changed,
            unchanged: report.unchanged,
            rejected: report.rejected,
        };
        imports::finish(&mut *self.db.write().await?, import_id, counts, self.clock.now()).await?;
        outcome.map(|()| report)
    }

    /// Takes a subject off a list.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn remove(
        &self,
        list: &ListId,
        typed: &str,
        reason: RemovalReason,
        by: &str,
    ) -> Result<ChangeOutcome, RecordsError> {
        self.set_state(list, typed, RecordState::Removed, "removed", reason.as_str(), by).await
    }

    /// Notes that an objection to a listing has begun, or was settled and the listing stands.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn set_contested(
        &self,
        list: &ListId,
        typed: &str,
        contested: bool,
        by: &str,
    ) -> Result<ChangeOutcome, RecordsError> {
        let (state, action) =
            if contested { (RecordState::Contested, "contested") } else { (RecordState::Active, "settled") };
        self.set_state(list, typed, state, action, action, by).await
    }

    async fn set_state(
        &self,
        list: &ListId,
        typed: &str,
        state: RecordState,
        action: &'static str,
        reason: &str,
        by: &str,
    ) -> Result<ChangeOutcome, RecordsError> {
        check_by(by)?;
        let code = self.code(list, typed)?;
        let mut conn = self.db.write().await?;
        let mut tx = store::begin(&mut conn).await?;
        let Some(held) = lists::find(&mut tx, list).await? else { return Ok(ChangeOutcome::NotOnList) };
        let found = records::by_code(&mut tx, held.no, code.expose_code()).await?;
        let Some((record, _)) = found else { return Ok(ChangeOutcome::NotOnList) };
        let changed =
            change_state(&mut tx, &record, state, Change { action, reason, by, at: self.clock.now() })
                .await?;
        if changed != ChangeOutcome::Changed {
            return Ok(changed);
        }
        tx.commit().await?;
        Ok(ChangeOutcome::Changed)
    }

    /// Asks the node to publish a list now. The answer is found by [`Records::seal_outcome`].
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn request_seal(&self, list: &ListId, by: &str) -> Result<i64, RecordsError> {
        check_by(by)?;
        let entry = self.entry(list)?;
        let mut conn = self.db.write().await?;
        let mut tx = store::begin(&mut conn).await?;
        let held = lists::find_or_begin(&mut tx, list, &entry.scheme).await?;
        same_scheme(list, &held, entry)?;
        let request = requests::add(&mut tx, held.no, by, self.clock.now()).await?;
        tx.commit().await?;
        Ok(request)
    }

    /// What became of a request; `None` when there is none with this id.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn seal_outcome(&self, request: i64) -> Result<Option<SealOutcome>, RecordsError> {
        Ok(requests::outcome(&mut *self.db.read().await?, request).await?)
    }

    /// The registry's entry of an own list.
    fn entry(&self, list: &ListId) -> Result<&List, RecordsError> {
        let entry = self.registry.list(list).ok_or_else(|| RecordsError::UnknownList(list.clone()))?;
        if list.holder() == self.holder.as_str() {
            Ok(entry)
        } else {
            Err(RecordsError::OtherHolder { list: list.clone(), holder: self.holder.clone() })
        }
    }

    fn holder_title(&self) -> String {
        self.registry.member_title(&self.holder).to_owned()
    }

    fn code(&self, list: &ListId, typed: &str) -> Result<SubjectCode, RecordsError> {
        let scheme = &self.entry(list)?.scheme;
        Ok(self.registry.schemes().parse(scheme, typed)?.subject)
    }
}

/// What changes the state of a record, for its history.
pub(crate) struct Change<'a> {
    pub(crate) action: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) by: &'a str,
    pub(crate) at: Millis,
}

/// Changes the state of a record that is not removed, with its former values in the history. Of a removal the subject is
/// to be told.
pub(crate) async fn change_state(
    tx: &mut Conn,
    record: &records::StoredRecord,
    state: RecordState,
    change: Change<'_>,
) -> Result<ChangeOutcome, StoreError> {
    match record.facts.state {
        old if old == state => return Ok(ChangeOutcome::Unchanged),
        RecordState::Removed => return Ok(ChangeOutcome::NotOnList),
        RecordState::Active | RecordState::Contested => {}
    }
    let seq = changes::next(tx).await?;
    records::set_state(tx, record.id, state, seq).await?;
    let Change { action, reason, by, at } = change;
    let entry = records::WriteHistory { record: record.id, at, by, action, reason, before: &record.facts };
    records::add_history(tx, &[entry]).await?;
    if state == RecordState::Removed {
        notices::removed(tx, record.id, reason, at).await?;
    }
    Ok(ChangeOutcome::Changed)
}

/// Notes that the subject of a code consents to stand on a favorable list, or withdraws, with the former values of its
/// record in the history.
pub(crate) async fn join_list(
    tx: &mut Conn,
    list: &List,
    code: &str,
    join: &Join,
    at: Millis,
) -> Result<(), RecordsError> {
    let held = lists::find_or_begin(tx, &list.id, &list.scheme).await?;
    same_scheme(&list.id, &held, list)?;
    joins::set(tx, held.no, code, join).await?;
    let found = records::by_code(tx, held.no, code).await?;
    let Some((record, _)) = found.filter(|(it, _)| it.facts.state != RecordState::Removed) else {
        return Ok(());
    };
    if record.facts.consented_on == join.consented_on() {
        return Ok(());
    }
    let seq = changes::next(tx).await?;
    records::set_consented(tx, record.id, join.consented_on(), seq).await?;
    let reason = if join.given { "consent" } else { "consent withdrawn" };
    let entry = records::WriteHistory {
        record: record.id,
        at,
        by: "the subject",
        action: "corrected",
        reason,
        before: &record.facts,
    };
    records::add_history(tx, &[entry]).await?;
    Ok(())
}

pub(crate) fn check_by(by: &str) -> Result<(), RecordsError> {
    let named = !by.trim().is_empty() && by.len() <= BY_MAX && !by.chars().any(char::is_control);
    if named { Ok(()) } else { Err(RecordsError::By) }
}

fn same_scheme(list: &ListId, held: &HeldList, entry: &List) -> Result<(), RecordsError> {
    if held.scheme == entry.scheme {
        return Ok(());
    }
    Err(RecordsError::SchemeChanged {
        list: list.clone(),
        kept: held.scheme.clone(),
        stated: entry.scheme.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_removal_is_one_of_the_catalogue_and_good_deeds_elsewhere_are_none() {
        for reason in RemovalReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        for word in
            ["donation", "volunteering", "blood donation", "Fulfilled", "fulfilled ", "pardon", "score", ""]
        {
            let refused = word.parse::<RemovalReason>().unwrap_err().to_string();
            assert!(RemovalReason::ALL.iter().all(|reason| refused.contains(reason.as_str())), "{refused}");
            assert!(refused.contains("donation or voluntary work, are none"), "{refused}");
        }
    }
}
