//! Whether a write failed on the disk itself, anywhere in this process.
//!
//! A sync that failed may have lost what was to be written, and the next sync can succeed without it. So from the
//! first such failure on nothing is written to any SQLite database of this process, no connection is closed (closing
//! the last one copies the write-ahead log and syncs again), and the process ends: started again, it recovers from
//! what is on the disk. PostgreSQL stops by itself when its disk fails.

use std::sync::LazyLock;

use sqlx::sqlite::SqliteError;
use tokio::sync::watch;

/// One for the process: databases of one process are on the disks of one machine.
static FAILED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// Extended result codes of SQLite: what was to be written or synced is in no known state.
const FAILURES: [&str; 6] = [
    "778",  // SQLITE_IOERR_WRITE
    "1034", // SQLITE_IOERR_FSYNC
    "1290", // SQLITE_IOERR_DIR_FSYNC
    "1546", // SQLITE_IOERR_TRUNCATE
    "7434", // SQLITE_IOERR_BEGIN_ATOMIC
    "7690", // SQLITE_IOERR_COMMIT_ATOMIC
];

/// Ready once a write failed on the disk: the process should end and be started again.
pub async fn disk_failed() {
    // The sender is never dropped.
    let _ = FAILED.subscribe().wait_for(|failed| *failed).await;
}

/// Whether it did.
pub(crate) fn has_failed() -> bool {
    *FAILED.borrow()
}

/// Looks at an error of the driver.
pub(crate) fn see(error: &sqlx::Error) {
    if is_failure(error) && !FAILED.send_replace(true) {
        tracing::error!(
            %error,
            "a write failed on the disk; nothing more is written until the process is started again"
        );
    }
}

fn is_failure(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let Some(error) = error.try_downcast_ref::<SqliteError>() else { return false };
    sqlx::error::DatabaseError::code(error).is_some_and(|code| FAILURES.contains(&&*code))
}
