//! Objections and appeals of a person, and how far they are.

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tacit_client::RowKey;
use tacit_desk::{
    openapi::{IdText, ListIdText},
    parse::given,
    problem::Problem,
};
use tacit_model::{ListId, MemberId, Reason, SubjectCode, Ulid, entropy::os_rng, new_ulid, parse_ulid};
use tacit_policy::{
    Registry,
    letter::{Body, Letter, LetterText, Whom, day_in, limits},
};
use tacit_store::begin;
use utoipa::ToSchema;

use super::{
    Call, Shared,
    handlers::{body, enrolled, freshness, malformed, overview, subject, trouble},
    types::{Freshness, PersonBody, Typed},
};
use crate::{
    App,
    index::{Fact, What},
    letters::{self, KeptLetter},
    matters::{self, Matter, Post, Way},
    measure::Registered,
    reading::{ReadingError, timetable},
    redress::Outgoing,
    store, usage,
    users::Kept,
};

/// An objection of a person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewObjection)]
pub(super) struct ObjectionBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// List that it is about; or name the notice.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = ListIdText)]
    list: Option<String>,
    /// Id of the notice that it answers; or name the list.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = IdText)]
    notice: Option<String>,
    /// What the person says; at most 8,000 characters.
    #[schema(
        min_length = 1,
        max_length = 8000,
        pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$",
        example = "I have paid."
    )]
    text: String,
}

/// An appeal of a person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAppeal)]
pub(super) struct AppealBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    code: Typed,
    /// Id of the objection whose decision is appealed.
    #[schema(value_type = IdText)]
    objection: String,
    /// What the person says; at most 2,000 characters.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$",
        example = "I have paid."
    )]
    text: String,
}

/// What was taken down; it leaves with the next reading.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Filed)]
pub(super) struct FiledBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Id of the objection, also for its appeal.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    objection: String,
    /// The list.
    #[schema(value_type = ListIdText)]
    list: String,
    /// Member that it goes to.
    goes_to: String,
    /// Its name.
    goes_to_name: String,
    /// When it leaves, with the letters of all persons together.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    next_reading: Option<String>,
}

/// Objections and letters of a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Matters)]
pub(super) struct MattersBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Objections, oldest first.
    objections: Vec<MatterBody>,
    /// Letters that came to the person, oldest first, then those that were written for it.
    letters: Vec<PostBody>,
    #[serde(flatten)]
    freshness: Freshness,
}

/// An objection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Matter)]
struct MatterBody {
    /// Its id.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// The list.
    #[schema(value_type = ListIdText)]
    list: String,
    /// Its name in words.
    list_name: String,
    /// When it was written.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    filed: String,
    /// `waits` (for the next reading), `sent`, `received`, `decided`, `appeal_waits`, `appealed` or `reviewed`.
    state: String,
    /// `upheld`, `annulled` or `corrected`, of the decision that counts; empty before one.
    outcome: String,
    /// `decision` or `review`: what a body owes the person next; empty when nothing.
    owed: String,
    /// The last day on which that is in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date)]
    owed_by: Option<String>,
    /// Whether that day has passed where the list is kept.
    overdue: bool,
    /// The last day on which an appeal can be written, while one can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date)]
    appeal_until: Option<String>,
}

/// A letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Post)]
struct PostBody {
    /// Kind of the letter; empty for one that cannot be read.
    kind: String,
    /// Who wrote it.
    from: String,
    /// Its name in words.
    from_name: String,
    /// Member that it is for; empty for one to the person.
    to: String,
    /// Its name in words; empty for a letter to the person.
    to_name: String,
    /// Name of the list that it is about, in words; empty for one that cannot be read.
    list_name: String,
    /// When it was in the log; none while it waits for the next reading.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    logtime: Option<String>,
    /// Its record, which `prove` proves; empty while it waits.
    record_id: String,
    /// What it says, as its author signed it; none for one that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Object)]
    letter: Option<serde_json::Value>,
    /// Why it counts for nothing: unreadable, forged, or not from who decides; empty otherwise.
    problem: String,
}

