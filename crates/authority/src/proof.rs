//! One record of a chain with everything that proves it, for whoever wants to verify it alone.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;
use utoipa::ToSchema;

use crate::sealed::{Chain, Entry, Opening};

/// A record with its proof. Hashes are hexadecimal, everything else that is no text is base64.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Proof)]
pub(crate) struct ProofBody {
    /// What this is, and its version.
    pub(crate) format: &'static str,
    /// The record, as it stands in the log.
    pub(crate) record: String,
    /// Its leaf index.
    pub(crate) index: u64,
    /// Inclusion proof (RFC 6962), from the leaf up.
    pub(crate) inclusion: Vec<String>,
    /// The checkpoint that it is proven under, a signed note.
    pub(crate) checkpoint: String,
    /// The pseudonym of the chain.
    #[schema(format = Byte)]
    pub(crate) pseudonym: String,
    /// Member that the pseudonym is for.
    pub(crate) requester: String,
    /// Place in the chain, from 0.
    pub(crate) sequence: u64,
    /// Leaf hash of the record before it; zeros for the first one.
    pub(crate) previous: String,
    /// Salt of the record's subject commitment.
    #[schema(format = Byte)]
    pub(crate) salt: String,
    /// What stands beside the record, in the coordinator's words.
    pub(crate) opening: OpeningBody,
    /// The log's signed statement about the whole chain, of the newest reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = StatementBody)]
    pub(crate) statement: Option<StatementBody>,
    /// Whom to show it to.
    pub(crate) warning: &'static str,
}

/// What stands beside a record.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[schema(as = Opening)]
pub(crate) enum OpeningBody {
    /// Of a check: why it was decided so.
    Check {
        /// Exact reason of a refusal.
        exact: String,
        /// Rules that decided.
        rules: Vec<String>,
        /// Agreement that allowed it.
        agreement: String,
        /// Ground that was named.
        basis: String,
    },
    /// Of a consent.
    Consent {
        /// Its text.
        text: String,
        /// Salt of the record's terms commitment.
        #[schema(format = Byte)]
        salt_terms: String,
        /// Number of the change.
        number: u64,
    },
    /// Of a letter.
    Notice {
        /// The pseudonym that it was sealed about: of this chain, or of another epoch.
        #[schema(format = Byte)]
        about: String,
        /// The sealed letter, which the record names by its hash.
        #[schema(format = Byte)]
        letter: String,
        /// The key of this one letter: shows what it says; none when it could not be opened.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(required = false, nullable = false, value_type = String, format = Byte)]
        key: Option<String>,
    },
    /// Of an erasure.
    Erasure,
    /// Of a measure.
    Measure {
        /// The list whose answer it rests on.
        list: String,
        /// Who decided.
        decider: String,
        /// The measure in the agreement's words.
        words: String,
        /// Salt of the record's details commitment.
        #[schema(format = Byte)]
        salt_details: String,
    },
}

/// A signed statement.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Statement)]
pub(crate) struct StatementBody {
    /// The text, `tacit-subject-statement/v1`.
    pub(crate) text: String,
    /// Ed25519 by the log's key.
    #[schema(format = Byte)]
    pub(crate) signature: String,
}

/// Whether a record opens under the very pseudonym of this chain, and not under one of another epoch.
pub(crate) fn opens(chain: &Chain, entry: &Entry) -> bool {
    let record = entry.record.as_bytes();
    tacit_client::opens_under(&chain.pseudonym, record, &entry.salt, entry.sequence, &entry.previous)
}

/// The whole proof of an entry.
pub(crate) fn body(chain: &Chain, entry: Entry, checkpoint: &[u8]) -> ProofBody {
    ProofBody {
        format: "tacit-subject-proof/v1",
        record: entry.record,
        index: entry.index,
        inclusion: entry.path.iter().map(hex::encode).collect(),
        checkpoint: String::from_utf8_lossy(checkpoint).into_owned(),
        pseudonym: BASE64.encode(chain.pseudonym),
        requester: chain.requester.to_string(),
        sequence: entry.sequence,
        previous: hex::encode(entry.previous),
        salt: BASE64.encode(entry.salt),
        opening: match entry.opening {
            Opening::Check { exact, rules, agreement, basis } => {
                OpeningBody::Check { exact, rules, agreement, basis }
            }
            Opening::Consent { text, salt_terms, number, .. } => {
                OpeningBody::Consent { text, salt_terms: BASE64.encode(salt_terms), number }
            }
            Opening::Notice { pseudonym, letter, key } => OpeningBody::Notice {
                about: BASE64.encode(pseudonym),
                letter,
                key: key.map(|key| BASE64.encode(key)),
            },
            Opening::Erasure => OpeningBody::Erasure,
            Opening::Measure { list, decider, words, salt_details } => {
                OpeningBody::Measure { list, decider, words, salt_details: BASE64.encode(salt_details) }
            }
        },
        statement: chain
            .statement
            .as_ref()
            .map(|it| StatementBody { text: it.text.clone(), signature: BASE64.encode(&it.signature) }),
        warning: "This opens one record about a person. Whoever holds it and the person's pseudonym for this member can \
                  tell that the record is about them.",
    }
}
