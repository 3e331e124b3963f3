//! Users, readings and the store, on SQLite and on PostgreSQL, beside a coordinator and a custodian that only count.

mod consents;
mod index;
mod registry;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use futures::{FutureExt as _, future::BoxFuture};
use tacit_client::{
    ChainEntry, ChainFinding, ClientError, Details, EntryProof, LetterFault, OpenedLetter, Party, Pseudonym,
    Refusal, SealedLetter, SubjectLog,
};
use tacit_ledger::{
    record::{self, Record},
    statement::{SignedStatement, SubjectStatement},
};
use tacit_model::{
    Clock as _, ManualClock, MemberId, Millis, Reason, Schemes, SubjectCode, entropy::seeded_rng,
    generate::generate_uscc,
};
use tacit_policy::Registry;
use tacit_store::{Db, conformance};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    index::Index,
    reading::{ReadingConfig, Readings, shuffle},
    sealed::Rows,
    source::{ReadLog, Source, Wanted},
    store::{chains, readings, users},
    users::Users,
};

const NOW: Millis = Millis(1_795_300_143_223);

/// What coordinator and custodian saw and hold.
#[derive(Default)]
struct Hub {
    /// Records about each pseudonym.
    records: HashMap<[u8; 32], u64>,
    /// Where a chain was erased: the sequence of the erasure.
    erased: HashMap<[u8; 32], u64>,
    /// Chains told as they are here, record by record.
    told: HashMap<[u8; 32], Vec<ChainEntry>>,
    /// Time of the coordinator's statements, after [`NOW`].
    later_ms: u64,
    /// Pseudonyms in the order they were asked for, request by request.
    asked: Vec<Vec<[u8; 32]>>,
    /// New subjects that may still be evaluated.
    cap: u64,
    evaluated: HashSet<[u8; 32]>,
    /// Requests after which the coordinator is away.
    breaks_after: Option<usize>,
    lies: bool,
}

#[derive(Clone, Default)]
struct FakeHub(Arc<Mutex<Hub>>);

fn pseudonym(requester: &MemberId, code: &SubjectCode) -> [u8; 32] {
    *blake3::hash(format!("{requester} {}", code.expose_code()).as_bytes()).as_bytes()
}

fn refused(sequence: u64) -> record::Refused {
    record::Refused {
        id: tacit_model::Ulid::from_parts(NOW.0 + sequence, u128::from(sequence)).to_string(),
        time_ms: NOW.0 + sequence,
        requester: "procurement".to_owned(),
        holder: "court".to_owned(),
        lists: vec!["court/defaulters".to_owned()],
        purpose: "screening".to_owned(),
        registry: [1; 32],
        reason: "not_permitted".to_owned(),
        matter: [2; 32],
        subject: [3; 32],
        evidence: [4; 32],
    }
}

fn erasure(sequence: u64) -> Record {
    record::Erasure {
        id: tacit_model::Ulid::from_parts(NOW.0 + sequence, u128::from(sequence)).to_string(),
        time_ms: NOW.0 + sequence,
        authority: "portal".to_owned(),
        ground: "objection".to_owned(),
        openings: sequence,
        subject: [3; 32],
    }
    .into()
}

fn entry(sequence: u64, erased: bool) -> ChainEntry {
    let record = if erased { erasure(sequence) } else { refused(sequence).into() };
    let details = match erased {
        true => Details::Erasure,
        false => Details::Check {
            exact: "agreement_list".to_owned(),
            rules: vec!["R1".to_owned()],
            agreement: String::new(),
            basis: "agreement:01KAM2V7Q3ZJ6V6T1V8M3W9R5C".parse().unwrap(),
        },
    };
    let proof = EntryProof {
        record: record.to_bytes().unwrap().into(),
        path: vec![[5; 32]; 3],
        salt: [6; 32],
        previous: [7; 32],
        terms: None,
        salt_details: None,
    };
    ChainEntry { sequence, index: 10 * sequence, record, details, proof: Box::new(proof) }
}

