//! What is remembered of a user's records between questions, so that a question opens only those that it shows.
//!
//! ```text
//! question ─▶ chains of the user ─▶ facts of each record ─▶ order, count, choose ─▶ open what was chosen
//!                                     (remembered)                                     (from the store)
//! ```
//!
//! A record is opened once for its facts: where it stands, when it was written, of what kind it is. Facts hold for what a
//! chain had when they were made, and are made anew when it was erased since; what was chosen is opened from the store at
//! each question, so that no record is told that is not there any more. Facts say nothing of whom they are about, and
//! they are few bytes; of all users together no more than [`MOST`] are remembered, those of a user for [`IDLE_MS`] after
//! the last question.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tacit_client::{Kind, RowKey};
use tacit_ledger::record::{MEASURE_STATES, Record};
use tacit_model::{Basis, Clock, MemberId, Millis, PurposeCode, Ulid, parse_ulid};
use tacit_store::Conn;

use crate::{
    reading::ReadingError,
    sealed::{Chain, Entry, Opening},
    store::chains,
    usage,
    users::{Kept, Users},
};

/// Facts that are remembered, of all users together: some 64 MiB.
const MOST: usize = 500_000;
/// How long the facts of a user are remembered after the last question about that user.
pub(crate) const IDLE_MS: u64 = 15 * 60 * 1000;

/// What is remembered of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Its place in its chain.
    sequence: u64,
    /// Its leaf index.
    pub(crate) index: u64,
    pub(crate) at: Millis,
    pub(crate) id: Option<Ulid>,
    pub(crate) what: What,
    /// Of a check, the mark of its purpose.
    purpose: Option<u64>,
    /// Whether it is of a kind that a person is told of.
    pub(crate) told: bool,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A check; of one that was permitted under a consent, that consent and the check's matter.
    Check(Option<(Ulid, [u8; 32])>),
    /// A consent, or a request for one.
    Consent,
    Letter,
    /// A measure; of one that was lifted, the record that registered it.
    Measure(Option<String>),
    Erasure,
}

impl Fact {
    fn of(entry: &Entry) -> Option<Self> {
        let record = Record::parse(entry.record.as_bytes()).ok()?;
        let what = match &entry.opening {
            Opening::Check { basis, .. } => What::Check(match (&record, basis.parse()) {
                (Record::Access(access), Ok(Basis::Consent(id))) => Some((id, access.matter)),
                _ => None,
            }),
            Opening::Consent { .. } => What::Consent,
            Opening::Notice { .. } => What::Letter,
            Opening::Measure { .. } => What::Measure(match &record {
                Record::Measure(it) if it.state != MEASURE_STATES[0] => Some(it.registered.clone()),
                _ => None,
            }),
            Opening::Erasure => What::Erasure,
        };
        let purpose = match &record {
            Record::Access(it) => Some(mark(&it.purpose)),
            Record::Refused(it) => Some(mark(&it.purpose)),
            _ => None,
        };
        Some(Self {
            sequence: entry.sequence,
            purpose,
            index: entry.index,
            at: Millis(record.time_ms()),
            id: parse_ulid(record.id()),
            what,
            told: usage::is_told(&record, &entry.opening),
        })
    }
}

