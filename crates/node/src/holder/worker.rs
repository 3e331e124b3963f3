//! What becomes of one list over time: sealed, changed on the tick, replaced by the next epoch, erased.
//!
//! ```text
//!  epoch E    sealed ── logged ── v2 ── v3 ─ ... ─ v9 ────── v10 ── seed erased
//!  epoch E+1                          sealed, uploaded ─ logged ── v2 ── ...
//!                                                       └─ 70 s overlap ─┘
//! ```
//! All of it is in the database before it is done elsewhere; a worker that starts goes on from there.

use std::sync::Arc;

use tacit_model::{ListId, Millis, Reason};
use tacit_policy::Registry;
use tokio::task::JoinHandle;

use super::Shared;
use super::build::{self, Period};
use super::changes::{self, Ticked};
use super::epoch::{Epoch, ListNow};
use super::error::HolderError;
use super::live::OVERLAP_MS;
use super::publish::advance;
use super::publisher::PublishError;
use crate::records::{ListRules, SealOutcome};
use crate::store;
use crate::store::holder::lists::{self, HeldList, ListNo};
use crate::store::holder::tables::{self, Stage};
use crate::store::holder::{changes as changed, epochs, imports, records, requests};

/// The next epoch is sealed this long before it begins, at most, in milliseconds.
const LEAD_MS: u64 = 300_000;

/// Pieces of old tables that are removed in one tick.
const SWEEPS: usize = 16;

/// Records that are looked at together for the beginnings and ends of their listings.
const PAGE: u32 = 4096;

