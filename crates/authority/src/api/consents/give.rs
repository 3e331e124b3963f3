//! Consents that a person gives: of its own accord, of what it was asked for, or once more.

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
};
use serde::{Deserialize, Serialize};
use tacit_client::{ClientError, Kind, Narrower, Pseudonym};
use tacit_desk::{
    openapi::{FrequencyText, IdText, InstantText, ListIdText, NameText},
    parse::given,
    problem::Problem,
};
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Reason};
use tacit_policy::{
    Consent, ConsentState, Registry,
    consent::consent_notice,
    registry::entry::{Role, SUBJECT_ACCESS},
};
use utoipa::ToSchema;

use super::{
    super::{
        Call, Shared,
        handlers::{body, malformed, trouble},
        types::Typed,
    },
    Giver,
    change::{ChangedBody, Send, again, carry_out, end, ours, own_change, possible},
    frequency, giver, lists, purposes, ulid,
};
use crate::{
    App,
    consents::{OwnChange, Shown, Text},
    sealed::Chain,
    store::chains,
};

/// Longest text that a person is shown, in characters.
const SHOWN_MAX: usize = 8000;
/// Longest language tag.
const LANGUAGE_MAX: usize = 35;

/// What the person was shown, to the letter.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShownNotice)]
pub(in crate::api) struct ShownBody {
    /// Its language, as in `en` or `zh-Hans`.
    #[schema(pattern = "^[A-Za-z0-9-]{2,35}$", example = "zh-Hans")]
    language: String,
    /// Its text; the consent names its hash.
    #[schema(min_length = 1, max_length = 8000, pattern = r"[^\s]", example = "You may be asked about.")]
    text: String,
}

impl std::fmt::Debug for ShownBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownBody(..)")
    }
}

impl From<&Shown> for ShownBody {
    fn from(Shown { language, text }: &Shown) -> Self {
        Self { language: language.clone(), text: text.clone() }
    }
}

/// A consent that a person gives of its own accord.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConsent)]
pub(in crate::api) struct GrantBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// The consent's id, a new ULID that the caller chooses: the very same call again is no second consent.
    #[schema(value_type = IdText)]
    id: String,
    /// Who may ask.
    #[schema(value_type = NameText)]
    requester: String,
    /// Lists that may be asked, each once.
    #[schema(value_type = Vec<ListIdText>, min_items = 1, max_items = 64)]
    lists: Vec<String>,
    /// Codes of the purposes, each once.
    #[schema(value_type = Vec<NameText>, min_items = 1, max_items = 64)]
    purposes: Vec<String>,
    /// Until when; or name the days.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = InstantText)]
    expires: Option<String>,
    /// Until the end of the day so many days from now, UTC; or name the end.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u32, minimum = 1, maximum = 3660)]
    days: Option<u32>,
    /// How often at most: a number and HOUR, DAY, WEEK, MONTH or YEAR.
    #[schema(value_type = FrequencyText)]
    frequency: String,
    /// What the person was shown.
    shown: ShownBody,
}

/// What a person allows of a request. What is left out is allowed as it was asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AllowedRequest)]
pub(in crate::api) struct AllowBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// Only these of the lists.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Vec<ListIdText>, min_items = 1, max_items = 64)]
    lists: Option<Vec<String>>,
    /// Only these of the purposes.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Vec<NameText>, min_items = 1, max_items = 64)]
    purposes: Option<Vec<String>>,
    /// Not as long; or name the days.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = InstantText)]
    expires: Option<String>,
    /// At most until the end of the day so many days from now, UTC; or name the end.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u32, minimum = 1, maximum = 3660)]
    days: Option<u32>,
    /// Not as often.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = FrequencyText)]
    frequency: Option<String>,
    /// What the person was shown.
    shown: ShownBody,
}

/// A consent that a person confirms again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RenewedConsent)]
pub(in crate::api) struct RenewBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// Until when; or name the days.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = InstantText)]
    expires: Option<String>,
    /// Until the end of the day so many days from now, UTC; or name the end.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u32, minimum = 1, maximum = 3660)]
    days: Option<u32>,
    /// What the person was shown.
    shown: ShownBody,
}

