//! Reads that go to the database together: those with which a transaction begins.
//!
//! ```text
//! SQLite      BEGIN IMMEDIATE; SELECT ...; SELECT ...; SELECT ...      one message, the rows of each told apart
//! PostgreSQL  one statement after the other
//! ```

use futures::TryStreamExt as _;
use sqlx::{AnyConnection, AssertSqlSafe, Either, Executor as _, any::AnyRow};

use crate::{
    Dialect, StoreError,
    bulk::{self, Row, keyed_text, number_marks},
};

/// Reads in their order. In their texts `?` stands for a parameter, and for nothing else.
#[derive(Debug)]
pub struct Reads {
    dialect: Dialect,
    count: usize,
    messages: Vec<Message>,
}

/// What is sent at once: one statement, or on SQLite all of them, each followed by `;`.
#[derive(Debug, Default)]
struct Message {
    sql: String,
    parameters: Row,
    /// Which read each statement belongs to: one with many keys is several statements.
    reads: Vec<usize>,
}

/// Which of [`Rows`] are the answer to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadId(usize);

/// What the reads found.
pub struct Rows(Vec<Vec<AnyRow>>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(Vec::len)).finish()
    }
}

impl Rows {
    /// The rows of a read, which has none afterwards.
    pub fn take(&mut self, read: ReadId) -> Vec<AnyRow> {
        self.0.get_mut(read.0).map(std::mem::take).unwrap_or_default()
    }
}

impl Reads {
    /// None yet.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, count: 0, messages: Vec::new() }
    }

    /// Which database they are for.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// One statement.
    pub fn add(&mut self, sql: &str, bind: impl FnOnce(Row) -> Row) -> ReadId {
        let read = self.next();
        self.push(read, sql, bind);
        read
    }

    /// `<head> (<keys>)`, as [`bulk::fetch_within`].
    pub fn keyed<'q, K>(
        &mut self,
        head: &'static str,
        first: impl Fn(Row) -> Row,
        keys: &'q [K],
        mut bind: impl FnMut(Row, &'q K) -> Row,
    ) -> ReadId {
        let read = self.next();
        for (size, part) in bulk::keyed_parts(keys) {
            self.push(read, &keyed_text(head, size), |row| part.fold(first(row), &mut bind));
        }
        read
    }

    fn next(&mut self) -> ReadId {
        self.count += 1;
        ReadId(self.count - 1)
    }

    fn push(&mut self, read: ReadId, sql: &str, bind: impl FnOnce(Row) -> Row) {
        if self.dialect == Dialect::Postgres || self.messages.is_empty() {
            self.messages.push(Message::default());
        }
        if let Some(message) = self.messages.last_mut() {
            message.sql.push_str(sql);
            message.sql.push(';');
            message.parameters = bind(std::mem::take(&mut message.parameters));
            message.reads.push(read.0);
        }
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn fetch(self, conn: &mut AnyConnection) -> Result<Rows, StoreError> {
        self.fetch_behind(conn, None).await
    }

    /// The same; on SQLite `first`, which has no rows, goes in the same message.
    pub(crate) async fn fetch_behind(
        self,
        conn: &mut AnyConnection,
        first: Option<&'static str>,
    ) -> Result<Rows, StoreError> {
        let mut rows = Vec::new();
        rows.resize_with(self.count, Vec::new);
        for Message { sql, parameters, reads } in self.messages {
            let sql = match first {
                Some(first) => [first, &sql].concat(),
                None => number_marks(self.dialect, sql),
            };
            let query = sqlx::query_with(AssertSqlSafe(sql), parameters.arguments()?);
            let mut reads = first.map(|_| None).into_iter().chain(reads.into_iter().map(Some));
            let mut read = reads.next().flatten();
            let mut steps = conn.fetch_many(query);
            while let Some(step) = steps.try_next().await? {
                match (step, read) {
                    // The end of a statement.
                    (Either::Left(_), _) => read = reads.next().flatten(),
                    (Either::Right(row), Some(read)) => rows[read].push(row),
                    (Either::Right(_), None) => {}
                }
            }
        }
        Ok(Rows(rows))
    }
}
