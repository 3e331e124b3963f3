//! Many rows in one statement.
//!
//! A statement's text depends on how many rows it holds, and a database parses each new text anew. So rows
//! go in groups of a few fixed sizes: there are few texts, and each is prepared once per connection.
//!
//! SQLite finds a named parameter (`$1`) by walking over all of them, twice per parameter; for the thousands
//! of a bulk statement only the nameless `?` is linear. PostgreSQL knows `$1` only. [`insert`] and [`fetch`] write
//! what the connection wants; [`placeholders`] is for statements that mix a short list with parameters of their own.

use sqlx::{
    Any, AnyConnection, Arguments as _, AssertSqlSafe, Encode, Type,
    any::{AnyArguments, AnyRow},
    error::BoxDynError,
};

use crate::{Dialect, StoreError};

/// Rows of one insert, largest first.
const ROWS: [usize; 8] = [256, 64, 32, 16, 8, 4, 2, 1];

/// Parameters of one insert; SQLite's limit is 32,766, PostgreSQL's 65,535.
const MAX_PARAMETERS: usize = 16_000;

/// Keys of one fetch, largest first; the last group is filled up by repeating its last key.
const KEYS: [usize; 4] = [1024, 128, 16, 1];

/// Keys of one part of [`parts`].
const PART: usize = 1000;

/// `INSERT INTO <into> VALUES (...), (...) <suffix>` for all `rows`, and how many rows that wrote.
///
/// `into` is the table with its column list, `columns` how many columns, `bind` binds one row in that
/// order, `suffix` what follows (`ON CONFLICT ...`), or nothing. All of them are fixed texts without
/// parameters.
///
/// # Errors
/// What the database says. Rows may have been written then: the caller's transaction ends.
pub async fn insert<'q, R>(
    conn: &mut AnyConnection,
    into: &'static str,
    columns: usize,
    suffix: &'static str,
    rows: &'q [R],
    mut bind: impl FnMut(Row, &'q R) -> Row,
) -> Result<u64, StoreError> {
    let dialect = Dialect::of(conn);
    let mut written = 0;
    for part in insert_parts(rows, columns) {
        let sql = number_marks(dialect, insert_text(into, columns, suffix, part.len()));
        let arguments = part.iter().fold(Row::default(), &mut bind).arguments()?;
        written += sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *conn).await?.rows_affected();
    }
    Ok(written)
}

/// The rows of each statement of an insert.
pub(crate) fn insert_parts<R>(rows: &[R], columns: usize) -> impl Iterator<Item = &[R]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let fits = |size: &&usize| **size <= rest.len() && **size * columns <= MAX_PARAMETERS;
        let size = ROWS.iter().find(fits).copied().unwrap_or(1);
        let (part, later) = rest.split_at_checked(size)?;
        rest = later;
        Some(part)
    })
}

/// The rows of `<head> (<keys>)`, where `head` ends in `IN` and has no parameter, in no order that counts.
///
/// Every key is looked for once, also when it is given twice.
///
/// # Errors
/// What the database says.
pub async fn fetch<'q, K>(
    conn: &mut AnyConnection,
    head: &'static str,
    keys: &'q [K],
    bind: impl FnMut(Row, &'q K) -> Row,
) -> Result<Vec<AnyRow>, StoreError> {
    fetch_within(conn, head, |row| row, keys, bind).await
}

/// [`fetch`] with parameters before the keys: each `?` of `head` in order is bound by `first`.
///
/// # Errors
/// What the database says.
pub async fn fetch_within<'q, K>(
    conn: &mut AnyConnection,
    head: &'static str,
    first: impl Fn(Row) -> Row,
    keys: &'q [K],
    mut bind: impl FnMut(Row, &'q K) -> Row,
) -> Result<Vec<AnyRow>, StoreError> {
    let (dialect, mut found) = (Dialect::of(conn), Vec::new());
    for (size, part) in keyed_parts(keys) {
        let sql = number_marks(dialect, keyed_text(head, size));
        let row = part.fold(first(Row::default()), &mut bind);
        let query = sqlx::query_with(AssertSqlSafe(sql), row.arguments()?);
        found.append(&mut query.fetch_all(&mut *conn).await?);
    }
    Ok(found)
}

