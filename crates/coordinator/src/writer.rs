//! The handle to the one writer. What it returns is durable and in the log.

use tacit_model::{Millis, Reason};
use tacit_store::{Group, StoreError};
use tacit_wire::coordinator as pb;

use crate::{
    answer::Recorded,
    append::{Appender, AuthorizeJob, Done, Job, NewRecord},
    store::consents::StoredConsent,
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
    /// Its record, and for consents the consent as it now stands.
    Record { record: NewRecord, consent: Option<StoredConsent> },
    /// The same write was made before; the index of its record.
    Before(u64),
    /// Nothing to write.
    Nothing,
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
            Done::Logged { .. } | Done::Stored => Authorized::Refused(Reason::Internal),
        })
    }

    /// Makes any other write.
    pub(crate) async fn write(&self, job: Job) -> Result<Logged, StoreError> {
        Ok(match self.group.submit(job).await? {
            Done::Logged { record, consent } => Logged::Record { record, consent },
            Done::Replayed { outcome, .. } => match <[u8; 8]>::try_from(outcome.as_slice()) {
                Ok(index) => Logged::Before(u64::from_be_bytes(index)),
                Err(_) => Logged::Refused(Reason::Internal),
            },
            Done::Stored => Logged::Nothing,
            Done::Refused(reason) => Logged::Refused(reason),
            Done::Authorized(_) => Logged::Refused(Reason::Internal),
        })
    }
}
