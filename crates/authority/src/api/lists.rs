//! What the registry says, in words for a person: lists, what listing means and leads to, how one leaves, and who may ask
//! what.

use axum::{Extension, Json, extract::State};
use serde::Serialize;
use tacit_desk::{openapi::ListIdText, problem::Problem};
use tacit_model::{MemberId, Millis};
use tacit_policy::{
    Registry,
    letter::{APPEAL_DAYS, CORRECT_DAYS, DECIDE_DAYS, RemovalReason},
    registry::entry::{self, Agreement, Contested, InformationType, LegalBasis, MemberKind, Role},
};
use utoipa::ToSchema;

use super::{Call, Shared, redress::reachable};
use crate::{
    check::{SUBJECT_ACCESS, agreed},
    usage::{self, Named},
};

/// Lists, purposes, and who may ask what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lists)]
pub(super) struct ListsBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    request_id: String,
    /// Number of the registry that says so.
    registry: u64,
    /// By id.
    lists: Vec<ListBody>,
    /// Purposes for which may be asked, by code.
    purposes: Vec<PurposeBody>,
    /// Members that may ask by an agreement in force, by name.
    requesters: Vec<RequesterBody>,
    /// How an objection goes, for every list.
    redress: RedressBody,
}

/// A law that something rests on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Law)]
struct LawBody {
    /// Title of the act and where in it.
    law: String,
    /// `statute`, `regulation`, `order` or `memorandum`.
    rank: &'static str,
    /// Who issued the act.
    issued_by: String,
    /// Where it is published.
    published: String,
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListInWords)]
struct ListBody {
    /// `<holder>/<name>`.
    #[schema(value_type = ListIdText)]
    id: String,
    /// Its name.
    title: String,
    /// Who keeps it, and whom to challenge.
    holder: Named,
    /// Identifier scheme of its codes.
    scheme: String,
    /// True: who stands there is held to have done wrong. False: it is a favorable list, joined by consent.
    adverse: bool,
    /// Where its records come from: `justice`, `tax`, and so on.
    origin_context: String,
    /// The law under which it is kept.
    legal_basis: LawBody,
    /// What being listed means.
    what_listing_means: String,
    /// What the statuses of its records mean.
    statuses: Vec<StatusBody>,
    /// Categories of the catalogue that its records can have.
    categories: Vec<CategoryBody>,
    /// What an answer may lead to, by agreements in force.
    measures: Vec<AllowedMeasureBody>,
    /// Days between notice and effect, at least.
    notice_days: u16,
    /// Days after which a record leaves at the latest.
    retention_days: u32,
    /// What is answered while an objection is undecided: `flag`, listed with the flag that it is contested; `withhold`, not
    /// listed. A category can be stricter.
    contested: &'static str,
    /// IANA time zone in which its days begin.
    time_zone: String,
    /// Where to object.
    objection_contact: String,
    /// Whether an objection can be filed here, too.
    objections_here: bool,
    /// Who decides about an appeal; none when the registry names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Named)]
    review_body: Option<Named>,
    /// Whether a person can ask here whether it names them.
    can_check: bool,
}

/// What a status of a record means.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusInWords)]
struct StatusBody {
    /// The status of the label.
    status: u8,
    /// What it means.
    text: String,
}

/// A category of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CategoryInWords)]
struct CategoryBody {
    /// The category of the label.
    code: u16,
    /// Its name.
    title: String,
    /// Which of the twelve types of public credit information it is.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "judgments-and-enforcement")]
    information: InformationType,
    /// The law under which it is recorded.
    legal_basis: LawBody,
    /// Days between notice and effect, at least.
    notice_days: u16,
    /// Days after which a record of it leaves at the latest.
    retention_days: u32,
    /// As of the list.
    contested: &'static str,
}

/// Something that an answer may lead to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllowedMeasure)]
struct AllowedMeasureBody {
    /// In words.
    title: String,
    /// Whether it takes something away or refuses something.
    restricts: bool,
    /// The law it rests on.
    legal_basis: LawBody,
    /// Who may take it.
    by: Named,
}

/// A purpose.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PurposeInWords)]
struct PurposeBody {
    /// Its code.
    code: String,
    /// Its name.
    title: String,
    /// The context in which the answer is used.
    context: String,
    /// The term of the Data Privacy Vocabulary.
    dpv: String,
    /// Whether it is about a basic service, for which no adverse list may be asked.
    basic_service: bool,
}

/// A member that asks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequesterInWords)]
struct RequesterBody {
    /// Its name.
    id: String,
    /// Its name in words.
    title: String,
    /// `public`, `private` or `association`.
    kind: &'static str,
    /// What it may ask, by agreements in force.
    agreements: Vec<AgreementBody>,
}

/// An agreement in force, as far as it concerns the person who is asked about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgreementInWords)]
struct AgreementBody {
    /// Its id, a ULID.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// Who answers.
    holder: Named,
    /// Lists that may be asked.
    lists: Vec<Named>,
    /// Purposes for which may be asked.
    purposes: Vec<Named>,
    /// Whether each check needs the person's consent. Where it does not, a consent changes nothing.
    needs_consent: bool,
    /// The law under which is asked.
    legal_basis: LawBody,
    /// Checks of one person a day, at most.
    per_subject_per_day: u64,
    /// Until when it is in force.
    #[schema(format = DateTime, example = "2027-11-22T00:00:00.000Z")]
    valid_until: String,
}

/// How an objection goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RedressTerms)]
struct RedressBody {
    /// Days in which the holder decides, and in which the reviewing body does.
    decide_days: u16,
    /// Days after the first decision in which an appeal can be written.
    appeal_days: u16,
    /// Days after a decision in which the list says what was decided.
    correct_days: u16,
    /// Reasons for which a record is removed, and no others: `fulfilled`, `expired`, `annulled`, `corrected`.
    removal_reasons: Vec<&'static str>,
}