/// What is remembered of a purpose's code: few bytes, the same for the same code.
fn mark(purpose: &str) -> u64 {
    let hash = blake3::hash(purpose.as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// The facts of a chain, and what the chain was when they were made.
#[derive(Debug, Clone)]
struct Facts {
    records: u64,
    head: [u8; 32],
    erased: u64,
    /// By sequence.
    facts: Arc<Vec<Fact>>,
}

impl Facts {
    /// Whether they hold for a chain, as far as it had come then.
    fn belong_to(&self, chain: &Chain) -> bool {
        self.erased == chain.erased && self.records <= chain.records
    }

    fn are_whole(&self, chain: &Chain) -> bool {
        self.belong_to(chain) && (self.records, self.head) == (chain.records, chain.head)
    }
}

/// A chain with the facts of its records.
#[derive(Debug)]
struct Known {
    key: RowKey,
    chain: Chain,
    facts: Arc<Vec<Fact>>,
}

/// The chains of a user with the facts of their records.
#[derive(Debug)]
pub(crate) struct Overview(Vec<Known>);

impl Overview {
    pub(crate) fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.0.iter().map(|known| &known.chain)
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter().flat_map(|known| known.facts.iter())
    }

    /// What a person is told of, newest first, each record once: a chain that was carried into another epoch is read
    /// under each of its names.
    pub(crate) fn told(&self) -> Vec<&Fact> {
        self.told_of(None, None)
    }

    /// The same of one member, or for one purpose.
    pub(crate) fn told_of(&self, receiver: Option<&MemberId>, purpose: Option<&PurposeCode>) -> Vec<&Fact> {
        let purpose = purpose.map(|purpose| mark(purpose.as_str()));
        let chains = self.0.iter().filter(|known| receiver.is_none_or(|it| known.chain.requester == *it));
        let facts = chains.flat_map(|known| known.facts.iter());
        let wanted = |fact: &&Fact| fact.told && (purpose.is_none() || fact.purpose == purpose);
        let mut told: Vec<&Fact> = facts.filter(wanted).collect();
        told.sort_by_key(|fact| std::cmp::Reverse((fact.at, fact.index)));
        told.dedup_by_key(|fact| fact.index);
        told
    }

    /// Measures that were lifted, by the record that registered each.
    pub(crate) fn lifted(&self) -> HashSet<String> {
        let lifted = |fact: &Fact| match &fact.what {
            What::Measure(registered) => registered.clone(),
            _ => None,
        };
        self.facts().filter_map(lifted).collect()
    }

    /// Checks permitted under each consent: a check of several holders has a record for each, with one matter.
    pub(crate) fn uses(&self) -> HashMap<Ulid, u64> {
        let under = |fact: &Fact| match fact.what {
            What::Check(Some(under)) => Some(under),
            _ => None,
        };
        let uses: HashSet<(Ulid, [u8; 32])> = self.facts().filter_map(under).collect();
        let mut counts = HashMap::new();
        for (id, _) in uses {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }
}

/// What is remembered of users. Clones share it.
#[derive(Clone)]
pub(crate) struct Index(Arc<Mutex<Remembered>>);

impl Default for Index {
    fn default() -> Self {
        Self::with_room(MOST)
    }
}

struct Remembered {
    users: HashMap<RowKey, User>,
    /// Facts of all of them.
    facts: usize,
    /// How many these may be.
    most: usize,
}

/// What is remembered of a user.
struct User {
    asked: Millis,
    chains: HashMap<RowKey, Facts>,
}

impl User {
    fn facts(&self) -> usize {
        self.chains.values().map(|facts| facts.facts.len()).sum()
    }
}

impl Remembered {
    fn forget(&mut self, user: &RowKey) {
        if let Some(user) = self.users.remove(user) {
            self.facts -= user.facts();
        }
    }

    /// Makes room for so many facts: users about whom nobody has asked for longest go first.
    fn make_room(&mut self, count: usize, now: Millis) {
        let idle = |user: &User| user.asked.0.saturating_add(IDLE_MS) < now.0;
        let idle: Vec<RowKey> =
            self.users.iter().filter(|(_, user)| idle(user)).map(|(key, _)| *key).collect();
        idle.iter().for_each(|key| self.forget(key));
        while self.facts + count > self.most {
            let Some(oldest) = self.users.iter().min_by_key(|(_, user)| user.asked).map(|(key, _)| *key)
            else {
                return;
            };
            self.forget(&oldest);
        }
    }
}

impl Index {
    /// With room for so many facts.
    pub(crate) fn with_room(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Remembered { users: HashMap::new(), facts: 0, most })))
    }

    /// How many users and facts are remembered.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (remembered.users.len(), remembered.facts)
    }

    fn of(&self, user: &RowKey) -> HashMap<RowKey, Facts> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.users.get(user).map(|user| user.chains.clone()).unwrap_or_default()
    }

    /// Remembers what is known of a user, if there is room for that.
    fn keep(&self, user: RowKey, overview: &Overview, now: Millis) {
        let facts = |known: &Known| Facts {
            records: known.chain.records,
            head: known.chain.head,
            erased: known.chain.erased,
            facts: Arc::clone(&known.facts),
        };
        let chains = overview.0.iter().map(|known| (known.key, facts(known))).collect();
        let new = User { asked: now, chains };
        let count = new.facts();
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget(&user);
        if count <= remembered.most {
            remembered.make_room(count, now);
            remembered.facts += count;
            remembered.users.insert(user, new);
        }
    }

    /// Forgets users about whom nobody has asked for long, from time to time.
    pub(crate) async fn forget(&self, clock: &dyn Clock) {
        loop {
            tokio::time::sleep(Duration::from_millis(IDLE_MS / 4)).await;
            self.forget_idle(clock.now());
        }
    }

    pub(crate) fn forget_idle(&self, now: Millis) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).make_room(0, now);
    }
}

