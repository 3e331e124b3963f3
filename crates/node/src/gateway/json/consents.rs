//! Asking for consent in JSON.

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde::{Deserialize, Serialize};
use tacit_client::AskedConsent;
use tacit_model::{Millis, Reason};
use tacit_policy::Consent;
use utoipa::ToSchema;

use super::{
    Shared,
    answer::RecordBody,
    envelope::{Call, content_type, whole_body},
    openapi::{FrequencyText, ListIdText, NameText, OptionalIdText},
    parse::{given, parse},
    types::Typed,
};
use crate::gateway::{
    consents::{self, NOTICE, RawAsk},
    problem::Problem,
};

/// What is asked for, and of whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConsentAsk, example = json!({
    "code": "91350100M000100Y43", "lists": ["court/judgment-defaulters"], "purposes": ["screening"], "days": 365,
    "frequency": "4 MONTH", "officer": "li.na"
}))]
pub(super) struct AskBody {
    /// The subject's code as typed; at most 200 bytes.
    #[serde(default)]
    #[schema(required = true, value_type = String, min_length = 1, max_length = 200)]
    code: Option<Typed>,
    /// Lists that would be asked, `<holder>/<name>`, each once.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<ListIdText>, min_items = 1, max_items = 64)]
    lists: Vec<String>,
    /// Codes of the purposes, each once.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<NameText>, min_items = 1, max_items = 64)]
    purposes: Vec<String>,
    /// For how many days from now.
    #[serde(default)]
    #[schema(required = true, minimum = 1, maximum = 3660)]
    days: u32,
    /// How often at most: a number and HOUR, DAY, WEEK, MONTH or YEAR.
    #[serde(default)]
    #[schema(required = true, value_type = FrequencyText)]
    frequency: String,
    /// The authority at which the subject is expected; without it the only one that there is.
    #[serde(default)]
    #[schema(pattern = "^(|[a-z0-9][a-z0-9-]{0,62})$")]
    authority: String,
    /// The agency's case number; at most 200 bytes. Without it the request stands for itself.
    #[serde(default)]
    #[schema(
        required = false,
        pattern = r"^(|[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)$",
        max_length = 200
    )]
    case_number: String,
    /// Who asks, as the agency names its officers; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    officer: String,
    /// Identifier scheme of the code; without it, the one that the lists name.
    #[serde(default)]
    scheme: String,
}

/// A request that is on record.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentAsked)]
pub(super) struct AskedBody {
    /// The id of this request in all logs.
    request_id: String,
    /// Id of the request for consent, a ULID; once it is given, also the consent's.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    consent: String,
    /// The authority that it waits at.
    authority: String,
    /// Until when the subject can decide, RFC 3339.
    #[schema(format = DateTime, example = "2026-12-21T02:32:09.481Z")]
    stands_until: String,
    /// Its record in the log.
    record: RecordBody,
    /// What to keep in mind.
    #[schema(value_type = String)]
    notice: &'static str,
}

/// Which requests are meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConsentSearch)]
pub(super) struct SearchBody {
    /// Requests about this code; without it all, the newest 2,048.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = String, max_length = 200)]
    code: Option<Typed>,
    /// Identifier scheme of the code; CN-USCC without it.
    #[serde(default)]
    scheme: String,
    /// The one request of this id, a ULID.
    #[serde(default)]
    #[schema(required = false, value_type = OptionalIdText)]
    consent: String,
}

/// Requests for consent with what became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentRequests)]
pub(super) struct RequestsBody {
    /// The id of this request in all logs.
    request_id: String,
    /// In the order in which they were made.
    requests: Vec<RequestBody>,
}

