//! Records have one spelling, and no bytes make the parser panic.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use proptest::collection::vec;
use proptest::prelude::*;
use tacit_ledger::record::{
    Access, Audit, BOX_STEPS, BoxOpened, CONSENT_STATES, Consent, Demand, ERASURE_GROUNDS, Enrollment,
    Erasure, Export, ListAt, MAX_RECORD_LEN, MEASURE_STATES, Manifest, Measure, Notice, Record, RecordError,
    Refused, Registry,
};

fn access() -> Access {
    Access {
        id: "01KAQ8A1B2C3D4E5F6G7H8J9K1".to_owned(),
        time_ms: 1_795_300_143_223,
        requester: "procurement".to_owned(),
        holder: "court".to_owned(),
        lists: vec![
            ListAt { list: "court/defaulters".to_owned(), epoch: 20778, version: 3 },
            ListAt { list: "court/debarred".to_owned(), epoch: 0, version: u64::MAX },
        ],
        purpose: "screening".to_owned(),
        registry: [0xab; 32],
        query: [1; 32],
        matter: [2; 32],
        cnf: [3; 32],
        expires_ms: 1_795_300_203_223,
        subject: [4; 32],
        evidence: [5; 32],
    }
}

fn manifest() -> Manifest {
    Manifest {
        id: "01KAQ8A1B2C3D4E5F6G7H8J9K3".to_owned(),
        time_ms: 0,
        holder: "court".to_owned(),
        list: "court/defaulters".to_owned(),
        epoch: 20778,
        version: 3,
        key: [1; 32],
        buckets: 4,
        capacity: 128,
        root: [2; 32],
        note: [3; 32],
    }
}

fn erasure() -> Erasure {
    Erasure {
        id: "01KAQ8A1B2C3D4E5F6G7H8J9K5".to_owned(),
        time_ms: 1_795_300_143_223,
        authority: "portal".to_owned(),
        ground: "retention-over".to_owned(),
        openings: 7,
        subject: [4; 32],
    }
}

fn measure() -> Measure {
    Measure {
        id: "01KAQ8A1B2C3D4E5F6G7H8J9K6".to_owned(),
        time_ms: 1_795_300_143_223,
        requester: "procurement".to_owned(),
        answer: "01KAQ8A1B2C3D4E5F6G7H8J9K1".to_owned(),
        agreement: "01KAQ8A1B2C3D4E5F6G7H8J9K7".to_owned(),
        measure: 1,
        state: MEASURE_STATES[0].to_owned(),
        registered: "01KAQ8A1B2C3D4E5F6G7H8J9K6".to_owned(),
        until_ms: None,
        details: [6; 32],
        subject: [4; 32],
    }
}

#[test]
fn a_measure_is_registered_by_itself_and_lifted_by_another_record() {
    let bytes = measure().to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\nuntil none\ndetails "), "{text}");
    assert_eq!(Record::parse(text.as_bytes()), Ok(Record::Measure(measure())));
    let lifted = Measure { id: measure().answer, state: "lifted".to_owned(), ..measure() };
    assert!(lifted.to_bytes().is_ok());
    let changed = |change: fn(&mut Measure)| {
        let mut record = measure();
        change(&mut record);
        record.to_bytes().unwrap_err()
    };
    assert_eq!(changed(|it| it.state = "lifted".to_owned()), RecordError::Contradiction("registered"));
    assert_eq!(changed(|it| it.registered = it.answer.clone()), RecordError::Contradiction("registered"));
    assert_eq!(changed(|it| it.measure = 0), RecordError::Field("measure"));
    assert_eq!(changed(|it| it.until_ms = Some(it.time_ms)), RecordError::Contradiction("until"));
    let other = text.replace("\nstate registered\n", "\nstate ended\n");
    assert_eq!(Record::parse(other.as_bytes()), Err(RecordError::Field("state")));
    for other in ["until 0", "until None", "until "] {
        assert!(Record::parse(text.replace("until none", other).as_bytes()).is_err(), "{other}");
    }
}

fn access_text() -> String {
    String::from_utf8(access().to_bytes().unwrap()).unwrap()
}

fn parse(text: &str) -> Result<Record, RecordError> {
    Record::parse(text.as_bytes())
}

