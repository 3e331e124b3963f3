//! What the sealed columns hold. `Debug` of all of it shows nothing.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tacit_client::{Kind, LetterSent, ReceivedLetter, RowKey, SealedLetter};
use tacit_model::{MemberId, Millis, entropy::os_rng};
use tacit_policy::letter::{Case, Letter};
use zeroize::Zeroizing;

use super::{Redress, RedressError};

/// Bytes as base64.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Blob(pub(super) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(&self.0, &BASE64))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(Self).map_err(|_| D::Error::custom("expected base64"))
    }
}

/// A letter as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    Out(Box<Written>),
    In(Box<Came>),
}

/// A letter that was written here.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) letter: Content,
    /// As it goes: sealed once, so that a retry gets the same record.
    pub(super) sealed: Option<Sealed>,
    pub(super) logged: Option<Logged>,
}

/// The content of a letter that was written here: JSON.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Content(pub(super) String);

impl TryFrom<Vec<u8>> for Content {
    type Error = RedressError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, RedressError> {
        String::from_utf8(bytes).map(Self).map_err(|_| RedressError::Row)
    }
}

/// A sealed letter.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) sender: MemberId,
    pub(super) member: MemberId,
    pub(super) pseudonym: [u8; 32],
    pub(super) bytes: Blob,
}

/// Where a letter stands in the log.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Logged {
    /// Id of the record.
    pub(super) record: String,
    pub(super) index: u64,
    pub(super) time_ms: u64,
    /// The checkpoint it was proven under.
    pub(super) checkpoint: Blob,
}

/// A letter that came, with what proves it.
#[derive(Serialize, Deserialize)]
pub(super) struct Came {
    pub(super) letter: Sealed,
    pub(super) logged: Logged,
    pub(super) record: Blob,
    pub(super) path: Vec<[u8; 32]>,
    pub(super) salt: [u8; 32],
    pub(super) sequence: u64,
    pub(super) previous: [u8; 32],
    /// What it says, and its sender's signature; none when it does not open.
    pub(super) content: Option<Blob>,
    pub(super) signature: Option<Blob>,
    /// Why it was not taken.
    pub(super) problem: Option<String>,
}

/// A case with the moment of its last decision.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptCase {
    pub(super) case: Case,
    pub(super) ruled_ms: u64,
}

macro_rules! hidden {
    ($($kind:ident),*) => {
        $(impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($kind), "(..)"))
            }
        })*
    };
}
hidden!(Blob, Kept, Written, Content, Sealed, Logged, Came, KeptCase);

impl From<&SealedLetter> for Sealed {
    fn from(letter: &SealedLetter) -> Self {
        Self {
            sender: letter.sender.clone(),
            member: letter.member.clone(),
            pseudonym: letter.pseudonym,
            bytes: Blob(letter.bytes.to_vec()),
        }
    }
}

impl Sealed {
    pub(super) fn to_letter(&self) -> SealedLetter {
        SealedLetter {
            sender: self.sender.clone(),
            member: self.member.clone(),
            pseudonym: self.pseudonym,
            bytes: self.bytes.0.clone().into(),
        }
    }
}

impl From<&LetterSent> for Logged {
    fn from(sent: &LetterSent) -> Self {
        Self {
            record: sent.record.id.to_string(),
            index: sent.record.index,
            time_ms: sent.time.0,
            checkpoint: Blob(sent.checkpoint.to_vec()),
        }
    }
}

impl From<&ReceivedLetter> for Came {
    fn from(letter: &ReceivedLetter) -> Self {
        let opened = letter.opened.as_ref().ok();
        Self {
            letter: (&letter.letter).into(),
            logged: Logged {
                record: letter.record.id.to_string(),
                index: letter.record.index,
                time_ms: letter.time.0,
                checkpoint: Blob(letter.proof.checkpoint.to_vec()),
            },
            record: Blob(letter.proof.record.to_vec()),
            path: letter.proof.path.clone(),
            salt: letter.proof.salt,
            sequence: letter.proof.sequence,
            previous: letter.proof.previous,
            content: opened.map(|it| Blob(it.content().to_vec())),
            signature: opened.map(|it| Blob(it.signature().to_vec())),
            problem: None,
        }
    }
}

impl Kept {
    /// What the letter says, if it can be read.
    pub(super) fn letter(&self) -> Option<Letter> {
        let content = match self {
            Self::Out(written) => written.letter.0.as_bytes(),
            Self::In(came) => &came.content.as_ref()?.0,
        };
        Letter::parse(content).ok()
    }

    pub(super) fn logged(&self) -> Option<&Logged> {
        match self {
            Self::Out(written) => written.logged.as_ref(),
            Self::In(came) => Some(&came.logged),
        }
    }
}

impl Logged {
    pub(super) fn time(&self) -> Millis {
        Millis(self.time_ms)
    }
}

impl Redress {
    pub(super) fn seal(&self, key: &RowKey, value: &impl Serialize) -> Result<Vec<u8>, RedressError> {
        let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| RedressError::Row)?);
        Ok(self.rows.seal(Kind::Redress, key, &plain, &mut os_rng()))
    }

    pub(super) fn open<T: serde::de::DeserializeOwned>(
        &self,
        key: &RowKey,
        sealed: &[u8],
    ) -> Result<T, RedressError> {
        let plain = self.rows.open(Kind::Redress, key, sealed)?;
        // The error would quote what was read.
        serde_json::from_slice(&plain).map_err(|_| RedressError::Row)
    }
}
