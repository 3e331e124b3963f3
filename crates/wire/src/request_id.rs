//! Request ids: made by the caller or by the first server, echoed in every error.

use tonic::{Request, metadata::MetadataMap};

/// Metadata key of the request id.
pub const REQUEST_ID: &str = "x-request-id";

/// Longest request id taken from a caller, in bytes.
const MAX_LEN: usize = 64;

/// Reads and writes request ids in metadata.
pub struct RequestIds;

impl RequestIds {
    /// The request id of a call, when it has a well-formed one: 1 to 64 of `[A-Za-z0-9._-]`.
    pub fn of(metadata: &MetadataMap) -> Option<&str> {
        let id = metadata.get(REQUEST_ID)?.to_str().ok()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (!id.is_empty() && id.len() <= MAX_LEN && id.bytes().all(plain)).then_some(id)
    }

    /// Puts a request id on an outgoing call.
    pub fn put<T>(request: &mut Request<T>, id: &str) {
        if let Ok(value) = id.parse() {
            request.metadata_mut().insert(REQUEST_ID, value);
        }
    }
}
