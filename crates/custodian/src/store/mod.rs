//! The custodian's tables: everything SQL of this role stands here.

pub(crate) mod enrollment;
pub(crate) mod permits;
pub(crate) mod quota;
pub(crate) mod registry;
pub(crate) mod tables;
mod writer;

use sqlx::migrate::Migrator;
use tacit_store::{Migrations, StoreError};

pub(crate) use writer::Writer;

static SQLITE: Migrator = sqlx::migrate!("../../migrations/custodian/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/custodian/postgres");

/// Schema of the custodian's database.
pub static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// 32 bytes of a column, or corrupt data.
fn bytes32(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    bytes: &[u8],
) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt(table, column, row, "is not 32 bytes"))
}

/// A count, number or time that the schema keeps at or above zero.
fn unsigned<T: TryFrom<i64>>(table: &'static str, column: &'static str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::corrupt(table, column, value, "is out of range"))
}

/// A number that fits BIGINT: sizes, days and times do, and epochs and versions were checked to.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
