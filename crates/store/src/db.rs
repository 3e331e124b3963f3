//! Opening a database: one writer connection and a pool of readers.

use std::{path::Path, sync::Once, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, Row,
    any::{AnyPoolOptions, install_default_drivers},
    migrate::Migrator,
    pool::PoolConnection,
};

use crate::StoreError;

/// Oldest SQLite that does not corrupt a database in WAL mode.
const SQLITE_AT_LEAST: [u32; 3] = [3, 51, 3];

/// Readers per database.
const READERS: u32 = 4;

/// Which database stands behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite in WAL mode.
    Sqlite,
}

/// A database: clones share the same connections.
#[derive(Debug, Clone)]
pub struct Db {
    write: AnyPool,
    read: AnyPool,
    dialect: Dialect,
}

impl Db {
    /// Opens the database at `url` (`sqlite:PATH`), creates it with mode 0600 if it is missing, and
    /// brings its schema up to date.
    pub async fn open(url: &str, migrations: &Migrator) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        let path = url.strip_prefix("sqlite:").ok_or_else(|| {
            StoreError::Unsupported(format!(
                "{:?}: the URL must begin with sqlite:",
                url.split(':').next().unwrap_or("")
            ))
        })?;
        create_private(Path::new(path.trim_start_matches("//")))?;
        let write = pool(url, 1).await?;
        let mut conn = write.acquire().await?;
        check_sqlite_version(&mut conn).await?;
        migrations.run(&mut *conn).await?;
        drop(conn);
        let read = pool(url, READERS).await?;
        Ok(Self { write, read, dialect: Dialect::Sqlite })
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<PoolConnection<sqlx::Any>, StoreError> {
        Ok(self.read.acquire().await?)
    }

    /// The one connection to write with; waits while another writer has it.
    pub async fn write(&self) -> Result<PoolConnection<sqlx::Any>, StoreError> {
        Ok(self.write.acquire().await?)
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Closes all connections, after what is under way has ended.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Begins a transaction that holds the write lock from its first moment.
pub(crate) async fn begin_immediate(conn: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").persistent(false).execute(conn).await?;
    Ok(())
}

/// Ends a transaction durably.
pub(crate) async fn commit(conn: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("COMMIT").persistent(false).execute(conn).await?;
    Ok(())
}

/// Undoes a transaction. A failure here means there was none to undo.
pub(crate) async fn rollback(conn: &mut AnyConnection) {
    if let Err(error) = sqlx::query("ROLLBACK").persistent(false).execute(conn).await {
        tracing::warn!(%error, "rollback failed");
    }
}

async fn pool(url: &str, connections: u32) -> Result<AnyPool, StoreError> {
    // foreign_keys and busy_timeout are per connection; journal_mode is a property of the file.
    const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
        PRAGMA busy_timeout = 10000; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; \
        PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|conn, _| {
            Box::pin(async move {
                sqlx::raw_sql(PRAGMAS).execute(conn).await?;
                Ok(())
            })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

async fn check_sqlite_version(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query("SELECT sqlite_version()").fetch_one(conn).await?.try_get(0)?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [(); 3].map(|()| parts.next().unwrap_or(0));
    if found < SQLITE_AT_LEAST {
        return Err(StoreError::Unsupported(format!("SQLite {version}: 3.51.3 or newer is needed")));
    }
    Ok(())
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::File { path: path.display().to_string(), source })
}
