//! Serves a staged version once its manifest is in the log.

use tacit_ledger::record::{Manifest as ManifestRecord, Record};
use tacit_model::{ListId, Reason};
use tacit_wire::custodian::ActivateRequest;

use super::shelf::Served;
use super::{Mirror, alarm};
use crate::caller::Call;
use crate::error::Stop;
use crate::store::tables::{self, HeldVersion, Replaced, Slot};

impl Mirror {
    /// Verifies the manifest's record, and serves the version that it names.
    pub(super) async fn activate_logged(&self, call: &Call, request: ActivateRequest) -> Result<(), Stop> {
        let record = request.record.ok_or(Stop::because(Reason::Malformed, "record: it is missing"))?;
        let verified = self.0.witness.verify(&request.checkpoint, &[record]).await.map_err(log_trouble)?;
        let verified = verified.into_iter().next().ok_or(Stop::refused(Reason::PermitNotLogged))?;
        let Record::Manifest(logged) = verified.map_err(log_trouble)?.into_record() else {
            return Err(Stop::because(Reason::Malformed, "record: it is not of kind manifest"));
        };
        let list: ListId = logged.list.parse().map_err(|_| Stop::refused(Reason::UnknownList))?;
        self.own_list(call, &list)?;
        // What has begun is finished even if the caller goes away: shelf and database change together.
        let mirror = self.clone();
        tokio::spawn(async move { mirror.serve(list, logged).await }).await?
    }

    async fn serve(self, list: ListId, logged: ManifestRecord) -> Result<(), Stop> {
        let (epoch, version) = (logged.epoch, logged.version);
        let _one_at_a_time = self.0.locks.lock(&list, epoch).await;
        let served = self.0.shelf.get(&list, epoch);
        if let Some(served) = &served {
            if version < served.version {
                return Err(Stop::refused(Reason::VersionOld));
            }
            if version == served.version {
                let same = logged.note == served.note_hash;
                return if same {
                    Ok(())
                } else {
                    Err(alarm(&list, "another manifest of the served version is logged"))
                };
            }
        }
        let staged = self.staged(&list, &logged).await?;
        // By it the epoch before ends, and what is replaced is removed.
        let now = self.0.witness.right_time().ok_or(Stop::Trouble(Reason::ClockOff))?;
        let (next, replaced) = match &served {
            Some(served) if served.table == staged.table => {
                let places =
                    tables::places(&mut *self.0.db.read().await?, staged.table, version, true).await?;
                let old: Vec<Slot> = places
                    .iter()
                    .filter_map(|place| served.slots.get(place.number as usize).copied())
                    .collect();
                (served.changed(&staged, &places)?, old)
            }
            other => {
                let since = other.as_ref().map_or(now, |served| served.since);
                (Served::whole(&mut *self.0.db.read().await?, &staged, since).await?, Vec::new())
            }
        };
        let replaced = served.as_ref().map(|old| Replaced {
            table: old.table,
            version: old.version,
            served_since: old.since,
            slots: &replaced,
        });
        let mut conn = self.0.db.write().await?;
        let mut tx = tacit_store::begin(&mut conn).await?;
        tables::activate(&mut tx, &staged, replaced, now).await?;
        tx.commit().await?;
        drop(conn);
        self.0.shelf.put(&list, epoch, next);
        metrics::counter!("tacit_custodian_activations_total").increment(1);
        tracing::info!(%list, epoch, version, "a version is served");
        Ok(())
    }

    /// The staged version with exactly the logged manifest.
    async fn staged(&self, list: &ListId, logged: &ManifestRecord) -> Result<HeldVersion, Stop> {
        let staged = tables::staged(&mut *self.0.db.read().await?, list).await?;
        let of_version = |held: &HeldVersion| held.epoch == logged.epoch && held.version == logged.version;
        match staged.into_iter().find(of_version) {
            Some(held) if held.note_hash == logged.note => Ok(held),
            Some(_) => Err(Stop::because(
                Reason::ManifestRejected,
                "the logged manifest is not the one that is staged",
            )),
            None => Err(Stop::because(Reason::NotFound, "this version is not staged; send it first")),
        }
    }
}

/// What cannot be proven is refused; a log that cannot be reached is trouble.
fn log_trouble(reason: Reason) -> Stop {
    match reason {
        Reason::LogBehind | Reason::LogFrozen | Reason::Unavailable | Reason::Internal => {
            Stop::Trouble(reason)
        }
        _ => Stop::refused(reason),
    }
}
