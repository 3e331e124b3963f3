//! The request as it arrives, and what it becomes as it is verified, step by step.

use rand_core::CryptoRng;
use tacit_ledger::ed25519::VerifyingKey;
use tacit_model::{LABEL_MAX, MemberId};

use super::bind::push_equation;
use super::{CheckContext, MAX_ITEMS, MAX_LISTS};
use crate::encoding::{b3, length_u32};
use crate::group::{Point, Scalar};
use crate::linear::Equations;
use crate::{BlindError, Hash, commit, oprf};

/// Most checks of one request.
pub const MAX_CHECKS: usize = 1024;
/// Bytes of a `lp(name)` at its longest, and of a `lp(list_id) || u64 epoch`.
const NAME_BYTES: usize = 2 + LABEL_MAX;
const LIST_BYTES: usize = 2 + 2 * LABEL_MAX + 1 + 8;
/// Bytes of the longest context that keeps all limits; nothing beyond is parsed. The fixed part is the prefix,
/// two members, cnf, nonce, timestamp, purpose, basis (at most `agreement:` and a ULID), matter, items.
const MAX_CONTEXT_BYTES: usize = 14
    + 3 * NAME_BYTES
    + 32
    + 16
    + 8
    + (2 + 10 + 26)
    + 32
    + 2
    + MAX_ITEMS * (NAME_BYTES + 1 + MAX_LISTS * LIST_BYTES + 32);

/// `h = b3("tacit v1 authorized check", u32 len(ctx) || ctx || proof)`.
#[must_use]
pub fn check_hash(context: &[u8], proof: &[u8; 64]) -> Hash {
    // No context is longer than MAX_CONTEXT_BYTES; saturating keeps the function total.
    let length = length_u32("a context", context).unwrap_or([0xff; 4]);
    b3("tacit v1 authorized check", &[&length, context, proof])
}

/// What the requester signs, once for a request: `"tacit/v1/authorize" || b3(..., h_1 || h_2 || ...)`.
#[must_use]
pub fn authorize_message(hashes: &[Hash]) -> Vec<u8> {
    let all = b3("tacit v1 authorize", &[hashes.as_flattened()]);
    [b"tacit/v1/authorize".as_slice(), &all].concat()
}

/// Verifies an Ed25519 signature over [`authorize_message`], as coordinator and auditors do.
///
/// # Errors
/// [`BlindError::Signature`]; [`BlindError::Key`] if the key is none.
pub fn verify_signature(
    signing_key: &[u8; 32],
    hashes: &[Hash],
    signature: &[u8; 64],
) -> Result<(), BlindError> {
    VerifyingKey::from_bytes(signing_key)
        .map_err(|_| BlindError::Key)?
        .verify(&authorize_message(hashes), signature)
        .map_err(|_| BlindError::Signature)
}

/// One check as it arrived.
#[derive(Debug, Clone)]
pub struct CheckIn {
    /// T.
    pub pseudonym: [u8; 32],
    /// Context bytes.
    pub context: Vec<u8>,
    /// `R || s`.
    pub proof: [u8; 64],
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct AuthorizeIn {
    /// Its checks.
    pub checks: Vec<CheckIn>,
    /// Ed25519 over [`authorize_message`].
    pub signature: [u8; 64],
}

/// A check in sound form; nothing about it is proven.
#[derive(Debug, Clone)]
pub struct ParsedCheck {
    context: CheckContext,
    bytes: Vec<u8>,
    proof: [u8; 64],
    pseudonym: [u8; 32],
    hash: Hash,
}

impl ParsedCheck {
    /// What it says.
    #[must_use]
    pub fn context(&self) -> &CheckContext {
        &self.context
    }

    /// T as claimed.
    #[must_use]
    pub fn pseudonym(&self) -> &[u8; 32] {
        &self.pseudonym
    }

