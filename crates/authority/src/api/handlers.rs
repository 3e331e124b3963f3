//! The handlers: what is told of a user comes from the store; only a check asks anybody outside.

use std::collections::{BTreeSet, HashSet};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::de::DeserializeOwned;
use tacit_client::{Answer, RowKey};
use tacit_desk::{
    body::{content_type, whole_body},
    openapi::IdText,
    parse::parse,
    problem::Problem,
    words,
};
use tacit_model::{
    ListId, LogSafe, MemberId, Millis, PurposeCode, Reason, SubjectCode, entropy::os_rng, parse_ulid,
};

use super::{
    Call, Shared, openapi,
    types::{
        CheckBody, CheckedBody, FindBody, Freshness, HealthBody, HeartbeatBody, PeriodBody, PersonBody,
        ProveBody, ProvenBody, ReceiptBody, Said, Timeliness, Typed, UsagesBody, UserBody,
    },
};
use crate::{
    App,
    check::CASE,
    index::Overview,
    measure, proof,
    reading::{ReadingError, timetable},
    sealed::Chain,
    store::{chains, users},
    usage::{self, Usage},
    users::Kept,
};

/// Longest code as typed, in bytes.
const TYPED_MAX: usize = 200;
/// Entries of a page when no number is stated, as in the data tracker.
const PAGE: usize = 100;
/// Most entries of a page.
const PAGE_MAX: usize = 1000;
/// Largest number of an entry.
const OFFSET_MAX: usize = 1_000_000_000;

/// Stands under every list of uses.
const NOTICE: &str = "An entry says that somebody was permitted to ask, or was refused. What the answer was, this log does not \
    know; a check of the list about oneself tells what it says today.";
/// Stands beside every receipt that is handed out.
const WARNING: &str = "This receipt shows whom the check was about, what was answered, and other subjects' sealed entries. It is \
    for the person, a court or an auditor, and for nobody else.";

/// Makes a person a user.
#[utoipa::path(
    post, path = "/v1/users", operation_id = "enroll", tag = "users", request_body = PersonBody,
    responses((status = 200, description = "The person is a user, now or since before.", body = UserBody))
)]
pub(super) async fn enroll(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<UserBody>, Problem> {
    let body: PersonBody = body(&app, request).await?;
    let person = person(&app, &body.scheme, &body.code).await?;
    Ok(Json(UserBody {
        request_id: call.id.to_string(),
        since: person.since.to_rfc3339(),
        new: person.new,
        freshness: freshness(&app, person.overview.chains()).await?,
    }))
}

/// Uses of a person's data in a period, newest first.
#[utoipa::path(
    post, path = "/v1/findUsage", operation_id = "findUsage", tag = "usage", request_body = FindBody,
    responses((status = 200, description = "A page; it may be empty.", body = UsagesBody))
)]
pub(super) async fn find_usage(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<UsagesBody>, Problem> {
    let body: FindBody = body(&app, request).await?;
    let from = instant(body.from.as_deref(), "from")?;
    let until = instant(body.until.as_deref(), "until")?;
    let offset = body.offset.unwrap_or(1);
    let limit = body.limit.unwrap_or(PAGE);
    if !(1..=OFFSET_MAX).contains(&offset) {
        return Err(malformed("offset", "Entries are numbered from 1 to 1,000,000,000."));
    }
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(malformed("limit", "A page has 1 to 1,000 entries."));
    }
    let unnamed =
        |field| move |_| malformed(field, "A name is written in small letters, digits and hyphens.");
    let receiver: Option<MemberId> =
        body.receiver.as_deref().map(str::parse).transpose().map_err(unnamed("receiver"))?;
    let purpose: Option<PurposeCode> =
        body.purpose.as_deref().map(str::parse).transpose().map_err(unnamed("purpose"))?;
    let person = person(&app, &body.scheme, &body.code).await?;
    let mut told = person.overview.told_of(receiver.as_ref(), purpose.as_ref());
    told.retain(|fact| from.is_none_or(|from| fact.at >= from) && until.is_none_or(|until| fact.at < until));
    let page: HashSet<u64> = told.iter().skip(offset - 1).take(limit).map(|fact| fact.index).collect();
    Ok(Json(UsagesBody {
        request_id: call.id.to_string(),
        total: told.len(),
        usage: usages(&app, &person.overview, &page).await?,
        freshness: freshness(&app, person.overview.chains()).await?,
        notice: NOTICE,
    }))
}

