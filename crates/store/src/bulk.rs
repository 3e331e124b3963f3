//! Many rows in one statement.
//!
//! Numbered parameters work on every database; a statement holds at most [`MAX_PARAMETERS`] of them.

use sqlx::{Any, AnyConnection, AssertSqlSafe, Encode, Type, any::AnyArguments, query::Query};

use crate::StoreError;

/// Parameters per statement: SQLite's limit is 32,766, PostgreSQL's 65,535.
const MAX_PARAMETERS: usize = 16_000;

/// `INSERT INTO <into> VALUES (...), (...) <suffix>` for all `rows`, in as few statements as allowed.
///
/// `into` is the table with its column list, `columns` how many columns, `bind` binds one row in that
/// order, `suffix` what follows (`ON CONFLICT ...`), or nothing. All of them are fixed texts.
pub async fn insert<'q, R>(
    conn: &mut AnyConnection,
    into: &'static str,
    columns: usize,
    suffix: &'static str,
    rows: &'q [R],
    mut bind: impl FnMut(Row<'q>, &'q R) -> Row<'q>,
) -> Result<u64, StoreError> {
    let mut written = 0;
    for part in rows.chunks((MAX_PARAMETERS / columns).max(1)) {
        let sql = insert_text(into, columns, suffix, part.len());
        // A full part always has the same text and is worth keeping prepared; others are not.
        let mut row = Row(sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1));
        for value in part {
            row = bind(row, value);
        }
        written += row.0.execute(&mut *conn).await?.rows_affected();
    }
    Ok(written)
}

/// The query under construction, which takes one value after the other.
pub struct Row<'q>(Query<'q, Any, AnyArguments>);

impl<'q> Row<'q> {
    /// Binds the next column's value.
    #[must_use]
    pub fn bind<T: Encode<'q, Any> + Type<Any> + 'q>(self, value: T) -> Self {
        Self(self.0.bind(value))
    }
}

/// `$1, $2, ... $n` for an `IN (...)` list that begins at parameter `first`.
pub fn placeholders(first: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for n in first..first + count {
        push_parameter(&mut text, n, n > first);
    }
    text
}

/// Splits keys for `IN (...)` queries.
pub fn parts<T>(keys: &[T]) -> impl Iterator<Item = &[T]> {
    keys.chunks(MAX_PARAMETERS / 2)
}

fn insert_text(into: &str, columns: usize, suffix: &str, rows: usize) -> String {
    let mut sql = String::with_capacity(32 + into.len() + rows * columns * 7);
    sql.push_str("INSERT INTO ");
    sql.push_str(into);
    sql.push_str(" VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            push_parameter(&mut sql, row * columns + column + 1, column > 0);
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(suffix);
    sql
}

fn push_parameter(text: &mut String, number: usize, comma: bool) {
    use std::fmt::Write;
    if comma {
        text.push(',');
    }
    text.push('$');
    // Writing to a String cannot fail.
    let _ = write!(text, "{number}");
}
