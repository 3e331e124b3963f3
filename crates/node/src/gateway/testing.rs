//! What tests of the gateway share: a small registry, and an asker that answers from memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use tacit_blind::table::{Day, Label};
use tacit_client::{
    AgreementLimit, Answer, AskedConsent, ConsentAsked, ConsentWanted, KnownMeasure, ListAnswer,
    MeasureCounts, MeasurePage, MeasureState, MeasureWanted, Outcome, Plan, Question, ReceiptFilter,
    ReceiptPage, ReceiptSummary, RecordAt, RecordRef, Refusal, RowOutcome, Subject, TableVersion,
};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{
    ListId, ManualClock, MemberId, Millis, Reason, SubjectCode, Ulid, entropy::seeded_rng,
    generate::generate_uscc,
};
use tacit_policy::{
    ConsentRequest, ConsentState, Ed25519Key, Frequency, Pins, Registry, SignedRequest, Span, Unit,
    registry::{builder::RegistryBuilder, entry::*, signed::Signer},
};
use tacit_wire::gateway::HeldList;
use tokio::sync::{Semaphore, watch};

use super::{Asker, GatewayLimits, NodeStatus, ReceiptFile, Tokens, json::App};
use crate::{
    records::{
        FLAG_CONTESTED,
        testing::{category, list_entry},
    },
    redress::Redress,
};

pub(crate) const NOW: &str = "2026-11-21T02:32:09.481Z";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The token of an application that may decide cases.
pub(crate) const OFFICER: &str = "fedcba9876543210fedcba9876543210";

fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(&seed)
}

fn id(name: &str) -> MemberId {
    name.parse().unwrap()
}

fn member(name: &str, role: Role) -> Member {
    let mut keys = MemberKeys::signing(Ed25519Key(key(name).verifying_key()));
    match role {
        Role::Holder => keys.manifest = Some(Ed25519Key(key(&format!("{name}/m")).verifying_key())),
        Role::Coordinator => keys.log = Some(Ed25519Key(key("log").verifying_key())),
        _ => {}
    }
    Member {
        id: id(name),
        title: format!("The {name}"),
        kind: MemberKind::Public,
        roles: vec![role],
        endpoint: Some("https://127.0.0.1:7443".to_owned()),
        keys,
        pseudonym_epoch: Some(1),
    }
}