/// Times of the earliest and the latest use of a person's data.
#[utoipa::path(
    post, path = "/v1/usagePeriod", operation_id = "usagePeriod", tag = "usage", request_body = PersonBody,
    responses((status = 200, description = "The times; none when there is no use.", body = PeriodBody))
)]
pub(super) async fn usage_period(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<PeriodBody>, Problem> {
    let body: PersonBody = body(&app, request).await?;
    let person = person(&app, &body.scheme, &body.code).await?;
    let told = person.overview.told();
    Ok(Json(PeriodBody {
        request_id: call.id.to_string(),
        earliest: told.last().map(|fact| fact.at.to_rfc3339()),
        latest: told.first().map(|fact| fact.at.to_rfc3339()),
        freshness: freshness(&app, person.overview.chains()).await?,
    }))
}

/// How the service is, and how fresh its store.
#[utoipa::path(
    get, path = "/v1/heartbeat", operation_id = "heartbeat", tag = "service",
    responses((status = 200, description = "The state of the service.", body = HeartbeatBody))
)]
pub(super) async fn heartbeat(State(app): State<Shared>) -> Result<Json<HeartbeatBody>, Problem> {
    let counted = async {
        let times = timetable(&app.readings.db).await?;
        let covered = app.users.rows.covered(&app.readings.source.requesters());
        let mut conn = app.users.db.read().await?;
        let users = (users::count(&mut conn).await?, users::count_uncovered(&mut conn, &covered).await?);
        Ok::<_, ReadingError>((times, users, chains::counts(&mut conn).await?))
    };
    let (times, users, chains) = counted.await.map_err(|error| trouble(&error))?;
    let now = app.clock.now();
    let late = app.readings.config.is_late(times.as_of.unwrap_or(app.started), now);
    Ok(Json(HeartbeatBody {
        status: if late { Timeliness::Late } else { Timeliness::Ok },
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        authority: app.member.to_string(),
        started: app.started.to_rfc3339(),
        server_time: now.to_rfc3339(),
        as_of: times.as_of.map(Millis::to_rfc3339),
        reading: times.under_way,
        next_reading: times.next.map(Millis::to_rfc3339),
        users: users.0,
        users_waiting: users.1,
        chains: chains.0,
        chains_waiting: chains.1,
    }))
}

