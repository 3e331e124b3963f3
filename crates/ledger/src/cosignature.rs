//! Cosignatures of witnesses, type 0x04: "at this time, this was the largest consistent head I had seen".
//!
//! The line on the note carries `u64 time || 64-byte Ed25519 signature` over
//! `cosignature/v1\ntime <time>\n<text of the checkpoint>`. Key name `<member>/witness`.
//!
//! Source: <https://c2sp.org/tlog-cosignature>.

use std::fmt;

use crate::MAX_SIZE;
use crate::checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
use crate::ed25519::{SIGNATURE_LEN, SigningKey, VerifyingKey};
use crate::note::{
    KeyId, KeyType, Note, NoteError, NoteSignature, format_line, format_vkey, is_key_name, key_id, parse_vkey,
};

/// A cosignature that was verified: which witness, and when it says it looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    witness: String,
    time_s: u64,
}

impl Cosignature {
    /// The witness' key name.
    #[must_use]
    pub fn witness(&self) -> &str {
        &self.witness
    }

    /// When it cosigned, in seconds since 1970-01-01T00:00:00Z, by its own clock.
    #[must_use]
    pub fn time_s(&self) -> u64 {
        self.time_s
    }
}

/// A witness' key pair with its name. Debug shows the public half only.
#[derive(Debug)]
pub struct CosignatureSigner {
    key: SigningKey,
    verifier: CosignatureVerifier,
}

impl CosignatureSigner {
    /// Names a key, as in `<member>/witness`.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let verifier = CosignatureVerifier::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &CosignatureVerifier {
        &self.verifier
    }

    /// The cosignature line, line feed included. The caller has checked that the checkpoint is consistent
    /// with every one it saw before, and has stored it.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`] for a time above [`MAX_SIZE`], which the standard does not allow.
    pub fn cosign(&self, checkpoint: &VerifiedCheckpoint, time_s: u64) -> Result<String, NoteError> {
        if time_s > MAX_SIZE {
            return Err(NoteError::SignatureLine { number: 1 });
        }
        let message = message(&checkpoint.checkpoint().to_text(), time_s);
        let mut signature = time_s.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.key.sign(message.as_bytes()));
        Ok(format_line(&self.verifier.name, self.verifier.key_id, &signature))
    }
}

/// A witness' public key with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignatureVerifier {
    name: String,
    key: VerifyingKey,
    key_id: KeyId,
}

impl CosignatureVerifier {
    /// Names a key.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::KeyName);
        }
        Ok(Self { name: name.to_owned(), key, key_id: key_id(name, KeyType::Cosignature, &key) })
    }

    /// Parses a verifier key, `<name>+<hex key id>+<base64(0x04 || public key)>`.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] for everything else, a wrong key id included.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, key) = parse_vkey(vkey, KeyType::Cosignature).ok_or(NoteError::VerifierKey)?;
        Self::new(name, key).map_err(|_| NoteError::VerifierKey)
    }

    /// The witness' key name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key itself.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Verifies this witness' line on a note that is a checkpoint. Whether the log signed it, and whether
    /// the time is recent, the caller decides.
    ///
    /// # Errors
    /// [`NoteError::UnknownSigners`] when the witness has no line there; [`NoteError::SignatureInvalid`],
    /// [`NoteError::SignatureRepeated`]; [`CheckpointError`] when the text is no checkpoint.
    pub fn verify(&self, note: &Note<'_>) -> Result<Cosignature, CheckpointError> {
        Checkpoint::parse(note.text())?;
        let line = note.signature_of(&self.name, self.key_id)?.ok_or(NoteError::UnknownSigners)?;
        Ok(self.verify_signature(note.text(), line)?)
    }

    /// Verifies a line (with its line feed) that came apart from the note, over a checkpoint.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`], [`NoteError::UnknownSigners`] when the line is of another key, or
    /// [`NoteError::SignatureInvalid`].
    pub fn verify_line(&self, checkpoint: &VerifiedCheckpoint, line: &str) -> Result<Cosignature, NoteError> {
        let line = NoteSignature::parse_line(line)?;
        if line.name != self.name || line.key_id != self.key_id {
            return Err(NoteError::UnknownSigners);
        }
        self.verify_signature(&checkpoint.checkpoint().to_text(), &line)
    }

    fn verify_signature(&self, text: &str, line: &NoteSignature<'_>) -> Result<Cosignature, NoteError> {
        let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(NoteError::SignatureInvalid)?;
        let time_s = u64::from_be_bytes(*time);
        if time_s > MAX_SIZE || signature.len() != SIGNATURE_LEN {
            return Err(NoteError::SignatureInvalid);
        }
        let message = message(text, time_s);
        self.key.verify(message.as_bytes(), signature).map_err(|_| NoteError::SignatureInvalid)?;
        Ok(Cosignature { witness: self.name.clone(), time_s })
    }
}

impl fmt::Display for CosignatureVerifier {
    /// The verifier key, as [`CosignatureVerifier::parse`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_vkey(&self.name, KeyType::Cosignature, &self.key))
    }
}

impl fmt::Debug for CosignatureVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignatureVerifier({self})")
    }
}

fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}
