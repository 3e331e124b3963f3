//! The decision: a pure function from a question and what is known to a permission or a refusal.
//!
//! ```text
//! question -> terms known? -> an agreement that covers it? -> consent, where needed? -> no rule forbids? -> quotas?
//!                  |                    |                           |                        |               |
//!                  +------- not_permitted (unknown_...) -----  consent_required  ----- not_permitted --- quota_...
//! ```
//! Everything that is not allowed is refused; a term that nobody defined is refused. The requester learns only the
//! public reason, one word for all problems with consent and one for all problems with permission; the exact reason
//! and the rules go into the record's opening, for the subject and the auditor.

mod reason;
mod rules;

use std::borrow::Cow;

use tacit_model::{Basis, ListId, MemberId, Millis, PurposeCode, Reason, Ulid};

use self::rules::{AGREEMENT_RULES, CONSENT_RULES, ConsentFacts, TERM_RULES, Terms};
pub use self::{
    reason::{ExactReason, UnknownExactReason},
    rules::Rule,
};
use crate::{
    consent::{Consent, ConsentStatus},
    duration::Frequency,
    own::OwnFacts,
    registry::{
        Registry,
        entry::{Agreement, Quotas},
    },
};

/// The name of a rule that took part in a decision: of a built-in [`Rule`], or of a rule of the federation's own.
pub type RuleName = Cow<'static, str>;

/// Who asks whom about which lists for what: one item of a check.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Who asks; the authenticated peer, never a name from inside the request alone.
    pub requester: &'a MemberId,
    /// Who answers.
    pub holder: &'a MemberId,
    /// The lists asked, all of this holder.
    pub lists: Vec<&'a ListId>,
    /// For what.
    pub purpose: &'a PurposeCode,
}

/// What the coordinator decides about: one item with its basis and its subject's pseudonym.
#[derive(Clone)]
pub struct Question<'a> {
    /// Who asks whom about which lists for what.
    pub asked: Asked<'a>,
    /// On what the requester says it rests.
    pub basis: Basis,
    /// The pseudonym T to which the bind proof tied the question.
    pub pseudonym: &'a [u8; 32],
    /// Pseudonyms of other epochs that were proven to be of the same subject.
    pub carried: &'a [[u8; 32]],
}

/// A consent as stored, for the id that the basis names.
#[derive(Debug, Clone, Copy)]
pub struct ConsentView<'a> {
    /// Its terms.
    pub consent: &'a Consent,
    /// What became of it.
    pub status: ConsentStatus,
}

/// What was used before this question, counted by the caller in the same transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Checks under the deciding agreement on this UTC day.
    pub checks_today: u64,
    /// Of these, checks of this subject.
    pub subject_checks_today: u64,
    /// Checks under the deciding agreement in this minute of UTC.
    pub checks_this_minute: u64,
    /// Uses of the consent since [`Permitted::consent_window_start`]. A use is a check: items of the same check, for
    /// other holders, are one use and do not count here.
    pub consent_uses: u64,
}

/// A refusal, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The word the requester gets.
    pub public: Reason,
    /// The word for the record's opening, never for the requester.
    pub exact: ExactReason,
    /// The rules that refused.
    pub rules: Vec<RuleName>,
}

impl Refusal {
    fn new(exact: ExactReason) -> Self {
        Self { public: exact.public(), exact, rules: vec![Cow::Borrowed(exact.rule().as_str())] }
    }
}

impl Refusal {
    /// Rules of the federation's own forbid it.
    fn by_own_rules(names: Vec<String>) -> Self {
        let mut refusal = Self::new(ExactReason::FederationRule);
        refusal.rules.extend(names.into_iter().map(|name| Cow::Owned(format!("federation:{name}"))));
        refusal
    }
}

impl From<ExactReason> for Refusal {
    fn from(exact: ExactReason) -> Self {
        Self::new(exact)
    }
}

/// Allowed as far as terms, agreement and consent go; quotas are still to be looked at.
#[derive(Debug)]
pub struct Permitted<'r> {
    agreement: &'r Agreement,
    consent: Option<(Ulid, Frequency)>,
    rules: Vec<RuleName>,
}

/// Proof that a question may be asked. Only [`decide`] and [`Permitted::within`] make one.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    agreement: Ulid,
    consent: Option<Ulid>,
    quotas: Quotas,
    rules: Vec<RuleName>,
}

impl Allowed {
    /// The agreement that allows it. Charge one check to it, and one to it for this subject.
    #[must_use]
    pub fn agreement(&self) -> Ulid {
        self.agreement
    }

