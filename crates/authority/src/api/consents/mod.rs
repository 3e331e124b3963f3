//! Consents of a person and requests that wait, from the store; what the person does about them; and their receipts.

pub(in crate::api) mod change;
pub(in crate::api) mod give;
pub(in crate::api) mod receipt;

use std::collections::HashMap;

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde::Serialize;
use tacit_client::RowKey;
use tacit_desk::problem::Problem;
use tacit_model::{ListId, Millis, PurposeCode, Reason, SubjectCode, Ulid, parse_ulid};
use tacit_policy::{ConsentState, Frequency, Registry};
use utoipa::ToSchema;

use super::{
    Call, Shared,
    handlers::{body, enrolled, freshness, malformed, overview, subject, trouble},
    types::{Freshness, PersonBody, Typed},
};
use crate::{
    App,
    consents::{OwnChange, Story, Text, stories},
    index::What,
    sealed::Chain,
    usage::{self, Named},
    users::Kept,
};

/// Stands under the consents.
const NOTICE: &str = "What this authority did itself shows at once; requests, uses, and what was done elsewhere show with the next \
    reading. Until then they cannot be known here without telling the coordinator who looks.";

/// Consents of a person, and requests for consent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consents)]
pub(in crate::api) struct ConsentsBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Requests for consent that can be decided, the newest first.
    requests: Vec<AskedBody>,
    /// Consents, dead ones too, and requests that were refused or are over; the newest first.
    consents: Vec<ConsentBody>,
    #[serde(flatten)]
    freshness: Freshness,
    /// What the answer does not say.
    notice: &'static str,
}

/// What a consent, or a request for one, is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConsentTerms)]
struct TermsBody {
    /// Its id, a ULID; of a request also that of the consent that may follow.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// Who may ask, or would.
    requester: Named,
    /// The authority that it was given at, or that was asked.
    authority: Named,
    /// Lists that may be asked.
    lists: Vec<Named>,
    /// Purposes for which may be asked.
    purposes: Vec<Named>,
    /// From when.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    not_before: String,
    /// Until when; this instant is outside.
    #[schema(format = DateTime, example = "2027-11-22T00:00:00.000Z")]
    expires: String,
    /// How often: a number and HOUR, DAY, WEEK, MONTH or YEAR.
    #[schema(example = "4 MONTH")]
    frequency: String,
}

/// A request for consent that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConsentRequest)]
struct AskedBody {
    #[serde(flatten)]
    terms: TermsBody,
    /// When it was asked for.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    requested: String,
    /// Until when it can be decided.
    #[schema(format = DateTime, example = "2026-12-21T02:32:09.481Z")]
    decide_by: String,
    /// The record of the request.
    record_id: String,
    /// Its leaf index.
    index: u64,
    /// `verified`, or what was wrong when it was read last.
    proof: String,
    /// A decision that was sent, and of which nothing came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = SentBody)]
    unconfirmed: Option<SentBody>,
    /// `allow` and `refuse`; nothing when it was asked at another authority.
    may: Vec<&'static str>,
}

/// A consent, or a request that did not become one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consent)]
struct ConsentBody {
    #[serde(flatten)]
    terms: TermsBody,
    /// `given`, `paused`, `resumed`, `renewed`, `withdrawn`, `expired` or `refused`; of a request that is over, `expired`;
    /// `unconfirmed` of one that was sent and nothing more is known of.
    state: String,
    /// Whether it allows checks now.
    allows: bool,
    /// Number of the newest change.
    number: u64,
    /// When that was; none while it is unconfirmed.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    changed: Option<String>,
    /// The record of the newest change; none while it is unconfirmed.
    #[schema(required = true)]
    record_id: Option<String>,
    /// Its leaf index.
    #[schema(required = true)]
    index: Option<u64>,
    /// Checks permitted under it, as far as was read.
    uses: u64,
    /// False when records that could tell of a use were erased.
    uses_complete: bool,
    /// What the person was shown with it, when that was shown here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = give::ShownBody)]
    shown: Option<give::ShownBody>,
    /// Changes, oldest first.
    events: Vec<EventBody>,
    /// A change that was sent, and of which nothing came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = SentBody)]
    unconfirmed: Option<SentBody>,
    /// Of `withdraw`, `pause`, `resume` and `renew`, what can follow; nothing when it was given at another authority.
    may: Vec<&'static str>,
}

