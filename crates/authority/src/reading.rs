//! Readings: on a schedule, all chains of all users together, in an order that says nothing.
//!
//! ```text
//! every interval, more or less ─▶ users without chains: D evaluates, in batches per requester
//!                              ─▶ all chains, shuffled ─▶ up to 1024 at a time: C ─▶ verify ─▶ one commit
//! ```
//!
//! Nothing that a user does begins a reading or moves a chain in it, so that the coordinator cannot tell from it who
//! logged in, nor which pseudonyms of different requesters are one user's. A reading that was broken off goes on with
//! what is left of it, shuffled anew.

mod part;

use std::{sync::Arc, time::Duration};

use rand_core::CryptoRng;
use serde::Deserialize;
use tacit_client::{ClientError, ConsentAuthority, Kind, RowKey};
use tacit_model::{Clock, Millis, Reason, SubjectCode};
use tacit_store::{Db, StoreError, begin};
use tokio::sync::{Mutex, Notify};

use crate::{
    sealed::{Chain, RowError, Rows, User},
    source::Source,
    store::{chains, readings, users},
};

/// Users whose pseudonyms are evaluated together.
const USERS: u32 = 1024;
/// How long the schedule sleeps at most, so that a clock that is set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// How many intervals the newest whole reading may be ago.
const LATE: u64 = 2;
/// How long it sleeps at least.
const SLEEP_MIN: Duration = Duration::from_millis(50);

/// When and how chains are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadingConfig {
    /// From the beginning of one reading to that of the next, in milliseconds; each time up to a quarter more or less.
    pub every_ms: u64,
    /// Chains of one request to the coordinator; 1 to 1024.
    pub chunk: usize,
}

impl Default for ReadingConfig {
    fn default() -> Self {
        Self { every_ms: 6 * 3_600_000, chunk: 1024 }
    }
}

impl ReadingConfig {
    /// What is wrong, with the key.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(100..=7 * 86_400_000).contains(&self.every_ms) {
            return Err(("reading.every_ms", "from 100 to 604800000"));
        }
        if !(1..=1024).contains(&self.chunk) {
            return Err(("reading.chunk", "from 1 to 1024"));
        }
        Ok(())
    }

    /// Whether a reading that began at `as_of` and is still the newest whole one at `now` is older than it should be.
    #[must_use]
    pub fn is_late(&self, as_of: Millis, now: Millis) -> bool {
        now.since(as_of) > self.every_ms.saturating_mul(LATE)
    }

    /// How long after the beginning of one reading the next one begins: a quarter more or less.
    pub(crate) fn pause_ms(&self, rng: &mut impl CryptoRng) -> u64 {
        let quarter = self.every_ms / 4;
        self.every_ms - quarter + below(2 * quarter + 1, rng)
    }
}

/// A number below `bound`, which is above 0. What 64 bits favor is nothing that could be seen.
fn below(bound: u64, rng: &mut impl CryptoRng) -> u64 {
    rng.next_u64() % bound.max(1)
}

/// Shuffles (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut impl CryptoRng) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(below(last as u64 + 1, rng)).unwrap_or(last);
        items.swap(last, other);
    }
}

/// Why a reading did not come to its end; it is resumed.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The database.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// A stored row.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Coordinator or custodian.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A code that was kept is none under this registry.
    #[error("a user's code is of a scheme that the registry does not know any more")]
    Scheme,
    /// A letter whose member's pseudonym of the user is not evaluated yet.
    #[error("the pseudonym that a letter is addressed by is not known yet")]
    Unaddressed,
}

/// Reads a code that was kept, by its scheme.
pub(crate) type ReadCode = dyn Fn(&str, &str) -> Option<SubjectCode> + Send + Sync;

/// Reads, and knows what was read. Clones share everything.
#[derive(Clone)]
pub(crate) struct Readings {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) schemes: Arc<ReadCode>,
    pub(crate) db: Db,
    pub(crate) rows: Arc<Rows>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: ReadingConfig,
    /// Writes letters for users; none where no letters are carried.
    pub(crate) authority: Option<ConsentAuthority>,
    /// One reading at a time.
    pub(crate) one: Arc<Mutex<()>>,
    /// Told when a reading has ended.
    pub(crate) ended: Arc<Notify>,
}

impl Readings {
    /// Reads on the schedule, for ever: run it as a task.
    pub(crate) async fn run(self) {
        loop {
            let mut rng = tacit_model::entropy::os_rng();
            let wait = match self.step(&mut rng).await {
                Ok(wait) => wait,
                Err(error) => {
                    metrics::counter!("tacit_authority_readings_failed_total").increment(1);
                    tracing::warn!(%error, "a reading did not come to its end; it is resumed");
                    Duration::from_millis(self.config.every_ms / 4)
                }
            };
            tokio::time::sleep(wait.clamp(SLEEP_MIN, SLEEP_MAX)).await;
        }
    }

    /// Reads when it is time, and says how long to wait.
    async fn step(&self, rng: &mut impl CryptoRng) -> Result<Duration, ReadingError> {
        let (newest, next) = {
            let mut conn = self.db.read().await?;
            (readings::newest(&mut conn).await?, readings::next(&mut conn).await?)
        };
        let now = self.clock.now();
        let broken_off = newest.is_some_and(|it| it.ended.is_none());
        let next = match next {
            Some(next) => next,
            // The first one comes at a time of its own too, and soon.
            None => {
                let first = now.plus_ms(below(self.config.every_ms / 10 + 1, rng));
                readings::schedule(&mut *self.db.write().await?, first).await?;
                first
            }
        };
        if broken_off || next <= now {
            self.read_all(rng).await?;
            return Ok(Duration::ZERO);
        }
        Ok(Duration::from_millis(next.since(now)))
    }

