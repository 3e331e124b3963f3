//! Writes: all that wait become one commit, each kind one statement.

use std::collections::BTreeMap;

use tacit_client::store::{
    ConsentRow, RecordOutcome, RecordRow, RequestRow, RequestState, RowKey, Sealed, Settled, SubjectRow,
    SubjectState,
};
use tacit_store::{Conn, GroupTx, GroupWork, StoreError, Writes, bulk};

use super::{read, ulid_bytes};
use crate::store::signed;

/// One write that was asked for.
#[derive(Debug)]
pub(super) enum Job {
    Begin(Vec<(RowKey, Sealed)>),
    Finish { rows: Vec<(RowKey, Sealed)>, consents: Vec<ConsentRow> },
    Drop(Vec<RowKey>),
    Request(RequestRow),
    Settle(Settled),
    Consents(Vec<ConsentRow>),
}

/// What the asker gets.
#[derive(Debug)]
pub(super) enum Done {
    /// The rows that stand after [`Job::Begin`].
    Standing(Vec<SubjectRow>),
    Written,
}

/// The writer. It keeps nothing in memory.
#[derive(Debug)]
pub(super) struct Work;

#[derive(Default)]
struct Commit {
    begun: Vec<(RowKey, Sealed)>,
    /// By key: a statement must not touch a row twice.
    enrolled: BTreeMap<RowKey, Sealed>,
    consents: BTreeMap<(RowKey, u128), ConsentRow>,
    dropped: Vec<RowKey>,
    requests: Vec<RequestRow>,
    settled: Vec<Settled>,
}

impl GroupWork for Work {
    type Job = Job;
    type Done = Done;

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Job>) -> Result<Vec<Done>, StoreError> {
        let mut commit = Commit::default();
        // Of each job that begins enrollments: which keys it asked for.
        let mut begun: Vec<Option<usize>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            begun.push(commit.take(job));
        }
        let mut standing = commit.write(tx).await?.into_iter();
        let done = begun.into_iter().map(|count| match count {
            Some(count) => Done::Standing(standing.by_ref().take(count).collect()),
            None => Done::Written,
        });
        Ok(done.collect())
    }
}

impl Commit {
    fn take(&mut self, job: Job) -> Option<usize> {
        match job {
            Job::Begin(rows) => {
                let count = rows.len();
                self.begun.extend(rows);
                return Some(count);
            }
            Job::Finish { rows, consents } => {
                self.enrolled.extend(rows);
                self.take_consents(consents);
            }
            Job::Drop(keys) => self.dropped.extend(keys),
            Job::Request(request) => self.requests.push(request),
            Job::Settle(settled) => self.settled.push(settled),
            Job::Consents(rows) => self.take_consents(rows),
        }
        None
    }

    fn take_consents(&mut self, rows: Vec<ConsentRow>) {
        for row in rows {
            let key = (row.pseudonym, row.id.0);
            if self.consents.get(&key).is_none_or(|known| known.number <= row.number) {
                self.consents.insert(key, row);
            }
        }
    }

    async fn write(self, tx: &mut GroupTx<'_>) -> Result<Vec<SubjectRow>, StoreError> {
        let mut standing = Vec::new();
        if !self.begun.is_empty() {
            standing = begin(tx.begun().await?.0, self.begun).await?;
        }
        let last = tx.last();
        finish(last, &self.enrolled.into_iter().collect::<Vec<_>>());
        put_consents(last, &self.consents.into_values().collect::<Vec<_>>());
        drop_pending(last, &self.dropped);
        put_requests(last, &self.requests);
        settle(last, &self.settled);
        Ok(standing)
    }
}

async fn begin(conn: &mut Conn, rows: Vec<(RowKey, Sealed)>) -> Result<Vec<SubjectRow>, StoreError> {
    let into = "requester_subject (state, subject, sealed)";
    let suffix = "ON CONFLICT (subject) DO NOTHING";
    let inserted = bulk::insert(conn, into, 3, suffix, &rows, |row, (key, sealed)| {
        row.bind("pending").bind(key.as_slice()).bind(sealed.as_slice())
    })
    .await?;
    if inserted == rows.len() as u64 {
        let pending = |(_, sealed)| SubjectRow { state: SubjectState::Pending, sealed };
        return Ok(rows.into_iter().map(pending).collect());
    }
    let keys: Vec<RowKey> = rows.iter().map(|(key, _)| *key).collect();
    let standing = read::subjects(conn, &keys).await?;
    standing
        .into_iter()
        .zip(&keys)
        .map(|(row, key)| {
            row.ok_or_else(|| {
                StoreError::corrupt("requester_subject", "subject", hex(key), "was not inserted")
            })
        })
        .collect()
}

