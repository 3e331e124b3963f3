//! Writes that go to the database together, at the end of their transaction.
//!
//! Between a task and the thread that serves SQLite, a message and its answer cost more than most statements. So what
//! a transaction writes and does not read again is collected here, and goes in one message, its COMMIT with it:
//!
//! ```text
//! SQLite      BEGIN IMMEDIATE; INSERT ...; INSERT ...; UPDATE ...; COMMIT
//! PostgreSQL  one statement after the other
//! ```
//!
//! Only statements of one row are joined: each text is prepared once per connection, and longer ones would make a
//! text for every combination of lengths.

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::{
    Dialect, StoreError,
    bulk::{self, Row, insert_text, keyed_text, number_marks},
    transaction::BEGIN_AND_THEN,
};

/// Writes in their order. In their texts `?` stands for a parameter, and for nothing else.
#[derive(Debug)]
pub struct Writes {
    dialect: Dialect,
    messages: Vec<Message>,
}

/// What is sent at once: one statement, or several joined by `;`.
#[derive(Debug)]
struct Message {
    sql: String,
    parameters: Row,
    joins: bool,
}

impl Writes {
    /// None yet.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, messages: Vec::new() }
    }

    /// One statement that writes at most one row.
    pub fn add(&mut self, sql: &str, bind: impl FnOnce(Row) -> Row) {
        self.push(sql, true, bind);
    }

    /// `INSERT INTO <into> VALUES (...), (...) <suffix>` for all `rows`, as [`bulk::insert`].
    pub fn insert<'q, R>(
        &mut self,
        into: &'static str,
        columns: usize,
        suffix: &'static str,
        rows: &'q [R],
        mut bind: impl FnMut(Row, &'q R) -> Row,
    ) {
        for part in bulk::insert_parts(rows, columns) {
            let sql = insert_text(into, columns, suffix, part.len());
            self.push(&sql, part.len() == 1, |row| part.iter().fold(row, &mut bind));
        }
    }

    /// `<head> (<keys>)`, where `head` ends in `IN`; each `?` of `head` in order is bound by `first`. A key may stand there
    /// more than once.
    pub fn keyed<'q, K>(
        &mut self,
        head: &'static str,
        first: impl Fn(Row) -> Row,
        keys: &'q [K],
        mut bind: impl FnMut(Row, &'q K) -> Row,
    ) {
        for (size, part) in bulk::keyed_parts(keys) {
            self.push(&keyed_text(head, size), size == 1, |row| part.fold(first(row), &mut bind));
        }
    }

    fn push(&mut self, sql: &str, short: bool, bind: impl FnOnce(Row) -> Row) {
        let joins = short && self.dialect == Dialect::Sqlite;
        match self.messages.last_mut() {
            Some(last) if joins && last.joins => {
                last.sql.push(';');
                last.sql.push_str(sql);
                last.parameters = bind(std::mem::take(&mut last.parameters));
            }
            _ => self.messages.push(Message { sql: sql.to_owned(), parameters: bind(Row::default()), joins }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// On SQLite: executes all of it between a BEGIN IMMEDIATE, if that is to come, and a COMMIT.
    pub(crate) async fn commit_sqlite(
        &mut self,
        conn: &mut AnyConnection,
        begins: bool,
    ) -> Result<(), StoreError> {
        self.push("COMMIT", true, |row| row);
        if let Some(first) = self.messages.first_mut().filter(|_| begins) {
            first.sql.insert_str(0, BEGIN_AND_THEN);
        }
        self.flush(conn).await
    }

    /// Makes all of them now, for something that reads them after all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flush(&mut self, conn: &mut AnyConnection) -> Result<(), StoreError> {
        for Message { sql, parameters, .. } in self.messages.drain(..) {
            let sql = number_marks(self.dialect, sql);
            sqlx::query_with(AssertSqlSafe(sql), parameters.arguments()?).execute(&mut *conn).await?;
        }
        Ok(())
    }
}