impl FakeHub {
    fn with<T>(&self, change: impl FnOnce(&mut Hub) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn chain(hub: &Hub, wanted: &Wanted) -> ReadLog {
        if hub.lies {
            return Err(ChainFinding::Missing { sequence: 0, records: 1 });
        }
        let told = hub.told.get(&wanted.pseudonym);
        let counted = || hub.records.get(&wanted.pseudonym).copied().unwrap_or(0);
        let records = told.map_or_else(counted, |told| told.len() as u64);
        let erased = hub.erased.get(&wanted.pseudonym).copied();
        let from = erased.map_or(wanted.known.records, |at| at.max(wanted.known.records));
        let statement = SubjectStatement {
            coordinator: "coordinator".to_owned(),
            pseudonym: wanted.pseudonym,
            records,
            head: [u8::try_from(records % 251).unwrap(); 32],
            size: 1000,
            root: [9; 32],
            time_ms: NOW.0 + hub.later_ms,
        };
        let entry = |sequence: u64| {
            let told = told.and_then(|told| told.get(usize::try_from(sequence).ok()?)).cloned();
            told.unwrap_or_else(|| entry(sequence, Some(sequence) == erased))
        };
        Ok(SubjectLog {
            statement,
            signed: SignedStatement { text: b"statement".to_vec(), signature: [8; 64] },
            checkpoint: bytes(format!("checkpoint {records}")),
            erased: erased.filter(|at| *at >= wanted.known.records).unwrap_or(wanted.known.erased),
            entries: (from..records).map(entry).collect(),
        })
    }
}

fn bytes(text: String) -> bytes::Bytes {
    text.into_bytes().into()
}

impl Source for FakeHub {
    fn requesters(&self) -> Vec<(MemberId, u32)> {
        vec![("procurement".parse().unwrap(), 1), ("tax".parse().unwrap(), 1)]
    }

    fn pseudonyms(
        &self,
        requester: MemberId,
        epoch: u32,
        subjects: Vec<SubjectCode>,
    ) -> BoxFuture<'_, Result<Vec<Pseudonym>, ClientError>> {
        let answer = self.with(|hub| {
            let all: Vec<_> = subjects.iter().map(|code| pseudonym(&requester, code)).collect();
            let new = all.iter().filter(|it| !hub.evaluated.contains(*it)).count() as u64;
            if new > hub.cap {
                let refusal = Refusal { remaining: hub.cap, ..Refusal::from(Reason::QuotaNewSubjects) };
                return Err(ClientError::Refused { party: Party::Custodian, refusal });
            }
            hub.cap -= new;
            hub.evaluated.extend(&all);
            Ok(all.into_iter().map(|pseudonym| Pseudonym { pseudonym, epoch }).collect())
        });
        async move { answer }.boxed()
    }

    fn read(&self, chains: Vec<Wanted>) -> BoxFuture<'_, Result<Vec<ReadLog>, ClientError>> {
        let answer = self.with(|hub| {
            if hub.breaks_after == Some(hub.asked.len()) {
                return Err(ClientError::NoAnswer { party: Party::Coordinator, reason: Reason::Unavailable });
            }
            hub.asked.push(chains.iter().map(|it| it.pseudonym).collect());
            Ok(chains.iter().map(|it| Self::chain(hub, it)).collect())
        });
        async move { answer }.boxed()
    }

    fn open_letter(&self, _: &SealedLetter) -> Result<OpenedLetter, LetterFault> {
        Err(LetterFault::Recipient)
    }

    fn registry(&self) -> Arc<Registry> {
        registry::registry()
    }
}

struct World {
    folder: TempDir,
    db: Db,
    hub: FakeHub,
    clock: ManualClock,
    users: Users,
    readings: Readings,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::store::open(&conformance::url(folder.path(), "authority")).await.unwrap();
        let (hub, clock) = (FakeHub::default(), ManualClock::new(NOW));
        hub.with(|hub| hub.cap = 1_000_000);
        let rows = Arc::new(Rows::new(&[42; 32]));
        let readings = Readings {
            source: Arc::new(hub.clone()),
            schemes: Arc::new(|scheme, code| Schemes::built_in().parse_exact(scheme, code).ok()),
            authority: None,
            db: db.clone(),
            rows: Arc::clone(&rows),
            clock: Arc::new(clock.clone()),
            config: ReadingConfig { every_ms: 1000, chunk: 16 },
            one: Arc::default(),
            ended: Arc::new(Notify::new()),
        };
        let users = Users { db: db.clone(), rows, index: Index::default() };
        Self { folder, db, hub, clock, users, readings }
    }

    async fn enroll(&self, count: u8) -> Vec<SubjectCode> {
        let mut rng = seeded_rng([count; 32]);
        let mut codes = Vec::new();
        for _ in 0..count {
            let code = Schemes::built_in().parse("CN-USCC", &generate_uscc(&mut rng)).unwrap().subject;
            self.users.enroll(&code, self.clock.now(), &mut rng).await.unwrap();
            codes.push(code);
        }
        codes
    }

    async fn read(&self, seed: u8) -> u64 {
        self.readings.read_all(&mut seeded_rng([seed; 32])).await.unwrap()
    }

    /// Requester and sequences of what is stored about a user.
    async fn stored(&self, code: &SubjectCode) -> BTreeMap<String, Vec<u64>> {
        let kept = self.kept(code).await;
        let sequences = |(chain, entries): crate::users::Kept| {
            (chain.requester.to_string(), entries.iter().map(|entry| entry.sequence).collect())
        };
        kept.into_iter().map(sequences).collect()
    }

    fn asked(&self) -> Vec<Vec<[u8; 32]>> {
        self.hub.with(|hub| std::mem::take(&mut hub.asked))
    }
}

