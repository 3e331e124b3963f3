//! Which receipts there are: by case, officer, list, purpose and time. What is told of each is what the asker itself stated and the
//! record says: neither whom it is about nor what was answered.

use std::collections::{HashMap, hash_map::Entry};

use tacit_ledger::record::{Access, Record};
use tacit_model::{ListId, Millis, Ulid};

use crate::codec::CodecError;
use crate::error::ClientError;
use crate::evidence::{KeptAnswer, KeptRequest};
use crate::question::RecordRef;
use crate::requester::Requester;
use crate::store::Wanted;

/// Most receipts of a page.
pub const MAX_RECEIPTS: u32 = 1000;

/// Most receipts that are opened for one page to find out which are meant.
const LOOKED_THROUGH: u32 = 200;

/// Which receipts are meant; everything that is stated has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptFilter {
    /// Of this case number.
    pub case: Option<String>,
    /// Recorded at this time or later. Times are those in the records' ids.
    pub from: Option<Millis>,
    /// Recorded before this time.
    pub until: Option<Millis>,
    /// Asked by this officer. Of what was asked before officers were kept, nothing.
    pub officer: Option<String>,
    /// Answered by this list.
    pub list: Option<ListId>,
    /// For this purpose.
    pub purpose: Option<String>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
    /// What follows this record, where the page before ended.
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

/// Receipts in the order of their records' ids, which is that of time, or from the newest on.
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
        let until = self.until.map_or(Ulid(u128::MAX), at);
        match self.after {
            None => (from, until),
            Some(after) if self.newest_first => (from, until.min(after)),
            Some(after) => (from.max(Ulid(after.0.saturating_add(1))), until),
        }
    }

    /// Whether receipts have to be opened to know which are meant.
    fn looks_inside(&self) -> bool {
        self.list.is_some() || self.purpose.is_some()
    }

    fn fits(&self, receipt: &ReceiptSummary) -> bool {
        self.list.as_ref().is_none_or(|list| receipt.lists.contains(list))
            && self.purpose.as_ref().is_none_or(|purpose| *purpose == receipt.purpose)
    }
}

/// The last time of a ULID: 48 bits.
const MAX_TIME: u64 = (1 << 48) - 1;

impl Requester {
    /// Receipts that are meant by `filter`, at most `limit` of them (1 to [`MAX_RECEIPTS`]). A page that is asked for
    /// again is the same: what is recorded meanwhile comes after it, or before the first page when the newest come
    /// first. By list and purpose at most 200 are looked through, so that a page of these can have fewer than there are,
    /// or none, and still another one that follows.
    ///
    /// # Errors
    /// The storage.
    pub async fn receipts(&self, filter: &ReceiptFilter, limit: u32) -> Result<ReceiptPage, ClientError> {
        let limit = limit.clamp(1, MAX_RECEIPTS);
        let (from, until) = filter.ids();
        let reach = if filter.looks_inside() { LOOKED_THROUGH } else { limit };
        let wanted = Wanted {
            case: filter.case.as_deref().map(|case| self.case_key(case)),
            officer: filter.officer.as_deref().map(|officer| self.officer_key(officer)),
            from,
            until,
            newest_first: filter.newest_first,
            limit: reach + 1,
        };
        let mut found = self.store().answered(wanted).await?;
        let mut more = found.len() > reach as usize;
        found.truncate(reach as usize);
        let mut page = ReceiptPage::default();
        let mut last = None;
        // A batch has up to 1024 records in one request, which is opened once.
        let mut opened: HashMap<[u8; 32], (KeptRequest, KeptAnswer)> = HashMap::new();
        for record in &found {
            if let Entry::Vacant(vacant) = opened.entry(record.request) {
                let stored = self.store().record(record.id).await?.ok_or(CodecError("request"))?;
                vacant.insert(self.open_stored(&stored)?);
            }
            let summary = opened.get(&record.request).and_then(|kept| summary(record.id, kept));
            let summary = summary.ok_or(CodecError("answer"))?;
            if filter.fits(&summary) {
                if page.receipts.len() == limit as usize {
                    more = true;
                    break;
                }
                page.receipts.push(summary);
            }
            last = Some(record.id);
        }
        page.next = last.filter(|_| more);
        Ok(page)
    }

    /// What is told of one receipt; `None` when this record is not ours or got no answer.
    ///
    /// # Errors
    /// The storage.
    pub async fn receipt_summary(&self, record: Ulid) -> Result<Option<ReceiptSummary>, ClientError> {
        let next = Ulid(record.0.saturating_add(1));
        let wanted = Wanted { from: record, until: next, ..Wanted::all(1) };
        if self.store().answered(wanted).await?.is_empty() {
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
            from: from.map(Millis),
            until: until.map(Millis),
            after,
            ..ReceiptFilter::default()
        };
        let of = |time: u64, random| Ulid::from_parts(time, random);
        assert_eq!(filter(None, None, None).ids(), (Ulid(0), Ulid(u128::MAX)));
        assert_eq!(filter(Some(5), Some(9), None).ids(), (of(5, 0), of(9, 0)));
        assert_eq!(filter(Some(5), None, Some(of(7, 3))).ids().0, of(7, 4));
        assert_eq!(filter(Some(8), None, Some(of(7, 3))).ids().0, of(8, 0));
        assert_eq!(filter(Some(u64::MAX), None, None).ids().0, of(MAX_TIME, 0));
        let newest = |until, after| ReceiptFilter { newest_first: true, ..filter(Some(5), until, after) };
        assert_eq!(newest(None, Some(of(7, 3))).ids(), (of(5, 0), of(7, 3)));
        assert_eq!(newest(Some(6), Some(of(7, 3))).ids(), (of(5, 0), of(6, 0)));
    }
}
