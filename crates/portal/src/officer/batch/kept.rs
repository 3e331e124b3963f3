//! Where uploaded batches lie: in memory, one for each session, and no longer than the session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::job::Job;
use crate::session::{Place, Sessions};

/// Most batches that a desk keeps; with at most 5,000 rows, 1 MiB of file and 8 MiB of answers each.
const JOBS_MAX: usize = 16;
/// How often it is looked whether the session of a batch has ended by itself.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The batches of a desk. Clones share everything.
#[derive(Clone)]
pub(crate) struct Kept {
    jobs: Arc<Mutex<HashMap<Place, Arc<Job>>>>,
    sessions: Sessions,
    look_every: Duration,
}

/// No further batch is kept now.
#[derive(Debug)]
pub(super) struct Full;

impl Kept {
    pub(crate) fn new(sessions: Sessions) -> Self {
        Self { jobs: Arc::default(), sessions, look_every: LOOK_EVERY }
    }

    pub(super) fn of(&self, place: &Place) -> Option<Arc<Job>> {
        self.jobs().get(place).cloned()
    }

    /// Keeps a batch for its session; one that is there already stays.
    pub(super) fn keep(&self, place: Place, job: Job) -> Result<(), Full> {
        let mut jobs = self.jobs();
        if jobs.contains_key(&place) {
            return Ok(());
        }
        if jobs.len() >= JOBS_MAX {
            return Err(Full);
        }
        let job = Arc::new(job);
        let watched = Arc::downgrade(&job);
        jobs.insert(place, job);
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

    /// Ends a batch and forgets it.
    pub(super) fn forget(&self, place: &Place) {
        let job = self.jobs().remove(place);
        if let Some(job) = job {
            job.stop();
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Place, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::{Clock, ManualClock, Millis, RequestId, entropy::os_rng};

    use super::*;
    use crate::{
        DeskName, SessionConfig,
        api::{Api, ApiAt},
        officer::batch::{
            job::{Question, Titles},
            table,
        },
        person::{ClaimNames, Login},
        session::Session,
        web::Web,
    };

    /// A batch without a row that can be asked, so that no node is needed.
    async fn job(folder: &std::path::Path) -> Job {
        let tokens = folder.join("tokens");
        std::fs::write(&tokens, format!("officer:{}\n", "a".repeat(64))).unwrap();
        std::fs::set_permissions(&tokens, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let at =
            ApiAt { url: "http://127.0.0.1:1".parse().unwrap(), tokens, application: "officer".to_owned() };
        let api = Api::new(Web::new(None).unwrap(), &at).unwrap();
        let word = || "x".to_owned();
        let question = Question {
            lists: [word()],
            purpose: word(),
            case_number: word(),
            officer: word(),
            scheme: word(),
        };
        let titles = Titles { list: word(), purpose: word() };
        let lines = table::read(b"code,case\n,K\n").unwrap();
        let id = RequestId::accept_or_generate(None, Millis(0), &mut os_rng());
        Job::plan(&api, question, titles, lines, &id).await.unwrap()
    }

    async fn gone(kept: &Kept, place: &Place) -> bool {
        for _ in 0..500 {
            if kept.of(place).is_none() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_batch_is_kept_as_long_as_its_session_and_there_are_not_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.db");
        let db = crate::store::open(&format!("sqlite:{}", file.display())).await.unwrap();
        let clock = Arc::new(ManualClock::new(Millis(1_000_000)));
        let config = SessionConfig { idle_minutes: 20, longest_minutes: 60 };
        let sessions = Sessions::new(db, DeskName::Officer, config, Arc::clone(&clock) as Arc<dyn Clock>);
        let kept = Kept { look_every: Duration::from_millis(20), ..Kept::new(sessions.clone()) };
        let claims = serde_json::json!({ "name": "chen" });
        let log_in = async || -> Session {
            let login = Login::of("chen".to_owned(), claims.as_object().unwrap(), &ClaimNames::default());
            sessions.renew(sessions.begin().await.unwrap(), login.unwrap()).await.unwrap()
        };
        let (out, idle) = (log_in().await, log_in().await);
        for session in [&out, &idle] {
            kept.keep(session.place(), job(folder.path()).await).unwrap();
        }
        let first = Arc::downgrade(&kept.of(&out.place()).unwrap());
        kept.keep(out.place(), job(folder.path()).await).unwrap();
        assert!(Arc::ptr_eq(&first.upgrade().unwrap(), &kept.of(&out.place()).unwrap()), "one of a session");

        sessions.end(&out).await.unwrap();
        assert!(gone(&kept, &out.place()).await);
        assert_eq!(first.strong_count(), 0, "wiped");
        assert!(kept.of(&idle.place()).is_some(), "the other session's stays");
        clock.advance_ms(22 * 60_000);
        assert!(gone(&kept, &idle.place()).await);

        for _ in 0..JOBS_MAX {
            kept.keep(log_in().await.place(), job(folder.path()).await).unwrap();
        }
        let last = log_in().await;
        assert!(kept.keep(last.place(), job(folder.path()).await).is_err());
        assert!(kept.of(&last.place()).is_none());
    }
}
