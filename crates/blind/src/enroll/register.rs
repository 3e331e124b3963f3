//! The coordinator's side: verify a whole registration, tell which proofs are bad, and refuse that one
//! evaluation of the custodian gives many pseudonyms.

use std::collections::HashSet;

use curve25519_dalek::scalar::Scalar as DalekScalar;
use rand_core::CryptoRng;

use super::{MAX_BATCH, Parties, Statement, challenge, transcript};
use crate::audit_box::BOX_BYTES;
use crate::group::{Point, Scalar};
use crate::linear::Equations;
use crate::oprf::{self, DleqProof};
use crate::{BlindError, Hash, commit};

/// One subject of a registration, as it arrived.
#[derive(Debug, Clone)]
pub struct RegisterEntryIn {
    /// Ph.
    pub blinded_subject: [u8; 32],
    /// Th.
    pub evaluated: [u8; 32],
    /// T.
    pub pseudonym: [u8; 32],
    /// `R1 || s1`.
    pub proof: [u8; 64],
    /// The sealed audit box.
    pub audit_box: Vec<u8>,
}

/// A registration as it arrived: exactly one batch of the custodian, in order.
#[derive(Debug, Clone)]
pub struct RegisterIn {
    /// Pseudonym epoch.
    pub epoch: u32,
    /// The batch.
    pub entries: Vec<RegisterEntryIn>,
    /// The custodian's proof over the batch.
    pub dleq: [u8; 64],
}

/// One registration whose proofs hold. Only [`RegisterIn::verify`] makes it.
#[derive(Debug, Clone)]
pub struct VerifiedRegistration {
    epoch: u32,
    entry: RegisterEntryIn,
    box_hash: Hash,
    register_hash: Hash,
}

impl VerifiedRegistration {
    /// Pseudonym epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Ph.
    #[must_use]
    pub fn blinded_subject(&self) -> &[u8; 32] {
        &self.entry.blinded_subject
    }

    /// Th.
    #[must_use]
    pub fn evaluated(&self) -> &[u8; 32] {
        &self.entry.evaluated
    }

    /// T.
    #[must_use]
    pub fn pseudonym(&self) -> &[u8; 32] {
        &self.entry.pseudonym
    }

    /// `R1 || s1`.
    #[must_use]
    pub fn proof(&self) -> &[u8; 64] {
        &self.entry.proof
    }

    /// The sealed audit box, kept for auditors.
    #[must_use]
    pub fn audit_box(&self) -> &[u8] {
        &self.entry.audit_box
    }

    /// Hash of the audit box.
    #[must_use]
    pub fn box_hash(&self) -> &Hash {
        &self.box_hash
    }

    /// Names this registration in evidence.
    #[must_use]
    pub fn register_hash(&self) -> &Hash {
        &self.register_hash
    }
}

