//! Whose cosignatures make a quorum: every holder, and the custodian.

use tacit_ledger::{
    cosignature::CosignatureVerifier,
    note::NoteError,
    quorum::{WitnessSet, WitnessSetError},
};
use tacit_model::MemberId;

use super::{Registry, entry::Role};

/// Why a registry names no quorum of witnesses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWitnesses {
    /// A holder, or the custodian, shows no key for cosignatures.
    #[error("the registry shows no `witness` key of `{0}`, which is a holder or the custodian")]
    NoKey(MemberId),
    /// The key has no name that a note can carry.
    #[error(transparent)]
    Name(#[from] NoteError),
    /// They are none, or two share a key.
    #[error(transparent)]
    Set(#[from] WitnessSetError),
}

impl Registry {
    /// The witnesses of the log under this version: every holder, and the custodian. More than half of them are a
    /// quorum, so one without a key would make it weaker than it looks.
    ///
    /// # Errors
    /// [`NoWitnesses`].
    pub fn witnesses(&self) -> Result<WitnessSet, NoWitnesses> {
        let named = self.members().filter(|it| it.has(Role::Holder) || it.id == *self.custodian());
        let keys = named.map(|member| {
            let key = member.keys.witness.ok_or_else(|| NoWitnesses::NoKey(member.id.clone()))?;
            Ok(CosignatureVerifier::new(&format!("{}/witness", member.id), key.0)?)
        });
        Ok(WitnessSet::new(keys.collect::<Result<Vec<_>, NoWitnesses>>()?)?)
    }
}