/// Gives a consent.
#[utoipa::path(
    post, path = "/v1/consents", operation_id = "giveConsent", tag = "consents", request_body = GrantBody,
    responses((status = 200, description = "It is given, and allows checks from now on.", body = ChangedBody))
)]
pub(in crate::api) async fn grant(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    let said: GrantBody = body(&app, request).await?;
    let (id, now, registry) = (ulid(&said.id)?, app.clock.now(), app.registry());
    let asked = asked(&(
        &said.requester,
        &said.lists,
        &said.purposes,
        &said.expires,
        said.days,
        &said.frequency,
        &said.shown,
    ))?;
    let giver = giver(&app, &said.scheme, &said.code).await?;
    let before = giver.own(id, 1);
    if let Some(event) =
        giver.story(id, &registry).ok().as_ref().and_then(|story| Some((story, story.events.get(&1)?)))
    {
        // What was given under this id, by the very same call or another one.
        return match before.is_some_and(|it| it.asked == Some(asked)) && event.0.events.len() == 1 {
            true => Ok(Json(again(&call, event.0, event.1))),
            false => Err(taken()),
        };
    }
    let sent = before.filter(|it| it.asked == Some(asked)).and_then(|it| Text::parse(&it.text));
    let consent = match sent {
        // The same bytes as before are the same consent.
        Some(Text::Consent(consent)) => consent,
        _ if before.is_some() => return Err(taken()),
        _ => {
            let frequency = frequency(&said.frequency)?;
            let wrong = |_| malformed("requester", "A member is named in small letters.");
            let requester: MemberId = said.requester.parse().map_err(wrong)?;
            let (lists, purposes) = (lists(&said.lists)?, purposes(&said.purposes)?);
            let missing = || malformed("days", "Name the end or the days.");
            let expires = end(said.expires.as_deref(), said.days, now)?.ok_or_else(missing)?;
            agreed(&registry, &giver, &requester, &lists, &purposes, now)?;
            let Pseudonym { pseudonym, epoch } = pseudonym(&app, &giver, &registry, &requester).await?;
            Consent {
                id,
                authority: app.member.clone(),
                requester,
                pseudonym,
                epoch,
                lists,
                purposes,
                not_before: now,
                expires,
                frequency,
                notice: shown(&said.shown)?,
            }
        }
    };
    let own = OwnChange {
        asked: Some(asked),
        shown: Some(Shown { language: said.shown.language, text: said.shown.text }),
        ..own_change(&app, id, ConsentState::Given, 1, text(&app, &consent)?)
    };
    carry_out(&app, &call, &giver, own, Send::Put(consent)).await
}

