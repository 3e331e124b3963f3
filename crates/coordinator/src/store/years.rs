//! Where each year of the log begins: `log_years`.

use sqlx::Row;
use tacit_ledger::shard::YearStart;
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// The newest year that has begun.
pub(crate) async fn newest(conn: &mut Conn) -> Result<Option<u16>, StoreError> {
    let row = sqlx::query("SELECT MAX(year) FROM log_years").fetch_one(conn).await?;
    row.try_get::<Option<i64>, _>(0)?.map(year).transpose()
}

/// Notes where a year begins, which is after all others.
pub(crate) async fn begin(conn: &mut Conn, start: YearStart) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO log_years (year, first_index) VALUES ($1, $2)")
        .bind(i64::from(start.year))
        .bind(signed(start.first_index))
        .execute(conn)
        .await?;
    Ok(())
}

/// All years, the oldest first.
pub(crate) async fn all(conn: &mut Conn) -> Result<Vec<YearStart>, StoreError> {
    let rows = sqlx::query("SELECT year, first_index FROM log_years ORDER BY year").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let first_index = unsigned("log_years", "first_index", row.try_get(1)?)?;
            Ok(YearStart { year: year(row.try_get(0)?)?, first_index })
        })
        .collect()
}

fn year(value: i64) -> Result<u16, StoreError> {
    u16::try_from(value).map_err(|_| StoreError::corrupt("log_years", "year", value, "is no year"))
}
