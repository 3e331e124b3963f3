//! Trouble on the wire: a gRPC status with `google.rpc.ErrorInfo` and `RequestInfo`.
//!
//! The text is fixed per reason: what went wrong inside stays in the server's log, found again by
//! the request id.

use tacit_model::Reason;
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use crate::request_id::RequestIds;

/// Domain of our reason codes in `ErrorInfo`.
pub const DOMAIN: &str = "tacit";

/// A status for `reason`, with the request id of the call it answers.
pub fn trouble(reason: Reason, metadata: &MetadataMap) -> Status {
    trouble_with(reason, reason.advice(), metadata)
}

/// A status for `reason` with a sentence of its own, which must hold nothing the caller may not know.
pub fn trouble_with(reason: Reason, message: &str, metadata: &MetadataMap) -> Status {
    trouble_as(code(reason), reason, message, metadata)
}

/// A status for `reason` with another gRPC code than its own.
pub(crate) fn trouble_as(code: Code, reason: Reason, message: &str, metadata: &MetadataMap) -> Status {
    let request_id = RequestIds::of(metadata).unwrap_or("none");
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.as_str(), DOMAIN, std::collections::HashMap::new());
    details.set_request_info(request_id, "");
    Status::with_error_details(code, message, details)
}

/// The reason a status carries, if it is one of ours.
pub fn reason_of(status: &Status) -> Option<Reason> {
    let info = status.get_details_error_info()?;
    (info.domain == DOMAIN).then(|| info.reason.parse().ok()).flatten()
}

/// The request id a status carries.
pub fn request_id_of(status: &Status) -> Option<String> {
    status.get_details_request_info().map(|info| info.request_id)
}

/// The gRPC code of each reason.
fn code(reason: Reason) -> Code {
    match reason {
        Reason::Unauthenticated => Code::Unauthenticated,
        Reason::Overloaded | Reason::QuotaRate => Code::ResourceExhausted,
        Reason::Unavailable | Reason::LogBehind | Reason::QuorumStale | Reason::ClockOff => Code::Unavailable,
        Reason::Deadline => Code::DeadlineExceeded,
        Reason::Internal => Code::Internal,
        Reason::WrongRole | Reason::CertificateMismatch | Reason::NotPermitted => Code::PermissionDenied,
        Reason::UnknownList | Reason::UnknownPurpose | Reason::UnknownMember => Code::NotFound,
        Reason::LogInconsistent | Reason::LogSealed | Reason::LogFrozen => Code::DataLoss,
        _ => Code::InvalidArgument,
    }
}
