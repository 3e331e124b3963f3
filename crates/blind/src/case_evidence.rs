//! What opens the `matter` of a record, sealed by its requester to the auditor that demands it.
//!
//! HPKE base mode as the audit box, info `tacit/v1/case-evidence`, aad `lp(demand) lp(record)`, plaintext
//! `salt(32) lp(case) lp(officer)`, zero-padded to 2000 bytes.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::audit_box::{AuditorPublicKey, AuditorSecretKey, open_layer, seal_layer};
use crate::encoding::{Reader, put_lp};
use crate::{BlindError, Hash, commit};

const INFO: &[u8] = b"tacit/v1/case-evidence";
/// Bytes of the padded plaintext.
const PLAINTEXT_BYTES: usize = 2000;
/// Bytes of what is sealed.
pub const SEALED_BYTES: usize = PLAINTEXT_BYTES + 48;

/// What opens a `matter`. Wiped on drop, never printed.
pub struct CaseEvidence {
    /// The salt.
    pub salt: [u8; 32],
    /// Case number.
    pub case: String,
    /// Who asked.
    pub officer: String,
}

impl fmt::Debug for CaseEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaseEvidence(..)")
    }
}

impl Drop for CaseEvidence {
    fn drop(&mut self) {
        self.case.zeroize();
        self.officer.zeroize();
    }
}

/// Which demand it answers, and which record it is about.
#[derive(Debug, Clone, Copy)]
pub struct Demanded<'a> {
    /// ULID of the demand.
    pub demand: &'a str,
    /// ULID of the record.
    pub record: &'a str,
}

impl Demanded<'_> {
    fn aad(&self) -> Result<Vec<u8>, BlindError> {
        let mut aad = Vec::with_capacity(64);
        put_lp(&mut aad, "a demand", self.demand.as_bytes())?;
        put_lp(&mut aad, "a record", self.record.as_bytes())?;
        Ok(aad)
    }
}

impl CaseEvidence {
    /// Seals it to an auditor.
    ///
    /// # Errors
    /// [`BlindError::TooLong`] when case and officer do not fit; [`BlindError::Key`].
    pub fn seal(
        &self,
        of: &Demanded<'_>,
        key: &AuditorPublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, BlindError> {
        if 36 + self.case.len() + self.officer.len() > PLAINTEXT_BYTES {
            return Err(BlindError::TooLong { what: "case evidence", limit: PLAINTEXT_BYTES });
        }
        let mut plaintext = Zeroizing::new(Vec::with_capacity(PLAINTEXT_BYTES));
        plaintext.extend_from_slice(&self.salt);
        put_lp(&mut plaintext, "a case", self.case.as_bytes())?;
        put_lp(&mut plaintext, "an officer", self.officer.as_bytes())?;
        plaintext.resize(PLAINTEXT_BYTES, 0);
        seal_layer(INFO, &plaintext, &of.aad()?, key, rng)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`BlindError::BoxUnreadable`].
    pub fn open(sealed: &[u8], of: &Demanded<'_>, key: &AuditorSecretKey) -> Result<Self, BlindError> {
        if sealed.len() != SEALED_BYTES {
            return Err(BlindError::BoxUnreadable);
        }
        let plaintext = open_layer(INFO, sealed, &of.aad()?, key).map_err(|_| BlindError::BoxUnreadable)?;
        let mut reader = Reader::new(&plaintext);
        let evidence = Self {
            salt: reader.array("salt")?,
            case: reader.parsed("case")?,
            officer: reader.parsed("officer")?,
        };
        if reader.rest().iter().any(|&byte| byte != 0) {
            return Err(BlindError::Trailing);
        }
        Ok(evidence)
    }

    /// Whether it opens this `matter`.
    #[must_use]
    pub fn opens(&self, matter: &Hash) -> bool {
        commit::matter(&self.salt, &self.case, &self.officer).is_ok_and(|opened| opened == *matter)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn case_evidence_opens_for_its_auditor_demand_and_record_alone() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (secret, public) = AuditorSecretKey::derive(&[1; 32]);
        let (other, _) = AuditorSecretKey::derive(&[2; 32]);
        let evidence = CaseEvidence { salt: [7; 32], case: "PROC-1".into(), officer: "li".into() };
        let of = Demanded { demand: "D", record: "R" };
        let sealed = evidence.seal(&of, &public, &mut rng).unwrap();
        assert_eq!(sealed.len(), SEALED_BYTES);
        let opened = CaseEvidence::open(&sealed, &of, &secret).unwrap();
        assert_eq!((opened.case.as_str(), opened.officer.as_str()), ("PROC-1", "li"));
        assert!(opened.opens(&commit::matter(&[7; 32], "PROC-1", "li").unwrap()));
        assert!(!opened.opens(&commit::matter(&[7; 32], "PROC-2", "li").unwrap()));
        assert!(!format!("{opened:?}").contains("PROC"));
        assert!(CaseEvidence::open(&sealed, &of, &other).is_err());
        assert!(CaseEvidence::open(&sealed, &Demanded { demand: "D", record: "S" }, &secret).is_err());
        assert!(CaseEvidence::open(&sealed, &Demanded { demand: "E", record: "R" }, &secret).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_says_so() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let (_, public) = AuditorSecretKey::derive(&[1; 32]);
        let of = Demanded { demand: "D", record: "R" };
        for (length, fits) in [(PLAINTEXT_BYTES - 36, true), (PLAINTEXT_BYTES - 35, false)] {
            let evidence = CaseEvidence { salt: [0; 32], case: "x".repeat(length), officer: String::new() };
            assert_eq!(evidence.seal(&of, &public, &mut rng).is_ok(), fits);
        }
    }
}
