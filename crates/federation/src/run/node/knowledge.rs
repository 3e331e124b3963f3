//! What a requester's node knows of the log, and since when: its status is told from here, and asks nobody.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tacit_client::LogReader;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{Clock, Millis};

/// How often the coordinator is asked for its newest checkpoint.
const EVERY: Duration = Duration::from_secs(10);

/// The newest checkpoint that was verified, and when the coordinator was asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) log_size: u64,
    pub(super) as_of: Millis,
}

/// What is known. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Knowledge(Arc<Mutex<Option<Known>>>);

impl Knowledge {
    /// The newest, once the coordinator has answered.
    pub(super) fn get(&self) -> Option<Known> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, known: Known) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Learns, for ever: run it as a task. Each checkpoint must extend the one before.
    pub(super) async fn follow(self, log: LogReader, clock: Arc<dyn Clock>) {
        let mut newest: Option<VerifiedCheckpoint> = None;
        loop {
            // Before the answer, so that what is known is never younger than it says.
            let as_of = clock.now();
            let answer = match &newest {
                Some(older) => log.extends(older).await,
                None => log.checkpoint().await,
            };
            match answer {
                Ok(checkpoint) => {
                    self.learn(Known { log_size: checkpoint.size(), as_of });
                    newest = Some(checkpoint);
                }
                Err(error) => {
                    tracing::warn!(%error, reason = %error.reason(), "the newest checkpoint is not known");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
