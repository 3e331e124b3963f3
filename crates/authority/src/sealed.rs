//! What the sealed columns hold, and how rows are named. `Debug` of all of it shows nothing.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tacit_client::{Kind, RowKey, SealBroken, Vault};
use tacit_model::{MemberId, SubjectCode};
use zeroize::Zeroizing;

/// A user.
#[derive(Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) scheme: String,
    pub(crate) code: String,
}

/// A chain: whose pseudonym, how far it was read, and what came of the last reading.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) requester: MemberId,
    pub(crate) epoch: u32,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) records: u64,
    pub(crate) head: [u8; 32],
    pub(crate) erased: u64,
    /// Time of the statement of the last reading that held, milliseconds; 0 before the first.
    pub(crate) as_of_ms: u64,
    /// The log's signed statement of then.
    pub(crate) statement: Option<Statement>,
    /// What was wrong with the last reading.
    pub(crate) finding: Option<String>,
}

impl Chain {
    /// Whether it held when it was read last, in words.
    pub(crate) fn proof(&self) -> String {
        let wrong = |finding| format!("NOT verified: {finding}");
        self.finding.as_ref().map_or_else(|| "verified".to_owned(), wrong)
    }
}

/// A signed statement of the log about one pseudonym.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) signature: Vec<u8>,
}

/// A record of a chain, with what proves and opens it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) index: u64,
    /// The record's text.
    pub(crate) record: String,
    pub(crate) path: Vec<[u8; 32]>,
    pub(crate) salt: [u8; 32],
    pub(crate) previous: [u8; 32],
    /// Hash of the checkpoint that it was proven under.
    pub(crate) checkpoint: [u8; 32],
    pub(crate) opening: Opening,
}

/// What stands beside a record.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opening {
    Check {
        exact: String,
        rules: Vec<String>,
        agreement: String,
        basis: String,
    },
    /// Of a consent, or of a request for one: the text says which.
    Consent {
        text: String,
        /// Over the text, 64 bytes; none of what was read before it was kept.
        #[serde(default)]
        signature: Vec<u8>,
        salt_terms: [u8; 32],
        number: u64,
    },
    /// Of a letter: T that it was sealed about, the sealed bytes in base64, and its own key when it could be opened.
    Notice {
        pseudonym: [u8; 32],
        letter: String,
        key: Option<[u8; 32]>,
    },
    Erasure,
    Measure {
        list: String,
        decider: String,
        words: String,
        salt_details: [u8; 32],
    },
}

/// `Debug` that shows nothing.
macro_rules! hidden {
    ($($kind:ident),*) => {
        $(impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($kind), "(..)"))
            }
        })*
    };
}
pub(crate) use hidden;
hidden!(User, Chain, Statement, Entry, Opening);

/// A row that cannot be read; our side is at fault.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Another store key, or the row was changed.
    #[error(transparent)]
    Seal(#[from] SealBroken),
    /// It opens, and is not of this version's form.
    #[error("a stored {0} row is not of a form that this version knows")]
    Form(&'static str),
}

/// Names, seals and opens the authority's rows.
#[derive(Debug)]
pub(crate) struct Rows(pub(crate) Vault);

impl Rows {
    pub(crate) fn new(store_key: &[u8; 32]) -> Self {
        Self(Vault::new(store_key))
    }

    /// The row of a user.
    pub(crate) fn user(&self, code: &SubjectCode) -> RowKey {
        self.0.row_key(Kind::User, &[code.scheme().as_bytes(), code.expose_code().as_bytes()])
    }

    /// The row of a user's chain with a requester.
    pub(crate) fn chain(&self, user: &RowKey, requester: &MemberId, epoch: u32) -> RowKey {
        self.0.row_key(Kind::Chain, &[user, requester.as_bytes(), &epoch.to_be_bytes()])
    }

    /// The row of a record of a chain.
    pub(crate) fn entry(&self, chain: &RowKey, sequence: u64) -> RowKey {
        self.0.row_key(Kind::Entry, &[chain, &sequence.to_be_bytes()])
    }

    /// A name for a set of requesters with their epochs, in their order.
    pub(crate) fn covered(&self, requesters: &[(MemberId, u32)]) -> RowKey {
        let epochs: Vec<[u8; 4]> = requesters.iter().map(|(_, epoch)| epoch.to_be_bytes()).collect();
        let parts =
            requesters.iter().zip(&epochs).flat_map(|((id, _), epoch)| [id.as_bytes(), epoch.as_slice()]);
        self.0.row_key(Kind::Chain, &parts.collect::<Vec<_>>())
    }

    pub(crate) fn seal(
        &self,
        kind: Kind,
        key: &RowKey,
        value: &impl Serialize,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, RowError> {
        let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| RowError::Form("new"))?);
        Ok(self.0.seal(kind, key, &plain, rng))
    }

    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        kind: Kind,
        key: &RowKey,
        sealed: &[u8],
    ) -> Result<T, RowError> {
        let plain = self.0.open(kind, key, sealed)?;
        let name = match kind {
            Kind::User => "user",
            Kind::Chain => "chain",
            Kind::Redress => "letter",
            Kind::ConsentChange => "change",
            _ => "entry",
        };
        // The error would quote what was read.
        serde_json::from_slice(&plain).map_err(|_| RowError::Form(name))
    }
}
