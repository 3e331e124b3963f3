//! The one writer of small decisions: quotas and permit uses share commits.

use std::sync::Arc;

use tacit_model::Clock;
use tacit_store::{Conn, Db, Group, GroupWork, Overloaded, StoreError};

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

    /// Decides whether permits may be used this way, and records it.
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

    async fn apply(&mut self, conn: &mut Conn, jobs: Vec<Job>) -> Result<Vec<Done>, StoreError> {
        let now = self.clock.now();
        let uses: Vec<&UsePermits> = jobs.iter().filter_map(Job::as_use).collect();
        let mut used = self.permits.decide(conn, now, &uses).await?.into_iter();
        let mut done = Vec::with_capacity(jobs.len());
        for job in &jobs {
            done.push(match job {
                Job::Admit(batch) => Done::Admitted(quota::admit(conn, batch).await?),
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
