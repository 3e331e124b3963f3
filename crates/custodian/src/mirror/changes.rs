//! The next version of a served table: its rewritten buckets, checked against those they replace.

use tacit_blind::table::{minimum_cover, verify_tick};
use tacit_model::Reason;
use tacit_wire::custodian::{BucketChange, PutChangesRequest};

use super::receive::{Checked, MAX_CHUNK};
use super::shelf::Served;
use super::{Follows, Mirror, row_of};
use crate::caller::Call;
use crate::error::Stop;
use crate::store::tables::{self, NewBucket};

impl Mirror {
    /// Verifies changes and stages them.
    pub(super) async fn change(&self, call: &Call, request: PutChangesRequest) -> Result<(), Stop> {
        let signed = self.manifest(call, &request.manifest)?;
        let manifest = signed.manifest();
        let _one_at_a_time = self.0.locks.lock(&manifest.list, manifest.epoch).await;
        let base = match self.follows(&signed)? {
            Follows::Served => return Ok(()),
            Follows::First => return Err(Stop::refused(Reason::ListNotReady)),
            Follows::After(served) => served,
        };
        if manifest.version != base.version + 1 {
            let problem =
                format!("changes lead to version {}, the one after the served one", base.version + 1);
            return Err(Stop::because(Reason::VersionOld, &problem));
        }
        if manifest.layout != base.layout {
            return Err(Stop::because(
                Reason::ManifestRejected,
                "changes keep the number and capacity of the buckets",
            ));
        }
        check_numbers(&base, &request.changes)?;
        if self.is_staged(&signed).await? {
            return Ok(());
        }
        let _turn = self.0.checking.acquire().await.map_err(|error| Stop::Failed(Box::new(error)))?;
        let checked = self.verify(&base, request.changes).await?;
        let mut tree = base.tree.clone();
        let leaves: Vec<_> = checked.iter().map(|bucket| (bucket.number, bucket.leaf)).collect();
        tree.update(&leaves).map_err(|error| Stop::because(Reason::TableRejected, &error))?;
        if tree.root() != manifest.root {
            return Err(Stop::because(
                Reason::TableRejected,
                "the root after the changes is not the manifest's",
            ));
        }
        let mut conn = self.0.db.write().await?;
        let mut tx = tacit_store::begin(&mut conn).await?;
        tables::stage_changes(&mut tx, base.table, &row_of(&signed), self.0.clock.now()).await?;
        for part in checked.chunks(at_once(&base)) {
            tables::insert_buckets(&mut tx, base.table, manifest.version, part).await?;
        }
        tx.commit().await?;
        metrics::counter!("tacit_custodian_buckets_received_total").increment(checked.len() as u64);
        tracing::debug!(list = %manifest.list, epoch = manifest.epoch, version = manifest.version, buckets = checked.len(), "changes are staged");
        Ok(())
    }

    /// Verifies the tick rule for each rewritten bucket, some at a time.
    async fn verify(&self, base: &Served, changes: Vec<BucketChange>) -> Result<Checked, Stop> {
        let layout = base.layout;
        let mut checked = Vec::with_capacity(changes.len());
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let part: Vec<BucketChange> = changes.by_ref().take(at_once(base)).collect();
            // The numbers were checked to be in the table.
            let slots: Vec<_> =
                part.iter().filter_map(|change| base.slots.get(change.bucket as usize).copied()).collect();
            let mut old = tables::read(&mut *self.0.db.read().await?, &slots).await?;
            let verified = tokio::task::spawn_blocking(move || -> Result<Checked, Stop> {
                let mut verified = Vec::with_capacity(part.len());
                for (change, slot) in part.into_iter().zip(slots) {
                    let number = change.bucket;
                    let old = old.remove(&slot).ok_or(Stop::Trouble(Reason::Unavailable))?;
                    let leaf = verify_tick(layout, number, &old, &change.entries).map_err(|error| {
                        Stop::because(Reason::TableRejected, &format_args!("bucket {number}: {error}"))
                    })?;
                    verified.push(NewBucket { number, leaf, entries: change.entries });
                }
                Ok(verified)
            });
            checked.extend(verified.await??);
        }
        Ok(checked)
    }
}

/// Buckets that are read or written together.
fn at_once(base: &Served) -> usize {
    (MAX_CHUNK / base.layout.bucket_bytes()).max(1)
}

/// Numbers ascend, are in the table, and there are enough of them for cover.
fn check_numbers(base: &Served, changes: &[BucketChange]) -> Result<(), Stop> {
    let buckets = base.layout.buckets();
    let ascending = changes.array_windows().all(|[one, next]| one.bucket < next.bucket);
    if !ascending || changes.last().is_some_and(|last| last.bucket >= buckets) {
        return Err(Stop::because(Reason::Malformed, "changes: buckets of the table, ascending, none twice"));
    }
    let least = minimum_cover(base.layout);
    if changes.len() < least as usize {
        return Err(Stop::because(
            Reason::TableRejected,
            &format!("at least {least} buckets are rewritten, as cover"),
        ));
    }
    Ok(())
}
