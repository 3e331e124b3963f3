//! The log as an auditor reads it, held against what callers were told.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, Connection as _, Row as _};
use tacit_client::{ClientError, ConsentAuthority, LogReader};
use tacit_ledger::{
    Hash,
    merkle::{Frontier, empty_root, leaf_hash},
    record::Record,
};
use tacit_model::{Clock as _, SystemClock};

use crate::{
    load::{Acknowledged, Load},
    support::{Federation, PATIENCE},
};

/// How long before the end of its permit a use must still be on record: what was read is a little old.
const MARGIN_MS: u64 = 5_000;

/// The log as it was read so far.
pub(crate) struct Seen {
    pub(crate) size: u64,
    frontier: Frontier,
    /// Root of the first so many records.
    roots: Vec<Hash>,
    /// Index and kind of each record.
    records: HashMap<String, (u64, &'static str)>,
    /// Of each access record: its query, and until when its permit lives.
    permits: HashMap<String, ([u8; 32], u64)>,
    queries: HashSet<[u8; 32]>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            size: 0,
            frontier: Frontier::new(),
            roots: vec![empty_root()],
            records: HashMap::new(),
            permits: HashMap::new(),
            queries: HashSet::new(),
        }
    }
}

impl Seen {
    /// Reads what is new.
    pub(crate) async fn read_on(&mut self, log: &LogReader) {
        let size = log.checkpoint().await.unwrap().size();
        assert!(size >= self.size, "the log became shorter");
        log.entries(self.size, size - self.size, |entry| -> Result<(), ClientError> {
            self.frontier.push(leaf_hash(&entry.bytes));
            self.roots.push(self.frontier.root());
            let record = entry.record.unwrap();
            let known = self.records.insert(record.id().to_owned(), (entry.index, record.kind()));
            assert!(known.is_none(), "two records have one id");
            if let Record::Access(access) = &record {
                assert!(self.queries.insert(access.query), "two permits are for one blinded query");
                self.permits.insert(access.id.clone(), (access.query, access.expires_ms));
            }
            Ok(())
        })
        .await
        .unwrap();
        self.size = size;
    }

    /// Reads what is new, and holds everything that was acknowledged so far against it.
    pub(crate) async fn nothing_is_lost(
        &mut self,
        federation: &Federation,
        log: &LogReader,
        consents: &ConsentAuthority,
        load: &Load,
    ) {
        let acknowledged = Acknowledged::read(&load.path);
        self.read_on(log).await;
        self.holds(&acknowledged);
        self.used_permits_are_on_record(federation, &acknowledged).await;
        consents_are_kept(consents, &acknowledged).await;
        federation.verify_log();
        assert_eq!(load.wrong(), 0, "a wrong answer");
    }

    /// Every acknowledged answer and change is a record of its own, where its caller was told that it stands, and the
    /// log goes on from every checkpoint that anybody was shown.
    pub(crate) fn holds(&self, acknowledged: &Acknowledged) {
        let mut answered = HashSet::new();
        for answer in &acknowledged.answers {
            let found = self.records.get(&answer.record);
            assert_eq!(found, Some(&(answer.index, "access")), "an answer without its record");
            assert!(answered.insert(&answer.record), "a permit was used twice");
        }
        for change in &acknowledged.changes {
            let found = self.records.get(&change.record);
            assert_eq!(found, Some(&(change.index, "consent")), "a change of consent without its record");
        }
        for (size, root) in &acknowledged.heads {
            let found = self.roots.get(usize::try_from(*size).unwrap());
            assert_eq!(found, Some(root), "the log does not continue a checkpoint of {size} records");
        }
    }

    /// Who kept a used permit keeps it until it ends, so that nobody can use it again: the holder with its query, the
    /// custodian with its list.
    async fn used_permits_are_on_record(&self, federation: &Federation, acknowledged: &Acknowledged) {
        let now = SystemClock.now().0;
        let mut holder = open(federation, "court").await;
        let mut custodian = open(federation, "custodian").await;
        for answer in acknowledged.answers.iter().rev() {
            let (query, expires) = self.permits[&answer.record];
            if expires <= now + MARGIN_MS {
                continue;
            }
            let row = sqlx::query("SELECT query FROM used_permit WHERE id = $1").bind(&answer.record);
            let row = row.fetch_optional(&mut holder).await.unwrap();
            let Some(row) = row else { panic!("the holder keeps every permit that it answered") };
            assert_eq!(row.get::<Vec<u8>, _>(0), query);
            let row = sqlx::query("SELECT count(*) FROM permit_use WHERE permit = $1").bind(&answer.record);
            let row = row.fetch_one(&mut custodian).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 1, "the custodian keeps every permit that took a bucket");
        }
    }
}

/// Behind what was acknowledged no consent may be.
async fn consents_are_kept(consents: &ConsentAuthority, acknowledged: &Acknowledged) {
    let kept = consents.list(&[]).await.unwrap();
    let kept: HashMap<_, _> = kept.into_iter().map(|it| (it.consent.id, it)).collect();
    for (id, change) in acknowledged.newest() {
        let kept = &kept[&id];
        assert!(kept.number >= change.number, "an acknowledged change was lost");
        assert!(kept.number > change.number || kept.state.as_str() == change.state);
    }
}

/// Waits until so many more operations were acknowledged.
pub(crate) async fn progress_by(load: &Load, more: u64) {
    let (begun, until) = (Instant::now(), load.count() + more);
    while load.count() < until {
        assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Of sorted times.
pub(crate) fn percentiles(sorted: &[Duration]) -> String {
    let at = |part: usize| sorted[(sorted.len() - 1) * part / 100].as_millis();
    format!("p50 {} ms, p95 {} ms, max {} ms", at(50), at(95), at(100))
}

pub(crate) async fn open(federation: &Federation, member: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&federation.database_url(member)).await.unwrap()
}
