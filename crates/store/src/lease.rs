//! Connections that are lent out and come back.
//!
//! SQLite does not break a connection, and most of what is asked takes less time than a message between two threads.
//! So a connection that comes back is neither pinged nor handed to a task, as the driver's own pool would do: it lies
//! ready for the next one, its prepared statements with it. PostgreSQL restarts, fails over and ends sessions, so its
//! connections are asked before they are lent again, and replaced when they do not answer.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{AnyConnection, Connection as _, any::AnyConnectOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Dialect, StoreError, disk, postgres};

/// Longest wait for a connection to be free.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest time that opening a connection may take.
const OPENING: Duration = Duration::from_secs(10);

/// How long a connection that lay idle may take to answer before it counts as broken.
const ANSWER: Duration = Duration::from_secs(3);

/// A few connections to one database; clones share them. They are opened when first needed.
#[derive(Clone)]
pub(crate) struct Lender(Arc<Home>);

struct Home {
    /// May hold a password: never shown.
    options: AnyConnectOptions,
    settings: &'static str,
    dialect: Dialect,
    count: usize,
    slots: Arc<Semaphore>,
    /// The one that came back last is lent first: its caches are warm.
    idle: Mutex<Vec<AnyConnection>>,
}

/// A connection, until it is dropped.
pub struct Lease {
    /// Only `drop` takes it out.
    connection: Option<AnyConnection>,
    /// Whether it is closed when it comes back: nobody knows what state it is in.
    closes: bool,
    home: Arc<Home>,
    _slot: OwnedSemaphorePermit,
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender").field("free", &self.0.slots.available_permits()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease(..)")
    }
}

impl Lender {
    /// At most `count` connections; `settings` is run on each when it is opened.
    pub(crate) fn new(
        options: AnyConnectOptions,
        dialect: Dialect,
        settings: &'static str,
        count: usize,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(count));
        Self(Arc::new(Home { options, settings, dialect, count, slots, idle: Mutex::default() }))
    }

    /// A connection, as soon as one is free.
    pub(crate) async fn lend(&self) -> Result<Lease, StoreError> {
        let home = Arc::clone(&self.0);
        let slot = match tokio::time::timeout(PATIENCE, Arc::clone(&home.slots).acquire_owned()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_closed)) => return Err(sqlx::Error::PoolClosed.into()),
            Err(_late) => return Err(sqlx::Error::PoolTimedOut.into()),
        };
        let connection = match home.idle_that_answers().await {
            Some(connection) => connection,
            None => home.open().await?,
        };
        Ok(Lease { connection: Some(connection), closes: false, home, _slot: slot })
    }

    /// Waits for all leases to end, then closes every connection; nothing is lent any more.
    pub(crate) async fn close(&self) {
        let home = &self.0;
        if home.must_stay_open() {
            return;
        }
        let all = u32::try_from(home.count).unwrap_or(u32::MAX);
        // An error means that it was closed before.
        let Ok(_all) = home.slots.acquire_many(all).await else { return };
        home.slots.close();
        let idle = std::mem::take(&mut *home.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a database connection did not close well");
            }
        }
    }
}

impl Home {
    async fn idle_that_answers(&self) -> Option<AnyConnection> {
        loop {
            let idle = self.idle().pop();
            let mut connection = idle?;
            if self.dialect == Dialect::Sqlite {
                // A transaction that was dropped is undone by the driver's thread, which a ping waits for. One that
                // SQLite undid by itself, because its COMMIT found no space, stays open in the driver's books: the
                // next BEGIN would be refused for ever.
                if connection.is_in_transaction()
                    && (connection.ping().await.is_err() || connection.is_in_transaction())
                {
                    tracing::warn!(
                        "a database connection is replaced: a transaction in it could not be ended"
                    );
                    continue;
                }
                return Some(connection);
            }
            match tokio::time::timeout(ANSWER, connection.ping()).await {
                Ok(Ok(())) => return Some(connection),
                Ok(Err(error)) => tracing::warn!(%error, "a database connection was broken; it is replaced"),
                Err(_late) => tracing::warn!("a database connection did not answer; it is replaced"),
            }
        }
    }

    async fn open(&self) -> Result<AnyConnection, StoreError> {
        let open = async {
            let mut connection = AnyConnection::connect_with(&self.options).await?;
            sqlx::raw_sql(self.settings).execute(&mut connection).await?;
            if self.dialect == Dialect::Postgres {
                postgres::check_session(&mut connection).await?;
            }
            Ok(connection)
        };
        tokio::time::timeout(OPENING, open).await.unwrap_or(Err(sqlx::Error::PoolTimedOut.into()))
    }

    /// After a write failed on the disk, closing would sync once more.
    fn must_stay_open(&self) -> bool {
        self.dialect == Dialect::Sqlite && disk::has_failed()
    }

    // Nothing can panic while the lock is held.
    fn idle(&self) -> MutexGuard<'_, Vec<AnyConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.must_stay_open() {
            std::mem::forget(std::mem::take(&mut *self.idle()));
        }
    }
}

