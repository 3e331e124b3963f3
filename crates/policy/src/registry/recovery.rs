//! The way out of a lost quorum: a version that removes members from the one in force, and nothing else.
//!
//! ```text
//! version in force, less some members ─▶ signed by the coordinator ─▶ countersigned by the custodian and every auditor
//!      ─▶ its record is in the log ─▶ the custodian and more than half of the holders that REMAIN cosigned that
//!      ─▶ in force
//! ```
//!
//! More than half of the holders that remain, with the custodian, are always a quorum of the version that follows. Whether
//! the quorum of the version in force is lost is nothing that a program can know: whoever countersigns answers for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tacit_ledger::{
    note::NoteVerifier,
    quorum::{AHEAD_S, CosignedCheckpoint, QuorumError, WitnessSet},
};
use tacit_model::{MemberId, Ulid};

use super::{
    Body, NoWitnesses, Pins, Registry, Unfinished,
    check::{Checked, count, once},
    entry::{Agreement, Entry, Role},
    error::{At, RegistryError, RegistryProblem as Problem},
    signed::{Signed, Signer},
    text,
    versions::{Lineage, NotNext},
};
use crate::keys::Ed25519Key;

/// What custodian and auditors sign of a recovery version: this, then the exact body text.
pub const RECOVERY_DOMAIN: &[u8] = b"tacit/v1/registry-recovery";

/// Most members that one recovery version removes.
const MOST: usize = 10_000;

/// What a recovery version says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Hash of the version in force that it follows.
    #[serde(with = "text::hash")]
    pub after: [u8; 32],
    /// Who is removed, ascending by name.
    pub removed: Vec<MemberId>,
}

/// Whether a file says that it is a recovery version; nothing else of it is looked at.
#[must_use]
pub fn is_recovery(file: &[u8]) -> bool {
    let outer: Option<Signed> = serde_json::from_slice(file).ok();
    let body: Option<Body> = outer.and_then(|outer| serde_json::from_str(&outer.body).ok());
    body.is_some_and(|body| body.recovery.is_some())
}

/// An entry as it stands in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// In few words.
    name: String,
    /// The members that it cannot stand without.
    on: Vec<MemberId>,
}

/// Entries with their signatures, by what tells them apart to the byte.
pub(super) type Standings = BTreeMap<[u8; 32], Standing>;

/// What an entry is, to the byte of its text and signatures.
pub(super) fn fingerprint(signed: &Signed) -> Result<[u8; 32], RegistryError> {
    let bytes = serde_json::to_vec(signed).map_err(|source| Problem::Json { source }).at("entry")?;
    Ok(*blake3::hash(&bytes).as_bytes())
}

/// An entry's standing among these agreements.
pub(super) fn standing(entry: &Entry, agreements: &BTreeMap<Ulid, Agreement>) -> Standing {
    Standing { name: super::draft::name(entry), on: stands_on(entry, agreements) }
}

/// The members that an entry cannot stand without.
pub(super) fn stands_on(entry: &Entry, agreements: &BTreeMap<Ulid, Agreement>) -> Vec<MemberId> {
    match entry {
        Entry::Member(it) => vec![it.id.clone()],
        Entry::List(it) => vec![it.id.holder_id()],
        Entry::Agreement(it) => vec![it.holder.clone(), it.requester.clone()],
        Entry::AgreementEnd(it) => match agreements.get(&it.agreement) {
            Some(agreement) => vec![agreement.holder.clone(), agreement.requester.clone()],
            None => vec![it.member.clone()],
        },
        Entry::PseudonymKey(it) => vec![it.requester.clone()],
        Entry::Act(_) | Entry::Purpose(_) | Entry::Scheme(_) | Entry::Category(_) | Entry::Rule(_) => {
            Vec::new()
        }
    }
}

/// What can be checked of a recovery version by itself.
pub(super) fn check(recovery: &Recovery, registry: &Registry) -> Checked {
    count(recovery.removed.len(), 1..=MOST, "recovery.removed")?;
    for (i, member) in recovery.removed.iter().enumerate() {
        let rises =
            i.checked_sub(1).and_then(|before| recovery.removed.get(before)).is_none_or(|it| it < member);
        once(rises, member, format_args!("recovery.removed[{i}]"))?;
        if registry.member(member).is_some() {
            return Err(Problem::NotRemoved { member: member.clone() })
                .at(format_args!("recovery.removed[{i}]"));
        }
    }
    if registry.auditors().next().is_none() {
        return Err(Problem::NoAuditor).at("recovery");
    }
    Ok(())
}

/// The countersignatures on a version: each verifies, and they are by those who must, in order. Who is missing.
pub(super) fn countersigners(outer: &Signed, registry: &Registry) -> Result<Vec<MemberId>, RegistryError> {
    let needed: Vec<(&MemberId, Ed25519Key)> = registry.countersigners().collect();
    // One after the other: a file may go from hand to hand before it has them all.
    let mut present = Vec::new();
    let mut missing = Vec::new();
    let mut signed = outer.signers().skip(1).peekable();
    for (id, key) in needed {
        if signed.next_if(|signer| *signer == id).is_some() {
            present.push((id, key));
        } else {
            missing.push(id.clone());
        }
    }
    // What is left over is nobody's who must sign, or stands in another order: it is named there.
    outer.verify_from(1, RECOVERY_DOMAIN, &present, "registry")?;
    Ok(missing)
}

