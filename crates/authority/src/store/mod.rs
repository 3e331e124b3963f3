//! The authority's tables: every SQL statement of this crate stands below here.

pub(crate) mod chains;
pub(crate) mod consents;
pub(crate) mod letters;
pub(crate) mod readings;
pub(crate) mod users;

use sqlx::migrate::Migrator;
use tacit_store::{Db, Migrations, StoreError};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/authority/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/authority/postgres");

/// Schema of the authority's database.
pub static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// Opens the authority's database (`sqlite:PATH` or `postgres://USER@HOST/DATABASE`) and brings its schema up to date.
///
/// # Errors
/// As [`Db::open`].
pub async fn open(url: &str) -> Result<Db, StoreError> {
    Db::open(url, &MIGRATIONS).await
}

/// 32 bytes of a column, or corrupt data.
fn bytes32(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    bytes: &[u8],
) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt(table, column, row, "is not 32 bytes"))
}

/// A count or time that the schema keeps at or above zero.
fn unsigned(table: &'static str, column: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(table, column, value, "is below zero"))
}

/// A number that fits BIGINT: counts and times do.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
