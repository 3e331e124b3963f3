//! Readings, and when the next one begins.

use sqlx::{Row, any::AnyRow};
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// A reading of all chains together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Its number, from 1.
    pub(crate) run: u64,
    pub(crate) began: Millis,
    /// Nothing while it is under way.
    pub(crate) ended: Option<Millis>,
    /// Chains read so far.
    pub(crate) chains: u64,
}

fn reading(row: &AnyRow) -> Result<Reading, StoreError> {
    let number = |column, value| unsigned("authority_reading", column, value);
    Ok(Reading {
        run: number("run", row.try_get(0)?)?,
        began: Millis(number("began_ms", row.try_get(1)?)?),
        ended: row.try_get::<Option<i64>, _>(2)?.map(|ms| number("ended_ms", ms)).transpose()?.map(Millis),
        chains: number("chains", row.try_get(3)?)?,
    })
}

/// The newest reading.
pub(crate) async fn newest(conn: &mut Conn) -> Result<Option<Reading>, StoreError> {
    let sql = "SELECT run, began_ms, ended_ms, chains FROM authority_reading ORDER BY run DESC LIMIT 1";
    sqlx::query(sql).fetch_optional(conn).await?.as_ref().map(reading).transpose()
}

/// When the newest reading that came to its end began: what is stored is at least that new.
pub(crate) async fn as_of(conn: &mut Conn) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT began_ms FROM authority_reading WHERE ended_ms IS NOT NULL ORDER BY run DESC LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(conn).await?;
    row.map(|row| Ok(Millis(unsigned("authority_reading", "began_ms", row.try_get(0)?)?))).transpose()
}

/// Begins a reading.
pub(crate) async fn begin(conn: &mut Conn, run: u64, now: Millis) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO authority_reading (run, began_ms, chains) VALUES ($1, $2, 0)")
        .bind(signed(run))
        .bind(signed(now.0))
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts chains that were read.
pub(crate) async fn advance(conn: &mut Conn, run: u64, chains: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE authority_reading SET chains = chains + $2 WHERE run = $1")
        .bind(signed(run))
        .bind(signed(chains))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a reading, and says when the next one begins.
pub(crate) async fn end(conn: &mut Conn, run: u64, now: Millis, next: Millis) -> Result<(), StoreError> {
    sqlx::query("UPDATE authority_reading SET ended_ms = $2 WHERE run = $1 AND ended_ms IS NULL")
        .bind(signed(run))
        .bind(signed(now.0))
        .execute(&mut *conn)
        .await?;
    schedule(conn, next).await
}

/// When the next reading begins.
pub(crate) async fn next(conn: &mut Conn) -> Result<Option<Millis>, StoreError> {
    let row =
        sqlx::query("SELECT next_ms FROM authority_schedule WHERE only_row = 1").fetch_optional(conn).await?;
    row.map(|row| Ok(Millis(unsigned("authority_schedule", "next_ms", row.try_get(0)?)?))).transpose()
}

/// Says when the next reading begins.
pub(crate) async fn schedule(conn: &mut Conn, next: Millis) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO authority_schedule (only_row, next_ms) VALUES (1, $1) \
         ON CONFLICT (only_row) DO UPDATE SET next_ms = excluded.next_ms",
    )
    .bind(signed(next.0))
    .execute(conn)
    .await?;
    Ok(())
}
