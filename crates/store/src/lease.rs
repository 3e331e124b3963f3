//! Connections that are lent out and come back.
//!
//! A database on this machine does not break a connection, and most of what is asked takes less time than a
//! message between two threads. So a connection that comes back is neither pinged nor handed to a task, as
//! the driver's own pool would do: it lies ready for the next one, its prepared statements with it.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::StoreError;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// A few connections to one database; clones share them. They are opened when first needed.
#[derive(Clone)]
pub(crate) struct Lender(Arc<Home>);

struct Home {
    url: String,
    settings: &'static str,
    count: usize,
    slots: Arc<Semaphore>,
    /// The one that came back last is lent first: its caches are warm.
    idle: Mutex<Vec<AnyConnection>>,
}

/// A connection, until it is dropped.
pub struct Lease {
    /// Only `drop` takes it out.
    connection: Option<AnyConnection>,
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
    /// At most `count` connections to `url`; `settings` is run on each when it is opened.
    pub(crate) fn new(url: &str, settings: &'static str, count: usize) -> Self {
        let slots = Arc::new(Semaphore::new(count));
        Self(Arc::new(Home { url: url.to_owned(), settings, count, slots, idle: Mutex::default() }))
    }

    /// A connection, as soon as one is free.
    pub(crate) async fn lend(&self) -> Result<Lease, StoreError> {
        let home = Arc::clone(&self.0);
        let slot = match tokio::time::timeout(PATIENCE, Arc::clone(&home.slots).acquire_owned()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_closed)) => return Err(sqlx::Error::PoolClosed.into()),
            Err(_late) => return Err(sqlx::Error::PoolTimedOut.into()),
        };
        let idle = home.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => home.open().await?,
        };
        Ok(Lease { connection: Some(connection), home, _slot: slot })
    }

    /// Waits for all leases to end, then closes every connection; nothing is lent any more.
    pub(crate) async fn close(&self) {
        let home = &self.0;
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
    async fn open(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = AnyConnection::connect(&self.url).await?;
        sqlx::raw_sql(self.settings).execute(&mut connection).await?;
        Ok(connection)
    }

    // Nothing can panic while the lock is held.
    fn idle(&self) -> MutexGuard<'_, Vec<AnyConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Whoever panicked may have left a transaction open: that connection is closed instead.
        if let Some(connection) = self.connection.take().filter(|_| !std::thread::panicking()) {
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
        Lender::new(&format!("sqlite:{}", path.display()), "PRAGMA journal_mode = WAL", count)
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