fn agreement(number: u128, holder: &str, list: &str, consent_required: bool) -> Agreement {
    Agreement {
        id: Ulid::from_parts(1, number),
        holder: id(holder),
        requester: id("procurement"),
        holder_key: Ed25519Key(key(holder).verifying_key()),
        requester_key: Ed25519Key(key("procurement").verifying_key()),
        lists: vec![list.parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        purpose_context: "justice".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 18"),
        consent_required,
        cross_context: None,
        measures: vec![Measure {
            title: "Refusal of the tender".to_owned(),
            restricts: true,
            legal_basis: (number == 1).then(|| LegalBasis::new("law", "Art. 22")),
        }],
        quotas: Quotas {
            checks_per_day: 1000,
            checks_per_minute: Some(200),
            per_subject_per_day: 3,
            new_subjects_per_day: 500,
        },
        max_lists_per_check: 16,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: "2026-01-01T00:00:00.000Z".parse().unwrap(),
        valid_until: "2028-01-01T00:00:00.000Z".parse().unwrap(),
        size: None,
    }
}

/// A court with a list that may be asked, one that needs consent, and one without an agreement; people by LEI.
pub(crate) fn registry() -> Registry {
    let list = |name: &str, scheme: &str| List {
        title: format!("List {name}"),
        scheme: scheme.to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        status_texts: vec![StatusText { status: 1, text: "In force.".to_owned() }],
        ..list_entry(&format!("court/{name}"))
    };
    let now: Millis = NOW.parse().unwrap();
    let mut builder = RegistryBuilder::new("example", 7, now, id("coordinator"), id("custodian"));
    let mut add = |entry: Entry, signers: &[&str]| {
        let keys: Vec<_> = signers.iter().map(|name| (id(name), key(name))).collect();
        let signers: Vec<_> = keys.iter().map(|(id, key)| Signer { id, key }).collect();
        let so_far = std::mem::replace(&mut builder, RegistryBuilder::new("", 1, now, id("x"), id("x")));
        builder = so_far.entry(&entry, &signers).unwrap();
    };
    for (name, role) in [
        ("coordinator", Role::Coordinator),
        ("custodian", Role::Custodian),
        ("court", Role::Holder),
        ("procurement", Role::Requester),
    ] {
        add(Entry::Member(member(name, role)), &[name]);
    }
    for (name, scheme) in
        [("defaulters", "CN-USCC"), ("sealed", "CN-USCC"), ("private", "CN-USCC"), ("banks", "LEI")]
    {
        add(Entry::List(list(name, scheme)), &["court"]);
    }
    add(
        Entry::Purpose(Purpose {
            code: "screening".parse().unwrap(),
            title: "Screening".to_owned(),
            context: "justice".to_owned(),
            dpv: "dpv:VendorSelectionAssessment".to_owned(),
            basic_service: false,
        }),
        &["coordinator"],
    );
    add(
        Entry::Act(Act {
            id: "law".to_owned(),
            title: "A law".to_owned(),
            rank: Rank::Statute,
            issued_by: "Parliament".to_owned(),
            published: "No. 1 of 2020".to_owned(),
        }),
        &["coordinator"],
    );
    add(
        Entry::Category(Category { title: "Judgment not carried out".to_owned(), ..category(301) }),
        &["coordinator"],
    );
    for entry in
        [agreement(1, "court", "court/defaulters", false), agreement(2, "court", "court/sealed", true)]
    {
        add(Entry::Agreement(Box::new(entry)), &["court", "procurement"]);
    }
    let bytes = builder.finish(&key("coordinator")).unwrap();
    let pins = Pins {
        federation: "example".to_owned(),
        coordinator_key: key("coordinator").verifying_key(),
        custodian_key: key("custodian").verifying_key(),
        members: BTreeMap::new(),
    };
    Registry::parse(&bytes, &pins).unwrap()
}

/// Valid codes, always the same ones.
pub(crate) fn codes(count: usize) -> Vec<String> {
    let mut rng = seeded_rng([9; 32]);
    (0..count).map(|_| generate_uscc(&mut rng)).collect()
}

/// Answers from memory; whoever has no outcome of its own is not listed.
pub(crate) struct FakeAsker {
    member: MemberId,
    registry: Arc<Registry>,
    pub(crate) outcomes: Mutex<HashMap<String, Outcome>>,
    pause: Duration,
    pub(crate) asked: Mutex<Vec<Question>>,
}

pub(crate) fn listed() -> Answer {
    Answer::Listed(Label {
        status: 1,
        flags: FLAG_CONTESTED,
        category: 301,
        listed_on: Some(Day::new(20_513).unwrap()),
        expires_on: None,
        reference: [0, 0xf3, 0xa9, 0x1b, 0xe2, 0xd7, 0xc8, 0x40],
    })
}

pub(crate) fn answer(list: &ListId, answer: Answer) -> ListAnswer {
    ListAnswer {
        list: list.clone(),
        answer,
        record: Some(RecordRef { id: Ulid::from_parts(2, 2), index: 41_877 }),
        version: Some(TableVersion { epoch: 20_778, version: 214 }),
        as_of: Some(NOW.parse().unwrap()),
    }
}

/// Five receipts of two cases, a second apart.
pub(crate) fn receipts() -> Vec<ReceiptSummary> {
    let now: Millis = NOW.parse().unwrap();
    let receipt = |n: u64| ReceiptSummary {
        record: RecordRef { id: Ulid::from_parts(now.0 + n * 1000, 1), index: 100 + n },
        recorded: now.plus_ms(n * 1000),
        lists: vec!["court/defaulters".parse().unwrap()],
        purpose: "screening".to_owned(),
        case: format!("2026-{}", n % 2),
        officer: "li.na".to_owned(),
    };
    (0..5).map(receipt).collect()
}

impl FakeAsker {
    pub(crate) fn new() -> Self {
        Self {
            member: id("procurement"),
            registry: Arc::new(registry()),
            outcomes: Mutex::default(),
            pause: Duration::ZERO,
            asked: Mutex::default(),
        }
    }

    pub(crate) fn says(self, code: &str, outcome: Outcome) -> Self {
        self.outcomes.lock().unwrap().insert(code.to_owned(), outcome);
        self
    }

    /// The same at another member of the registry.
    pub(crate) fn at(self, member: &str) -> Self {
        Self { member: id(member), ..self }
    }

    pub(crate) fn takes(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    fn outcome(&self, question: &Question, subject: &Subject) -> RowOutcome {
        let known = self.outcomes.lock().unwrap().get(subject.code.expose_code()).cloned();
        let missed =
            || Outcome::Answers(question.lists.iter().map(|list| answer(list, Answer::NotListed)).collect());
        let outcome = known.unwrap_or_else(missed);
        let lost = matches!(outcome, Outcome::NotAnswered(_));
        let unanswered =
            lost.then_some(RecordRef { id: Ulid::from_parts(3, 3), index: 9 }).into_iter().collect();
        RowOutcome { row: subject.row, outcome, unanswered }
    }
}

/// A request for consent that nobody decided.
fn asked_consent(now: Millis) -> AskedConsent {
    let request = ConsentRequest {
        id: Ulid::from_parts(now.0, 5),
        authority: id("portal"),
        requester: id("procurement"),
        pseudonym: [7; 32],
        epoch: 1,
        lists: vec!["court/sealed".parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        not_before: now,
        expires: now.plus_ms(365 * 86_400_000),
        frequency: Frequency::new(4, Unit::Month).unwrap(),
    };
    let until = request.stands_until(now);
    let signed = SignedRequest::sign(request, &key("procurement")).unwrap();
    AskedConsent {
        signed,
        state: ConsentState::Requested,
        requested: now,
        until,
        decided: None,
        uses: 0,
        given: None,
    }
}

/// A measure that stands.
pub(crate) fn measure() -> KnownMeasure {
    let now: Millis = NOW.parse().unwrap();
    let record = RecordRef { id: Ulid::from_parts(now.0, 8), index: 41_950 };
    KnownMeasure {
        state: MeasureState::Standing,
        overdue: false,
        answer: receipts()[0].record.id,
        list: "court/defaulters".parse().unwrap(),
        purpose: "screening".parse().unwrap(),
        case: "2026-0".to_owned(),
        agreement: Ulid::from_parts(1, 1),
        number: 1,
        words: "Refusal of the tender".to_owned(),
        decider: "head of office".to_owned(),
        until: None,
        registered: Some(RecordAt { record, time: now }),
        asked: None,
        ask_again: Some(now.plus_ms(30 * 86_400_000)),
        lift_by: None,
        lifted: None,
    }
}

impl Asker for FakeAsker {
    fn member(&self) -> &MemberId {
        &self.member
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    fn now(&self) -> Millis {
        NOW.parse().unwrap()
    }

    fn check(&self, question: Question, code: SubjectCode) -> BoxFuture<'static, RowOutcome> {
        let outcome = self.outcome(&question, &Subject { row: 0, code });
        self.asked.lock().unwrap().push(question);
        let pause = self.pause;
        async move {
            tokio::time::sleep(pause).await;
            outcome
        }
        .boxed()
    }

    fn check_many(
        &self,
        question: Question,
        subjects: BoxStream<'static, Subject>,
    ) -> BoxStream<'static, RowOutcome> {
        let this = Self {
            member: self.member.clone(),
            registry: Arc::clone(&self.registry),
            outcomes: Mutex::new(self.outcomes.lock().unwrap().clone()),
            pause: self.pause,
            asked: Mutex::default(),
        };
        self.asked.lock().unwrap().push(question.clone());
        let pause = self.pause;
        subjects
            .map(move |subject| this.outcome(&question, &subject))
            .then(move |outcome| async move {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                outcome
            })
            .boxed()
    }

    fn plan(
        &self,
        question: Question,
        subjects: BoxStream<'static, SubjectCode>,
    ) -> BoxFuture<'static, Result<Plan, Reason>> {
        async move {
            let checks = subjects.count().await as u64;
            let limit = AgreementLimit {
                agreement: Ulid::from_parts(1, 1),
                lists: question.lists,
                checks_per_day: 1000,
                checks_per_minute: Some(200),
                new_subjects_per_day: 500,
                consent_required: false,
            };
            Ok(Plan { checks, new_subjects: checks, limits: vec![limit] })
        }
        .boxed()
    }

    fn ask_consent(
        &self,
        wanted: ConsentWanted,
        _: SubjectCode,
    ) -> BoxFuture<'static, Result<ConsentAsked, Refusal>> {
        let now = self.now();
        let asked = ConsentAsked {
            id: Ulid::from_parts(now.0, 5),
            authority: wanted.authority.unwrap_or_else(|| id("portal")),
            until: wanted.expires,
            record: RecordRef { id: Ulid::from_parts(now.0, 6), index: 41_900 },
            time: now,
        };
        let known = wanted.purposes.iter().all(|purpose| self.registry.purpose(purpose).is_some());
        std::future::ready(if known { Ok(asked) } else { Err(Reason::UnknownPurpose.into()) }).boxed()
    }

    fn asked_consents(
        &self,
        subject: Option<SubjectCode>,
    ) -> BoxFuture<'static, Result<Vec<AskedConsent>, Reason>> {
        let found = if subject.is_some() { Vec::new() } else { vec![asked_consent(self.now())] };
        std::future::ready(Ok(found)).boxed()
    }

    fn status(&self) -> BoxFuture<'static, Result<NodeStatus, Reason>> {
        let never = HeldList { list_id: "procurement/own".to_owned(), ..HeldList::default() };
        let (epoch, version, sealed_ms) = (20_778, 214, self.now().0 - 60_000);
        let list_id = "procurement/sealed".to_owned();
        let held = vec![never, HeldList { list_id, epoch, version, sealed_ms, ..HeldList::default() }];
        let as_of = Millis(self.now().0 - 1_500);
        let measures = MeasureCounts { standing: 3, unconfirmed: 1, due: 2, overdue: 1 };
        let status = NodeStatus {
            log_size: 12,
            as_of: Some(as_of),
            quorum: Some((11, Millis(self.now().0 - 30_481))),
            stopped: Some(Reason::LogFrozen),
            held,
            subjects: 5,
            measures,
        };
        std::future::ready(Ok(status)).boxed()
    }

    fn receipts(&self, filter: ReceiptFilter, limit: u32) -> BoxFuture<'static, Result<ReceiptPage, Reason>> {
        let meant = |receipt: &ReceiptSummary| {
            filter.case.as_ref().is_none_or(|case| *case == receipt.case)
                && filter.from.is_none_or(|from| receipt.recorded >= from)
                && filter.until.is_none_or(|until| receipt.recorded < until)
                && filter.officer.as_ref().is_none_or(|officer| *officer == receipt.officer)
                && filter.list.as_ref().is_none_or(|list| receipt.lists.contains(list))
                && filter.purpose.as_ref().is_none_or(|purpose| *purpose == receipt.purpose)
                && filter.after.is_none_or(|after| (receipt.record.id < after) == filter.newest_first)
                && filter.after != Some(receipt.record.id)
        };
        let mut receipts: Vec<_> = receipts().into_iter().filter(meant).collect();
        if filter.newest_first {
            receipts.reverse();
        }
        let more = receipts.len() > limit as usize;
        receipts.truncate(limit as usize);
        let next = receipts.last().map(|receipt| receipt.record.id).filter(|_| more);
        std::future::ready(Ok(ReceiptPage { receipts, next })).boxed()
    }

    fn receipt(&self, record: Ulid) -> BoxFuture<'static, Result<Option<ReceiptFile>, Reason>> {
        let found = receipts().into_iter().find(|receipt| receipt.record.id == record);
        let file = |summary| ReceiptFile { summary, bytes: b"tacit-receipt".to_vec().into() };
        std::future::ready(Ok(found.map(file))).boxed()
    }

    fn register_measure(&self, wanted: MeasureWanted) -> BoxFuture<'static, Result<KnownMeasure, Refusal>> {
        let known = receipts().iter().any(|receipt| receipt.record.id == wanted.record);
        let registered = KnownMeasure { decider: wanted.decider, until: wanted.until, ..measure() };
        std::future::ready(if known { Ok(registered) } else { Err(Reason::AnswerNotListed.into()) }).boxed()
    }

    fn lift_measure(&self, id: Ulid, _: String) -> BoxFuture<'static, Result<KnownMeasure, Refusal>> {
        let lifted = KnownMeasure { state: MeasureState::Lifted, lifted: measure().registered, ..measure() };
        let known = measure().registered.is_some_and(|at| at.record.id == id);
        std::future::ready(if known { Ok(lifted) } else { Err(Reason::NotFound.into()) }).boxed()
    }

    fn measures(&self, all: bool, after: Ulid, _: u32) -> BoxFuture<'static, Result<MeasurePage, Reason>> {
        let ended = KnownMeasure { state: MeasureState::Ended, ..measure() };
        let found = if all { vec![measure(), ended] } else { vec![measure()] };
        let found = if after == Ulid(0) { found } else { Vec::new() };
        std::future::ready(Ok(MeasurePage { measures: found, next: None })).boxed()
    }
}

/// The gateway's state around an asker, and the switch that stops it.
pub(super) fn app(
    asker: FakeAsker,
    redress: Option<Redress>,
    limits: GatewayLimits,
) -> (Arc<App>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let app = App {
        asker: Arc::new(asker),
        redress,
        tokens: Tokens::parse(&format!("intake:{TOKEN}\nofficer:{OFFICER} redress\n")).unwrap(),
        clock: Arc::new(ManualClock::new(NOW.parse().unwrap())),
        requests: Arc::new(Semaphore::new(limits.requests)),
        batches: Arc::new(Semaphore::new(limits.batches)),
        limits,
        stopping,
    };
    (Arc::new(app), stop)
}
