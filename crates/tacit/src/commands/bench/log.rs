//! The log by itself: durable appends on SQLite, against the file system's own durable appends.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::BenchError;
use super::appends::{BATCH, append, entries, open, prove_size, writer};
use super::figure::{Figure, Floor};
use super::measure::{Effort, Latencies, rate};

/// Callers of a busy log.
pub(super) const CALLERS: usize = 256;

/// Callers of one that is a quarter as busy.
const SOME: usize = 64;

/// What the file system does when everything is synchronized before the next thing begins.
pub(super) struct Disk {
    alone: Figure,
    p50: Figure,
    /// Records a second in appends of as many as there are callers.
    pub(super) grouped: Figure,
    batch: Figure,
}

/// Appends to a file in `folder`, which must be on the disk that counts.
pub(super) fn disk(
    folder: &Path,
    effort: Effort,
    rounds: usize,
    figures: &mut Vec<Figure>,
) -> Result<Disk, BenchError> {
    let (mut rates, mut p50) = ([0.0_f64; 3], f64::INFINITY);
    for run in 0..effort.runs {
        let path = folder.join(format!("appends-{run}"));
        let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
        let (alone, latencies) = raw(&mut file, 20 * rounds, 1)?;
        p50 = p50.min(latencies.percentile_ms(50));
        keep(&mut rates, [alone, raw(&mut file, rounds, CALLERS)?.0, raw(&mut file, rounds, BATCH)?.0]);
    }
    let [alone, grouped, batch] = rates;
    let disk = Disk {
        alone: Figure::new("raw.disk", "durable file appends, one record at a time", alone, "1/s"),
        p50: Figure::new("raw.disk.p50", "durable file append of one record: median", p50, "ms"),
        grouped: Figure::new("raw.disk.256", "records in durable file appends of 256", grouped, "1/s"),
        batch: Figure::new("raw.disk.batch", "records in durable file appends of 1,024", batch, "1/s"),
    };
    figures.extend([&disk.alone, &disk.p50, &disk.grouped, &disk.batch].map(Figure::clone));
    Ok(disk)
}

/// Appends of `records` records each to a file, synchronized one by one; records a second.
fn raw(file: &mut File, appends: usize, records: usize) -> Result<(f64, Latencies), BenchError> {
    let bytes: Vec<u8> = entries(1, records)?.into_iter().flatten().flat_map(|(_, bytes)| bytes).collect();
    let mut latencies = Vec::with_capacity(appends);
    let start = Instant::now();
    for _ in 0..appends {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        latencies.push(begun.elapsed());
    }
    Ok((rate(appends * records, start.elapsed()), Latencies::sorted(latencies)))
}

/// Appends to a log in `folder`: each answered when it is durable, in the tree, and under a signed head.
pub(super) async fn run(
    folder: &Path,
    effort: Effort,
    rounds: usize,
    disk: &Disk,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let (mut rates, mut p50) = ([0.0_f64; 4], f64::INFINITY);
    for run in 0..effort.runs {
        let db = open(&folder.join(format!("log-{run}.db"))).await?;
        let (writer, _) = writer(&db).await?;
        let writers = [writer];
        let sizes = [20 * rounds, 40 * rounds, CALLERS * rounds, rounds * BATCH];
        let alone = append(&writers, entries(sizes[0], 1)?, 1).await?;
        p50 = p50.min(alone.latencies.percentile_ms(50));
        let some = append(&writers, entries(sizes[1], 1)?, SOME).await?;
        let many = append(&writers, entries(sizes[2], 1)?, CALLERS).await?;
        let batch = append(&writers, entries(rounds, BATCH)?, 1).await?;
        keep(&mut rates, [&alone, &some, &many, &batch].map(|appended| appended.per_second));
        drop(writers);
        prove_size(&db, sizes.iter().map(|size| *size as u64).sum()).await?;
        db.close().await;
    }
    let [alone, some, many, batch] = rates;
    figures.push(
        Figure::new("log.256", "log appends, durable and signed, 256 callers", many, "1/s")
            .of(&disk.grouped)
            .floor(Floor::AtLeast(5000.0)),
    );
    let share = disk.p50.value / p50;
    figures.push(
        Figure::new("log.p50", "log append, durable and signed, idle: median", p50, "ms")
            .share(share, disk.p50.name)
            .floor(Floor::AtMost(3.0)),
    );
    figures.push(Figure::new("log.alone", "log appends, one at a time", alone, "1/s").of(&disk.alone));
    figures.push(Figure::new("log.64", "log appends, 64 callers", some, "1/s").of(&disk.alone));
    figures.push(Figure::new("log.batch", "log appends in batches of 1,024", batch, "1/s").of(&disk.batch));
    Ok(())
}

/// Keeps the better of each.
pub(super) fn keep<const N: usize>(best: &mut [f64; N], rates: [f64; N]) {
    best.iter_mut().zip(rates).for_each(|(best, rate)| *best = best.max(rate));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_and_the_disk_below_it_give_figures() {
        let (folder, mut figures) = (tempfile::tempdir().unwrap(), Vec::new());
        let effort = Effort { runs: 1, at_least: Duration::ZERO };
        let disk = disk(folder.path(), effort, 1, &mut figures).unwrap();
        run(folder.path(), effort, 1, &disk, &mut figures).await.unwrap();
        assert_eq!(figures.len(), 9);
        assert!(figures.iter().all(|figure| figure.value > 0.0));
        assert_eq!(figures.iter().filter(|figure| figure.floor.is_some()).count(), 2);
    }
}
