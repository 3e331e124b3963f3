//! Transactions, and what a commit is worth.
//!
//! ```text
//! SQLite      BEGIN IMMEDIATE                     ...  COMMIT
//! PostgreSQL  BEGIN; one advisory lock per database  ...  a WAL record of our own; COMMIT, its warnings read
//! ```
//!
//! On both databases a writer holds the one write lock of its database from the first moment, so what it reads is
//! what it decides on: at READ COMMITTED every statement after the lock sees all that was committed under it. Use
//! of a permit, quotas and the log's head are exact across replicas for this reason alone.
//!
//! **Synchronous replication.** When PostgreSQL waits for a standby and that wait is canceled, COMMIT reports success
//! and a warning; the row is on one server only, visible to all, and lost by a failover. So any warning during COMMIT
//! makes the outcome unknown ([`UnknownCommit::Warned`]). The driver shows warnings as events of `tracing` only:
//! [`Watched`] listens to them while the COMMIT is polled. A transaction that changed nothing would not wait at all,
//! and could answer from such a row; so every transaction here writes a WAL record of its own
//! (`pg_logical_emit_message`). WAL is replicated in order: a commit that was confirmed confirms all before it.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use sqlx::{Any, AnyConnection, Connection as _, Transaction, any::AnyArguments, query::Query};
use tracing::{Dispatch, Level, Metadata, Subscriber, field::Field, level_filters::LevelFilter, span};

use crate::{Dialect, StoreError, error::UnknownCommit};

/// Takes the lock that all writers of a database share, until the transaction ends. The number is "tacit" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(499850111348)";
const BEGIN_AND_LOCK: &str = "BEGIN; SELECT pg_advisory_xact_lock(499850111348)";

/// Fails in a transaction that failed before: COMMIT would undo it and report success.
const EMIT: &str = "SELECT CAST(pg_logical_emit_message(true, 'tacit', '') AS TEXT)";
const EMIT_AND_COMMIT: &str = "SELECT CAST(pg_logical_emit_message(true, 'tacit', '') AS TEXT); COMMIT";

/// Where the driver tells of warnings.
const NOTICES: &str = "sqlx::postgres::notice";

/// A transaction that holds the write lock. Undone when it is dropped before its commit.
#[derive(Debug)]
pub struct Tx<'c>(Transaction<'c, Any>);

/// Begins a transaction that holds the write lock from its first moment, against every other process too.
///
/// # Errors
/// [`StoreError::Database`], also when the lock was not to be had within 10 s.
pub async fn begin(conn: &mut AnyConnection) -> Result<Tx<'_>, StoreError> {
    match Dialect::of(conn) {
        Dialect::Sqlite => Ok(Tx(conn.begin_with("BEGIN IMMEDIATE").await?)),
        Dialect::Postgres => {
            let mut tx = conn.begin().await?;
            sqlx::raw_sql(LOCK).execute(&mut *tx).await?;
            Ok(Tx(tx))
        }
    }
}

impl Tx<'_> {
    /// Ends the transaction durably.
    ///
    /// # Errors
    /// [`StoreError::UnknownOutcome`]; with any other error nothing was written.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        match Dialect::of(&self.0) {
            Dialect::Sqlite => Ok(self.0.commit().await?),
            Dialect::Postgres => {
                sqlx::raw_sql(EMIT).execute(&mut *self.0).await?;
                judged(Watched::new(self.0.commit()).await)
            }
        }
    }
}

impl Deref for Tx<'_> {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.0
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.0
    }
}

/// Executes one statement as a transaction of its own, durable when this returns, and gives the number of rows that it
/// wrote.
///
/// # Errors
/// As [`begin`] and [`Tx::commit`].
pub async fn execute_alone(
    conn: &mut AnyConnection,
    statement: Query<'_, Any, AnyArguments>,
) -> Result<u64, StoreError> {
    match Dialect::of(conn) {
        // It is one by itself, without the two statements around it.
        Dialect::Sqlite => Ok(statement.execute(conn).await?.rows_affected()),
        Dialect::Postgres => {
            let mut tx = begin(conn).await?;
            let written = statement.execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            Ok(written)
        }
    }
}

/// What begins a transaction on SQLite, for a statement that goes with it.
pub(crate) const BEGIN_AND_THEN: &str = "BEGIN IMMEDIATE;";

