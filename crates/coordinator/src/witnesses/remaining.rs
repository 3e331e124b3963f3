//! What stands behind the log while its quorum is lost: those whom a recovery version leaves.

use tacit_ledger::quorum::CosignedCheckpoint;
use tacit_model::{
    Reason,
    told::{Reading, Verdict},
};
use tacit_policy::registry::recovery::Backing;

use super::Witnesses;

/// How many of the newest marked checkpoints are looked at.
const LOOKED_AT: usize = 8;

impl Witnesses {
    /// The newest marked checkpoint of more than `index` records that all stand behind who are needed. What is marked was
    /// cosigned since this process started.
    pub(crate) fn backed(&self, index: u64, backing: &Backing) -> Option<CosignedCheckpoint> {
        let notes: Vec<Vec<u8>> = {
            let rounds = self.rounds();
            let beyond = rounds.iter().rev().take_while(|(size, _)| **size > index);
            let cosigned = beyond.map(|(_, round)| round).filter(|round| !round.lines.is_empty());
            cosigned.take(LOOKED_AT).map(super::Round::note).collect()
        };
        let now_s = self.now().0 / 1000;
        notes.iter().find_map(|note| backing.open(note, &self.log_key, now_s).ok())
    }

    /// Whether a recovery version may be appended, without the quorum that it is there to replace: those who remain have
    /// confirmed the log since the start, not long ago, and agree with the clock.
    ///
    /// # Errors
    /// As [`Witnesses::may_append`].
    pub(crate) fn may_recover(&self, backing: &Backing) -> Result<(), Reason> {
        if self.is_sealed() {
            return Err(Reason::LogSealed);
        }
        let confirmed = self.backed(0, backing);
        if confirmed.is_none_or(|it| it.check_fresh(self.now().0 / 1000).is_err()) {
            self.want();
            return Err(Reason::QuorumStale);
        }
        match self.verdict_of(backing.witnesses(), Reading::of(&self.clock)) {
            Verdict::Agrees => Ok(()),
            Verdict::Off => Err(Reason::ClockOff),
            Verdict::Unknown => Err(Reason::QuorumStale),
        }
    }
}
