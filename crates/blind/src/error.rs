//! What can be wrong, named by what is at fault.

use tacit_model::Reason;
use thiserror::Error;

/// Why bytes, a proof, a signature or a box was refused. Never carries a secret or a subject code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlindError {
    /// 32 bytes are not the canonical encoding of a ristretto255 element (RFC 9496 section 4.3.1).
    #[error("a point is not a canonical ristretto255 encoding")]
    PointEncoding,
    /// The identity element, which no party may send.
    #[error("a point is the identity")]
    PointIdentity,
    /// 32 bytes are not below the group order.
    #[error("a scalar is not canonical")]
    ScalarEncoding,
    /// Zero where a secret scalar in `[1, l-1]` is due.
    #[error("a secret scalar is zero")]
    ScalarZero,
    /// The wrong number of bytes for a fixed-size field.
    #[error("{what} has {found} bytes, due are {due}")]
    Length {
        /// The field.
        what: &'static str,
        /// Bytes that are due.
        due: usize,
        /// Bytes found.
        found: usize,
    },
    /// More bytes than fit.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// The field.
        what: &'static str,
        /// Most bytes allowed.
        limit: usize,
    },
    /// More parts than the protocol allows.
    #[error("{found} {what}, at most {limit} are allowed")]
    TooMany {
        /// The kind of part.
        what: &'static str,
        /// Most parts allowed.
        limit: usize,
        /// Parts found.
        found: usize,
    },
    /// No part where at least one is due.
    #[error("no {what}")]
    Empty {
        /// The kind of part.
        what: &'static str,
    },
    /// Two sequences that belong together differ in length.
    #[error("{found} {what}, due are {due}")]
    Count {
        /// The kind of part.
        what: &'static str,
        /// Parts due.
        due: usize,
        /// Parts found.
        found: usize,
    },
    /// The same value twice where each must be its own.
    #[error("the same {what} twice")]
    Repeated {
        /// The kind of value.
        what: &'static str,
    },
    /// A transcript ends in the middle of a field.
    #[error("the bytes end inside {field}")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// A transcript has bytes after its last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// A field does not have its form.
    #[error("{field} does not have its form")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// A list that is not the asked holder's own.
    #[error("a list belongs to another holder")]
    ForeignList,
    /// No scalar could be derived from a seed (RFC 9497 section 3.2.1; probability below 2^-252 per try).
    #[error("no key can be derived from this seed")]
    KeyDerivation,
    /// A batch proof of evaluation does not verify under the given public key.
    #[error("the proof of evaluation does not verify under this key")]
    Dleq,
    /// Some proofs of a batch do not verify; their positions, ascending, from 0.
    #[error("{} proofs do not verify", .bad.len())]
    Proofs {
        /// Positions of the bad proofs.
        bad: Vec<usize>,
    },
    /// Something is wrong with one check of a request.
    #[error("check {index}: {error}")]
    InCheck {
        /// Position of the check, from 0.
        index: usize,
        /// What is wrong.
        error: Box<BlindError>,
    },
    /// The signature over a request does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// A request that is addressed to another coordinator.
    #[error("a check names another coordinator")]
    OtherCoordinator,
    /// A request made in another member's name.
    #[error("a check names another requester")]
    OtherRequester,
    /// The certificate named in a check is not the one of the connection.
    #[error("a check names another certificate")]
    Certificate,
    /// The pseudonym is not registered.
    #[error("the pseudonym is not enrolled")]
    NotEnrolled,
    /// One evaluation of the custodian used for a second pseudonym.
    #[error("the evaluation is registered under another pseudonym")]
    EnrolledOtherwise,
    /// The query shown is not the one in the record.
    #[error("the query is not the one in the record")]
    QueryMismatch,
    /// An auditor's or signing key that is not a key.
    #[error("a public key is not valid")]
    Key,
    /// An audit box that does not open with these keys.
    #[error("the audit box does not open")]
    BoxUnreadable,
}

impl BlindError {
    /// The stable code that interfaces and logs carry.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::PointEncoding
            | Self::PointIdentity
            | Self::ScalarEncoding
            | Self::ScalarZero
            | Self::Length { .. }
            | Self::Empty { .. }
            | Self::Truncated { .. }
            | Self::Trailing
            | Self::Field { .. }
            | Self::ForeignList
            | Self::OtherCoordinator
            | Self::Repeated { .. }
            | Self::BoxUnreadable => Reason::Malformed,
            Self::TooLong { .. } => Reason::TooLarge,
            Self::TooMany { .. } => Reason::TooMany,
            Self::Count { .. } => Reason::BatchMismatch,
            Self::KeyDerivation => Reason::Internal,
            Self::Dleq | Self::Proofs { .. } => Reason::ProofInvalid,
            Self::InCheck { error, .. } => error.reason(),
            Self::Signature => Reason::SignatureInvalid,
            Self::OtherRequester => Reason::Unauthenticated,
            Self::Certificate => Reason::CertificateMismatch,
            Self::NotEnrolled => Reason::NotEnrolled,
            Self::EnrolledOtherwise => Reason::EnrolledOtherwise,
            Self::QueryMismatch => Reason::QueryMismatch,
            Self::Key => Reason::ConfigInvalid,
        }
    }
}
