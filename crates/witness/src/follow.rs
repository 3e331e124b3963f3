//! Following the coordinator's stream of checkpoints, and cosigning what it asks for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, SinkExt as _, channel::mpsc};
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Reason;
use tacit_wire::coordinator::{
    StreamedCheckpoint, WitnessBegin, WitnessCosignature, WitnessRequest, WitnessResponse,
    log_service_client::LogServiceClient, witness_request::Message as Say, witness_response::Message as Hear,
};
use tonic::{Streaming, transport::Channel};

use crate::{
    Shared,
    grow::{Brought, Growing},
};

/// Pause before the stream is opened again after it brought something.
const RECONNECT: Duration = Duration::from_millis(250);

/// The longest pause, when attempt after attempt brings nothing.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Checkpoints verified in one go before anybody sees them.
const TOGETHER: usize = 64;

/// Cosignatures that may wait for the connection.
const LINES: usize = 16;

/// Why the stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("it could not be opened, broke or was closed")]
    Connection,
    #[error("the coordinator's log is shorter than what was verified here")]
    Behind,
    #[error("the coordinator's log does not continue what was verified here, and is sealed")]
    Sealed,
    #[error("it brought a checkpoint that is not signed, or a malformed proof")]
    Malformed,
    #[error("it brought a checkpoint that could not be taken: {0}")]
    Refused(Reason),
}

/// Keeps the stream to one replica of the coordinator open, until the member freezes.
pub(crate) async fn follow(shared: Arc<Shared>, log: LogServiceClient<Channel>) {
    let mut pause = RECONNECT;
    while shared.not_frozen().is_ok() {
        let before = *shared.size.borrow();
        let Err(ended) = follow_once(&shared, log.clone()).await;
        match ended {
            Ended::Connection => tracing::debug!(%ended, "the checkpoint stream ended"),
            Ended::Behind | Ended::Sealed | Ended::Malformed | Ended::Refused(_) => {
                tracing::error!(%ended, size = before, "the checkpoint stream ended");
            }
        }
        let brought = *shared.size.borrow() > before;
        pause = if brought { RECONNECT } else { (pause * 2).min(RECONNECT_MAX) };
        tokio::time::sleep(pause).await;
    }
}

async fn follow_once(
    shared: &Shared,
    mut log: LogServiceClient<Channel>,
) -> Result<std::convert::Infallible, Ended> {
    let newest = shared.newest();
    let (mut lines, requests) = mpsc::channel(LINES);
    let begin = WitnessBegin {
        from_size: newest.as_ref().map_or(0, VerifiedCheckpoint::size),
        checkpoint: newest.map_or_else(Bytes::new, |newest| newest.note().to_vec().into()),
    };
    say(&mut lines, Say::Begin(begin)).await?;
    let opened = log.witness(requests).await;
    let mut stream = opened
        .map_err(|status| match tacit_wire::reason_of(&status) {
            Some(Reason::LogBehind) => Ended::Behind,
            Some(Reason::LogSealed) => Ended::Sealed,
            _ => Ended::Connection,
        })?
        .into_inner();
    loop {
        let Batch { checkpoints, cosigned } = together(&mut stream).await?;
        let line = {
            let mut growing = shared.grow().await;
            shared.receive(&mut growing, &checkpoints).await?
        };
        if let Some(line) = line {
            say(&mut lines, Say::Cosignature(line)).await?;
        }
        if let Some(note) = cosigned {
            // A coordinator that cannot be asked now is asked at the next note.
            if let Err(Reason::LogFrozen) = shared.hear(note).await {
                return Err(Ended::Refused(Reason::LogFrozen));
            }
        }
    }
}

async fn say(lines: &mut mpsc::Sender<WitnessRequest>, message: Say) -> Result<(), Ended> {
    lines.send(WitnessRequest { message: Some(message) }).await.map_err(|_| Ended::Connection)
}

/// Messages that came together: checkpoints, of which only the last may ask for a cosignature, and then perhaps what
/// a quorum stands behind.
#[derive(Default)]
struct Batch {
    checkpoints: Vec<StreamedCheckpoint>,
    cosigned: Option<Bytes>,
}

