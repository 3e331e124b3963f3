//! Measures in JSON.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use serde::{Deserialize, Serialize};
use tacit_client::{KnownMeasure, MeasureCounts};
use tacit_model::{Millis, Reason};
use utoipa::ToSchema;

use super::{
    Shared,
    answer::RecordBody,
    envelope::{Call, content_type, whole_body},
    openapi::{IdText, OptionalIdText, OptionalInstantText},
    parse::parse,
};
use crate::gateway::{
    measures::{self, NOTICE, RawMeasure},
    problem::Problem,
};

/// A measure that rests on an answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeasureRegistration, example = json!({
    "record": "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "measure": 1, "decider": "head of the tender office"
}))]
pub(super) struct RegisterBody {
    /// The record of the question whose answer it rests on, a ULID.
    #[serde(default)]
    #[schema(required = true, value_type = IdText)]
    record: String,
    /// The list whose answer it rests on; not needed when one list alone named the subject.
    #[serde(default)]
    #[schema(required = false, pattern = "^(|[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62})$")]
    list: String,
    /// Its place among the measures of the agreement, from 1; `GET /v1/lists` names them.
    #[serde(default)]
    #[schema(required = true, minimum = 1, maximum = 64)]
    measure: u32,
    /// When it ends by itself, RFC 3339 with milliseconds in UTC.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalInstantText)]
    until: String,
    /// Who decided, a role or a person; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    decider: String,
}

/// Who decided that a measure is lifted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeasureLift, example = json!({"decider": "head of the tender office"}))]
pub(super) struct LiftBody {
    /// A role or a person; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    decider: String,
}

/// Which measures are meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeasureSearch, example = json!({"all": false, "limit": 100}))]
pub(super) struct SearchBody {
    /// Whether those that are over are meant too.
    #[serde(default)]
    #[schema(required = false)]
    all: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalIdText)]
    cursor: String,
    /// Most measures of this page; 100 without it.
    #[serde(default)]
    #[schema(required = false, minimum = 0, maximum = 1000)]
    limit: u32,
}

/// A measure: not about whom.
#[derive(Serialize, ToSchema)]
#[schema(as = Measure)]
pub(super) struct MeasureBody {
    /// The record that registered it; absent while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = RecordBody)]
    registration: Option<RecordBody>,
    /// `sent`, `refused`, `standing`, `unconfirmed`, `due`, `lifting`, `lifted` or `ended`.
    #[schema(value_type = String, example = "standing")]
    state: &'static str,
    /// The state in words.
    #[schema(value_type = String)]
    meaning: &'static str,
    /// Whether it should have been lifted before now.
    overdue: bool,
    /// The record of the question whose answer it rests on, a ULID.
    answer: String,
    /// The list.
    list: String,
    /// Purpose code.
    purpose: String,
    /// The agency's case number.
    case_number: String,
    /// The agreement that names it, a ULID.
    agreement: String,
    /// Its place there, from 1.
    measure: u32,
    /// In the agreement's words.
    words: String,
    /// Who decided.
    decider: String,
    /// When it ends by itself, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    until: Option<String>,
    /// When it was registered, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    registered: Option<String>,
    /// When the list was asked again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    asked: Option<String>,
    /// What it said then: `listed`, `not_listed`, or why it said nothing, as a stable reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "listed")]
    said: Option<&'static str>,
    /// When the list is asked again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    ask_again: Option<String>,
    /// By when it has to be lifted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    lift_by: Option<String>,
    /// When it was lifted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    lifted: Option<String>,
}