/// Allows what was asked for, or less of it.
#[utoipa::path(
    post, path = "/v1/requests/{id}/allow", operation_id = "allowRequest", tag = "consents", request_body = AllowBody,
    params(("id" = inline(IdText), Path, description = "Id of the request, a ULID; the consent's too.")),
    responses((status = 200, description = "The consent is given.", body = ChangedBody))
)]
pub(in crate::api) async fn allow(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    let said: AllowBody = body(&app, request).await?;
    let (id, now, registry) = (ulid(&id)?, app.clock.now(), app.registry());
    let asked =
        asked(&(&said.lists, &said.purposes, &said.expires, said.days, &said.frequency, &said.shown))?;
    let giver = giver(&app, &said.scheme, &said.code).await?;
    let story = giver.story(id, &registry)?;
    ours(&app, &story)?;
    let before = giver.own(id, 1).filter(|it| it.asked == Some(asked));
    if let Some(event) = story.last().filter(|it| it.number == 1 && before.is_some()) {
        return Ok(Json(again(&call, &story, event)));
    }
    possible(&story, ConsentState::Given)?;
    let Text::Request(asked_for) = &story.text else { return Err(Problem::from(Reason::ConsentOrder)) };
    if !story.is_open(now) {
        let message = "The request cannot be decided any more, or its requester did not sign it.";
        return Err(Problem::of_field(Reason::ConsentOrder, "id", message));
    }
    let consent = match before.and_then(|it| Text::parse(&it.text)) {
        Some(Text::Consent(consent)) => consent,
        _ => {
            let expires = end(said.expires.as_deref(), said.days, now)?;
            // So many days are never more than was asked for.
            let expires = expires.map(|it| if said.days.is_some() { it.min(asked_for.expires) } else { it });
            let narrower = Narrower {
                lists: said.lists.as_deref().map(lists).transpose()?,
                purposes: said.purposes.as_deref().map(purposes).transpose()?,
                expires,
                frequency: said.frequency.as_deref().map(frequency).transpose()?,
                notice: shown(&said.shown)?,
            };
            narrower.of(asked_for).map_err(|error| {
                let field = if let ClientError::Question { field, .. } = error { field } else { "id" };
                let message = "It is more than was asked for, or something else.";
                Problem::of_field(Reason::ConsentInvalid, field, message)
            })?
        }
    };
    let own = OwnChange {
        asked: Some(asked),
        shown: Some(Shown { language: said.shown.language, text: said.shown.text }),
        ..own_change(&app, id, ConsentState::Given, 1, text(&app, &consent)?)
    };
    carry_out(&app, &call, &giver, own, Send::Put(consent)).await
}

