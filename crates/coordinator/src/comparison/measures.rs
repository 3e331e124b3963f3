//! The same for measures: a changed column would hide one from its requester, or let it be registered or lifted twice.

use tacit_blind::commit;
use tacit_ledger::record::{self, MEASURE_STATES, Record};
use tacit_store::{Conn, StoreError};

use super::{Comparison, PAGE};
use crate::{
    opening::{MeasureOpening, Opening, open},
    store::{
        chains,
        measures::{self, StoredMeasure},
    },
};

impl Comparison {
    /// Compares the next page of measures with their records, or goes on to the next stage.
    pub(super) async fn page_of_measures(&mut self) -> Result<(), StoreError> {
        let mut conn = self.db.read().await?;
        let page = measures::from_index(&mut conn, self.measures_from, PAGE).await?;
        let Some(last) = page.last().map(|measure| measure.log_index) else {
            self.stage = self.stage.next();
            return Ok(());
        };
        for measure in &page {
            compare(&mut conn, measure).await?;
        }
        self.measures_from = last.saturating_add(1);
        Ok(())
    }
}

fn differs(stored: &StoredMeasure, column: &'static str) -> StoreError {
    StoreError::corrupt("measure", column, stored.id, "is not what its record says")
}

async fn compare(conn: &mut Conn, stored: &StoredMeasure) -> Result<(), StoreError> {
    let record = logged(conn, stored, stored.log_index, "log_index").await?;
    for (column, same) in [
        ("log_index", record.state == MEASURE_STATES[0]),
        ("id", record.id == stored.id.to_string()),
        ("requester", record.requester == *stored.requester),
        ("answer", record.answer == stored.answer.to_string()),
        ("agreement", record.agreement == stored.agreement.to_string()),
        ("number", record.measure == stored.number),
        ("until_ms", record.until_ms == stored.until.map(|until| until.0)),
        ("details", record.details == stored.details),
    ] {
        if !same {
            return Err(differs(stored, column));
        }
    }
    if let Some(index) = stored.lifted_index {
        let lift = logged(conn, stored, index, "lifted_index").await?;
        if lift.state != MEASURE_STATES[1] || lift.registered != record.id {
            return Err(differs(stored, "lifted_index"));
        }
    }
    compare_opened(conn, stored, &record).await
}

/// The record of kind `measure` at an index.
async fn logged(
    conn: &mut Conn,
    stored: &StoredMeasure,
    index: u64,
    column: &'static str,
) -> Result<record::Measure, StoreError> {
    let record = Record::parse(&chains::record(conn, index).await?).ok();
    record.and_then(|record| record.try_into().ok()).ok_or_else(|| differs(stored, column))
}

/// What the record only commits to, as long as nobody erased what opens it.
async fn compare_opened(
    conn: &mut Conn,
    stored: &StoredMeasure,
    record: &record::Measure,
) -> Result<(), StoreError> {
    let head = chains::head(conn, &stored.pseudonym).await?;
    let (subject, chain) = head.ok_or_else(|| differs(stored, "pseudonym"))?;
    let Some(mut sealed) = chains::opening(conn, subject, stored.log_index).await? else { return Ok(()) };
    // One that does not open was erased since; a broken one is found by who reads it.
    let Ok(Opening::Measure(opening)) = open(&mut sealed, &chain.opening_key, stored.log_index) else {
        return Ok(());
    };
    let MeasureOpening { link, salt_details, decider, .. } = opening;
    let subject = commit::subject(&link.salt, &stored.pseudonym, link.sequence, &link.previous);
    if subject != record.subject {
        return Err(differs(stored, "pseudonym"));
    }
    let details = commit::measure(&salt_details, &stored.list, decider, &stored.words).ok();
    if details != Some(record.details) {
        let list = if opening.list == stored.list { "words" } else { "list" };
        return Err(differs(stored, list));
    }
    Ok(())
}