impl From<&KnownMeasure> for MeasureBody {
    fn from(of: &KnownMeasure) -> Self {
        let time = |time: Option<Millis>| time.map(Millis::to_rfc3339);
        Self {
            registration: of.registered.as_ref().map(|at| (&at.record).into()),
            state: of.state.as_str(),
            meaning: measures::words(of),
            overdue: of.overdue,
            answer: of.answer.to_string(),
            list: of.list.to_string(),
            purpose: of.purpose.to_string(),
            case_number: of.case.clone(),
            agreement: of.agreement.to_string(),
            measure: of.number,
            words: of.words.clone(),
            decider: of.decider.clone(),
            until: time(of.until),
            registered: time(of.registered.map(|at| at.time)),
            asked: time(of.asked.map(|asked| asked.at)),
            said: of.asked.map(|asked| measures::said(asked.said)),
            ask_again: time(of.ask_again),
            lift_by: time(of.lift_by),
            lifted: time(of.lifted.map(|at| at.time)),
        }
    }
}

/// One measure.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasureAnswer)]
pub(super) struct OneBody {
    /// The id of this request in all logs.
    request_id: String,
    /// It.
    measure: MeasureBody,
    /// What an answer is not, and what follows.
    #[schema(value_type = String)]
    notice: &'static str,
}

/// A page of measures.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasurePage)]
pub(super) struct PageBody {
    /// The id of this request in all logs.
    request_id: String,
    /// In the order in which they were made.
    measures: Vec<MeasureBody>,
    /// The cursor of the page that follows; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    next_cursor: Option<String>,
}

/// How many measures are how far. Those that are overdue are due too.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasureCounts)]
pub(super) struct CountsBody {
    /// Confirmed by an answer that is still kept.
    standing: u64,
    /// Not confirmed any more, and asking again gave no answer.
    unconfirmed: u64,
    /// To be lifted.
    due: u64,
    /// To be lifted, and the time for that is over.
    overdue: u64,
}

impl From<MeasureCounts> for CountsBody {
    fn from(counts: MeasureCounts) -> Self {
        let MeasureCounts { standing, unconfirmed, due, overdue } = counts;
        Self { standing, unconfirmed, due, overdue }
    }
}

/// Registers a measure that rests on an answer. An answer is not a decision: who decided is named with it.
#[utoipa::path(
    post, path = "/v1/measures", operation_id = "registerMeasure", tag = "measures", request_body = RegisterBody,
    responses((status = 200, description = "The measure is on record.", body = OneBody))
)]
pub(super) async fn register(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<OneBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let body: RegisterBody = parse(&whole_body(&app, request).await?)?;
    let RegisterBody { record, list, measure, until, decider } = body;
    let wrong = "A time is written as in 2026-11-22T00:00:00.000Z.";
    let until = match until.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Problem::of_field(Reason::Malformed, "until", wrong))?),
    };
    let raw = RawMeasure { record, list, measure, until, decider };
    let measure = measures::register(&app, raw).await?;
    Ok(one(&call, &measure))
}

/// Lifts a measure by the record that registered it. A lifted one stays so.
#[utoipa::path(
    post, path = "/v1/measures/{measure_id}/lift", operation_id = "liftMeasure", tag = "measures",
    params(("measure_id" = inline(IdText), Path, description = "The record that registered it, a ULID.")),
    request_body = LiftBody,
    responses((status = 200, description = "The measure is lifted, or over by itself.", body = OneBody))
)]
pub(super) async fn lift(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<OneBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let LiftBody { decider } = parse(&whole_body(&app, request).await?)?;
    let measure = measures::lift(&app, &id, decider).await?;
    Ok(one(&call, &measure))
}

/// Lists measures: neither codes nor answers.
#[utoipa::path(
    post, path = "/v1/measures/search", operation_id = "searchMeasures", tag = "measures", request_body = SearchBody,
    responses((status = 200, description = "A page; it may be empty.", body = PageBody))
)]
pub(super) async fn search(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<PageBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let SearchBody { all, cursor, limit } = parse(&whole_body(&app, request).await?)?;
    let page = measures::page(&app, all, &cursor, limit).await?;
    Ok(Json(PageBody {
        request_id: call.id.to_string(),
        measures: page.measures.iter().map(Into::into).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}

fn one(call: &Call, measure: &KnownMeasure) -> Json<OneBody> {
    Json(OneBody { request_id: call.id.to_string(), measure: measure.into(), notice: NOTICE })
}