    /// What the signature covers of it.
    #[must_use]
    pub fn hash(&self) -> &Hash {
        &self.hash
    }
}

/// A request in sound form; nothing about it is proven.
#[derive(Debug, Clone)]
pub struct ParsedRequest {
    checks: Vec<ParsedCheck>,
    hashes: Vec<Hash>,
    signature: [u8; 64],
}

/// Who the coordinator is, and whom its TLS connection proves.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// This coordinator.
    pub coordinator: &'a MemberId,
    /// The member at the other end.
    pub requester: &'a MemberId,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate.
    pub cnf: &'a [u8; 32],
    /// Its Ed25519 signing key from the registry.
    pub signing_key: &'a [u8; 32],
}

impl AuthorizeIn {
    /// Checks limits and form of everything.
    ///
    /// # Errors
    /// [`BlindError::Empty`], [`BlindError::TooMany`], and [`BlindError::InCheck`] naming the check.
    pub fn parse(self) -> Result<ParsedRequest, BlindError> {
        let found = self.checks.len();
        if found == 0 {
            return Err(BlindError::Empty { what: "checks" });
        }
        if found > MAX_CHECKS {
            return Err(BlindError::TooMany { what: "checks", limit: MAX_CHECKS, found });
        }
        let checks = self
            .checks
            .into_iter()
            .enumerate()
            .map(|(index, check)| {
                parse_check(check).map_err(|error| BlindError::InCheck { index, error: Box::new(error) })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let hashes = checks.iter().map(|check| check.hash).collect();
        Ok(ParsedRequest { checks, hashes, signature: self.signature })
    }
}

fn parse_check(check: CheckIn) -> Result<ParsedCheck, BlindError> {
    if check.context.len() > MAX_CONTEXT_BYTES {
        return Err(BlindError::TooLong { what: "a context", limit: MAX_CONTEXT_BYTES });
    }
    let context = CheckContext::parse(&check.context)?;
    // Refuse what cannot be a proof before anything is looked up; the commitment is decoded when verified.
    Scalar::decode(&oprf::split(&check.proof).1)?;
    let hash = check_hash(&check.context, &check.proof);
    Ok(ParsedCheck { context, bytes: check.context, proof: check.proof, pseudonym: check.pseudonym, hash })
}

impl ParsedRequest {
    /// Its checks, in order.
    #[must_use]
    pub fn checks(&self) -> &[ParsedCheck] {
        &self.checks
    }

    /// Equal for byte-identical requests only: the stored answer is found by it.
    #[must_use]
    pub fn fingerprint(&self) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("tacit v1 request fingerprint");
        hasher.update(&self.signature);
        for check in &self.checks {
            hasher.update(&check.hash);
            hasher.update(&check.pseudonym);
        }
        *hasher.finalize().as_bytes()
    }

    /// Checks that every check is addressed to this coordinator by the member at the other end under the
    /// certificate of this connection, and that this member signed the request.
    ///
    /// # Errors
    /// [`BlindError::InCheck`] around [`BlindError::OtherCoordinator`], [`BlindError::OtherRequester`] or
    /// [`BlindError::Certificate`]; [`BlindError::Signature`].
    pub fn authenticate(self, expected: &Expected<'_>) -> Result<SignedRequest, BlindError> {
        for (index, check) in self.checks.iter().enumerate() {
            let error = if check.context.coordinator != *expected.coordinator {
                BlindError::OtherCoordinator
            } else if check.context.requester != *expected.requester {
                BlindError::OtherRequester
            } else if check.context.cnf != *expected.cnf {
                BlindError::Certificate
            } else {
                continue;
            };
            return Err(BlindError::InCheck { index, error: Box::new(error) });
        }
        verify_signature(expected.signing_key, &self.hashes, &self.signature)?;
        Ok(SignedRequest { request: self })
    }
}

/// A request that its requester signed, over the connection it names. Only [`ParsedRequest::authenticate`]
/// makes it.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    request: ParsedRequest,
}

impl SignedRequest {
    /// Its checks, in order.
    #[must_use]
    pub fn checks(&self) -> &[ParsedCheck] {
        &self.request.checks
    }

