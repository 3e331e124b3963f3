//! SQLite: a copy by `VACUUM INTO`, put back by renaming.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{AnyConnection, Connection as _, any::AnyConnectOptions, migrate::Migrator};

use super::{BackupError, Progress, Restore, copy_file, mark, remove, sync, sync_folder_of};
use crate::{Inspector, Size, StoreError, Table, db::install_drivers, inspect::with_end};

/// Files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Copies the database into the empty file `to`, and tells what the copy holds.
pub(super) async fn copy(
    mut source: Inspector,
    migrator: &'static Migrator,
    to: &Path,
    progress: Progress<'_>,
) -> Result<(i64, Vec<Table>, Vec<Size>), BackupError> {
    let vacuum = async {
        let into = sqlx::query("VACUUM INTO $1").persistent(false).bind(to.display().to_string());
        let done = into.execute(source.conn()).await;
        source.close().await;
        done.map(drop).map_err(StoreError::from)
    };
    tokio::pin!(vacuum);
    loop {
        tokio::select! {
            done = &mut vacuum => break done?,
            () = tokio::time::sleep(TELL_EVERY) => progress(to.metadata().map_or(0, |it| it.len())),
        }
    }
    let mut copy = Inspector::open_file(to, migrator).await?;
    let held = async {
        let damage = copy.damage().await?;
        if !damage.is_empty() {
            return Err(StoreError::Unsupported("the copy is damaged, and so is the database".to_owned()));
        }
        Ok((copy.schema().await?.version, copy.tables().await?, copy.sizes().await?))
    };
    let held = held.await;
    copy.close().await;
    Ok(held?)
}

/// A database that nobody else has open, and that nobody can open until this ends. It has no write-ahead log.
pub(super) struct Held(AnyConnection);

impl Held {
    /// Takes the file for itself.
    pub(super) async fn hold(path: &Path) -> Result<Self, BackupError> {
        install_drivers();
        let options: AnyConnectOptions =
            format!("sqlite:{}?mode=rw", path.display()).parse().map_err(StoreError::from)?;
        let mut conn = AnyConnection::connect_with(&options).await.map_err(sort)?;
        // A connection in WAL mode keeps its shared lock, so this fails while anybody has the file open; and it leaves
        // no log behind that could be taken for one of the database that comes in this one's place.
        let hold = "PRAGMA busy_timeout = 500; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; \
            BEGIN EXCLUSIVE; COMMIT";
        match sqlx::raw_sql(hold).execute(&mut conn).await {
            Ok(_) => Ok(Self(conn)),
            Err(error) => {
                // It was only asked.
                let _ = conn.close().await;
                Err(sort(error))
            }
        }
    }

    pub(super) async fn release(self) {
        if let Err(error) = self.0.close().await {
            tracing::debug!(%error, "a connection did not close well");
        }
    }
}

/// Tells a lock from damage.
fn sort(error: sqlx::Error) -> BackupError {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    let code = error.as_database_error().and_then(|it| it.code()).and_then(|it| it.parse::<i32>().ok());
    if code.is_some_and(|code| [BUSY, LOCKED].contains(&(code & 0xff))) {
        return BackupError::InUse("another process has its file open".to_owned());
    }
    let error = StoreError::Database(error);
    if error.is_io_failure() { BackupError::Damaged(error) } else { BackupError::Store(error) }
}

/// Prepares the copy beside the database, then puts it in its place.
pub(super) async fn restore(
    restore: &Restore<'_>,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Option<PathBuf>, BackupError> {
    let held = if path.exists() {
        match Held::hold(path).await {
            Ok(held) => Some(held),
            Err(BackupError::Damaged(_)) if restore.over_damage => None,
            Err(error) => return Err(error),
        }
    } else {
        None
    };
    let coming = with_end(path, ".restoring");
    let prepared = prepare(restore, &coming, progress).await;
    let outcome = match prepared {
        Ok(()) => exchange(path, &coming, restore.restored_ms),
        Err(error) => Err(error),
    };
    if let Some(held) = held {
        held.release().await;
    }
    if outcome.is_err() {
        // What could not be finished is not left behind; the reason for that counts.
        let _ = clean(&coming);
    }
    outcome
}

async fn prepare(restore: &Restore<'_>, coming: &Path, progress: Progress<'_>) -> Result<(), BackupError> {
    clean(coming)?;
    copy_file(restore.from, coming, restore.hash, progress)?;
    mark(&format!("sqlite:{}", coming.display()), restore.migrations, restore.restored_ms).await?;
    if with_end(coming, "-wal").exists() {
        return Err(BackupError::InUse(format!("{} was opened by somebody", coming.display())));
    }
    sync(coming)
}

/// At each moment there is either the old database or the new one.
fn exchange(path: &Path, coming: &Path, now_ms: u64) -> Result<Option<PathBuf>, BackupError> {
    let trouble = |source| BackupError::File { path: path.to_owned(), source };
    let mut kept = None;
    if path.exists() {
        let name = with_end(path, &format!(".before-restore-{now_ms}"));
        std::fs::hard_link(path, &name).map_err(trouble)?;
        // Only a damaged one still has a log beside it, which goes with it. What shares memory holds nothing else.
        remove(&with_end(path, "-shm"))?;
        for end in BESIDE {
            let beside = with_end(path, end);
            if beside.exists() {
                std::fs::rename(&beside, with_end(&name, end)).map_err(trouble)?;
            }
        }
        kept = Some(name);
    } else {
        for end in BESIDE {
            remove(&with_end(path, end))?;
        }
    }
    std::fs::rename(coming, path).map_err(trouble)?;
    sync_folder_of(path)?;
    Ok(kept)
}

fn clean(path: &Path) -> Result<(), BackupError> {
    remove(path)?;
    BESIDE.iter().try_for_each(|end| remove(&with_end(path, end)))
}
