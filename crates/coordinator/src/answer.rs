//! From durable decisions to the answer: every record gets its inclusion proof under one checkpoint.

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{Millis, Reason};
use tacit_store::{StoreError, log::Log};
use tacit_wire::{Message, common, coordinator as pb};

/// Proof that decisions are in the log: made only by the writer's handle, after the commit.
pub(crate) struct Recorded<T>(T);

impl<T> Recorded<T> {
    /// Only [`crate::writer::Writer`] calls this, with what came out of a committed group.
    pub(crate) fn after_commit(value: T) -> Self {
        Self(value)
    }

    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}

impl Recorded<pb::Authorized> {
    /// An answer whose checks were all refused before they could become records.
    pub(crate) fn of_nothing(refused: pb::Authorized) -> Self {
        Self(pb::Authorized { checks: refused.checks.into_iter().map(without_items).collect(), ..refused })
    }
}

fn without_items(check: pb::CheckOutcome) -> pb::CheckOutcome {
    pb::CheckOutcome { items: Vec::new(), ..check }
}

/// The records inside an answer, in order.
pub(crate) fn records_of(answer: &mut pb::Authorized) -> impl Iterator<Item = &mut common::LoggedRecord> {
    answer.checks.iter_mut().flat_map(|check| &mut check.items).filter_map(|item| match &mut item.outcome {
        Some(pb::item_outcome::Outcome::Permit(record)) => Some(record),
        Some(pb::item_outcome::Outcome::Refused(refused)) => refused.record.as_mut(),
        None => None,
    })
}

/// Gives each record its path, and the answer its checkpoint with the proof that it continues the one of
/// `cosigned_size`, if it is larger.
pub(crate) async fn prove(
    log: &Log,
    answer: Recorded<pb::Authorized>,
    cosigned_size: u64,
) -> Result<pb::AuthorizeResponse, StoreError> {
    let Recorded(mut answer) = answer;
    let indexes: Vec<u64> = records_of(&mut answer).map(|record| record.index).collect();
    let (paths, head) = paths(log, &indexes).await?;
    for (record, path) in records_of(&mut answer).zip(paths) {
        record.path = tacit_wire::concat32(&path);
    }
    if (1..head.size()).contains(&cosigned_size) {
        answer.cosigned_consistency =
            tacit_wire::concat32(&log.consistency(cosigned_size, head.size()).await?);
    }
    answer.checkpoint = head.note().to_vec().into();
    Ok(pb::AuthorizeResponse { outcome: Some(pb::authorize_response::Outcome::Authorized(answer)) })
}

/// A stored answer, with its records read back from the log. What is stored was committed.
pub(crate) async fn restore(log: &Log, outcome: &[u8]) -> Result<Recorded<pb::Authorized>, StoreError> {
    let mut answer = pb::Authorized::decode(outcome)
        .map_err(|_| StoreError::corrupt("request", "outcome", "", "does not decode"))?;
    let indexes: Vec<u64> = records_of(&mut answer).map(|record| record.index).collect();
    let records = log.records(&indexes).await?;
    for (place, record) in records_of(&mut answer).zip(records) {
        place.record = record.into();
    }
    Ok(Recorded(answer))
}

/// One record with its path, under the newest checkpoint.
pub(crate) async fn prove_one(
    log: &Log,
    index: u64,
    record: Vec<u8>,
) -> Result<(common::LoggedRecord, Vec<u8>), StoreError> {
    let (mut paths, head) = paths(log, &[index]).await?;
    let path = tacit_wire::concat32(&paths.pop().unwrap_or_default());
    Ok((common::LoggedRecord { record: record.into(), index, path }, head.note().to_vec()))
}

/// Records of the log by their indexes with their paths, under the newest checkpoint.
pub(crate) async fn prove_stored(
    log: &Log,
    indexes: &[u64],
) -> Result<(Vec<common::LoggedRecord>, Vec<u8>), StoreError> {
    let (paths, head) = paths(log, indexes).await?;
    let records = log.records(indexes).await?;
    let proven = indexes.iter().zip(records).zip(paths).map(|((index, record), path)| common::LoggedRecord {
        record: record.into(),
        index: *index,
        path: tacit_wire::concat32(&path),
    });
    Ok((proven.collect(), head.note().to_vec()))
}

/// Paths of committed records under the newest checkpoint, and that checkpoint.
async fn paths(log: &Log, indexes: &[u64]) -> Result<(Vec<Vec<[u8; 32]>>, VerifiedCheckpoint), StoreError> {
    if indexes.iter().any(|index| *index >= log.head().size()) {
        // Committed, although whoever committed it could not know: the head was not published yet.
        log.refresh().await?;
    }
    let head = log.head();
    Ok((log.inclusion(indexes, head.size()).await?, head))
}

/// A refusal of a whole request.
pub(crate) fn refused(reason: Reason) -> pb::AuthorizeResponse {
    pb::AuthorizeResponse {
        outcome: Some(pb::authorize_response::Outcome::Refusal(tacit_wire::refusal(reason))),
    }
}

/// A refusal of a whole request because too many were refused before it; when that is forgotten.
pub(crate) fn too_fast(resets_at: Millis) -> pb::AuthorizeResponse {
    let refusal = tacit_wire::convert::refusal_quota(Reason::QuotaRate, 0, resets_at.0);
    pb::AuthorizeResponse { outcome: Some(pb::authorize_response::Outcome::Refusal(refusal)) }
}
