//! The next version: taken up from what the operator offered, logged, and in force once enough stand behind it.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tacit_policy::{
    Pins, Registry, RegistryError,
    registry::{recovery::is_recovery, versions::Lineage},
};
use tacit_store::StoreError;
use tokio::sync::watch;

use super::{EVERY, hex};
use crate::{
    append::{NewVersion, Write},
    services::{Shared, off_threads},
    store::registries::{self, LoggedRegistry, Offer},
    writer::Logged,
};

/// Takes up offers, and puts in force what counts, until the server ends.
pub(crate) async fn follow(shared: Arc<Shared>, mut closing: watch::Receiver<bool>) {
    let mut cosigned = shared.witnesses.follow();
    loop {
        let step = async {
            while shared.step().await? {}
            Ok::<_, StoreError>(())
        };
        if let Err(error) = step.await {
            tracing::warn!(%error, "the registry's versions could not be looked at");
        }
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            () = tokio::time::sleep(EVERY) => {}
            changed = cosigned.changed() => if changed.is_err() { return },
        }
    }
}

impl Shared {
    /// Goes one step on; whether there may be another at once.
    async fn step(&self) -> Result<bool, StoreError> {
        if self.versions.refresh(&self.db).await? {
            self.turned().await;
        }
        let newest = registries::newest(&mut *self.db.read().await?).await?;
        let pending = newest.filter(|newest| newest.counted.is_none());
        if let Some(pending) = pending
            && self.count(pending).await?
        {
            return Ok(true);
        }
        for offer in self.offered(pending.is_some()).await? {
            if self.take(offer, pending).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What follows when another version came into force.
    async fn turned(&self) {
        let in_force = self.versions.in_force();
        tracing::info!(
            number = in_force.registry.number(),
            registry = %hex(&in_force.registry.hash()),
            "a registry version is in force"
        );
        match in_force.registry.witnesses() {
            Ok(witnesses) => self.witnesses.set_witnesses(witnesses).await,
            Err(error) => tracing::error!(%error, "the quorum is counted as before"),
        }
    }

    /// The offers to be looked at now: recovery versions, which may be the way out of what the others wait for; and, when
    /// no version waits, the ordinary one that was offered first.
    async fn offered(&self, one_waits: bool) -> Result<Vec<Offer>, StoreError> {
        let (mut recoveries, mut ordinary) = (Vec::new(), None);
        let mut conn = self.db.read().await?;
        for hash in registries::all_waiting(&mut conn).await? {
            let known = self.versions.seen().ordinary.contains(&hash);
            if known && (one_waits || ordinary.is_some()) {
                continue;
            }
            let Some(bytes) = registries::offered_file(&mut conn, &hash).await? else { continue };
            if !known && is_recovery(&bytes) {
                recoveries.push(Offer { hash, bytes });
                continue;
            }
            self.versions.seen().ordinary.insert(hash);
            if !one_waits && ordinary.is_none() {
                ordinary = Some(Offer { hash, bytes });
            }
        }
        recoveries.extend(ordinary);
        Ok(recoveries)
    }

    /// Puts a logged version in force when a quorum of the one in force has cosigned it; a recovery version, when those
    /// who remain have.
    async fn count(&self, pending: LoggedRegistry) -> Result<bool, StoreError> {
        let LoggedRegistry { hash, number, log_index: index, .. } = pending;
        let known = self.versions.registry();
        let next = match self.versions.remembered(&hash) {
            Some(next) => next,
            None => {
                let stored = registries::by_hash(&mut *self.db.read().await?, &hash).await?;
                let bytes = stored.map(|stored| stored.bytes).unwrap_or_default();
                let unreadable = |error: RegistryError| {
                    tracing::error!(%error, number, "the registry version that waits cannot be read");
                    StoreError::corrupt("registry_version", "bytes", number, "are no registry by these pins")
                };
                self.parsed(bytes.into()).await?.map_err(unreadable)?
            }
        };
        let Ok(backing) = known.backing(&next) else { return Ok(false) };
        let now_s = self.clock.now().0 / 1000;
        let cosigned = match next.recovery() {
            Some(recovery) if recovery.after != known.hash() => None,
            Some(_) => self.witnesses.backed(index, &backing),
            None => {
                let cosigned = self.witnesses.follow().borrow().clone();
                // The set may have changed since it was cosigned: only that of the version in force counts.
                cosigned.filter(|it| it.checkpoint().size() > index).and_then(|it| {
                    backing.open(it.checkpoint().note(), self.log.signer().verifier(), now_s).ok()
                })
            }
        };
        let Some(cosigned) = cosigned else {
            // It may be long until somebody asks otherwise.
            self.witnesses.want();
            return Ok(false);
        };
        let cosigned = Bytes::copy_from_slice(cosigned.checkpoint().note());
        // Refused while the clock is off, and when another replica logged a recovery version meanwhile.
        Ok(self.writer.store(Write::Counted { hash, cosigned }).await?.is_ok())
    }

    /// Checks an offer, and logs it.
    async fn take(&self, offer: Offer, pending: Option<LoggedRegistry>) -> Result<bool, StoreError> {
        let Offer { hash, bytes } = offer;
        let bytes = Bytes::from(bytes);
        let in_force = self.versions.in_force();
        let next = match self.versions.remembered(&hash) {
            Some(next) => next,
            None => match self.parsed(bytes.clone()).await? {
                Ok(next) => next,
                Err(why) => return self.refuse(&hash, &why.to_string()).await,
            },
        };
        let (number, recovers) = (next.number(), next.recovery().is_some());
        if let Some(pending) = pending
            && number <= pending.number
        {
            let waits = pending.number;
            let why = format!(
                "its number {number} is not above {waits}, which is logged and waits; draft it again from the version in force"
            );
            return self.refuse(&hash, &why).await;
        }
        let lineage = self.lineage(recovers).await?;
        let (known, follows) = (Arc::clone(&in_force.registry), Arc::clone(&next));
        let checked = off_threads(move || known.check_next(&lineage, &follows)).await?;
        if let Err(why) = checked {
            return self.refuse(&hash, &why.to_string()).await;
        }
        let may_append = match in_force.registry.backing(&next) {
            Ok(backing) if recovers => self.witnesses.may_recover(&backing),
            _ => self.witnesses.may_append().await,
        };
        if let Err(reason) = may_append {
            tracing::debug!(%reason, number, "an offered registry version is not logged yet");
            return Ok(false);
        }
        let after = Some(in_force.registry.hash());
        match self.writer.log(Write::Registry(NewVersion { number, hash, bytes, after, recovers })).await? {
            Logged::Record(record) => {
                if let Some(recovery) = next.recovery() {
                    tracing::warn!(number, removed = ?recovery.removed, "a recovery version removes members");
                }
                tracing::info!(
                    number,
                    index = record.index,
                    "a registry version is logged; it waits for its cosignatures"
                );
                Ok(true)
            }
            Logged::Before(_) => {
                registries::refuse(&mut *self.db.write().await?, &hash, "it is in the log already").await?;
                Ok(true)
            }
            // Another replica was faster with another one.
            Logged::Refused(_) => Ok(false),
        }
    }

    async fn refuse(&self, hash: &[u8; 32], why: &str) -> Result<bool, StoreError> {
        tracing::error!(%why, registry = %hex(hash), "ALARM: a registry version was offered and is refused");
        metrics::counter!("tacit_coordinator_registry_refused_total").increment(1);
        registries::refuse(&mut *self.db.write().await?, hash, why).await?;
        Ok(true)
    }

    /// Reads a version that is not in force, and remembers it when it is good: it is asked for again and again.
    async fn parsed(&self, bytes: Bytes) -> Result<Result<Arc<Registry>, RegistryError>, StoreError> {
        let pins = self.versions.pins.clone();
        let parsed = off_threads(move || Registry::parse(&bytes, &pins)).await?;
        Ok(parsed.map(|registry| {
            let registry = Arc::new(registry);
            self.versions.seen().last = Some(Arc::clone(&registry));
            registry
        }))
    }

    /// What all versions have said that were ever logged here, or came into force. What was logged and never came into
    /// force binds no recovery version: it has only what is in force.
    async fn lineage(&self, in_force_only: bool) -> Result<Lineage, StoreError> {
        let mut lineage = Lineage::of(&self.versions.registry());
        let mut after = 0;
        loop {
            let mut conn = self.db.read().await?;
            let stored = if in_force_only {
                registries::next_counted(&mut conn, after).await?.map(|it| (it.logged.number, it.bytes))
            } else {
                registries::next(&mut conn, after).await?
            };
            drop(conn);
            let Some((number, bytes)) = stored else { return Ok(lineage) };
            after = number;
            let parsed =
                off_threads(move || Pins::claimed_by(&bytes).and_then(|pins| Registry::parse(&bytes, &pins)));
            match parsed.await? {
                Ok(registry) => lineage.learn(&registry),
                // Written by an earlier program, under rules that were others.
                Err(error) => tracing::warn!(%error, number, "an earlier registry version cannot be read"),
            }
        }
    }
}

impl super::Versions {
    fn seen(&self) -> std::sync::MutexGuard<'_, super::Seen> {
        // Every change under the lock is one assignment or insertion.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of this hash, when it is the one that was read last.
    fn remembered(&self, hash: &[u8; 32]) -> Option<Arc<Registry>> {
        self.seen().last.as_ref().filter(|last| last.hash() == *hash).cloned()
    }
}