/// The state of one list. Ticks come one after the other.
pub(super) struct Worker {
    shared: Arc<Shared>,
    list: ListId,
    /// Ascending. Logged ones, and perhaps one that is prepared.
    epochs: Vec<Epoch>,
    loaded: bool,
    /// Made of the whole catalogue: kept as long as the registry is the same.
    rules: Option<(Arc<Registry>, ListRules)>,
    preparing: Option<JoinHandle<Result<Epoch, HolderError>>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(preparing) = &self.preparing {
            preparing.abort();
        }
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, list: ListId) -> Self {
        Self { shared, list, epochs: Vec::new(), loaded: false, rules: None, preparing: None }
    }

    pub(super) fn list(&self) -> &ListId {
        &self.list
    }

    /// Takes over what the database has: epochs to answer, and steps to resume.
    pub(super) async fn load(&mut self) -> Result<(), HolderError> {
        if self.loaded {
            return Ok(());
        }
        let Some(held) = lists::find(&mut *self.shared.db.read().await?, &self.list).await? else {
            return Ok(());
        };
        self.drop_unfinished(held.no).await?;
        let mut conn = self.shared.db.read().await?;
        for stored in epochs::load(&mut conn, held.no).await? {
            self.epochs.extend(Epoch::load(&mut conn, &self.list, held.no, &stored).await?);
        }
        self.loaded = true;
        self.show();
        Ok(())
    }

    /// One tick: whatever is due now.
    pub(super) async fn tick(&mut self) -> Result<(), HolderError> {
        self.load().await?;
        let shared = Arc::clone(&self.shared);
        // Epochs are begun and keys erased for good: not by a clock that is off.
        let Some(time) = shared.witness.right_time() else { return Ok(()) };
        let Some(held) = lists::find(&mut *shared.db.read().await?, &self.list).await? else { return Ok(()) };
        let Some(rules) = self.rules()? else { return Ok(()) };
        let now = Arc::new(ListNow::new(&self.list, &held, rules, time));
        let asked = requests::waiting(&mut *shared.db.read().await?, held.no).await?;
        let outcome = self.step(&held, &now, !asked.is_empty()).await;
        self.show();
        if !asked.is_empty() {
            let answer = match &outcome {
                Ok(()) => self.settled(held.no).await?,
                Err(error) => SealOutcome::Failed(error.reason()),
            };
            requests::answer(&mut *shared.db.write().await?, &asked, answer, shared.clock.now()).await?;
        }
        outcome
    }

    /// The rules of the list; `None` when the registry does not have it.
    fn rules(&mut self) -> Result<Option<ListRules>, HolderError> {
        let registry = self.shared.registry();
        if let Some((_, rules)) = self.rules.as_ref().filter(|(made_of, _)| Arc::ptr_eq(made_of, &registry)) {
            return Ok(Some(rules.clone()));
        }
        let Some(entry) = registry.list(&self.list) else { return Ok(None) };
        let rules = ListRules::of(entry, &registry)?;
        self.rules = Some((registry, rules.clone()));
        Ok(Some(rules))
    }

    async fn step(&mut self, held: &HeldList, now: &Arc<ListNow>, is_asked: bool) -> Result<(), HolderError> {
        let shared = Arc::clone(&self.shared);
        self.end_overlaps(now).await?;
        self.take_prepared(now).await?;
        self.resume(now).await?;
        let time = now.time;
        if imports::under_way(&mut *shared.db.read().await?, held.no, time).await? {
            return Ok(());
        }
        if self.epochs.is_empty() {
            if self.preparing.is_none()
                && (is_asked || records::any(&mut *shared.db.read().await?, held.no).await?)
            {
                lists::set_seen_day(&mut *shared.db.write().await?, held.no, now.today).await?;
                self.seal_now(now).await?;
            }
            return Ok(());
        }
        self.note_day(held, now).await?;
        let mut anew = self.rules_changed(now) && self.may_seal_anew();
        for index in 0..self.epochs.len() {
            anew |= self.tick_epoch(now, index).await?;
        }
        self.turn_over(now, anew).await?;
        self.sweep(held.no).await
    }

    /// Publishes what changed in one epoch; true when the list is better sealed anew.
    async fn tick_epoch(&mut self, now: &Arc<ListNow>, index: usize) -> Result<bool, HolderError> {
        let shared = Arc::clone(&self.shared);
        let may_seal_anew = self.may_seal_anew();
        let Some(epoch) = self.epochs.get_mut(index) else { return Ok(false) };
        // A prepared epoch takes its changes once it has begun.
        if epoch.first_logged.is_none() {
            return Ok(false);
        }
        match changes::tick(&shared, now, epoch, may_seal_anew).await? {
            Ticked::Nothing => return Ok(false),
            Ticked::SealAnew => return Ok(true),
            Ticked::Version { deferred } => {
                if deferred {
                    tracing::debug!(list = %self.list, "changes wait for the next tick");
                }
            }
        }
        self.publish(now, index, Stage::Active).await?;
        Ok(false)
    }

    /// Brings one epoch's version further. A permit may name it from the moment that the coordinator has it.
    async fn publish(&mut self, now: &Arc<ListNow>, index: usize, goal: Stage) -> Result<(), HolderError> {
        self.show();
        let shared = Arc::clone(&self.shared);
        let Some(epoch) = self.epochs.get_mut(index) else { return Ok(()) };
        let outcome = advance(&shared, now, epoch, goal).await;
        self.show();
        if let Err(HolderError::Publish(PublishError::Refused { reason, .. })) = &outcome
            && matches!(reason, Reason::TableRejected | Reason::ManifestRejected | Reason::EpochOver)
        {
            // What is stored elsewhere does not go with what is stored here, as after restoring a backup.
            self.abandon(now, index).await?;
        }
        outcome
    }

    /// Gives up an epoch that others will not take, so that the next one can begin.
    async fn abandon(&mut self, now: &Arc<ListNow>, index: usize) -> Result<(), HolderError> {
        let epoch = self.epochs.remove(index);
        tracing::error!(list = %self.list, epoch = epoch.epoch, version = epoch.version.version, "an epoch is given up");
        self.erase(now.no, epoch.epoch).await?;
        self.show();
        Ok(())
    }

    /// Goes on with versions that were not published to the end.
    async fn resume(&mut self, now: &Arc<ListNow>) -> Result<(), HolderError> {
        let time = now.time;
        for index in 0..self.epochs.len() {
            let is_alone = self.epochs.iter().all(|epoch| epoch.first_logged.is_none());
            let Some(epoch) = self.epochs.get(index) else { break };
            let has_begun = epoch.first_logged.is_some() || epoch.from <= time || is_alone;
            let goal = if has_begun { Stage::Active } else { Stage::Uploaded };
            self.publish(now, index, goal).await?;
        }
        Ok(())
    }

    /// Prepares the next epoch in time, and begins it when it is due or when the list is sealed anew.
    async fn turn_over(&mut self, now: &Arc<ListNow>, anew: bool) -> Result<(), HolderError> {
        let time = now.time;
        let Some(newest) = self.epochs.last() else { return Ok(()) };
        if newest.first_logged.is_none() {
            // One is prepared; `resume` begins it in time. Under other rules it is sealed again.
            if newest.rules != *now.rules.hash() {
                let prepared = newest.epoch;
                self.epochs.pop();
                self.erase(now.no, prepared).await?;
            }
            return Ok(());
        }
        if self.preparing.is_some() {
            return Ok(());
        }
        let lead = (self.shared.config.epoch_ms / 4).min(LEAD_MS);
        if anew || newest.until <= time {
            return self.seal_now(now).await;
        }
        if newest.until.minus_ms(lead) <= time {
            let newest_number = epochs::newest_number(&mut *self.shared.db.read().await?, now.no).await?;
            let period = Period::starting_at(newest.until, newest_number, self.shared.config.epoch_ms);
            let (shared, now) = (Arc::clone(&self.shared), Arc::clone(now));
            self.preparing = Some(tokio::spawn(async move { build::seal(&shared, &now, period).await }));
        }
        Ok(())
    }

    /// Seals the list and publishes it at once, as a new epoch.
    async fn seal_now(&mut self, now: &Arc<ListNow>) -> Result<(), HolderError> {
        let time = now.time;
        let newest = epochs::newest_number(&mut *self.shared.db.read().await?, now.no).await?;
        let period = Period::starting_at(time, newest, self.shared.config.epoch_ms);
        match build::seal(&self.shared, now, period).await {
            Ok(epoch) => self.epochs.push(epoch),
            Err(error) => {
                self.drop_unfinished(now.no).await?;
                return Err(error);
            }
        }
        let index = self.epochs.len() - 1;
        self.publish(now, index, Stage::Active).await?;
        self.tick_epoch(now, index).await?;
        Ok(())
    }

    /// Takes over the epoch that was prepared beside the ticks, if it is ready.
    async fn take_prepared(&mut self, now: &Arc<ListNow>) -> Result<(), HolderError> {
        match self.preparing.take() {
            Some(preparing) if preparing.is_finished() => {
                match preparing.await.map_err(HolderError::from).flatten() {
                    Ok(epoch) => {
                        self.epochs.push(epoch);
                        Ok(())
                    }
                    Err(error) => {
                        self.drop_unfinished(now.no).await?;
                        Err(error)
                    }
                }
            }
            unfinished => {
                self.preparing = unfinished;
                Ok(())
            }
        }
    }

    /// Ends epochs whose overlap is over: their seeds are erased for good, their tables removed.
    async fn end_overlaps(&mut self, now: &Arc<ListNow>) -> Result<(), HolderError> {
        let time = now.time;
        while let Some(ends) = self.ends_of(0)
            && ends <= time
        {
            let epoch = self.epochs.remove(0);
            self.show();
            let number = epoch.epoch;
            drop(epoch);
            self.erase(now.no, number).await?;
            tracing::info!(list = %self.list, epoch = number, "an epoch is over and its key is erased");
        }
        Ok(())
    }

    async fn erase(&self, no: ListNo, epoch: u64) -> Result<(), HolderError> {
        let mut conn = self.shared.db.write().await?;
        tables::drop_epoch(&mut conn, no, epoch).await?;
        epochs::erase(&mut conn, no, epoch, self.shared.clock.now()).await?;
        Ok(())
    }

    /// When the overlap of an epoch is over: 70 s after the next one began, or at once when the one after that did,
    /// for neither custodian nor coordinator keep more than two.
    fn ends_of(&self, index: usize) -> Option<Millis> {
        let begun = |later: usize| self.epochs.get(index + later).and_then(|epoch| epoch.first_logged);
        let ends = begun(1)?.plus_ms(OVERLAP_MS);
        Some(begun(2).map_or(ends, |second| ends.min(second)))
    }

    /// Tells the evaluation service what is answered now.
    fn show(&self) {
        let live =
            self.epochs.iter().enumerate().map(|(index, epoch)| epoch.live(self.ends_of(index))).collect();
        self.shared.live.set(&self.list, live);
    }

    /// A list is sealed anew only when one epoch is answered and nothing else is on its way.
    fn may_seal_anew(&self) -> bool {
        self.preparing.is_none()
            && self.epochs.len() == 1
            && self.epochs.iter().all(|epoch| epoch.version.stage == Stage::Active)
    }

    fn rules_changed(&self, now: &ListNow) -> bool {
        self.epochs.last().is_some_and(|newest| newest.rules != *now.rules.hash())
    }

    /// When a day has begun, its beginnings and ends of listings become changes.
    async fn note_day(&self, held: &HeldList, now: &Arc<ListNow>) -> Result<(), HolderError> {
        if now.today <= held.seen_day {
            return Ok(());
        }
        let mut due = Vec::new();
        let mut after = 0;
        let is_due = |day: u32| held.seen_day < day && day <= now.today;
        loop {
            let page = records::page(&mut *self.shared.db.read().await?, held.no, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id.get();
            let turns = |record: &&records::StoredRecord| {
                now.rules.period(&record.facts).is_some_and(|(from, until)| is_due(from) || is_due(until))
            };
            due.extend(page.iter().filter(turns).map(|record| record.id));
        }
        let mut conn = self.shared.db.write().await?;
        let mut tx = store::begin(&mut conn).await?;
        if !due.is_empty() {
            let seq = changed::next(&mut tx).await?;
            changed::touch(&mut tx, &due, seq).await?;
        }
        lists::set_seen_day(&mut tx, held.no, now.today).await?;
        tx.commit().await?;
        tracing::info!(list = %self.list, due = due.len(), "a day has begun");
        Ok(())
    }

    /// Removes epochs and tables that were not completed. Nobody else may be building meanwhile.
    async fn drop_unfinished(&self, no: ListNo) -> Result<(), HolderError> {
        let mut conn = self.shared.db.write().await?;
        tables::drop_unfinished(&mut conn, no).await?;
        for stored in epochs::load(&mut conn, no).await? {
            if tables::versions(&mut conn, no, stored.epoch, 1).await?.is_empty() {
                epochs::forget(&mut conn, no, stored.epoch, self.shared.clock.now()).await?;
            }
        }
        Ok(())
    }

    async fn sweep(&self, no: ListNo) -> Result<(), HolderError> {
        for _ in 0..SWEEPS {
            let mut conn = self.shared.db.write().await?;
            let mut tx = store::begin(&mut conn).await?;
            let is_clean = tables::sweep(&mut tx, no).await?;
            tx.commit().await?;
            if is_clean {
                break;
            }
        }
        Ok(())
    }

    /// Whether everything that is in the records is published.
    async fn settled(&self, no: ListNo) -> Result<SealOutcome, HolderError> {
        let Some(newest) = self.epochs.iter().rev().find(|epoch| epoch.first_logged.is_some()) else {
            return Ok(SealOutcome::Waiting);
        };
        let mut conn = self.shared.db.read().await?;
        let stored = newest.table.stored;
        let waits = newest.version.stage != Stage::Active
            || tables::count_deferred(&mut conn, stored.id).await? > 0
            || changed::count_since(&mut conn, no, stored.applied_seq, 1).await? > 0;
        let published = SealOutcome::Published { epoch: newest.epoch, version: newest.version.version };
        Ok(if waits { SealOutcome::Waiting } else { published })
    }
}