impl Lease {
    /// From now on the connection is closed when it comes back, until [`Lease::is_clean`]: also when who has it is
    /// stopped in the middle of a transaction.
    pub(crate) fn is_dirty(&mut self) {
        self.closes = true;
    }

    /// The connection is in no transaction, so the next one may have it.
    pub(crate) fn is_clean(&mut self) {
        self.closes = false;
    }
}

impl Deref for Lease {
    type Target = AnyConnection;

    #[expect(clippy::expect_used, reason = "it is there from the first moment until drop")]
    fn deref(&self) -> &AnyConnection {
        self.connection.as_ref().expect("a lease has its connection")
    }
}

impl DerefMut for Lease {
    #[expect(clippy::expect_used, reason = "it is there from the first moment until drop")]
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("a lease has its connection")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.home.must_stay_open() {
            std::mem::forget(self.connection.take());
            return;
        }
        // Whoever panicked may have left a transaction open: that connection is closed instead.
        // So does who dropped a transaction: its ROLLBACK is only queued, and would leave the lock taken until this
        // connection is used again. (On SQLite the driver's thread does it at once.)
        let closes = self.closes || std::thread::panicking();
        let queued =
            |connection: &AnyConnection| self.home.dialect == Dialect::Postgres && connection.should_flush();
        if let Some(connection) = self.connection.take().filter(|it| !closes && !queued(it)) {
            self.home.idle().push(connection);
        }
        // The slot is a field: it is given back after this, when the connection lies ready.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lender(folder: &tempfile::TempDir, count: usize) -> Lender {
        static DRIVERS: std::sync::Once = std::sync::Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let path = folder.path().join("a.db");
        std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let options = format!("sqlite:{}", path.display()).parse().unwrap();
        Lender::new(options, Dialect::Sqlite, "PRAGMA journal_mode = WAL", count)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_comes_back_is_lent_again() {
        let folder = tempfile::tempdir().unwrap();
        let lender = lender(&folder, 2);
        let mut first = lender.lend().await.unwrap();
        sqlx::raw_sql("CREATE TEMP TABLE mine (n BIGINT)").execute(&mut *first).await.unwrap();
        drop(first);
        // A temporary table belongs to its connection.
        let mut again = lender.lend().await.unwrap();
        sqlx::raw_sql("INSERT INTO mine VALUES (1)").execute(&mut *again).await.unwrap();
        let mut other = lender.lend().await.unwrap();
        assert!(sqlx::raw_sql("INSERT INTO mine VALUES (1)").execute(&mut *other).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_open_transaction_of_who_panicked_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let lender = lender(&folder, 1);
        sqlx::raw_sql("CREATE TABLE t (n BIGINT)").execute(&mut *lender.lend().await.unwrap()).await.unwrap();
        let theirs = lender.clone();
        let panicked = tokio::spawn(async move {
            let mut lease = theirs.lend().await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").execute(&mut *lease).await.unwrap();
            panic!("as a test may");
        });
        assert!(panicked.await.is_err());
        let mut lease = lender.lend().await.unwrap();
        let rows = sqlx::query("SELECT n FROM t").fetch_all(&mut *lease).await.unwrap();
        assert!(rows.is_empty());
        sqlx::raw_sql("BEGIN IMMEDIATE; COMMIT").execute(&mut *lease).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_a_commit_that_failed_the_next_transaction_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let lender = lender(&folder, 1);
        let mut lease = lender.lend().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (n BIGINT)").execute(&mut *lease).await.unwrap();
        let mut tx = crate::begin(&mut lease).await.unwrap();
        // As SQLite does by itself when there is no space.
        sqlx::raw_sql("ROLLBACK").execute(&mut *tx).await.unwrap();
        assert!(tx.commit().await.is_err());
        drop(lease);
        let mut lease = lender.lend().await.unwrap();
        let mut tx = crate::begin(&mut lease).await.unwrap();
        sqlx::raw_sql("INSERT INTO t VALUES (1)").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        drop(lease);
        // One that is dropped is undone, and its connection lent again.
        let mut lease = lender.lend().await.unwrap();
        let mut tx = crate::begin(&mut lease).await.unwrap();
        sqlx::raw_sql("INSERT INTO t VALUES (2)").execute(&mut *tx).await.unwrap();
        drop(tx);
        drop(lease);
        let mut lease = lender.lend().await.unwrap();
        assert_eq!(sqlx::query("SELECT n FROM t").fetch_all(&mut *lease).await.unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_are_lent_than_there_are_and_none_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let lender = lender(&folder, 1);
        let only = lender.lend().await.unwrap();
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, lender.lend()).await.is_err());
        assert!(tokio::time::timeout(soon, lender.close()).await.is_err(), "it waits for the lease");
        drop(only);
        drop(lender.lend().await.unwrap());
        lender.close().await;
        assert!(matches!(lender.lend().await, Err(StoreError::Database(sqlx::Error::PoolClosed))));
        lender.close().await;
    }

    #[test]
    fn leases_and_lenders_may_end_outside_of_the_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lender = lender(&folder, 1);
        let lease = runtime.block_on(lender.lend()).unwrap();
        drop(runtime);
        drop(lease);
        drop(lender);
    }
}
