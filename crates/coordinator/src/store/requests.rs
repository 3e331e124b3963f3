//! Authorize requests and their answers: what makes a repetition get the same answer.

use sqlx::{AssertSqlSafe, Row};
use std::collections::HashMap;
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// A request that was answered.
pub(crate) struct Answered {
    pub(crate) request_hash: [u8; 32],
    pub(crate) requester: String,
    pub(crate) answered_ms: u64,
    pub(crate) check_hashes: Vec<u8>,
    pub(crate) signature: [u8; 64],
    /// The encoded answer, its records by index only.
    pub(crate) outcome: Vec<u8>,
}

/// A stored answer.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) requester: String,
    pub(crate) answered_ms: u64,
    pub(crate) outcome: Vec<u8>,
}

/// Finds answers by request hash.
pub(crate) async fn find(
    conn: &mut Conn,
    hashes: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Stored>, StoreError> {
    let mut found = HashMap::new();
    for part in bulk::parts(hashes) {
        let sql = format!(
            "SELECT request_hash, requester, answered_ms, outcome FROM request WHERE request_hash IN ({})",
            bulk::placeholders(1, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for hash in part {
            query = query.bind(hash.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let hash = bytes32("request", "request_hash", "", row.try_get(0)?)?;
            let answered_ms = unsigned("request", "answered_ms", row.try_get(2)?)?;
            found.insert(hash, Stored { requester: row.try_get(1)?, answered_ms, outcome: row.try_get(3)? });
        }
    }
    Ok(found)
}

/// Stores answers.
pub(crate) async fn store(conn: &mut Conn, answered: &[Answered]) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "request (request_hash, requester, answered_ms, check_hashes, signature, outcome)",
        6,
        "",
        answered,
        |row, request| {
            row.bind(request.request_hash.as_slice())
                .bind(request.requester.as_str())
                .bind(signed(request.answered_ms))
                .bind(request.check_hashes.as_slice())
                .bind(request.signature.as_slice())
                .bind(request.outcome.as_slice())
        },
    )
    .await?;
    Ok(())
}