/// A person with its letters and measures, and the letters that were written for it.
pub(super) struct Party {
    pub(super) key: RowKey,
    pub(super) about: Whom,
    kept: Vec<Kept>,
    written: Vec<Outgoing>,
}

pub(super) async fn party(app: &App, scheme: &str, typed: &Typed) -> Result<Party, Problem> {
    let (_, code) = subject(app, scheme, typed)?;
    let (key, ..) = enrolled(app, &code).await?;
    let overview = overview(app, &key).await?;
    let wanted = |fact: &Fact| matches!(fact.what, What::Letter | What::Measure(_));
    let kept = app.users.open(&overview, wanted).await.map_err(|error| trouble(&error))?;
    let written = app.users.written(&key).await.map_err(|error| trouble(&error))?;
    Ok(Party { key, about: whom(&code), kept, written })
}

impl Party {
    fn posts<'a>(&'a self, came: &'a [KeptLetter<'a>], registry: &Registry) -> Vec<Post<'a>> {
        let registered = Registered::of(self.kept.iter().flat_map(|(_, entries)| entries));
        matters::posts(came, &self.written, &registered, &self.about, registry)
    }
}

fn whom(code: &SubjectCode) -> Whom {
    Whom { scheme: code.scheme().to_owned(), code: code.expose_code().to_owned() }
}

/// Takes down an objection. It goes to the body that listed, with the next reading.
#[utoipa::path(
    post, path = "/v1/objections", operation_id = "object", tag = "redress", request_body = ObjectionBody,
    responses((status = 200, description = "It is taken down.", body = FiledBody))
)]
pub(super) async fn object(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<FiledBody>, Problem> {
    let body: ObjectionBody = body(&app, request).await?;
    let text = words(&body.text, limits::OBJECTION)?;
    let party = party(&app, &body.scheme, &body.code).await?;
    let registry = app.registry();
    let came = letters::of(&party.kept, &registry);
    let posts = party.posts(&came, &registry);
    let list = named_list(&body, &posts)?;
    let entry = registry
        .list(&list)
        .ok_or_else(|| Problem::of_field(Reason::UnknownList, "list", Reason::UnknownList.meaning()))?;
    if entry.scheme != party.about.scheme {
        let reason = Reason::CodeNotThisScheme;
        return Err(Problem::of_field(reason, "scheme", reason.meaning()));
    }
    let under_way = |matter: &Matter<'_>| matter.list == list && matter.is_undecided();
    if matters::matters(&posts, &registry).iter().any(under_way) {
        let message = "An objection about this list is under way and not decided yet.";
        return Err(Problem::of_field(Reason::Conflict, "list", message));
    }
    let to = list.holder_id();
    reachable(&registry, &to)?;
    let now = app.clock.now();
    let id = new_ulid(now, &mut os_rng());
    let letter = Letter::new(id, None, now, party.about.clone(), matters::objection(list.clone(), text));
    write(&app, &party.key, &letter, &[&to]).await?;
    filed(&app, &call, id, &list, &to).await
}

/// Takes down an appeal. It goes to the reviewing body, with the objection and the first decision.
#[utoipa::path(
    post, path = "/v1/appeals", operation_id = "appeal", tag = "redress", request_body = AppealBody,
    responses((status = 200, description = "It is taken down.", body = FiledBody))
)]
pub(super) async fn appeal(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<FiledBody>, Problem> {
    let body: AppealBody = body(&app, request).await?;
    let text = words(&body.text, limits::APPEAL)?;
    let id = ulid(&body.objection, "objection")?;
    let party = party(&app, &body.scheme, &body.code).await?;
    let registry = app.registry();
    let came = letters::of(&party.kept, &registry);
    let posts = party.posts(&came, &registry);
    let found = matters::matters(&posts, &registry).into_iter().find(|matter| matter.id == id);
    let Some(matter) = found else {
        let message = "This person has no objection of this id.";
        return Err(Problem::of_field(Reason::NotFound, "objection", message));
    };
    let conflict = |message: &'static str| Problem::of_field(Reason::Conflict, "objection", message);
    let now = app.clock.now();
    let Some(until) = matter.appeal_until() else {
        return Err(conflict(match (&matter.decision, matter.appealed) {
            (None, _) => "Nothing was decided yet that could be appealed.",
            (_, Some(_)) => "This was appealed already; the same body does not review twice.",
            _ if matter.review.is_some() => "This was reviewed already; the second decision is the last one.",
            _ => "The decision names no way to appeal.",
        }));
    };
    if today(&registry, &matter.list, now).is_none_or(|today| today > until) {
        let message = format!("The time to appeal ended on {until}.");
        return Err(Problem::of_field(Reason::TermOver, "objection", message));
    }
    let appeal = matter.appeal(text, &app.consents).ok_or(Problem::from(Reason::Internal))?;
    let (to, list) = (appeal.to.clone(), matter.list.clone());
    reachable(&registry, &to)?;
    let letter = Letter::new(
        new_ulid(now, &mut os_rng()),
        Some(id),
        now,
        party.about.clone(),
        Body::Appeal(Box::new(appeal)),
    );
    // The body that listed gets the same letter: the stay goes on.
    write(&app, &party.key, &letter, &[&to, &list.holder_id()]).await?;
    filed(&app, &call, id, &list, &to).await
}

/// Objections of a person and how far they are, with all letters.
#[utoipa::path(
    post, path = "/v1/matters", operation_id = "matters", tag = "redress", request_body = PersonBody,
    responses((status = 200, description = "As of the last reading.", body = MattersBody))
)]
pub(super) async fn matters(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
    request: Request,
) -> Result<Json<MattersBody>, Problem> {
    let body: PersonBody = body(&app, request).await?;
    let party = party(&app, &body.scheme, &body.code).await?;
    let registry = app.registry();
    let came: Vec<KeptLetter<'_>> = letters::of(&party.kept, &registry);
    let posts = party.posts(&came, &registry);
    let now = app.clock.now();
    let objections = matters::matters(&posts, &registry);
    Ok(Json(MattersBody {
        request_id: call.id.to_string(),
        objections: objections.iter().map(|it| tell(it, &registry, now)).collect(),
        letters: posts.iter().map(|post| tell_post(post, &app.member, &registry)).collect(),
        freshness: freshness(&app, party.kept.iter().map(|(chain, _)| chain)).await?,
    }))
}

