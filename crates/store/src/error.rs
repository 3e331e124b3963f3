//! Trouble with a database.

use sqlx::postgres::PgDatabaseError;

use crate::disk;

/// What can go wrong in a store. None of these texts carries a value of a row, nor does the Debug output: that of
/// a PostgreSQL error would ("Key (code)=(...) already exists"), so it is the same text.
#[derive(thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database is of a kind or version that is not supported.
    #[error("unsupported database: {0}")]
    Unsupported(String),
    /// A stored value cannot be what this program wrote.
    #[error("corrupt data in {table}.{column} (row {row}): {problem}")]
    Corrupt {
        /// Table name.
        table: &'static str,
        /// Column name.
        column: &'static str,
        /// Which row, by its key; never a secret or a subject code.
        row: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The stored log head is not what this process last wrote or what the tree gives.
    #[error("log head: {0}")]
    LogHead(&'static str),
    /// Another write failed in the same group, so nothing of the group was written.
    #[error("the write group was rolled back: {0}")]
    GroupFailed(std::sync::Arc<StoreError>),
    /// A commit was sent, and nobody knows whether it was done, or whether it would survive the loss of the server.
    /// Memory state must be dropped and read again; the same write may be asked for again.
    #[error("nobody knows whether the commit was done: {0}")]
    UnknownOutcome(#[source] UnknownCommit),
    /// A [`GroupWork`](crate::GroupWork) gave another number of results than it had jobs: its own mistake.
    #[error("{found} results for {due} writes")]
    WrongCount {
        /// Jobs of the group.
        due: usize,
        /// Results given.
        found: usize,
    },
    /// The writer has stopped.
    #[error("the writer has stopped")]
    Stopped,
    /// The file could not be prepared.
    #[error("database file {path}: {source}")]
    File {
        /// The path.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Every error of a statement comes by here, whoever made it.
        disk::see(&error);
        Self::Database(error)
    }
}

impl std::fmt::Debug for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreError({self})")
    }
}

/// Why the outcome of a commit is not known.
#[derive(thiserror::Error)]
pub enum UnknownCommit {
    /// The connection broke while the commit was under way.
    #[error("the connection broke: {0}")]
    Broken(sqlx::Error),
    /// The server said that it committed, and warned: a wait for a synchronous standby was canceled, so that the
    /// commit may be on this server only.
    #[error("the server warned: {0}")]
    Warned(String),
    /// The server did not answer in time. It may still be waiting for a standby.
    #[error("the server did not answer in time")]
    Late,
}

impl std::fmt::Debug for UnknownCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnknownCommit({self})")
    }
}

impl StoreError {
    /// Whether a write may have been done although it failed: who asked for it should ask for the same again.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::UnknownOutcome(_) => true,
            Self::GroupFailed(inner) => inner.is_outcome_unknown(),
            Self::Database(_)
            | Self::Migration(_)
            | Self::Unsupported(_)
            | Self::Corrupt { .. }
            | Self::LogHead(_)
            | Self::WrongCount { .. }
            | Self::Stopped
            | Self::File { .. } => false,
        }
    }

    /// Whether the disk or the file itself failed, so that nobody knows what is on it. A later sync can
    /// succeed without the data: never try again, stop and recover.
    #[must_use]
    pub fn is_io_failure(&self) -> bool {
        // Primary result codes of SQLite: SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        const DISK: [i32; 3] = [10, 11, 26];
        // SQLSTATE of PostgreSQL: io_error, data_corrupted, index_corrupted.
        const DAMAGE: [&str; 3] = ["58030", "XX001", "XX002"];
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
            return DAMAGE.contains(&error.code());
        }
        let code = error.code().and_then(|code| code.parse::<i32>().ok());
        code.is_some_and(|extended| DISK.contains(&(extended & 0xff)))
    }

    /// Whether what is stored contradicts itself: somebody changed it, or the disk did.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::LogHead(_) => true,
            Self::GroupFailed(inner) => inner.is_corruption(),
            Self::Database(_)
            | Self::Migration(_)
            | Self::Unsupported(_)
            | Self::UnknownOutcome(_)
            | Self::WrongCount { .. }
            | Self::Stopped
            | Self::File { .. } => false,
        }
    }

    /// A corrupt value.
    #[must_use]
    pub fn corrupt(
        table: &'static str,
        column: &'static str,
        row: impl ToString,
        problem: &'static str,
    ) -> Self {
        Self::Corrupt { table, column, row: row.to_string(), problem }
    }
}
