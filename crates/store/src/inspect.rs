//! A database as its operator sees it, from outside of the role: read only, and nothing is brought up to date.

use std::path::{Path, PathBuf};

use sqlx::{
    AnyConnection, AssertSqlSafe, Connection as _, Row as _, any::AnyConnectOptions, migrate::Migrator,
};

use crate::{
    Dialect, Migrations, StoreError,
    db::{install_drivers, sqlite_path},
    postgres,
};

/// Where migrations that were applied are noted; it is no table of a role.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// Sessions that look: nothing may be changed, and counting rows may take its time.
const OPERATOR: &str = "SET application_name = 'tacit operator'; SET client_min_messages = warning; \
    SET statement_timeout = 0; SET lock_timeout = '10s'; SET default_transaction_read_only = on";

/// What only rises while a role is at work: its name, the table it stands in, and how it is read.
const SIZES: [(&str, &str, &str); 4] = [
    ("log", "log_head", "SELECT size FROM log_head WHERE only_row = 1"),
    ("cosigned", "log_cosigned", "SELECT size FROM log_cosigned WHERE only_row = 1"),
    ("witnessed", "witness_state", "SELECT size FROM witness_state WHERE only_row = 1"),
    ("changes", "change_counter", "SELECT seq FROM change_counter WHERE only_row = 1"),
];

/// A migration that is not applied yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub version: i64,
    /// Its name, for people.
    pub description: String,
}

/// The schema that a database has, compared with the one that this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Number of the newest migration that was applied; 0 in an empty database.
    pub version: i64,
    /// Number of the newest one that this program knows.
    pub newest: i64,
    /// Known and not applied.
    pub pending: Vec<Pending>,
    /// Applied and not known: a newer program was here.
    pub unknown: Vec<i64>,
    /// Applied with another text than the known one.
    pub changed: Vec<i64>,
    /// Begun and not ended.
    pub unfinished: Vec<i64>,
}

impl Schema {
    /// Whether all that was applied is what this program would apply; some may still be pending.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.unknown.is_empty() && self.changed.is_empty() && self.unfinished.is_empty()
    }
}

/// A row of [`MIGRATIONS_TABLE`].
struct Applied {
    version: i64,
    is_done: bool,
    checksum: Vec<u8>,
}

/// A table and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// A number that only rises while the role is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// `log`: records of the log; `cosigned`: records that a quorum of witnesses stands behind; `witnessed`: records
    /// of the log that this member verified; `changes`: changes of a holder's own records.
    pub name: &'static str,
    /// How many.
    pub value: u64,
}

/// A database, open to be looked at.
pub struct Inspector {
    conn: AnyConnection,
    migrator: &'static Migrator,
    dialect: Dialect,
    place: String,
    path: Option<PathBuf>,
}

impl std::fmt::Debug for Inspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The file of a `sqlite:PATH` URL; `None` for a server.
///
/// # Errors
/// [`StoreError::Unsupported`].
pub fn file_of(url: &str) -> Result<Option<PathBuf>, StoreError> {
    if postgres::is_postgres(url) { Ok(None) } else { Ok(Some(sqlite_path(url)?.to_owned())) }
}

