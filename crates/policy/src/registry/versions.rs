//! From one registry version to the next.
//!
//! ```text
//! version in force ─▶ next file: signatures, pins ─▶ may follow? ─▶ its record is in the log ─▶ a quorum of the
//!   (known)             Registry::parse                              witnesses of the KNOWN version cosigned that
//!                                                                    ─▶ in force
//! ```
//!
//! One kind of version counts without such a quorum: a [recovery](super::recovery), which only removes members.
//!
//! The same check decides at the coordinator, before it logs a version, and at every member, before it obeys one. A
//! version that fails changes nothing: what is known stays in force.

use std::collections::{BTreeMap, BTreeSet};

use tacit_ledger::{
    logged::{LoggedError, LoggedRecord},
    note::NoteVerifier,
    record::Record,
};
use tacit_model::{MemberId, Ulid};

use super::{
    NoWitnesses, Pins, Registry, RegistryError,
    recovery::{NotBacked, NotRecovery},
};
use crate::keys::Ed25519Key;

/// Why a registry may not follow the one that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// Another federation.
    #[error("version {number} is of federation `{found}`, known is `{known}`")]
    Federation {
        /// Number of the refused version.
        number: u64,
        /// Its federation.
        found: String,
        /// The known one.
        known: String,
    },
    /// The number does not rise.
    #[error(
        "its number {found} is not above {known}, which is in force; numbers only rise: draft it again from the newest version"
    )]
    Number {
        /// Its number.
        found: u64,
        /// The known number.
        known: u64,
    },
    /// Issued before the known one.
    #[error("version {number} was issued before the version in force; set the clock and sign it again")]
    Issued {
        /// Its number.
        number: u64,
    },
    /// Another coordinator or custodian.
    #[error("it names `{found}` instead of `{known}`; coordinator and custodian stay the same members")]
    Body {
        /// Whom it names.
        found: MemberId,
        /// Who is known.
        known: MemberId,
    },
    /// The key of the log changed.
    #[error("it shows another key of the log; a log with another key is another log")]
    LogKey,
    /// A member's signing key does not lead from the known ones.
    #[error(
        "the signing key of `{member}` does not lead from the one that is known; keys change only by the old key's signature (tacit member rotate)"
    )]
    Key {
        /// The member.
        member: MemberId,
    },
    /// A member that was removed comes back under another first key.
    #[error("`{member}` was removed before and comes back with another first key; give it another name")]
    CameBack {
        /// The member.
        member: MemberId,
    },
    /// The terms of an agreement changed under its id.
    #[error(
        "agreement {id} has other terms than before; an agreement never changes: end it and sign another one"
    )]
    Terms {
        /// The agreement.
        id: Ulid,
    },
    /// An agreement that was ended is there without its end, or with a later one.
    #[error(
        "agreement {id} was ended by a party, and this version does not say so; what is ended stays ended"
    )]
    Ended {
        /// The agreement.
        id: Ulid,
    },
    /// It says that it only removes members, and does something else.
    #[error(transparent)]
    Recovery(#[from] NotRecovery),
    /// Nobody could cosign under it.
    #[error(transparent)]
    Witnesses(#[from] NoWitnesses),
}

/// What all versions that were known here have said, so that what was taken out does not come back changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    first_keys: BTreeMap<MemberId, Ed25519Key>,
    ended: BTreeSet<Ulid>,
}

impl Lineage {
    /// What one version says.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let mut lineage = Self::default();
        lineage.learn(registry);
        lineage
    }

    /// Adds what this version says.
    pub fn learn(&mut self, registry: &Registry) {
        for member in registry.members() {
            self.first_keys.entry(member.id.clone()).or_insert_with(|| member.keys.first());
        }
        self.ended.extend(registry.endings().map(|ending| ending.agreement));
    }
}

