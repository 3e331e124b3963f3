//! The coordinator's own tables: everything SQL of this role stands here.

pub(crate) mod audits;
pub(crate) mod carried;
pub(crate) mod chains;
pub(crate) mod consent_requests;
pub(crate) mod consent_texts;
pub(crate) mod consents;
pub(crate) mod cosigned;
pub(crate) mod letters;
pub(crate) mod manifests;
pub(crate) mod measures;
pub(crate) mod openings;
pub(crate) mod pseudonyms;
pub(crate) mod reads;
pub(crate) mod registries;
pub(crate) mod requests;
pub(crate) mod subjects;
pub(crate) mod uses;
pub(crate) mod years;

use sqlx::migrate::Migrator;
use tacit_store::Migrations;

static SQLITE: Migrator = sqlx::migrate!("../../migrations/coordinator/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/coordinator/postgres");

/// Schema of the coordinator's database.
pub static MIGRATIONS: Migrations<'static> = Migrations { sqlite: &SQLITE, postgres: Some(&POSTGRES) };

/// 32 bytes of a column, or corrupt data.
pub(crate) fn bytes32(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    bytes: &[u8],
) -> Result<[u8; 32], tacit_store::StoreError> {
    bytes.try_into().map_err(|_| tacit_store::StoreError::corrupt(table, column, row, "is not 32 bytes"))
}

/// A count or time that the schema keeps at or above zero.
pub(crate) fn unsigned(
    table: &'static str,
    column: &'static str,
    value: i64,
) -> Result<u64, tacit_store::StoreError> {
    u64::try_from(value).map_err(|_| tacit_store::StoreError::corrupt(table, column, value, "is negative"))
}

/// A number small enough for BIGINT; times, sizes and epochs are.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A ULID of a column.
pub(crate) fn ulid(
    table: &'static str,
    column: &'static str,
    text: &str,
) -> Result<tacit_model::Ulid, tacit_store::StoreError> {
    tacit_model::parse_ulid(text)
        .ok_or_else(|| tacit_store::StoreError::corrupt(table, column, text, "is not a ULID"))
}
