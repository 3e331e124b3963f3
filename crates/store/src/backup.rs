//! Copies of a whole database, and putting one back.
//!
//! ```text
//! SQLite:      VACUUM INTO file                            file ─▶ beside the old one, up to date, marked ─▶ renamed
//! PostgreSQL:  pg_dump in the snapshot that is looked at   pg_restore ─▶ one transaction of psql, marked, commit
//! ```
//!
//! A copy is consistent while the role goes on working. What is put back is marked (`witness_restored`), so that a
//! member witnesses nothing before it has caught up with the others; and it is there whole or not at all.

mod server;
mod sqlite;
mod tools;

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Db, Dialect, Inspector, Migrations, Size, StoreError, Table, inspect, witness};

/// Bytes that are hashed or copied between two reports of progress.
const CHUNK: usize = 1 << 20;

/// How long a session of PostgreSQL that ended may still be listed: tries, and the pause between them.
const LINGERING_TRIES: u32 = 20;
const LINGERING: Duration = Duration::from_millis(100);

/// Is told how many bytes are done.
pub type Progress<'p> = &'p (dyn Fn(u64) + Send + Sync);

/// Why a database was not copied or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside it.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no database at this place.
    #[error("there is no database at {0}")]
    Missing(String),
    /// A program of PostgreSQL is not installed.
    #[error(
        "{0} was found neither in PATH nor below /usr/lib/postgresql; install the PostgreSQL client programs"
    )]
    NoTool(&'static str),
    /// A program of PostgreSQL failed.
    #[error("{tool} failed: {said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said first. It may name tables, never values of rows.
        said: String,
    },
    /// Somebody has the database open.
    #[error("the database is in use: {0}")]
    InUse(String),
    /// The database that is to be replaced cannot be read.
    #[error("the database that is there is damaged: {0}")]
    Damaged(StoreError),
    /// The bytes are not the ones that were copied.
    #[error("{}: the bytes are not the ones that were backed up", .0.display())]
    Checksum(PathBuf),
}

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Which database it is of.
    pub dialect: Dialect,
    /// Number of its newest migration.
    pub schema: i64,
    /// Its tables.
    pub tables: Vec<Table>,
    /// What only rises.
    pub sizes: Vec<Size>,
    /// Length of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: [u8; 32],
}

/// What is put back, and how.
#[derive(Clone, Copy)]
pub struct Restore<'a> {
    /// The copy.
    pub from: &'a Path,
    /// BLAKE3 of the copy.
    pub hash: &'a [u8; 32],
    /// Where the database stands.
    pub url: &'a str,
    /// Its schema.
    pub migrations: &'a Migrations<'static>,
    /// Now, in milliseconds since 1970-01-01T00:00:00Z.
    pub restored_ms: u64,
    /// Whether a database that cannot be read is replaced too.
    pub over_damage: bool,
}

/// Writes a consistent copy of the database at `url` to `to`, mode 0600, while others go on using it. What stands at
/// `to` is replaced; it is durable afterwards.
///
/// # Errors
/// [`BackupError`].
pub async fn copy(
    url: &str,
    migrations: &Migrations<'static>,
    to: &Path,
    progress: Progress<'_>,
) -> Result<Copied, BackupError> {
    let mut source = Inspector::open(url, migrations)
        .await?
        .ok_or_else(|| BackupError::Missing(url.trim_start_matches("sqlite:").to_owned()))?;
    create_private(to)?;
    let (schema, tables, sizes) = match source.dialect() {
        Dialect::Sqlite => sqlite::copy(source, migrations.sqlite, to, progress).await?,
        Dialect::Postgres => {
            let copied = server::copy(&mut source, url, to, progress).await;
            source.close().await;
            copied?
        }
    };
    sync(to)?;
    let (bytes, hash) = hash_of(to, progress)?;
    let dialect = if inspect::file_of(url)?.is_some() { Dialect::Sqlite } else { Dialect::Postgres };
    Ok(Copied { dialect, schema, tables, sizes, bytes, hash })
}

/// Whether a role, or anybody else, has the database at `url` open now. What is damaged counts as not open.
///
/// # Errors
/// [`BackupError::InUse`], [`BackupError::Store`].
pub async fn refuse_in_use(url: &str, migrations: &Migrations<'static>) -> Result<(), BackupError> {
    match inspect::file_of(url)? {
        Some(path) if path.exists() => match sqlite::Held::hold(&path).await {
            Ok(held) => {
                held.release().await;
                Ok(())
            }
            Err(BackupError::Damaged(_)) => Ok(()),
            Err(error) => Err(error),
        },
        Some(_) => Ok(()),
        None => {
            let Some(mut inspector) = Inspector::open(url, migrations).await? else { return Ok(()) };
            let refused = refuse_sessions(&mut inspector).await;
            inspector.close().await;
            refused
        }
    }
}