fn tell(matter: &Matter<'_>, registry: &Registry, now: tacit_model::Millis) -> MatterBody {
    let (owed, today) = (matter.owed(), today(registry, &matter.list, now));
    let ruled = matter.review.as_ref().or(matter.decision.as_ref().map(|(decision, _)| decision));
    MatterBody {
        id: matter.id.to_string(),
        list: matter.list.to_string(),
        list_name: registry.list_title(&matter.list).to_owned(),
        filed: matter.filed.to_rfc3339(),
        state: matter.word().to_owned(),
        outcome: ruled.map_or("", |ruled| ruled.outcome.as_str()).to_owned(),
        owed: owed.as_ref().map_or("", |owed| owed.what).to_owned(),
        overdue: owed.as_ref().is_some_and(|owed| today.is_some_and(|today| today > owed.by)),
        owed_by: owed.map(|owed| owed.by.to_string()),
        appeal_until: matter.appeal_until().map(|day| day.to_string()),
    }
}

fn tell_post(post: &Post<'_>, own: &MemberId, registry: &Registry) -> PostBody {
    let (from, to) = match &post.way {
        Way::Came(kept) => (&kept.letter.sender, None),
        Way::Written(outgoing) => (own, Some(usage::member(registry, &outgoing.to))),
    };
    let usage::Named { id: from, title: from_name } = usage::member(registry, from);
    let (to, to_name) = to.map_or_else(Default::default, |to| (to.id, to.title));
    let list = post.letter.as_ref().map(|letter| letter.body.list());
    let logged = post.logged();
    PostBody {
        kind: post.letter.as_ref().map_or("", |letter| letter.body.kind()).to_owned(),
        from,
        from_name,
        to,
        to_name,
        list_name: list.map(|list| registry.list_title(list).to_owned()).unwrap_or_default(),
        logtime: logged.map(|(at, _)| at.to_rfc3339()),
        record_id: logged.map_or("", |(_, record)| record).to_owned(),
        letter: post.letter.as_ref().and_then(|letter| serde_json::to_value(letter).ok()),
        problem: post.problem.clone().unwrap_or_default(),
    }
}

