//! The private keys of a new federation: seeds, one file each.

use std::{collections::BTreeMap, path::Path};

use rand_core::CryptoRng;
use tacit_blind::{BlindError, audit_box::AuditorSecretKey, letter::LetterSecretKey, oprf::PseudonymKey};
use tacit_identity::{FileError, write_private};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::{
    Ed25519Key, PublicKey,
    registry::entry::{MemberKeys, Role},
};
use zeroize::Zeroizing;

use crate::sample::{Sample, SampleMember};

/// What a seed is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Entries of the registry, requests, consents.
    Signing,
    /// List manifests.
    Manifest,
    /// Cosignatures on the log's checkpoints.
    Witness,
    /// The log's checkpoints.
    Log,
    /// Audit boxes (X25519).
    Box,
    /// Pseudonym keys, epoch 1.
    Pseudonym,
    /// What a requester keeps about its questions, and an authority about its users.
    Store,
    /// What an authority derives its blinds from.
    Blind,
    /// Letters (X25519).
    Letters,
}

impl Use {
    /// The name of the file in `keys/`.
    #[must_use]
    pub fn file(self, member: &MemberId) -> String {
        match self {
            Self::Signing => format!("{member}-signing.seed"),
            Self::Manifest => format!("{member}-manifest.seed"),
            Self::Witness => format!("{member}-witness.seed"),
            Self::Log => format!("{member}-log.seed"),
            Self::Box => format!("{member}-box.seed"),
            Self::Pseudonym => format!("{member}-pseudonym-{}.seed", super::PSEUDONYM_EPOCH),
            Self::Store => format!("{member}-store.key"),
            Self::Blind => format!("{member}-blind.key"),
            Self::Letters => format!("{member}-letters.seed"),
        }
    }

    /// The keys that a member of a sample needs.
    fn of(sample: &Sample, member: &SampleMember) -> Vec<Self> {
        let mut uses = vec![Self::Signing];
        for role in &member.roles {
            uses.extend_from_slice(match role {
                Role::Holder => &[Self::Manifest, Self::Witness],
                Role::Requester => &[Self::Store],
                Role::Custodian => &[Self::Pseudonym, Self::Witness],
                Role::Coordinator => &[Self::Log],
                Role::Auditor if sample.holds_box_key(&member.id) => &[Self::Box],
                Role::Auditor => &[],
                Role::Authority => &[Self::Blind, Self::Store],
            });
        }
        uses
    }

    /// What a member needs besides to write and get letters.
    fn of_letters(member: &SampleMember) -> &'static [Self] {
        let corresponds = [Role::Holder, Role::Requester, Role::Authority];
        if corresponds.into_iter().any(|role| member.has(role)) { &[Self::Store, Self::Letters] } else { &[] }
    }
}

fn seed(rng: &mut impl CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    seed
}

/// All seeds. Wiped on drop; `Debug` shows none.
pub(super) struct Seeds(BTreeMap<(MemberId, Use), Zeroizing<[u8; 32]>>);

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Seeds {
    pub(super) fn draw(sample: &Sample, rng: &mut impl CryptoRng) -> Self {
        let mut seeds = BTreeMap::new();
        for member in &sample.member {
            for usage in Use::of(sample, member) {
                seeds.insert((member.id.clone(), usage), seed(rng));
            }
        }
        // After the others, so that from one seed these stay what they were.
        for member in &sample.member {
            for usage in Use::of_letters(member) {
                seeds.entry((member.id.clone(), *usage)).or_insert_with(|| seed(rng));
            }
        }
        Self(seeds)
    }

    pub(super) fn has(&self, member: &MemberId, usage: Use) -> bool {
        self.0.contains_key(&(member.clone(), usage))
    }

    /// The Ed25519 key of a use. A seed that was not drawn would be all zeros; callers ask for what `Use::of` says.
    pub(super) fn ed25519(&self, member: &MemberId, usage: Use) -> SigningKey {
        match self.0.get(&(member.clone(), usage)) {
            Some(seed) => SigningKey::from_seed(seed),
            None => SigningKey::from_seed(&[0; 32]),
        }
    }

    /// The public half of the signing key.
    pub(super) fn signing(&self, member: &MemberId) -> Ed25519Key {
        Ed25519Key(self.ed25519(member, Use::Signing).verifying_key())
    }

    /// The public keys that a member's registry entry shows.
    pub(super) fn member_keys(&self, member: &MemberId) -> MemberKeys {
        let public =
            |usage| self.has(member, usage).then(|| Ed25519Key(self.ed25519(member, usage).verifying_key()));
        let boxes =
            self.0.get(&(member.clone(), Use::Box)).map(|seed| AuditorSecretKey::derive(seed).1.encode());
        let letters = self.0.get(&(member.clone(), Use::Letters)).map(|seed| LetterSecretKey::derive(seed));
        MemberKeys {
            signing: self.signing(member),
            changes: Vec::new(),
            manifest: public(Use::Manifest),
            witness: public(Use::Witness),
            log: public(Use::Log),
            boxes: boxes.into_iter().map(PublicKey).collect(),
            letters: letters.map(|(_, public)| PublicKey(public.encode())),
        }
    }

    /// The public pseudonym key of a requester in the first epoch.
    pub(super) fn pseudonym_key(
        &self,
        custodian: &MemberId,
        requester: &MemberId,
    ) -> Result<PublicKey, BlindError> {
        let seed = self.0.get(&(custodian.clone(), Use::Pseudonym)).map_or(&[0; 32], |seed| &**seed);
        let key = PseudonymKey::derive(seed, requester, super::PSEUDONYM_EPOCH)?;
        Ok(PublicKey(*key.public().as_bytes()))
    }

    /// Writes every seed as hexadecimal, mode 0600.
    pub(super) fn write(&self, folder: &Path) -> Result<(), FileError> {
        for ((member, usage), seed) in &self.0 {
            let mut text = Zeroizing::new(hex::encode(**seed));
            text.push('\n');
            write_private(&folder.join(usage.file(member)), text.as_bytes())?;
        }
        Ok(())
    }
}