/// Puts a copy back in the place of the database at `url`, brings it up to date and marks it. Gives the file under
/// which the database that was there is kept, for SQLite.
///
/// # Errors
/// [`BackupError`]; then the database that was there is still there.
pub async fn restore(restore: Restore<'_>, progress: Progress<'_>) -> Result<Option<PathBuf>, BackupError> {
    match inspect::file_of(restore.url)? {
        Some(path) => sqlite::restore(&restore, &path, progress).await,
        None => {
            if hash_of(restore.from, progress)?.1 != *restore.hash {
                return Err(BackupError::Checksum(restore.from.to_owned()));
            }
            server::restore(&restore).await?;
            mark(restore.url, restore.migrations, restore.restored_ms).await?;
            Ok(None)
        }
    }
}

/// Length and BLAKE3 of a file.
///
/// # Errors
/// [`BackupError::File`].
pub fn hash_of(path: &Path, progress: Progress<'_>) -> Result<(u64, [u8; 32]), BackupError> {
    let file = |source| BackupError::File { path: path.to_owned(), source };
    let mut from = File::open(path).map_err(file)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = from.read(&mut chunk).map_err(file)?;
        let Some(read_bytes) = chunk.get(..read).filter(|it| !it.is_empty()) else { break };
        hasher.update(read_bytes);
        bytes += read as u64;
        progress(bytes);
    }
    Ok((bytes, *hasher.finalize().as_bytes()))
}

/// Brings a database that was put back up to date, and notes when it was.
async fn mark(url: &str, migrations: &Migrations<'static>, restored_ms: u64) -> Result<(), BackupError> {
    let db = Db::open(url, migrations).await?;
    let marked = async {
        let mut inspector =
            Inspector::open(url, migrations).await?.ok_or_else(|| BackupError::Missing(url.to_owned()))?;
        let tables = inspector.tables().await;
        inspector.close().await;
        // The coordinator has no such table: it compares its log with the witnesses at each start.
        if tables?.iter().any(|table| table.name == "witness_restored") {
            witness::mark_restored(&mut *db.write().await?, Some(restored_ms)).await?;
        }
        Ok(())
    };
    let marked = marked.await;
    db.close().await;
    marked
}

/// A session that just ended is still listed for a moment.
async fn refuse_sessions(inspector: &mut Inspector) -> Result<(), BackupError> {
    let mut tries = 0;
    loop {
        let others = inspector.other_sessions().await?;
        if others == 0 {
            return Ok(());
        }
        if tries == LINGERING_TRIES {
            return Err(BackupError::InUse(format!("{others} other sessions are connected to it")));
        }
        tries += 1;
        tokio::time::sleep(LINGERING).await;
    }
}

/// An empty file for its owner alone, in the place of what may be there.
fn create_private(path: &Path) -> Result<File, BackupError> {
    remove(path)?;
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|source| BackupError::File { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::File { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// What a file holds is on the disk afterwards.
fn sync(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| BackupError::File { path: path.to_owned(), source })
}

/// The names in the folder of this file are on the disk afterwards.
fn sync_folder_of(path: &Path) -> Result<(), BackupError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync(folder),
        _ => sync(Path::new(".")),
    }
}

/// Copies a file and proves that it is the one that is expected.
fn copy_file(from: &Path, to: &Path, hash: &[u8; 32], progress: Progress<'_>) -> Result<(), BackupError> {
    let mut target = create_private(to)?;
    let reading = |source| BackupError::File { path: from.to_owned(), source };
    let writing = |source| BackupError::File { path: to.to_owned(), source };
    let mut source = File::open(from).map_err(reading)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = source.read(&mut chunk).map_err(reading)?;
        let Some(read_bytes) = chunk.get(..read).filter(|it| !it.is_empty()) else { break };
        hasher.update(read_bytes);
        target.write_all(read_bytes).map_err(writing)?;
        bytes += read as u64;
        progress(bytes);
    }
    if hasher.finalize() != *hash {
        return Err(BackupError::Checksum(from.to_owned()));
    }
    target.sync_all().map_err(writing)
}
