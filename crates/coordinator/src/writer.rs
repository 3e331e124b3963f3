//! The handle to the one writer. What it returns is durable and in the log.

use tacit_model::{Millis, Reason};
use tacit_store::{Group, StoreError};
use tacit_wire::coordinator as pb;

use crate::{
    answer::Recorded,
    append::{Appender, AuthorizeJob, Done, Job, NewRecord, Write},
};

/// Clones share one writer.
#[derive(Clone)]
pub(crate) struct Writer {
    group: Group<Appender>,
}

/// The outcome of an authorize request.
pub(crate) enum Authorized {
    /// Decided now.
    Decided(Recorded<pb::Authorized>),
    /// Decided before; the stored answer.
    Replayed { outcome: Vec<u8>, answered: Millis },
    /// The request was not taken up.
    Refused(Reason),
}

/// The outcome of a write that makes one record.
pub(crate) enum Logged {
    /// Its record.
    Record(NewRecord),
    /// The same write was made before; the index of its record.
    Before(u64),
    /// Refused.
    Refused(Reason),
}

impl Writer {
    pub(crate) fn new(group: Group<Appender>) -> Self {
        Self { group }
    }

    /// Decides and records a request.
    pub(crate) async fn authorize(&self, job: AuthorizeJob) -> Result<Authorized, StoreError> {
        let done = match self.group.try_submit(Job::Authorize(Box::new(job))).await {
            Ok(done) => done?,
            Err(_overloaded) => return Ok(Authorized::Refused(Reason::Overloaded)),
        };
        Ok(match done {
            Done::Authorized(answer) => Authorized::Decided(Recorded::after_commit(answer)),
            Done::Replayed { outcome, answered } => Authorized::Replayed { outcome, answered },
            Done::Refused(reason) => Authorized::Refused(reason),
            Done::Logged(_) | Done::Before(_) | Done::Stored | Done::Pruned { .. } => {
                Authorized::Refused(Reason::Internal)
            }
        })
    }

    /// Makes a write that leaves one record.
    pub(crate) async fn log(&self, write: Write) -> Result<Logged, StoreError> {
        Ok(match self.group.submit(Job::Write(write)).await? {
            Done::Logged(record) => Logged::Record(record),
            Done::Before(index) => Logged::Before(index),
            Done::Refused(reason) => Logged::Refused(reason),
            Done::Authorized(_) | Done::Replayed { .. } | Done::Stored | Done::Pruned { .. } => {
                Logged::Refused(Reason::Internal)
            }
        })
    }

    /// Makes a write that leaves none.
    pub(crate) async fn store(&self, write: Write) -> Result<Result<(), Reason>, StoreError> {
        Ok(match self.group.submit(Job::Write(write)).await? {
            Done::Stored => Ok(()),
            Done::Refused(reason) => Err(reason),
            Done::Authorized(_)
            | Done::Replayed { .. }
            | Done::Logged(_)
            | Done::Before(_)
            | Done::Pruned { .. } => Err(Reason::Internal),
        })
    }

    /// Removes some of what is no longer needed; true when there is more.
    pub(crate) async fn prune(&self) -> Result<bool, StoreError> {
        Ok(matches!(self.group.submit(Job::Write(Write::Prune)).await?, Done::Pruned { more: true }))
    }

    /// Waits until the writer stopped because the disk failed.
    pub(crate) async fn stopped(&self) {
        self.group.stopped().await;
    }
}
