//! The key of one list and epoch. What it does for others needs the proof that permission and record were checked:
//! [`ListSecret::answer`] takes [`Recorded`] values, and only [`super::used`] makes those, of [`super::permit::Permit`]s.

use rand_core::CryptoRng;
use tacit_blind::BlindError;
use tacit_blind::evaluate::{PermittedQuery, evaluate};
use tacit_blind::oprf::{DleqProof, ListKey};
use tacit_model::ListId;

use super::used::Recorded;

/// The secret of a list epoch. Wiped when the last reference goes; nothing is shown of it.
pub(super) struct ListSecret {
    key: ListKey,
}

impl std::fmt::Debug for ListSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListSecret(..)")
    }
}

impl ListSecret {
    pub(super) fn derive(seed: &[u8; 32], list: &ListId, epoch: u64) -> Result<Self, BlindError> {
        Ok(Self { key: ListKey::derive(seed, list, epoch)? })
    }

    /// The public key, for the manifest.
    pub(super) fn public(&self) -> [u8; 32] {
        self.key.public().encode()
    }

    /// Outputs for the holder's own records, to seal them.
    pub(super) fn outputs<I: AsRef<[u8]>>(&self, inputs: &[I]) -> Result<Vec<[u8; 64]>, BlindError> {
        self.key.outputs_for_subjects(inputs)
    }

    /// The answers to queries whose permits were accepted and are durably recorded, in order, and one proof for all.
    pub(super) fn answer(
        &self,
        asked: &[&Recorded],
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<[u8; 32]>, DleqProof), BlindError> {
        let queries: Vec<PermittedQuery> = asked.iter().map(|recorded| *recorded.permit().query()).collect();
        evaluate(&self.key, &queries, rng)
    }
}
