//! Evaluation (section 6): the holder answers the query of a record, the requester verifies and opens.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use crate::group::{Point, SecretScalar};
use crate::oprf::{self, DleqProof, FinalizeItem, ListKey};
use crate::{BlindError, Hash, commit};

/// A query M that is the one named in a record. Only [`PermittedQuery::open`] makes it.
#[derive(Debug, Clone, Copy)]
pub struct PermittedQuery {
    query: Point,
}

impl PermittedQuery {
    /// Matches the M of a call with the `query` of its access record.
    ///
    /// # Errors
    /// [`BlindError::QueryMismatch`], or the encoding is bad.
    pub fn open(record_query: &Hash, query: &[u8; 32]) -> Result<Self, BlindError> {
        if bool::from(commit::blinded_query(query).ct_eq(record_query)) {
            Ok(Self { query: Point::decode(query)? })
        } else {
            Err(BlindError::QueryMismatch)
        }
    }

    /// M.
    #[must_use]
    pub fn query(&self) -> &Point {
        &self.query
    }
}

/// The holder's answer for one list: N for each query of the call, in order, and one proof for all.
///
/// # Errors
/// [`BlindError::Empty`], or [`BlindError::TooMany`] above 65,535 queries.
pub fn evaluate(
    key: &ListKey,
    queries: &[PermittedQuery],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<[u8; 32]>, DleqProof), BlindError> {
    let points: Vec<Point> = queries.iter().map(|q| q.query).collect();
    key.evaluate_with_proof(&points, rng)
}

/// What the requester knows of one query of a call.
#[derive(Debug, Clone, Copy)]
pub struct AskedQuery<'a> {
    /// The subject's input bytes.
    pub input: &'a [u8],
    /// w·z.
    pub total_blind: &'a SecretScalar,
    /// M.
    pub query: &'a Point,
}

/// Verifies the answers of a call for one list against the key in the logged manifest, and finalizes them.
///
/// # Errors
/// [`BlindError::Dleq`] under a wrong key, [`BlindError::Count`], encodings.
pub fn verify_and_finalize(
    list_key: &Point,
    asked: &[AskedQuery<'_>],
    evaluated: &[[u8; 32]],
    proof: &DleqProof,
) -> Result<Vec<[u8; 64]>, BlindError> {
    let queries: Vec<Point> = asked.iter().map(|q| *q.query).collect();
    let evaluated = Point::decode_all(evaluated)?;
    oprf::verify(list_key, &queries, &evaluated, proof)?;
    let items: Vec<FinalizeItem<'_>> = asked
        .iter()
        .zip(&evaluated)
        .map(|(q, evaluated)| FinalizeItem { input: q.input, blind: q.total_blind, evaluated })
        .collect();
    oprf::finalize_batch(&items)
}
