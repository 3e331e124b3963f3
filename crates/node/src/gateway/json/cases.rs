//! Objections and appeals in JSON.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tacit_model::MemberId;
use tacit_policy::{Registry, letter::Letter};
use utoipa::ToSchema;

use super::{
    Shared,
    envelope::{Call, content_type, whole_body},
    openapi::{IdText, ListIdText, OptionalIdText},
    parse::parse,
};
use crate::{
    gateway::{
        cases::{self, NOTICE, RawRuling},
        problem::Problem,
    },
    redress::{CaseView, LetterView},
};

/// Which cases are meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CaseSearch, example = json!({"level": "objection", "over": false, "limit": 50}))]
pub(super) struct SearchBody {
    /// `objection`: to listings of this agency; `appeal`: against decisions of other agencies that it reviews.
    #[serde(default)]
    #[schema(required = true, pattern = "^(objection|appeal)$")]
    level: String,
    /// Whether those that are over are meant too.
    #[serde(default)]
    #[schema(required = false)]
    over: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalIdText)]
    cursor: String,
    /// Most cases of this page; 50 without it.
    #[serde(default)]
    #[schema(required = false, minimum = 0, maximum = 100)]
    limit: u32,
}

/// What is decided, why, and by whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CaseDecision, example = json!({
    "outcome": "annulled", "reasons": "The payment is proven.", "decided_by": "Judge Li"
}))]
pub(super) struct DecideBody {
    /// `upheld`: the listing stands; `annulled`: it is removed; `corrected`: it stands with other values.
    #[serde(default)]
    #[schema(required = true, pattern = "^(upheld|annulled|corrected)$")]
    outcome: String,
    /// What is corrected; with `corrected` alone. At most 500 characters.
    #[serde(default)]
    #[schema(required = false, max_length = 500)]
    corrected: String,
    /// Why, in words for the person; at most 4,000 characters.
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$"
    )]
    reasons: String,
    /// Who decides, a person or an office; the person is told. At most 200 characters.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    decided_by: String,
}

/// What has to be done next.
#[derive(Serialize, ToSchema)]
#[schema(as = CaseDue)]
struct DueBody {
    /// `decide`, `review` (by the other body) or `correct`.
    #[schema(value_type = String, example = "decide")]
    what: &'static str,
    /// The last day on which that is in time.
    #[schema(format = Date, example = "2026-12-08")]
    by: String,
}

/// An objection or an appeal: not whom it is about.
#[derive(Serialize, ToSchema)]
#[schema(as = Case)]
struct CaseBody {
    /// Its id, a ULID: the objection's, also of its appeal.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    case_id: String,
    /// `objection` or `appeal`.
    #[schema(value_type = String, example = "objection")]
    level: &'static str,
    /// The list.
    #[schema(value_type = ListIdText)]
    list: String,
    /// Its name in words.
    title: String,
    /// `open`, `decided`, `appealed` or `reviewed`.
    #[schema(value_type = String, example = "open")]
    state: &'static str,
    /// What is to be done, in words.
    #[schema(value_type = String)]
    meaning: &'static str,
    /// The day on which it arrived, where the list is kept.
    #[schema(format = Date, example = "2026-11-23")]
    received_on: String,
    /// The last day on which this agency decides in time.
    #[schema(format = Date, example = "2026-12-08")]
    decide_by: String,
    /// What has to be done next, here or by the other body; absent when nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = DueBody)]
    due: Option<DueBody>,
    /// Whether that should have been done before today.
    overdue: bool,
    /// `upheld`, `annulled` or `corrected`, of the decision that counts; absent before one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "upheld")]
    outcome: Option<&'static str>,
    /// The day of that decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2026-11-30")]
    decided_on: Option<String>,
    /// The day from which the record is as decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2026-12-01")]
    carried_out_on: Option<String>,
    /// Days from the decision until then, or until today; of an own listing that was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = i32, example = 1)]
    days_to_correction: Option<i32>,
    /// Whether these are more than the three that a correction may take.
    late: bool,
}

impl CaseBody {
    fn new(view: &CaseView, registry: &Registry) -> Self {
        let (case, ruling) = (&view.case, view.case.ruling());
        Self {
            case_id: case.id.to_string(),
            level: cases::level_word(case.level),
            list: case.list.to_string(),
            title: registry.list_title(&case.list).to_owned(),
            state: case.word(),
            meaning: cases::words(view),
            received_on: case.received_on.to_string(),
            decide_by: case.decide_by().to_string(),
            due: view.due.map(|due| DueBody { what: due.duty.as_str(), by: due.by.to_string() }),
            overdue: view.is_overdue(),
            outcome: ruling.map(|ruling| ruling.outcome.as_str()),
            decided_on: ruling.map(|ruling| ruling.decided_on.to_string()),
            carried_out_on: ruling.and_then(|ruling| ruling.carried_out_on).map(|day| day.to_string()),
            days_to_correction: view.days_to_correction,
            late: view.is_late(),
        }
    }
}

/// Whom a case is about.
#[derive(Serialize, ToSchema)]
#[schema(as = CaseSubject)]
struct SubjectBody {
    /// Identifier scheme.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code, normalized.
    code: String,
}

/// A letter inside another, whose author's signature holds.
#[derive(Serialize, ToSchema)]
#[schema(as = EnclosedLetter)]
struct EnclosedBody {
    /// Member that wrote it.
    from: String,
    /// Its name.
    from_title: String,
    /// What it says.
    #[schema(value_type = Object)]
    letter: Value,
}

