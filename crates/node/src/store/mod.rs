//! The node's tables: every SQL statement of this crate stands below here.

pub(crate) mod holder;
mod measures;
pub(crate) mod redress;
#[cfg(test)]
mod requester_tests;

pub use measures::MeasureTables;
use sqlx::migrate::Migrator;
pub(crate) use tacit_store::begin;
use tacit_store::{Db, Migrations, StoreError};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/node/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/node/postgres");

/// Schema of the node's database.
pub static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// Opens the node's database (`sqlite:PATH` or `postgres://USER@HOST/DATABASE`) and brings its schema up to date. Several processes may have it open:
/// the node itself, and the command line that imports records.
pub async fn open(url: &str) -> Result<Db, StoreError> {
    Db::open(url, &MIGRATIONS).await
}

/// 32 bytes of a column, or corrupt data.
pub(crate) fn bytes32(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    bytes: &[u8],
) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt(table, column, row, "is not 32 bytes"))
}

/// A count, number or time that the schema keeps at or above zero.
pub(crate) fn unsigned<T: TryFrom<i64>>(
    table: &'static str,
    column: &'static str,
    value: i64,
) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::corrupt(table, column, value, "is out of range"))
}

/// A number that fits BIGINT: counts, days and times do; epochs and versions count from there.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