impl Registry {
    /// What it says of itself, when it is a recovery version.
    #[must_use]
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// All auditors, ascending by name.
    pub fn auditors(&self) -> impl Iterator<Item = &super::entry::Member> {
        self.members().filter(|it| it.has(Role::Auditor))
    }

    /// Who countersigns a recovery version that leaves these members: the custodian, then every auditor by name.
    fn countersigners(&self) -> impl Iterator<Item = (&MemberId, Ed25519Key)> {
        let custodian = self.member(&self.custodian);
        custodian.into_iter().chain(self.auditors()).map(|it| (&it.id, it.keys.signing))
    }

    /// Whether a recovery version may remove this member.
    ///
    /// # Errors
    /// [`NotRecovery::NoMember`], [`NotRecovery::Stays`].
    pub fn may_remove(&self, member: &MemberId) -> Result<(), NotRecovery> {
        let known = self.member(member).ok_or_else(|| NotRecovery::NoMember { member: member.clone() })?;
        let mut stays = [Role::Coordinator, Role::Custodian, Role::Auditor].into_iter();
        match stays.find(|role| known.has(*role)) {
            Some(role) => Err(NotRecovery::Stays { member: member.clone(), role }),
            None => Ok(()),
        }
    }

    /// Whether `next` is this version less the members that it removes, to the byte.
    pub(super) fn check_recovery(&self, recovery: &Recovery, next: &Self) -> Result<(), NotRecovery> {
        if recovery.after != self.hash {
            return Err(NotRecovery::After { known: self.number });
        }
        recovery.removed.iter().try_for_each(|member| self.may_remove(member))?;
        for (what, standing) in next.standings.iter() {
            if !self.standings.contains_key(what) {
                return Err(NotRecovery::Changed { entry: standing.name.clone() });
            }
        }
        for (what, standing) in self.standings.iter() {
            let falls = standing.on.iter().any(|member| recovery.removed.binary_search(member).is_ok());
            // What should fall and stands was refused with the file: it names who is no member there.
            if !falls && !next.standings.contains_key(what) {
                return Err(NotRecovery::Gone { entry: standing.name.clone() });
            }
        }
        if next.members().any(|it| it.has(Role::Holder)) { Ok(()) } else { Err(NotRecovery::NoHolder) }
    }

    /// Who must stand behind the record of `next` so that it counts after this version.
    ///
    /// # Errors
    /// [`NoWitnesses`].
    pub fn backing(&self, next: &Self) -> Result<Backing, NoWitnesses> {
        if next.recovery.is_none() {
            return Ok(Backing { witnesses: self.witnesses()?, custodian: None });
        }
        let custodian = Some(format!("{}/witness", next.custodian));
        Ok(Backing { witnesses: next.witnesses()?, custodian })
    }
}

/// Why a version is not the one in force less some members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRecovery {
    /// It follows another version.
    #[error(
        "it removes members from another version than number {known}, which is in force; draft it again (tacit registry recover)"
    )]
    After {
        /// Number of the known version.
        known: u64,
    },
    /// Who is removed was not there.
    #[error("it removes `{member}`, which is no member of the version in force; draft it again")]
    NoMember {
        /// The name.
        member: MemberId,
    },
    /// Who answers for it, or is needed for ever, is removed.
    #[error(
        "it removes `{member}`, the {role}; coordinator, custodian and auditors stay: they answer for it; leave `{member}` in"
    )]
    Stays {
        /// The member.
        member: MemberId,
        /// Its role.
        role: Role,
    },
    /// An entry that the version in force does not have to the byte.
    #[error("it adds or changes: {entry}; a recovery version removes members and changes nothing else")]
    Changed {
        /// In few words.
        entry: String,
    },
    /// An entry is missing that does not fall with who is removed.
    #[error(
        "it takes out: {entry}; only what cannot stand without a removed member goes with it, and all others stay"
    )]
    Gone {
        /// In few words.
        entry: String,
    },
    /// Nobody but the custodian would cosign.
    #[error(
        "no holder remains; the custodian alone is nobody's quorum: leave in a holder that runs, or found a new federation"
    )]
    NoHolder,
}

/// Whose cosignatures a version needs to count.
#[derive(Debug, Clone)]
pub struct Backing {
    witnesses: WitnessSet,
    /// Key name of the custodian, when it must be among them: for a recovery version.
    custodian: Option<String>,
}

/// Too few stand behind the record of a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBacked {
    /// No quorum of the version in force.
    #[error("no quorum of the version in force stands behind it: {0}")]
    Quorum(#[from] QuorumError),
    /// Of a recovery version: without the custodian.
    #[error("the custodian has not cosigned its record, and no recovery version counts without it")]
    Custodian,
    /// Of a recovery version: with too few of the holders that remain.
    #[error("{found} of the holders that remain cosigned its record, {needed} are needed")]
    Holders {
        /// How many did.
        found: usize,
        /// How many must.
        needed: usize,
    },
}

