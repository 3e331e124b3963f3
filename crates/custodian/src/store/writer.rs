//! The one writer of small decisions: quotas and permit uses share commits.

use std::sync::Arc;

use tacit_model::Clock;
use tacit_store::{Db, Group, GroupTx, GroupWork, Overloaded, StoreError};

use super::permits::{BatchSecret, Permits, Use, UsePermits};
use super::quota::{self, Admission, Admit};

/// Decisions that may wait; more are turned away.
const WAITING: usize = 1024;
/// Decisions of one commit.
const LARGEST: usize = 128;

/// Hands decisions to the writer; clones share it. Each answer is given after its commit.
#[derive(Debug, Clone)]
pub(crate) struct Writer(Group<Decisions>);

impl Writer {
    pub(crate) fn start(db: Db, clock: Arc<dyn Clock>, secret: BatchSecret) -> Self {
        Self(Group::start(db, Decisions { clock, permits: Permits::new(secret) }, WAITING, LARGEST))
    }

    /// Decides whether a batch may be evaluated, and counts it.
    pub(crate) async fn admit(&self, batch: Admit) -> Result<Result<Admission, StoreError>, Overloaded> {
        Ok(match self.0.try_submit(Job::Admit(batch)).await? {
            Ok(Done::Admitted(admission)) => Ok(admission),
            Ok(Done::Used(_)) => Err(StoreError::Stopped),
            Err(error) => Err(error),
        })
    }

    /// Decides whether permits may be used this way, and records it. What they rest on goes with it into the database, if
    /// that can be; the caller makes sure of it.
    pub(crate) async fn use_permits(
        &self,
        request: UsePermits,
    ) -> Result<Result<Use, StoreError>, Overloaded> {
        Ok(match self.0.try_submit(Job::Use(request)).await? {
            Ok(Done::Used(outcome)) => Ok(outcome),
            Ok(Done::Admitted(_)) => Err(StoreError::Stopped),
            Err(error) => Err(error),
        })
    }
}

impl Writer {
    /// Waits until nothing can be written any more: the disk failed.
    pub(crate) async fn stopped(&self) {
        self.0.stopped().await;
    }
}

enum Job {
    Admit(Admit),
    Use(UsePermits),
}

enum Done {
    Admitted(Admission),
    Used(Use),
}

struct Decisions {
    clock: Arc<dyn Clock>,
    permits: Permits,
}

impl GroupWork for Decisions {
    type Job = Job;
    type Done = Done;

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Job>) -> Result<Vec<Done>, StoreError> {
        let now = self.clock.now();
        let uses: Vec<&UsePermits> = jobs.iter().filter_map(Job::as_use).collect();
        let mut used = self.permits.decide(tx, now, &uses).await?.into_iter();
        let mut done = Vec::with_capacity(jobs.len());
        for job in &jobs {
            done.push(match job {
                Job::Admit(batch) => Done::Admitted(quota::admit(tx.begun().await?.0, batch).await?),
                Job::Use(_) => Done::Used(used.next().ok_or(StoreError::Stopped)?),
            });
        }
        Ok(done)
    }

    fn failed(&mut self) {
        self.permits.forget();
    }
}

impl Job {
    fn as_use(&self) -> Option<&UsePermits> {
        match self {
            Self::Use(request) => Some(request),
            Self::Admit(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::{ManualClock, Millis};
    use tacit_store::conformance;

    use super::super::MIGRATIONS;
    use super::super::permits::ListUse;
    use super::*;

    const NOW: Millis = Millis(1_795_300_143_223);

    /// Two replicas over one database, each with its own connections.
    async fn replicas(folder: &std::path::Path) -> [Writer; 2] {
        let url = conformance::url(folder, "custodian");
        let start = async || {
            let db = Db::open(&url, &MIGRATIONS).await.unwrap();
            Writer::start(db, Arc::new(ManualClock::new(NOW)), BatchSecret::derive(&[7; 32]))
        };
        [start().await, start().await]
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_permit_is_used_once_by_sixteen_presenters_over_two_replicas() {
        const PERMITS: usize = 200;
        let folder = tempfile::tempdir().unwrap();
        let replicas = replicas(folder.path()).await;
        fn use_of(permit: usize, presenter: u8) -> UsePermits {
            UsePermits {
                lists: vec![ListUse {
                    list: "court/defaulters".parse().unwrap(),
                    batch: [presenter; 32],
                    permits: vec![(format!("{permit:026}").into(), NOW.plus_ms(60_000))],
                }],
                ground: None,
            }
        }
        let mut presents = Vec::new();
        for permit in 0..PERMITS {
            for presenter in 0..16_u8 {
                let writer = replicas[usize::from(presenter % 2)].clone();
                // The queue holds 1,024: whoever is turned away comes again.
                presents.push(tokio::spawn(async move {
                    loop {
                        if let Ok(outcome) = writer.use_permits(use_of(permit, presenter)).await {
                            return (permit, presenter, outcome.unwrap());
                        }
                        tokio::task::yield_now().await;
                    }
                }));
            }
        }
        let mut winners = vec![Vec::new(); PERMITS];
        for present in presents {
            let (permit, presenter, outcome) = present.await.unwrap();
            match outcome {
                Use::Good => winners[permit].push(presenter),
                Use::Used => {}
                Use::Expired => panic!("it is not over"),
            }
        }
        assert!(winners.iter().all(|winners| winners.len() == 1), "{winners:?}");
        // The winner's very request is good again, at either replica.
        for (permit, winners) in winners.iter().enumerate() {
            for writer in &replicas {
                let again = writer.use_permits(use_of(permit, winners[0])).await.unwrap().unwrap();
                assert_eq!(again, Use::Good);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_quota_is_exact_over_two_replicas() {
        let folder = tempfile::tempdir().unwrap();
        let replicas = replicas(folder.path()).await;
        let batch = |n: u8| Admit {
            asker: "node/procurement".to_owned(),
            requester: "procurement".to_owned(),
            epoch: 3,
            other_epochs: Vec::new(),
            subjects: (0..3).map(|subject| [n * 3 + subject; 32]).collect(),
            cap: 50,
            day: 20_000,
            counted: "procurement".to_owned(),
        };
        let admits = (0..40_u8).map(|n| {
            let writer = replicas[usize::from(n % 2)].clone();
            tokio::spawn(async move { writer.admit(batch(n)).await.unwrap().unwrap() })
        });
        let mut admitted = 0;
        for admit in admits.collect::<Vec<_>>() {
            if let Admission::Admitted { new } = admit.await.unwrap() {
                assert_eq!(new, 3);
                admitted += new;
            }
        }
        assert_eq!(admitted, 48);
    }
}
