//! What a person does about a consent or a request: kept before it is sent, proven before it is told.
//!
//! ```text
//! body ─▶ is it of this person? ─▶ the same again? ─yes─▶ the record that it has
//!                                        │ no
//!                                        ▼
//!                    kept as sent ─▶ coordinator ─▶ proven ─▶ kept as logged ─▶ that one chain is read ─▶ told
//! ```

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use serde::Serialize;
use tacit_client::{Acknowledged, ClientError, KeptConsent, Pseudonym, RowKey};
use tacit_desk::{openapi::IdText, problem::Problem};
use tacit_model::{MemberId, Millis, Reason, Ulid, entropy::os_rng};
use tacit_policy::{Consent, ConsentState, consent::StateChange};
use utoipa::ToSchema;

use super::{
    super::{
        Call, Shared,
        handlers::{body, trouble},
        types::PersonBody,
    },
    Giver, giver, ulid,
};
use crate::{
    App,
    consents::{Event, OwnChange, Story, Text},
};

/// How long the chain of a consent that was just changed is waited for.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A change that is in the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConsentChanged)]
pub(in crate::api) struct ChangedBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Id of the consent, or of the request that was refused.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// Its state now.
    state: &'static str,
    /// Number of the change.
    number: u64,
    /// Time of its record.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    time: String,
    /// Its record, proven to be in the log.
    record_id: String,
    /// Its leaf index.
    index: u64,
    /// Whether it was so before: the same call again gets the same record.
    repeated: bool,
    /// What changes with it, in words.
    #[schema(value_type = String)]
    changes: &'static str,
    /// What does not, in words.
    #[schema(value_type = String)]
    stays: &'static str,
}

/// Withdraws a consent, for ever.
#[utoipa::path(
    post, path = "/v1/consents/{id}/withdraw", operation_id = "withdrawConsent", tag = "consents",
    request_body = PersonBody, params(("id" = inline(IdText), Path, description = "Id of the consent, a ULID.")),
    responses((status = 200, description = "It is withdrawn, and no check under it can follow.", body = ChangedBody))
)]
pub(in crate::api) async fn withdraw(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    change(&app, &call, &id, ConsentState::Withdrawn, request).await
}

/// Stops a consent for now.
#[utoipa::path(
    post, path = "/v1/consents/{id}/pause", operation_id = "pauseConsent", tag = "consents",
    request_body = PersonBody, params(("id" = inline(IdText), Path, description = "Id of the consent, a ULID.")),
    responses((status = 200, description = "It is paused.", body = ChangedBody))
)]
pub(in crate::api) async fn pause(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    change(&app, &call, &id, ConsentState::Paused, request).await
}

/// Lifts a pause.
#[utoipa::path(
    post, path = "/v1/consents/{id}/resume", operation_id = "resumeConsent", tag = "consents",
    request_body = PersonBody, params(("id" = inline(IdText), Path, description = "Id of the consent, a ULID.")),
    responses((status = 200, description = "It allows checks again.", body = ChangedBody))
)]
pub(in crate::api) async fn resume(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    change(&app, &call, &id, ConsentState::Resumed, request).await
}

/// Refuses a request, for ever.
#[utoipa::path(
    post, path = "/v1/requests/{id}/refuse", operation_id = "refuseRequest", tag = "consents",
    request_body = PersonBody, params(("id" = inline(IdText), Path, description = "Id of the request, a ULID.")),
    responses((status = 200, description = "It is refused.", body = ChangedBody))
)]
pub(in crate::api) async fn refuse(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    change(&app, &call, &id, ConsentState::Refused, request).await
}

/// A change of state without a text of its own.
async fn change(
    app: &Shared,
    call: &Call,
    id: &str,
    state: ConsentState,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    let said: PersonBody = body(app, request).await?;
    let id = ulid(id)?;
    let giver = giver(app, &said.scheme, &said.code).await?;
    let registry = app.registry();
    let story = giver.story(id, &registry)?;
    ours(app, &story)?;
    if let Some(event) = story.last().filter(|event| event.state == state) {
        return Ok(Json(again(call, &story, event)));
    }
    possible(&story, state)?;
    let text = text_of(&story).to_owned();
    let number = story.status().number().saturating_add(1);
    let own = own_change(app, id, state, number, text);
    let (pseudonym, epoch) = story.text.pseudonym();
    let send =
        Send::State { requester: story.text.requester().clone(), under: Pseudonym { pseudonym, epoch } };
    carry_out(app, call, &giver, own, send).await
}

/// What goes to the coordinator.
pub(super) enum Send {
    /// A consent with its first state.
    Put(Consent),
    /// The same consent with a later end.
    Renew { before: Consent, next: Consent },
    /// A change of state.
    State { requester: MemberId, under: Pseudonym },
}

