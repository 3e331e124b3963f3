//! The exact reasons of refusals, one table.
//!
//! Not a part of [`Reason`]: each belongs to one [`Rule`] and they stand in the order of the rules, which only this
//! crate knows; and what must never reach a requester is better a type that no message takes. `Reason` has reserved
//! codes with a few of the same words; where it does, both mean the same to the requester.

use std::{fmt, str::FromStr};

use tacit_model::Reason;

use super::rules::Rule;

/// Not the word of an exact reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the word of an exact reason of refusal")]
pub struct UnknownExactReason;

macro_rules! exact_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident $word:literal $public:ident $rule:ident)+) => {
        /// Why exactly a question was refused, in the order in which rules are asked.
        ///
        /// For the record's opening: subjects and auditors read it, requesters never do, because the difference
        /// between two of them can say something about the subject.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ExactReason { $($(#[doc = $doc])+ $name,)+ }

        impl ExactReason {
            /// All exact reasons, in the order in which rules are asked.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The word that the requester gets.
            #[must_use]
            pub const fn public(self) -> Reason {
                match self { $(Self::$name => Reason::$public,)+ }
            }

            /// The rule that refuses with this reason.
            #[must_use]
            pub const fn rule(self) -> Rule {
                match self { $(Self::$name => Rule::$rule,)+ }
            }
        }
    };
}

exact_reasons! {
    /// No member has the requester's name.
    UnknownRequester "unknown_requester" UnknownMember RequesterAsks
    /// The member may not ask: it is neither requester nor authority.
    NotARequester "not_a_requester" NotPermitted RequesterAsks
    /// No member has the holder's name.
    UnknownHolder "unknown_holder" UnknownMember HolderAnswers
    /// The member asked holds no lists.
    NotAHolder "not_a_holder" NotPermitted HolderAnswers
    /// No list was named; there is no question about all lists.
    NoLists "no_lists" NotPermitted ListsKnown
    /// No list has this id.
    UnknownList "unknown_list" UnknownList ListsKnown
    /// The list is of another holder than the one asked.
    ForeignList "foreign_list" NotPermitted ListsKnown
    /// A list was named twice.
    RepeatedList "repeated_list" NotPermitted ListsKnown
    /// No purpose has this code.
    UnknownPurpose "unknown_purpose" UnknownPurpose PurposeKnown
    /// An authority asked for something else than the subject's own view, or another member asked for that.
    OwnViewOnly "own_view_only" NotPermitted OwnViewOnly
    /// Holder and requester have no agreement.
    NoAgreement "no_agreement" NotPermitted AgreementExists
    /// The agreement named as basis is not one between these two.
    BasisOtherAgreement "basis_other_agreement" NotPermitted AgreementExists
    /// The agreement is not in force yet.
    AgreementNotYet "agreement_not_yet" NotPermitted AgreementInForce
    /// The agreement is no longer in force.
    AgreementExpired "agreement_expired" NotPermitted AgreementInForce
    /// The agreement does not cover a list.
    ListNotCovered "list_not_covered" NotPermitted AgreementCoversLists
    /// The agreement does not cover the purpose.
    PurposeNotCovered "purpose_not_covered" NotPermitted AgreementCoversPurpose
    /// More lists than the agreement allows in one check.
    TooManyLists "too_many_lists" NotPermitted ListsWithinLimit
    /// An adverse list was asked for a basic service.
    AdverseForBasicService "adverse_for_basic_service" NotPermitted NoAdverseForBasicService
    /// A list would be used outside its context without the citation that allows it.
    CrossContext "cross_context" NotPermitted CrossContextCited
    /// Consent is needed and the basis names none.
    ConsentMissing "consent_missing" ConsentRequired ConsentWhereNeeded
    /// There is no such consent under this requester and pseudonym.
    ConsentUnknown "consent_unknown" ConsentRequired ConsentWhereNeeded
    /// The consent is for another requester.
    ConsentOtherRequester "consent_other_requester" ConsentRequired ConsentOfThesePeople
    /// The consent is of another subject.
    ConsentOtherSubject "consent_other_subject" ConsentRequired ConsentOfThesePeople
    /// Who signed the consent is not a consent authority here.
    ConsentNoAuthority "consent_no_authority" ConsentRequired ConsentOfThesePeople
    /// The subject has not decided yet.
    ConsentRequested "consent_requested" ConsentRequired ConsentLive
    /// The subject said no.
    ConsentRefused "consent_refused" ConsentRequired ConsentLive
    /// The subject paused it.
    ConsentPaused "consent_paused" ConsentRequired ConsentLive
    /// The subject withdrew it.
    ConsentWithdrawn "consent_withdrawn" ConsentRequired ConsentLive
    /// Its time ran out.
    ConsentExpired "consent_expired" ConsentRequired ConsentLive
    /// Its time has not begun.
    ConsentNotYet "consent_not_yet" ConsentRequired ConsentLive
    /// It does not cover a list.
    ConsentListNotCovered "consent_list_not_covered" ConsentRequired ConsentCovers
    /// It does not cover the purpose.
    ConsentPurposeNotCovered "consent_purpose_not_covered" ConsentRequired ConsentCovers
    /// A rule of the federation's own forbids it.
    FederationRule "federation_rule" NotPermitted FederationRules
    /// It was used as often as its frequency allows.
    ConsentFrequency "consent_frequency" ConsentRequired ConsentFrequency
    /// The agreement's checks of the day are used up.
    QuotaChecks "quota_checks" QuotaChecks QuotaChecks
    /// The agreement's checks of this subject on this day are used up.
    QuotaSubject "quota_subject" QuotaSubject QuotaSubject
    /// The agreement's checks of this minute are used up.
    QuotaBurst "quota_burst" QuotaRate QuotaPerMinute
}

impl fmt::Display for ExactReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ExactReason {
    type Err = UnknownExactReason;

    fn from_str(text: &str) -> Result<Self, UnknownExactReason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text).ok_or(UnknownExactReason)
    }
}
