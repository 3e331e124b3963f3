//! What is shown of records: to the holder's own people.

use tacit_model::{ListId, Millis};

use super::rules::{Facts, ListRules, RecordState, Standing};
use super::{Records, RecordsError};
use crate::store::holder::{changes, imports, lists, records, tables};

/// One record with its history.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// What the label of an answer shows as the holder's reference, 16 hexadecimal digits.
    pub reference: String,
    /// Its values now.
    pub facts: Facts,
    /// Where it stands today.
    pub standing: Standing,
    /// Whether its last change is not published yet.
    pub pending: bool,
    /// What changed before, oldest first.
    pub history: Vec<HistoryEntry>,
    /// Title of the holder, who decided to list unless another body is named.
    pub holder: String,
}

/// A change to a record.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// When.
    pub at: Millis,
    /// Who.
    pub by: String,
    /// `corrected`, `contested`, `settled`, `removed` or `restored`.
    pub action: String,
    /// Why: a word of the catalogue, or `import`.
    pub reason: String,
    /// The values before.
    pub before: Facts,
}

/// How many records a list has, and what is published of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records that stand as decided.
    pub active: u64,
    /// Records under objection.
    pub contested: u64,
    /// Records that were removed.
    pub removed: u64,
    /// Whether an import is under way.
    pub importing: bool,
    /// The published table, if there is one.
    pub sealed: Option<Sealed>,
}

/// The published table of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// List epoch.
    pub epoch: u64,
    /// Newest logged version.
    pub version: u64,
    /// Records sealed in it.
    pub records: u64,
    /// Buckets of the table.
    pub buckets: u32,
    /// Changes that wait for the next tick, counted up to 1,000,000.
    pub pending: u64,
    /// When this version was logged.
    pub logged: Millis,
}

/// Pending changes are counted up to here.
const PENDING_MOST: u64 = 1_000_000;

impl Records {
    /// The record of a subject, removed or not; `None` when there never was one.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn show(&self, list: &ListId, typed: &str) -> Result<Option<RecordView>, RecordsError> {
        let code = self.code(list, typed)?;
        let rules = ListRules::of(self.entry(list)?, &self.registry)?;
        let mut conn = self.db.read().await?;
        let Some(held) = lists::find(&mut conn, list).await? else { return Ok(None) };
        let found = records::by_code(&mut conn, held.no, code.expose_code()).await?;
        let Some((record, change_seq)) = found else { return Ok(None) };
        let history = records::history(&mut conn, record.id).await?;
        let published = tables::published(&mut conn, held.no).await?;
        let pending = match published {
            None => true,
            Some(table) => {
                change_seq > table.applied_seq || tables::is_deferred(&mut conn, table.id, record.id).await?
            }
        };
        Ok(Some(RecordView {
            reference: format!("{:016x}", record.reference),
            standing: rules.standing(&record.code, &record.facts, rules.today(self.clock.now())),
            pending,
            facts: record.facts,
            history: history
                .into_iter()
                .map(|entry| HistoryEntry {
                    at: entry.at,
                    by: entry.by,
                    action: entry.action,
                    reason: entry.reason,
                    before: entry.before,
                })
                .collect(),
            holder: self.holder_title(),
        }))
    }

    /// How many records a list has, and what is published of it.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn counts(&self, list: &ListId) -> Result<Counts, RecordsError> {
        self.entry(list)?;
        let mut conn = self.db.read().await?;
        let Some(held) = lists::find(&mut conn, list).await? else { return Ok(Counts::default()) };
        let [active, contested, removed] = records::count_states(&mut conn, held.no).await?;
        let importing = imports::under_way(&mut conn, held.no, self.clock.now()).await?;
        let sealed = match tables::published(&mut conn, held.no).await? {
            None => None,
            Some(table) => {
                let waiting =
                    changes::count_since(&mut conn, held.no, table.applied_seq, PENDING_MOST).await?;
                let deferred = tables::count_deferred(&mut conn, table.id).await?;
                Some(Sealed {
                    epoch: table.epoch,
                    version: table.version,
                    records: table.records,
                    buckets: table.buckets,
                    pending: waiting + deferred,
                    logged: table.logged,
                })
            }
        };
        Ok(Counts { active, contested, removed, importing, sealed })
    }
}

impl RecordView {
    /// Who decided to list, by the present or former values of this record.
    pub fn listing_body<'a>(&'a self, facts: &'a Facts) -> &'a str {
        if facts.listing_body.is_empty() { &self.holder } else { &facts.listing_body }
    }

    /// Whether the record stands as decided, is contested, or was removed.
    pub fn state(&self) -> RecordState {
        self.facts.state
    }
}