/// The same record with one piece of text replaced, which must be there.
fn with(from: &str, to: &str) -> String {
    let text = access_text();
    assert!(text.contains(from), "{from:?}");
    text.replacen(from, to, 1)
}

#[test]
fn a_record_reads_back() {
    assert_eq!(parse(&access_text()), Ok(Record::Access(access())));
}

#[test]
fn lines_in_another_order_twice_or_missing_are_refused() {
    let text = access_text();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut missing = lines.clone();
        missing.remove(at);
        assert!(parse(&missing.concat()).is_err(), "without line {at}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert!(parse(&twice.concat()).is_err(), "line {at} twice");
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(parse(&swapped.concat()).is_err(), "lines {at} and {other} swapped");
        }
        let mut blank = lines.clone();
        blank.insert(at, "\n");
        assert!(parse(&blank.concat()).is_err(), "empty line before {at}");
    }
}

#[test]
fn bytes_before_after_or_cut_off_are_refused() {
    let text = access_text();
    for cut in 0..text.len() {
        assert!(parse(&text[..cut]).is_err(), "cut at {cut}");
    }
    for tail in ["\n", " ", "\0", "evidence\n", "x"] {
        assert_eq!(parse(&format!("{text}{tail}")), Err(RecordError::Trailing));
    }
    assert!(parse(&format!("\u{feff}{text}")).is_err());
    assert!(parse(&format!("\n{text}")).is_err());
    assert!(parse(&text.replace('\n', "\r\n")).is_err());
    assert_eq!(parse(&"x".repeat(MAX_RECORD_LEN + 1)), Err(RecordError::TooLong));
}

#[test]
fn every_flipped_bit_is_refused_or_is_another_record() {
    let bytes = access().to_bytes().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            if let Ok(record) = Record::parse(&bad) {
                assert_eq!(record.to_bytes().unwrap(), bad);
            }
        }
    }
}