    /// One reading, from its beginning or from where it was broken off.
    pub(crate) async fn read_all(&self, rng: &mut impl CryptoRng) -> Result<u64, ReadingError> {
        let _one = self.one.lock().await;
        let newest = readings::newest(&mut *self.db.read().await?).await?;
        let (run, began) = match newest {
            Some(open) if open.ended.is_none() => (open.run, open.began),
            other => {
                let run = other.map_or(1, |it| it.run + 1);
                let now = self.clock.now();
                readings::begin(&mut *self.db.write().await?, run, now).await?;
                (run, now)
            }
        };
        self.complete(rng).await?;
        let mut order = chains::unread(&mut *self.db.read().await?, run).await?;
        shuffle(&mut order, rng);
        let mut read = 0;
        for part in order.chunks(self.config.chunk) {
            self.read_part(run, part, rng).await?;
            read += part.len() as u64;
        }
        self.send_letters(rng).await?;
        let next = began.plus_ms(self.config.pause_ms(rng)).max(self.clock.now());
        readings::end(&mut *self.db.write().await?, run, self.clock.now(), next).await?;
        metrics::counter!("tacit_authority_readings_total").increment(1);
        tracing::info!(
            run,
            chains = read,
            next = next.to_rfc3339(),
            "what is on record about all users was read"
        );
        self.ended.notify_waiters();
        Ok(run)
    }

    /// Makes the chains that users lack: the custodian evaluates, in batches per requester, as far as the cap of the day
    /// goes. Users whose turn does not come wait for the next reading.
    async fn complete(&self, rng: &mut impl CryptoRng) -> Result<(), ReadingError> {
        let requesters = self.source.requesters();
        let covered = self.rows.covered(&requesters);
        let mut after: RowKey = [0; 32];
        loop {
            let batch = users::uncovered(&mut *self.db.read().await?, &covered, &after, USERS).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.key;
            let mut people = Vec::with_capacity(batch.len());
            for row in &batch {
                let user: User = self.rows.open(Kind::User, &row.key, &row.sealed)?;
                let code = (self.schemes)(&user.scheme, &user.code).ok_or(ReadingError::Scheme)?;
                people.push((row.key, code));
            }
            for (requester, epoch) in &requesters {
                if !self.complete_for(requester, *epoch, &people, rng).await? {
                    return Ok(());
                }
            }
            let keys: Vec<RowKey> = people.iter().map(|(key, _)| *key).collect();
            users::set_covered(&mut *self.db.write().await?, &keys, &covered).await?;
        }
    }

    /// Makes the chains of these users with one requester; false when the cap of the day is used up.
    async fn complete_for(
        &self,
        requester: &tacit_model::MemberId,
        epoch: u32,
        people: &[(RowKey, SubjectCode)],
        rng: &mut impl CryptoRng,
    ) -> Result<bool, ReadingError> {
        let keys: Vec<RowKey> =
            people.iter().map(|(user, _)| self.rows.chain(user, requester, epoch)).collect();
        let known = chains::known(&mut *self.db.read().await?, &keys).await?;
        let missing: Vec<_> = keys.iter().zip(people).filter(|(key, _)| !known.contains(*key)).collect();
        if missing.is_empty() {
            return Ok(true);
        }
        let codes = |count: usize| missing.iter().take(count).map(|(_, (_, code))| code.clone()).collect();
        let mut all = true;
        let pseudonyms = match self.source.pseudonyms(requester.clone(), epoch, codes(missing.len())).await {
            Err(ClientError::Refused { refusal, .. }) if refusal.reason == Reason::QuotaNewSubjects => {
                all = false;
                let waiting = missing.len() as u64;
                tracing::warn!(%requester, waiting, left = refusal.remaining, "the custodian's cap of the day is reached");
                match usize::try_from(refusal.remaining).unwrap_or(0).min(missing.len()) {
                    0 => Vec::new(),
                    left => self.source.pseudonyms(requester.clone(), epoch, codes(left)).await?,
                }
            }
            outcome => outcome?,
        };
        let mut rows = Vec::with_capacity(pseudonyms.len());
        for ((key, (user, _)), pseudonym) in missing.iter().zip(pseudonyms) {
            let chain = Chain {
                requester: requester.clone(),
                epoch: pseudonym.epoch,
                pseudonym: pseudonym.pseudonym,
                records: 0,
                head: [0; 32],
                erased: 0,
                as_of_ms: 0,
                statement: None,
                finding: None,
            };
            let sealed = self.rows.seal(Kind::Chain, key, &chain, rng)?;
            rows.push(chains::ChainRow { key: **key, user: *user, run: 0, sealed });
        }
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        chains::add(&mut tx, &rows).await?;
        tx.commit().await?;
        Ok(all)
    }
}

/// When what is stored of all users was read, and when it will be again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timetable {
    /// Beginning of the newest reading that came to its end.
    pub as_of: Option<Millis>,
    /// Whether one is under way.
    pub under_way: bool,
    /// Beginning of the next one, when it is known.
    pub next: Option<Millis>,
}

/// The timetable in an authority's database.
///
/// # Errors
/// [`StoreError`].
pub async fn timetable(db: &Db) -> Result<Timetable, StoreError> {
    let mut conn = db.read().await?;
    let newest = readings::newest(&mut conn).await?;
    Ok(Timetable {
        as_of: readings::as_of(&mut conn).await?,
        under_way: newest.is_some_and(|it| it.ended.is_none()),
        next: readings::next(&mut conn).await?,
    })
}
