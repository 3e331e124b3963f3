//! Authorize requests and their answers: what makes a repetition get the same answer.

use std::collections::HashMap;

use sqlx::{Row, any::AnyRow};
use tacit_store::{Conn, ReadId, Reads, StoreError, Writes, bulk};

use super::{bytes32, signed, unsigned};

const HEAD: &str = "SELECT request_hash, requester, answered_ms, outcome FROM request WHERE request_hash IN";

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

/// Adds the read that finds answers by request hash; [`found`] takes its rows.
pub(crate) fn find_with(reads: &mut Reads, hashes: &[[u8; 32]]) -> ReadId {
    reads.keyed(HEAD, |row| row, hashes, |row, hash| row.bind(hash.as_slice()))
}

/// Finds answers by request hash.
pub(crate) async fn find(
    conn: &mut Conn,
    hashes: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Stored>, StoreError> {
    found(&bulk::fetch(conn, HEAD, hashes, |row, hash| row.bind(hash.as_slice())).await?)
}

/// The answers in these rows.
pub(crate) fn found(rows: &[AnyRow]) -> Result<HashMap<[u8; 32], Stored>, StoreError> {
    rows.iter()
        .map(|row| {
            let hash = bytes32("request", "request_hash", "", row.try_get(0)?)?;
            let answered_ms = unsigned("request", "answered_ms", row.try_get(2)?)?;
            Ok((hash, Stored { requester: row.try_get(1)?, answered_ms, outcome: row.try_get(3)? }))
        })
        .collect()
}

/// Stores answers.
pub(crate) fn store(writes: &mut Writes, answered: &[Answered]) {
    let into = "request (request_hash, requester, answered_ms, check_hashes, signature, outcome)";
    writes.insert(into, 6, "", answered, |row, request| {
        row.bind(request.request_hash.as_slice())
            .bind(request.requester.as_str())
            .bind(signed(request.answered_ms))
            .bind(request.check_hashes.as_slice())
            .bind(request.signature.as_slice())
            .bind(request.outcome.as_slice())
    });
}