/// Lists in words for a person: what listing means, what it leads to, how one leaves, whom to challenge; with the purposes
/// and the members that may ask.
#[utoipa::path(
    get, path = "/v1/lists", operation_id = "lists", tag = "lists",
    responses((status = 200, description = "What the registry says.", body = ListsBody))
)]
pub(super) async fn lists(
    State(app): State<Shared>,
    Extension(call): Extension<Call>,
) -> Result<Json<ListsBody>, Problem> {
    let (registry, now) = (app.registry(), app.clock.now());
    let in_force: Vec<&Agreement> = registry.agreements().filter(|it| it.in_force(now)).collect();
    let list = |list| tell_list(list, &registry, &in_force, &app.member, now);
    let purposes = registry.purposes().filter(|purpose| purpose.code.as_str() != SUBJECT_ACCESS);
    let requesters = registry.members().filter(|member| member.has(Role::Requester));
    Ok(Json(ListsBody {
        request_id: call.id.to_string(),
        registry: registry.number(),
        lists: registry.lists().map(list).collect(),
        purposes: purposes.map(tell_purpose).collect(),
        requesters: requesters.filter_map(|it| tell_requester(it, &registry, &in_force)).collect(),
        redress: RedressBody {
            decide_days: DECIDE_DAYS,
            appeal_days: APPEAL_DAYS,
            correct_days: CORRECT_DAYS,
            removal_reasons: RemovalReason::ALL.iter().map(|reason| reason.as_str()).collect(),
        },
    }))
}

fn tell_list(
    list: &entry::List,
    registry: &Registry,
    in_force: &[&Agreement],
    own: &MemberId,
    now: Millis,
) -> ListBody {
    let holder = list.id.holder_id();
    let category = |category: &entry::Category| CategoryBody {
        code: category.code,
        title: category.title.clone(),
        information: category.information,
        legal_basis: law(registry, &category.legal_basis),
        notice_days: category.notice_days,
        retention_days: category.retention_days,
        contested: contested(category.contested),
    };
    let status = |status: &entry::StatusText| StatusBody { status: status.status, text: status.text.clone() };
    let covering = in_force.iter().filter(|agreement| agreement.covers_list(&list.id));
    let measures = covering.flat_map(|agreement| {
        agreement.measures.iter().map(|measure| AllowedMeasureBody {
            title: measure.title.clone(),
            restricts: measure.restricts,
            legal_basis: law(registry, agreement.basis_of(measure)),
            by: usage::member(registry, &agreement.requester),
        })
    });
    ListBody {
        id: list.id.to_string(),
        title: list.title.clone(),
        scheme: list.scheme.clone(),
        adverse: list.adverse,
        origin_context: list.origin_context.clone(),
        legal_basis: law(registry, &list.legal_basis),
        what_listing_means: list.what_listing_means.clone(),
        statuses: list.status_texts.iter().map(status).collect(),
        categories: registry.categories().filter(|it| it.fits(list)).map(category).collect(),
        measures: measures.collect(),
        notice_days: list.notice_days,
        retention_days: list.retention_days,
        contested: contested(list.contested),
        time_zone: list.time_zone.clone(),
        objection_contact: list.objection_contact.clone(),
        objections_here: reachable(registry, &holder).is_ok(),
        review_body: list.review_body.as_ref().map(|member| usage::member(registry, member)),
        can_check: agreed(registry, own, &list.id, now).is_ok(),
        holder: usage::member(registry, &holder),
    }
}

fn tell_purpose(purpose: &entry::Purpose) -> PurposeBody {
    PurposeBody {
        code: purpose.code.to_string(),
        title: purpose.title.clone(),
        context: purpose.context.clone(),
        dpv: purpose.dpv.clone(),
        basic_service: purpose.basic_service,
    }
}

/// A member with what it may ask; none that may ask nothing.
fn tell_requester(
    member: &entry::Member,
    registry: &Registry,
    in_force: &[&Agreement],
) -> Option<RequesterBody> {
    let agreement = |agreement: &Agreement| AgreementBody {
        id: agreement.id.to_string(),
        holder: usage::member(registry, &agreement.holder),
        lists: agreement.lists.iter().map(|it| usage::list(registry, it.as_str())).collect(),
        purposes: agreement.purposes.iter().map(|it| usage::purpose(registry, it.as_str())).collect(),
        needs_consent: registry.needs_consent(agreement),
        legal_basis: law(registry, &agreement.legal_basis),
        per_subject_per_day: agreement.quotas.per_subject_per_day,
        valid_until: agreement.valid_until.to_rfc3339(),
    };
    let own = in_force.iter().filter(|agreement| agreement.requester == member.id);
    let agreements: Vec<AgreementBody> = own.map(|it| agreement(it)).collect();
    (!agreements.is_empty()).then(|| RequesterBody {
        id: member.id.to_string(),
        title: member.title.clone(),
        kind: match member.kind {
            MemberKind::Public => "public",
            MemberKind::Private => "private",
            MemberKind::Association => "association",
        },
        agreements,
    })
}

fn law(registry: &Registry, basis: &LegalBasis) -> LawBody {
    // Every act that is cited stands in the registry.
    let act = registry.act(&basis.act);
    LawBody {
        law: registry.law(basis),
        rank: act.map_or("", |act| act.rank.as_str()),
        issued_by: act.map_or_else(String::new, |act| act.issued_by.clone()),
        published: act.map_or_else(String::new, |act| act.published.clone()),
    }
}

fn contested(contested: Contested) -> &'static str {
    match contested {
        Contested::Flag => "flag",
        Contested::Withhold => "withhold",
    }
}
