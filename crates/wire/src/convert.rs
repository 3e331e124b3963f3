//! From bytes on the wire to arrays of fixed size, and refusals as values.

use bytes::Bytes;
use tacit_model::Reason;

/// A field that does not have the form its comment states. Names the field, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Malformed {
    /// The field, as in the proto files.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Exactly `N` bytes, or the field is malformed.
pub fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed { field, problem: "has the wrong length" })
}

/// Concatenated 32-byte values, at most `max` of them.
pub fn chunks32(field: &'static str, bytes: &[u8], max: usize) -> Result<Vec<[u8; 32]>, Malformed> {
    let (chunks, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(Malformed { field, problem: "is not a whole number of 32-byte values" });
    }
    if chunks.len() > max {
        return Err(Malformed { field, problem: "has too many values" });
    }
    Ok(chunks.to_vec())
}

/// Concatenates 32-byte values.
pub fn concat32(values: &[[u8; 32]]) -> Bytes {
    Bytes::copy_from_slice(values.as_flattened())
}

/// A refusal with a reason's fixed text.
pub fn refusal(reason: Reason) -> crate::common::Refusal {
    crate::common::Refusal {
        reason: reason.as_str().to_owned(),
        message: reason.advice().to_owned(),
        remaining: 0,
        resets_at_ms: 0,
    }
}

/// A refusal with a sentence of its own. The sentence must not say more than the caller may know.
pub fn refusal_with(reason: Reason, message: impl Into<String>) -> crate::common::Refusal {
    crate::common::Refusal { message: message.into(), ..refusal(reason) }
}

/// A refusal by a quota.
pub fn refusal_quota(reason: Reason, remaining: u64, resets_at_ms: u64) -> crate::common::Refusal {
    crate::common::Refusal { remaining, resets_at_ms, ..refusal(reason) }
}
