//! What the requester keeps, as its storage sees it: keyed hashes and sealed bytes, in bulk.
//!
//! Every method is one transaction over up to 1024 rows and returns after it is durable. The storage learns how
//! many subjects, requests and receipts there are and when they were made, and the ids of public records; never a
//! code, a pseudonym, a case number or an answer.

use futures::future::BoxFuture;
use tacit_model::{Millis, Ulid};

pub use crate::vault::RowKey;

/// Sealed bytes of one row.
pub type Sealed = Vec<u8>;

/// The storage failed; our side is at fault. The text names no value of a row.
#[derive(Debug, thiserror::Error)]
#[error("the requester's storage: {0}")]
pub struct StoreTrouble(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The result of a storage method.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreTrouble>>;

/// How far a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectState {
    /// Blinded, and perhaps known to the custodian: the same blinded subject is sent again, which costs no quota.
    Pending,
    /// Registered with the coordinator.
    Enrolled,
}

/// A subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRow {
    /// How far it is.
    pub state: SubjectState,
    /// z, Ph and, once enrolled, T.
    pub sealed: Sealed,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// About to be sent, or sent: what the coordinator made of it is not known.
    Sent,
    /// Answered, or refused by rules; all of it is settled.
    Answered,
    /// Settled, and at least one record got no answer.
    NotAnswered,
}

/// A request, durable before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// What the coordinator finds it by.
    pub hash: [u8; 32],
    /// When it was made.
    pub asked: Millis,
    /// Keyed hash of its case number.
    pub case: RowKey,
    /// The request, its rows, and the salts that open its matters.
    pub sealed: Sealed,
}

/// What became of one record of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// At least one of its lists was answered.
    Answered,
    /// The coordinator refused, and recorded that.
    Refused,
    /// Permitted, and no answer came.
    NotAnswered,
}

/// One record of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRow {
    /// The record's id.
    pub id: Ulid,
    /// Its place in the sealed answer, from 0.
    pub place: u32,
    /// What became of it.
    pub outcome: RecordOutcome,
}

/// A request that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The request.
    pub hash: [u8; 32],
    /// How it ended; never [`RequestState::Sent`].
    pub state: RequestState,
    /// What proves each answer; `None` when the request left no record.
    pub answer: Option<Sealed>,
    /// Its records.
    pub records: Vec<RecordRow>,
    /// Keyed hash of who asked; stands with each record.
    pub officer: Option<RowKey>,
    /// Buckets that are not kept yet.
    pub buckets: Vec<(RowKey, Sealed)>,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRow {
    /// Keyed hash of the pseudonym it stands under.
    pub pseudonym: RowKey,
    /// Its id.
    pub id: Ulid,
    /// Number of its last change; a row is replaced only by the same or a higher one.
    pub number: u64,
    /// Text, state and pseudonym.
    pub sealed: Sealed,
}

/// A settled request with some of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// The request.
    pub request: RequestRow,
    /// The sealed answer of the request.
    pub answer: Sealed,
    /// The records asked for, ascending by place.
    pub records: Vec<RecordRow>,
}

/// Which records that were answered are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Keyed hash of their case number; of any without it.
    pub case: Option<RowKey>,
    /// Keyed hash of who asked; of anybody without it.
    pub officer: Option<RowKey>,
    /// The smallest id.
    pub from: Ulid,
    /// Above the largest id.
    pub until: Ulid,
    /// Descending by id instead of ascending.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

impl Wanted {
    /// All of them, at most `limit`.
    #[must_use]
    pub fn all(limit: u32) -> Self {
        Self { case: None, officer: None, from: Ulid(0), until: Ulid(u128::MAX), newest_first: false, limit }
    }
}

/// A record that was answered, and the request it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredRecord {
    /// The record's id; it begins with its time.
    pub id: Ulid,
    /// The request.
    pub request: [u8; 32],
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Subjects enrolled.
    pub enrolled: u64,
    /// Subjects blinded and not yet registered.
    pub pending: u64,
}

/// The requester's storage.
pub trait RequesterStore: Send + Sync + 'static {
    /// The subjects of these keys, each in its place.
    fn subjects(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<Option<SubjectRow>>>;

    /// Inserts pending subjects, and returns the row that stands for each key: its own, or one that was there
    /// before and stays.
    fn begin_enrollments(&self, rows: Vec<(RowKey, Sealed)>) -> Stored<'_, Vec<SubjectRow>>;

    /// Marks subjects as enrolled, with their final rows, and stores consents that came along.
    fn finish_enrollments(&self, rows: Vec<(RowKey, Sealed)>, consents: Vec<ConsentRow>) -> Stored<'_, ()>;

    /// Forgets subjects that are still pending: the custodian has refused to evaluate them.
    fn drop_pending(&self, keys: Vec<RowKey>) -> Stored<'_, ()>;

    /// Keeps a request that is about to be sent.
    fn put_request(&self, request: RequestRow) -> Stored<'_, ()>;

    /// Settles a request.
    fn settle(&self, settled: Settled) -> Stored<'_, ()>;

    /// Requests in state [`RequestState::Sent`], oldest first, at most `limit`.
    fn open_requests(&self, limit: u32) -> Stored<'_, Vec<RequestRow>>;

    /// Requests of this case with records that got no answer, with these records; ascending by request hash, at most
    /// `limit` of them above `after`.
    fn not_answered(&self, case: RowKey, after: [u8; 32], limit: u32) -> Stored<'_, Vec<StoredRequest>>;

    /// The request of a record, with this record.
    fn record(&self, id: Ulid) -> Stored<'_, Option<StoredRequest>>;

    /// Records that were answered, by id.
    fn answered(&self, wanted: Wanted) -> Stored<'_, Vec<AnsweredRecord>>;

    /// Which of these buckets are kept, each in its place.
    fn has_buckets(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<bool>>;

    /// A bucket.
    fn bucket(&self, key: RowKey) -> Stored<'_, Option<Sealed>>;

    /// Stores consents, unless a higher number is kept.
    fn put_consents(&self, rows: Vec<ConsentRow>) -> Stored<'_, ()>;

    /// The consents under each of these keyed pseudonyms, each in its place.
    fn consents(&self, pseudonyms: Vec<RowKey>) -> Stored<'_, Vec<Vec<ConsentRow>>>;

    /// Consents with an id above `after`, ascending, at most `limit`.
    fn consents_after(&self, after: Ulid, limit: u32) -> Stored<'_, Vec<ConsentRow>>;

    /// How much is kept.
    fn counts(&self) -> Stored<'_, Counts>;
}
