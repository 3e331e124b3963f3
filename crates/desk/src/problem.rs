//! What went wrong, in words and as a stable reason: one table from reasons to HTTP statuses.

use std::{borrow::Cow, collections::BTreeSet};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tacit_client::{RecordRef, Refusal};
use tacit_model::{CodeError, Millis, Reason, RequestId, Ulid};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// Why there is no answer. Its texts hold nothing of what the caller typed, except list ids and field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason as the caller may know it.
    pub reason: Reason,
    status: StatusCode,
    /// What happened, one sentence.
    pub message: Cow<'static, str>,
    /// The field at fault.
    pub field: Option<Cow<'static, str>>,
    /// The character of the code at fault, from 1.
    pub position: Option<u32>,
    /// What is left of a quota.
    pub remaining: Option<u64>,
    /// When more of a quota becomes available.
    pub resets_at: Option<Millis>,
    /// Records in the log without an answer.
    pub records: Vec<Ulid>,
}

impl From<Reason> for Problem {
    fn from(reason: Reason) -> Self {
        let reason = reason.outward();
        Self {
            reason,
            status: http_status(reason),
            message: Cow::Borrowed(reason.meaning()),
            field: None,
            position: None,
            remaining: None,
            resets_at: None,
            records: Vec::new(),
        }
    }
}

impl From<&CodeError> for Problem {
    fn from(error: &CodeError) -> Self {
        let mut problem = Self::of_field(error.reason(), "code", capitalized(&error.to_string()));
        problem.position = error.position();
        problem
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let known = Self::from(refusal.reason);
        let quota = known.status == StatusCode::TOO_MANY_REQUESTS;
        // A sentence that a peer wrote for this refusal says more than the reason's own; but not for an exact reason,
        // which is not for the caller.
        let exact = known.reason != refusal.reason;
        let own = exact || refusal.message.is_empty() || refusal.message.contains(known.reason.advice());
        let message = if own { known.message.clone() } else { Cow::Owned(refusal.message.clone()) };
        let remaining = quota.then_some(refusal.remaining);
        Self { message, remaining, resets_at: refusal.resets_at.filter(|_| quota), ..known }
    }
}

impl Problem {
    /// A problem with a sentence of its own.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..reason.into() }
    }

    /// A problem with one field.
    pub fn of_field(
        reason: Reason,
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: Some(field.into()), ..Self::new(reason, message) }
    }

    /// A recorded question whose answer was lost.
    pub fn not_answered(reason: Reason, records: &[RecordRef]) -> Self {
        let message = format!("{} {}", Reason::NotAnswered.meaning(), reason.outward().meaning());
        Self {
            records: records.iter().map(|record| record.id).collect(),
            ..Self::new(Reason::NotAnswered, message)
        }
    }

    /// The caller did not send in time.
    pub fn slow() -> Self {
        Self::new(Reason::Deadline, "The body did not arrive in time.")
            .with_status(StatusCode::REQUEST_TIMEOUT)
    }

    /// The stable reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What to do next.
    pub fn advice(&self) -> &'static str {
        match self.reason {
            // Unlike between the parties, asking the gateway again is a new question.
            Reason::Deadline => "Ask again; a question that went on record already keeps its record.",
            reason => reason.advice(),
        }
    }

    /// The HTTP status of this problem.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The same with a status that HTTP has for exactly this: method, content type, slow body.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The JSON body.
    pub fn body(&self, request_id: &RequestId) -> ProblemBody {
        ProblemBody {
            reason: self.reason.as_str(),
            message: self.message.clone().into_owned(),
            advice: self.advice(),
            request_id: request_id.to_string(),
            field: self.field.clone().map(Cow::into_owned),
            position: self.position,
            remaining: self.remaining,
            resets_at: self.resets_at.map(Millis::to_rfc3339),
            records: self.records.iter().map(Ulid::to_string).collect(),
        }
    }

    /// The whole HTTP answer.
    pub fn response(&self, request_id: &RequestId) -> Response {
        let mut response = (self.status(), Json(self.body(request_id))).into_response();
        if matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self.status(), StatusCode::UNAUTHORIZED) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Without a body: the outermost layer knows the request id and writes it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A stable reason code: every reason that can leave a local interface.
#[derive(Debug)]
pub struct ReasonCode;

impl PartialSchema for ReasonCode {
    fn schema() -> RefOr<Schema> {
        let codes: BTreeSet<&str> = Reason::all().map(|reason| reason.outward().as_str()).collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Stable reason code; new ones may be added."))
            .enum_values(Some(codes))
            .into()
    }
}
impl ToSchema for ReasonCode {}

/// The body of every answer that is not a success, and of every row of a batch without an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable reason code, snake_case.
    #[schema(value_type = ReasonCode)]
    pub reason: &'static str,
    /// What happened, for a person. It never repeats the code that was sent.
    #[schema(example = "Character 3 is neither a letter nor a digit.")]
    pub message: String,
    /// What to do next, for a person.
    pub advice: &'static str,
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub request_id: String,
    /// The field of the request at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "case_number")]
    pub field: Option<String>,
    /// The character of the code at fault, counted from 1 as on the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u32, minimum = 1, example = 3)]
    pub position: Option<u32>,
    /// What is left of the quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u64, example = 0)]
    pub remaining: Option<u64>,
    /// When more of the quota becomes available, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime, example = "2026-11-22T00:00:00.000Z")]
    pub resets_at: Option<String>,
    /// Records in the log that got no answer, ULIDs. Asking again makes records of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["01KAM2V7Q3ZJ6V6T1V8M3W9R5C"]))]
    pub records: Vec<String>,
}