/// A letter of a case.
#[derive(Serialize, ToSchema)]
#[schema(as = CaseLetter)]
struct LetterBody {
    /// `in` or `out`.
    #[schema(example = "in")]
    way: String,
    /// `waiting` or `logged`, of one that was written here; `taken` of one that came.
    #[schema(example = "taken")]
    state: String,
    /// When it was written or came, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T04:00:00.000Z")]
    at: String,
    /// Member that wrote it.
    from: String,
    /// Its name.
    from_title: String,
    /// Its record in the log, a ULID; absent while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    record: Option<String>,
    /// What it says, with its kind.
    #[schema(value_type = Object)]
    letter: Value,
    /// The letters inside it.
    encloses: Vec<EnclosedBody>,
}

impl LetterBody {
    /// Letters of a case were taken or written here, so that each can be read.
    fn new(view: &LetterView, own: &MemberId, registry: &Registry) -> Self {
        let from = view.from.as_ref().unwrap_or(own);
        let enclosed = |it: &crate::redress::EnclosedView| EnclosedBody {
            from: it.from.to_string(),
            from_title: registry.member_title(&it.from).to_owned(),
            letter: content(Some(&it.letter)),
        };
        Self {
            way: view.way.clone(),
            state: view.state.clone(),
            at: view.at.to_rfc3339(),
            from: from.to_string(),
            from_title: registry.member_title(from).to_owned(),
            record: view.record.clone(),
            letter: content(view.letter.as_ref()),
            encloses: view.encloses.iter().map(enclosed).collect(),
        }
    }
}

/// A letter is JSON already.
fn content(letter: Option<&Letter>) -> Value {
    letter
        .and_then(|letter| serde_json::to_value(letter).ok())
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
#[schema(as = CasePage)]
pub(super) struct PageBody {
    /// The id of this request in all logs.
    request_id: String,
    /// In the order in which they began, so that what is due first stands first.
    cases: Vec<CaseBody>,
    /// The cursor of the page that follows; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    next_cursor: Option<String>,
}

/// One case with its letters.
#[derive(Serialize, ToSchema)]
#[schema(as = CaseFile)]
pub(super) struct FileBody {
    /// The id of this request in all logs.
    request_id: String,
    /// It.
    case: CaseBody,
    /// Whom it is about.
    subject: SubjectBody,
    /// Its letters, oldest first.
    letters: Vec<LetterBody>,
    /// What a decision does.
    #[schema(value_type = String)]
    notice: &'static str,
}

/// Lists the objections to own listings, or the appeals that this agency reviews: not whom they are about.
///
/// Wants a token with the right `redress`, as all addresses of cases. Only who keeps a list has cases.
#[utoipa::path(
    post, path = "/v1/cases/search", operation_id = "searchCases", tag = "cases", request_body = SearchBody,
    responses((status = 200, description = "A page; it may be empty.", body = PageBody))
)]
pub(super) async fn search(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<PageBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let SearchBody { level, over, cursor, limit } = parse(&whole_body(&app, request).await?)?;
    let page = cases::page(&app, &level, over, &cursor, limit).await?;
    let registry = app.asker.registry();
    Ok(Json(PageBody {
        request_id: call.id.to_string(),
        cases: page.cases.iter().map(|view| CaseBody::new(view, &registry)).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}

/// Shows one case with its letters, and whom it is about.
#[utoipa::path(
    get, path = "/v1/cases/{level}/{case_id}", operation_id = "showCase", tag = "cases",
    params(
        ("level" = String, Path, pattern = "^(objection|appeal)$", description = "`objection` or `appeal`."),
        ("case_id" = inline(IdText), Path, description = "Its id, a ULID.")
    ),
    responses((status = 200, description = "The case.", body = FileBody))
)]
pub(super) async fn show(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path((level, id)): Path<(String, String)>,
) -> Result<Json<FileBody>, Problem> {
    let view = cases::show(&app, &level, &id).await?;
    Ok(file(&app, &call, &view))
}

/// Decides a case, once. The letter that says so is on its way with the same commit, and an annulled listing is removed.
#[utoipa::path(
    post, path = "/v1/cases/{level}/{case_id}/decide", operation_id = "decideCase", tag = "cases",
    params(
        ("level" = String, Path, pattern = "^(objection|appeal)$", description = "`objection` or `appeal`."),
        ("case_id" = inline(IdText), Path, description = "Its id, a ULID.")
    ),
    request_body = DecideBody,
    responses((status = 200, description = "The case as it is decided.", body = FileBody))
)]
pub(super) async fn decide(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path((level, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<FileBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let DecideBody { outcome, corrected, reasons, decided_by } = parse(&whole_body(&app, request).await?)?;
    let raw = RawRuling { outcome, corrected, reasons, decided_by };
    let view = cases::decide(&app, &level, &id, raw, &call.id, call.application.as_ref()).await?;
    Ok(file(&app, &call, &view))
}

fn file(app: &Shared, call: &Call, view: &CaseView) -> Json<FileBody> {
    let (subject, registry, own) = (&view.case.subject, app.asker.registry(), app.asker.member());
    Json(FileBody {
        request_id: call.id.to_string(),
        case: CaseBody::new(view, &registry),
        subject: SubjectBody { scheme: subject.scheme.clone(), code: subject.code.clone() },
        letters: view.letters.iter().map(|letter| LetterBody::new(letter, own, &registry)).collect(),
        notice: NOTICE,
    })
}
