//! The built-in rules: not switchable, each with a stable name. Rules of a federation's own stand after them and can
//! only refuse what these allow.

use std::fmt;

use tacit_model::Millis;

use super::{Asked, ConsentView, ExactReason, Question};
use crate::{
    consent::ConsentState,
    registry::{
        Registry,
        entry::{Agreement, List, Member, Purpose, Role, SUBJECT_ACCESS},
    },
};

macro_rules! rule_table {
    ($($name:ident $word:literal $text:literal)+) => {
        /// A built-in rule, in the order in which they are asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = $text] $name,)+ }

        impl Rule {
            /// All rules, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it says, in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

rule_table! {
    RequesterAsks "requester-asks" "Only a member with the role requester (or authority, for the subject's own view) asks."
    HolderAnswers "holder-answers" "Only a member with the role holder is asked."
    ListsKnown "lists-known" "At least one list is named, each once, each known and of the holder asked; there is no question about all lists."
    PurposeKnown "purpose-known" "The purpose is one of the federation's; there is no wildcard."
    OwnViewOnly "own-view-only" "An authority asks for the purpose subject-access and nothing else, and nobody else does."
    AgreementExists "agreement-exists" "Holder and requester signed an agreement, and the basis names no other one."
    AgreementInForce "agreement-in-force" "The agreement is in force now."
    AgreementCoversLists "agreement-covers-lists" "The agreement names every list asked."
    AgreementCoversPurpose "agreement-covers-purpose" "The agreement names the purpose."
    ListsWithinLimit "lists-within-limit" "No more lists are asked in one check than the agreement allows."
    NoAdverseForBasicService "no-adverse-for-basic-service" "No adverse list is asked for a basic service."
    CrossContextCited "cross-context-cited" "A list is used outside the context it comes from only with the citation that allows it."
    ConsentWhereNeeded "consent-where-needed" "Where the agreement asks for consent, or the requester is a private member or an association, the basis is a consent."
    ConsentOfThesePeople "consent-of-these-people" "The consent is of this subject, for this requester, signed by a consent authority."
    ConsentLive "consent-live" "The consent is given, resumed or renewed, and its time has begun and not ended."
    ConsentCovers "consent-covers" "The consent names every list asked and the purpose."
    FederationRules "federation-rules" "No rule of the federation's own forbids it; those that do are named."
    ConsentFrequency "consent-frequency" "The consent is used no more often than it says."
    QuotaChecks "quota-checks" "No more checks a day than the agreement allows."
    QuotaSubject "quota-subject" "No more checks a day about one subject than the agreement allows."
    QuotaPerMinute "quota-per-minute" "No more checks a minute than the agreement allows, where it says how many."
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

type Verdict = Result<(), ExactReason>;

/// Rules that [`Terms::resolve`] asks, and that an agreement exists.
pub(super) const TERM_RULES: &[Rule] = &[
    Rule::RequesterAsks,
    Rule::HolderAnswers,
    Rule::ListsKnown,
    Rule::PurposeKnown,
    Rule::OwnViewOnly,
    Rule::AgreementExists,
];

/// The names of a question, looked up. `'a` is the question's life, `'r` the registry's.
pub(super) struct Terms<'a, 'r> {
    asked: &'a Asked<'a>,
    pub(super) requester: &'r Member,
    pub(super) holder: &'r Member,
    pub(super) lists: Vec<&'r List>,
    pub(super) purpose: &'r Purpose,
}

impl<'a, 'r> Terms<'a, 'r> {
    pub(super) fn resolve(asked: &'a Asked<'a>, registry: &'r Registry) -> Result<Self, ExactReason> {
        let requester = registry.member(asked.requester).ok_or(ExactReason::UnknownRequester)?;
        if !requester.has(Role::Requester) && !requester.has(Role::Authority) {
            return Err(ExactReason::NotARequester);
        }
        let holder = registry.member(asked.holder).ok_or(ExactReason::UnknownHolder)?;
        if !holder.has(Role::Holder) {
            return Err(ExactReason::NotAHolder);
        }
        if asked.lists.is_empty() {
            return Err(ExactReason::NoLists);
        }
        let mut lists: Vec<&List> = Vec::with_capacity(asked.lists.len());
        for id in &asked.lists {
            let list = registry.list(id).ok_or(ExactReason::UnknownList)?;
            if id.holder() != holder.id.as_str() {
                return Err(ExactReason::ForeignList);
            }
            if lists.iter().any(|other| other.id == list.id) {
                return Err(ExactReason::RepeatedList);
            }
            lists.push(list);
        }
        let purpose = registry.purpose(asked.purpose).ok_or(ExactReason::UnknownPurpose)?;
        if requester.has(Role::Authority) != (purpose.code.as_str() == SUBJECT_ACCESS) {
            return Err(ExactReason::OwnViewOnly);
        }
        Ok(Self { asked, requester, holder, lists, purpose })
    }
}

type AgreementRule = fn(&Terms<'_, '_>, &Agreement, Millis) -> Verdict;

/// What must hold between the terms and one agreement of these two members.
pub(super) const AGREEMENT_RULES: &[(Rule, AgreementRule)] = &[
    (Rule::AgreementInForce, in_force),
    (Rule::AgreementCoversLists, covers_lists),
    (Rule::AgreementCoversPurpose, covers_purpose),
    (Rule::ListsWithinLimit, lists_within_limit),
    (Rule::NoAdverseForBasicService, no_adverse_for_basic_service),
    (Rule::CrossContextCited, cross_context_cited),
];

fn require(holds: bool, reason: ExactReason) -> Verdict {
    if holds { Ok(()) } else { Err(reason) }
}

fn in_force(_: &Terms<'_, '_>, agreement: &Agreement, now: Millis) -> Verdict {
    require(agreement.valid_from <= now, ExactReason::AgreementNotYet)?;
    require(agreement.in_force(now), ExactReason::AgreementExpired)
}

fn covers_lists(terms: &Terms<'_, '_>, agreement: &Agreement, _: Millis) -> Verdict {
    require(terms.asked.lists.iter().all(|list| agreement.covers_list(list)), ExactReason::ListNotCovered)
}

fn covers_purpose(terms: &Terms<'_, '_>, agreement: &Agreement, _: Millis) -> Verdict {
    require(agreement.covers_purpose(terms.asked.purpose), ExactReason::PurposeNotCovered)
}

fn lists_within_limit(terms: &Terms<'_, '_>, agreement: &Agreement, _: Millis) -> Verdict {
    require(terms.lists.len() <= usize::from(agreement.max_lists_per_check), ExactReason::TooManyLists)
}

fn no_adverse_for_basic_service(terms: &Terms<'_, '_>, _: &Agreement, _: Millis) -> Verdict {
    let adverse = terms.lists.iter().any(|list| list.adverse);
    require(!(terms.purpose.basic_service && adverse), ExactReason::AdverseForBasicService)
}

fn cross_context_cited(terms: &Terms<'_, '_>, agreement: &Agreement, _: Millis) -> Verdict {
    // The registry refuses such agreements already; a rule of the protocol does not lean on another's check.
    let same = terms.lists.iter().all(|list| list.origin_context == terms.purpose.context);
    require(same || agreement.cross_context.is_some(), ExactReason::CrossContext)
}

/// What the consent rules look at.
pub(super) struct ConsentFacts<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) registry: &'a Registry,
    pub(super) view: &'a ConsentView<'a>,
    pub(super) now: Millis,
}

type ConsentRule = fn(&ConsentFacts<'_>) -> Verdict;

/// What must hold of a consent that is the basis.
pub(super) const CONSENT_RULES: &[(Rule, ConsentRule)] = &[
    (Rule::ConsentOfThesePeople, of_these_people),
    (Rule::ConsentLive, live),
    (Rule::ConsentCovers, covers),
];

fn of_these_people(facts: &ConsentFacts<'_>) -> Verdict {
    let consent = facts.view.consent;
    require(consent.requester == *facts.question.asked.requester, ExactReason::ConsentOtherRequester)?;
    let same = consent.pseudonym == *facts.question.pseudonym;
    let subject = same || facts.question.carried.contains(&consent.pseudonym);
    require(subject, ExactReason::ConsentOtherSubject)?;
    let authority =
        facts.registry.member(&consent.authority).is_some_and(|member| member.has(Role::Authority));
    require(authority, ExactReason::ConsentNoAuthority)
}

fn live(facts: &ConsentFacts<'_>) -> Verdict {
    match facts.view.status.state() {
        ConsentState::Given | ConsentState::Resumed | ConsentState::Renewed => {}
        ConsentState::Requested => return Err(ExactReason::ConsentRequested),
        ConsentState::Refused => return Err(ExactReason::ConsentRefused),
        ConsentState::Paused => return Err(ExactReason::ConsentPaused),
        ConsentState::Withdrawn => return Err(ExactReason::ConsentWithdrawn),
        ConsentState::Expired => return Err(ExactReason::ConsentExpired),
    }
    require(facts.view.consent.not_before <= facts.now, ExactReason::ConsentNotYet)?;
    require(facts.now < facts.view.consent.expires, ExactReason::ConsentExpired)
}

fn covers(facts: &ConsentFacts<'_>) -> Verdict {
    let (asked, consent) = (&facts.question.asked, facts.view.consent);
    require(asked.lists.iter().all(|list| consent.lists.contains(list)), ExactReason::ConsentListNotCovered)?;
    require(consent.purposes.contains(asked.purpose), ExactReason::ConsentPurposeNotCovered)
}
