//! Commitments and signed messages of sections 3 to 8. Every salt is fresh and used once.

use crate::encoding::{b3, length_u32, put_lp};
use crate::{BlindError, Hash};

/// `query` of an access record: names the blinded query without showing it.
#[must_use]
pub fn blinded_query(query: &[u8; 32]) -> Hash {
    b3("tacit v1 blinded query", &[query])
}

/// `matter`: the requester's case and officer, opened on audit.
///
/// # Errors
/// [`BlindError::TooLong`] if case or officer have more than 65,535 bytes.
pub fn matter(salt: &[u8; 32], case: &str, officer: &str) -> Result<Hash, BlindError> {
    let mut tail = Vec::with_capacity(4 + case.len() + officer.len());
    put_lp(&mut tail, "a case", case.as_bytes())?;
    put_lp(&mut tail, "an officer", officer.as_bytes())?;
    Ok(b3("tacit v1 matter", &[salt, &tail]))
}

/// `subject` of a record: the next link of a pseudonym's hidden chain.
///
/// `sequence` counts from 0; `previous` is the leaf hash of this pseudonym's preceding access, refused or
/// consent record, zeros at first.
#[must_use]
pub fn subject(salt: &[u8; 32], pseudonym: &[u8; 32], sequence: u64, previous: &Hash) -> Hash {
    b3("tacit v1 subject commitment", &[salt, pseudonym, &sequence.to_be_bytes(), previous])
}

/// What [`evidence`] commits to: one authorized check with all that proves that its requester asked it.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// T.
    pub pseudonym: &'a [u8; 32],
    /// Ph as registered when the check was verified.
    pub blinded_subject: &'a [u8; 32],
    /// The check's context bytes.
    pub context: &'a [u8],
    /// The bind proof `R || s`.
    pub proof: &'a [u8; 64],
    /// [`register_hash`] of the registration that introduced Ph.
    pub register_hash: &'a Hash,
    /// The requester's signature over the whole request.
    pub signature: &'a [u8; 64],
}

/// `evidence` of a record.
///
/// # Errors
/// [`BlindError::TooLong`] if the context has more than `u32::MAX` bytes.
pub fn evidence(salt: &[u8; 32], of: &Evidence<'_>) -> Result<Hash, BlindError> {
    Ok(b3(
        "tacit v1 evidence commitment",
        &[
            salt,
            of.pseudonym,
            of.blinded_subject,
            &length_u32("a context", of.context)?,
            of.context,
            of.proof,
            of.register_hash,
            of.signature,
        ],
    ))
}

/// `terms` of a consent record.
#[must_use]
pub fn consent_terms(salt: &[u8; 32], consent: &[u8]) -> Hash {
    b3("tacit v1 consent terms", &[salt, consent])
}

/// `details` of a measure record: the list whose answer it rests on, who decided, and the words of the measure.
///
/// # Errors
/// [`BlindError::TooLong`] if one of them has more than 65,535 bytes.
pub fn measure(salt: &[u8; 32], list: &str, decider: &str, words: &str) -> Result<Hash, BlindError> {
    let mut tail = Vec::with_capacity(6 + list.len() + decider.len() + words.len());
    put_lp(&mut tail, "a list id", list.as_bytes())?;
    put_lp(&mut tail, "who decided", decider.as_bytes())?;
    put_lp(&mut tail, "the words of a measure", words.as_bytes())?;
    Ok(b3("tacit v1 measure", &[salt, &tail]))
}

/// What a consent authority signs when a consent is given.
#[must_use]
pub fn consent_message(consent: &[u8]) -> Vec<u8> {
    [b"tacit/v1/consent".as_slice(), consent].concat()
}

/// What a consent authority signs for each change of state; given is number 1, numbers rise.
///
/// # Errors
/// [`BlindError::TooLong`] if id or state have more than 65,535 bytes.
pub fn consent_state_message(id: &str, state: &str, number: u64) -> Result<Vec<u8>, BlindError> {
    let mut message = b"tacit/v1/consent-state".to_vec();
    put_lp(&mut message, "a consent id", id.as_bytes())?;
    put_lp(&mut message, "a consent state", state.as_bytes())?;
    message.extend_from_slice(&number.to_be_bytes());
    Ok(message)
}

/// `registry` of a record: the bytes of the registry version that decided.
#[must_use]
pub fn registry(bytes: &[u8]) -> Hash {
    b3("tacit v1 registry", &[bytes])
}

/// `note` of a manifest record: the signed note, whole.
#[must_use]
pub fn manifest_note(note: &[u8]) -> Hash {
    b3("tacit v1 manifest", &[note])
}

/// `box_hash` of an audit box.
#[must_use]
pub fn audit_box(bytes: &[u8]) -> Hash {
    b3("tacit v1 audit box", &[bytes])
}

/// What [`register_hash`] names: one registration.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// A.
    pub requester: &'a str,
    /// Pseudonym epoch.
    pub epoch: u32,
    /// Ph.
    pub blinded_subject: &'a [u8; 32],
    /// Th.
    pub evaluated: &'a [u8; 32],
    /// T.
    pub pseudonym: &'a [u8; 32],
    /// `R1 || s1`.
    pub proof: &'a [u8; 64],
    /// [`audit_box`] of the audit box.
    pub box_hash: &'a Hash,
}

/// Names one registration in evidence.
///
/// # Errors
/// [`BlindError::TooLong`] if the requester has more than 65,535 bytes.
pub fn register_hash(of: &Registration<'_>) -> Result<Hash, BlindError> {
    let mut head = Vec::with_capacity(70);
    put_lp(&mut head, "a member", of.requester.as_bytes())?;
    head.extend_from_slice(&of.epoch.to_be_bytes());
    Ok(b3(
        "tacit v1 register",
        &[&head, of.blinded_subject, of.evaluated, of.pseudonym, of.proof, of.box_hash],
    ))
}
