//! The lists that this agency may ask, by the very rules that decide.

use std::collections::BTreeSet;

use serde::Serialize;
use tacit_model::{MemberId, Millis, PurposeCode};
use tacit_policy::{Asked, Registry, holder_decide, registry::entry::List};
use utoipa::ToSchema;

use super::terms::{self, AllowedMeasure};

/// The lists that this agency may ask now.
#[derive(Serialize, ToSchema)]
#[schema(as = Lists)]
pub(super) struct ListsBody {
    /// The id of this request in all logs.
    pub(super) request_id: String,
    /// Ascending by id; empty when no agreement is in force.
    pub(super) lists: Vec<ListBody>,
}

/// A list that may be asked.
#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(super) struct ListBody {
    /// List id.
    #[schema(example = "court/judgment-defaulters")]
    list: String,
    /// Its name in words.
    title: String,
    /// Its holder's name in words.
    holder_title: String,
    /// The identifier scheme of its codes.
    #[schema(example = "CN-USCC")]
    scheme: String,
    /// True for a blacklist, false for a favorable list.
    adverse: bool,
    /// What being listed means.
    what_listing_means: String,
    /// Where to object.
    objection_contact: String,
    /// For what it may be asked.
    purposes: Vec<PurposeBody>,
    /// What an answer may lead to, and nothing else. An answer is not a decision: somebody decides each measure.
    measures: Vec<AllowedMeasure>,
}

/// A purpose for which a list may be asked.
#[derive(Serialize, ToSchema)]
#[schema(as = AllowedPurpose)]
pub(super) struct PurposeBody {
    /// Purpose code.
    #[schema(example = "screening")]
    purpose: String,
    /// Its name in words.
    title: String,
    /// Whether each subject's consent is needed.
    consent_required: bool,
    /// Checks a UTC day that the agreements allow together.
    checks_per_day: u64,
    /// Checks a minute that the agreements allow together; absent when one of them limits only the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_per_minute: Option<u64>,
    /// Agreements that allow it, ULIDs.
    agreements: Vec<String>,
}

/// What `requester` may ask at `now`.
pub(super) fn lists(registry: &Registry, requester: &MemberId, now: Millis) -> Vec<ListBody> {
    registry.lists().filter_map(|list| list_body(registry, requester, list, now)).collect()
}

fn list_body(registry: &Registry, requester: &MemberId, list: &List, now: Millis) -> Option<ListBody> {
    let holder = list.id.holder_id();
    let named: BTreeSet<&PurposeCode> = registry
        .agreements_between(requester, &holder)
        .filter(|agreement| agreement.in_force(now) && agreement.covers_list(&list.id))
        .flat_map(|agreement| &agreement.purposes)
        .collect();
    let purposes: Vec<PurposeBody> = named
        .into_iter()
        .filter_map(|purpose| purpose_body(registry, requester, &holder, list, purpose, now))
        .collect();
    (!purposes.is_empty()).then(|| ListBody {
        list: list.id.to_string(),
        title: list.title.clone(),
        holder_title: registry.member_title(&list.id.holder_id()).to_owned(),
        scheme: list.scheme.clone(),
        adverse: list.adverse,
        what_listing_means: list.what_listing_means.clone(),
        objection_contact: list.objection_contact.clone(),
        purposes,
        measures: measures(registry, requester, list, now),
    })
}

fn measures(registry: &Registry, requester: &MemberId, list: &List, now: Millis) -> Vec<AllowedMeasure> {
    registry
        .agreements_between(requester, &list.id.holder_id())
        .filter(|agreement| agreement.in_force(now) && agreement.covers_list(&list.id))
        .flat_map(|agreement| terms::measures(registry, agreement))
        .collect()
}

fn purpose_body(
    registry: &Registry,
    requester: &MemberId,
    holder: &MemberId,
    list: &List,
    purpose: &PurposeCode,
    now: Millis,
) -> Option<PurposeBody> {
    let asked = Asked { requester, holder, lists: vec![&list.id], purpose };
    let allowed = holder_decide(&asked, registry, now).ok()?;
    let needs = |id: &tacit_model::Ulid| {
        registry.agreement(*id).is_none_or(|agreement| registry.needs_consent(agreement))
    };
    let burst = |id: &tacit_model::Ulid| registry.agreement(*id)?.quotas.checks_per_minute;
    Some(PurposeBody {
        purpose: purpose.to_string(),
        title: registry.purpose(purpose)?.title.clone(),
        consent_required: allowed.agreements().iter().all(needs),
        checks_per_day: allowed.checks_per_day(),
        checks_per_minute: allowed.agreements().iter().map(burst).sum(),
        agreements: allowed.agreements().iter().map(ToString::to_string).collect(),
    })
}