    /// The hashes that the signature covers, for the openings.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.request.hashes
    }

    /// The signature, for the openings.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.request.signature
    }

    /// As [`ParsedRequest::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> Hash {
        self.request.fingerprint()
    }

    /// Verifies all bind proofs together. `registered[i]` is the Ph that the coordinator keeps under the
    /// pseudonym of check i, `None` if there is none. The weights come from `rng` now, after everything has
    /// arrived. Each check gets its own outcome, in order: one bad check does not hide the others.
    ///
    /// # Errors
    /// The outer error is [`BlindError::Count`], the coordinator's own mistake. Inner ones are
    /// [`BlindError::NotEnrolled`], an encoding, or [`BlindError::Proofs`].
    pub fn verify_bindings(
        self,
        registered: &[Option<Point>],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Result<VerifiedCheck, BlindError>>, BlindError> {
        let ParsedRequest { checks, signature, .. } = self.request;
        if checks.len() != registered.len() {
            return Err(BlindError::Count {
                what: "registered subjects",
                due: checks.len(),
                found: registered.len(),
            });
        }
        let terms = checks.iter().map(|check| 2 + check.context.items.len()).sum();
        let mut equations = Equations::with_capacity(checks.len(), terms);
        // Which check each equation is of, since a check may fail before it has one.
        let mut of_equation = Vec::with_capacity(checks.len());
        let mut outcomes: Vec<Result<[u8; 32], BlindError>> = Vec::with_capacity(checks.len());
        for (i, (check, registered)) in checks.iter().zip(registered).enumerate() {
            outcomes.push(registered.ok_or(BlindError::NotEnrolled).and_then(|subject| {
                push_equation(
                    &mut equations,
                    &check.context,
                    &check.bytes,
                    &check.pseudonym,
                    &subject,
                    &check.proof,
                )?;
                of_equation.push(i);
                Ok(subject.encode())
            }));
        }
        for bad in equations.find_bad(rng) {
            let check = of_equation[bad];
            outcomes[check] = Err(BlindError::Proofs { bad: vec![check] });
        }
        Ok(checks
            .into_iter()
            .zip(outcomes)
            .map(|(check, outcome)| {
                outcome.map(|blinded_subject| VerifiedCheck { check, blinded_subject, signature })
            })
            .collect())
    }
}

/// A check that its requester signed and whose queries are proven to blind the subject behind its pseudonym.
/// Only [`SignedRequest::verify_bindings`] makes it. It is not yet allowed: that is for the rules to decide.
#[derive(Debug, Clone)]
pub struct VerifiedCheck {
    check: ParsedCheck,
    blinded_subject: [u8; 32],
    signature: [u8; 64],
}

impl VerifiedCheck {
    /// What it says.
    #[must_use]
    pub fn context(&self) -> &CheckContext {
        &self.check.context
    }

    /// Its bytes.
    #[must_use]
    pub fn context_bytes(&self) -> &[u8] {
        &self.check.bytes
    }

    /// `R || s`.
    #[must_use]
    pub fn proof(&self) -> &[u8; 64] {
        &self.check.proof
    }

    /// T.
    #[must_use]
    pub fn pseudonym(&self) -> &[u8; 32] {
        &self.check.pseudonym
    }

    /// Ph as registered.
    #[must_use]
    pub fn blinded_subject(&self) -> &[u8; 32] {
        &self.blinded_subject
    }

    /// What the signature covers of it.
    #[must_use]
    pub fn hash(&self) -> &Hash {
        &self.check.hash
    }

    /// The requester's signature over its whole request.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The `evidence` of a record about this check, under a fresh salt.
    ///
    /// # Errors
    /// None in practice; as [`commit::evidence`].
    pub fn evidence(&self, salt: &[u8; 32], register_hash: &Hash) -> Result<Hash, BlindError> {
        commit::evidence(
            salt,
            &commit::Evidence {
                pseudonym: &self.check.pseudonym,
                blinded_subject: &self.blinded_subject,
                context: &self.check.bytes,
                proof: &self.check.proof,
                register_hash,
                signature: &self.signature,
            },
        )
    }
}