/// [`begin`] for who ends the transaction with [`commit_locked`] or [`rollback`] on every path.
pub(crate) async fn begin_locked(conn: &mut AnyConnection) -> Result<(), StoreError> {
    match Dialect::of(conn) {
        Dialect::Sqlite => sqlx::query("BEGIN IMMEDIATE").persistent(false).execute(conn).await?,
        Dialect::Postgres => sqlx::raw_sql(BEGIN_AND_LOCK).execute(conn).await?,
    };
    Ok(())
}

/// Ends a transaction durably.
pub(crate) async fn commit_locked(conn: &mut AnyConnection) -> Result<(), StoreError> {
    match Dialect::of(conn) {
        Dialect::Sqlite => {
            sqlx::query("COMMIT").persistent(false).execute(conn).await?;
            Ok(())
        }
        Dialect::Postgres => {
            let commit = Watched::new(sqlx::raw_sql(EMIT_AND_COMMIT).execute(conn)).await;
            judged((commit.0.map(drop), commit.1))
        }
    }
}

/// Undoes a transaction; false when the connection may be in one still.
pub(crate) async fn rollback(conn: &mut AnyConnection) -> bool {
    let undone = match Dialect::of(conn) {
        Dialect::Sqlite => sqlx::query("ROLLBACK").persistent(false).execute(conn).await,
        Dialect::Postgres => sqlx::raw_sql("ROLLBACK").execute(conn).await,
    };
    // On SQLite a failure means that there was none to undo.
    undone.inspect_err(|error| tracing::warn!(%error, "rollback failed")).is_ok()
}

/// Commits a transaction that changes nothing: once it is confirmed, so is everything that was committed before and
/// can be read. Nothing to do on SQLite.
pub(crate) async fn settle(conn: &mut AnyConnection) -> Result<(), StoreError> {
    match Dialect::of(conn) {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => begin(conn).await?.commit().await,
    }
}

/// What a COMMIT came to, by its result and the warning that was seen meanwhile.
fn judged((result, warning): (Result<(), sqlx::Error>, Option<String>)) -> Result<(), StoreError> {
    match (result, warning) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(warning)) => Err(StoreError::UnknownOutcome(UnknownCommit::Warned(warning))),
        // The server refused: a deferred check, or the transaction had failed before. Whatever ends the session
        // (class 57, administrator's command or crash) may have come after the commit.
        (Err(sqlx::Error::Database(error)), _)
            if error.code().is_some_and(|code| !code.starts_with("57") && !code.starts_with("08")) =>
        {
            Err(sqlx::Error::Database(error).into())
        }
        (Err(error), _) => Err(StoreError::UnknownOutcome(UnknownCommit::Broken(error))),
    }
}

thread_local! {
    /// The warning that was seen on this thread since the poll began.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Lives as long as the process: making another one has every call site of `tracing` asked anew.
static LISTENER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Listener));

/// A future whose result comes with the first warning of the server that was received while it was polled.
struct Watched<F: Future> {
    inner: Pin<Box<F>>,
    warning: Option<String>,
}

impl<F: Future> Watched<F> {
    fn new(inner: F) -> Self {
        Self { inner: Box::pin(inner), warning: None }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, Option<String>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        SEEN.take();
        let polled = tracing::dispatcher::with_default(&LISTENER, || self.inner.as_mut().poll(context));
        if let Some(warning) = SEEN.take() {
            self.warning.get_or_insert(warning);
        }
        polled.map(|output| (output, self.warning.take()))
    }
}

/// Takes the server's warnings, and nothing else.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == NOTICES && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        SEEN.replace(Some(message.0));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_warning_of_the_server_is_seen_by_who_waits_for_it_and_by_nobody_else() {
        let warned = async {
            tokio::task::yield_now().await;
            tracing::warn!(target: "sqlx::postgres::notice", "canceling wait");
            tracing::warn!("of another kind");
            7
        };
        let quiet = async {
            tokio::task::yield_now().await;
            tracing::info!(target: "sqlx::postgres::notice", "a notice");
            8
        };
        let (warned, quiet) = tokio::join!(Watched::new(warned), Watched::new(quiet));
        assert_eq!(warned, (7, Some("canceling wait".to_owned())));
        assert_eq!(quiet, (8, None));
    }
}
