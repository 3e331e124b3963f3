//! Counts over records and the pseudonyms behind them. They name no pseudonym; the auditor counts the records itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use tacit_ledger::record::Record;
use tacit_model::MemberId;
use tacit_store::StoreError;
use tacit_wire::coordinator as pb;
use tonic::{Status, metadata::MetadataMap};

use super::{Shared, malformed, store_trouble};
use crate::store::{audits, subjects::Number};

/// Most records of one call.
const RANGE_MAX: u64 = 1_000_000;
/// Records read at a time.
const PAGE: u64 = 4096;

/// What is counted of a requester.
#[derive(Default)]
struct Count {
    checks: u64,
    erased: u64,
    /// Records and lists by subject.
    subjects: HashMap<Number, (u64, HashSet<String>)>,
}

impl Shared {
    pub(super) async fn signals(
        &self,
        reader: &MemberId,
        asked: &pb::GetSignalsRequest,
        metadata: &MetadataMap,
    ) -> Result<Vec<pb::RequesterSignals>, Status> {
        let wrong = |field, problem| malformed(&tacit_wire::Malformed { field, problem }, metadata);
        if asked.until < asked.from || asked.until > self.log.head().size() {
            return Err(wrong("until", "is not within the log"));
        }
        if asked.until - asked.from > RANGE_MAX {
            return Err(wrong("until", "is more than 1,000,000 records after from"));
        }
        if asked.repeats < 2 {
            return Err(wrong("repeats", "is below 2"));
        }
        let counted = self.counted(asked.from, asked.until).await;
        let counted = counted.map_err(|error| store_trouble(&error, metadata))?;
        let behind: usize = counted.values().map(|count| count.subjects.len()).sum();
        // On record before any of it is answered.
        self.record_reading(reader, (behind as u64).max(1), None, metadata).await?;
        let told = self.told(counted, u64::from(asked.repeats)).await;
        told.map_err(|error| store_trouble(&error, metadata))
    }

    async fn counted(&self, from: u64, until: u64) -> Result<BTreeMap<String, Count>, StoreError> {
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        let mut next = from;
        while next < until {
            let end = until.min(next + PAGE);
            let records = self.log.entries(next, end - next).await?;
            let behind: HashMap<u64, Number> = {
                let mut conn = self.db.read().await?;
                audits::subjects_between(&mut conn, next, end).await?.into_iter().collect()
            };
            for (index, bytes) in (next..).zip(records) {
                let (requester, lists): (String, Vec<String>) = match Record::parse(&bytes) {
                    Ok(Record::Access(it)) => {
                        (it.requester, it.lists.into_iter().map(|at| at.list).collect())
                    }
                    Ok(Record::Refused(it)) => (it.requester, it.lists),
                    _ => continue,
                };
                let count = counts.entry(requester).or_default();
                count.checks += 1;
                match behind.get(&index) {
                    Some(subject) => {
                        let (checks, asked) = count.subjects.entry(*subject).or_default();
                        *checks += 1;
                        asked.extend(lists);
                    }
                    None => count.erased += 1,
                }
            }
            next = end;
        }
        Ok(counts)
    }

    async fn told(
        &self,
        mut counts: BTreeMap<String, Count>,
        repeats: u64,
    ) -> Result<Vec<pb::RequesterSignals>, StoreError> {
        let enrolled = {
            let mut conn = self.db.read().await?;
            audits::enrolled(&mut conn).await?
        };
        let enrolled: HashMap<String, (u64, u64)> =
            enrolled.into_iter().map(|(requester, all, without)| (requester, (all, without))).collect();
        for requester in enrolled.keys() {
            counts.entry(requester.clone()).or_default();
        }
        let told = counts.into_iter().map(|(requester, count)| {
            let (enrolled, without_consent) = enrolled.get(&requester).copied().unwrap_or_default();
            let most =
                |of: fn(&(u64, HashSet<String>)) -> u64| count.subjects.values().map(of).max().unwrap_or(0);
            pb::RequesterSignals {
                checks: count.checks,
                subjects: count.subjects.len() as u64,
                erased: count.erased,
                most_of_one: most(|(checks, _)| *checks),
                repeated: count.subjects.values().filter(|(checks, _)| *checks >= repeats).count() as u64,
                most_lists: most(|(_, lists)| lists.len() as u64),
                enrolled,
                without_consent,
                requester,
            }
        });
        Ok(told.collect())
    }
}