/// A change of a consent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConsentEvent)]
struct EventBody {
    /// The state that it brought.
    state: &'static str,
    /// Its number; 0 of a request.
    number: u64,
    /// When.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    time: String,
    /// Its record.
    record_id: String,
    /// Its leaf index.
    index: u64,
    /// `verified`; `acknowledged` until a reading brings it; `erased` when what proved it was erased; or what is wrong.
    proof: String,
}

/// A change that was sent without an answer. The same again settles it, and so does the next reading.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UnconfirmedChange)]
struct SentBody {
    /// The state that it would bring.
    state: &'static str,
    /// When it was sent.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    sent: String,
}

/// A person with what is known of their consents.
pub(in crate::api) struct Giver {
    pub(in crate::api) key: RowKey,
    code: SubjectCode,
    kept: Vec<Kept>,
    own: Vec<OwnChange>,
    uses: HashMap<Ulid, u64>,
}

async fn giver(app: &App, scheme: &str, typed: &Typed) -> Result<Giver, Problem> {
    let (_, code) = subject(app, scheme, typed)?;
    let (key, ..) = enrolled(app, &code).await?;
    let overview = overview(app, &key).await?;
    let kept = app.users.open(&overview, |fact| fact.what == What::Consent).await;
    let kept = kept.map_err(|error| trouble(&error))?;
    let own = app.users.own_changes(&key).await.map_err(|error| trouble(&error))?;
    Ok(Giver { key, code, kept, own, uses: overview.uses() })
}

impl Giver {
    fn stories(&self, registry: &Registry) -> Vec<Story<'_>> {
        stories(&self.kept, &self.own, &self.uses, registry)
    }

    /// A consent or request of this person. Of any other there is none, whosever it is.
    fn story(&self, id: Ulid, registry: &Registry) -> Result<Story<'_>, Problem> {
        let found = self.stories(registry).into_iter().find(|story| story.id == id);
        let message = "No consent and no request of this id is known of this person. What was done elsewhere shows with the \
            next reading.";
        found.ok_or_else(|| Problem::of_field(Reason::NotFound, "id", message))
    }

    fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.kept.iter().map(|(chain, _)| chain)
    }

    fn own(&self, id: Ulid, number: u64) -> Option<&OwnChange> {
        self.own.iter().find(|change| change.id == id && change.number == number)
    }
}