#[test]
fn another_form_of_a_value_is_refused_by_the_name_of_its_field() {
    let b64 = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let cases = [
        ("tacit-log/v1\n", "tacit-log/v2\n", RecordError::Header),
        ("kind access", "kind Access", RecordError::UnknownKind),
        ("kind access", "kind ", RecordError::UnknownKind),
        ("kind access", "kind\taccess", RecordError::Field("kind")),
        ("id 01KAQ", "id 01kaq", RecordError::Field("id")),
        ("id 01KAQ", "id 81KAQ", RecordError::Field("id")),
        ("id 01KAQ", "id 01KAI", RecordError::Field("id")),
        ("id 01KAQ", "id 01KAU", RecordError::Field("id")),
        ("id 01KAQ", "id 1KAQ", RecordError::Field("id")),
        ("time 2026-11-21T22:29:03.223Z", "time 2026-11-21T22:29:03Z", RecordError::Field("time")),
        ("time 2026-11-21T22:29:03.223Z", "time 2026-11-21T22:29:03.223+00:00", RecordError::Field("time")),
        ("requester procurement", "requester  procurement", RecordError::Field("requester")),
        ("requester procurement", "requester procurement ", RecordError::Field("requester")),
        ("requester procurement", "requester Procurement", RecordError::Field("requester")),
        ("requester procurement", "requester -procurement", RecordError::Field("requester")),
        ("requester procurement", "requester ", RecordError::Field("requester")),
        ("requester procurement", "Requester procurement", RecordError::Field("requester")),
        ("requester procurement", "requester pr\u{6f}\u{308}curement", RecordError::Field("requester")),
        ("lists court/defaulters@20778.3 ", "lists court/defaulters@20778.3  ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court/defaulters@020778.3 ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court/defaulters@20778 ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court/defaulters@20778.+3 ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court/a/b@20778.3 ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court@20778.3 ", RecordError::Field("lists")),
        ("lists court/defaulters@20778.3 ", "lists court/debarred@1.1 ", RecordError::Field("lists")),
        (
            "lists court/defaulters@20778.3 ",
            "lists customs/defaulters@20778.3 ",
            RecordError::Contradiction("lists"),
        ),
        (".18446744073709551615", ".18446744073709551616", RecordError::Field("lists")),
        ("registry abab", "registry ABab", RecordError::Field("registry")),
        ("registry abab", "registry ab", RecordError::Field("registry")),
        (b64, &b64[..43], RecordError::Field("query")),
        (b64, &b64.replace("QE=", "QF="), RecordError::Field("query")),
        (b64, &b64.replace('=', ""), RecordError::Field("query")),
        (b64, &b64.replace("QE=", "QEB"), RecordError::Field("query")),
        (b64, &b64.replacen('A', "_", 1), RecordError::Field("query")),
        (
            "expires 2026-11-21T22:30:03.223Z",
            "expires 2026-11-21T22:30:03.224Z",
            RecordError::Contradiction("expires"),
        ),
        (
            "expires 2026-11-21T22:30:03.223Z",
            "expires 2026-11-21T22:29:03.223Z",
            RecordError::Contradiction("expires"),
        ),
        (
            "expires 2026-11-21T22:30:03.223Z",
            "expires 2026-11-21T22:29:03.222Z",
            RecordError::Contradiction("expires"),
        ),
    ];
    for (from, to, error) in cases {
        assert_eq!(parse(&with(from, to)), Err(error), "{to:?}");
    }
    assert!(parse(&with("expires 2026-11-21T22:30:03.223Z", "expires 2026-11-21T22:29:03.224Z")).is_ok());
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let too_many =
        (0..17).map(|n| ListAt { list: format!("court/l{n}"), epoch: 1, version: 1 }).collect::<Vec<_>>();
    let twice = vec![access().lists[0].clone(); 2];
    let bad = [
        (Access { id: String::new(), ..access() }, RecordError::Field("id")),
        (Access { requester: "a\nholder b".to_owned(), ..access() }, RecordError::Field("requester")),
        (Access { requester: "a".repeat(64), ..access() }, RecordError::Field("requester")),
        (Access { lists: Vec::new(), ..access() }, RecordError::Field("lists")),
        (Access { lists: too_many, ..access() }, RecordError::Field("lists")),
        (Access { lists: twice, ..access() }, RecordError::Field("lists")),
        (Access { time_ms: u64::MAX - 1, expires_ms: u64::MAX, ..access() }, RecordError::Field("time")),
        (Access { expires_ms: 0, ..access() }, RecordError::Contradiction("expires")),
    ];
    for (record, error) in bad {
        assert_eq!(record.to_bytes(), Err(error));
    }
    assert_eq!(Manifest { buckets: 3, ..manifest() }.to_bytes(), Err(RecordError::Field("buckets")));
    assert_eq!(Manifest { buckets: 0, ..manifest() }.to_bytes(), Err(RecordError::Field("buckets")));
    assert_eq!(Manifest { buckets: 1 << 17, ..manifest() }.to_bytes(), Err(RecordError::Field("buckets")));
    assert_eq!(Manifest { capacity: 127, ..manifest() }.to_bytes(), Err(RecordError::Field("capacity")));
    let foreign = Manifest { holder: "customs".to_owned(), ..manifest() };
    assert_eq!(foreign.to_bytes(), Err(RecordError::Contradiction("list")));
}

#[test]
fn what_auditors_do_is_no_record_when_it_contradicts_itself() {
    let (id, time_ms) = (access().id, access().time_ms);
    let opened = BoxOpened {
        id: id.clone(),
        time_ms,
        step: "approved".to_owned(),
        auditor: "auditor-a".to_owned(),
        second: "auditor-b".to_owned(),
        requester: "procurement".to_owned(),
        registration: [1; 32],
        about: id.clone(),
        ground: [2; 32],
    };
    assert!(opened.to_bytes().is_ok());
    // One person alone opens nothing.
    let alone = BoxOpened { second: "auditor-a".to_owned(), ..opened.clone() };
    assert_eq!(alone.to_bytes(), Err(RecordError::Contradiction("second")));
    let step = BoxOpened { step: "opened".to_owned(), ..opened };
    assert_eq!(step.to_bytes(), Err(RecordError::Field("step")));
    let demand = Demand {
        id: id.clone(),
        time_ms,
        auditor: "auditor-a".to_owned(),
        requester: "procurement".to_owned(),
        about: id.clone(),
        due_ms: time_ms,
    };
    assert_eq!(demand.to_bytes(), Err(RecordError::Contradiction("due")));
    assert!(Demand { due_ms: time_ms + 1, ..demand }.to_bytes().is_ok());
    let reader = "auditor-a".to_owned();
    let export = Export { id, time_ms, reader, records: 2, from: 3, until: 5, form: "csv".to_owned() };
    assert!(export.to_bytes().is_ok());
    assert_eq!(Export { records: 3, ..export.clone() }.to_bytes(), Err(RecordError::Field("records")));
    assert_eq!(Export { until: 2, ..export }.to_bytes(), Err(RecordError::Contradiction("until")));
}

