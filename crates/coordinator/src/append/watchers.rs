//! Who is told of changed consents, and which changes are told here.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

use crate::store::consents::StoredConsent;

/// Who is told of changed consents.
pub(crate) struct Watchers {
    /// Requesters that watch here.
    pub(crate) told: broadcast::Sender<Arc<StoredConsent>>,
    /// Where other replicas may be.
    pub(crate) own: Option<Arc<OwnChanges>>,
}

/// Changes of consents that this process made and tells of itself, by log index: where other replicas are followed,
/// these are not told again.
#[derive(Default)]
pub(crate) struct OwnChanges(Mutex<BTreeSet<u64>>);

impl OwnChanges {
    fn own(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a commit: as soon as its changes are there to be read, they are known to be our own.
    pub(super) fn note(&self, changed: &[Arc<StoredConsent>]) {
        self.own().extend(changed.iter().map(|consent| consent.log_index));
    }

    /// Of a commit that failed: another replica may get these indexes.
    pub(super) fn take_back(&self, changed: &[Arc<StoredConsent>]) {
        let mut own = self.own();
        changed.iter().for_each(|consent| {
            own.remove(&consent.log_index);
        });
    }

    pub(crate) fn contain(&self, index: u64) -> bool {
        self.own().contains(&index)
    }

    /// Forgets those before this index.
    pub(crate) fn forget_before(&self, index: u64) {
        let mut own = self.own();
        *own = own.split_off(&index);
    }
}
