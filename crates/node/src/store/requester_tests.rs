//! The requester's tables in the node's database.

use std::collections::HashSet;

use tacit_client::store::{
    ConsentRow, Counts, RecordOutcome, RecordRow, RequestRow, RequestState, RequesterStore as _, RowKey,
    Settled, SubjectRow, SubjectState, Wanted,
};
use tacit_desk::store::requester::RequesterTables;
use tacit_model::{Millis, Ulid};

async fn open(dir: &tempfile::TempDir) -> RequesterTables {
    let url = tacit_store::conformance::url(dir.path(), "node");
    RequesterTables::new(crate::store::open(&url).await.unwrap())
}

fn key(n: u8) -> RowKey {
    [n; 32]
}

fn request(n: u8, case: u8, asked: u64) -> RequestRow {
    RequestRow { hash: key(n), asked: Millis(asked), case: key(case), sealed: vec![n; 40] }
}

fn record(id: u128, place: u32, outcome: RecordOutcome) -> RecordRow {
    RecordRow { id: Ulid(id), place, outcome }
}

#[tokio::test]
async fn the_first_blinding_of_a_subject_stands_until_it_is_enrolled() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let own = vec![(key(1), vec![1]), (key(2), vec![2])];
    let standing = store.begin_enrollments(own).await.unwrap();
    assert!(standing.iter().all(|row| row.state == SubjectState::Pending));
    let other = vec![(key(2), vec![20]), (key(3), vec![30])];
    let standing = store.begin_enrollments(other).await.unwrap();
    assert_eq!(standing.iter().map(|row| row.sealed.clone()).collect::<Vec<_>>(), [vec![2], vec![30]]);
    assert_eq!(store.counts().await.unwrap(), Counts { enrolled: 0, pending: 3 });

    store.finish_enrollments(vec![(key(1), vec![11])], Vec::new()).await.unwrap();
    store.drop_pending(vec![key(1), key(2)]).await.unwrap();
    let rows = store.subjects(vec![key(1), key(2), key(3), key(1)]).await.unwrap();
    let enrolled = SubjectRow { state: SubjectState::Enrolled, sealed: vec![11] };
    assert_eq!(rows[0], Some(enrolled.clone()));
    assert_eq!(rows[1], None);
    assert_eq!(rows[2].as_ref().unwrap().state, SubjectState::Pending);
    assert_eq!(rows[3], Some(enrolled));
    assert_eq!(store.counts().await.unwrap(), Counts { enrolled: 1, pending: 1 });
}

#[tokio::test]
async fn a_request_that_was_sent_is_found_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    store.put_request(request(1, 9, 200)).await.unwrap();
    store.put_request(request(2, 9, 100)).await.unwrap();
    drop(store);
    let store = open(&dir).await;
    let open = store.open_requests(10).await.unwrap();
    assert_eq!(open, [request(2, 9, 100), request(1, 9, 200)]);
    let settled = Settled {
        hash: key(2),
        state: RequestState::Answered,
        answer: Some(vec![7]),
        records: vec![record(5, 0, RecordOutcome::Answered)],
        officer: Some(key(41)),
        buckets: vec![(key(50), vec![50; 8192])],
    };
    store.settle(settled).await.unwrap();
    assert_eq!(store.open_requests(10).await.unwrap(), [request(1, 9, 200)]);
    let found = store.record(Ulid(5)).await.unwrap().unwrap();
    assert_eq!((found.request.hash, found.answer), (key(2), vec![7]));
    assert_eq!(found.records, [record(5, 0, RecordOutcome::Answered)]);
    assert_eq!(store.has_buckets(vec![key(51), key(50)]).await.unwrap(), [false, true]);
    assert_eq!(store.bucket(key(50)).await.unwrap(), Some(vec![50; 8192]));
    assert_eq!(store.record(Ulid(6)).await.unwrap(), None);
}