    /// The consent it rests on. Charge one use to it, once a check.
    #[must_use]
    pub fn consent(&self) -> Option<Ulid> {
        self.consent
    }

    /// The quotas of the agreement.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.quotas
    }

    /// The rules that were asked and held, in order.
    #[must_use]
    pub fn rules(&self) -> &[RuleName] {
        &self.rules
    }
}

impl<'r> Permitted<'r> {
    /// The agreement whose counters [`Permitted::within`] wants.
    #[must_use]
    pub fn agreement(&self) -> &'r Agreement {
        self.agreement
    }

    /// The consent it rests on.
    #[must_use]
    pub fn consent(&self) -> Option<Ulid> {
        self.consent.map(|(id, _)| id)
    }

    /// From when on uses of the consent count; `None` when it rests on no consent.
    #[must_use]
    pub fn consent_window_start(&self, now: Millis) -> Option<Millis> {
        self.consent.map(|(_, frequency)| frequency.window_start(now))
    }

    /// The last step: consent's frequency, then the agreement's quotas.
    ///
    /// # Errors
    /// [`Refusal`] when one more would be too much.
    pub fn within(mut self, counters: &Counters) -> Result<Allowed, Refusal> {
        let quotas = self.agreement.quotas;
        if let Some((_, frequency)) = self.consent {
            self.rules.push(Cow::Borrowed(Rule::ConsentFrequency.as_str()));
            if !frequency.allows(counters.consent_uses) {
                return Err(ExactReason::ConsentFrequency.into());
            }
        }
        if counters.checks_today >= quotas.checks_per_day {
            return Err(ExactReason::QuotaChecks.into());
        }
        if counters.subject_checks_today >= quotas.per_subject_per_day {
            return Err(ExactReason::QuotaSubject.into());
        }
        self.rules.extend([Rule::QuotaChecks, Rule::QuotaSubject].map(|rule| Cow::Borrowed(rule.as_str())));
        // Last: who is told to wait a minute need not wait for another day.
        if let Some(burst) = quotas.checks_per_minute {
            if counters.checks_this_minute >= burst {
                return Err(ExactReason::QuotaBurst.into());
            }
            self.rules.push(Cow::Borrowed(Rule::QuotaPerMinute.as_str()));
        }
        Ok(Allowed {
            agreement: self.agreement.id,
            consent: self.consent.map(|(id, _)| id),
            quotas,
            rules: self.rules,
        })
    }
}

/// Decides one item at `now`.
///
/// `consent` is what is stored under the requester and this pseudonym for the id that the basis names, `counters` is
/// what was used of the agreement that decides. Who does not know that agreement beforehand calls [`permission`],
/// counts, and then [`Permitted::within`].
///
/// # Errors
/// [`Refusal`] with the public word and the exact one.
pub fn decide(
    question: &Question<'_>,
    registry: &Registry,
    consent: Option<&ConsentView<'_>>,
    counters: &Counters,
    now: Millis,
) -> Result<Allowed, Refusal> {
    permission(question, registry, consent, now)?.within(counters)
}

/// All of the decision but the quotas.
///
/// # Errors
/// [`Refusal`] with the public word and the exact one.
pub fn permission<'r>(
    question: &Question<'_>,
    registry: &'r Registry,
    consent: Option<&ConsentView<'_>>,
    now: Millis,
) -> Result<Permitted<'r>, Refusal> {
    let terms = Terms::resolve(&question.asked, registry)?;
    let basis = match question.basis {
        Basis::Agreement(id) => Some(id),
        Basis::Consent(_) => None,
    };
    let agreement = covering(&terms, registry, basis, now)?.next().ok_or(ExactReason::NoAgreement)?;
    let mut rules: Vec<RuleName> = Vec::with_capacity(24);
    rules.extend(TERM_RULES.iter().map(|rule| Cow::Borrowed(rule.as_str())));
    rules.extend(AGREEMENT_RULES.iter().map(|(rule, _)| Cow::Borrowed(rule.as_str())));
    rules.push(Cow::Borrowed(Rule::ConsentWhereNeeded.as_str()));

    let needed = registry.needs_consent(agreement);
    let consent = match question.basis {
        Basis::Agreement(_) if needed => return Err(ExactReason::ConsentMissing.into()),
        Basis::Agreement(_) => None,
        // A basis that is claimed must hold, also where the agreement alone would do.
        Basis::Consent(id) => {
            let view = consent.filter(|view| view.consent.id == id).ok_or(ExactReason::ConsentUnknown)?;
            let facts = ConsentFacts { question, registry, view, now };
            for (rule, holds) in CONSENT_RULES {
                holds(&facts)?;
                rules.push(Cow::Borrowed(rule.as_str()));
            }
            Some((id, view.consent.frequency))
        }
    };
    let forbidding = registry.forbidding(&own_facts(&terms, agreement), consent.is_some());
    if !forbidding.is_empty() {
        return Err(Refusal::by_own_rules(forbidding));
    }
    rules.push(Cow::Borrowed(Rule::FederationRules.as_str()));
    Ok(Permitted { agreement, consent, rules })
}

