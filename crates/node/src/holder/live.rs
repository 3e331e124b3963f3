//! What is answered right now: the epochs of each list, shared by the tick and the evaluation service.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tacit_model::{ListId, Millis, Reason};

use super::secret::ListSecret;

/// How long the epoch before is answered after the newest one began, in milliseconds (protocol section 2).
pub(super) const OVERLAP_MS: u64 = 70_000;

/// An epoch whose key is here.
#[derive(Debug, Clone)]
pub(super) struct LiveEpoch {
    pub(super) epoch: u64,
    pub(super) secret: Arc<ListSecret>,
    /// Newest version that exists here, logged or on its way.
    pub(super) newest: u64,
    /// The last versions that were logged, ascending, and when.
    pub(super) logged: Vec<(u64, Millis)>,
    /// When the overlap is over; none while it is the newest epoch.
    pub(super) ends: Option<Millis>,
}

impl LiveEpoch {
    /// Whether a permit may name this version: not more than one tick older than the newest logged one.
    fn accepts(&self, version: u64, now: Millis, tick_ms: u64) -> Result<(), Reason> {
        let newest_logged = self.logged.last().map_or(0, |(version, _)| *version);
        if version == 0 || version > self.newest {
            return Err(Reason::ListNotReady);
        }
        if version.saturating_add(1) >= newest_logged {
            return Ok(());
        }
        // A quick series of versions is one tick, too.
        let successor = self.logged.iter().find(|(logged, _)| *logged == version + 1);
        match successor {
            Some((_, at)) if now <= at.plus_ms(tick_ms) => Ok(()),
            _ => Err(Reason::VersionOld),
        }
    }
}

/// All lists that are answered.
#[derive(Debug, Default)]
pub(super) struct Live(RwLock<HashMap<ListId, Arc<[LiveEpoch]>>>);

impl Live {
    /// Replaces what is known of a list; epochs ascend.
    pub(super) fn set(&self, list: &ListId, epochs: Vec<LiveEpoch>) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lists.insert(list.clone(), epochs.into());
    }

    /// The key that answers a permit's question about a list, an epoch and a version.
    pub(super) fn secret(
        &self,
        list: &ListId,
        epoch: u64,
        version: u64,
        now: Millis,
        tick_ms: u64,
    ) -> Result<Arc<ListSecret>, Reason> {
        let epochs = self.0.read().unwrap_or_else(PoisonError::into_inner).get(list).cloned();
        let epochs = epochs.filter(|epochs| !epochs.is_empty()).ok_or(Reason::ListNotReady)?;
        let Some(found) = epochs.iter().find(|live| live.epoch == epoch) else {
            let newest = epochs.last().map_or(0, |live| live.epoch);
            return Err(if epoch < newest { Reason::EpochOver } else { Reason::EpochNotCurrent });
        };
        if found.ends.is_some_and(|ends| now >= ends) {
            return Err(Reason::EpochOver);
        }
        found.accepts(version, now, tick_ms)?;
        Ok(Arc::clone(&found.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> ListId {
        "court/defaulters".parse().unwrap()
    }

    fn live(epoch: u64, newest: u64, logged: &[(u64, u64)], ends: Option<u64>) -> LiveEpoch {
        LiveEpoch {
            epoch,
            secret: Arc::new(ListSecret::derive(&[7; 32], &list(), epoch).unwrap()),
            newest,
            logged: logged.iter().map(|(version, at)| (*version, Millis(*at))).collect(),
            ends: ends.map(Millis),
        }
    }

    #[test]
    fn an_epoch_is_answered_until_its_overlap_is_over() {
        let answers = Live::default();
        let ask = |epoch, version, now| answers.secret(&list(), epoch, version, Millis(now), 10_000).err();
        assert_eq!(ask(5, 1, 0), Some(Reason::ListNotReady));
        answers.set(&list(), vec![live(5, 3, &[(3, 500)], Some(71_000)), live(6, 1, &[(1, 1_000)], None)]);
        assert_eq!(ask(5, 3, 70_999), None);
        assert_eq!(ask(5, 3, 71_000), Some(Reason::EpochOver));
        assert_eq!(ask(6, 1, 71_000), None);
        assert_eq!(ask(4, 1, 1_000), Some(Reason::EpochOver));
        assert_eq!(ask(7, 1, 1_000), Some(Reason::EpochNotCurrent));
    }

    #[test]
    fn a_version_may_be_one_tick_older_than_the_newest_logged_one() {
        let answers = Live::default();
        answers.set(&list(), vec![live(5, 9, &[(5, 1_000), (6, 2_000), (7, 20_000), (8, 21_000)], None)]);
        let ask = |version, now| answers.secret(&list(), 5, version, Millis(now), 10_000).err();
        assert_eq!(ask(8, 90_000), None);
        assert_eq!(ask(7, 90_000), None);
        // Version 6 was replaced at 20 s: good until 30 s.
        assert_eq!(ask(6, 30_000), None);
        assert_eq!(ask(6, 30_001), Some(Reason::VersionOld));
        assert_eq!(ask(5, 13_000), Some(Reason::VersionOld));
        assert_eq!(ask(4, 3_000), None);
        // What came after version 3 is forgotten.
        assert_eq!(ask(3, 3_000), Some(Reason::VersionOld));
    }

    #[test]
    fn a_version_on_its_way_may_be_named_and_one_that_does_not_exist_may_not() {
        let answers = Live::default();
        // The coordinator has logged version 2, and we have not heard of it yet.
        answers.set(&list(), vec![live(5, 2, &[(1, 1_000)], None)]);
        let ask = |version| answers.secret(&list(), 5, version, Millis(2_000), 10_000).err();
        assert_eq!(ask(2), None);
        assert_eq!(ask(3), Some(Reason::ListNotReady));
        assert_eq!(ask(0), Some(Reason::ListNotReady));
    }
}