/// Bytes that are free for this user where a file or folder is.
///
/// # Errors
/// What the operating system says.
pub fn free_bytes(near: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statvfs(near)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

impl Inspector {
    /// Opens the database at `url` to read it; `None` for an SQLite file that is not there.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for another URL, [`StoreError::Database`] when it cannot be reached.
    pub async fn open(url: &str, migrations: &Migrations<'static>) -> Result<Option<Self>, StoreError> {
        install_drivers();
        let Some(path) = file_of(url)? else {
            let options = postgres::options(url)?;
            let mut shown = options.database_url.clone();
            // A URL that parsed has a host or a path that needs neither of both.
            let _ = shown.set_password(None);
            shown.set_query(None);
            let mut conn = AnyConnection::connect_with(&options).await?;
            sqlx::raw_sql(OPERATOR).execute(&mut conn).await?;
            let Some(migrator) = migrations.postgres else {
                return Err(StoreError::Unsupported("this database has no schema for PostgreSQL".to_owned()));
            };
            let place = shown.to_string();
            return Ok(Some(Self { conn, migrator, dialect: Dialect::Postgres, place, path: None }));
        };
        if !path.exists() {
            return Ok(None);
        }
        Self::open_file(&path, migrations.sqlite).await.map(Some)
    }

    /// Opens an SQLite file to read it.
    pub(crate) async fn open_file(path: &Path, migrator: &'static Migrator) -> Result<Self, StoreError> {
        install_drivers();
        let options: AnyConnectOptions = format!("sqlite:{}?mode=ro", path.display()).parse()?;
        let mut conn = AnyConnection::connect_with(&options).await?;
        sqlx::raw_sql("PRAGMA busy_timeout = 10000").execute(&mut conn).await?;
        let (place, path) = (path.display().to_string(), Some(path.to_owned()));
        Ok(Self { conn, migrator, dialect: Dialect::Sqlite, place, path })
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The file, or server and database without a password.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The file of an SQLite database.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.conn
    }

    /// The schema, compared with the one that this program knows.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn schema(&mut self) -> Result<Schema, StoreError> {
        let rows = if self.names().await?.iter().any(|name| name == MIGRATIONS_TABLE) {
            sqlx::query(
                "SELECT version, CASE WHEN success THEN 1 ELSE 0 END, checksum FROM _sqlx_migrations ORDER BY version",
            )
            .persistent(false)
            .fetch_all(&mut self.conn)
            .await?
        } else {
            Vec::new()
        };
        let mut applied = Vec::with_capacity(rows.len());
        for row in rows {
            let is_done = match row.try_get::<i64, _>(1) {
                Ok(done) => done != 0,
                // PostgreSQL gives a literal of four bytes.
                Err(_) => row.try_get::<i32, _>(1)? != 0,
            };
            applied.push(Applied { version: row.try_get(0)?, is_done, checksum: row.try_get(2)? });
        }
        let known = |version: i64| self.migrator.iter().find(|it| it.version == version);
        let of = |wanted: &dyn Fn(&Applied) -> bool| -> Vec<i64> {
            applied.iter().filter(|it| wanted(it)).map(|it| it.version).collect()
        };
        Ok(Schema {
            version: applied.iter().map(|it| it.version).max().unwrap_or(0),
            newest: self.migrator.iter().map(|it| it.version).max().unwrap_or(0),
            pending: self
                .migrator
                .iter()
                .filter(|it| !applied.iter().any(|done| done.version == it.version))
                .map(|it| Pending { version: it.version, description: it.description.to_string() })
                .collect(),
            unknown: of(&|it| known(it.version).is_none()),
            changed: of(&|it| known(it.version).is_some_and(|known| *known.checksum != *it.checksum)),
            unfinished: of(&|it| !it.is_done),
        })
    }

    /// Every table with its number of rows, by name; without what the migrations keep for themselves.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn tables(&mut self) -> Result<Vec<Table>, StoreError> {
        let mut tables = Vec::new();
        for name in self.names().await? {
            if name == MIGRATIONS_TABLE {
                continue;
            }
            let sql = format!("SELECT COUNT(*) FROM {}", quoted(&name));
            let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut self.conn).await?;
            tables.push(Table { rows: unsigned(row.try_get(0)?), name });
        }
        Ok(tables)
    }

    /// What only rises while the role is at work, as far as the role has it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sizes(&mut self) -> Result<Vec<Size>, StoreError> {
        let names = self.names().await?;
        let mut sizes = Vec::new();
        for (name, table, sql) in SIZES {
            if !names.iter().any(|known| known == table) {
                continue;
            }
            let row = sqlx::query(sql).persistent(false).fetch_optional(&mut self.conn).await?;
            if let Some(row) = row {
                sizes.push(Size { name, value: unsigned(row.try_get(0)?) });
            }
        }
        Ok(sizes)
    }

    /// Bytes that it takes: the file with its write-ahead log, or what the server says.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::File`].
    pub async fn bytes(&mut self) -> Result<u64, StoreError> {
        let Some(path) = &self.path else {
            let sql = "SELECT pg_database_size(current_database())";
            let row = sqlx::query(sql).persistent(false).fetch_one(&mut self.conn).await?;
            return Ok(unsigned(row.try_get(0)?));
        };
        let main = path
            .metadata()
            .map_err(|source| StoreError::File { path: path.display().to_string(), source })?
            .len();
        // There is none while nobody has the database open.
        Ok(main + with_end(path, "-wal").metadata().map_or(0, |it| it.len()))
    }

    /// Looks for damage: the pages of an SQLite file, the catalog of a PostgreSQL database. What was found, for
    /// people; empty when all is well.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when the damage keeps it from looking.
    pub async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = match self.dialect {
            Dialect::Sqlite => "PRAGMA quick_check",
            Dialect::Postgres => {
                "SELECT 'index ' || CAST(c.relname AS TEXT) || ' is not valid' FROM pg_index i \
                 JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready AND i.indislive) \
                 UNION ALL SELECT 'constraint ' || CAST(k.conname AS TEXT) || ' is not validated' \
                 FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace \
                 WHERE n.nspname = current_schema() AND NOT k.convalidated"
            }
        };
        let rows = sqlx::query(sql).persistent(false).fetch_all(&mut self.conn).await?;
        let mut found = Vec::new();
        for row in rows {
            let text: String = row.try_get(0)?;
            if text != "ok" {
                found.push(text);
            }
        }
        Ok(found)
    }

    /// Sessions of others in a PostgreSQL database; always 0 for SQLite, where a lock tells.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn other_sessions(&mut self) -> Result<u64, StoreError> {
        if self.dialect == Dialect::Sqlite {
            return Ok(0);
        }
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND usesysid IS NOT NULL AND pid <> pg_backend_pid()";
        let row = sqlx::query(sql).persistent(false).fetch_one(&mut self.conn).await?;
        Ok(unsigned(row.try_get(0)?))
    }

    /// Closes it.
    pub async fn close(self) {
        if let Err(error) = self.conn.close().await {
            tracing::debug!(%error, "a connection that only read did not close well");
        }
    }

    /// Names of all tables.
    pub(crate) async fn names(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = match self.dialect {
            Dialect::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 ORDER BY name"
            }
            Dialect::Postgres => {
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            }
        };
        let rows = sqlx::query(sql).persistent(false).fetch_all(&mut self.conn).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// A name in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A file beside another one.
pub(crate) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Counts and sizes are not negative; a damaged one shows as 0.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
