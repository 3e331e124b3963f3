//! What goes with answers: what they may be used for, until when, and whom to ask about them.

use serde::Serialize;
use tacit_client::{Answer, ListAnswer, asked_under};
use tacit_model::{MemberId, PurposeCode};
use tacit_policy::{Registry, registry::entry::Agreement};
use utoipa::ToSchema;

use super::openapi::ListIdText;

/// What holds for every answer once its time is over.
const THEN: &str = "From then on ask again: an older answer is no ground for anything. A measure that rests on it is confirmed \
     by asking the list again, and lifted when the list does not name the subject any more.";

/// A measure that an agreement allows.
#[derive(Serialize, ToSchema)]
pub(super) struct AllowedMeasure {
    /// The agreement, a ULID.
    agreement: String,
    /// Its place there, from 1.
    measure: u32,
    /// In words.
    title: String,
    /// The law that it rests on.
    legal_basis: String,
    /// Whether it takes something away or refuses something.
    restricts: bool,
}

/// The measures of an agreement, by their numbers.
pub(super) fn measures(registry: &Registry, agreement: &Agreement) -> Vec<AllowedMeasure> {
    let id = agreement.id.to_string();
    let told = |(measure, it): (u32, &tacit_policy::registry::entry::Measure)| AllowedMeasure {
        agreement: id.clone(),
        measure,
        title: it.title.clone(),
        legal_basis: registry.law(agreement.basis_of(it)),
        restricts: it.restricts,
    };
    (1..).zip(&agreement.measures).map(told).collect()
}

/// What goes with the answer of one list.
#[derive(Serialize, ToSchema)]
#[schema(as = AnswerTerms)]
pub(super) struct TermsBody {
    /// List id.
    #[schema(value_type = ListIdText)]
    list: String,
    /// Its name in words.
    title: String,
    /// Its holder's name in words.
    holder_title: String,
    /// The agreement under which was asked, a ULID.
    agreement: String,
    /// The law under which was asked.
    legal_basis: String,
    /// Until when the answer may be used, RFC 3339.
    #[schema(format = DateTime, example = "2026-12-21T02:32:09.481Z")]
    usable_until: String,
    /// What then.
    #[schema(value_type = String)]
    then: &'static str,
    /// Where the subject objects to a listing.
    objection_contact: String,
    /// What a person may decide on this answer, and nothing else; empty unless it is `listed`.
    measures: Vec<AllowedMeasure>,
}

/// What goes with each answer that a list gave.
pub(super) fn of_answers(
    registry: &Registry,
    requester: &MemberId,
    purpose: &PurposeCode,
    answers: &[ListAnswer],
) -> Vec<TermsBody> {
    answers.iter().filter_map(|answer| of_answer(registry, requester, purpose, answer)).collect()
}

fn of_answer(
    registry: &Registry,
    requester: &MemberId,
    purpose: &PurposeCode,
    answer: &ListAnswer,
) -> Option<TermsBody> {
    let as_of = answer.as_of?;
    let listed = match answer.answer {
        Answer::Listed(_) => true,
        Answer::NotListed => false,
        Answer::Refused(_) => return None,
    };
    let list = registry.list(&answer.list)?;
    let agreement = asked_under(registry, requester, &answer.list, purpose, as_of)?;
    Some(TermsBody {
        list: answer.list.to_string(),
        title: list.title.clone(),
        holder_title: registry.member_title(&list.id.holder_id()).to_owned(),
        agreement: agreement.id.to_string(),
        legal_basis: registry.law(&agreement.legal_basis),
        usable_until: as_of.plus_ms(agreement.data_life.millis()).to_rfc3339(),
        then: THEN,
        objection_contact: list.objection_contact.clone(),
        measures: if listed { measures(registry, agreement) } else { Vec::new() },
    })
}