impl Users {
    /// The chains of a user with the facts of all their records. Only records that are new since the last question are
    /// opened.
    pub(crate) async fn overview(&self, user: &RowKey, now: Millis) -> Result<Overview, ReadingError> {
        let mut remembered = self.index.of(user);
        let mut conn = self.db.read().await?;
        let mut all = Vec::new();
        for row in chains::of_user(&mut conn, user).await? {
            let chain: Chain = self.rows.open(Kind::Chain, &row.key, &row.sealed)?;
            let facts = self.facts(&mut conn, &row.key, &chain, remembered.remove(&row.key)).await?;
            all.push(Known { key: row.key, chain, facts });
        }
        let overview = Overview(all);
        self.index.keep(*user, &overview, now);
        Ok(overview)
    }

    /// The facts of a chain, from those that were remembered as far as they hold.
    async fn facts(
        &self,
        conn: &mut Conn,
        key: &RowKey,
        chain: &Chain,
        remembered: Option<Facts>,
    ) -> Result<Arc<Vec<Fact>>, ReadingError> {
        let before = remembered.filter(|facts| facts.belong_to(chain));
        let rows = match &before {
            Some(facts) if facts.are_whole(chain) => return Ok(Arc::clone(&facts.facts)),
            Some(facts) => {
                let new = facts.records..chain.records;
                let keys: Vec<RowKey> = new.map(|sequence| self.rows.entry(key, sequence)).collect();
                chains::entries_by_keys(conn, &keys).await?
            }
            None => chains::entries(conn, key).await?,
        };
        let mut facts = before.map_or_else(Vec::new, |before| before.facts.to_vec());
        for entry in rows {
            let entry: Entry = self.rows.open(Kind::Entry, &entry.key, &entry.sealed)?;
            // What came since the chain was looked at is for the next question.
            facts.extend(Fact::of(&entry).filter(|fact| fact.sequence < chain.records));
        }
        facts.sort_by_key(|fact| fact.sequence);
        Ok(Arc::new(facts))
    }

    /// The chains of a user, each with those of its records that are wanted, oldest first, as they stand in the store now:
    /// what was erased a moment ago is not among them.
    pub(crate) async fn open(
        &self,
        overview: &Overview,
        wanted: impl Fn(&Fact) -> bool,
    ) -> Result<Vec<Kept>, ReadingError> {
        let mut conn = self.db.read().await?;
        let mut kept = Vec::with_capacity(overview.0.len());
        for Known { key, chain, facts } in &overview.0 {
            let wanted = facts.iter().filter(|fact| wanted(fact));
            let keys: Vec<RowKey> = wanted.map(|fact| self.rows.entry(key, fact.sequence)).collect();
            let mut entries = Vec::with_capacity(keys.len());
            for entry in chains::entries_by_keys(&mut conn, &keys).await? {
                entries.push(self.rows.open::<Entry>(Kind::Entry, &entry.key, &entry.sealed)?);
            }
            entries.sort_by_key(|entry| entry.sequence);
            kept.push((chain.clone(), entries));
        }
        Ok(kept)
    }
}