fn finish(last: &mut Writes, rows: &[(RowKey, Sealed)]) {
    let into = "requester_subject (state, subject, sealed)";
    let suffix = "ON CONFLICT (subject) DO UPDATE SET state = excluded.state, sealed = excluded.sealed";
    last.insert(into, 3, suffix, rows, |row, (key, sealed)| {
        row.bind("enrolled").bind(key.as_slice()).bind(sealed.as_slice())
    });
}

fn put_consents(last: &mut Writes, rows: &[ConsentRow]) {
    let into = "requester_consent (pseudonym, id, number, sealed)";
    let suffix = "ON CONFLICT (pseudonym, id) DO UPDATE SET number = excluded.number, sealed = excluded.sealed \
         WHERE excluded.number >= requester_consent.number";
    last.insert(into, 4, suffix, rows, |row, consent| {
        row.bind(consent.pseudonym.as_slice())
            .bind(ulid_bytes(consent.id))
            .bind(signed(consent.number))
            .bind(consent.sealed.as_slice())
    });
}

fn drop_pending(last: &mut Writes, keys: &[RowKey]) {
    let head = "DELETE FROM requester_subject WHERE state = 'pending' AND subject IN";
    last.keyed(head, |row| row, keys, |row, key| row.bind(key.as_slice()));
}

fn put_requests(last: &mut Writes, rows: &[RequestRow]) {
    let into = "requester_request (state, hash, asked_ms, case_key, sealed)";
    last.insert(into, 5, "", rows, |row, request| {
        row.bind("sent")
            .bind(request.hash.as_slice())
            .bind(request.asked.to_i64())
            .bind(request.case.as_slice())
            .bind(request.sealed.as_slice())
    });
}

fn settle(last: &mut Writes, settled: &[Settled]) {
    // A request that is settled stays as it is: a recovery may come second.
    for (state, word) in [(RequestState::Answered, "answered"), (RequestState::NotAnswered, "not_answered")] {
        let hashes: Vec<&RowKey> = settled.iter().filter(|it| it.state == state).map(|it| &it.hash).collect();
        let head = "UPDATE requester_request SET state = ? WHERE state = 'sent' AND hash IN";
        last.keyed(head, |row| row.bind(word), &hashes, |row, hash| row.bind(hash.as_slice()));
    }
    let answers: Vec<(&RowKey, &Sealed)> =
        settled.iter().filter_map(|it| Some((&it.hash, it.answer.as_ref()?))).collect();
    let once = "ON CONFLICT DO NOTHING";
    last.insert("requester_answer (request, sealed)", 2, once, &answers, |row, (hash, sealed)| {
        row.bind(hash.as_slice()).bind(sealed.as_slice())
    });
    let records: Vec<(&Settled, &RecordRow)> =
        settled.iter().flat_map(|it| it.records.iter().map(move |record| (it, record))).collect();
    let into = "requester_record (id, request, place, outcome, officer_key)";
    last.insert(into, 5, once, &records, |row, (settled, record)| {
        let outcome = match record.outcome {
            RecordOutcome::Answered => "answered",
            RecordOutcome::Refused => "refused",
            RecordOutcome::NotAnswered => "not_answered",
        };
        row.bind(ulid_bytes(record.id))
            .bind(settled.hash.as_slice())
            .bind(i64::from(record.place))
            .bind(outcome)
            .bind(settled.officer.as_ref().map(|key| key.to_vec()))
    });
    let buckets: Vec<&(RowKey, Sealed)> = settled.iter().flat_map(|it| &it.buckets).collect();
    last.insert("requester_bucket (bucket, sealed)", 2, once, &buckets, |row, (key, sealed)| {
        row.bind(key.as_slice()).bind(sealed.as_slice())
    });
}

/// A key for an error message: keyed, so it names nobody.
fn hex(key: &RowKey) -> String {
    key.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
