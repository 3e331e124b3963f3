//! Receipts outside the agency: files that were damaged, changed or made up, and what they still prove.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tacit_blind::encoding::b3;
use tacit_client::{
    FileProblem, Outcome, Proven, Receipt, ReceiptError, ReceiptFilter, RecordRef, Step, Whose,
};
use tacit_ledger::checkpoint::Checkpoint;
use tacit_ledger::note::{NoteSigner, NoteVerifier};
use tacit_model::{ListId, Millis, SubjectCode};

use crate::support::registry::key;
use crate::support::{World, codes, log_key, question, subjects};

const CHECKSUM: usize = 32;

/// The file with the hash that belongs to its content: who changes a receipt on purpose does this too.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.extend_from_slice(&b3("tacit v1 receipt", &[content]));
    bytes
}

/// What of a receipt's meaning must never change. Cosignatures may be lost, not won.
fn meaning(proven: &Proven) -> String {
    let answer = |it: &tacit_client::ProvenAnswer| {
        let label = it.label.as_ref().map(tacit_blind::table::Label::encode);
        (it.list.to_string(), it.version, it.table_index, label)
    };
    let answers: Vec<_> = proven.answers.iter().map(answer).collect();
    format!("{:?} {} {} {} {answers:?}", proven.access, proven.basis, proven.case, proven.officer)
}

async fn record_of(world: &World, lists: &[&str], code: &SubjectCode) -> RecordRef {
    let outcomes =
        world.requester().check_batch(&question(lists), subjects(std::slice::from_ref(code))).await;
    let Outcome::Answers(answers) = &outcomes[0].outcome else { panic!() };
    answers[0].record.unwrap()
}

/// A receipt about one listed subject, with the world it is from.
async fn one() -> (World, Receipt) {
    let world = World::new().await;
    let all = codes(3, 44);
    world.seal("court/defaulters", 1, &all);
    let record = record_of(&world, &["court/defaulters"], &all[0]).await;
    let receipt = world.requester().receipt(record.id).await.unwrap().unwrap();
    assert!(receipt.is_about(&all[0]) && !receipt.is_about(&all[1]));
    (world, receipt)
}