/// One entry with what proves it.
#[utoipa::path(
    post, path = "/v1/proofs", operation_id = "prove", tag = "usage", request_body = ProveBody,
    responses((status = 200, description = "The entry and its proof.", body = ProvenBody))
)]
pub(super) async fn proof(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<ProvenBody>, Problem> {
    let body: ProveBody = body(&app, request).await?;
    let person = person(&app, &body.scheme, &body.code).await?;
    let registry = app.registry();
    let id = parse_ulid(&body.record_id);
    let kept = app.users.open(&person.overview, |fact| fact.told && fact.id.is_some() && fact.id == id).await;
    let kept = kept.map_err(|error| trouble(&error))?;
    let mut found = None;
    for (chain, entry) in kept.iter().flat_map(|(chain, entries)| entries.iter().map(move |it| (chain, it))) {
        let Some(usage) = usage::tell(chain, entry, &registry) else { continue };
        // A chain that was carried is read under each of its names: by the one that opens this record.
        if found.is_none() || proof::opens(chain, entry) {
            found = Some((chain, entry, usage));
        }
    }
    let Some((chain, entry, mut usage)) = found else {
        let message = "No record of this id about this person was read so far.";
        return Err(Problem::of_field(Reason::NotFound, "record_id", message));
    };
    let checkpoint = app.users.checkpoint(&entry.checkpoint).await.map_err(ReadingError::from);
    let checkpoint = checkpoint.map_err(|error| trouble(&error))?;
    let checkpoint = checkpoint.ok_or(Problem::from(Reason::Internal))?;
    handed_out(&call, &usage.record.id, "a proof is handed out");
    measure::settle(&mut usage, &person.overview.lifted(), app.clock.now());
    let proof = proof::body(chain, entry.clone(), &checkpoint);
    Ok(Json(ProvenBody { request_id: call.id.to_string(), usage, proof }))
}

/// Asks one list about the person themself.
#[utoipa::path(
    post, path = "/v1/checks", operation_id = "checkOneself", tag = "checks", request_body = CheckBody,
    responses((status = 200, description = "The list answered or said why not.", body = CheckedBody))
)]
pub(super) async fn check(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<CheckedBody>, Problem> {
    let body: CheckBody = body(&app, request).await?;
    let id: ListId = body
        .list
        .parse()
        .map_err(|_| malformed("list", "A list id is written <holder>/<name>, in small letters."))?;
    let registry = app.registry();
    let list = registry
        .list(&id)
        .ok_or_else(|| Problem::of_field(Reason::UnknownList, "list", Reason::UnknownList.meaning()))?;
    let (user, subject) = subject(&app, &list.scheme, &body.code)?;
    // Implicitly a user, so that the check shows in the person's own log.
    enrolled(&app, &subject).await?;
    let answer = app.checks.check(user, subject, id, app.clock.now()).await?;
    let label = match &answer.answer {
        Answer::Listed(label) => Some(label),
        Answer::NotListed | Answer::Refused(_) => None,
    };
    Ok(Json(CheckedBody {
        request_id: call.id.to_string(),
        list: answer.list.to_string(),
        answer: match &answer.answer {
            Answer::Listed(_) => Said::Listed,
            Answer::NotListed => Said::NotListed,
            Answer::Refused(_) => Said::Refused,
        },
        message: words::of_answer(&answer, &registry),
        listed_on: label.and_then(|label| label.listed_on).map(words::iso_day),
        expires_on: label.and_then(|label| label.expires_on).map(words::iso_day),
        reference: label.map(words::reference),
        objections: list.objection_contact.clone(),
        reason: match &answer.answer {
            Answer::Refused(refusal) => Some(refusal.reason.outward().as_str()),
            Answer::Listed(_) | Answer::NotListed => None,
        },
        record_id: answer.record.map(|record| record.id.to_string()),
        as_of: answer.as_of.map(Millis::to_rfc3339),
        notice: words::NOTICE,
    }))
}

/// The receipt of a check that a user made.
#[utoipa::path(
    get, path = "/v1/receipts/{record_id}", operation_id = "receipt", tag = "checks",
    params(("record_id" = inline(IdText), Path, description = "Record id of the check, a ULID.")),
    responses((status = 200, description = "The receipt.", body = ReceiptBody))
)]
pub(super) async fn receipt(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(record): Path<String>,
) -> Result<Json<ReceiptBody>, Problem> {
    let wrong = "A record id is a ULID: 26 characters, capitals and digits.";
    let id = parse_ulid(&record).ok_or_else(|| malformed("record_id", wrong))?;
    let requester = &app.checks.requester;
    let found = async {
        let summary = requester.receipt_summary(id).await?;
        Ok::<_, tacit_client::ClientError>((summary, requester.witnessed_receipt(id).await?))
    };
    let (Some(summary), Some(receipt)) = found.await.map_err(|error| trouble(&error.into()))? else {
        let message = "There is no receipt of this record: no list answered, or it is no check of a user.";
        return Err(Problem::of_field(Reason::NotFound, "record_id", message));
    };
    if summary.case != CASE {
        return Err(Problem::from(Reason::NotFound));
    }
    handed_out(&call, &summary.record.id.to_string(), "a receipt is handed out");
    Ok(Json(ReceiptBody {
        request_id: call.id.to_string(),
        record_id: summary.record.id.to_string(),
        lists: summary.lists.iter().map(ToString::to_string).collect(),
        recorded: summary.recorded.to_rfc3339(),
        file: BASE64.encode(receipt.to_bytes().as_slice()),
        warning: WARNING,
    }))
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi", tag = "service", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = serde_json::Value))
)]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::text()).into_response()
}

/// Whether the authority takes requests.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "service", security(()),
    responses((status = 200, description = "It does.", body = HealthBody))
)]
pub(super) async fn health() -> Json<HealthBody> {
    Json(HealthBody { status: "ok" })
}

/// A user with what is known of the records about them.
pub(super) struct Person {
    since: Millis,
    new: bool,
    pub(super) overview: Overview,
}

pub(super) async fn person(app: &App, scheme: &str, typed: &Typed) -> Result<Person, Problem> {
    let (_, subject) = subject(app, scheme, typed)?;
    let (key, since, new) = enrolled(app, &subject).await?;
    Ok(Person { since, new, overview: overview(app, &key).await? })
}

pub(super) fn subject(app: &App, scheme: &str, typed: &Typed) -> Result<(RowKey, SubjectCode), Problem> {
    if typed.0.len() > TYPED_MAX {
        return Err(Problem::of_field(Reason::CodeInvalid, "code", "The code has more than 200 bytes."));
    }
    let registry = app.registry();
    if !registry.schemes().contains(scheme) {
        let reason = Reason::CodeSchemeUnknown;
        return Err(Problem::of_field(reason, "scheme", reason.meaning()));
    }
    let parsed = registry.schemes().parse(scheme, &typed.0).map_err(|error| Problem::from(&error))?;
    Ok((app.users.rows.user(&parsed.subject), parsed.subject))
}

