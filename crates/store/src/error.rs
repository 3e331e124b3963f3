//! Trouble with a database.

/// What can go wrong in a store. None of these texts carries a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
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

impl StoreError {
    /// Whether the disk or the file itself failed, so that nobody knows what is on it. A later sync can
    /// succeed without the data: never try again, stop and recover.
    #[must_use]
    pub fn is_io_failure(&self) -> bool {
        // Primary result codes of SQLite: SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        const DISK: [i32; 3] = [10, 11, 26];
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
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