fn prove(world: &World, bytes: &[u8]) -> Result<Proven, ReceiptError> {
    Receipt::from_bytes(bytes)?.verify(&log_key(), &world.registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_listed_by_case_officer_list_purpose_and_time_page_by_page() {
    let world = World::new().await;
    let all = codes(5, 45);
    world.seal("court/defaulters", 1, &all[..2]);
    let requester = world.requester();
    let mut times = Vec::new();
    for (place, code) in all.iter().enumerate() {
        let mut asked = question(&["court/defaulters"]);
        asked.case = format!("2026-{}", place % 2);
        asked.officer = format!("officer-{}", place / 3 + 3);
        times.push(world.now());
        requester.check_batch(&asked, subjects(std::slice::from_ref(code))).await;
        world.clock.advance_ms(1000);
    }
    let ids = |filter: ReceiptFilter, limit: u32| {
        let requester = requester.clone();
        async move {
            let page = requester.receipts(&filter, limit).await.unwrap();
            (page.receipts.iter().map(|it| it.recorded).collect::<Vec<Millis>>(), page)
        }
    };
    let (every, page) = ids(ReceiptFilter::default(), 100).await;
    assert_eq!((every.len(), page.next), (5, None));
    assert!(every.is_sorted() && every[0] >= times[0]);
    assert_eq!(page.receipts[0].case, "2026-0");
    assert_eq!(
        (page.receipts[0].purpose.as_str(), page.receipts[0].officer.as_str()),
        ("screening", "officer-3")
    );
    assert_eq!(page.receipts[0].lists, ["court/defaulters".parse::<ListId>().unwrap()]);

    let case = |case: &str| ReceiptFilter { case: Some(case.to_owned()), ..ReceiptFilter::default() };
    assert_eq!(ids(case("2026-0"), 100).await.0.len(), 3);
    assert_eq!(ids(case("2026-7"), 100).await.0.len(), 0);
    let between = ReceiptFilter { from: Some(times[1]), until: Some(times[3]), ..ReceiptFilter::default() };
    assert_eq!(ids(between, 100).await.0, every[1..3]);

    let officer = |name: &str| ReceiptFilter { officer: Some(name.to_owned()), ..ReceiptFilter::default() };
    assert_eq!(ids(officer("officer-3"), 100).await.0, every[..3]);
    assert_eq!(ids(officer("officer-4"), 100).await.0, every[3..]);
    assert!(ids(officer("officer"), 100).await.0.is_empty());
    let list = |list: &str| ReceiptFilter { list: Some(list.parse().unwrap()), ..officer("officer-4") };
    assert_eq!(ids(list("court/defaulters"), 1).await.0, every[3..4]);
    assert!(ids(list("court/others"), 100).await.0.is_empty());
    let purpose =
        |purpose: &str| ReceiptFilter { purpose: Some(purpose.to_owned()), ..ReceiptFilter::default() };
    assert_eq!(ids(purpose("screening"), 100).await.0, every);
    assert_eq!(ids(purpose("gossip"), 100).await.0.len(), 0);

    let newest = every.iter().rev().copied().collect();
    for (newest_first, list, due) in [
        (false, None, every.clone()),
        (true, None, newest),
        (true, Some("court/defaulters".parse().unwrap()), every.iter().rev().copied().collect()),
    ] {
        let mut filter = ReceiptFilter { newest_first, list, ..ReceiptFilter::default() };
        let mut paged = Vec::new();
        loop {
            let (times, page) = ids(filter.clone(), 2).await;
            paged.extend(times);
            let Some(next) = page.next else { break };
            // What is asked meanwhile comes after the cursor, or before the first page.
            filter.after = Some(next);
        }
        assert_eq!(paged, due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_byte_is_refused_or_changes_nothing() {
    let (world, receipt) = one().await;
    let bytes = receipt.to_bytes().to_vec();
    let due = meaning(&prove(&world, &bytes).unwrap());
    let content = &bytes[..bytes.len() - CHECKSUM];
    let flipped = |at: usize| {
        let mut changed = content.to_vec();
        changed[at] ^= 1 << (at % 8);
        changed
    };
    // As damage: the hash at the end finds all of it.
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let error = Receipt::from_bytes(&changed).unwrap_err();
        assert!(matches!(error, ReceiptError::File(_)), "{at}: {error}");
    }
    // On purpose, with a hash that fits: every field is proven by something. Entries are many and all alike.
    let (sealed_from, sealed_to) = entries_of(content);
    let places: Vec<usize> =
        (0..content.len()).filter(|at| !(sealed_from..sealed_to).contains(at) || at % 64 == 0).collect();
    let unproven = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for part in places.chunks(places.len() / 4 + 1) {
            let (unproven, world, due, flipped) = (&unproven, &world, &due, &flipped);
            scope.spawn(move || {
                for &at in part {
                    if let Ok(proven) = prove(world, &sealed(&flipped(at))) {
                        assert_eq!(meaning(&proven), *due, "{at}");
                        unproven.lock().unwrap().push(at);
                    }
                }
            });
        }
    });
    assert_eq!(unproven.into_inner().unwrap(), Vec::<usize>::new(), "no byte is there for nothing");
}

/// Where the entries of the only bucket stand: the largest field, which is a whole bucket.
fn entries_of(content: &[u8]) -> (usize, usize) {
    let long = |at: &usize| {
        let length = u32::from_be_bytes(content[*at..at + 4].try_into().unwrap()) as usize;
        length > content.len() / 2 && at + 4 + length <= content.len()
    };
    let at = (0..content.len() - 4).find(long).unwrap();
    (at + 4, content.len() - 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_was_cut_off_says_so() {
    let (_, receipt) = one().await;
    let bytes = receipt.to_bytes().to_vec();
    for end in 0..bytes.len() {
        let error = Receipt::from_bytes(&bytes[..end]).unwrap_err();
        let due = if end < 14 { FileProblem::NotAReceipt } else { FileProblem::Damaged };
        assert!(matches!(error, ReceiptError::File(found) if found == due), "{end}: {error}");
        // Also with a hash of its own.
        let cut = sealed(&bytes[..end.min(bytes.len() - CHECKSUM - 1)]);
        assert!(matches!(Receipt::from_bytes(&cut), Err(ReceiptError::File(_))), "{end}");
    }
    let mut later = bytes.clone();
    later[14] = 2;
    assert!(matches!(Receipt::from_bytes(&later), Err(ReceiptError::File(FileProblem::Version(2)))));
    let longer = sealed(&[&bytes[..bytes.len() - CHECKSUM], b"x"].concat());
    assert!(matches!(Receipt::from_bytes(&longer), Err(ReceiptError::File(FileProblem::Form(_)))));
}

#[derive(Debug, Clone)]
enum Edit {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (index(), 1..64usize).prop_map(|(at, count)| Edit::Cut(at, count)),
        (index(), prop::collection::vec(any::<u8>(), 1..64)).prop_map(|(at, new)| Edit::Insert(at, new)),
        (index(), index(), 1..256usize).prop_map(|(from, to, count)| Edit::Copy(from, to, count)),
    ]
}

fn apply(content: &mut Vec<u8>, edit: &Edit) {
    let length = content.len();
    match edit {
        Edit::Set(at, byte) => content[at.index(length)] = *byte,
        Edit::Cut(at, count) => {
            let at = at.index(length);
            content.drain(at..(at + count).min(length));
        }
        Edit::Insert(at, new) => {
            let at = at.index(length);
            content.splice(at..at, new.iter().copied());
        }
        Edit::Copy(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let count = (*count).min(length - from.max(to));
            content.copy_within(from..from + count, to);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_of_a_receipt_makes_it_say_something_else() {
    let (world, receipt) = one().await;
    let bytes = receipt.to_bytes().to_vec();
    let due = meaning(&prove(&world, &bytes).unwrap());
    let content = bytes[..bytes.len() - CHECKSUM].to_vec();
    // Most edits would fall into the entries of the bucket; half of them are made elsewhere.
    let head = entries_of(&content).0;
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() });
    let cases = (prop::collection::vec(edit(), 1..4), any::<bool>());
    runner
        .run(&cases, |(edits, in_head)| {
            let mut changed = content.clone();
            let mut tail = if in_head { changed.split_off(head) } else { Vec::new() };
            edits.iter().for_each(|edit| apply(&mut changed, edit));
            changed.append(&mut tail);
            if let Ok(proven) = prove(&world, &sealed(&changed)) {
                prop_assert_eq!(meaning(&proven), due.as_str());
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_or_registry_is_named() {
    let (world, receipt) = one().await;
    let other = NoteVerifier::new("hub/log", key("another").verifying_key()).unwrap();
    let error = receipt.verify(&other, &world.registry).unwrap_err();
    assert_eq!(error.whose(), Some(&Whose::Log));
    assert!(
        error.to_string().starts_with("the log's proof does not show that the question's record"),
        "{error}"
    );
    for registry in [&b"{}"[..], b""] {
        let error = receipt.verify_alone(&log_key(), registry).unwrap_err();
        assert!(matches!(error, ReceiptError::OtherRegistry), "{error}");
    }
}

/// The part of the only list, with the number of lists in front.
fn list_part(bytes: &[u8]) -> (usize, usize) {
    let named = [&16u32.to_be_bytes()[..], b"court/defaulters"].concat();
    let at = bytes.windows(named.len()).position(|window| window == named).unwrap();
    // Behind it: u8 witnessed, and the hash.
    (at - 4, bytes.len() - CHECKSUM - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_stands_in_a_receipt_once_and_at_least_one_does() {
    let (world, receipt) = one().await;
    let bytes = receipt.to_bytes().to_vec();
    let (from, to) = list_part(&bytes);
    let list = &bytes[from + 4..to];
    for lists in [Vec::new(), vec![list, list]] {
        let count = u32::try_from(lists.len()).unwrap().to_be_bytes();
        let content = [&bytes[..from], &count, &lists.concat(), &[0]].concat();
        let error = prove(&world, &sealed(&content)).unwrap_err();
        assert!(matches!(error, ReceiptError::Proof { step: Step::Lists, .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_receipts_cannot_be_mixed() {
    let world = World::new().await;
    let all = codes(2, 46);
    world.seal("court/defaulters", 1, &all[..1]);
    let mut files = Vec::new();
    for code in &all {
        let record = record_of(&world, &["court/defaulters"], code).await;
        files.push(world.requester().receipt(record.id).await.unwrap().unwrap().to_bytes().to_vec());
    }
    assert!(prove(&world, &files[0]).unwrap().answers[0].label.is_some());
    assert!(prove(&world, &files[1]).unwrap().answers[0].label.is_none());
    // The answer about one subject under the question about the other.
    let ((head, _), (from, _)) = (list_part(&files[0]), list_part(&files[1]));
    let mixed = [&files[0][..head], &files[1][from..files[1].len() - CHECKSUM]].concat();
    let error = prove(&world, &sealed(&mixed)).unwrap_err();
    assert_eq!(error.whose(), Some(&Whose::Holder("court".parse().unwrap())), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_history_is_no_witness() {
    let (world, receipt) = one().await;
    let log = NoteSigner::new("hub/log", key("hub/log")).unwrap();
    let size = receipt.verify(&log_key(), &world.registry).unwrap().log_size;
    let fork = Checkpoint { origin: "hub/log".to_owned(), size: size + 1, root: [9; 32] };
    let note = fork.sign(&log).unwrap().note().to_vec();
    let witnessed = receipt.clone().with_cosigned(vec![[1; 32]], note.into());
    let again = Receipt::from_bytes(&witnessed.to_bytes()).unwrap();
    assert!(again == witnessed && again != receipt);
    let error = again.verify(&log_key(), &world.registry).unwrap_err();
    assert!(matches!(error, ReceiptError::Proof { whose: Whose::Log, step: Step::Witnessed, .. }), "{error}");
}
