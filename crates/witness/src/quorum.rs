//! The quorum: what more than half of the witnesses stand behind, and whether that is recent enough to decide by.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tacit_ledger::{
    cosignature::CosignatureVerifier,
    quorum::{CosignedCheckpoint, WitnessSet},
};
use tacit_model::{
    Clock as _, Millis, Reason,
    told::{Needed, Reading, Said, Told, Verdict},
};

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

/// How far the clock may be from what the other witnesses say, in milliseconds.
const MOST_MS: u64 = 60_000;

/// Sizes of the log of which is remembered when they were cosigned here.
const ASKED: usize = 256;

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
    /// When, by the steady clock.
    pub(crate) at: u64,
}

/// What the other witnesses said of the time.
#[derive(Default)]
pub(crate) struct Times {
    told: Told,
    /// By size of the log, when it was first cosigned here, by the steady clock.
    asked: BTreeMap<u64, u64>,
}

impl Witness {
    /// Counts the cosignatures of these witnesses from now on: those that the registry in force names.
    pub async fn set_witnesses(&self, witnesses: WitnessSet) {
        let witnesses = Arc::new(witnesses);
        let (note, at) = {
            let mut heard = self.shared.heard();
            if heard.witnesses.as_ref() == Some(&witnesses) {
                return;
            }
            heard.witnesses = Some(witnesses);
            (heard.note.clone(), heard.at)
        };
        self.shared.quorum.send_replace(None);
        // A coordinator that cannot be asked now is asked at the next note.
        let _ = self.shared.look(&note, at).await;
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

    /// The time by the clock here, read once; none while it is not what the other witnesses say, or has jumped: nothing
    /// that lasts may be done by it then.
    #[must_use]
    pub fn right_time(&self) -> Option<Millis> {
        self.shared.right_time()
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
        let at = self.clock.steady();
        {
            let mut heard = self.heard();
            (heard.note, heard.at) = (note.clone(), at);
        }
        let known = self.quorum.borrow().as_ref().map(|known| known.time_s());
        if known.is_some_and(|time_s| self.now_s().abs_diff(time_s) < LOOK_EVERY_S) {
            return Ok(());
        }
        self.look(&note, at).await
    }

    /// Counts the cosignatures of a note that came then, by the steady clock, and compares it with the view.
    async fn look(&self, note: &[u8], at: u64) -> Result<(), Reason> {
        let Some(witnesses) = self.heard().witnesses.clone() else { return Ok(()) };
        if note.is_empty() {
            return Ok(());
        }
        self.hear_times(&witnesses, note, at);
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

    /// What the other witnesses say of the time in a note that came then, by the steady clock.
    fn hear_times(&self, witnesses: &WitnessSet, note: &[u8], at: u64) {
        let Ok((checkpoint, times)) = witnesses.times(note, self.opener.log()) else { return };
        let size = checkpoint.size();
        {
            let mut told = self.told();
            let asked = told.asked.get(&size).copied();
            for (time_s, name) in times {
                told.told.note(name, Said { time: Millis::from_secs(time_s), size, asked, heard: at });
            }
        }
        let reading = Reading::of(&self.clock);
        self.counted(|heard, needed, _| heard.told.confirm(needed, reading));
        metrics::gauge!("tacit_clock_off").set(if self.clock_is_off() { 1.0 } else { 0.0 });
    }

    /// Notes that a checkpoint of this size is cosigned here now, when it is the first time.
    pub(crate) fn was_asked(&self, size: u64) {
        let steady = self.clock.steady();
        let mut told = self.told();
        told.asked.entry(size).or_insert(steady);
        while told.asked.len() > ASKED {
            told.asked.pop_first();
        }
    }

    /// By the clock; none while too few of the other witnesses agree with it, or it has jumped.
    pub(crate) fn right_time(&self) -> Option<Millis> {
        self.read_right().map(|reading| reading.now)
    }

    /// The clock and [`Shared::time`] of the same moment; none as [`Shared::right_time`].
    pub(crate) fn right_times(&self) -> Option<(Millis, Millis)> {
        self.read_right().map(|reading| (reading.now, self.reached(reading)))
    }

    // The clock may be set between two readings: what is judged and what is used are the same one.
    fn read_right(&self) -> Option<Reading> {
        let reading = Reading::of(&self.clock);
        let verdict = self.counted(|heard, needed, _| heard.told.verdict(needed, reading));
        (verdict != Verdict::Off).then_some(reading)
    }

    /// Whether too few of the other witnesses agree with the clock here, or it has jumped.
    pub(crate) fn clock_is_off(&self) -> bool {
        self.right_time().is_none()
    }

    /// The time here: by the clock, and never behind what the witnesses have reached for sure.
    pub(crate) fn time(&self) -> Millis {
        self.reached(Reading::of(&self.clock))
    }

    fn reached(&self, Reading { now, steady }: Reading) -> Millis {
        let reached = |heard: &mut Times, needed: Needed<'_>, is_one: bool| {
            heard.told.at_least(needed, is_one.then_some(now), steady)
        };
        now.max(self.counted(reached))
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was told, which others have to agree, and whether this member is a witness itself.
    fn counted<T>(&self, with: impl FnOnce(&mut Times, Needed<'_>, bool) -> T) -> T {
        let set = self.heard().witnesses.clone();
        let own = self.signer.verifier().name();
        let all = set.iter().flat_map(|set| set.iter()).map(CosignatureVerifier::name);
        let others: Vec<&str> = all.filter(|name| *name != own).collect();
        // It makes a quorum with those who agree, where it is a witness itself.
        let is_one = set.as_ref().is_some_and(|set| set.witness(own).is_some());
        let count = set.as_ref().map_or(0, |set| set.quorum()) - usize::from(is_one);
        with(&mut self.told(), Needed { of: &others, count, most_ms: MOST_MS }, is_one)
    }

    /// Whether anything may be decided here now. Who comes while the quorum's cosignatures are just being renewed
    /// waits for them a moment.
    pub(crate) async fn may_decide(&self) -> Result<(), Reason> {
        let stopped = self.stopped(self.quorum.borrow().as_deref());
        if !matches!(stopped, Err(Reason::QuorumStale | Reason::ClockOff)) {
            return stopped;
        }
        // The pause between two looks must not hide a note that is fresh.
        let (note, at) = {
            let heard = self.heard();
            (heard.note.clone(), heard.at)
        };
        self.look(&note, at).await?;
        let stopped = self.stopped(self.quorum.borrow().as_deref());
        if stopped != Err(Reason::QuorumStale) {
            return stopped;
        }
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
        if self.clock_is_off() {
            return Err(Reason::ClockOff);
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
