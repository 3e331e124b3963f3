//! The record of use: a permit is durably noted before it is answered, once, and counted against the holder's own
//! quota. Many calls share one commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tacit_model::{Clock, Millis, Reason};
use tacit_store::{Db, Group, GroupTx, GroupWork, Overloaded, Reads, StoreError};
use tacit_witness::Ground;

use super::permit::Permit;
use crate::store::holder::permits::{self, CountKey, Known, NewUse};

/// Calls that may wait; more are turned away.
const WAITING: usize = 1024;
/// Calls of one commit.
const LARGEST: usize = 128;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// A permit whose use is durable, and what it rests on too: the only thing that a list key answers. Made by the writer
/// alone, and given out after its commit.
pub(super) struct Recorded {
    permit: Permit,
}

impl Recorded {
    pub(super) fn permit(&self) -> &Permit {
        &self.permit
    }
}

/// Why a permit is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAnswered {
    Because(Reason),
    /// The day's answers are used up.
    Quota {
        resets: Millis,
    },
}

type Outcome = Result<Recorded, NotAnswered>;

/// Notes permits as used; clones share it.
#[derive(Clone, Debug)]
pub(super) struct UseWriter(Group<Uses>);

impl UseWriter {
    pub(super) fn start(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self(Group::start(db, Uses { clock }, WAITING, LARGEST))
    }

    /// Waits until nothing can be noted any more: the disk failed.
    pub(super) async fn stopped(&self) {
        self.0.stopped().await;
    }

    /// Notes the permits of one call; each has its own outcome, in order.
    pub(super) async fn record(&self, permits: Vec<Permit>) -> Result<Vec<Outcome>, Reason> {
        let Some(ground) = Ground::furthest(permits.iter().map(Permit::ground)).cloned() else {
            return Ok(Vec::new());
        };
        let written = self.0.try_submit(permits).await.map_err(|Overloaded| Reason::Overloaded)?;
        let outcomes = written.map_err(|error| {
            tracing::error!(%error, "used permits could not be recorded");
            Reason::Unavailable
        })?;
        ground.settled().await?;
        Ok(outcomes)
    }
}

struct Uses {
    clock: Arc<dyn Clock>,
}

impl GroupWork for Uses {
    type Job = Vec<Permit>;
    type Done = Vec<Outcome>;

    async fn apply(
        &mut self,
        tx: &mut GroupTx<'_>,
        jobs: Vec<Vec<Permit>>,
    ) -> Result<Vec<Vec<Outcome>>, StoreError> {
        let ground = Ground::furthest(jobs.iter().flatten().map(Permit::ground));
        let now = ground.map_or_else(|| self.clock.now(), Ground::time);
        let ids: Vec<&str> = jobs.iter().flatten().map(Permit::id).collect();
        let keys = jobs.iter().flatten().flat_map(|permit| count_keys(permit, now.utc_day())).collect();
        let mut reads = Reads::new(tx.dialect());
        let carried = ground.and_then(|ground| ground.carry(&mut reads));
        let known = permits::read_known(&mut reads, &ids, keys);
        let mut rows = tx.fetch(reads).await?;
        // Another replica may have answered meanwhile, and accepted a newer record.
        let Known { newest, used, counts } = permits::known(known, &mut rows)?;
        if let Some(carried) = carried {
            carried.write(&mut rows, tx)?;
        }
        let counts = counts.into_iter().map(|(key, before)| (key, Count { before, now: before })).collect();
        let mut commit = Commit { now, newest, used, counts, uses: Vec::new() };
        let done: Vec<Vec<Outcome>> = jobs
            .into_iter()
            .map(|job| job.into_iter().map(|permit| commit.decide(permit)).collect())
            .collect();
        let last = tx.last();
        permits::add(last, &commit.uses);
        for (key, count) in &commit.counts {
            if count.now > count.before {
                permits::set_count(last, key, count.now);
            }
        }
        if commit.newest > newest {
            permits::set_newest_accepted(last, commit.newest);
        }
        Ok(done)
    }
}

struct Count {
    before: u64,
    now: u64,
}

/// One commit under way.
struct Commit {
    now: Millis,
    newest: Millis,
    used: HashMap<String, [u8; 32]>,
    counts: BTreeMap<CountKey, Count>,
    uses: Vec<NewUse>,
}

fn count_keys(permit: &Permit, day: u64) -> impl Iterator<Item = CountKey> {
    permit.lists().iter().map(move |asked| CountKey {
        day,
        requester: permit.requester().to_owned(),
        list: asked.list.to_string(),
        purpose: permit.purpose().to_owned(),
    })
}

impl Commit {
    fn decide(&mut self, permit: Permit) -> Outcome {
        // Time went on while the permit waited, and never goes back behind what was accepted.
        if self.now >= permit.expires() || permit.expires() < self.newest {
            return Err(NotAnswered::Because(Reason::PermitExpired));
        }
        match self.used.get(permit.id()) {
            Some(query) if query == permit.query_hash() => return Ok(Recorded { permit }),
            Some(_) => return Err(NotAnswered::Because(Reason::PermitUsed)),
            None => {}
        }
        let day = self.now.utc_day();
        let keys: Vec<CountKey> = count_keys(&permit, day).collect();
        let most =
            keys.iter().filter_map(|key| self.counts.get(key)).map(|count| count.now).max().unwrap_or(0);
        if most >= permit.checks_per_day() {
            return Err(NotAnswered::Quota { resets: Millis((day + 1) * DAY_MS) });
        }
        for key in keys {
            if let Some(count) = self.counts.get_mut(&key) {
                count.now += 1;
            }
        }
        let id = permit.id().to_owned();
        self.used.insert(id.clone(), *permit.query_hash());
        self.uses.push(NewUse { id, query: *permit.query_hash(), expires: permit.expires() });
        self.newest = self.newest.max(permit.time());
        Ok(Recorded { permit })
    }
}
