//! The log by itself: durable appends on SQLite, against the file system's own durable appends.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand_core::Rng as _;
use tacit_ledger::{
    ed25519::SigningKey,
    note::NoteSigner,
    record::{Access, ListAt},
};
use tacit_model::{Clock, Millis, SystemClock, entropy, new_ulid};
use tacit_store::{
    Conn, Db, Group, GroupWork, StoreError,
    log::{Append, Log, Pending},
};

use super::BenchError;
use super::figure::Figure;
use super::measure::{Effort, rate};

/// Records of one batch: one full request.
const BATCH: usize = 1024;

/// Appends that wait at one time.
const IN_FLIGHT: usize = 64;

/// A record as the log takes it: its id and its bytes.
type Entry = (String, Vec<u8>);

/// Measures in `folder`, which must be on the disk that counts. `rounds` batches make one run.
pub(super) async fn run(
    folder: &Path,
    effort: Effort,
    rounds: usize,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let (mut best, mut best_raw) = ([0.0_f64; 3], [0.0_f64; 2]);
    for run in 0..effort.runs {
        let path = folder.join(format!("appends-{run}"));
        let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
        keep(&mut best_raw, [raw(&mut file, 20 * rounds, 1)?, raw(&mut file, rounds, BATCH)?]);

        let url = format!("sqlite:{}", folder.join(format!("log-{run}.db")).display());
        let db = Db::open(&url, &tacit_coordinator::MIGRATIONS).await?;
        let signer = NoteSigner::new("coordinator/log", SigningKey::from_seed(&[7; 32]))
            .map_err(|_| BenchError::Wrong("the log's name"))?;
        let work = Appends { log: Log::open(&db, signer).await?, pending: None };
        let group = Group::start(db.clone(), work, 4 * IN_FLIGHT, 256);
        let rates = [
            append(&group, entries(20 * rounds, 1)?, 1).await?,
            append(&group, entries(40 * rounds, 1)?, IN_FLIGHT).await?,
            append(&group, entries(rounds, BATCH)?, 1).await?,
        ];
        keep(&mut best, rates);
        drop(group);
        db.close().await;
    }
    let [alone, batch] = best_raw;
    let raw_alone = Figure::new("raw.disk", "durable file appends, one record at a time", alone, "1/s");
    let raw_batch = Figure::new("raw.disk.batch", "records in durable file appends of 1,024", batch, "1/s");
    figures.extend([raw_alone.clone(), raw_batch.clone()]);
    let [alone, in_flight, batch] = best;
    figures.push(Figure::new("log.alone", "durable log appends, one at a time", alone, "1/s").of(&raw_alone));
    figures.push(Figure::new("log.64", "durable log appends, 64 in flight", in_flight, "1/s").of(&raw_alone));
    figures.push(Figure::new("log.batch", "log appends in batches of 1,024", batch, "1/s").of(&raw_batch));
    Ok(())
}

fn keep<const N: usize>(best: &mut [f64; N], rates: [f64; N]) {
    best.iter_mut().zip(rates).for_each(|(best, rate)| *best = best.max(rate));
}

/// Appends of `records` records each to a file, synchronized one by one; records a second.
fn raw(file: &mut File, appends: usize, records: usize) -> Result<f64, BenchError> {
    let bytes: Vec<u8> = entries(1, records)?.into_iter().flatten().flat_map(|(_, bytes)| bytes).collect();
    let start = Instant::now();
    for _ in 0..appends {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    Ok(rate(appends * records, start.elapsed()))
}

/// `jobs` times `records` access records, as they follow a batch of questions.
fn entries(jobs: usize, records: usize) -> Result<Vec<Vec<Entry>>, BenchError> {
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

/// Hands all jobs in, `in_flight` at a time; records a second.
async fn append(group: &Group<Appends>, jobs: Vec<Vec<Entry>>, in_flight: usize) -> Result<f64, BenchError> {
    let records = jobs.iter().map(Vec::len).sum();
    let start = Instant::now();
    stream::iter(jobs)
        .map(|job| group.submit(job))
        .buffer_unordered(in_flight)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(rate(records, start.elapsed()))
}

/// Appends and nothing else: no decisions, no openings.
struct Appends {
    log: Log,
    pending: Option<Pending>,
}

impl GroupWork for Appends {
    type Job = Vec<Entry>;
    type Done = ();

    async fn apply(&mut self, conn: &mut Conn, jobs: Vec<Vec<Entry>>) -> Result<Vec<()>, StoreError> {
        let mut append: Append = self.log.begin(conn).await?;
        let done = jobs.iter().map(|_| ()).collect();
        for (id, record) in jobs.into_iter().flatten() {
            append.push(id, record);
        }
        self.pending = Some(self.log.finish(conn, &append).await?);
        Ok(done)
    }

    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.log.publish(pending);
        }
    }

    fn failed(&mut self) {
        self.pending = None;
        self.log.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_log_and_the_disk_below_it_give_figures() {
        let (folder, mut figures) = (tempfile::tempdir().unwrap(), Vec::new());
        let effort = Effort { runs: 1, at_least: Duration::ZERO };
        run(folder.path(), effort, 1, &mut figures).await.unwrap();
        assert_eq!(figures.len(), 5);
        assert!(figures.iter().all(|figure| figure.value > 0.0));
    }
}
