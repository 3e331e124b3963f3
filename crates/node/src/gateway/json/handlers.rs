//! The handlers: from a request to facts, from an outcome to JSON.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Request, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use futures::{Stream, StreamExt as _, stream};
use tacit_client::{Outcome, RowOutcome};
use tacit_model::{LogSafe, Millis, Reason, RequestId, SubjectCode};
use tacit_policy::Registry;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::Instrument as _;

use super::{
    App, Shared,
    answer::{CheckAnswerBody, EndBody, Teller, changes},
    envelope::{Call, content_type, whole_body},
    lines::Lines,
    lists, openapi,
    parse::parse,
    terms,
    types::{
        CheckBody, HealthBody, HeldListBody, InvalidRowBody, PlanBody, QuestionBody, QuorumBody, StatusBody,
    },
};
use crate::gateway::{
    batch::{self, Event},
    cases,
    problem::Problem,
    question::Checked,
    words,
};

/// Names of JSON Lines, which has no registered one.
const LINES: &[&str] = &["application/x-ndjson", "application/jsonl"];

/// Asks about one subject.
#[utoipa::path(
    post, path = "/v1/checks", operation_id = "check", tag = "checks", request_body = CheckBody,
    responses((status = 200, description = "Every list answered or said why not.", body = CheckAnswerBody))
)]
pub(super) async fn check(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Response, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let body: CheckBody = parse(&whole_body(&app, request).await?)?;
    let (question, typed) = body.split();
    let registry = app.asker.registry();
    let checked = question.check(&registry)?;
    let typed = typed.ok_or_else(|| Problem::of_field(Reason::Malformed, "code", "No code was given."))?;
    let parsed = checked.read_code(&typed.0, &registry)?;
    // Who typed it knows it: it is told only when it was changed.
    let read_as = (!parsed.changes.is_empty()).then(|| parsed.subject.expose_code().to_owned());
    let outcome = ask(&app, &call, &checked, parsed.subject).await?;
    let teller = Teller { registry: &registry, request_id: &call.id };
    let (answers, unanswered) = teller.outcome(&outcome)?;
    let terms = match &outcome.outcome {
        Outcome::Answers(told) => {
            terms::of_answers(&registry, app.asker.member(), &checked.question.purpose, told)
        }
        Outcome::Refused(_) | Outcome::NotAnswered(_) => Vec::new(),
    };
    let answer = CheckAnswerBody {
        request_id: call.id.to_string(),
        scheme: checked.scheme().to_owned(),
        read_as,
        normalized: changes(&parsed.changes),
        answers,
        terms,
        unanswered,
        notice: words::NOTICE,
    };
    Ok(Json(answer).into_response())
}

/// Asks in a task of its own: a question that is on record is finished even when the caller goes away.
async fn ask(app: &App, call: &Call, checked: &Checked, subject: SubjectCode) -> Result<RowOutcome, Problem> {
    let asking = app.asker.check(checked.question.clone(), subject);
    let asking = asking.instrument(span(call, checked));
    tokio::spawn(asking).await.map_err(|error| {
        tracing::error!(request_id = %LogSafe::new(&call.id), %error, "a check ended early");
        Reason::Internal.into()
    })
}

/// What the log may say about a question: who asks what for what; neither about whom nor in which case.
fn span(call: &Call, checked: &Checked) -> tracing::Span {
    let lists = checked.question.lists.iter().map(|list| list.as_str()).collect::<Vec<_>>().join(" ");
    tracing::info_span!(
        "question",
        request_id = %LogSafe::new(&call.id),
        application = call.application.as_ref().map(|name| tracing::field::display(LogSafe::new(name))),
        purpose = %LogSafe::new(&checked.question.purpose),
        lists
    )
}

/// Asks about many subjects, as JSON Lines both ways.
///
/// The first line of the body is the question, each further line one row. Each row leaves exactly one line, named by its
/// line and by the caller's own number, not always in the order of the rows; the last line is the end with its counts.
/// Answers come while rows are still being sent: read while you write. A caller that cannot do both at once
/// sends at most 10,000 rows in one request.
#[utoipa::path(
    post, path = "/v1/checks/batch", operation_id = "checkBatch", tag = "checks",
    request_body(
        description = "First line: Question. Further lines: Row.",
        content((openapi::BatchLine = "application/x-ndjson"), (openapi::BatchLine = "application/jsonl"))
    ),
    responses((
        status = 200, description = "One RowAnswer per row, then one BatchEnd. Without the end, the answer was cut off.",
        content_type = "application/x-ndjson", body = openapi::BatchAnswerLine
    ))
)]
pub(super) async fn batch(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Response, Problem> {
    let (checked, lines, slot) = begin(&app, request).await?;
    let bounds = app.bounds();
    let registry = app.asker.registry();
    let _entered = span(&call, &checked).entered();
    let events = batch::start(&app.asker, checked, lines.rows(), bounds, slot);
    let body = Body::from_stream(written(events, registry, call.id.clone()).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, LINES[0])], body).into_response())
}