impl Batch {
    /// Takes a message; whether it is the last of its batch. A cosignature says "this is the newest that I have seen":
    /// what comes after a checkpoint that asks for one is looked at later.
    fn take(&mut self, message: WitnessResponse) -> bool {
        match message.message {
            Some(Hear::Checkpoint(checkpoint)) => {
                let last = checkpoint.cosign;
                self.checkpoints.push(checkpoint);
                last || self.checkpoints.len() == TOGETHER
            }
            Some(Hear::Cosigned(cosigned)) => {
                self.cosigned = Some(cosigned.checkpoint);
                true
            }
            // Of a newer version, and nothing that this one needs.
            None => false,
        }
    }
}

/// Waits for a message, and takes with it those that have arrived.
async fn together(stream: &mut Streaming<WitnessResponse>) -> Result<Batch, Ended> {
    let mut batch = Batch::default();
    let mut last = batch.take(stream.message().await.ok().flatten().ok_or(Ended::Connection)?);
    // Not a timeout of zero: the timer counts whole milliseconds, and permits wait for this checkpoint. The end of
    // the stream is found again by the next wait.
    while !last && let Some(Ok(Some(next))) = stream.message().now_or_never() {
        last = batch.take(next);
    }
    Ok(batch)
}

impl Shared {
    /// Proves each message against what stands before it and takes them all. If that is asked, makes the last durable and
    /// cosigns it.
    async fn receive(
        &self,
        growing: &mut Growing<'_>,
        messages: &[StreamedCheckpoint],
    ) -> Result<Option<WitnessCosignature>, Ended> {
        self.not_frozen().map_err(Ended::Refused)?;
        let mut newest = self.newest();
        let mut proven = Vec::with_capacity(messages.len());
        let mut last = None;
        for message in messages {
            let checkpoint = self.opener.open(&message.checkpoint).map_err(|_| Ended::Malformed)?;
            let proof = tacit_wire::chunks32("consistency", &message.consistency, 130)
                .map_err(|_| Ended::Malformed)?;
            match &newest {
                // What a permit brought meanwhile may be ahead of the stream, and then the stream's proof
                // starts from somewhere else.
                Some(newest) if message.from_size != newest.size() || checkpoint.size() <= newest.size() => {
                    self.take(growing, &proven);
                    proven.clear();
                    match self.recognize(&checkpoint).await {
                        Some(outcome) => outcome.map_err(Ended::Refused)?,
                        None => self
                            .ask(growing, &checkpoint, Brought::ByCoordinator)
                            .await
                            .map_err(Ended::Refused)?,
                    }
                }
                Some(newest) => {
                    self.prove(&checkpoint, newest, &proof, Brought::ByCoordinator)
                        .await
                        .map_err(Ended::Refused)?;
                    proven.push(checkpoint.clone());
                }
                None => proven.push(checkpoint.clone()),
            }
            if checkpoint.size() > newest.as_ref().map_or(0, VerifiedCheckpoint::size) {
                newest = Some(checkpoint.clone());
            }
            last = message.cosign.then_some(checkpoint);
        }
        self.take(growing, &proven);
        let Some(last) = last else { return Ok(None) };
        self.persist(growing).await.map_err(Ended::Refused)?;
        Ok(self.cosign(&last))
    }

    /// The cosignature of a checkpoint that is durable here; only of the largest one, which is what it says.
    fn cosign(&self, checkpoint: &VerifiedCheckpoint) -> Option<WitnessCosignature> {
        let size = checkpoint.size();
        let is_newest =
            self.newest().is_some_and(|newest| newest.size() == size && newest.root() == checkpoint.root());
        if !is_newest || self.restored.borrow().is_some() || self.not_frozen().is_err() {
            return None;
        }
        self.was_asked(size);
        Some(WitnessCosignature { size, line: self.sign(checkpoint)? })
    }

    /// The cosignature line, now.
    pub(crate) fn sign(&self, checkpoint: &VerifiedCheckpoint) -> Option<String> {
        metrics::counter!("tacit_witness_cosigned_total").increment(1);
        // Only a clock beyond the year 290,000,000 would be refused.
        self.signer.cosign(checkpoint, self.clock.now().0 / 1000).ok()
    }
}
