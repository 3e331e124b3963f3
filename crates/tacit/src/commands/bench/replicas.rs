//! Two replicas of a coordinator's log over one PostgreSQL database. Each appends through its own connection and has
//! its own memory; only one at a time holds the head.

use tacit_store::{Db, Dialect};

use super::BenchError;
use super::appends::{append, entries, prove_size, writer};
use super::figure::{Figure, Floor};
use super::log::{CALLERS, Disk, keep};
use super::measure::Effort;

/// Replicas over one database.
const REPLICAS: usize = 2;

/// Measures on the database at `url`, which is for this alone. What is appended stays there; a log that somebody else
/// signed is refused.
pub(super) async fn run(
    url: &str,
    effort: Effort,
    rounds: usize,
    disk: &Disk,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let (mut dbs, mut writers, mut size) = (Vec::new(), Vec::new(), 0);
    for _ in 0..REPLICAS {
        let db = Db::open(url, &tacit_coordinator::MIGRATIONS).await?;
        if db.dialect() != Dialect::Postgres {
            return Err(BenchError::Wrong("replicas need PostgreSQL"));
        }
        let (writer, stored) = writer(&db).await?;
        writers.push(writer);
        dbs.push(db);
        size = stored;
    }
    let jobs = CALLERS * rounds;
    let mut rates = [0.0_f64; 2];
    for _ in 0..effort.runs {
        let one = append(&writers[..1], entries(jobs, 1)?, CALLERS).await?.per_second;
        let both = append(&writers, entries(jobs, 1)?, CALLERS).await?.per_second;
        keep(&mut rates, [one, both]);
        size += 2 * jobs as u64;
    }
    drop(writers);
    prove_size(&dbs[0], size).await?;
    for db in dbs {
        db.close().await;
    }
    let [one, both] = rates;
    let one = Figure::new("replicas.1", "PostgreSQL: log appends of one replica, 256 callers", one, "1/s")
        .of(&disk.grouped);
    let both = Figure::new("replicas.2", "PostgreSQL: two replicas together, 128 callers each", both, "1/s")
        .of(&one)
        .floor(Floor::AtLeast(2000.0));
    figures.extend([one, both]);
    Ok(())
}
