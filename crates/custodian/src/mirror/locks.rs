//! One change at a time to one list and epoch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tacit_model::ListId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type LockTable = HashMap<(ListId, u64), Weak<AsyncMutex<()>>>;

/// Locks by list and epoch, made when first needed and forgotten when nobody holds them.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<LockTable>);

impl Locks {
    /// Waits until nobody else changes this list and epoch.
    pub(crate) async fn lock(&self, list: &ListId, epoch: u64) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let entry = locks.entry((list.clone(), epoch)).or_default();
            entry.upgrade().unwrap_or_else(|| {
                let lock = Arc::new(AsyncMutex::new(()));
                *entry = Arc::downgrade(&lock);
                lock
            })
        };
        lock.lock_owned().await
    }
}