/// The keys of each statement, and how many.
pub(crate) fn keyed_parts<K>(keys: &[K]) -> impl Iterator<Item = (usize, impl Iterator<Item = &K>)> {
    keys.chunks(KEYS[0]).map(|part| {
        // The smallest group that holds the part, so that texts are few; the gap repeats the last key.
        let size = KEYS.iter().rev().find(|size| **size >= part.len()).copied().unwrap_or(KEYS[0]);
        (size, part.iter().chain(part.last().into_iter().cycle().take(size - part.len())))
    })
}

/// The values of a statement under construction, which takes one after the other.
pub struct Row(Result<AnyArguments, BoxDynError>);

impl Default for Row {
    fn default() -> Self {
        Self(Ok(AnyArguments::default()))
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row(..)")
    }
}

impl Row {
    /// Binds the next parameter's value.
    #[must_use]
    pub fn bind<'v, T: Encode<'v, Any> + Type<Any>>(self, value: T) -> Self {
        Self(self.0.and_then(|mut values| values.add(value).map(|()| values)))
    }

    pub(crate) fn arguments(self) -> Result<AnyArguments, StoreError> {
        Ok(self.0.map_err(sqlx::Error::Encode)?)
    }
}

/// `$1, $2, ... $n` for an `IN (...)` list that begins at parameter `first`, for a part of [`parts`].
#[must_use]
pub fn placeholders(first: usize, count: usize) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(count * 6);
    for n in first..first + count {
        if n > first {
            text.push(',');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "${n}");
    }
    text
}

/// Splits keys for `IN (...)` queries.
pub fn parts<T>(keys: &[T]) -> impl Iterator<Item = &[T]> {
    keys.chunks(PART)
}

pub(crate) fn insert_text(into: &str, columns: usize, suffix: &str, rows: usize) -> String {
    let mut row = String::with_capacity(columns * 2 + 2);
    row.push_str(",(");
    push_marks(&mut row, columns);
    row.push(')');
    let mut sql = format!("INSERT INTO {into} VALUES ");
    sql.push_str(&row.repeat(rows)[1..]);
    sql.push(' ');
    sql.push_str(suffix);
    sql
}

pub(crate) fn keyed_text(head: &str, keys: usize) -> String {
    let mut sql = String::with_capacity(head.len() + 3 + keys * 2);
    sql.push_str(head);
    sql.push_str(" (");
    push_marks(&mut sql, keys);
    sql.push(')');
    sql
}

fn push_marks(text: &mut String, count: usize) {
    text.push('?');
    (1..count).for_each(|_| text.push_str(",?"));
}

/// The text with its marks numbered where the database wants them so. A `?` is nothing but a mark in these texts.
pub(crate) fn number_marks(dialect: Dialect, sql: String) -> String {
    use std::fmt::Write;
    match dialect {
        Dialect::Sqlite => sql,
        Dialect::Postgres => {
            let mut numbered = String::with_capacity(sql.len() * 3);
            for (place, part) in sql.split('?').enumerate() {
                if place > 0 {
                    // Writing to a String cannot fail.
                    let _ = write!(numbered, "${place}");
                }
                numbered.push_str(part);
            }
            numbered
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_numbered_for_postgresql_alone() {
        let insert = |dialect| number_marks(dialect, insert_text("t (a, b)", 2, "ON CONFLICT DO NOTHING", 2));
        assert_eq!(insert(Dialect::Sqlite), "INSERT INTO t (a, b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING");
        let numbered = "INSERT INTO t (a, b) VALUES ($1,$2),($3,$4) ON CONFLICT DO NOTHING";
        assert_eq!(insert(Dialect::Postgres), numbered);
        let head = "SELECT n FROM t WHERE a = ? AND b IN";
        let keyed = |dialect| number_marks(dialect, keyed_text(head, 2));
        assert_eq!(keyed(Dialect::Sqlite), "SELECT n FROM t WHERE a = ? AND b IN (?,?)");
        assert_eq!(keyed(Dialect::Postgres), "SELECT n FROM t WHERE a = $1 AND b IN ($2,$3)");
    }
}