#[tokio::test]
async fn records_without_an_answer_are_listed_by_case() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    for (n, case) in [(1, 9), (2, 9), (3, 8)] {
        store.put_request(request(n, case, 1)).await.unwrap();
        let settled = Settled {
            hash: key(n),
            state: RequestState::NotAnswered,
            answer: Some(vec![n]),
            records: vec![
                record(u128::from(n) * 10, 0, RecordOutcome::Answered),
                record(u128::from(n) * 10 + 1, 1, RecordOutcome::NotAnswered),
            ],
            officer: None,
            buckets: Vec::new(),
        };
        store.settle(settled).await.unwrap();
    }
    let first = store.not_answered(key(9), [0; 32], 1).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].records, [record(11, 1, RecordOutcome::NotAnswered)]);
    let second = store.not_answered(key(9), first[0].request.hash, 10).await.unwrap();
    assert_eq!(second.iter().map(|it| it.request.hash).collect::<Vec<_>>(), [key(2)]);
    assert!(store.not_answered(key(9), key(2), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_settled_request_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    store.put_request(request(1, 9, 1)).await.unwrap();
    let settled = |state, answer: u8, outcome| Settled {
        hash: key(1),
        state,
        answer: Some(vec![answer]),
        records: vec![record(1, 0, outcome)],
        officer: None,
        buckets: Vec::new(),
    };
    store.settle(settled(RequestState::Answered, 1, RecordOutcome::Answered)).await.unwrap();
    store.settle(settled(RequestState::NotAnswered, 2, RecordOutcome::NotAnswered)).await.unwrap();
    let found = store.record(Ulid(1)).await.unwrap().unwrap();
    assert_eq!((found.answer, found.records[0].outcome), (vec![1], RecordOutcome::Answered));
    assert!(store.not_answered(key(9), [0; 32], 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_old_state_of_a_consent_never_replaces_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let row = |id: u128, number, sealed: u8| ConsentRow {
        pseudonym: key(1),
        id: Ulid(id),
        number,
        sealed: vec![sealed],
    };
    store.put_consents(vec![row(1, 2, 2), row(2, 1, 1)]).await.unwrap();
    store.finish_enrollments(Vec::new(), vec![row(1, 1, 9), row(2, 3, 3), row(2, 2, 8)]).await.unwrap();
    let found = store.consents(vec![key(2), key(1)]).await.unwrap();
    assert_eq!(found, [vec![], vec![row(1, 2, 2), row(2, 3, 3)]]);
    assert_eq!(store.consents_after(Ulid(1), 10).await.unwrap(), [row(2, 3, 3)]);
    assert!(store.consents_after(Ulid(2), 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_agree_on_one_blinding() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    let begin = |n: u8| {
        let store = store.clone();
        async move { store.begin_enrollments((0..50).map(|k| (key(k), vec![n])).collect()).await.unwrap() }
    };
    let all = futures::future::join_all((0..16).map(begin)).await;
    for place in 0..50 {
        let seen: HashSet<_> = all.iter().map(|rows| rows[place].sealed.clone()).collect();
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn answered_records_are_listed_by_id_by_case_and_by_officer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir).await;
    for (n, case) in [(1, 9), (2, 8), (3, 9)] {
        store.put_request(request(n, case, 1)).await.unwrap();
        let id = u128::from(n) * 10;
        let settled = Settled {
            hash: key(n),
            state: RequestState::NotAnswered,
            answer: Some(vec![n]),
            records: vec![
                record(id, 0, RecordOutcome::Answered),
                record(id + 1, 1, RecordOutcome::NotAnswered),
                record(id + 2, 2, RecordOutcome::Answered),
            ],
            // What was settled before officers were kept has none.
            officer: (n < 3).then(|| key(n + 40)),
            buckets: Vec::new(),
        };
        store.settle(settled).await.unwrap();
    }
    let answered = async |wanted: Wanted| {
        let found = store.answered(wanted).await.unwrap();
        assert!(found.iter().all(|it| it.request == key(u8::try_from(it.id.0 / 10).unwrap())));
        found.into_iter().map(|it| it.id.0).collect::<Vec<_>>()
    };
    let ids = |case: Option<RowKey>, from: u128, until: u128, limit: u32| {
        answered(Wanted { case, from: Ulid(from), until: Ulid(until), ..Wanted::all(limit) })
    };
    assert_eq!(ids(None, 0, u128::MAX, 100).await, [10, 12, 20, 22, 30, 32]);
    assert_eq!(ids(Some(key(9)), 0, u128::MAX, 100).await, [10, 12, 30, 32]);
    assert_eq!(ids(Some(key(9)), 12, 32, 100).await, [12, 30]);
    assert_eq!(ids(None, 13, u128::MAX, 2).await, [20, 22]);
    assert!(ids(Some(key(7)), 0, u128::MAX, 100).await.is_empty());
    let of = |officer: u8, limit| Wanted { officer: Some(key(officer)), ..Wanted::all(limit) };
    assert_eq!(answered(of(42, 100)).await, [20, 22]);
    assert!(answered(of(43, 100)).await.is_empty());
    assert_eq!(answered(Wanted { newest_first: true, ..of(41, 1) }).await, [12]);
    assert_eq!(answered(Wanted { newest_first: true, ..Wanted::all(3) }).await, [32, 30, 22]);
    let both = Wanted { case: Some(key(9)), newest_first: true, until: Ulid(12), ..of(41, 100) };
    assert_eq!(answered(both).await, [10]);
    assert!(answered(Wanted { case: Some(key(8)), ..of(41, 100) }).await.is_empty());
}
