//! Publication of a version: custodian, log, custodian again. Each step is noted when it is done, and every step may
//! be repeated, so that a crash anywhere is resumed from the database.

use bytes::Bytes;
use tacit_model::{Millis, Reason};
use tacit_store::StoreError;
use tokio::sync::mpsc;

use super::Shared;
use super::epoch::{Epoch, ListNow};
use super::error::HolderError;
use super::publisher::{LoggedManifest, PublishError, Step, TablePart};
use crate::store;
use crate::store::holder::tables::{self, Stage, TableId};
use crate::store::holder::{buckets, epochs};

/// Bytes of buckets in one message, if a bucket is not larger by itself.
const PART_BYTES: usize = 1 << 20;

/// Messages read ahead.
const PARTS_AHEAD: usize = 4;

/// Brings the newest version of an epoch up to `goal`.
pub(super) async fn advance(
    shared: &Shared,
    now: &ListNow,
    epoch: &mut Epoch,
    goal: Stage,
) -> Result<(), HolderError> {
    if epoch.version.stage >= goal {
        return Ok(());
    }
    let signed = epoch.newest_manifest(&shared.signer)?;
    let mut logged: Option<LoggedManifest> = None;
    while epoch.version.stage < goal {
        let (number, version) = (epoch.epoch, epoch.version.version);
        let next = match epoch.version.stage {
            Stage::Sealed => {
                match upload(shared, epoch, &signed).await {
                    Err(error) if missed_versions(&error) => {
                        // The custodian does not have the version before: it takes the whole table instead.
                        tables::set_whole(&mut *shared.db.write().await?, now.no, number, version).await?;
                        epoch.version.whole = true;
                        continue;
                    }
                    outcome => outcome?,
                }
                Stage::Uploaded
            }
            Stage::Uploaded => {
                logged = Some(shared.publisher.log_manifest(&signed).await?);
                Stage::Logged
            }
            Stage::Logged | Stage::Active => {
                let proof = match logged.take() {
                    Some(proof) => proof,
                    None => shared.publisher.log_manifest(&signed).await?,
                };
                shared.publisher.activate(proof).await?;
                Stage::Active
            }
        };
        // The next step takes the proof.
        let at = logged.as_ref().map(|proof| proof.time);
        note(shared, now, epoch, next, at).await?;
        if next == Stage::Active {
            metrics::counter!("tacit_holder_versions_published_total").increment(1);
            tracing::info!(list = %now.list, epoch = number, version, "a version is published");
        }
    }
    Ok(())
}

/// Changes were sent to a custodian that does not serve the version before them.
fn missed_versions(error: &HolderError) -> bool {
    matches!(
        error,
        HolderError::Publish(PublishError::Refused {
            step: Step::PutChanges,
            reason: Reason::ListNotReady | Reason::VersionOld,
            ..
        })
    )
}

/// Notes a step as done; `logged` is when it was recorded, when that is the step.
async fn note(
    shared: &Shared,
    now: &ListNow,
    epoch: &mut Epoch,
    stage: Stage,
    logged: Option<Millis>,
) -> Result<(), HolderError> {
    let (number, version) = (epoch.epoch, epoch.version.version);
    let mut conn = shared.db.write().await?;
    let mut tx = store::begin(&mut conn).await?;
    tables::set_stage(&mut tx, now.no, number, version, stage, logged).await?;
    if let Some(at) = logged {
        epochs::set_logged(&mut tx, now.no, number, at).await?;
        if epoch.version.whole && version > 1 {
            tables::drop_others(&mut tx, now.no, number, epoch.version.table).await?;
        }
    }
    tx.commit().await?;
    epoch.version.stage = stage;
    if let Some(at) = logged {
        epoch.note_logged(at);
    }
    Ok(())
}

async fn upload(
    shared: &Shared,
    epoch: &Epoch,
    signed: &tacit_blind::table::SignedManifest,
) -> Result<(), HolderError> {
    let table = epoch.version.table;
    if !epoch.version.whole {
        let changes =
            buckets::entries_of_version(&mut *shared.db.read().await?, table, epoch.version.version).await?;
        return Ok(shared.publisher.put_changes(signed, changes).await?);
    }
    let together = (PART_BYTES / epoch.table.layout().bucket_bytes()).max(1);
    let (out, parts) = mpsc::channel(PARTS_AHEAD);
    let db = shared.db.clone();
    let buckets = epoch.table.layout().buckets();
    let reading = tokio::spawn(async move { read_parts(&db, table, buckets, together, &out).await });
    let sent = shared.publisher.put_table(signed, parts).await;
    // A table that could not be read is the cause, and its refusal by the custodian only the consequence.
    reading.await??;
    Ok(sent?)
}

async fn read_parts(
    db: &tacit_store::Db,
    table: TableId,
    buckets: u32,
    together: usize,
    out: &mpsc::Sender<TablePart>,
) -> Result<(), StoreError> {
    let mut first_bucket = 0;
    while first_bucket < buckets {
        let read = buckets::entries_from(&mut *db.read().await?, table, first_bucket, together).await?;
        let mut bytes = Vec::with_capacity(read.iter().map(|(_, entries)| entries.len()).sum());
        let mut next = first_bucket;
        for (number, entries) in &read {
            if *number != next {
                break;
            }
            bytes.extend_from_slice(entries);
            next += 1;
        }
        if next == first_bucket {
            return Err(StoreError::corrupt("table_bucket", "number", table.0, "a bucket is missing"));
        }
        // A receiver that went away says why itself.
        if out.send(TablePart { first_bucket, buckets: Bytes::from(bytes) }).await.is_err() {
            return Ok(());
        }
        first_bucket = next;
    }
    Ok(())
}
