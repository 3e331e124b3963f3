//! A storage in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use futures::FutureExt as _;
use tacit_client::store::*;
use tacit_model::Ulid;

#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) subjects: HashMap<RowKey, SubjectRow>,
    pub(crate) requests: BTreeMap<[u8; 32], (RequestRow, RequestState)>,
    pub(crate) answers: HashMap<[u8; 32], Sealed>,
    pub(crate) records: HashMap<Ulid, ([u8; 32], RecordRow)>,
    pub(crate) officers: HashMap<Ulid, RowKey>,
    pub(crate) buckets: HashMap<RowKey, Sealed>,
    pub(crate) consents: BTreeMap<(RowKey, Ulid), ConsentRow>,
    pub(crate) refuse_to_settle: bool,
}

impl MemoryStore {
    pub(crate) fn with<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.0.lock().unwrap())
    }

    fn now<'a, T: Send + 'a>(&'a self, of: impl FnOnce(&mut State) -> T) -> Stored<'a, T> {
        let value = self.with(of);
        async move { Ok(value) }.boxed()
    }
}

impl State {
    fn put_consents(&mut self, rows: Vec<ConsentRow>) {
        for row in rows {
            let known = self.consents.get(&(row.pseudonym, row.id));
            if known.is_none_or(|known| known.number <= row.number) {
                self.consents.insert((row.pseudonym, row.id), row);
            }
        }
    }

    fn stored(&self, hash: &[u8; 32], records: Vec<RecordRow>) -> StoredRequest {
        StoredRequest { request: self.requests[hash].0.clone(), answer: self.answers[hash].clone(), records }
    }
}

impl RequesterStore for MemoryStore {
    fn subjects(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<Option<SubjectRow>>> {
        self.now(|state| keys.iter().map(|key| state.subjects.get(key).cloned()).collect())
    }

    fn begin_enrollments(&self, rows: Vec<(RowKey, Sealed)>) -> Stored<'_, Vec<SubjectRow>> {
        self.now(|state| {
            let mut begin = |(key, sealed)| {
                let own = SubjectRow { state: SubjectState::Pending, sealed };
                state.subjects.entry(key).or_insert(own).clone()
            };
            rows.into_iter().map(&mut begin).collect()
        })
    }

    fn finish_enrollments(&self, rows: Vec<(RowKey, Sealed)>, consents: Vec<ConsentRow>) -> Stored<'_, ()> {
        self.now(|state| {
            for (key, sealed) in rows {
                state.subjects.insert(key, SubjectRow { state: SubjectState::Enrolled, sealed });
            }
            state.put_consents(consents);
        })
    }

    fn drop_pending(&self, keys: Vec<RowKey>) -> Stored<'_, ()> {
        self.now(|state| {
            state.subjects.retain(|key, row| row.state == SubjectState::Enrolled || !keys.contains(key));
        })
    }

    fn put_request(&self, request: RequestRow) -> Stored<'_, ()> {
        self.now(|state| drop(state.requests.insert(request.hash, (request, RequestState::Sent))))
    }

    fn settle(&self, settled: Settled) -> Stored<'_, ()> {
        let refused = self.with(|state| {
            if state.refuse_to_settle {
                return true;
            }
            let request = state.requests.get_mut(&settled.hash).unwrap();
            assert_eq!(request.1, RequestState::Sent, "a request is settled once");
            request.1 = settled.state;
            if let Some(answer) = settled.answer {
                state.answers.insert(settled.hash, answer);
            }
            for record in settled.records {
                state.officers.extend(settled.officer.map(|officer| (record.id, officer)));
                state.records.insert(record.id, (settled.hash, record));
            }
            state.buckets.extend(settled.buckets);
            false
        });
        async move { if refused { Err(StoreTrouble("the disk is full".into())) } else { Ok(()) } }.boxed()
    }

    fn open_requests(&self, limit: u32) -> Stored<'_, Vec<RequestRow>> {
        self.now(|state| {
            let sent = state.requests.values().filter(|(_, state)| *state == RequestState::Sent);
            sent.map(|(row, _)| row.clone()).take(limit as usize).collect()
        })
    }

    fn not_answered(&self, case: RowKey, after: [u8; 32], limit: u32) -> Stored<'_, Vec<StoredRequest>> {
        self.now(|state| {
            let lost = state
                .requests
                .range(after..)
                .filter(|(hash, (row, state))| {
                    **hash > after && row.case == case && *state == RequestState::NotAnswered
                })
                .filter(|(hash, _)| state.answers.contains_key(*hash));
            lost.take(limit as usize)
                .map(|(hash, _)| {
                    let mut records: Vec<RecordRow> = state
                        .records
                        .values()
                        .filter(|(of, row)| of == hash && row.outcome == RecordOutcome::NotAnswered)
                        .map(|(_, row)| *row)
                        .collect();
                    records.sort_by_key(|row| row.place);
                    state.stored(hash, records)
                })
                .collect()
        })
    }

    fn record(&self, id: Ulid) -> Stored<'_, Option<StoredRequest>> {
        self.now(|state| state.records.get(&id).map(|(hash, row)| state.stored(hash, vec![*row])))
    }

    fn answered(&self, wanted: Wanted) -> Stored<'_, Vec<AnsweredRecord>> {
        self.now(|state| {
            let fits = |hash: &[u8; 32], id: Ulid| {
                wanted.case.is_none_or(|case| state.requests[hash].0.case == case)
                    && wanted.officer.is_none_or(|officer| state.officers.get(&id) == Some(&officer))
                    && (wanted.from..wanted.until).contains(&id)
            };
            let mut found: Vec<_> = state
                .records
                .values()
                .filter(|(hash, row)| row.outcome == RecordOutcome::Answered && fits(hash, row.id))
                .map(|(hash, row)| AnsweredRecord { id: row.id, request: *hash })
                .collect();
            found.sort_by_key(|record| record.id);
            if wanted.newest_first {
                found.reverse();
            }
            found.truncate(wanted.limit as usize);
            found
        })
    }

    fn has_buckets(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<bool>> {
        self.now(|state| keys.iter().map(|key| state.buckets.contains_key(key)).collect())
    }

    fn bucket(&self, key: RowKey) -> Stored<'_, Option<Sealed>> {
        self.now(|state| state.buckets.get(&key).cloned())
    }

    fn put_consents(&self, rows: Vec<ConsentRow>) -> Stored<'_, ()> {
        self.now(|state| state.put_consents(rows))
    }

    fn consents(&self, pseudonyms: Vec<RowKey>) -> Stored<'_, Vec<Vec<ConsentRow>>> {
        self.now(|state| {
            let of = |key: &RowKey| {
                let range = state.consents.range((*key, Ulid(0))..=(*key, Ulid(u128::MAX)));
                range.map(|(_, row)| row.clone()).collect()
            };
            pseudonyms.iter().map(of).collect()
        })
    }

    fn consents_after(&self, after: Ulid, limit: u32) -> Stored<'_, Vec<ConsentRow>> {
        self.now(|state| {
            let mut rows: Vec<_> = state.consents.values().filter(|row| row.id > after).cloned().collect();
            rows.sort_by_key(|row| row.id);
            rows.truncate(limit as usize);
            rows
        })
    }

    fn counts(&self) -> Stored<'_, Counts> {
        self.now(|state| {
            let enrolled =
                state.subjects.values().filter(|row| row.state == SubjectState::Enrolled).count() as u64;
            Counts { enrolled, pending: state.subjects.len() as u64 - enrolled }
        })
    }
}
