//! Opening a database: one writer connection and a pool of readers.

use std::{path::Path, sync::Once};

use sqlx::{
    AnyConnection, Row,
    any::{AnyConnectOptions, install_default_drivers},
    migrate::Migrator,
};

use crate::{
    StoreError, disk,
    lease::{Lease, Lender},
    postgres, transaction,
};

/// Oldest SQLite that does not corrupt a database in WAL mode.
const SQLITE_AT_LEAST: [u32; 3] = [3, 51, 3];

/// Readers per database.
const READERS: usize = 4;

/// Which database stands behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite in WAL mode.
    Sqlite,
    /// PostgreSQL 14 or newer, its primary.
    Postgres,
}

impl Dialect {
    /// What a connection speaks.
    #[must_use]
    pub fn of(conn: &AnyConnection) -> Self {
        if conn.backend_name() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }
}

/// The schema of a role, for each database that it can stand on. The same tables and columns in both.
#[derive(Debug, Clone, Copy)]
pub struct Migrations<'m> {
    /// For SQLite.
    pub sqlite: &'m Migrator,
    /// For PostgreSQL, if it is supported.
    pub postgres: Option<&'m Migrator>,
}

impl<'m> From<&'m Migrator> for Migrations<'m> {
    fn from(sqlite: &'m Migrator) -> Self {
        Self { sqlite, postgres: None }
    }
}

impl<'m> From<&Migrations<'m>> for Migrations<'m> {
    fn from(migrations: &Migrations<'m>) -> Self {
        *migrations
    }
}

/// A database: clones share the same connections.
#[derive(Debug, Clone)]
pub struct Db {
    write: Lender,
    read: Lender,
    dialect: Dialect,
}

impl Db {
    /// Opens the database at `url` and brings its schema up to date.
    ///
    /// `sqlite:PATH` is created with mode 0600 if it is missing. `postgres://USER@HOST:PORT/DATABASE` must be there;
    /// the password comes from PGPASSWORD, PGPASSFILE or the private file that `?password_file=/PATH` names, never
    /// from the URL; a server that is not on this machine is reached under verified TLS only (`sslmode=verify-full`,
    /// `sslrootcert=/PATH` beside the machine's certificate authorities).
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for another URL, an SQLite older than 3.51.3, or a PostgreSQL server that is a
    /// standby, too old, or does not wait for its disk; [`StoreError::File`], [`StoreError::Migration`],
    /// [`StoreError::Database`].
    pub async fn open<'m>(url: &str, migrations: impl Into<Migrations<'m>>) -> Result<Self, StoreError> {
        install_drivers();
        let migrations = migrations.into();
        if postgres::is_postgres(url) {
            let Some(migrator) = migrations.postgres else {
                return Err(StoreError::Unsupported("this database has no schema for PostgreSQL".to_owned()));
            };
            let options = postgres::options(url)?;
            let lender = |settings, count| Lender::new(options.clone(), Dialect::Postgres, settings, count);
            let (write, read) = (lender(postgres::WRITER, 1), lender(postgres::READER, READERS));
            migrator.run(&mut *write.lend().await?).await?;
            return Ok(Self { write, read, dialect: Dialect::Postgres });
        }
        create_private(sqlite_path(url)?)?;
        // foreign_keys and busy_timeout are per connection; journal_mode is a property of the file.
        macro_rules! settings {
            ($cache:literal) => {
                concat!(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                     PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY; \
                     PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; \
                     PRAGMA cache_size = ",
                    $cache
                )
            };
        }
        const WRITER: &str = settings!("-32768");
        // A reader drops its cache after every commit of somebody else, which takes the longer the larger it is.
        const READER: &str = settings!("-2048");
        let options: AnyConnectOptions = url.parse()?;
        let write = Lender::new(options.clone(), Dialect::Sqlite, WRITER, 1);
        let mut conn = write.lend().await?;
        check_sqlite_version(&mut conn).await?;
        migrations.sqlite.run(&mut *conn).await?;
        drop(conn);
        let read = Lender::new(options, Dialect::Sqlite, READER, READERS);
        Ok(Self { write, read, dialect: Dialect::Sqlite })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`StoreError::Database`] when there is none within 30 s.
    pub async fn read(&self) -> Result<Lease, StoreError> {
        self.read.lend().await
    }

    /// The one connection to write with; waits while another writer has it.
    ///
    /// # Errors
    /// [`StoreError::Database`] when there is none within 30 s; [`StoreError::Stopped`] after a write failed on the
    /// disk ([`disk_failed`](crate::disk_failed)).
    pub async fn write(&self) -> Result<Lease, StoreError> {
        let lease = self.write.lend().await?;
        // The one who had it before may have met the failure.
        if disk::has_failed() && self.dialect == Dialect::Sqlite {
            return Err(StoreError::Stopped);
        }
        Ok(lease)
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes sure that what can be read now would survive the loss of this server: on PostgreSQL with synchronous
    /// standbys, a commit whose wait was canceled can be read although no standby has it.
    ///
    /// # Errors
    /// [`StoreError::UnknownOutcome`], [`StoreError::Database`].
    pub async fn settle(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        transaction::settle(&mut *self.write().await?).await
    }

    /// Writes a consistent copy of the whole database to `path`, mode 0600, while others go on using it. Deleted
    /// rows are not in it.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for PostgreSQL, which has tools of its own for that; [`StoreError::File`] when the file cannot be made, [`StoreError::Database`] when something is in it already.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            let why = "a PostgreSQL database is copied with pg_dump or pg_basebackup";
            return Err(StoreError::Unsupported(why.to_owned()));
        }
        create_private(path)?;
        let mut conn = self.read().await?;
        sqlx::query("VACUUM INTO $1")
            .persistent(false)
            .bind(path.display().to_string())
            .execute(&mut *conn)
            .await?;
        Ok(())
    }

    /// Closes all connections, after what is under way has ended.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Makes the drivers known, once.
