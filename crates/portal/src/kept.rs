//! What a desk keeps in memory for a session: one thing for each, and no longer than the session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::session::{Place, Sessions};

/// How often it is looked whether a session has ended by itself.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What can be kept for a session.
pub(crate) trait Held: Send + Sync + 'static {
    /// It is forgotten now.
    fn end(&self) {}
}

/// What a desk keeps for its sessions. Clones share everything.
pub(crate) struct Kept<T> {
    held: Arc<Mutex<HashMap<Place, Arc<T>>>>,
    most: usize,
    sessions: Sessions,
    look_every: Duration,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        let (held, sessions) = (Arc::clone(&self.held), self.sessions.clone());
        Self { held, most: self.most, sessions, look_every: self.look_every }
    }
}

/// Nothing further is kept now.
#[derive(Debug)]
pub(crate) struct Full;

impl<T: Held> Kept<T> {
    /// At most so much, over all sessions.
    pub(crate) fn new(sessions: Sessions, most: usize) -> Self {
        Self { held: Arc::default(), most, sessions, look_every: LOOK_EVERY }
    }

    pub(crate) fn of(&self, place: &Place) -> Option<Arc<T>> {
        self.held().get(place).cloned()
    }

    /// Keeps it for its session; what is there already stays.
    pub(crate) fn keep(&self, place: Place, it: T) -> Result<(), Full> {
        let mut held = self.held();
        if held.contains_key(&place) {
            return Ok(());
        }
        if held.len() >= self.most {
            return Err(Full);
        }
        let it = Arc::new(it);
        let watched = Arc::downgrade(&it);
        held.insert(place, it);
        let kept = self.clone();
        tokio::spawn(async move {
            let mut ended = kept.sessions.ended();
            while watched.strong_count() > 0 {
                match kept.sessions.holds(&place).await {
                    Ok(true) => {}
                    Ok(false) => return kept.forget(&place),
                    Err(error) => tracing::warn!(%error, "it is not known whether a session has ended"),
                }
                tokio::select! {
                    () = tokio::time::sleep(kept.look_every) => {}
                    _ = ended.changed() => {}
                }
            }
        });
        Ok(())
    }

    /// Ends what is kept for a session and forgets it.
    pub(crate) fn forget(&self, place: &Place) {
        let it = self.held().remove(place);
        if let Some(it) = it {
            it.end();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Place, Arc<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tacit_model::{Clock, ManualClock, Millis};

    use super::*;
    use crate::{
        DeskName, SessionConfig,
        person::{ClaimNames, Login},
        session::Session,
    };

    const MOST: usize = 3;

    /// Counts how often it ended.
    #[derive(Default)]
    struct Thing(Arc<AtomicUsize>);

    impl Held for Thing {
        fn end(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn gone(kept: &Kept<Thing>, place: &Place) -> bool {
        for _ in 0..500 {
            if kept.of(place).is_none() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn what_is_kept_for_a_session_ends_with_it_and_there_is_not_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.db");
        let db = crate::store::open(&format!("sqlite:{}", file.display())).await.unwrap();
        let clock = Arc::new(ManualClock::new(Millis(1_000_000)));
        let config = SessionConfig { idle_minutes: 20, longest_minutes: 60 };
        let sessions = Sessions::new(db, DeskName::Officer, config, Arc::clone(&clock) as Arc<dyn Clock>);
        let kept = Kept { look_every: Duration::from_millis(20), ..Kept::new(sessions.clone(), MOST) };
        let claims = serde_json::json!({ "name": "chen" });
        let log_in = async || -> Session {
            let login = Login::of("chen".to_owned(), claims.as_object().unwrap(), &ClaimNames::default());
            sessions.renew(sessions.begin().await.unwrap(), login.unwrap()).await.unwrap()
        };
        let (out, idle) = (log_in().await, log_in().await);
        let ended = Arc::<AtomicUsize>::default();
        kept.keep(out.place(), Thing(Arc::clone(&ended))).unwrap();
        kept.keep(idle.place(), Thing::default()).unwrap();
        let first = Arc::downgrade(&kept.of(&out.place()).unwrap());
        kept.keep(out.place(), Thing::default()).unwrap();
        assert!(Arc::ptr_eq(&first.upgrade().unwrap(), &kept.of(&out.place()).unwrap()), "one of a session");

        sessions.end(&out).await.unwrap();
        assert!(gone(&kept, &out.place()).await);
        assert_eq!((first.strong_count(), ended.load(Ordering::SeqCst)), (0, 1), "ended and wiped");
        assert!(kept.of(&idle.place()).is_some(), "the other session's stays");
        clock.advance_ms(22 * 60_000);
        assert!(gone(&kept, &idle.place()).await);

        for _ in 0..MOST {
            kept.keep(log_in().await.place(), Thing::default()).unwrap();
        }
        let last = log_in().await;
        assert!(kept.keep(last.place(), Thing::default()).is_err());
        assert!(kept.of(&last.place()).is_none());
    }
}
