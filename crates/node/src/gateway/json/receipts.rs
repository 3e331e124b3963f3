//! Receipts in JSON.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use tacit_client::ReceiptSummary;
use tacit_model::{Millis, Reason};
use utoipa::ToSchema;

use super::{
    Shared,
    answer::RecordBody,
    envelope::{Call, content_type, whole_body},
    openapi::{IdText, OptionalIdText, OptionalInstantText, OptionalListText},
    parse::parse,
};
use crate::gateway::{
    problem::Problem,
    receipts::{self, RawFilter, WARNING},
};

/// Which receipts are meant; everything that is stated has to fit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReceiptSearch, example = json!({"case_number": "2026-0417", "limit": 100}))]
pub(super) struct SearchBody {
    /// The agency's case number.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    case_number: String,
    /// Recorded at this time or later, RFC 3339 with milliseconds in UTC.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalInstantText)]
    from: String,
    /// Recorded before this time.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalInstantText)]
    until: String,
    /// Who asked, as the agency names its officers. What was asked before officers were kept is found without it.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    officer: String,
    /// A list that answered, `<holder>/<name>`. By list and purpose a page can have fewer receipts than `limit`, or none,
    /// and still a `next_cursor`: at most 200 are looked through for it.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalListText)]
    list: String,
    /// Purpose code.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    purpose: String,
    /// The newest first, instead of the oldest.
    #[serde(default)]
    #[schema(required = false)]
    newest_first: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalIdText)]
    cursor: String,
    /// Most receipts of this page; 100 without it.
    #[serde(default)]
    #[schema(required = false, minimum = 0, maximum = 1000)]
    limit: u32,
}

impl SearchBody {
    fn raw(self) -> Result<RawFilter, Problem> {
        let Self { case_number, from, until, officer, list, purpose, newest_first, cursor, limit } = self;
        Ok(RawFilter {
            case_number,
            from: time(&from, "from")?,
            until: time(&until, "until")?,
            officer,
            list,
            purpose,
            newest_first,
            cursor,
            limit,
        })
    }
}

fn time(text: &str, field: &'static str) -> Result<Option<Millis>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = "A time is written as in 2026-11-22T00:00:00.000Z.";
    text.parse().map(Some).map_err(|_| Problem::of_field(Reason::Malformed, field, wrong))
}

/// What is told of a receipt: neither whom it is about nor what was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiptSummary)]
pub(super) struct SummaryBody {
    /// The record of the question.
    record: RecordBody,
    /// When it was recorded, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    recorded: String,
    /// Lists that answered.
    lists: Vec<String>,
    /// Purpose code.
    purpose: String,
    /// The agency's case number.
    case_number: String,
    /// Who asked, as the agency names its officers.
    officer: String,
}

impl From<&ReceiptSummary> for SummaryBody {
    fn from(summary: &ReceiptSummary) -> Self {
        Self {
            record: (&summary.record).into(),
            recorded: summary.recorded.to_rfc3339(),
            lists: summary.lists.iter().map(ToString::to_string).collect(),
            purpose: summary.purpose.clone(),
            case_number: summary.case.clone(),
            officer: summary.officer.clone(),
        }
    }
}

/// A page of receipts.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiptPage)]
pub(super) struct PageBody {
    /// The id of this request in all logs.
    request_id: String,
    /// Receipts by record id, which begins with its time: ascending, or with `newest_first` descending.
    receipts: Vec<SummaryBody>,
    /// The cursor of the page that follows; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    next_cursor: Option<String>,
}

/// A receipt as it is handed out.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptBody {
    /// The id of this request in all logs.
    request_id: String,
    /// What is told of it.
    summary: SummaryBody,
    /// The file in base64, as `tacit receipt verify` reads it.
    #[schema(format = Byte)]
    file: String,
    /// Whom it is for.
    #[schema(value_type = String)]
    warning: &'static str,
}

/// Lists receipts, in the order of their records.
///
/// The search is in the body, so that no case number stands in an address.
#[utoipa::path(
    post, path = "/v1/receipts/search", operation_id = "searchReceipts", tag = "receipts", request_body = SearchBody,
    responses((status = 200, description = "A page; it may be empty.", body = PageBody))
)]
pub(super) async fn search(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<PageBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let body: SearchBody = parse(&whole_body(&app, request).await?)?;
    let page = receipts::page(&app, body.raw()?).await?;
    Ok(Json(PageBody {
        request_id: call.id.to_string(),
        receipts: page.receipts.iter().map(Into::into).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}

/// Hands out one receipt, which shows its subject and what was answered: for the subject, a court or an auditor.
#[utoipa::path(
    get, path = "/v1/receipts/{record_id}", operation_id = "receipt", tag = "receipts",
    params(("record_id" = inline(IdText), Path, description = "The record of the question, a ULID.")),
    responses((status = 200, description = "The receipt.", body = ReceiptBody))
)]
pub(super) async fn receipt(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(record): Path<String>,
) -> Result<Json<ReceiptBody>, Problem> {
    let record = receipts::record_id(&record)?;
    let found = receipts::one(&app, record, &call.id, call.application.as_ref()).await?;
    let found = found.ok_or_else(receipts::none)?;
    Ok(Json(ReceiptBody {
        request_id: call.id.to_string(),
        summary: (&found.summary).into(),
        file: BASE64.encode(found.bytes.as_slice()),
        warning: WARNING,
    }))
}