/// Whether the consent was given, or asked for, at this authority.
pub(super) fn ours(app: &App, story: &Story<'_>) -> Result<(), Problem> {
    if *story.text.authority() == app.member {
        return Ok(());
    }
    let message = format!("It stands at the authority {} and is changed there.", story.text.authority());
    Err(Problem::of_field(Reason::NotPermitted, "id", message))
}

/// Whether the change can follow what is known.
pub(super) fn possible(story: &Story<'_>, state: ConsentState) -> Result<(), Problem> {
    if story.may_become(state) {
        return Ok(());
    }
    let reason = if story.status().state().is_dead() { Reason::ConsentDead } else { Reason::ConsentOrder };
    let message = format!("What is {} cannot become {state}.", story.status().state());
    Err(Problem::of_field(reason, "id", message))
}

/// The text that stands, as it was signed.
pub(super) fn text_of<'a>(story: &'a Story<'_>) -> &'a str {
    let sent = story.unconfirmed.map_or("", |change| change.text.as_str());
    story.last().map_or(sent, |event| event.text)
}

pub(super) fn own_change(app: &App, id: Ulid, state: ConsentState, number: u64, text: String) -> OwnChange {
    OwnChange {
        id,
        number,
        state,
        text,
        signature: Vec::new(),
        asked: None,
        shown: None,
        sent_ms: app.clock.now().0,
        logged: None,
        erased: false,
    }
}

/// Keeps a change, sends it, and tells what came of it. To its end also when who asks goes away.
pub(super) async fn carry_out(
    app: &Shared,
    call: &Call,
    giver: &Giver,
    own: OwnChange,
    send: Send,
) -> Result<Json<ChangedBody>, Problem> {
    app.changes.count(giver.key, app.clock.now())?;
    let (app, call, user) = (Arc::clone(app), call.clone(), giver.key);
    let done = tokio::spawn(async move { carried_out(&app, &call, user, own, send).await });
    done.await.map_err(|_| Problem::from(Reason::Internal))?.map(Json)
}

async fn carried_out(
    app: &App,
    call: &Call,
    user: RowKey,
    own: OwnChange,
    send: Send,
) -> Result<ChangedBody, Problem> {
    let mut rng = os_rng();
    app.users.keep_change(&user, &own, &mut rng).await.map_err(|error| trouble(&error))?;
    let (made, done) = match act(app, &own, send).await {
        Ok(done) => done,
        Err(error) => {
            // What was refused did not happen; of everything else nobody knows.
            if matches!(error, ClientError::Question { .. } | ClientError::Refused { .. }) {
                let taken_back = app.users.take_back_change(&user, &own).await;
                taken_back.map_err(|error| trouble(&error.into()))?;
            }
            return Err(problem(&error));
        }
    };
    let logged = made.acknowledged(&done);
    app.users.keep_change(&user, &logged, &mut rng).await.map_err(|error| trouble(&error))?;
    if logged.number != own.number {
        let taken_back = app.users.take_back_change(&user, &own).await;
        taken_back.map_err(|error| trouble(&error.into()))?;
    }
    metrics::counter!("tacit_authority_consent_changes_total", "state" => done.state.as_str()).increment(1);
    if let Some(text) = Text::parse(&logged.text) {
        let chain = app.users.rows.chain(&user, text.requester(), text.pseudonym().1);
        let reading = app.readings.read_after_change(&chain, &mut rng);
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a change is read with the next reading"),
            Err(_) => tracing::debug!("a change is read with the next reading"),
        }
    }
    let Acknowledged { id, state, number, record, time, .. } = done;
    let (changes, stays) = words(state);
    Ok(ChangedBody {
        request_id: call.id.to_string(),
        id: id.to_string(),
        state: state.as_str(),
        number,
        time: time.to_rfc3339(),
        record_id: record.id.to_string(),
        index: record.index,
        repeated: false,
        changes,
        stays,
    })
}

