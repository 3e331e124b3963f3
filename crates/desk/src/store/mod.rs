//! A requester's tables: every SQL statement of this crate stands below here. The tables themselves are made by the
//! migrations of the role whose database it is.

pub mod requester;

use tacit_store::StoreError;

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

/// A number that fits BIGINT: counts and times do.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
