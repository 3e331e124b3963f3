//! The quorum: what more than half of the witnesses stand behind, and whether that is recent enough to decide by.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tacit_ledger::quorum::{CosignedCheckpoint, WitnessSet};
use tacit_model::{Millis, Reason};

use crate::{
    Shared, Witness,
    grow::{Brought, STREAM_PATIENCE},
};

/// How long the newest known quorum stays without looking at newer ones, in seconds: a look is a signature
/// verification for each witness.
const LOOK_EVERY_S: u64 = 5;

/// How long a call waits for the first quorum after a start, which comes with the stream.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// How long a member that was restored from a backup answers nothing and cosigns nothing, in milliseconds.
const RESTORED_MS: u64 = 120_000;

/// What a member knows of its own standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Size of the newest checkpoint that was verified here, in records; 0 when there is none.
    pub size: u64,
    /// Size of the newest one that a quorum stands behind, and when it did, in seconds since 1970-01-01T00:00:00Z.
    pub quorum: Option<(u64, u64)>,
    /// Why it answers nothing now, if it does not.
    pub stopped: Option<Reason>,
}

/// What was heard of the quorum.
#[derive(Default)]
pub(crate) struct Heard {
    /// Whose cosignatures count.
    pub(crate) witnesses: Option<Arc<WitnessSet>>,
    /// The newest note that came.
    pub(crate) note: Bytes,
}

impl Witness {
    /// Counts the cosignatures of these witnesses from now on: those that the registry in force names.
    pub async fn set_witnesses(&self, witnesses: WitnessSet) {
        let witnesses = Arc::new(witnesses);
        let note = {
            let mut heard = self.shared.heard();
            if heard.witnesses.as_ref() == Some(&witnesses) {
                return;
            }
            heard.witnesses = Some(witnesses);
            heard.note.clone()
        };
        self.shared.quorum.send_replace(None);
        // A coordinator that cannot be asked now is asked at the next note.
        let _ = self.shared.look(&note).await;
    }

    /// The newest checkpoint with the cosignatures on it that came here, a signed note; empty when there is none.
    #[must_use]
    pub fn cosigned(&self) -> Bytes {
        self.shared.heard().note.clone()
    }

    /// Where this member stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let quorum = self.shared.quorum.borrow();
        Standing {
            size: *self.shared.size.borrow(),
            quorum: quorum.as_ref().map(|it| (it.checkpoint().size(), it.time_s())),
            stopped: self.shared.stopped(quorum.as_deref()).err(),
        }
    }

    /// The evidence on which this member froze, if it did.
    #[must_use]
    pub fn frozen(&self) -> Option<crate::evidence::Evidence> {
        self.shared.frozen.borrow().clone()
    }
}

impl Shared {
    // Every change under the lock is one assignment.
    pub(crate) fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> u64 {
        self.clock.now().0 / 1000
    }

    /// Takes a note with cosignatures from the coordinator.
    pub(crate) async fn hear(&self, note: Bytes) -> Result<(), Reason> {
        self.heard().note = note.clone();
        let known = self.quorum.borrow().as_ref().map(|known| known.time_s());
        if known.is_some_and(|time_s| self.now_s().abs_diff(time_s) < LOOK_EVERY_S) {
            return Ok(());
        }
        self.look(&note).await
    }

    /// Counts the cosignatures of a note, and compares it with the view.
    async fn look(&self, note: &[u8]) -> Result<(), Reason> {
        let Some(witnesses) = self.heard().witnesses.clone() else { return Ok(()) };
        if note.is_empty() {
            return Ok(());
        }
        let cosigned = match witnesses.open(note, self.opener.log(), self.now_s()) {
            Ok(cosigned) => cosigned,
            Err(error) => {
                tracing::warn!(%error, "what the coordinator says to be cosigned is not");
                return Ok(());
            }
        };
        self.agree(cosigned.checkpoint(), Brought::ByCoordinator).await?;
        metrics::gauge!("tacit_witness_quorum_time_seconds").set(cosigned.time_s() as f64);
        self.quorum.send_if_modified(|known| {
            let newer = known.as_ref().is_none_or(|known| {
                (known.time_s(), known.checkpoint().size())
                    < (cosigned.time_s(), cosigned.checkpoint().size())
            });
            if newer {
                *known = Some(Arc::new(cosigned));
            }
            newer
        });
        Ok(())
    }

    /// Whether anything may be decided here now. Who comes while the quorum's cosignatures are just being renewed
    /// waits for them a moment.
    pub(crate) async fn may_decide(&self) -> Result<(), Reason> {
        let stopped = self.stopped(self.quorum.borrow().as_deref());
        if stopped != Err(Reason::QuorumStale) {
            return stopped;
        }
        // The pause between two looks must not hide a note that is fresh.
        let note = self.heard().note.clone();
        self.look(&note).await?;
        let mut quorum = self.quorum.subscribe();
        let fresh = |quorum: &Option<Arc<CosignedCheckpoint>>| self.stopped(quorum.as_deref()).is_ok();
        let patience = if quorum.borrow().is_none() { FIRST_PATIENCE } else { STREAM_PATIENCE };
        let waited = tokio::time::timeout(patience, quorum.wait_for(fresh)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => self.stopped(self.quorum.borrow().as_deref()),
        }
    }

    fn stopped(&self, quorum: Option<&CosignedCheckpoint>) -> Result<(), Reason> {
        self.not_frozen()?;
        if self.restored.borrow().is_some() {
            return Err(Reason::LogBehind);
        }
        let fresh = quorum.is_some_and(|quorum| quorum.check_fresh(self.now_s()).is_ok());
        if fresh { Ok(()) } else { Err(Reason::QuorumStale) }
    }
}

/// How long a member restored at this time has to wait at least, in seconds, 1 or more.
pub(crate) fn still_waits_s(restored: Millis, now: Millis) -> u64 {
    RESTORED_MS.saturating_sub(now.since(restored)).div_ceil(1000).max(1)
}

/// Whether a member restored at this time may go on.
pub(crate) fn has_waited(restored: Millis, now: Millis) -> bool {
    now.since(restored) >= RESTORED_MS
}
