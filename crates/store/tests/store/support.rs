//! A log with its one writer over a database file in a folder of its own.

use std::path::Path;

use sqlx::AssertSqlSafe;
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    ed25519::SigningKey,
    merkle::leaf_hash,
    note::{NoteSigner, NoteVerifier},
};
use tacit_store::{
    Db, Dialect, Group, GroupTx, GroupWork, Migrations, Reads, StoreError, conformance,
    log::{Log, Pending},
};
use tempfile::TempDir;
use tokio::sync::broadcast;

static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/coordinator/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/coordinator/postgres");
pub(crate) static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// What a job does besides appending its records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    /// Fails after everything was written.
    Fail,
    /// Commits, and fails without anyone knowing that it did.
    CommitAndFail,
    /// Ends its own session after everything was written. PostgreSQL only.
    EndSession,
}

/// Records to append, and what happens then.
pub(crate) struct Job(pub(crate) Vec<Vec<u8>>, pub(crate) Then);

pub(crate) struct Appender {
    log: Log,
    pending: Option<Pending>,
}

impl GroupWork for Appender {
    type Job = Job;
    type Done = Vec<u64>;

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Job>) -> Result<Vec<Vec<u64>>, StoreError> {
        let mut reads = Reads::new(tx.dialect());
        let head = Log::read_head(&mut reads);
        let head = tx.fetch(reads).await?.take(head);
        let (conn, last) = tx.begun().await?;
        let mut append = self.log.begin(conn, &head).await?;
        let then = jobs.iter().map(|job| job.1).find(|then| *then != Then::Nothing).unwrap_or(Then::Nothing);
        let push = |record: Vec<u8>| append.push(String::from_utf8(record.clone()).unwrap(), record).0;
        let mut push = push;
        let done = jobs.into_iter().map(|job| job.0.into_iter().map(&mut push).collect()).collect();
        self.pending = Some(self.log.finish(last, &append)?);
        match then {
            Then::Nothing => Ok(done),
            Then::Fail => {
                last.flush(conn).await?;
                Err(StoreError::corrupt("test", "test", 0, "fails as it was told"))
            }
            Then::CommitAndFail => {
                last.flush(conn).await?;
                sqlx::query("COMMIT").execute(conn).await?;
                Err(StoreError::corrupt("test", "test", 0, "fails although it is committed"))
            }
            Then::EndSession => {
                last.flush(conn).await?;
                sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").fetch_all(conn).await?;
                Ok(done)
            }
        }
    }

    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.log.publish(pending);
        }
    }

    fn failed(&mut self) {
        self.pending = None;
        self.log.forget();
    }
}

pub(crate) struct Running {
    pub(crate) db: Db,
    pub(crate) log: Log,
    pub(crate) writer: Group<Appender>,
}

impl Running {
    pub(crate) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let db = open_db(folder).await;
        let log = Log::open(&db, signer()).await?;
        let appender = Appender { log: log.clone(), pending: None };
        Ok(Self { writer: Group::start(db.clone(), appender, 1024, 64), db, log })
    }

    pub(crate) async fn append(&self, records: &[&str]) -> Result<Vec<u64>, StoreError> {
        self.append_then(records, Then::Nothing).await
    }

    pub(crate) async fn append_then(&self, records: &[&str], then: Then) -> Result<Vec<u64>, StoreError> {
        let records = records.iter().map(|record| record.as_bytes().to_vec()).collect();
        self.writer.submit(Job(records, then)).await
    }

    /// Appends `count` records with these numbers.
    pub(crate) async fn fill(&self, from: usize, count: usize) {
        let records: Vec<String> = (from..from + count).map(|n| format!("record {n}")).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        self.append(&records).await.unwrap();
    }

    /// Checks that every record is what it was and is proven in the newest tree.
    pub(crate) async fn assert_proven(&self, records: &[String]) {
        let head = self.log.head();
        assert_eq!(head.size(), records.len() as u64);
        let indexes: Vec<u64> = (0..head.size()).collect();
        let proofs = self.log.inclusion(&indexes, head.size()).await.unwrap();
        let stored = self.log.records(&indexes).await.unwrap();
        for (((record, stored), proof), index) in records.iter().zip(stored).zip(proofs).zip(0..) {
            assert_eq!(record.as_bytes(), stored);
            head.verify_inclusion(&leaf_hash(&stored), index, &proof).unwrap();
        }
        self.log.check().await.unwrap();
    }

    pub(crate) async fn close(self) {
        drop(self.writer);
        self.db.close().await;
    }
}

pub(crate) async fn open_db(folder: &Path) -> Db {
    Db::open(&conformance::url(folder, "log"), &MIGRATIONS).await.unwrap()
}

/// A statement written for SQLite, in the words of the database at hand.
pub(crate) fn worded(db: &Db, sqlite: &str) -> AssertSqlSafe<String> {
    let mut sql = sqlite.to_owned();
    if db.dialect() == Dialect::Postgres {
        for (from, to) in [
            ("zeroblob(length(hashes))", "decode(repeat('00', length(hashes)), 'hex')"),
            ("zeroblob(32)", "decode(repeat('00', 32), 'hex')"),
            (
                "CAST(replace(CAST(note AS TEXT), '700', '701') AS BLOB)",
                "convert_to(replace(convert_from(note, 'UTF8'), '700', '701'), 'UTF8')",
            ),
            ("CAST(x'", "CAST('\\x"),
            (" BLOB", " BYTEA"),
        ] {
            sql = sql.replace(from, to);
        }
    }
    AssertSqlSafe(sql)
}

/// Runs a statement of [`worded`] on the connection that writes.
pub(crate) async fn run(db: &Db, sqlite: &str) {
    let mut conn = db.write().await.unwrap();
    sqlx::raw_sql(worded(db, sqlite)).execute(&mut *conn).await.unwrap();
}

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new("coordinator/log", SigningKey::from_seed(&[1; 32])).unwrap()
}

pub(crate) fn verifier() -> NoteVerifier {
    signer().verifier().clone()
}

pub(crate) async fn fresh() -> (TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::open(folder.path()).await.unwrap();
    (folder, running)
}

/// Checks that each head continues every one before it.
pub(crate) async fn assert_consistent(log: &Log, heads: &[VerifiedCheckpoint]) {
    for (place, new) in heads.iter().enumerate() {
        assert!(VerifiedCheckpoint::open(new.note(), &verifier()).is_ok());
        // Its neighbor, and some that lie far away.
        let older = (0..place).rev().enumerate().filter(|(n, _)| *n == 0 || n % 37 == 0);
        for (_, old) in older {
            let proof = log.consistency(heads[old].size(), new.size()).await.unwrap();
            new.verify_extends(&heads[old], &proof).unwrap();
        }
    }
}

/// What a follower has received.
pub(crate) fn received(news: &mut broadcast::Receiver<VerifiedCheckpoint>) -> Vec<VerifiedCheckpoint> {
    std::iter::from_fn(|| news.try_recv().ok()).collect()
}
