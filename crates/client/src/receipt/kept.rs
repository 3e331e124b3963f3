//! Which receipts there are, by case and by time. What is told of each is what the asker itself stated and the
//! record says: neither whom it is about nor what was answered.

use std::collections::{HashMap, hash_map::Entry};

use tacit_ledger::record::{Access, Record};
use tacit_model::{ListId, Millis, Ulid};

use crate::codec::CodecError;
use crate::error::ClientError;
use crate::evidence::{KeptAnswer, KeptRequest};
use crate::question::RecordRef;
use crate::requester::Requester;

/// Most receipts of a page.
pub const MAX_RECEIPTS: u32 = 1000;

/// Which receipts are meant; everything that is stated has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptFilter {
    /// Of this case number.
    pub case: Option<String>,
    /// Recorded at this time or later. Times are those in the records' ids.
    pub from: Option<Millis>,
    /// Recorded before this time.
    pub until: Option<Millis>,
    /// After this record, the last one of the page before.
    pub after: Option<Ulid>,
}

/// One receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptSummary {
    /// The record of the question.
    pub record: RecordRef,
    /// When it was recorded.
    pub recorded: Millis,
    /// The lists that answered.
    pub lists: Vec<ListId>,
    /// For what.
    pub purpose: String,
    /// The agency's case number.
    pub case: String,
    /// Who asked.
    pub officer: String,
}

/// Receipts in the order of their records' ids, which is that of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptPage {
    /// The receipts.
    pub receipts: Vec<ReceiptSummary>,
    /// What [`ReceiptFilter::after`] has to be for the page that follows; `None`: there is none.
    pub next: Option<Ulid>,
}

impl ReceiptFilter {
    /// The ids that are meant, from the first to before the second.
    fn ids(&self) -> (Ulid, Ulid) {
        let at = |time: Millis| Ulid::from_parts(time.0.min(MAX_TIME), 0);
        let from = self.from.map_or(Ulid(0), at);
        let after = self.after.map_or(Ulid(0), |after| Ulid(after.0.saturating_add(1)));
        (from.max(after), self.until.map_or(Ulid(u128::MAX), at))
    }
}

/// The last time of a ULID: 48 bits.
const MAX_TIME: u64 = (1 << 48) - 1;

impl Requester {
    /// Receipts that are meant by `filter`, at most `limit` of them (1 to [`MAX_RECEIPTS`]). A page that is asked for
    /// again is the same, and what is recorded meanwhile comes after it.
    ///
    /// # Errors
    /// The storage.
    pub async fn receipts(&self, filter: &ReceiptFilter, limit: u32) -> Result<ReceiptPage, ClientError> {
        let limit = limit.clamp(1, MAX_RECEIPTS);
        let case = filter.case.as_deref().map(|case| self.case_key(case));
        let (from, until) = filter.ids();
        let mut found = self.store().answered(case, from, until, limit + 1).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let mut page = ReceiptPage { receipts: Vec::with_capacity(found.len()), next: None };
        // A batch has up to 1024 records in one request, which is opened once.
        let mut opened: HashMap<[u8; 32], (KeptRequest, KeptAnswer)> = HashMap::new();
        for record in &found {
            if let Entry::Vacant(vacant) = opened.entry(record.request) {
                let stored = self.store().record(record.id).await?.ok_or(CodecError("request"))?;
                vacant.insert(self.open_stored(&stored)?);
            }
            let summary = opened.get(&record.request).and_then(|kept| summary(record.id, kept));
            page.receipts.push(summary.ok_or(CodecError("answer"))?);
        }
        page.next = page.receipts.last().map(|receipt| receipt.record.id).filter(|_| more);
        Ok(page)
    }

    /// What is told of one receipt; `None` when this record is not ours or got no answer.
    ///
    /// # Errors
    /// The storage.
    pub async fn receipt_summary(&self, record: Ulid) -> Result<Option<ReceiptSummary>, ClientError> {
        let next = Ulid(record.0.saturating_add(1));
        if self.store().answered(None, record, next, 1).await?.is_empty() {
            return Ok(None);
        }
        let Some(stored) = self.store().record(record).await? else { return Ok(None) };
        Ok(Some(summary(record, &self.open_stored(&stored)?).ok_or(CodecError("answer"))?))
    }
}

fn summary(id: Ulid, (request, answer): &(KeptRequest, KeptAnswer)) -> Option<ReceiptSummary> {
    let (place, item) = (0u32..).zip(&answer.items).find(|(_, item)| item.id == id)?;
    let access: Access = Record::parse(&item.record.record).ok()?.try_into().ok()?;
    let mut lists = Vec::new();
    for section in &answer.sections {
        for part in section.answers.iter().filter(|part| part.place == place) {
            lists.push(section.evaluations.get(part.evaluation as usize)?.list.clone());
        }
    }
    Some(ReceiptSummary {
        record: RecordRef { id, index: item.record.index },
        recorded: Millis(access.time_ms),
        lists,
        purpose: access.purpose,
        case: request.case.clone(),
        officer: request.officer.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ranges_of_record_ids() {
        let filter = |from: Option<u64>, until: Option<u64>, after| ReceiptFilter {
            case: None,
            from: from.map(Millis),
            until: until.map(Millis),
            after,
        };
        let of = |time: u64, random| Ulid::from_parts(time, random);
        assert_eq!(filter(None, None, None).ids(), (Ulid(0), Ulid(u128::MAX)));
        assert_eq!(filter(Some(5), Some(9), None).ids(), (of(5, 0), of(9, 0)));
        assert_eq!(filter(Some(5), None, Some(of(7, 3))).ids().0, of(7, 4));
        assert_eq!(filter(Some(8), None, Some(of(7, 3))).ids().0, of(8, 0));
        assert_eq!(filter(Some(u64::MAX), None, None).ids().0, of(MAX_TIME, 0));
    }
}