impl Backing {
    /// Parses a note that the log signed and all that are needed cosigned. A cosignature from the future of `now_s`
    /// (seconds since 1970-01-01T00:00:00Z) does not count, an old one does.
    ///
    /// # Errors
    /// [`NotBacked`].
    pub fn open(&self, note: &[u8], log: &NoteVerifier, now_s: u64) -> Result<CosignedCheckpoint, NotBacked> {
        if let Some(custodian) = &self.custodian {
            let (_, mut cosigned) = self.witnesses.times(note, log)?;
            cosigned.retain(|(time_s, _)| *time_s <= now_s.saturating_add(AHEAD_S));
            let holders = cosigned.iter().filter(|(_, name)| name != custodian).count();
            if holders == cosigned.len() {
                return Err(NotBacked::Custodian);
            }
            let needed = self.holders_needed();
            if holders < needed {
                return Err(NotBacked::Holders { found: holders, needed });
            }
        }
        Ok(self.witnesses.open(note, log, now_s)?)
    }

    /// How many holders a recovery version needs beside the custodian.
    #[must_use]
    pub fn holders_needed(&self) -> usize {
        self.witnesses.iter().len().saturating_sub(1) / 2 + 1
    }

    /// Whose cosignatures are counted.
    #[must_use]
    pub fn witnesses(&self) -> &WitnessSet {
        &self.witnesses
    }
}

/// A recovery version on its way from hand to hand: the coordinator signed it, and some who must countersign it may not
/// have yet. Everything else of it was checked.
#[derive(Debug)]
pub struct Underway {
    outer: Signed,
    registry: Registry,
    recovery: Recovery,
    missing: Vec<MemberId>,
}

/// Why somebody does not countersign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCountersigned {
    /// It is nobody who does.
    #[error(
        "`{member}` is neither the custodian nor an auditor of this federation; nobody else countersigns"
    )]
    NotAsked {
        /// The member.
        member: MemberId,
    },
    /// It has.
    #[error("`{member}` has countersigned it already")]
    Already {
        /// The member.
        member: MemberId,
    },
}

impl Underway {
    /// Reads a signed file; `None` when it is no recovery version.
    ///
    /// # Errors
    /// [`RegistryError`] as of [`Registry::parse`], but for countersignatures that are not there yet.
    pub fn read(file: &[u8], pins: &Pins) -> Result<Option<Self>, RegistryError> {
        let Unfinished { outer, registry, missing } = Unfinished::parse(file, pins)?;
        let recovery = registry.recovery.clone();
        Ok(recovery.map(|recovery| Self { outer, registry, recovery, missing }))
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.registry.number
    }

    /// What it says of itself.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Who has countersigned, in order.
    pub fn countersigned_by(&self) -> impl Iterator<Item = &MemberId> {
        self.outer.signers().skip(1)
    }

    /// Who still must.
    #[must_use]
    pub fn missing(&self) -> &[MemberId] {
        &self.missing
    }

    /// The holders that remain.
    pub fn holders(&self) -> impl Iterator<Item = &MemberId> {
        self.registry.members().filter(|it| it.has(Role::Holder)).map(|it| &it.id)
    }

    /// How many of them must cosign its record, beside the custodian.
    #[must_use]
    pub fn holders_needed(&self) -> usize {
        self.holders().count() / 2 + 1
    }

    /// Whether it may follow the version that is known, and what falls with it, in words.
    ///
    /// # Errors
    /// [`NotNext`].
    pub fn follows(&self, known: &Registry, lineage: &Lineage) -> Result<Vec<String>, NotNext> {
        known.check_next(lineage, &self.registry)?;
        let gone = known.standings.iter().filter(|(what, _)| !self.registry.standings.contains_key(*what));
        let mut gone: Vec<String> = gone.map(|(_, standing)| standing.name.clone()).collect();
        gone.sort_unstable();
        Ok(gone)
    }

    /// Adds the countersignature of `signer`, in its place. Look at what it removes before.
    ///
    /// # Errors
    /// [`NotCountersigned`].
    pub fn countersign(mut self, signer: Signer<'_>) -> Result<Self, NotCountersigned> {
        let order: Vec<MemberId> = self.registry.countersigners().map(|(id, _)| id.clone()).collect();
        let member = signer.id.clone();
        let Some(place) = self.missing.iter().position(|missing| *missing == member) else {
            return Err(if order.contains(&member) {
                NotCountersigned::Already { member }
            } else {
                NotCountersigned::NotAsked { member }
            });
        };
        self.missing.remove(place);
        let before =
            order.iter().take_while(|id| **id != member).filter(|id| !self.missing.contains(id)).count();
        self.outer = self.outer.sign_at(1 + before, RECOVERY_DOMAIN, signer);
        Ok(self)
    }

    /// The file.
    ///
    /// # Errors
    /// [`RegistryError`], a fault of ours.
    pub fn to_file(&self) -> Result<Vec<u8>, RegistryError> {
        self.outer.to_registry_file()
    }
}
