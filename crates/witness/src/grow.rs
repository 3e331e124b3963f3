//! How the view grows: what enters it was proven against what is in it.

use std::{sync::atomic::Ordering, time::Duration};

use tacit_ledger::{Hash, checkpoint::VerifiedCheckpoint, merkle::ProofError};
use tacit_model::Reason;
use tacit_store::{
    StoreError,
    witness::{self, Advanced, Stored},
};
use tacit_wire::coordinator::GetConsistencyRequest;
use tokio::sync::MutexGuard;

use crate::{Shared, evidence::Evidence, view::Known};

/// How long a permit waits for the stream to bring its checkpoint before the proof is asked for.
pub(crate) const STREAM_PATIENCE: Duration = Duration::from_millis(150);

/// Deadline of a request for a proof.
const PROOF_DEADLINE: Duration = Duration::from_secs(5);

/// How often another replica may have been first before this one gives up for now.
const ATTEMPTS: usize = 8;

/// The right to make the view grow.
pub(crate) type Growing<'a> = MutexGuard<'a, ()>;

/// Who brought a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// The coordinator itself, on its own channel: a proof that it serves for it and that does not hold is its own.
    ByCoordinator,
    /// Anybody else: what they say is only taken or refused.
    ByOther,
}

impl Shared {
    pub(crate) async fn grow(&self) -> Growing<'_> {
        self.growing.lock().await
    }

    /// Checks that a signed checkpoint agrees with the view, and takes it into the view.
    pub(crate) async fn agree(&self, checkpoint: &VerifiedCheckpoint, by: Brought) -> Result<(), Reason> {
        self.not_frozen()?;
        if let Some(outcome) = self.recognize(checkpoint).await {
            return outcome;
        }
        if checkpoint.size() > *self.size.borrow() {
            let mut size = self.size.subscribe();
            // Not having waited long enough is no error: the proof is asked for next.
            let _ =
                tokio::time::timeout(STREAM_PATIENCE, size.wait_for(|size| *size >= checkpoint.size())).await;
            if let Some(outcome) = self.recognize(checkpoint).await {
                return outcome;
            }
        }
        let unreached = self.unreached.load(Ordering::Relaxed);
        let mut growing = self.grow().await;
        match self.recognize(checkpoint).await {
            Some(outcome) => outcome,
            // Who waited while the coordinator could not be reached does not wait as long again.
            None if self.unreached.load(Ordering::Relaxed) != unreached => Err(Reason::LogBehind),
            None => self.ask(&mut growing, checkpoint, by).await,
        }
    }

    /// What the view says of a checkpoint, if it has one of its size. Another root under the log's signature is
    /// evidence, whoever brings it.
    pub(crate) async fn recognize(&self, checkpoint: &VerifiedCheckpoint) -> Option<Result<(), Reason>> {
        let known = self.view().knows(checkpoint);
        match known {
            Known::Yes => Some(Ok(())),
            Known::Contradicted(known) => Some(Err(self.freeze(&known, checkpoint, None).await)),
            Known::No => None,
        }
    }

    /// Asks the coordinator for the proof between this checkpoint and the newest one known here.
    pub(crate) async fn ask(
        &self,
        growing: &mut Growing<'_>,
        checkpoint: &VerifiedCheckpoint,
        by: Brought,
    ) -> Result<(), Reason> {
        let Some(newest) = self.newest() else {
            // Nothing was ever verified here: the first checkpoint is taken on the log's signature.
            self.take(growing, [checkpoint]);
            return Ok(());
        };
        if checkpoint.size() == 0 {
            // Its root is fixed, and every log begins with it.
            return Ok(());
        }
        self.ask_between(&newest, checkpoint, by).await?;
        self.take(growing, [checkpoint]);
        Ok(())
    }

    /// Asks the coordinator for the proof between two checkpoints, in whatever order, and verifies it.
    async fn ask_between(
        &self,
        one: &VerifiedCheckpoint,
        other: &VerifiedCheckpoint,
        by: Brought,
    ) -> Result<(), Reason> {
        let (older, newer) = if one.size() <= other.size() { (one, other) } else { (other, one) };
        metrics::counter!("tacit_witness_proofs_asked_total").increment(1);
        let asked = GetConsistencyRequest { from_size: older.size(), to_size: newer.size() };
        let mut request = tonic::Request::new(asked);
        request.set_timeout(PROOF_DEADLINE);
        // The deadline is also kept here: a coordinator that does not answer must not hold the view for ever.
        let asked = tokio::time::timeout(PROOF_DEADLINE, self.log.clone().get_consistency(request)).await;
        let response = match asked {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                tracing::warn!(%status, "no consistency proof from the coordinator");
                if tacit_wire::reason_of(&status).is_none() {
                    self.unreached.fetch_add(1, Ordering::Relaxed);
                }
                return Err(Reason::LogBehind);
            }
            Err(_) => {
                tracing::warn!("no consistency proof from the coordinator in time");
                self.unreached.fetch_add(1, Ordering::Relaxed);
                return Err(Reason::LogBehind);
            }
        };
        let proof = tacit_wire::chunks32("consistency", &response.consistency, 130)
            .map_err(|_| Reason::LogInconsistent)?;
        self.prove(newer, older, &proof, by).await
    }

    /// Whether `newer` begins with `older`, which is not empty. A false proof of the coordinator's own is a reason to
    /// stop; one of another length than the sizes need proves nothing either way.
    pub(crate) async fn prove(
        &self,
        newer: &VerifiedCheckpoint,
        older: &VerifiedCheckpoint,
        proof: &[Hash],
        by: Brought,
    ) -> Result<(), Reason> {
        let Err(error) = newer.verify_extends(older, proof) else { return Ok(()) };
        metrics::counter!("tacit_witness_contradictions_total").increment(1);
        tracing::error!(
            %error, older = older.size(), newer = newer.size(), ?by, "ALARM: the log is not consistent"
        );
        match (error, by) {
            (ProofError::Fork, _) => Err(self.freeze(older, newer, None).await),
            (ProofError::RootMismatch | ProofError::OldRootMismatch, Brought::ByCoordinator) => {
                Err(self.freeze(older, newer, Some(proof)).await)
            }
            _ => Err(Reason::LogInconsistent),
        }
    }

    /// Takes checkpoints that were proven to agree with the view into it, ascending by size: everybody sees them, with
    /// the log's signature alone. Anybody can add to a note, and each is kept.
    pub(crate) fn take<'c>(
        &self,
        _growing: &mut Growing<'_>,
        proven: impl IntoIterator<Item = &'c VerifiedCheckpoint>,
    ) {
        let now = self.clock.now();
        let mut view = self.view();
        proven.into_iter().for_each(|checkpoint| view.adopt(checkpoint.bare(self.opener.log()), now));
        let newest = view.newest().map_or(0, VerifiedCheckpoint::size);
        drop(view);
        self.size.send_if_modified(|size| {
            let grown = newest > *size;
            *size = newest.max(*size);
            grown
        });
    }

    /// Makes the newest checkpoint of the view durable, unless another replica of this member has stored one that is
    /// further: then that one is compared with the view, and enters it.
    pub(crate) async fn persist(&self, growing: &mut Growing<'_>) -> Result<(), Reason> {
        let failed = |error: StoreError| {
            tracing::error!(%error, "the verified checkpoint could not be saved");
            Reason::Unavailable
        };
        let Some(new) = self.newest() else { return Ok(()) };
        let mut stored = self.stored.lock().await;
        for _ in 0..ATTEMPTS {
            if stored.is_some_and(|(size, _)| size >= new.size()) {
                return Ok(());
            }
            let mut conn = self.db.write().await.map_err(failed)?;
            let advanced = witness::advance(&mut conn, stored.as_ref(), &new).await.map_err(failed)?;
            drop(conn);
            let note = match advanced {
                Advanced::Done => {
                    self.saved(&mut stored, &new);
                    continue;
                }
                Advanced::Frozen => {
                    self.learn_of_freeze().await.map_err(failed)?;
                    return Err(Reason::LogFrozen);
                }
                Advanced::Other(note) => note,
            };
            let other = self.opener.open(&note).map_err(|_| {
                failed(StoreError::corrupt("witness_state", "note", 1, "does not verify under the log's key"))
            })?;
            match self.recognize(&other).await {
                Some(outcome) => outcome?,
                None => self.ask_between(&other, &new, Brought::ByCoordinator).await?,
            }
            // It was read; it must also be there to stay before anything rests on it.
            self.db.settle().await.map_err(failed)?;
            self.saved(&mut stored, &other);
            self.take(growing, [&other]);
        }
        Err(Reason::Unavailable)
    }

    /// This checkpoint stands in the database now, durably.
    pub(crate) fn saved(&self, stored: &mut Option<Stored>, checkpoint: &VerifiedCheckpoint) {
        *stored = Some((checkpoint.size(), *checkpoint.root()));
        self.durable.store(checkpoint.size(), Ordering::Release);
    }

    /// Another replica of this member froze.
    pub(crate) async fn learn_of_freeze(&self) -> Result<(), StoreError> {
        self.frozen.send_replace(crate::evidence::load(&self.db).await?);
        Ok(())
    }

    pub(crate) fn not_frozen(&self) -> Result<(), Reason> {
        if self.frozen.borrow().is_some() { Err(Reason::LogFrozen) } else { Ok(()) }
    }

    /// Stops for good, and keeps why: two checkpoints, with the false proof if they are of different sizes.
    pub(crate) async fn freeze(
        &self,
        first: &VerifiedCheckpoint,
        second: &VerifiedCheckpoint,
        proof: Option<&[Hash]>,
    ) -> Reason {
        let evidence = Evidence::new(first, second, proof, self.clock.now());
        metrics::counter!("tacit_witness_contradictions_total").increment(1);
        metrics::gauge!("tacit_witness_frozen").set(1.0);
        tracing::error!(
            first = first.size(),
            second = second.size(),
            "ALARM: the log was forked; nothing is answered or cosigned any more. `tacit log evidence` shows the proof"
        );
        // In force before it is durable: a disk that fails must not have this member go on.
        let row = evidence.to_row();
        self.frozen.send_replace(Some(evidence));
        let stored = async {
            let mut conn = self.db.write().await?;
            witness::store_freeze(&mut conn, &row).await
        };
        if let Err(error) = stored.await {
            tracing::error!(%error, "the evidence could not be saved");
        }
        Reason::LogFrozen
    }
}