/// Confirms a consent again, until later.
#[utoipa::path(
    post, path = "/v1/consents/{id}/renew", operation_id = "renewConsent", tag = "consents", request_body = RenewBody,
    params(("id" = inline(IdText), Path, description = "Id of the consent, a ULID.")),
    responses((status = 200, description = "It ends later.", body = ChangedBody))
)]
pub(in crate::api) async fn renew(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ChangedBody>, Problem> {
    let said: RenewBody = body(&app, request).await?;
    let (id, now, registry) = (ulid(&id)?, app.clock.now(), app.registry());
    let missing = || malformed("days", "Name the end or the days.");
    let expires = end(said.expires.as_deref(), said.days, now)?.ok_or_else(missing)?;
    let notice = shown(&said.shown)?;
    let giver = giver(&app, &said.scheme, &said.code).await?;
    let story = giver.story(id, &registry)?;
    ours(&app, &story)?;
    let Text::Consent(before) = &story.text else {
        return Err(Problem::of_field(
            Reason::ConsentOrder,
            "id",
            "A request is allowed or refused, not renewed.",
        ));
    };
    let renewed = story.last().filter(|event| event.state == ConsentState::Renewed);
    if let Some(event) = renewed.filter(|_| (before.expires, before.notice) == (expires, notice)) {
        return Ok(Json(again(&call, &story, event)));
    }
    possible(&story, ConsentState::Renewed)?;
    if expires <= before.expires {
        let message = "A consent is renewed until later than it ends now.";
        return Err(Problem::of_field(Reason::ConsentInvalid, "expires", message));
    }
    let next = Consent { expires, notice, ..before.clone() };
    let number = story.status().number().saturating_add(1);
    let own = OwnChange {
        shown: Some(Shown { language: said.shown.language, text: said.shown.text }),
        ..own_change(&app, id, ConsentState::Renewed, number, text(&app, &next)?)
    };
    carry_out(&app, &call, &giver, own, Send::Renew { before: before.clone(), next }).await
}

fn taken() -> Problem {
    let message = "This id is used already. The very same call again gets its record; another consent needs another id.";
    Problem::of_field(Reason::Conflict, "id", message)
}

/// A hash of what the caller said.
fn asked(said: &impl Serialize) -> Result<[u8; 32], Problem> {
    let said = serde_json::to_vec(said).map_err(|_| Problem::from(Reason::Internal))?;
    Ok(*blake3::hash(&said).as_bytes())
}

/// The hash that the consent names of what the person was shown.
fn shown(shown: &ShownBody) -> Result<[u8; 32], Problem> {
    let ShownBody { language, text } = shown;
    let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !(2..=LANGUAGE_MAX).contains(&language.len()) || !language.chars().all(is_tag) {
        return Err(malformed("shown.language", "A language is named as in `en` or `zh-Hans`."));
    }
    if text.trim().is_empty() || text.chars().count() > SHOWN_MAX {
        return Err(malformed("shown.text", "What was shown has 1 to 8,000 characters."));
    }
    Ok(consent_notice(text.as_bytes()))
}

/// The text of a consent, as it is signed.
fn text(app: &App, consent: &Consent) -> Result<String, Problem> {
    let signed = app.consents.sign_text(consent.clone()).map_err(|_| {
        let message =
            "A consent names 1 to 64 lists and as many purposes, each once, and begins before it ends.";
        Problem::of_field(Reason::ConsentInvalid, "lists", message)
    })?;
    Ok(String::from_utf8_lossy(signed.bytes()).into_owned())
}

/// Whether such a consent would allow anything: the member asks, and by agreements in force each list for each purpose.
fn agreed(
    registry: &Registry,
    giver: &Giver,
    requester: &MemberId,
    lists: &[ListId],
    purposes: &[PurposeCode],
    now: Millis,
) -> Result<(), Problem> {
    let unknown = |reason: Reason, field| Problem::of_field(reason, field, reason.meaning());
    if !registry.member(requester).is_some_and(|member| member.has(Role::Requester)) {
        return Err(unknown(Reason::UnknownMember, "requester"));
    }
    if purposes.iter().any(|code| registry.purpose(code).is_none() || code.as_str() == SUBJECT_ACCESS) {
        return Err(unknown(Reason::UnknownPurpose, "purposes"));
    }
    let mut without: BTreeSet<String> = BTreeSet::new();
    for id in lists {
        let list = registry.list(id).ok_or_else(|| unknown(Reason::UnknownList, "lists"))?;
        if list.scheme != giver.code.scheme() {
            return Err(unknown(Reason::CodeNotThisScheme, "lists"));
        }
        let agreements: Vec<_> =
            registry.agreements_between(requester, &id.holder_id()).filter(|it| it.in_force(now)).collect();
        let covers =
            |code: &PurposeCode| agreements.iter().any(|it| it.covers_list(id) && it.covers_purpose(code));
        without.extend(purposes.iter().filter(|code| !covers(code)).map(|code| format!("{id} for {code}")));
    }
    if without.is_empty() {
        return Ok(());
    }
    let without: Vec<String> = without.into_iter().take(3).collect();
    let message = format!(
        "{requester} has no agreement in force by which it may ask {}. A consent would allow nothing.",
        without.join(", ")
    );
    Err(Problem::of_field(Reason::NotPermitted, "lists", message))
}

/// The pseudonym that the person has with a member now: the one that readings go by or, before the first, by the custodian.
async fn pseudonym(
    app: &App,
    giver: &Giver,
    registry: &Registry,
    requester: &MemberId,
) -> Result<Pseudonym, Problem> {
    let rows = &app.users.rows;
    let epoch = registry.member(requester).and_then(|member| member.pseudonym_epoch);
    let epoch = epoch.ok_or_else(|| {
        Problem::of_field(Reason::UnknownMember, "requester", Reason::UnknownMember.meaning())
    })?;
    let key = rows.chain(&giver.key, requester, epoch);
    let known = async {
        let row = chains::by_keys(&mut *app.users.db.read().await?, &[key]).await?.pop();
        let Some(row) = row else {
            let codes = std::slice::from_ref(&giver.code);
            return Ok(app.consents.pseudonyms_in(requester, epoch, codes).await?.pop());
        };
        let chain: Chain = rows.open(Kind::Chain, &key, &row.sealed)?;
        Ok(Some(Pseudonym { pseudonym: chain.pseudonym, epoch }))
    };
    let known = known.await.map_err(|error| trouble(&error))?;
    known.ok_or(Problem::from(Reason::Internal))
}
