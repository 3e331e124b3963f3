//! C2SP signed notes: a text, an empty line, and signature lines.
//!
//! ```text
//! text, any number of lines
//!
//! — <key name> <base64(4-byte key id || signature)>
//! ```
//!
//! A note is parsed strictly: one malformed signature line refuses the whole. Well-formed lines of unknown
//! keys are ignored, whatever their type (so new types and deliberately meaningless lines do no harm),
//! but at least one known key must have signed, and every line of a known key must verify.
//!
//! Source: <https://c2sp.org/signed-note>.

mod keys;

pub use keys::{KeyId, KeyType, NoteSigner, NoteVerifier, key_id};
pub(crate) use keys::{format_vkey, parse_vkey};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The longest note accepted, in bytes: a checkpoint with over a thousand Ed25519 cosignatures.
pub const MAX_NOTE_LEN: usize = 256 * 1024;
/// The most signature lines accepted on one note.
pub const MAX_SIGNATURES: usize = 1024;

const LINE_START: &str = "\u{2014} ";

/// Why a note is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_LEN`].
    #[error("the note is longer than {MAX_NOTE_LEN} bytes")]
    TooLong,
    /// Not UTF-8, or with a control character other than the line feed.
    #[error("the note is not plain UTF-8 text")]
    NotText,
    /// The text is empty or does not end with a line feed.
    #[error("the text of a note must end with a line feed")]
    TextUnterminated,
    /// No empty line followed by signature lines.
    #[error("the note has no signatures")]
    NoSignatures,
    /// More than [`MAX_SIGNATURES`] signature lines.
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A signature line is not of the form that the standard gives.
    #[error("signature line {number} is malformed")]
    SignatureLine {
        /// Which one, from 1.
        number: usize,
    },
    /// A key name is empty, or has a space or a plus sign.
    #[error("a key name is not empty and has neither spaces nor plus signs")]
    KeyName,
    /// None of the signatures is by a known key.
    #[error("no signature is by a known key")]
    UnknownSigners,
    /// A known key signed twice.
    #[error("one key has two signature lines")]
    SignatureRepeated,
    /// The signature of a known key does not verify.
    #[error("a signature does not verify")]
    SignatureInvalid,
    /// The text is not a verifier key of a type handled here.
    #[error("not a verifier key")]
    VerifierKey,
}

/// One signature line. Parsed, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// Four bytes that, with the name, say which key and of which type.
    pub key_id: KeyId,
    /// What follows the key id; its form depends on the type of the key.
    pub signature: Vec<u8>,
}

impl<'a> NoteSignature<'a> {
    /// Parses one line without its line feed.
    fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(LINE_START)?.split_once(' ')?;
        if !is_key_name(name) {
            return None;
        }
        let decoded = BASE64.decode(encoded).ok()?;
        let (key_id, signature) = decoded.split_first_chunk::<4>()?;
        (!signature.is_empty()).then(|| Self { name, key_id: *key_id, signature: signature.to_vec() })
    }

    /// Parses one whole line, line feed included, as a witness sends it.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`].
    pub fn parse_line(line: &'a str) -> Result<Self, NoteError> {
        line.strip_suffix('\n').and_then(Self::parse).ok_or(NoteError::SignatureLine { number: 1 })
    }
}

/// A parsed note. Its text must not be used before a signature is verified: see [`NoteVerifier::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

impl<'a> Note<'a> {
    /// Parses a note without verifying anything.
    ///
    /// # Errors
    /// [`NoteError`], every variant up to [`NoteError::SignatureLine`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_LEN {
            return Err(NoteError::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
        check_characters(note)?;
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let mut signatures = Vec::with_capacity(1);
        for (index, line) in lines.split_inclusive('\n').enumerate() {
            if index == MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            let malformed = NoteError::SignatureLine { number: index + 1 };
            signatures.push(NoteSignature::parse_line(line).map_err(|_| malformed)?);
        }
        Ok(Self { text, signatures })
    }

    /// The signed text, with its final line feed.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The signature lines in order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature<'a>] {
        &self.signatures
    }

    /// The one signature line of the key (`name`, `id`), if there is one.
    ///
    /// # Errors
    /// [`NoteError::SignatureRepeated`].
    pub fn signature_of(&self, name: &str, id: KeyId) -> Result<Option<&NoteSignature<'a>>, NoteError> {
        let mut found = self.signatures.iter().filter(|line| line.key_id == id && line.name == name);
        let first = found.next();
        if found.next().is_some() { Err(NoteError::SignatureRepeated) } else { Ok(first) }
    }

    /// The text, if at least one of `known` signed it and no signature of any of them is false. Use this
    /// while a key is being replaced; [`NoteVerifier::open`] otherwise.
    ///
    /// # Errors
    /// [`NoteError::UnknownSigners`], [`NoteError::SignatureInvalid`] or [`NoteError::SignatureRepeated`].
    pub fn verify(&self, known: &[NoteVerifier]) -> Result<&'a str, NoteError> {
        let mut verified = false;
        for key in known {
            if let Some(line) = self.signature_of(key.name(), key.key_id())? {
                key.verify_line(self.text, line)?;
                verified = true;
            }
        }
        if verified { Ok(self.text) } else { Err(NoteError::UnknownSigners) }
    }
}

/// Adds a signature line (with its line feed) to a complete note: how cosignatures are collected.
///
/// # Errors
/// [`NoteError`] when the note or the line is malformed, or would exceed the limits. Verifies nothing.
pub fn attach_line(note: &str, line: &str) -> Result<String, NoteError> {
    NoteSignature::parse_line(line)?;
    let attached = [note, line].concat();
    Note::parse(attached.as_bytes())?;
    Ok(attached)
}

/// Writes one signature line, line feed included.
pub(crate) fn format_line(name: &str, id: KeyId, signature: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(id.len() + signature.len());
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(signature);
    format!("{LINE_START}{name} {}\n", BASE64.encode(bytes))
}

/// The text of a note must be UTF-8 without control characters, and end its last line.
pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
    check_characters(text)?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::TextUnterminated) }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    // Bytes below 0x20 never occur inside a multi-byte character.
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') { Err(NoteError::NotText) } else { Ok(()) }
}

/// Key names: not empty, no Unicode space, no plus sign; no control character, as nowhere in a note.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}