fn own_facts<'a>(terms: &'a Terms<'_, '_>, agreement: &'a Agreement) -> OwnFacts<'a> {
    OwnFacts { requester: terms.requester, purpose: terms.purpose, agreement, lists: &terms.lists }
}

/// Proof that a holder's own copy of the agreements allows a question. Only [`holder_decide`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct HolderAllowed {
    agreements: Vec<Ulid>,
    checks_per_day: u64,
    rules: Vec<RuleName>,
}

impl HolderAllowed {
    /// The agreements in force that cover it; the permit does not say which of them decided.
    #[must_use]
    pub fn agreements(&self) -> &[Ulid] {
        &self.agreements
    }

    /// Answers a UTC day that the holder gives this requester per list and purpose: what the covering agreements
    /// allow together.
    #[must_use]
    pub fn checks_per_day(&self) -> u64 {
        self.checks_per_day
    }

    /// The rules that were asked and held, in order.
    #[must_use]
    pub fn rules(&self) -> &[RuleName] {
        &self.rules
    }

    /// Checks the holder's own count; `answered_today` is the largest over the lists asked, for this requester and
    /// purpose, on this UTC day.
    ///
    /// # Errors
    /// [`Refusal`] `quota_checks` when one more would be too much.
    pub fn within(&self, answered_today: u64) -> Result<(), Refusal> {
        if answered_today < self.checks_per_day { Ok(()) } else { Err(ExactReason::QuotaChecks.into()) }
    }
}

/// The holder's own check of a permit against its own copy of the registry, by the same rules as the coordinator's,
/// as far as the holder can see: no basis, no subject, no consent.
///
/// # Errors
/// [`Refusal`] with the public word and the exact one.
pub fn holder_decide(asked: &Asked<'_>, registry: &Registry, now: Millis) -> Result<HolderAllowed, Refusal> {
    let terms = Terms::resolve(asked, registry)?;
    let mut agreements = Vec::new();
    let mut checks_per_day = 0u64;
    let mut forbidding = Vec::new();
    for agreement in covering(&terms, registry, None, now)? {
        let facts = own_facts(&terms, agreement);
        // The holder does not know the basis: it refuses what is forbidden with a consent and without.
        let without = registry.forbidding(&facts, false);
        if !without.is_empty() && !registry.forbidding(&facts, true).is_empty() {
            forbidding = without;
            continue;
        }
        agreements.push(agreement.id);
        checks_per_day = checks_per_day.saturating_add(agreement.quotas.checks_per_day);
    }
    if agreements.is_empty() {
        return Err(Refusal::by_own_rules(forbidding));
    }
    let named = AGREEMENT_RULES.iter().map(|(rule, _)| rule).chain([&Rule::FederationRules]);
    let rules = TERM_RULES.iter().chain(named).map(|rule| Cow::Borrowed(rule.as_str())).collect();
    Ok(HolderAllowed { agreements, checks_per_day, rules })
}

/// The agreements that cover the terms, ascending by id, at least one; only the one that `basis` names if it names
/// one. When none does, the refusal is that of the agreement that came furthest.
fn covering<'r>(
    terms: &Terms<'_, 'r>,
    registry: &'r Registry,
    basis: Option<Ulid>,
    now: Millis,
) -> Result<impl Iterator<Item = &'r Agreement>, ExactReason> {
    let mut furthest = ExactReason::NoAgreement;
    let mut covering = Vec::new();
    for agreement in registry.agreements_between(&terms.requester.id, &terms.holder.id) {
        let named = basis.is_none_or(|id| id == agreement.id);
        let verdict = if named { Ok(()) } else { Err(ExactReason::BasisOtherAgreement) };
        let verdict = verdict
            .and_then(|()| AGREEMENT_RULES.iter().try_for_each(|(_, holds)| holds(terms, agreement, now)));
        match verdict {
            Ok(()) => covering.push(agreement),
            Err(reason) => furthest = furthest.max(reason),
        }
    }
    if covering.is_empty() { Err(furthest) } else { Ok(covering.into_iter()) }
}
