//! The requester's tables: keyed hashes and sealed bytes in, the same out.
//!
//! Writes of concurrent questions become one durable commit ([`tacit_store::Group`]); reads have connections of
//! their own.

mod read;
mod write;

use futures::FutureExt as _;
use tacit_client::store::{
    AnsweredRecord, ConsentRow, Counts, RequestRow, RequesterStore, RowKey, Sealed, Settled, StoreTrouble,
    Stored, StoredRequest, SubjectRow, Wanted,
};
use tacit_model::Ulid;
use tacit_store::{Db, Group, StoreError};

use write::{Done, Job, Work};

/// Writes that may wait, and the most of one commit.
const WAITING: usize = 4096;
const LARGEST: usize = 512;

/// The requester's storage in the database of its role.
#[derive(Debug, Clone)]
pub struct RequesterTables {
    db: Db,
    writer: Group<Work>,
}

impl RequesterTables {
    /// Over a database that has the requester's tables. Starts the writer, so a tokio runtime has to be there.
    #[must_use]
    pub fn new(db: Db) -> Self {
        let writer = Group::start(db.clone(), Work, WAITING, LARGEST);
        Self { db, writer }
    }

    async fn write(&self, job: Job) -> Result<Done, StoreTrouble> {
        self.writer.submit(job).await.map_err(trouble)
    }
}

fn trouble(error: StoreError) -> StoreTrouble {
    StoreTrouble(Box::new(error))
}

/// Runs a read on a connection of its own.
macro_rules! read {
    ($this:ident, |$conn:ident| $read:expr) => {
        async move {
            let outcome = async {
                let mut connection = $this.db.read().await?;
                let $conn = &mut *connection;
                $read.await
            };
            outcome.await.map_err(trouble)
        }
        .boxed()
    };
}

impl RequesterStore for RequesterTables {
    fn subjects(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<Option<SubjectRow>>> {
        read!(self, |conn| read::subjects(conn, &keys))
    }

    fn begin_enrollments(&self, rows: Vec<(RowKey, Sealed)>) -> Stored<'_, Vec<SubjectRow>> {
        async move {
            match self.write(Job::Begin(rows)).await? {
                Done::Standing(rows) => Ok(rows),
                Done::Written => Err(trouble(StoreError::Stopped)),
            }
        }
        .boxed()
    }

    fn finish_enrollments(&self, rows: Vec<(RowKey, Sealed)>, consents: Vec<ConsentRow>) -> Stored<'_, ()> {
        async move { self.write(Job::Finish { rows, consents }).await.map(drop) }.boxed()
    }

    fn drop_pending(&self, keys: Vec<RowKey>) -> Stored<'_, ()> {
        async move { self.write(Job::Drop(keys)).await.map(drop) }.boxed()
    }

    fn put_request(&self, request: RequestRow) -> Stored<'_, ()> {
        async move { self.write(Job::Request(request)).await.map(drop) }.boxed()
    }

    fn settle(&self, settled: Settled) -> Stored<'_, ()> {
        async move { self.write(Job::Settle(settled)).await.map(drop) }.boxed()
    }

    fn open_requests(&self, limit: u32) -> Stored<'_, Vec<RequestRow>> {
        read!(self, |conn| read::open_requests(conn, limit))
    }

    fn not_answered(&self, case: RowKey, after: [u8; 32], limit: u32) -> Stored<'_, Vec<StoredRequest>> {
        read!(self, |conn| read::not_answered(conn, &case, &after, limit))
    }

    fn record(&self, id: Ulid) -> Stored<'_, Option<StoredRequest>> {
        read!(self, |conn| read::record(conn, id))
    }

    fn answered(&self, wanted: Wanted) -> Stored<'_, Vec<AnsweredRecord>> {
        read!(self, |conn| read::answered(conn, &wanted))
    }

    fn has_buckets(&self, keys: Vec<RowKey>) -> Stored<'_, Vec<bool>> {
        read!(self, |conn| read::has_buckets(conn, &keys))
    }

    fn bucket(&self, key: RowKey) -> Stored<'_, Option<Sealed>> {
        read!(self, |conn| read::bucket(conn, &key))
    }

    fn put_consents(&self, rows: Vec<ConsentRow>) -> Stored<'_, ()> {
        async move {
            if rows.is_empty() {
                return Ok(());
            }
            self.write(Job::Consents(rows)).await.map(drop)
        }
        .boxed()
    }

    fn consents(&self, pseudonyms: Vec<RowKey>) -> Stored<'_, Vec<Vec<ConsentRow>>> {
        read!(self, |conn| read::consents(conn, &pseudonyms))
    }

    fn consents_after(&self, after: Ulid, limit: u32) -> Stored<'_, Vec<ConsentRow>> {
        read!(self, |conn| read::consents_after(conn, after, limit))
    }

    fn counts(&self) -> Stored<'_, Counts> {
        read!(self, |conn| read::counts(conn))
    }
}

/// A ULID as it is stored: sixteen bytes that sort like it.
fn ulid_bytes(id: Ulid) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}
