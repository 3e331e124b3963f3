//! Answers to requests for files: the content with what caches need, or a problem in JSON.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use ring::digest::{SHA256, digest};
use tacit_model::Reason;
use tonic::{body::Body, metadata::MetadataMap};

/// Bytes of the digest that stand in an entity tag.
const TAG_BYTES: usize = 16;

/// A tile or a bundle never changes, a partial one neither: its width stands in its name. Only who asked may keep it.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// A file that is there.
pub(super) enum Content {
    /// Text that changes: the newest signed note, or where the years begin.
    Text(Bytes),
    /// Hashes or records.
    File(Bytes),
}

impl Content {
    /// The answer, without its content when that is what the caller has already, or when only headers are wanted.
    pub(super) fn response(self, method: &Method, asked: &MetadataMap) -> Response<Body> {
        let (bytes, content_type, cache) = match self {
            Self::Text(bytes) => (bytes, "text/plain; charset=utf-8", "no-cache"),
            Self::File(bytes) => (bytes, "application/octet-stream", FOR_EVER),
        };
        let tag = tag(&bytes);
        let known = asked.get(header::IF_NONE_MATCH.as_str()).and_then(|tags| tags.to_str().ok());
        let status = if known.is_some_and(|known| names(known, &tag)) {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };
        let mut response = whole(status, method, content_type, bytes);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// Why there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The connection has no known peer.
    Unauthenticated,
    /// Not for this role, or the registry does not have the peer in it.
    WrongRole,
    /// The log has no such file, now.
    NotFound,
    /// Files are only read.
    Method,
    /// There is nothing to send.
    Body,
    /// The store did not answer.
    Unavailable,
    /// The store contradicts itself.
    Internal,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::WrongRole => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::Unauthenticated => Reason::Unauthenticated,
            Self::WrongRole => Reason::WrongRole,
            Self::NotFound => Reason::NotFound,
            Self::Method | Self::Body => Reason::Malformed,
            Self::Unavailable => Reason::Unavailable,
            Self::Internal => Reason::Internal,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "The log has no such file.",
            Self::Method => "Files of the log are read with GET or HEAD.",
            Self::Body => "A request for a file has no body.",
            Self::Unauthenticated | Self::WrongRole | Self::Unavailable | Self::Internal => {
                self.reason().meaning()
            }
        }
    }

    /// The answer.
    pub(super) fn response(self, method: &Method, asked: &MetadataMap) -> Response<Body> {
        let mut response = tacit_wire::problem(self.status(), self.reason(), self.message(), asked);
        if method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        let headers = response.headers_mut();
        if self == Self::Method {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if self == Self::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An answer with its length; without the bytes for HEAD, and without both when the caller has them (RFC 9110,
/// sections 8.6 and 15.4.5).
fn whole(status: StatusCode, method: &Method, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut headers = HeaderMap::new();
    let silent = status == StatusCode::NOT_MODIFIED;
    if !silent {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    let body = if silent || method == Method::HEAD { Body::empty() } else { Body::new(Full::new(bytes)) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The entity tag of these bytes.
fn tag(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let mut tag = String::from("\"");
    for byte in digest.as_ref().iter().take(TAG_BYTES) {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    tag
}

/// Whether a list of tags names this one; weak ones count (RFC 9110, section 13.1.2).
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_and_no_other_is() {
        let tag = tag(b"abc");
        assert_eq!(tag, "\"ba7816bf8f01cfea414140de5dae2223\"");
        for list in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            assert!(names(&list, &tag), "{list}");
        }
        for list in ["", "\"x\"", "ba7816bf8f01cfea414140de5dae2223"] {
            assert!(!names(list, &tag), "{list}");
        }
    }
}