/// Consents of a person and requests that wait, as far as they are known here. Nobody outside is asked.
#[utoipa::path(
    post, path = "/v1/consents/search", operation_id = "consents", tag = "consents", request_body = PersonBody,
    responses((status = 200, description = "As of the last reading, with what was done here since.", body = ConsentsBody))
)]
pub(in crate::api) async fn search(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<ConsentsBody>, Problem> {
    let said: PersonBody = body(&app, request).await?;
    let giver = giver(&app, &said.scheme, &said.code).await?;
    let (registry, now) = (app.registry(), app.clock.now());
    let stories = giver.stories(&registry);
    let (open, others): (Vec<_>, Vec<_>) = stories.iter().partition(|story| story.is_open(now));
    Ok(Json(ConsentsBody {
        request_id: call.id.to_string(),
        requests: open.into_iter().filter_map(|story| asked(&app, story, &registry)).collect(),
        consents: others.into_iter().map(|story| consent(&app, story, &registry, now)).collect(),
        freshness: freshness(&app, giver.chains()).await?,
        notice: NOTICE,
    }))
}

fn terms(story: &Story<'_>, registry: &Registry) -> TermsBody {
    let (lists, purposes, [not_before, expires], frequency) = match &story.text {
        Text::Consent(it) => (&it.lists, &it.purposes, [it.not_before, it.expires], it.frequency),
        Text::Request(it) => (&it.lists, &it.purposes, [it.not_before, it.expires], it.frequency),
    };
    TermsBody {
        id: story.id.to_string(),
        requester: usage::member(registry, story.text.requester()),
        authority: usage::member(registry, story.text.authority()),
        lists: lists.iter().map(|list| usage::list(registry, list.as_str())).collect(),
        purposes: purposes.iter().map(|code| usage::purpose(registry, code.as_str())).collect(),
        not_before: not_before.to_rfc3339(),
        expires: expires.to_rfc3339(),
        frequency: frequency.to_string(),
    }
}

fn asked(app: &App, story: &Story<'_>, registry: &Registry) -> Option<AskedBody> {
    let (event, decide_by) = (story.last()?, story.decide_by()?);
    let ours = *story.text.authority() == app.member;
    Some(AskedBody {
        terms: terms(story, registry),
        requested: event.at.to_rfc3339(),
        decide_by: decide_by.to_rfc3339(),
        record_id: event.record.clone(),
        index: event.index,
        proof: event.proof.clone(),
        unconfirmed: story.unconfirmed.map(sent),
        may: if ours { vec!["allow", "refuse"] } else { Vec::new() },
    })
}

fn consent(app: &App, story: &Story<'_>, registry: &Registry, now: Millis) -> ConsentBody {
    let last = story.last();
    let state = last.map_or("unconfirmed", |event| match event.state {
        // A request that nobody can decide any more.
        ConsentState::Requested => ConsentState::Expired.as_str(),
        state => state.as_str(),
    });
    let changes = [
        ("withdraw", ConsentState::Withdrawn),
        ("pause", ConsentState::Paused),
        ("resume", ConsentState::Resumed),
        ("renew", ConsentState::Renewed),
    ];
    let ours = matches!(story.text, Text::Consent(_)) && *story.text.authority() == app.member;
    let may = changes.iter().filter(|(_, state)| ours && story.may_become(*state)).map(|(word, _)| *word);
    ConsentBody {
        terms: terms(story, registry),
        state: state.to_owned(),
        allows: story.allows(now),
        number: story.status().number(),
        changed: last.map(|event| event.at.to_rfc3339()),
        record_id: last.map(|event| event.record.clone()),
        index: last.map(|event| event.index),
        uses: story.uses,
        uses_complete: story.uses_complete,
        shown: story.shown.map(Into::into),
        events: story.events.values().map(event).collect(),
        unconfirmed: story.unconfirmed.map(sent),
        may: may.collect(),
    }
}

fn event(event: &crate::consents::Event<'_>) -> EventBody {
    EventBody {
        state: event.state.as_str(),
        number: event.number,
        time: event.at.to_rfc3339(),
        record_id: event.record.clone(),
        index: event.index,
        proof: event.proof.clone(),
    }
}

fn sent(change: &OwnChange) -> SentBody {
    SentBody { state: change.state.as_str(), sent: Millis(change.sent_ms).to_rfc3339() }
}

fn ulid(text: &str) -> Result<Ulid, Problem> {
    parse_ulid(text).ok_or_else(|| malformed("id", "An id is a ULID: 26 characters, capitals and digits."))
}

fn lists(texts: &[String]) -> Result<Vec<ListId>, Problem> {
    let wrong = |_| malformed("lists", "A list id is written <holder>/<name>, in small letters.");
    texts.iter().map(|text| text.parse().map_err(wrong)).collect()
}

fn purposes(texts: &[String]) -> Result<Vec<PurposeCode>, Problem> {
    let wrong = |_| malformed("purposes", "A purpose is named by its code, in small letters.");
    texts.iter().map(|text| text.parse().map_err(wrong)).collect()
}

fn frequency(text: &str) -> Result<Frequency, Problem> {
    let wrong = "A frequency is a number and HOUR, DAY, WEEK, MONTH or YEAR, as in 4 MONTH.";
    text.parse().map_err(|_| malformed("frequency", wrong))
}
