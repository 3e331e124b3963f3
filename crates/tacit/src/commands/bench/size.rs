//! What one record costs on the coordinator's disk: with its id and its leaf, what opens it, the request it answered,
//! chains, quotas, registrations, and every index.
//!
//! Real checks are made through a whole federation. Before and after, every role is stopped: the last connection that
//! closes takes the write-ahead log into the file, and what the file grew by is what the records between cost.

use std::path::Path;
use std::sync::Arc;

use tacit_federation::config::{CoordinatorFile, Environment, RoleFile as _};
use tacit_federation::run::{StartError, read_seed};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::NoteSigner;
use tacit_model::Clock;
use tacit_store::{Db, log::Log};

use super::BenchError;
use super::calls;
use super::figure::{Figure, Floor};
use super::rig::{AtRest, Rig};

/// Records of the list that is asked. What the coordinator keeps does not depend on it.
const RECORDS: u64 = 1_000;

/// Newest records whose own bytes are counted.
const LOOKED_AT: u64 = 1_024;

/// The coordinator's file between two starts.
#[derive(Clone, Copy, Debug)]
struct Weight {
    /// Bytes of the database file.
    bytes: u64,
    /// Records in the log.
    records: u64,
    /// Mean bytes of the newest records by themselves.
    alone: f64,
}

impl Weight {
    /// What the file grew by, for each record that came since `before`.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    fn per_record(self, before: Self) -> f64 {
        let records = self.records.saturating_sub(before.records).max(1);
        self.bytes.saturating_sub(before.bytes) as f64 / records as f64
    }
}

/// Checks `checks` subjects: for the first time, again in batches, and again one by one.
pub(super) async fn run(
    folder: &Path,
    clock: Arc<dyn Clock>,
    checks: u64,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let folder = folder.join("weighed");
    let rig = Rig::start(&folder, clock).await?;
    // Sealing is measured elsewhere.
    let unmeasured = Figure::new("", "", 1.0, "");
    rig.import(&folder, RECORDS, &unmeasured, 1, &mut Vec::new()).await?;
    // Tables that are not empty grow as those of a coordinator do that has been at work.
    calls::batch(&rig, RECORDS, 0, checks).await?;
    let (rig, start) = weigh(rig).await?;
    calls::batch(&rig, RECORDS, checks, checks).await?;
    let (rig, first) = weigh(rig).await?;
    calls::batch(&rig, RECORDS, 0, checks).await?;
    let (rig, batch) = weigh(rig).await?;
    calls::one_by_one(&rig, RECORDS, checks).await?;
    let (rig, single) = weigh(rig).await?;
    rig.stop().await?;

    for (after, before) in [(first, start), (batch, first), (single, batch)] {
        if after.records < before.records + checks {
            return Err(BenchError::Wrong("there are fewer records than checks"));
        }
    }
    let record = Figure::new("raw.record", "bytes of one record by itself", single.alone, "bytes");
    let grown = |name, what, after: Weight, before| {
        let value = after.per_record(before);
        Figure::new(name, what, value, "bytes").share(record.value / value, record.name)
    };
    let floor = Floor::AtMost(2048.0);
    figures.push(record.clone());
    figures.push(
        grown("size.batch", "all tables, growth of the closed file per record: batches", batch, first)
            .floor(floor),
    );
    figures.push(
        grown("size.single", "the same of single checks, each its own request", single, batch).floor(floor),
    );
    figures.push(grown("size.first", "the same of batches that register each subject first", first, start));
    Ok(())
}

/// Stops everything, weighs the coordinator's file, and starts everything again.
async fn weigh(rig: Rig) -> Result<(Rig, Weight), BenchError> {
    let rest = rig.stop().await?;
    let weight = weigh_closed(&rest).await?;
    Ok((rest.start().await?, weight))
}

async fn weigh_closed(rest: &AtRest) -> Result<Weight, BenchError> {
    let path = rest.folder().join("coordinator.toml");
    let file = CoordinatorFile::load(&path, Environment::Ignored).map_err(StartError::from)?;
    let database =
        file.database.strip_prefix("sqlite:").ok_or(BenchError::Wrong("the coordinator's database"))?;
    if Path::new(&format!("{database}-wal")).exists() {
        return Err(BenchError::Wrong("the coordinator's database is not closed"));
    }
    let bytes = std::fs::metadata(database)?.len();

    let seed = read_seed(&file.keys.log).map_err(|source| StartError::Seed { key: "log", source })?;
    let signer = NoteSigner::new(&format!("{}/log", file.member), SigningKey::from_seed(&seed))
        .map_err(|_| BenchError::Wrong("the log's name"))?;
    let db = Db::open(&file.database, &tacit_coordinator::MIGRATIONS).await?;
    let log = Log::open(&db, signer).await?;
    let records = log.head().size();
    let newest = log.entries(records.saturating_sub(LOOKED_AT), LOOKED_AT).await?;
    db.close().await;
    #[expect(clippy::cast_precision_loss, reason = "a thousand records")]
    let alone = newest.iter().map(Vec::len).sum::<usize>() as f64 / newest.len().max(1) as f64;
    Ok(Weight { bytes, records, alone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_shared_by_the_records_that_came() {
        let before = Weight { bytes: 1_000, records: 10, alone: 0.0 };
        let after = Weight { bytes: 21_000, records: 20, alone: 0.0 };
        assert_eq!(after.per_record(before), 2_000.0);
        assert_eq!(before.per_record(before), 0.0);
    }
}
