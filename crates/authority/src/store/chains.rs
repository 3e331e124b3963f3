//! Chains, their records, and the checkpoints that these were proven under.

use std::collections::HashSet;

use sqlx::{Row, any::AnyRow};
use tacit_client::RowKey;
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// A user's chain with one requester.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainRow {
    pub(crate) key: RowKey,
    pub(crate) user: RowKey,
    /// The reading that read it last.
    pub(crate) run: u64,
    pub(crate) sealed: Vec<u8>,
}

/// A record of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) key: RowKey,
    pub(crate) sealed: Vec<u8>,
}

/// What a reading changes of one chain.
#[derive(Debug, Default)]
pub(crate) struct ChainChange {
    pub(crate) key: RowKey,
    pub(crate) sealed: Vec<u8>,
    /// What was read before was erased.
    pub(crate) begins_anew: bool,
    pub(crate) entries: Vec<EntryRow>,
    /// Hash and note of the checkpoint, when there are entries.
    pub(crate) checkpoint: Option<([u8; 32], Vec<u8>)>,
}

const COLUMNS: &str = "SELECT chain_key, user_key, run, sealed FROM authority_chain WHERE chain_key IN";

fn chain(row: &AnyRow) -> Result<ChainRow, StoreError> {
    Ok(ChainRow {
        key: bytes32("authority_chain", "chain_key", "a chain", row.try_get(0)?)?,
        user: bytes32("authority_chain", "user_key", "a chain", row.try_get(1)?)?,
        run: unsigned("authority_chain", "run", row.try_get(2)?)?,
        sealed: row.try_get(3)?,
    })
}

/// Adds chains; those that are there stay as they are.
pub(crate) async fn add(conn: &mut Conn, chains: &[ChainRow]) -> Result<(), StoreError> {
    let into = "authority_chain (chain_key, user_key, run, sealed)";
    bulk::insert(conn, into, 4, "ON CONFLICT (chain_key) DO NOTHING", chains, |row, chain| {
        row.bind(chain.key.as_slice())
            .bind(chain.user.as_slice())
            .bind(signed(chain.run))
            .bind(chain.sealed.as_slice())
    })
    .await
    .map(drop)
}

/// Which of these chains there are.
pub(crate) async fn known(conn: &mut Conn, keys: &[RowKey]) -> Result<HashSet<RowKey>, StoreError> {
    Ok(by_keys(conn, keys).await?.into_iter().map(|chain| chain.key).collect())
}

/// The chains of these keys, in any order.
pub(crate) async fn by_keys(conn: &mut Conn, keys: &[RowKey]) -> Result<Vec<ChainRow>, StoreError> {
    let rows = bulk::fetch(conn, COLUMNS, keys, |row, key| row.bind(key.as_slice())).await?;
    rows.iter().map(chain).collect()
}

/// The chains of a user.
pub(crate) async fn of_user(conn: &mut Conn, user: &RowKey) -> Result<Vec<ChainRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT chain_key, user_key, run, sealed FROM authority_chain WHERE user_key = $1 ORDER BY chain_key",
    )
    .bind(user.as_slice())
    .fetch_all(conn)
    .await?;
    rows.iter().map(chain).collect()
}

/// Keys of all chains that were not read by this reading.
pub(crate) async fn unread(conn: &mut Conn, run: u64) -> Result<Vec<RowKey>, StoreError> {
    let rows = sqlx::query("SELECT chain_key FROM authority_chain WHERE run < $1 ORDER BY chain_key")
        .bind(signed(run))
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| bytes32("authority_chain", "chain_key", "a chain", row.try_get(0)?)).collect()
}

/// How many chains there are, and how many of them were never read.
pub(crate) async fn counts(conn: &mut Conn) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN run = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) \
               FROM authority_chain";
    let row = sqlx::query(sql).fetch_one(conn).await?;
    let count = |place: usize| unsigned("authority_chain", "count", row.try_get(place)?);
    Ok((count(0)?, count(1)?))
}

/// Stores what a reading found; the transaction is the caller's.
pub(crate) async fn read(conn: &mut Conn, run: u64, changes: &[ChainChange]) -> Result<(), StoreError> {
    for change in changes {
        if change.begins_anew {
            sqlx::query("DELETE FROM authority_entry WHERE chain_key = $1")
                .bind(change.key.as_slice())
                .execute(&mut *conn)
                .await?;
        }
        if let Some((hash, note)) = &change.checkpoint {
            let sql =
                "INSERT INTO authority_checkpoint (hash, note) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
            let query = sqlx::query(sql).bind(hash.as_slice()).bind(note.as_slice());
            query.execute(&mut *conn).await?;
        }
        let into = "authority_entry (entry_key, chain_key, sealed)";
        bulk::insert(conn, into, 3, "ON CONFLICT (entry_key) DO NOTHING", &change.entries, |row, entry| {
            row.bind(entry.key.as_slice()).bind(change.key.as_slice()).bind(entry.sealed.as_slice())
        })
        .await?;
        sqlx::query("UPDATE authority_chain SET run = $2, sealed = $3 WHERE chain_key = $1")
            .bind(change.key.as_slice())
            .bind(signed(run))
            .bind(change.sealed.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// The records of these keys that there are, in any order.
pub(crate) async fn entries_by_keys(conn: &mut Conn, keys: &[RowKey]) -> Result<Vec<EntryRow>, StoreError> {
    let head = "SELECT entry_key, sealed FROM authority_entry WHERE entry_key IN";
    let rows = bulk::fetch(conn, head, keys, |row, key| row.bind(key.as_slice())).await?;
    rows.iter().map(entry).collect()
}

/// The records of a chain, in any order.
pub(crate) async fn entries(conn: &mut Conn, chain: &RowKey) -> Result<Vec<EntryRow>, StoreError> {
    let rows = sqlx::query("SELECT entry_key, sealed FROM authority_entry WHERE chain_key = $1")
        .bind(chain.as_slice())
        .fetch_all(conn)
        .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &AnyRow) -> Result<EntryRow, StoreError> {
    let key = bytes32("authority_entry", "entry_key", "an entry", row.try_get(0)?)?;
    Ok(EntryRow { key, sealed: row.try_get(1)? })
}

/// A checkpoint.
pub(crate) async fn checkpoint(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT note FROM authority_checkpoint WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}