#[test]
fn a_record_of_the_longest_names_fits() {
    let name = "x".repeat(63);
    let lists = (0..16)
        .map(|n| ListAt {
            list: format!("{name}/{}{n:02}", "y".repeat(61)),
            epoch: u64::MAX,
            version: u64::MAX,
        })
        .collect();
    let longest = Access { holder: name.clone(), requester: name.clone(), purpose: name, lists, ..access() };
    assert!(longest.to_bytes().unwrap().len() < MAX_RECORD_LEN / 2);
}

#[test]
fn an_erasure_says_who_why_and_how_many_and_nothing_of_whom() {
    let bytes = erasure().to_bytes().unwrap();
    let text = "tacit-log/v1\nkind erasure\nid 01KAQ8A1B2C3D4E5F6G7H8J9K5\ntime 2026-11-21T22:29:03.223Z\n\
        authority portal\nground retention-over\nopenings 7\n\
        subject BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    assert_eq!(parse(text), Ok(erasure().into()));
    for (from, to, field) in [
        ("portal", "Portal", "authority"),
        ("retention-over", "because", "ground"),
        ("openings 7", "openings 0", "openings"),
        ("openings 7", "openings 07", "openings"),
        ("subject ", "subject  ", "subject"),
    ] {
        assert_eq!(parse(&text.replace(from, to)), Err(RecordError::Field(field)), "{to}");
    }
    let none = Erasure { openings: 0, ..erasure() };
    assert_eq!(none.to_bytes(), Err(RecordError::Field("openings")));
    let other = Erasure { ground: "because".to_owned(), ..erasure() };
    assert_eq!(other.to_bytes(), Err(RecordError::Field("ground")));
}

#[test]
fn a_record_of_one_kind_is_none_of_another() {
    let record = Record::from(access());
    assert_eq!(Access::try_from(record.clone()), Ok(access()));
    let error = Refused::try_from(record).unwrap_err();
    assert_eq!((error.expected, error.found), ("refused", "access"));
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9-]{0,62}"
}

fn ulid() -> impl Strategy<Value = String> {
    "[0-7][0-9A-HJKMNP-TV-Z]{25}"
}

const LAST_MS: u64 = 253_402_300_799_999;

fn any_access() -> impl Strategy<Value = Record> {
    let lists = proptest::collection::btree_map(name(), any::<(u64, u64)>(), 1..=16);
    let hashes = any::<[[u8; 32]; 6]>();
    (ulid(), 0..=LAST_MS - 60_000, 1..=60_000_u64, name(), name(), lists, name(), hashes).prop_map(
        |(
            id,
            time_ms,
            lasts,
            requester,
            holder,
            lists,
            purpose,
            [registry, query, matter, cnf, subject, evidence],
        )| {
            let at = |(name, (epoch, version))| ListAt { list: format!("{holder}/{name}"), epoch, version };
            let lists = lists.into_iter().map(at).collect();
            let expires_ms = time_ms + lasts;
            Record::Access(Access {
                id,
                time_ms,
                requester,
                holder,
                lists,
                purpose,
                registry,
                query,
                matter,
                cnf,
                expires_ms,
                subject,
                evidence,
            })
        },
    )
}

