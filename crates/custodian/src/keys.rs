//! Pseudonym keys: one per requester and pseudonym epoch, derived from the epoch's seed (protocol section 2).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tacit_blind::oprf::PseudonymKey;
use tacit_identity::read_private;
use tacit_model::MemberId;
use tacit_policy::Registry;
use zeroize::Zeroizing;

use crate::config::SeedFile;
use crate::error::{RegistryTrouble, StartError};
use crate::store::permits::BatchSecret;

/// The 32 bytes in a file, which must be readable by its owner only; `key` is its place in the configuration.
pub(crate) fn read_seed(key: &'static str, file: &Path) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let text = read_private(file).map_err(|source| StartError::SeedFile { key, source })?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), seed.as_mut())
        .map_err(|_| StartError::SeedForm { key, path: file.to_owned() })?;
    Ok(seed)
}

/// The seeds, by pseudonym epoch. Wiped on drop; `Debug` shows the epochs only.
pub(crate) struct Seeds(BTreeMap<u32, Zeroizing<[u8; 32]>>);

impl Seeds {
    /// Reads the seed files; each must be readable by its owner only.
    pub(crate) fn load(files: &[SeedFile]) -> Result<Self, StartError> {
        let mut seeds = BTreeMap::new();
        for SeedFile { epoch, file } in files {
            let seed = read_seed("pseudonym_seeds", file)?;
            if seeds.insert(*epoch, seed).is_some() {
                return Err(StartError::Seeds { problem: "two seeds of one epoch" });
            }
        }
        if seeds.is_empty() {
            return Err(StartError::Seeds { problem: "at least one is needed" });
        }
        Ok(Self(seeds))
    }

    /// The secret that keys the hashes of permit uses: from the newest seed.
    pub(crate) fn batch_secret(&self) -> BatchSecret {
        BatchSecret::derive(self.0.last_key_value().map_or(&[0; 32], |(_, seed)| seed))
    }

    /// The keys that the registry publishes, derived and compared. A published key of a requester's
    /// current epoch needs a seed.
    pub(crate) fn keys(&self, registry: &Registry) -> Result<Keys, RegistryTrouble> {
        let mut keys = HashMap::new();
        for member in registry.members() {
            if let Some(epoch) = member.pseudonym_epoch
                && !self.0.contains_key(&epoch)
                && registry.pseudonym_key(&member.id, epoch).is_some()
            {
                return Err(RegistryTrouble::NoSeed { requester: member.id.clone(), epoch });
            }
            for (&epoch, seed) in &self.0 {
                let Some(published) = registry.pseudonym_key(&member.id, epoch) else { continue };
                let key = PseudonymKey::derive(seed, &member.id, epoch)?;
                if key.public().as_bytes() != &published.0 {
                    return Err(RegistryTrouble::KeyDiffers { requester: member.id.clone(), epoch });
                }
                keys.insert((member.id.clone(), epoch), Arc::new(key));
            }
        }
        Ok(Keys(keys))
    }
}

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The keys in use: exactly those that the registry publishes.
#[derive(Debug)]
pub(crate) struct Keys(HashMap<(MemberId, u32), Arc<PseudonymKey>>);

impl Keys {
    /// The key of a requester in an epoch, if it is published.
    pub(crate) fn get(&self, requester: &MemberId, epoch: u32) -> Option<Arc<PseudonymKey>> {
        self.0.get(&(requester.clone(), epoch)).cloned()
    }
}
