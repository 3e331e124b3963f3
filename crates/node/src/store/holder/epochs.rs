//! Epochs of a list and the seeds of their keys.

use sqlx::Row;
use tacit_model::Millis;
use tacit_store::{Conn, Dialect, StoreError};
use zeroize::Zeroizing;

use super::lists::ListNo;
use crate::store::{bytes32, signed, unsigned};

/// An epoch whose seed is still here.
pub(crate) struct StoredEpoch {
    pub(crate) epoch: u64,
    pub(crate) seed: Zeroizing<[u8; 32]>,
    /// When it begins and ends, as its manifests say.
    pub(crate) from: Millis,
    pub(crate) until: Millis,
    /// Hash of the list's rules it was sealed under.
    pub(crate) rules: [u8; 32],
    /// When its first manifest was in the log.
    pub(crate) logged: Option<Millis>,
}

/// Begins an epoch.
pub(crate) async fn begin(conn: &mut Conn, list: ListNo, epoch: &StoredEpoch) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO list_epoch (list_no, epoch, seed, from_ms, until_ms, rules) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(list.0)
        .bind(signed(epoch.epoch))
        .bind(epoch.seed.as_slice())
        .bind(epoch.from.to_i64())
        .bind(epoch.until.to_i64())
        .bind(epoch.rules.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// The epochs of a list whose seeds are still here, ascending.
pub(crate) async fn load(conn: &mut Conn, list: ListNo) -> Result<Vec<StoredEpoch>, StoreError> {
    let rows = sqlx::query(
        "SELECT epoch, seed, from_ms, until_ms, rules, logged_ms FROM list_epoch \
         WHERE list_no = $1 AND seed IS NOT NULL ORDER BY epoch",
    )
    .bind(list.0)
    .fetch_all(conn)
    .await?;
    let time = |column, value: i64| -> Result<Millis, StoreError> {
        Ok(Millis(unsigned("list_epoch", column, value)?))
    };
    rows.iter()
        .map(|row| {
            let epoch: u64 = unsigned("list_epoch", "epoch", row.try_get(0)?)?;
            let seed = Zeroizing::new(row.try_get::<Vec<u8>, _>(1)?);
            let logged: Option<i64> = row.try_get(5)?;
            Ok(StoredEpoch {
                epoch,
                seed: Zeroizing::new(bytes32("list_epoch", "seed", epoch, &seed)?),
                from: time("from_ms", row.try_get(2)?)?,
                until: time("until_ms", row.try_get(3)?)?,
                rules: bytes32("list_epoch", "rules", epoch, row.try_get(4)?)?,
                logged: logged.map(|logged| time("logged_ms", logged)).transpose()?,
            })
        })
        .collect()
}

/// The highest epoch number a list ever had.
pub(crate) async fn newest_number(conn: &mut Conn, list: ListNo) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query("SELECT epoch FROM list_epoch WHERE list_no = $1 ORDER BY epoch DESC LIMIT 1")
        .bind(list.0)
        .fetch_optional(conn)
        .await?;
    row.map(|row| unsigned("list_epoch", "epoch", row.try_get(0)?)).transpose()
}

/// Notes when the first manifest was in the log; later calls change nothing.
pub(crate) async fn set_logged(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    at: Millis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE list_epoch SET logged_ms = $1 WHERE list_no = $2 AND epoch = $3 AND logged_ms IS NULL",
    )
    .bind(at.to_i64())
    .bind(list.0)
    .bind(signed(epoch))
    .execute(conn)
    .await?;
    Ok(())
}

/// Erases a seed for good: overwritten in its place, then taken out of the row, and no copy of the old page is left
/// in the file or, with SQLite, in the write-ahead log. Not inside a transaction.
pub(crate) async fn erase(conn: &mut Conn, list: ListNo, epoch: u64, now: Millis) -> Result<(), StoreError> {
    if Dialect::of(conn) == Dialect::Sqlite {
        sqlx::raw_sql("PRAGMA secure_delete = ON").execute(&mut *conn).await?;
    }
    sqlx::query("UPDATE list_epoch SET seed = $1 WHERE list_no = $2 AND epoch = $3 AND seed IS NOT NULL")
        .bind([0_u8; 32].as_slice())
        .bind(list.0)
        .bind(signed(epoch))
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE list_epoch SET seed = NULL, erased_ms = $1 WHERE list_no = $2 AND epoch = $3 AND seed IS NOT NULL")
        .bind(now.to_i64())
        .bind(list.0)
        .bind(signed(epoch))
        .execute(&mut *conn)
        .await?;
    match Dialect::of(conn) {
        Dialect::Sqlite => {
            sqlx::raw_sql("PRAGMA secure_delete = OFF").execute(&mut *conn).await?;
            // A reader that is in the middle of something keeps old pages in the log; the next erasure takes them
            // along.
            sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *conn).await?;
        }
        // Old versions of rows stay in their pages until the table is written anew. The server's own log and its
        // backups keep them for as long as they are kept.
        Dialect::Postgres => {
            sqlx::raw_sql("VACUUM (FULL) list_epoch").execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// Forgets an epoch of which no version was ever completed: nobody has seen its key.
pub(crate) async fn forget(conn: &mut Conn, list: ListNo, epoch: u64, now: Millis) -> Result<(), StoreError> {
    erase(conn, list, epoch, now).await?;
    sqlx::query("DELETE FROM list_epoch WHERE list_no = $1 AND epoch = $2")
        .bind(list.0)
        .bind(signed(epoch))
        .execute(conn)
        .await?;
    Ok(())
}