/// The checked question, the lines after it, and a slot.
async fn begin(app: &App, request: Request) -> Result<(Checked, Lines, OwnedSemaphorePermit), Problem> {
    content_type(request.headers(), LINES)?;
    let slot = Arc::clone(&app.batches).try_acquire_owned().map_err(|_| Problem::from(Reason::Overloaded))?;
    let mut lines = Lines::new(request.into_body(), app.limits.line_bytes);
    let first = lines.first(app.patience()).await?;
    let question: QuestionBody = parse(&first)?;
    let checked = super::RawQuestion::from(question).check(&app.asker.registry())?;
    Ok((checked, lines, slot))
}

/// Events as lines.
fn written(
    events: mpsc::Receiver<Event>,
    registry: Arc<Registry>,
    id: RequestId,
) -> impl Stream<Item = Bytes> + Send {
    /// Events written into one chunk of the body.
    const TOGETHER: usize = 64;
    stream::unfold((events, Vec::new()), move |(mut events, mut taken)| {
        let (registry, id) = (Arc::clone(&registry), id.clone());
        async move {
            if events.recv_many(&mut taken, TOGETHER).await == 0 {
                return None;
            }
            let teller = Teller { registry: &registry, request_id: &id };
            let mut text = Vec::with_capacity(taken.len() * 512);
            for event in taken.drain(..) {
                let written = match event {
                    Event::Row(row) => serde_json::to_writer(&mut text, &teller.row(&row)),
                    Event::End(tally) => serde_json::to_writer(&mut text, &EndBody::new(&tally, &id)),
                };
                if let Err(error) = written {
                    // Writing plain structs into memory does not fail; if it did, the missing end would say so.
                    tracing::error!(%error, "a line of a batch could not be written");
                    return None;
                }
                text.push(b'\n');
            }
            Some((Bytes::from(text), (events, taken)))
        }
    })
}

/// Tells what a batch would cost before it starts. Nothing leaves the agency, nothing is recorded.
#[utoipa::path(
    post, path = "/v1/checks/plan", operation_id = "planBatch", tag = "checks",
    request_body(
        description = "The same lines as for a batch. First line: Question. Further lines: Row.",
        content((openapi::BatchLine = "application/x-ndjson"), (openapi::BatchLine = "application/jsonl"))
    ),
    responses((status = 200, description = "The cost.", body = PlanBody))
)]
pub(super) async fn plan(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<PlanBody>, Problem> {
    let (checked, lines, _slot) = begin(&app, request).await?;
    let (plan, count) = crate::gateway::plan::plan(&app, checked, lines.rows()).await?;
    Ok(Json(PlanBody {
        request_id: call.id.to_string(),
        checks: count.checks,
        invalid: count.invalid,
        invalid_rows: count.named.iter().map(|row| InvalidRowBody::of(row, &call.id)).collect(),
        new_subjects: plan.new_subjects,
        limits: plan.limits.iter().map(Into::into).collect(),
    }))
}

/// The lists that this agency may ask, with purposes and whether consent is needed.
#[utoipa::path(
    get, path = "/v1/lists", operation_id = "lists", tag = "node",
    responses((status = 200, description = "The lists, by the agreements in force.", body = lists::ListsBody))
)]
pub(super) async fn lists(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
) -> Json<lists::ListsBody> {
    let lists = lists::lists(&app.asker.registry(), app.asker.member(), app.asker.now());
    Json(lists::ListsBody { request_id: call.id.to_string(), lists })
}

/// How the node is, from what it knows itself: it answers also when nobody else does, and says how old that is.
#[utoipa::path(
    get, path = "/v1/status", operation_id = "status", tag = "node",
    responses((status = 200, description = "The state of the node.", body = StatusBody))
)]
pub(super) async fn status(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
) -> Result<Json<StatusBody>, Problem> {
    let status = app.asker.status().await?;
    let letters_waiting = cases::letters_waiting(&app).await?;
    let registry = app.asker.registry();
    let quorum = status.quorum.map(|(log_size, at)| QuorumBody { log_size, at: at.to_rfc3339() });
    Ok(Json(StatusBody {
        request_id: call.id.to_string(),
        member: app.asker.member().to_string(),
        member_title: registry.member_title(app.asker.member()).to_owned(),
        application: call.application.map(|name| name.to_string()).unwrap_or_default(),
        log_size: status.log_size,
        as_of: status.as_of.map(Millis::to_rfc3339),
        age_ms: status.as_of.map(|as_of| app.asker.now().since(as_of)),
        registry_number: registry.number(),
        quorum,
        stopped: status.stopped.map(|reason| reason.as_str()),
        stopped_meaning: status.stopped.map(|reason| format!("{} {}", reason.meaning(), reason.advice())),
        letters_waiting,
        held: status.held.iter().map(|held| HeldListBody::new(held, &registry)).collect(),
        subjects: status.subjects,
        measures: status.measures.into(),
    }))
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi", tag = "node", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = serde_json::Value))
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::text()).into_response()
}

/// Whether the gateway takes requests.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "node", security(()),
    responses((status = 200, description = "It does.", body = HealthBody))
)]
pub(super) async fn health() -> Json<HealthBody> {
    Json(HealthBody { status: "ok" })
}