/// Sends a change: the change as it was made, with its acknowledgement. Where another one came in between, at the command
/// line, it follows that one.
async fn act(app: &App, own: &OwnChange, send: Send) -> Result<(OwnChange, Acknowledged), ClientError> {
    let authority = &app.consents;
    let (id, state, number) = (own.id, own.state, own.number);
    let sent = match &send {
        Send::Put(consent) => authority.put(consent.clone()).await,
        Send::Renew { before, next } => authority.renew_as(before, next.clone(), number).await,
        Send::State { requester, .. } => authority.send(StateChange { id, state, number }, requester).await,
    };
    let error = match sent {
        Ok(done) => return Ok((own.clone(), done)),
        Err(error) => error,
    };
    let under = match &send {
        Send::Renew { before, .. } => Pseudonym { pseudonym: before.pseudonym, epoch: before.epoch },
        Send::State { under, .. } => *under,
        Send::Put(_) => return Err(error),
    };
    if !matches!(error.reason(), Reason::ConsentOrder | Reason::ConsentDead) {
        return Err(error);
    }
    // The coordinator has just been told of this very pseudonym: asking for what stands under it shows it no more.
    let stands = authority.list(&[under]).await?.into_iter().find(|kept| kept.consent.id == id);
    let Some(KeptConsent { consent: before, state: now, number: last, .. }) = stands else {
        return Err(error);
    };
    let number = last.saturating_add(u64::from(now != state || state == ConsentState::Renewed));
    if number == own.number {
        return Err(error);
    }
    let (text, done) = match send {
        Send::Renew { next, .. } => {
            let next = Consent { expires: next.expires, notice: next.notice, ..before.clone() };
            let text = authority.sign_text(next.clone())?;
            (text, authority.renew_as(&before, next, number).await?)
        }
        Send::State { requester, .. } => {
            let done = authority.send(StateChange { id, state, number }, &requester).await?;
            (authority.sign_text(before)?, done)
        }
        Send::Put(_) => return Err(error),
    };
    let text = String::from_utf8_lossy(text.bytes()).into_owned();
    Ok((OwnChange { text, ..own.clone() }, done))
}

fn problem(error: &ClientError) -> Problem {
    tracing::debug!(%error, "a change of a consent was not acknowledged");
    match error {
        ClientError::Refused { refusal, .. } => Problem::from(refusal),
        ClientError::Question { reason, field } => {
            Problem::of_field(*reason, *field, reason.outward().meaning())
        }
        error => Problem::from(error.reason()),
    }
}

/// The same again: the record that it has.
pub(super) fn again(call: &Call, story: &Story<'_>, event: &Event<'_>) -> ChangedBody {
    let (changes, stays) = words(event.state);
    ChangedBody {
        request_id: call.id.to_string(),
        id: story.id.to_string(),
        state: event.state.as_str(),
        number: event.number,
        time: event.at.to_rfc3339(),
        record_id: event.record.clone(),
        index: event.index,
        repeated: true,
        changes,
        stays,
    }
}

/// What changes with a change, and what does not.
fn words(state: ConsentState) -> (&'static str, &'static str) {
    const STAYS: &str = "Answers that were given before stay with whoever got them, permits of the last 60 seconds may still be \
        used, and the records of the checks stay in the log.";
    const ENDS: &str = "It can be paused or withdrawn at any time and at no cost. Every check under it, and every attempt, shows in \
        the log of this person.";
    match state {
        ConsentState::Given => (
            "The member named may ask these lists for these purposes, as often as it says, until it ends.",
            ENDS,
        ),
        ConsentState::Renewed => ("It ends later; nothing else in it is another.", ENDS),
        ConsentState::Resumed => ("It allows checks again, as often as it says, until it ends.", ENDS),
        ConsentState::Paused => ("No check under it can follow in the log until it is resumed.", STAYS),
        ConsentState::Withdrawn => (
            "No check under it can follow in the log, for ever. Only a new consent can allow checks again.",
            STAYS,
        ),
        ConsentState::Refused => (
            "Nothing may be asked under this request, for ever; whoever asked for it is told that it was refused.",
            "Questions that need no consent are not touched, and another request can be made.",
        ),
        ConsentState::Requested | ConsentState::Expired => {
            ("Nothing may be asked under it.", "The records stay in the log.")
        }
    }
}

/// The end that a body names: an instant, or the end of a UTC day so many days ahead, which is the same all day long.
pub(super) fn end(expires: Option<&str>, days: Option<u32>, now: Millis) -> Result<Option<Millis>, Problem> {
    const DAY: u64 = 86_400_000;
    const DAYS_MAX: u32 = 3660;
    let end = match (expires, days) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Problem::of_field(Reason::Malformed, "days", "Name either the end or the days."));
        }
        (Some(text), None) => text.parse().map_err(|_| {
            let message = "A time is written as RFC 3339 in UTC, with a Z at its end.";
            Problem::of_field(Reason::Malformed, "expires", message)
        })?,
        (None, Some(days)) if !(1..=DAYS_MAX).contains(&days) => {
            return Err(Problem::of_field(Reason::Malformed, "days", "The days are 1 to 3,660."));
        }
        (None, Some(days)) => now.utc_midnight().plus_ms((u64::from(days) + 1) * DAY),
    };
    if end <= now || end > now.plus_ms((u64::from(DAYS_MAX) + 1) * DAY) {
        let message = "The end is in the future, at most 3,660 days ahead.";
        return Err(Problem::of_field(Reason::ConsentInvalid, "expires", message));
    }
    Ok(Some(end))
}