fn member(name: &str) -> MemberId {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_user_is_found_again_and_enrolling_asks_nobody() {
    let world = World::new().await;
    let codes = world.enroll(3).await;
    world.clock.advance_ms(5000);
    let again = world.users.enroll(&codes[1], world.clock.now(), &mut seeded_rng([9; 32])).await.unwrap();
    assert_eq!((again.1, again.2), (NOW, false));
    assert_eq!(users::count(&mut world.db.read().await.unwrap()).await.unwrap(), 3);
    assert!(world.asked().is_empty());
    world.hub.with(|hub| assert!(hub.evaluated.is_empty()));
}

#[tokio::test]
async fn a_reading_stores_what_is_new_and_asks_for_nothing_twice() {
    let world = World::new().await;
    let codes = world.enroll(20).await;
    let about = pseudonym(&member("tax"), &codes[3]);
    world.hub.with(|hub| hub.records.insert(about, 2));
    assert_eq!(world.read(1).await, 1);
    // 20 users, two requesters each, 16 at a time.
    assert_eq!(world.asked().iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
    world.hub.with(|hub| assert_eq!((hub.evaluated.len(), hub.cap), (40, 1_000_000 - 40)));
    let both = |tax: Vec<u64>| BTreeMap::from([("procurement".to_owned(), vec![]), ("tax".to_owned(), tax)]);
    assert_eq!(world.stored(&codes[3]).await, both(vec![0, 1]));
    assert_eq!(world.stored(&codes[4]).await, both(vec![]));
    world.hub.with(|hub| hub.records.insert(about, 5));
    assert_eq!(world.read(2).await, 2);
    assert_eq!(world.stored(&codes[3]).await, both(vec![0, 1, 2, 3, 4]));
    world.hub.with(|hub| assert_eq!(hub.cap, 1_000_000 - 40, "nobody is evaluated again"));
    // After an erasure what was read before is gone here too.
    world.hub.with(|hub| (hub.records.insert(about, 7), hub.erased.insert(about, 5)));
    world.read(3).await;
    assert_eq!(world.stored(&codes[3]).await, both(vec![5, 6]));
    let kept = world.users.kept(&world.users.rows.user(&codes[3])).await.unwrap();
    let entry = kept.iter().flat_map(|(_, entries)| entries).last().unwrap();
    let note = world.users.checkpoint(&entry.checkpoint).await.unwrap().unwrap();
    assert_eq!(note, b"checkpoint 7");
}

#[tokio::test]
async fn a_reading_that_was_broken_off_goes_on_where_it_was() {
    let world = World::new().await;
    world.enroll(20).await;
    world.hub.with(|hub| hub.breaks_after = Some(2));
    assert!(world.readings.read_all(&mut seeded_rng([1; 32])).await.is_err());
    let first = world.asked().concat();
    assert_eq!(first.len(), 32);
    let open = readings::newest(&mut world.db.read().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((open.run, open.ended, open.chains), (1, None, 32));
    world.hub.with(|hub| hub.breaks_after = None);
    world.clock.advance_ms(100);
    assert_eq!(world.read(2).await, 1, "the same reading");
    let rest = world.asked().concat();
    assert_eq!(rest.len(), 8);
    assert!(rest.iter().all(|it| !first.contains(it)));
    let mut conn = world.db.read().await.unwrap();
    let ended = readings::newest(&mut conn).await.unwrap().unwrap();
    assert_eq!((ended.chains, ended.ended), (40, Some(Millis(NOW.0 + 100))));
    let next = readings::next(&mut conn).await.unwrap().unwrap();
    assert!((750..=1250).contains(&next.since(NOW)), "{}", next.since(NOW));
}

#[tokio::test]
async fn beyond_the_custodians_cap_users_wait_for_the_next_reading() {
    let world = World::new().await;
    let codes = world.enroll(10).await;
    world.hub.with(|hub| hub.cap = 13);
    world.read(1).await;
    assert_eq!(world.asked().concat().len(), 13);
    let covered = world.readings.rows.covered(&world.hub.requesters());
    let waiting = users::count_uncovered(&mut world.db.read().await.unwrap(), &covered).await.unwrap();
    assert_eq!(waiting, 10);
    world.hub.with(|hub| hub.cap = 100);
    world.read(2).await;
    assert_eq!(world.asked().concat().len(), 20);
    world.hub.with(|hub| assert_eq!(hub.cap, 93));
    assert_eq!(world.stored(&codes[9]).await.len(), 2);
    let counts = chains::counts(&mut world.db.read().await.unwrap()).await.unwrap();
    assert_eq!(counts, (20, 0));
}

#[tokio::test]
async fn a_chain_that_does_not_hold_is_told_and_hides_nothing_that_held() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let about = pseudonym(&member("tax"), &codes[0]);
    world.hub.with(|hub| hub.records.insert(about, 2));
    world.read(1).await;
    world.hub.with(|hub| hub.lies = true);
    world.read(2).await;
    let kept = world.users.kept(&world.users.rows.user(&codes[0])).await.unwrap();
    assert!(kept.iter().all(|(chain, _)| chain.finding.as_deref() == Some("record 0 of 1 is missing")));
    assert_eq!(world.stored(&codes[0]).await["tax"], [0, 1]);
    world.hub.with(|hub| hub.lies = false);
    world.read(3).await;
    let kept = world.users.kept(&world.users.rows.user(&codes[0])).await.unwrap();
    assert!(kept.iter().all(|(chain, _)| chain.finding.is_none()));
}

#[tokio::test]
async fn the_coordinator_sees_the_chains_in_an_order_that_says_nothing() {
    let world = World::new().await;
    let codes = world.enroll(12).await;
    let mut first = HashMap::<[u8; 32], u32>::new();
    let (mut neighbors, mut orders) = (0, HashSet::new());
    const RUNS: u8 = 60;
    for seed in 0..RUNS {
        // Whoever was here last is nowhere in particular.
        let who = &codes[usize::from(seed) % codes.len()];
        world.users.enroll(who, world.clock.now(), &mut seeded_rng([seed; 32])).await.unwrap();
        world.users.kept(&world.users.rows.user(who)).await.unwrap();
        world.read(seed).await;
        let order = world.asked().concat();
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 24, "everybody, once");
        *first.entry(order[0]).or_default() += 1;
        let two: HashSet<_> = ["procurement", "tax"].iter().map(|it| pseudonym(&member(it), who)).collect();
        neighbors += u32::from(order.windows(2).any(|pair| pair.iter().all(|it| two.contains(it))));
        orders.insert(order);
    }
    assert_eq!(orders.len(), usize::from(RUNS), "no order comes twice");
    // Of 24 pseudonyms each comes first 2.5 times in 60; a user's two stand side by side 5 times.
    assert!(first.len() >= 15 && first.values().all(|times| *times <= 10), "{first:?}");
    assert!(neighbors <= 15, "{neighbors}");
}

#[test]
fn every_place_is_as_likely_as_any_other() {
    let mut counts = [[0_u32; 8]; 8];
    for seed in 0..4000_u32 {
        let mut whole = [0; 32];
        whole[..4].copy_from_slice(&seed.to_be_bytes());
        let mut items: Vec<usize> = (0..8).collect();
        shuffle(&mut items, &mut seeded_rng(whole));
        items.iter().enumerate().for_each(|(place, item)| counts[*item][place] += 1);
    }
    // 500 expected; 100 off would be five standard deviations.
    assert!(counts.iter().flatten().all(|count| (400..=600).contains(count)), "{counts:?}");
    let config = ReadingConfig { every_ms: 1000, chunk: 1 };
    let pauses: HashSet<u64> = (0..100).map(|seed| config.pause_ms(&mut seeded_rng([seed; 32]))).collect();
    assert!(pauses.len() > 80 && pauses.iter().all(|pause| (750..=1250).contains(pause)));
}

#[tokio::test]
async fn the_store_holds_no_code_pseudonym_or_record_in_the_clear() {
    let world = World::new().await;
    let codes = world.enroll(3).await;
    let about: Vec<_> = codes.iter().map(|code| pseudonym(&member("tax"), code)).collect();
    world.hub.with(|hub| hub.records.extend(about.iter().map(|it| (*it, 3))));
    world.read(1).await;
    assert_eq!(world.stored(&codes[0]).await["tax"].len(), 3);
    world.db.close().await;
    let contents = conformance::contents(world.folder.path(), "authority");
    let holds = |needle: &[u8]| contents.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"checkpoint 3"), "what is public is there");
    for (code, pseudonym) in codes.iter().zip(&about) {
        let hex: String = pseudonym.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!holds(code.expose_code().as_bytes()) && !holds(pseudonym) && !holds(hex.as_bytes()));
    }
    let id = refused(1).id;
    assert!(!holds(id.as_bytes()) && !holds(b"court/defaulters") && !holds(b"agreement_list"));
    // Another key opens nothing, and finds nobody.
    let db = crate::store::open(&conformance::url(world.folder.path(), "authority")).await.unwrap();
    let stranger = Users { db, rows: Arc::new(Rows::new(&[43; 32])), index: Index::default() };
    assert!(stranger.kept(&stranger.rows.user(&codes[0])).await.unwrap().is_empty());
    assert!(stranger.kept(&world.users.rows.user(&codes[0])).await.is_err());
}
