//! Where an authority gets pseudonyms and chains from: the custodian and the coordinator, behind one seam.

use std::{collections::HashSet, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use tacit_client::{
    ChainFinding, ClientError, ConsentAuthority, KnownChain, LetterFault, OpenedLetter, Pseudonym, ReadChain,
    SealedLetter, SubjectLog,
};
use tacit_model::{MemberId, SubjectCode};
use tacit_policy::Registry;

/// A chain that is wanted from where it was read before.
#[derive(Clone)]
pub struct Wanted {
    /// T.
    pub pseudonym: [u8; 32],
    /// The user's pseudonyms of other epochs for the same requester: records may open under these too.
    pub others: Vec<[u8; 32]>,
    /// How far it was read and verified.
    pub known: KnownChain,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wanted(..)")
    }
}

/// What came of one chain.
pub type ReadLog = Result<SubjectLog, ChainFinding>;

/// Whom an authority asks.
pub trait Source: Send + Sync + 'static {
    /// Every member that asks, with each of its pseudonym epochs whose key is published, by name and epoch.
    fn requesters(&self) -> Vec<(MemberId, u32)>;

    /// Pseudonyms of subjects for a requester in one of its epochs, each in its place.
    fn pseudonyms(
        &self,
        requester: MemberId,
        epoch: u32,
        subjects: Vec<SubjectCode>,
    ) -> BoxFuture<'_, Result<Vec<Pseudonym>, ClientError>>;

    /// Up to 1024 chains in one reading, in this order, each verified from where it was known.
    fn read(&self, chains: Vec<Wanted>) -> BoxFuture<'_, Result<Vec<ReadLog>, ClientError>>;

    /// Opens a letter that a chain has, and verifies that its sender signed it.
    fn open_letter(&self, letter: &SealedLetter) -> Result<OpenedLetter, LetterFault>;

    /// The registry in use.
    fn registry(&self) -> Arc<Registry>;
}

impl Source for ConsentAuthority {
    fn requesters(&self) -> Vec<(MemberId, u32)> {
        requesters(&self.registry())
    }

    fn pseudonyms(
        &self,
        requester: MemberId,
        epoch: u32,
        subjects: Vec<SubjectCode>,
    ) -> BoxFuture<'_, Result<Vec<Pseudonym>, ClientError>> {
        async move { self.pseudonyms_in(&requester, epoch, &subjects).await }.boxed()
    }

    fn read(&self, chains: Vec<Wanted>) -> BoxFuture<'_, Result<Vec<ReadLog>, ClientError>> {
        async move {
            let subject_chains = self.chains();
            let subjects: Vec<_> = chains.iter().map(|it| (it.pseudonym, it.known.records)).collect();
            let came = subject_chains.read_many(&subjects).await?;
            // Nothing is taken from under a checkpoint that no quorum stands behind.
            let mut accepted = HashSet::new();
            for note in came.iter().filter_map(checkpoint) {
                if accepted.insert(note.to_vec()) {
                    self.accept(note).await?;
                }
            }
            let verified = tokio::task::spawn_blocking(move || {
                let verify = |(wanted, chain): (&Wanted, &ReadChain)| {
                    subject_chains.verify_among(&wanted.pseudonym, &wanted.others, chain, wanted.known)
                };
                chains.iter().zip(&came).map(verify).collect()
            });
            verified.await.map_err(|error| {
                tracing::error!(%error, "a worker ended early");
                ClientError::Worker
            })
        }
        .boxed()
    }

    fn open_letter(&self, letter: &SealedLetter) -> Result<OpenedLetter, LetterFault> {
        Self::open_letter(self, letter)
    }

    fn registry(&self) -> Arc<Registry> {
        Self::registry(self)
    }
}

/// The members that ask, by name and epoch: what is on record from before a rotation stands under the earlier ones.
fn requesters(registry: &Arc<Registry>) -> Vec<(MemberId, u32)> {
    let epochs = |(id, newest): (&MemberId, u32)| {
        let mut epochs = registry.pseudonym_epochs(id);
        // Who joined and whose key the custodian has not published yet waits for it, and holds nobody up.
        epochs.retain(|epoch| *epoch <= newest);
        epochs.into_iter().map(|epoch| (id.clone(), epoch)).collect::<Vec<_>>()
    };
    let asking = registry.members().filter_map(|member| Some((&member.id, member.pseudonym_epoch?)));
    let mut asking: Vec<_> = asking.flat_map(epochs).collect();
    asking.sort();
    asking
}

fn checkpoint(chain: &ReadChain) -> Option<&[u8]> {
    Some(chain.0.first()?.statement.as_ref()?.checkpoint.as_ref())
}