/// The list that an objection names, itself or by a notice.
fn named_list(body: &ObjectionBody, posts: &[Post<'_>]) -> Result<ListId, Problem> {
    match (&body.list, &body.notice) {
        (Some(list), None) => list
            .parse()
            .map_err(|_| malformed("list", "A list id is written <holder>/<name>, in small letters.")),
        (None, Some(notice)) => {
            let id = ulid(notice, "notice")?;
            let named =
                posts.iter().filter_map(|post| post.letter.as_ref().filter(|_| post.problem.is_none()));
            let mut notices = named.filter(|letter| matches!(letter.body, Body::ListingNotice(_)));
            let found = notices.find(|letter| letter.id == id).map(|letter| letter.body.list().clone());
            found.ok_or_else(|| {
                Problem::of_field(
                    Reason::NotFound,
                    "notice",
                    "No notice of this id came to this person so far.",
                )
            })
        }
        _ => Err(malformed("list", "Name either the list or the notice.")),
    }
}

fn words(text: &str, limit: (usize, usize)) -> Result<LetterText, Problem> {
    LetterText::new(text, limit)
        .map_err(|error| Problem::of_field(Reason::Malformed, "text", error.to_string()))
}

fn ulid(text: &str, field: &'static str) -> Result<Ulid, Problem> {
    parse_ulid(text).ok_or_else(|| malformed(field, "An id is a ULID: 26 characters, capitals and digits."))
}

fn today(registry: &Registry, list: &ListId, now: tacit_model::Millis) -> Option<Date> {
    day_in(&registry.list(list)?.time_zone, now)
}

/// Whether letters reach a member.
pub(super) fn reachable(registry: &Registry, member: &MemberId) -> Result<(), Problem> {
    let entry = registry.member(member);
    let reached = entry.is_some_and(|it| it.keys.letters.is_some() && it.pseudonym_epoch.is_some());
    if reached {
        return Ok(());
    }
    let message =
        "The body that decides about this list gets no letters here; its contact stands in the registry.";
    Err(Problem::of_field(Reason::UnknownMember, "list", message))
}

/// Keeps a letter to each of these members until the next reading.
pub(super) async fn write(
    app: &App,
    user: &RowKey,
    letter: &Letter,
    to: &[&MemberId],
) -> Result<(), Problem> {
    let rows = &app.users.rows;
    let kept = async {
        let mut conn = app.users.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        for member in to {
            let Some(outgoing) = Outgoing::new((*member).clone(), letter) else { return Ok(false) };
            let key = rows.letter(member, letter.id);
            let sealed = rows.seal_letter(&key, &outgoing, &mut os_rng())?;
            store::letters::add(
                &mut tx,
                &store::letters::LetterRow { key, user: *user, sealed },
                letter.written,
            )
            .await?;
        }
        tx.commit().await?;
        Ok::<_, ReadingError>(true)
    };
    match kept.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::of_field(Reason::TooLarge, "text", "The letter would be too long.")),
        Err(error) => Err(trouble(&error)),
    }
}

async fn filed(
    app: &App,
    call: &Call,
    objection: Ulid,
    list: &ListId,
    to: &MemberId,
) -> Result<Json<FiledBody>, Problem> {
    Ok(Json(FiledBody {
        request_id: call.id.to_string(),
        objection: objection.to_string(),
        list: list.to_string(),
        goes_to: to.to_string(),
        goes_to_name: app.registry().member_title(to).to_owned(),
        next_reading: next_reading(app).await?,
    }))
}

/// When a letter that was written leaves.
pub(super) async fn next_reading(app: &App) -> Result<Option<String>, Problem> {
    let times = timetable(&app.readings.db).await.map_err(|error| trouble(&error.into()))?;
    metrics::counter!("tacit_authority_letters_written_total").increment(1);
    Ok(times.next.map(|at| at.to_rfc3339()))
}
