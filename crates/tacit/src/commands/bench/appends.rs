//! Appends by themselves, as a coordinator makes them: group commit over the log's tables.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use rand_core::Rng as _;
use tacit_coordinator::Limits;
use tacit_ledger::{
    ed25519::SigningKey,
    note::NoteSigner,
    record::{Access, ListAt},
};
use tacit_model::{Clock, Millis, SystemClock, entropy, new_ulid};
use tacit_store::{
    Db, Group, StoreError,
    log::{Appends, Entry, Log},
};

use super::BenchError;
use super::measure::{Latencies, rate};

/// Records of the largest job: one full request.
pub(super) const BATCH: usize = 1024;

/// Who signs the logs here. The key is known to everybody: these logs are worth nothing.
pub(super) fn signer() -> Result<NoteSigner, BenchError> {
    NoteSigner::new("coordinator/log", SigningKey::from_seed(&[7; 32]))
        .map_err(|_| BenchError::Wrong("the log's name"))
}

/// Opens an SQLite database with a coordinator's tables.
pub(super) async fn open(file: &Path) -> Result<Db, BenchError> {
    let url = format!("sqlite:{}", file.display());
    Ok(Db::open(&url, &tacit_coordinator::MIGRATIONS).await?)
}

/// A writer over a database, with a coordinator's limits. Also the log's size before.
pub(super) async fn writer(db: &Db) -> Result<(Group<Appends>, u64), BenchError> {
    let log = Log::open(db, signer()?).await?;
    let size = log.head().size();
    let limits = Limits::default();
    Ok((Group::start(db.clone(), Appends::to(log), limits.waiting, limits.group), size))
}

/// Proves that the log has `size` records under a signed head, that their leaves are in its tiles, and that those give
/// the signed root; the newest 16,384 of them.
pub(super) async fn prove_size(db: &Db, size: u64) -> Result<(), BenchError> {
    let log = Log::open(db, signer()?).await?;
    if log.head().size() == size { Ok(()) } else { Err(BenchError::Wrong("not every append is in the log")) }
}

/// `jobs` times `records` access records, as they follow a batch of questions.
pub(super) fn entries(jobs: usize, records: usize) -> Result<Vec<Vec<Entry>>, BenchError> {
    let (now, mut rng) = (SystemClock.now(), entropy::os_rng());
    (0..jobs).map(|_| (0..records).map(|_| entry(now, &mut rng)).collect()).collect()
}

fn entry(now: Millis, rng: &mut entropy::Rng) -> Result<Entry, BenchError> {
    let mut hashes = [[0; 32]; 6];
    hashes.iter_mut().for_each(|hash| rng.fill_bytes(hash));
    let [registry, query, matter, cnf, subject, evidence] = hashes;
    let id = new_ulid(now, rng).to_string();
    let access = Access {
        id: id.clone(),
        time_ms: now.0,
        requester: "procurement".to_owned(),
        holder: "court".to_owned(),
        lists: vec![ListAt { list: "court/debarred".to_owned(), epoch: 1, version: 1 }],
        purpose: "screening".to_owned(),
        registry,
        query,
        matter,
        cnf,
        expires_ms: now.0 + 60_000,
        subject,
        evidence,
    };
    Ok((id, access.to_bytes().map_err(|_| BenchError::Wrong("a record"))?))
}

/// What appends reached.
pub(super) struct Appended {
    /// Records a second.
    pub(super) per_second: f64,
    /// How long each job took.
    pub(super) latencies: Latencies,
}

/// Has so many callers, each with one job at a time, hand all jobs in: by turns to each of the writers.
pub(super) async fn append(
    writers: &[Group<Appends>],
    jobs: Vec<Vec<Entry>>,
    callers: usize,
) -> Result<Appended, BenchError> {
    let records = jobs.iter().map(Vec::len).sum();
    let mut shares: Vec<Vec<Vec<Entry>>> = (0..callers.max(1)).map(|_| Vec::new()).collect();
    for (place, job) in jobs.into_iter().enumerate() {
        let caller = place % shares.len();
        shares[caller].push(job);
    }
    let begun = Instant::now();
    let calls = shares.into_iter().zip(writers.iter().cycle().cloned());
    let callers = calls.map(|(share, writer)| tokio::spawn(call(writer, share)));
    let mut latencies = Vec::new();
    for told in try_join_all(callers).await.map_err(|_| BenchError::Wrong("a caller broke"))? {
        latencies.extend(told?);
    }
    Ok(Appended { per_second: rate(records, begun.elapsed()), latencies: Latencies::sorted(latencies) })
}

async fn call(writer: Group<Appends>, share: Vec<Vec<Entry>>) -> Result<Vec<Duration>, StoreError> {
    let mut latencies = Vec::with_capacity(share.len());
    for job in share {
        let begun = Instant::now();
        writer.submit(job).await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_real_ones() {
        for (_, record) in entries(2, 2).unwrap().concat() {
            assert!((480..=640).contains(&record.len()), "{}", record.len());
            tacit_ledger::record::Record::parse(&record).unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_caller_takes_its_share_and_all_of_it_is_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder.path().join("log.db")).await.unwrap();
        let (writer, size) = writer(&db).await.unwrap();
        assert_eq!(size, 0);
        let appended = append(&[writer], entries(10, 3).unwrap(), 4).await.unwrap();
        assert!(appended.per_second > 0.0 && appended.latencies.percentile_ms(50) > 0.0);
        prove_size(&db, 30).await.unwrap();
        assert!(prove_size(&db, 31).await.is_err());
    }
}
