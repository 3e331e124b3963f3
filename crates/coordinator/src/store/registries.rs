//! Registry versions: offered, logged, in force.

use sqlx::{Row, any::AnyRow};
use tacit_model::Millis;
use tacit_policy::registry_hash;
use tacit_store::{Conn, ReadId, Reads, Rows, StoreError, execute_alone};

use super::{bytes32, signed, unsigned};

const TABLE: &str = "registry_version";

/// A logged registry version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedRegistry {
    pub(crate) hash: [u8; 32],
    pub(crate) number: u64,
    pub(crate) log_index: u64,
    /// Since when it counts, if it does.
    pub(crate) counted: Option<Millis>,
}

/// A logged version with its file.
#[derive(Debug, Clone)]
pub(crate) struct StoredRegistry {
    pub(crate) logged: LoggedRegistry,
    pub(crate) bytes: Vec<u8>,
    /// The checkpoint by which it counts, with its cosignatures; none for the first.
    pub(crate) cosigned: Option<Vec<u8>>,
}

/// A version that the operator handed over.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) hash: [u8; 32],
    pub(crate) bytes: Vec<u8>,
}

fn logged(row: &AnyRow) -> Result<LoggedRegistry, StoreError> {
    let number = unsigned(TABLE, "number", row.try_get(1)?)?;
    let counted: Option<i64> = row.try_get(3)?;
    Ok(LoggedRegistry {
        hash: bytes32(TABLE, "hash", number, row.try_get(0)?)?,
        number,
        log_index: unsigned(TABLE, "log_index", row.try_get(2)?)?,
        counted: counted.map(|at| unsigned(TABLE, "counted_ms", at)).transpose()?.map(Millis),
    })
}

fn stored(row: &AnyRow) -> Result<StoredRegistry, StoreError> {
    let stored = StoredRegistry { logged: logged(row)?, bytes: row.try_get(4)?, cosigned: row.try_get(5)? };
    if stored.logged.hash != registry_hash(&stored.bytes) {
        let number = stored.logged.number;
        return Err(StoreError::corrupt(TABLE, "bytes", number, "are not what their hash says"));
    }
    Ok(stored)
}

/// This version, if it is in the log.
pub(crate) async fn find(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<LoggedRegistry>, StoreError> {
    let row = sqlx::query("SELECT hash, number, log_index, counted_ms FROM registry_version WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(logged).transpose()
}

/// The version that was logged last, whether it counts or not.
pub(crate) async fn newest(conn: &mut Conn) -> Result<Option<LoggedRegistry>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms FROM registry_version ORDER BY number DESC LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(logged).transpose()
}

/// The version in force, with its file.
pub(crate) async fn in_force(conn: &mut Conn) -> Result<Option<StoredRegistry>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms, bytes, cosigned FROM registry_version \
         WHERE counted_ms IS NOT NULL ORDER BY number DESC LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// Asks which version is in force.
pub(crate) fn read_in_force(reads: &mut Reads) -> ReadId {
    let sql = "SELECT hash FROM registry_version WHERE counted_ms IS NOT NULL ORDER BY number DESC LIMIT 1";
    reads.add(sql, |row| row)
}

/// What [`read_in_force`] asked for.
pub(crate) fn hash_in_force(rows: &mut Rows, read: ReadId) -> Result<Option<[u8; 32]>, StoreError> {
    let rows = rows.take(read);
    rows.first().map(|row| bytes32(TABLE, "hash", "in force", row.try_get(0)?)).transpose()
}

/// A version by its number, with its file.
pub(crate) async fn by_number(conn: &mut Conn, number: u64) -> Result<Option<StoredRegistry>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms, bytes, cosigned FROM registry_version WHERE number = $1",
    )
    .bind(signed(number))
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// A version by its hash, with its file.
pub(crate) async fn by_hash(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<StoredRegistry>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms, bytes, cosigned FROM registry_version WHERE hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The version that counts and follows number `after`, with its file.
pub(crate) async fn next_counted(conn: &mut Conn, after: u64) -> Result<Option<StoredRegistry>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms, bytes, cosigned FROM registry_version \
         WHERE number > $1 AND counted_ms IS NOT NULL ORDER BY number LIMIT 1",
    )
    .bind(signed(after))
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// Stores a version with its record, and takes it from the offers.
pub(crate) async fn store(conn: &mut Conn, logged: &LoggedRegistry, bytes: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO registry_version (hash, number, bytes, log_index, counted_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(logged.hash.as_slice())
    .bind(signed(logged.number))
    .bind(bytes)
    .bind(signed(logged.log_index))
    .bind(logged.counted.map(|at| signed(at.0)))
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM registry_offer WHERE hash = $1")
        .bind(logged.hash.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that a version counts from `at` on, by this cosigned checkpoint. The first time stays.
pub(crate) async fn count(
    conn: &mut Conn,
    hash: &[u8; 32],
    cosigned: &[u8],
    at: Millis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE registry_version SET counted_ms = $1, cosigned = $2 WHERE hash = $3 AND counted_ms IS NULL",
    )
    .bind(signed(at.0))
    .bind(cosigned)
    .bind(hash.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// The stored file of the version that follows number `after`, with its own number: exactly what was logged.
pub(crate) async fn next(conn: &mut Conn, after: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, number, log_index, counted_ms, bytes, cosigned FROM registry_version \
         WHERE number > $1 ORDER BY number LIMIT 1",
    )
    .bind(signed(after))
    .fetch_optional(conn)
    .await?;
    let stored = row.as_ref().map(stored).transpose()?;
    Ok(stored.map(|stored| (stored.logged.number, stored.bytes)))
}

/// Hands a version over to the running coordinator. One that was refused before is looked at again.
pub(crate) async fn offer(
    conn: &mut Conn,
    hash: &[u8; 32],
    bytes: &[u8],
    at: Millis,
) -> Result<(), StoreError> {
    let write = sqlx::query(
        "INSERT INTO registry_offer (hash, bytes, offered_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (hash) DO UPDATE SET offered_ms = excluded.offered_ms, refused = NULL",
    )
    .bind(hash.as_slice())
    .bind(bytes)
    .bind(signed(at.0));
    execute_alone(conn, write).await.map(drop)
}

/// Hashes of the offers that wait, the one that waits longest first.
pub(crate) async fn all_waiting(conn: &mut Conn) -> Result<Vec<[u8; 32]>, StoreError> {
    let rows = sqlx::query("SELECT hash FROM registry_offer WHERE refused IS NULL ORDER BY offered_ms, hash")
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| bytes32("registry_offer", "hash", "waiting", row.try_get(0)?)).collect()
}

/// The file of an offer, if it is there.
pub(crate) async fn offered_file(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT bytes FROM registry_offer WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether an offer is there, and why it was refused, if it was.
pub(crate) async fn offered(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Option<String>>, StoreError> {
    let row = sqlx::query("SELECT refused FROM registry_offer WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Refuses an offer.
pub(crate) async fn refuse(conn: &mut Conn, hash: &[u8; 32], why: &str) -> Result<(), StoreError> {
    let write =
        sqlx::query("UPDATE registry_offer SET refused = $1 WHERE hash = $2").bind(why).bind(hash.as_slice());
    execute_alone(conn, write).await.map(drop)
}
