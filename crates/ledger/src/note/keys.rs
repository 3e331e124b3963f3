//! The keys that sign notes, with the names they sign under.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{Context, SHA256};

use super::{Note, NoteError, NoteSignature, check_text, format_line, is_key_name};
use crate::ed25519::{KEY_LEN, Signature, SigningKey, VerifyingKey};

/// The four bytes before a signature: with the key name they say which key made it.
pub type KeyId = [u8; 4];

/// What a key signs, and how: the signature type identifier byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// 0x01: Ed25519 over the text of the note.
    Ed25519,
    /// 0x04: a witness' timestamped Ed25519 cosignature of a checkpoint.
    Cosignature,
}

impl KeyType {
    /// The identifier byte of the standard.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// `SHA-256(name || 0x0A || type || public key)`, its first four bytes.
#[must_use]
pub fn key_id(name: &str, key_type: KeyType, key: &VerifyingKey) -> KeyId {
    let mut context = Context::new(&SHA256);
    context.update(name.as_bytes());
    context.update(&[b'\n', key_type.byte()]);
    context.update(key.as_bytes());
    let mut id = [0; 4];
    id.copy_from_slice(&context.finish().as_ref()[..4]);
    id
}

/// A key pair with the name it signs notes under. Debug shows the public half only.
#[derive(Debug)]
pub struct NoteSigner {
    key: SigningKey,
    verifier: NoteVerifier,
}

impl NoteSigner {
    /// Names a key, as in `<coordinator>/log` or `<holder>/manifest`.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, key: SigningKey) -> Result<Self, NoteError> {
        let verifier = NoteVerifier::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The whole note: `text`, an empty line, and this key's signature line.
    ///
    /// # Errors
    /// [`NoteError::NotText`] or [`NoteError::TextUnterminated`].
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        Ok(format!("{text}\n{}", self.sign_line(text)?))
    }

    /// This key's signature line over `text`, line feed included.
    ///
    /// # Errors
    /// [`NoteError::NotText`] or [`NoteError::TextUnterminated`].
    pub fn sign_line(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let signature: Signature = self.key.sign(text.as_bytes());
        Ok(format_line(&self.verifier.name, self.verifier.key_id, &signature))
    }

    /// Signs bytes that are no note. Who calls this puts a prefix of its own first, which no note begins with.
    pub(crate) fn sign_apart(&self, message: &[u8]) -> Signature {
        self.key.sign(message)
    }
}

/// A public key of type 0x01 with the name it signs notes under.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
    key_id: KeyId,
}

impl NoteVerifier {
    /// Names a key.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::KeyName);
        }
        Ok(Self { name: name.to_owned(), key, key_id: key_id(name, KeyType::Ed25519, &key) })
    }

    /// Parses a verifier key, `<name>+<hex key id>+<base64(0x01 || public key)>`.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] for everything else, a wrong key id included.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, key) = parse_vkey(vkey, KeyType::Ed25519).ok_or(NoteError::VerifierKey)?;
        Self::new(name, key).map_err(|_| NoteError::VerifierKey)
    }

    /// The name the key signs under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id of its signature lines.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The public key itself.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Parses a note and gives its text, if this key signed it. One signature verification.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open<'a>(&self, note: &'a [u8]) -> Result<&'a str, NoteError> {
        Note::parse(note)?.verify(std::slice::from_ref(self))
    }

    /// Checks one signature line that names this key.
    pub(super) fn verify_line(&self, text: &str, line: &NoteSignature<'_>) -> Result<(), NoteError> {
        self.key.verify(text.as_bytes(), &line.signature).map_err(|_| NoteError::SignatureInvalid)
    }
}

impl fmt::Display for NoteVerifier {
    /// The verifier key, as [`NoteVerifier::parse`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_vkey(&self.name, KeyType::Ed25519, &self.key))
    }
}

impl fmt::Debug for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteVerifier({self})")
    }
}

pub(crate) fn parse_vkey(vkey: &str, key_type: KeyType) -> Option<(&str, VerifyingKey)> {
    // The base64 may itself have plus signs; the name and the id have none.
    let (name, rest) = vkey.split_once('+')?;
    let (_, encoded) = rest.split_once('+')?;
    let bytes = BASE64.decode(encoded).ok()?;
    let (byte, key) = bytes.split_first_chunk::<1>()?;
    if *byte != [key_type.byte()] || key.len() != KEY_LEN || !is_key_name(name) {
        return None;
    }
    let key = VerifyingKey::try_from(key).ok()?;
    // The id is compared as text, and so is every other detail of the spelling.
    (format_vkey(name, key_type, &key) == vkey).then_some((name, key))
}

pub(crate) fn format_vkey(name: &str, key_type: KeyType, key: &VerifyingKey) -> String {
    let mut bytes = vec![key_type.byte()];
    bytes.extend_from_slice(key.as_bytes());
    let id = u32::from_be_bytes(key_id(name, key_type, key));
    format!("{name}+{id:08x}+{}", BASE64.encode(bytes))
}