pub(super) async fn enrolled(app: &App, subject: &SubjectCode) -> Result<(RowKey, Millis, bool), Problem> {
    let found = app.users.enroll(subject, app.clock.now(), &mut os_rng()).await;
    let found = found.map_err(|error| trouble(&error))?;
    if found.2 {
        metrics::counter!("tacit_authority_users_total").increment(1);
    }
    Ok(found)
}

pub(super) async fn overview(app: &App, user: &RowKey) -> Result<Overview, Problem> {
    app.users.overview(user, app.clock.now()).await.map_err(|error| trouble(&error))
}

/// The records at these places in the log, newest first.
async fn usages(app: &App, overview: &Overview, page: &HashSet<u64>) -> Result<Vec<Usage>, Problem> {
    let registry = app.registry();
    let kept = app.users.open(overview, |fact| fact.told && page.contains(&fact.index)).await;
    let kept = kept.map_err(|error| trouble(&error))?;
    let of_chain = |(chain, entries): &Kept| {
        entries.iter().filter_map(|entry| usage::tell(chain, entry, &registry)).collect::<Vec<_>>()
    };
    let mut usages: Vec<Usage> = kept.iter().flat_map(of_chain).collect();
    usages.sort_by_key(|usage| std::cmp::Reverse((usage.at, usage.record.index)));
    // A chain that was carried into another epoch is read under each of its names.
    usages.dedup_by_key(|usage| usage.record.index);
    let (lifted, now) = (overview.lifted(), app.clock.now());
    usages.iter_mut().for_each(|usage| measure::settle(usage, &lifted, now));
    Ok(usages)
}

/// Of a person whose chains were all read, the oldest of these times.
pub(super) async fn freshness<'a>(
    app: &App,
    chains: impl Iterator<Item = &'a Chain>,
) -> Result<Freshness, Problem> {
    let times = timetable(&app.readings.db).await.map_err(|error| trouble(&error.into()))?;
    let chains: Vec<&Chain> = chains.collect();
    let read: Vec<&str> =
        chains.iter().filter(|chain| chain.as_of_ms > 0).map(|chain| chain.requester.as_str()).collect();
    let asking = app.readings.source.requesters();
    let missing: BTreeSet<_> =
        asking.iter().map(|(id, _)| id).filter(|id| !read.contains(&id.as_str())).collect();
    let registry = app.registry();
    let oldest = chains.iter().map(|chain| chain.as_of_ms).filter(|ms| *ms > 0).min();
    let finding = |chain: &&Chain| chain.finding.as_ref().map(|it| format!("{}: {it}", chain.requester));
    Ok(Freshness {
        as_of: oldest.map(|ms| Millis(ms).to_rfc3339()),
        not_read_yet: missing.iter().map(ToString::to_string).collect(),
        not_read_yet_names: missing.iter().map(|id| registry.member_title(id).to_owned()).collect(),
        findings: chains.iter().filter_map(finding).collect(),
        next_reading: times.next.map(Millis::to_rfc3339),
    })
}

pub(super) async fn body<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let patience = std::time::Duration::from_millis(app.limits.request_ms / 2);
    parse(&whole_body(request, app.limits.body_bytes, patience).await?)
}

fn instant(text: Option<&str>, field: &'static str) -> Result<Option<Millis>, Problem> {
    let wrong = |_| malformed(field, "A time is written as RFC 3339 in UTC, with a Z at its end.");
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

pub(super) fn malformed(field: &'static str, message: &'static str) -> Problem {
    Problem::of_field(Reason::Malformed, field, message)
}

/// What goes wrong here is ours: the log says what, the caller hears that it is so.
pub(super) fn trouble(error: &ReadingError) -> Problem {
    tracing::error!(%error, "the store could not be read or written");
    match error {
        ReadingError::Client(error) => Problem::from(error.reason()),
        ReadingError::Store(_) | ReadingError::Row(_) | ReadingError::Scheme | ReadingError::Unaddressed => {
            Problem::from(Reason::Internal)
        }
    }
}

pub(super) fn handed_out(call: &Call, record: &str, what: &'static str) {
    tracing::info!(
        request_id = %LogSafe::new(&call.id),
        application = call.application.as_ref().map(|name| tracing::field::display(LogSafe::new(name))),
        record,
        "{what}"
    );
}
