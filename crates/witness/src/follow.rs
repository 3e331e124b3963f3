//! Following the coordinator's stream of checkpoints.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Reason;
use tacit_wire::coordinator::{WatchCheckpointsRequest, WatchCheckpointsResponse};
use tonic::Streaming;

use crate::{Growing, Shared, verify_extends};

/// Pause before the stream is opened again after it brought something.
const RECONNECT: Duration = Duration::from_millis(250);

/// The longest pause, when attempt after attempt brings nothing.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Checkpoints verified in one go before the newest of them is persisted.
const TOGETHER: usize = 64;

/// Why the stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("it could not be opened, broke or was closed")]
    Connection,
    #[error("the coordinator's log is shorter than what was verified here")]
    Behind,
    #[error("it brought a checkpoint that is not signed, or a malformed proof")]
    Malformed,
    #[error("it brought a checkpoint that could not be taken: {0}")]
    Refused(Reason),
}

/// Keeps the stream open for ever.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let mut pause = RECONNECT;
    loop {
        let before = *shared.size.borrow();
        let Err(ended) = follow_once(&shared).await;
        match ended {
            Ended::Connection => tracing::debug!(%ended, "the checkpoint stream ended"),
            Ended::Behind | Ended::Malformed | Ended::Refused(_) => {
                tracing::error!(%ended, size = before, "the checkpoint stream ended");
            }
        }
        let brought = *shared.size.borrow() > before;
        pause = if brought { RECONNECT } else { (pause * 2).min(RECONNECT_MAX) };
        tokio::time::sleep(pause).await;
    }
}

async fn follow_once(shared: &Shared) -> Result<std::convert::Infallible, Ended> {
    let from_size = shared.newest().map_or(0, |newest| newest.size());
    let opened = shared.log.clone().watch_checkpoints(WatchCheckpointsRequest { from_size }).await;
    let mut stream = opened
        .map_err(|status| match tacit_wire::reason_of(&status) {
            Some(Reason::LogBehind) => Ended::Behind,
            _ => Ended::Connection,
        })?
        .into_inner();
    loop {
        let messages = together(&mut stream).await?;
        let growing = shared.grow().await;
        shared.receive(&growing, &messages).await?;
    }
}

/// Waits for a message, and takes with it those that have arrived.
async fn together(
    stream: &mut Streaming<WatchCheckpointsResponse>,
) -> Result<Vec<WatchCheckpointsResponse>, Ended> {
    let first = stream.message().await.ok().flatten().ok_or(Ended::Connection)?;
    let mut messages = vec![first];
    // Not a timeout of zero: the timer counts whole milliseconds, and permits wait for this checkpoint. The end of
    // the stream is found again by the next wait.
    while messages.len() < TOGETHER
        && let Some(Ok(Some(next))) = stream.message().now_or_never()
    {
        messages.push(next);
    }
    Ok(messages)
}

impl Shared {
    /// Proves each message against what stands before it, and takes them all.
    async fn receive(
        &self,
        growing: &Growing<'_>,
        messages: &[WatchCheckpointsResponse],
    ) -> Result<(), Ended> {
        let mut newest = self.newest();
        let mut proven = Vec::with_capacity(messages.len());
        for message in messages {
            let checkpoint = self.opener.open(&message.checkpoint).map_err(|_| Ended::Malformed)?;
            let proof = tacit_wire::chunks32("consistency", &message.consistency, 130)
                .map_err(|_| Ended::Malformed)?;
            match &newest {
                // What a permit brought meanwhile may be ahead of the stream, and then the stream's proof
                // starts from somewhere else.
                Some(newest) if message.from_size != newest.size() || checkpoint.size() <= newest.size() => {
                    self.take(growing, &proven).await.map_err(Ended::Refused)?;
                    proven.clear();
                    match self.known(&checkpoint) {
                        Some(outcome) => outcome.map_err(Ended::Refused)?,
                        None => self.ask(growing, &checkpoint).await.map_err(Ended::Refused)?,
                    }
                }
                Some(newest) => {
                    verify_extends(&checkpoint, newest, &proof).map_err(Ended::Refused)?;
                    proven.push(checkpoint.clone());
                }
                None => proven.push(checkpoint.clone()),
            }
            if checkpoint.size() > newest.as_ref().map_or(0, VerifiedCheckpoint::size) {
                newest = Some(checkpoint);
            }
        }
        self.take(growing, &proven).await.map_err(Ended::Refused)
    }
}