fn any_other() -> impl Strategy<Value = Record> {
    let numbers = any::<(u64, u64, u32)>();
    let hashes = any::<[[u8; 32]; 4]>();
    let choice = (0..12_usize, 0..8_usize, 0..=16_u32, 128..=u32::MAX);
    let names = (name(), name(), name());
    (ulid(), 0..=LAST_MS, names, "[a-z][a-z0-9_]{0,62}", numbers, hashes, choice).prop_map(
        |(
            id,
            time_ms,
            (requester, holder, purpose),
            reason,
            (a, b, small),
            [one, two, three, four],
            choice,
        )| {
            let (kind, state, bits, capacity) = choice;
            let list = format!("{holder}/{purpose}");
            match kind {
                0 => Record::Refused(Refused {
                    id,
                    time_ms,
                    requester,
                    holder,
                    lists: vec![list],
                    purpose,
                    registry: one,
                    reason,
                    matter: two,
                    subject: three,
                    evidence: four,
                }),
                1 => Record::Consent(Consent {
                    id,
                    time_ms,
                    authority: holder,
                    requester,
                    state: CONSENT_STATES[state].to_owned(),
                    terms: one,
                    subject: two,
                }),
                2 => Record::Manifest(Manifest {
                    id,
                    time_ms,
                    holder,
                    list,
                    epoch: a,
                    version: b,
                    key: one,
                    buckets: 1 << bits,
                    capacity,
                    root: two,
                    note: three,
                }),
                3 => Record::Registry(Registry { id, time_ms, number: a, registry: one }),
                4 => Record::Erasure(Erasure {
                    id,
                    time_ms,
                    authority: holder,
                    ground: ERASURE_GROUNDS[state % ERASURE_GROUNDS.len()].to_owned(),
                    openings: a.max(1),
                    subject: one,
                }),
                6 => Record::Notice(Notice {
                    id,
                    time_ms,
                    sender: holder,
                    member: requester,
                    letter: one,
                    subject: two,
                }),
                5 => Record::Audit(Audit { id, time_ms, reader: holder, pseudonyms: a.max(1), from: b }),
                7 => {
                    let registers = state % 2 == 0;
                    let registered = if registers { id.clone() } else { format!("0{}", &id[1..]) };
                    let registers = registers || registered == id;
                    Record::Measure(Measure {
                        answer: id.clone(),
                        agreement: id.clone(),
                        id,
                        time_ms,
                        requester,
                        measure: small.max(1),
                        state: MEASURE_STATES[usize::from(!registers)].to_owned(),
                        registered,
                        until_ms: (a % 2 == 0 && time_ms < LAST_MS).then_some(time_ms + 1),
                        details: two,
                        subject: one,
                    })
                }
                8 => Record::BoxOpened(BoxOpened {
                    about: id.clone(),
                    id,
                    time_ms,
                    step: BOX_STEPS[state % BOX_STEPS.len()].to_owned(),
                    second: format!("{}-2", &holder[..holder.len().min(40)]),
                    auditor: holder,
                    requester,
                    registration: one,
                    ground: two,
                }),
                9 => Record::Demand(Demand {
                    about: id.clone(),
                    id,
                    time_ms: time_ms / 2,
                    auditor: holder,
                    requester,
                    due_ms: time_ms / 2 + 1 + u64::from(small),
                }),
                10 => Record::Export(Export {
                    id,
                    time_ms,
                    reader: holder,
                    records: 1 + u64::from(small),
                    from: a >> 1,
                    until: (a >> 1) + 1 + u64::from(small),
                    form: "csv".to_owned(),
                }),
                _ => Record::Enrollment(Enrollment {
                    id,
                    time_ms,
                    custodian: holder,
                    requester,
                    epoch: small,
                    count: b,
                }),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_record_reads_back_as_itself(record in prop_oneof![any_access(), any_other()]) {
        let bytes = record.to_bytes().unwrap();
        let again = Record::parse(&bytes).unwrap();
        prop_assert_eq!(again.kind(), record.kind());
        prop_assert_eq!(again.id(), record.id());
        prop_assert_eq!(again.time_ms(), record.time_ms());
        prop_assert_eq!(again, record);
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        let _ = Record::parse(&bytes);
        let _ = tacit_ledger::note::Note::parse(&bytes);
        let _ = tacit_ledger::tile::TileId::parse_path(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_changes_of_a_record_never_panic_and_never_read_as_two(
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = access().to_bytes().unwrap();
        for (at, byte, change) in changes {
            let at = at.index(bytes.len());
            match change {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert_eq!(record.to_bytes().unwrap(), bytes);
        }
    }
}