/// The HTTP status of each reason. Exact reasons of refusals never come this far; they count as their outward word.
pub fn http_status(reason: Reason) -> StatusCode {
    use Reason as R;
    match reason {
        R::Malformed | R::CaseRequired | R::PurposeRequired => StatusCode::BAD_REQUEST,
        R::Unauthenticated => StatusCode::UNAUTHORIZED,
        R::NotPermitted
        | R::ConsentRequired
        | R::AgreementMissing
        | R::AgreementNotInForce
        | R::AgreementList
        | R::AgreementPurpose
        | R::AgreementUnsigned
        | R::TooManyLists
        | R::RuleForbids
        | R::ConsentMissing
        | R::ConsentPending
        | R::ConsentRefused
        | R::ConsentPaused
        | R::ConsentWithdrawn
        | R::ConsentExpired
        | R::ConsentNotYetValid
        | R::ConsentTerms
        | R::ConsentFrequency
        | R::WrongRole
        | R::CertificateMismatch
        | R::CertificateInvalid
        | R::AnswerTooOld => StatusCode::FORBIDDEN,
        R::NotFound => StatusCode::NOT_FOUND,
        R::Conflict | R::ConsentDead | R::ConsentOrder => StatusCode::CONFLICT,
        R::TooLarge | R::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
        R::CodeInvalid
        | R::CodeSchemeUnknown
        | R::CodeNotThisScheme
        | R::UnknownList
        | R::UnknownPurpose
        | R::UnknownMember
        | R::RowMalformed
        | R::DateInvalid
        | R::SubjectRepeated
        | R::SubjectUnderAge
        | R::TermOver
        | R::AnswerNotListed
        | R::MeasureUnknown
        | R::ConsentInvalid => StatusCode::UNPROCESSABLE_ENTITY,
        R::QuotaChecks
        | R::QuotaSubject
        | R::QuotaNewSubjects
        | R::QuotaReads
        | R::QuotaRequests
        | R::QuotaLetters
        | R::QuotaRate => StatusCode::TOO_MANY_REQUESTS,
        // What another party or the flow between the parties did wrong: the application's request was good.
        R::NotAnswered
        | R::NotFresh
        | R::NonceReused
        | R::QueryReused
        | R::QueryMismatch
        | R::EpochOver
        | R::EpochNotCurrent
        | R::VersionOld
        | R::ProofInvalid
        | R::SignatureInvalid
        | R::NotEnrolled
        | R::EnrolledOtherwise
        | R::BatchMismatch
        | R::PermitExpired
        | R::PermitNotYetValid
        | R::PermitNotLogged
        | R::PermitUsed
        | R::PermitForOther
        | R::BucketUsed
        | R::LogInconsistent
        | R::TableRejected
        | R::ManifestRejected
        | R::BucketRejected
        | R::EntryUnreadable => StatusCode::BAD_GATEWAY,
        R::ClockOff
        | R::ListNotReady
        | R::LogBehind
        | R::LogFrozen
        | R::LogSealed
        | R::Overloaded
        | R::QuorumStale
        | R::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        R::Deadline => StatusCode::GATEWAY_TIMEOUT,
        R::RegistryInvalid | R::ConfigInvalid | R::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A sentence from an error text: capital in front, full stop behind.
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
    if !out.ends_with('.') {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_fault_in_the_question_is_never_a_server_error() {
        for reason in [
            Reason::Malformed,
            Reason::CaseRequired,
            Reason::PurposeRequired,
            Reason::CodeInvalid,
            Reason::CodeSchemeUnknown,
            Reason::CodeNotThisScheme,
            Reason::UnknownList,
            Reason::UnknownPurpose,
            Reason::TooLarge,
            Reason::TooMany,
            Reason::Unauthenticated,
            Reason::NotFound,
            Reason::NotPermitted,
            Reason::ConsentRequired,
        ] {
            assert!(http_status(reason).is_client_error(), "{reason}");
        }
    }

    #[test]
    fn the_exact_reason_of_a_refusal_never_leaves_the_gateway() {
        for reason in Reason::all() {
            let problem = Problem::from(reason);
            assert_eq!(problem.reason, reason.outward());
            assert_eq!(http_status(reason), problem.status(), "{reason}");
        }
    }

    #[test]
    fn the_words_of_a_bad_code_name_the_position_and_not_the_code() {
        let problem = Problem::from(&CodeError::CheckFailed);
        assert_eq!(problem.message, "The characters do not agree; compare with the document.");
        let error = tacit_model::Schemes::built_in().parse("CN-USCC", "91!50100MA000000XX").unwrap_err();
        let problem = Problem::from(&error);
        assert_eq!((problem.position, problem.reason), (Some(3), Reason::CodeInvalid));
        assert_eq!(problem.message, "Character 3 is neither a letter nor a digit.");
    }
}