impl RegisterIn {
    /// Verifies form, the custodian's proof over the batch, and `s1·T = R1 + c1·Th` for each entry. The
    /// Schnorr proofs are checked together; the weights come from `rng` now, after everything has arrived.
    ///
    /// # Errors
    /// [`BlindError::Empty`], [`BlindError::TooMany`], [`BlindError::Length`] (audit box),
    /// [`BlindError::Repeated`] if a Ph, Th or T stands twice, encodings, [`BlindError::Dleq`], and
    /// [`BlindError::Proofs`] with the positions of the bad proofs.
    pub fn verify(
        self,
        parties: &Parties<'_>,
        custodian_key: &Point,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<VerifiedRegistration>, BlindError> {
        self.check_form()?;
        let count = self.entries.len();
        let blinded = Point::decode_all(self.entries.iter().map(|e| &e.blinded_subject))?;
        let evaluated = Point::decode_all(self.entries.iter().map(|e| &e.evaluated))?;
        let dleq = DleqProof::decode(&self.dleq)?;

        let mut equations = Equations::with_capacity(count, 3 * count);
        let mut hashes = Vec::with_capacity(count);
        for (entry, evaluated) in self.entries.iter().zip(&evaluated) {
            let box_hash = commit::audit_box(&entry.audit_box);
            let statement = Statement {
                blinded_subject: &entry.blinded_subject,
                evaluated: &entry.evaluated,
                pseudonym: &entry.pseudonym,
                box_hash: &box_hash,
            };
            let bytes = transcript(parties, self.epoch, &statement)?;
            push_equation(&mut equations, &bytes, evaluated, &entry.pseudonym, &entry.proof)?;
            let register_hash = commit::register_hash(&commit::Registration {
                requester: parties.requester.as_str(),
                epoch: self.epoch,
                blinded_subject: &entry.blinded_subject,
                evaluated: &entry.evaluated,
                pseudonym: &entry.pseudonym,
                proof: &entry.proof,
                box_hash: &box_hash,
            })?;
            hashes.push((box_hash, register_hash));
        }
        oprf::verify(custodian_key, &blinded, &evaluated, &dleq)?;
        let bad = equations.find_bad(rng);
        if !bad.is_empty() {
            return Err(BlindError::Proofs { bad });
        }
        let epoch = self.epoch;
        Ok(self
            .entries
            .into_iter()
            .zip(hashes)
            .map(|(entry, (box_hash, register_hash))| VerifiedRegistration {
                epoch,
                entry,
                box_hash,
                register_hash,
            })
            .collect())
    }

    fn check_form(&self) -> Result<(), BlindError> {
        let found = self.entries.len();
        if found == 0 {
            return Err(BlindError::Empty { what: "registrations" });
        }
        if found > MAX_BATCH {
            return Err(BlindError::TooMany { what: "registrations", limit: MAX_BATCH, found });
        }
        let mut seen = HashSet::with_capacity(2 * found);
        let mut pseudonyms = HashSet::with_capacity(found);
        for entry in &self.entries {
            if entry.audit_box.len() != BOX_BYTES {
                return Err(BlindError::Length {
                    what: "an audit box",
                    due: BOX_BYTES,
                    found: entry.audit_box.len(),
                });
            }
            if !seen.insert(entry.blinded_subject) || !seen.insert(entry.evaluated) {
                return Err(BlindError::Repeated { what: "evaluation" });
            }
            if !pseudonyms.insert(entry.pseudonym) {
                return Err(BlindError::Repeated { what: "pseudonym" });
            }
        }
        Ok(())
    }
}

/// Adds the equation `R1 + c1·Th - s1·T = identity`; the transcript already holds the statement.
pub(crate) fn push_equation(
    equations: &mut Equations,
    transcript: &[u8],
    evaluated: &Point,
    pseudonym: &[u8; 32],
    proof: &[u8; 64],
) -> Result<(), BlindError> {
    let pseudonym = Point::decode(pseudonym)?;
    let (r1, s1) = oprf::split(proof);
    let (commitment, response) = (Point::decode(&r1)?, Scalar::decode(&s1)?);
    let c = challenge(transcript, &r1);
    equations.push([
        (DalekScalar::ONE, *commitment.inner()),
        (c.0, *evaluated.inner()),
        (-response.0, *pseudonym.inner()),
    ]);
    Ok(())
}

/// What the coordinator already keeps within one requester and pseudonym epoch about one registration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The Ph stored under this T.
    pub blinded_subject_of_pseudonym: Option<&'a [u8; 32]>,
    /// The T under which this Ph was ever registered.
    pub pseudonym_of_blinded_subject: Option<&'a [u8; 32]>,
    /// The T under which this Th was ever registered.
    pub pseudonym_of_evaluated: Option<&'a [u8; 32]>,
}

/// What a registration means to the coordinator's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A subject that this requester did not have: counts against its quota.
    New,
    /// The same pseudonym under a new Ph, which replaces the old one: no new subject.
    Replaces,
    /// Already there: nothing to do.
    Same,
}

/// Judges one registration against what is stored: a Ph or Th that was registered under another T is refused,
/// because then one evaluation would give many pseudonyms.
///
/// # Errors
/// [`BlindError::EnrolledOtherwise`].
pub fn standing(registration: &VerifiedRegistration, known: &Known<'_>) -> Result<Standing, BlindError> {
    let pseudonym = registration.pseudonym();
    for owner in [known.pseudonym_of_blinded_subject, known.pseudonym_of_evaluated].into_iter().flatten() {
        if owner != pseudonym {
            return Err(BlindError::EnrolledOtherwise);
        }
    }
    Ok(match known.blinded_subject_of_pseudonym {
        None => Standing::New,
        Some(stored) if stored == registration.blinded_subject() => Standing::Same,
        Some(_) => Standing::Replaces,
    })
}