impl Registry {
    /// Whether `next` may follow this version.
    ///
    /// # Errors
    /// [`NotNext`], the first rule that it breaks.
    pub fn check_next(&self, lineage: &Lineage, next: &Self) -> Result<(), NotNext> {
        if next.federation != self.federation {
            let (found, known) = (next.federation.clone(), self.federation.clone());
            return Err(NotNext::Federation { number: next.number, found, known });
        }
        if next.number <= self.number {
            return Err(NotNext::Number { found: next.number, known: self.number });
        }
        if let Some(recovery) = next.recovery() {
            self.check_recovery(recovery, next)?;
        }
        if next.issued_at < self.issued_at {
            return Err(NotNext::Issued { number: next.number });
        }
        for (found, known) in [(&next.coordinator, &self.coordinator), (&next.custodian, &self.custodian)] {
            if found != known {
                return Err(NotNext::Body { found: found.clone(), known: known.clone() });
            }
        }
        let log = |registry: &Self| registry.member(&registry.coordinator).and_then(|it| it.keys.log);
        if log(self) != log(next) {
            return Err(NotNext::LogKey);
        }
        for member in next.members() {
            if let Some(known) = self.member(&member.id) {
                // All that was known, in the same order, and then perhaps more.
                let mut keys = member.keys.signing_keys();
                if !known.keys.signing_keys().all(|key| keys.next() == Some(key)) {
                    return Err(NotNext::Key { member: member.id.clone() });
                }
            }
            if lineage.first_keys.get(&member.id).is_some_and(|first| *first != member.keys.first()) {
                return Err(NotNext::CameBack { member: member.id.clone() });
            }
        }
        self.check_agreements(lineage, next)?;
        next.witnesses()?;
        Ok(())
    }

    fn check_agreements(&self, lineage: &Lineage, next: &Self) -> Result<(), NotNext> {
        for agreement in next.agreements() {
            let id = agreement.id;
            let ends = |registry: &Self| {
                registry.endings().filter(|it| it.agreement == id).map(|it| it.ended_at).min()
            };
            let (before, after) = (ends(self), ends(next));
            let later = before.is_some_and(|before| after.is_none_or(|after| after > before));
            if later || (lineage.ended.contains(&id) && after.is_none()) {
                return Err(NotNext::Ended { id });
            }
            if let Some(known) = self.agreement(id) {
                // An ending says until when, and nothing else may differ.
                let mut terms = agreement.clone();
                if before.is_some() || after.is_some() {
                    terms.valid_until = known.valid_until;
                }
                if terms != *known {
                    return Err(NotNext::Terms { id });
                }
            }
        }
        Ok(())
    }
}

/// Why a member does not obey a version that it was given.
#[derive(Debug, thiserror::Error)]
pub enum VersionRefused {
    /// The file breaks a rule of registries, or a pin.
    #[error("the registry is refused: {0}")]
    Registry(#[from] Box<RegistryError>),
    /// It may not follow the one in force.
    #[error("the registry may not follow the one in force: {0}")]
    NotNext(#[from] NotNext),
    /// Too few stand behind its record.
    #[error(transparent)]
    Quorum(#[from] NotBacked),
    /// It is not in the log.
    #[error("it is not proven to be in the log: {0}")]
    Log(#[from] LoggedError),
    /// Its record is of another version.
    #[error("the record in the log is of another registry")]
    OtherRecord,
}

/// A version as the coordinator serves it.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// Its record; the checkpoint in it is the one that a quorum of the version before cosigned.
    pub logged: &'a LoggedRecord,
}

impl Registry {
    /// The version that follows this one: its signatures, pins and succession are checked, and that a quorum of *this*
    /// version's witnesses cosigned a checkpoint with its record; for a recovery version, that the custodian and more than
    /// half of the holders that remain did. Cosignatures from the future of `now_s` (seconds
    /// since 1970-01-01T00:00:00Z) do not count; old ones do, because what counted once counts.
    ///
    /// # Errors
    /// [`VersionRefused`]; then this version stays in force.
    pub fn follow(
        &self,
        lineage: &Lineage,
        served: Served<'_>,
        pins: &Pins,
        log: &NoteVerifier,
        now_s: u64,
    ) -> Result<Self, VersionRefused> {
        let next = Self::parse(served.bytes, pins).map_err(Box::new)?;
        self.check_next(lineage, &next)?;
        let backing = self.backing(&next).map_err(NotNext::from)?;
        let cosigned = backing.open(&served.logged.checkpoint, log, now_s)?;
        let verified = served.logged.verify_under(cosigned.checkpoint())?;
        match verified.record() {
            Record::Registry(record) if record.registry == next.hash && record.number == next.number => {
                Ok(next)
            }
            _ => Err(VersionRefused::OtherRecord),
        }
    }
}