/// A request for consent with what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentRequest)]
pub(super) struct RequestBody {
    /// Its id, a ULID; the consent's too.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    consent: String,
    /// requested, given, refused, paused, resumed, renewed, withdrawn or expired.
    #[schema(example = "requested")]
    state: String,
    /// The same in words.
    #[schema(value_type = String)]
    meaning: &'static str,
    /// The authority that it names.
    authority: String,
    /// Lists that were asked for; fewer may have been given.
    lists: Vec<String>,
    /// Purposes that were asked for.
    purposes: Vec<String>,
    /// When it was recorded, RFC 3339.
    #[schema(format = DateTime)]
    requested: String,
    /// Until when the subject could decide, RFC 3339.
    #[schema(format = DateTime)]
    stands_until: String,
    /// When it was given or refused, or nobody had decided in time, RFC 3339; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    decided: Option<String>,
    /// End of the consent that was asked for, RFC 3339.
    #[schema(format = DateTime)]
    expires: String,
    /// How often was asked for.
    frequency: String,
    /// What the subject allowed; absent before it did. `state` says whether that still stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = GivenBody)]
    given: Option<GivenBody>,
    /// Checks permitted under it so far.
    uses: u64,
}

/// What a subject allowed, perhaps less than was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = GivenConsent)]
struct GivenBody {
    /// Lists that may be asked.
    lists: Vec<String>,
    /// For which purposes.
    purposes: Vec<String>,
    /// Until when, RFC 3339.
    #[schema(format = DateTime)]
    expires: String,
    /// How often at most.
    #[schema(example = "4 MONTH")]
    frequency: String,
}

impl From<&Consent> for GivenBody {
    fn from(given: &Consent) -> Self {
        Self {
            lists: given.lists.iter().map(ToString::to_string).collect(),
            purposes: given.purposes.iter().map(ToString::to_string).collect(),
            expires: given.expires.to_rfc3339(),
            frequency: given.frequency.to_string(),
        }
    }
}

impl RequestBody {
    fn new(asked: &AskedConsent, now: Millis) -> Self {
        let (request, state) = (asked.request(), asked.state_at(now));
        Self {
            consent: request.id.to_string(),
            state: state.to_string(),
            meaning: consents::words(state),
            authority: request.authority.to_string(),
            lists: request.lists.iter().map(ToString::to_string).collect(),
            purposes: request.purposes.iter().map(ToString::to_string).collect(),
            requested: asked.requested.to_rfc3339(),
            stands_until: asked.until.to_rfc3339(),
            decided: asked.decided.map(Millis::to_rfc3339),
            expires: request.expires.to_rfc3339(),
            frequency: request.frequency.to_string(),
            given: asked.given.as_ref().map(Into::into),
            uses: asked.uses,
        }
    }
}

/// Asks a subject for consent, through its authority. The subject decides; nothing may be asked before.
#[utoipa::path(
    post, path = "/v1/consents", operation_id = "askConsent", tag = "consents", request_body = AskBody,
    responses((status = 200, description = "The request is on record and waits.", body = AskedBody))
)]
pub(super) async fn ask(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<AskedBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let body: AskBody = parse(&whole_body(&app, request).await?)?;
    let AskBody { code, lists, purposes, days, frequency, authority, case_number, officer, scheme } = body;
    let raw = RawAsk { lists, purposes, days, frequency, authority, case_number, officer, scheme };
    let typed = code.ok_or_else(|| Problem::of_field(Reason::Malformed, "code", "No code was given."))?;
    let asked = consents::ask(&app, raw, &typed.0).await?;
    Ok(Json(AskedBody {
        request_id: call.id.to_string(),
        consent: asked.id.to_string(),
        authority: asked.authority.to_string(),
        stands_until: asked.until.to_rfc3339(),
        record: (&asked.record).into(),
        notice: NOTICE,
    }))
}

/// Tells what became of this agency's requests for consent.
///
/// The search is in the body, so that no code stands in an address.
#[utoipa::path(
    post, path = "/v1/consents/search", operation_id = "searchConsents", tag = "consents", request_body = SearchBody,
    responses((status = 200, description = "The requests; there may be none.", body = RequestsBody))
)]
pub(super) async fn search(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<RequestsBody>, Problem> {
    content_type(request.headers(), &["application/json"])?;
    let body: SearchBody = parse(&whole_body(&app, request).await?)?;
    let typed = body.code.as_ref().map_or("", |code| code.0.as_str());
    let asked = consents::asked(&app, typed, &body.scheme, &body.consent).await?;
    let now = app.asker.now();
    let requests = asked.iter().map(|it| RequestBody::new(it, now)).collect();
    Ok(Json(RequestsBody { request_id: call.id.to_string(), requests }))
}