pub(crate) fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
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

/// The file of a `sqlite:PATH` URL (also `sqlite://PATH`).
pub(crate) fn sqlite_path(url: &str) -> Result<&Path, StoreError> {
    let scheme = url.split(':').next().unwrap_or("");
    let path = url.strip_prefix("sqlite:").ok_or_else(|| {
        StoreError::Unsupported(format!("{scheme:?}: the URL must begin with sqlite: or postgres:"))
    })?;
    let path = path.strip_prefix("//").unwrap_or(path);
    // The driver reads these as options, escapes and memory databases, which would be another file than ours.
    if path.is_empty() || path.contains(['?', '#', '%']) || path.contains(":memory:") {
        return Err(StoreError::Unsupported("sqlite: wants a path without ?, # and %".to_owned()));
    }
    Ok(Path::new(path))
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::File { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_path_is_a_database() {
        for (url, path) in [
            ("sqlite:a.db", "a.db"),
            ("sqlite:/srv/a.db", "/srv/a.db"),
            ("sqlite:///srv/a.db", "/srv/a.db"),
            ("sqlite://a.db", "a.db"),
        ] {
            assert_eq!(sqlite_path(url).unwrap(), Path::new(path));
        }
        for url in
            ["", "a.db", "postgres://h/d", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "sqlite:a%20b"]
        {
            assert!(matches!(sqlite_path(url), Err(StoreError::Unsupported(_))), "{url}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_holds_what_is_committed_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let none = Migrator { migrations: Vec::new().into(), ..Migrator::DEFAULT };
        let db = Db::open(&url("a.db"), &none).await.unwrap();
        let mut conn = db.write().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (7)")
            .execute(&mut *conn)
            .await
            .unwrap();
        drop(conn);
        let path = folder.path().join("b.db");
        db.copy_to(&path).await.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(db.copy_to(&path).await.is_err(), "an existing database is not overwritten");
        let copy = Db::open(&url("b.db"), &none).await.unwrap();
        let mut conn = copy.read().await.unwrap();
        let n: i64 = sqlx::query("SELECT n FROM t").fetch_one(&mut *conn).await.unwrap().try_get(0).unwrap();
        assert_eq!(n, 7);
    }
}
