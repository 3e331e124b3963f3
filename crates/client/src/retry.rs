//! One call until it is answered: idempotent calls only, with jitter, within a bound.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tacit_model::Reason;
use tacit_wire::reason_of;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::error::{ClientError, Party};

/// How long a party is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// One call, in milliseconds.
    pub call_ms: u64,
    /// All tries of one step together, in milliseconds: a party that restarts within it goes unnoticed.
    pub patience_ms: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { call_ms: 15_000, patience_ms: 60_000 }
    }
}

/// What is left of one step's patience.
#[derive(Debug)]
pub(crate) struct Patience {
    call: Duration,
    until: Instant,
    pauses: backon::ExponentialBackoff,
}

impl Patience {
    pub(crate) fn new(deadlines: &Deadlines) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(15))
            .with_max_delay(Duration::from_millis(1500))
            .with_jitter()
            .without_max_times()
            .build();
        Self {
            call: Duration::from_millis(deadlines.call_ms),
            until: Instant::now() + Duration::from_millis(deadlines.patience_ms),
            pauses,
        }
    }

    /// Not beyond this many milliseconds from now.
    pub(crate) fn at_most(mut self, ms: u64) -> Self {
        self.until = self.until.min(Instant::now() + Duration::from_millis(ms));
        self
    }

    /// Waits before another try; false when the patience is over.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pauses.next().unwrap_or_default();
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(pause.min(left)).await;
        true
    }

    /// One try, with the call's deadline told to the server and kept here.
    pub(crate) async fn once<M, T, Fut>(
        &self,
        message: M,
        call: impl FnOnce(Request<M>) -> Fut,
    ) -> Result<T, Status>
    where
        Fut: Future<Output = Result<T, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(self.call);
        // A little later than the server's own, so that its answer is preferred.
        let limit = self.call + Duration::from_millis(250);
        match tokio::time::timeout(limit, call(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Status::deadline_exceeded("no answer within the deadline")),
        }
    }
}

/// Whether the same call may be answered later: the connection broke, or the server is not ready.
pub(crate) fn is_passing(status: &Status) -> bool {
    match reason_of(status) {
        Some(reason) => {
            matches!(
                reason,
                Reason::Unavailable
                    | Reason::Overloaded
                    | Reason::Deadline
                    | Reason::LogBehind
                    | Reason::QuorumStale
                    | Reason::ClockOff
            )
        }
        // Not our server's own words: the transport's.
        None => matches!(
            status.code(),
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::Unknown
                | Code::Internal
                | Code::ResourceExhausted
        ),
    }
}

/// The stable code of a status.
pub(crate) fn reason(status: &Status) -> Reason {
    reason_of(status).unwrap_or(match status.code() {
        Code::DeadlineExceeded | Code::Cancelled => Reason::Deadline,
        Code::Unauthenticated => Reason::Unauthenticated,
        Code::PermissionDenied => Reason::WrongRole,
        Code::InvalidArgument | Code::OutOfRange => Reason::Malformed,
        _ => Reason::Unavailable,
    })
}

/// Calls until there is an answer, the trouble is none that passes, or the patience is over.
pub(crate) async fn call<M: Clone, T, Fut>(
    party: Party,
    deadlines: &Deadlines,
    message: M,
    call: impl Fn(Request<M>) -> Fut,
) -> Result<T, ClientError>
where
    Fut: Future<Output = Result<Response<T>, Status>>,
{
    let mut patience = Patience::new(deadlines);
    loop {
        let status = match patience.once(message.clone(), &call).await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        tracing::debug!(%party, code = ?status.code(), "a call failed");
        if !is_passing(&status) || !patience.pause().await {
            return Err(ClientError::NoAnswer { party, reason: reason(&status) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tonic::metadata::MetadataMap;

    use super::*;

    const FAST: Deadlines = Deadlines { call_ms: 1000, patience_ms: 5000 };

    #[tokio::test]
    async fn a_party_that_restarts_is_waited_for() {
        let tries = AtomicU32::new(0);
        let answer: Result<u8, _> = call(Party::Coordinator, &FAST, (), |_| async {
            match tries.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Status::unavailable("starting")),
                1 => Err(Status::unknown("transport error")),
                _ => Ok(Response::new(7)),
            }
        })
        .await;
        assert_eq!((answer.unwrap(), tries.into_inner()), (7, 3));
    }

    #[tokio::test]
    async fn a_refused_call_is_not_repeated() {
        let tries = AtomicU32::new(0);
        let answer: Result<u8, _> = call(Party::Custodian, &FAST, (), |_| async {
            tries.fetch_add(1, Ordering::SeqCst);
            Err(tacit_wire::trouble(Reason::WrongRole, &MetadataMap::new()))
        })
        .await;
        assert_eq!(answer.unwrap_err().reason(), Reason::WrongRole);
        assert_eq!(tries.into_inner(), 1);
    }

    #[tokio::test]
    async fn patience_has_an_end() {
        let short = Deadlines { call_ms: 20, patience_ms: 60 };
        let answer: Result<u8, _> =
            call(Party::Custodian, &short, (), |_| async { Err(Status::unavailable("down")) }).await;
        assert_eq!(answer.unwrap_err().reason(), Reason::Unavailable);
    }
}
