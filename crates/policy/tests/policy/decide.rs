use tacit_model::{Basis, Millis, Reason};
use tacit_policy::{
    Asked, Consent, ConsentState, ConsentStatus, ConsentView, Counters, ExactReason, Question, Refusal,
    Registry, Rule, decide, holder_decide, permission,
    registry::entry::{Agreement, Entry},
};

use crate::fixture::{
    PSEUDONYM, agreement, at, code, consent, entries, file, id, list_id, now, pins, registry, status, ulid,
};

/// A question that is allowed, to be spoiled in one point.
#[derive(Clone)]
struct Case {
    requester: &'static str,
    holder: &'static str,
    lists: Vec<&'static str>,
    purpose: &'static str,
    basis: Basis,
    consent: Option<(Consent, ConsentStatus)>,
    counters: Counters,
    now: Millis,
}

impl Case {
    /// Procurement asks the court under agreement 1, which needs no consent.
    fn by_agreement() -> Self {
        Self {
            requester: "procurement",
            holder: "court",
            lists: vec!["court/judgment-defaulters"],
            purpose: "eligibility",
            basis: Basis::Agreement(ulid(1)),
            consent: None,
            counters: Counters::default(),
            now: now(),
        }
    }

    /// Procurement asks customs under agreement 2, which needs consent.
    fn by_consent() -> Self {
        Self {
            holder: "customs",
            lists: vec!["customs/debarred-importers"],
            basis: Basis::Consent(ulid(900)),
            consent: Some((consent("procurement"), status(ConsentState::Given))),
            ..Self::by_agreement()
        }
    }

    fn decide(&self, registry: &Registry) -> Result<tacit_policy::Allowed, Refusal> {
        let (requester, holder, purpose) = (id(self.requester), id(self.holder), code(self.purpose));
        let lists: Vec<_> = self.lists.iter().map(|name| list_id(name)).collect();
        let asked = Asked {
            requester: &requester,
            holder: &holder,
            lists: lists.iter().collect(),
            purpose: &purpose,
        };
        let question = Question { asked, basis: self.basis, pseudonym: &PSEUDONYM, carried: &[] };
        let view = self.consent.as_ref().map(|(consent, status)| ConsentView { consent, status: *status });
        decide(&question, registry, view.as_ref(), &self.counters, self.now)
    }

    fn refused(&self, registry: &Registry, exact: ExactReason, public: Reason) {
        let refusal = self.decide(registry).unwrap_err();
        assert_eq!((refusal.exact, refusal.public), (exact, public));
        assert_eq!(refusal.rules, [exact.rule().as_str()]);
    }
}

#[test]
fn what_the_agreement_covers_is_allowed_and_names_its_rules() {
    let registry = registry();
    let allowed = Case::by_agreement().decide(&registry).unwrap();
    assert_eq!((allowed.agreement(), allowed.consent()), (ulid(1), None));
    assert_eq!(allowed.quotas().checks_per_day, 1000);
    assert!(allowed.rules().contains(&Rule::AgreementInForce.as_str().into()));

    let allowed = Case::by_consent().decide(&registry).unwrap();
    assert_eq!((allowed.agreement(), allowed.consent()), (ulid(2), Some(ulid(900))));
    let all: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(allowed.rules(), all, "each built-in rule is asked, once, in the order of the table");
}

#[test]
fn unknown_terms_fail_closed() {
    let registry = registry();
    let case = Case::by_agreement();
    Case { requester: "nobody", ..case.clone() }.refused(
        &registry,
        ExactReason::UnknownRequester,
        Reason::UnknownMember,
    );
    Case { holder: "nobody", ..case.clone() }.refused(
        &registry,
        ExactReason::UnknownHolder,
        Reason::UnknownMember,
    );
    Case { lists: vec!["court/other"], ..case.clone() }.refused(
        &registry,
        ExactReason::UnknownList,
        Reason::UnknownList,
    );
    Case { purpose: "other", ..case.clone() }.refused(
        &registry,
        ExactReason::UnknownPurpose,
        Reason::UnknownPurpose,
    );
}

#[test]
fn without_permission_all_refusals_look_alike() {
    let registry = registry();
    let case = Case::by_agreement();
    let early = at("2025-12-31T23:59:59.999Z");
    let late = at("2028-01-01T00:00:00.000Z");
    let twice = vec!["court/model-mediators", "court/model-mediators"];
    for (case, exact) in [
        (Case { requester: "court", ..case.clone() }, ExactReason::NotARequester),
        (Case { holder: "bank", ..case.clone() }, ExactReason::NotAHolder),
        (Case { lists: vec![], ..case.clone() }, ExactReason::NoLists),
        (Case { lists: twice, ..case.clone() }, ExactReason::RepeatedList),
        (Case { lists: vec!["customs/debarred-importers"], ..case.clone() }, ExactReason::ForeignList),
        (Case { requester: "portal", ..case.clone() }, ExactReason::OwnViewOnly),
        (Case { purpose: "subject-access", ..case.clone() }, ExactReason::OwnViewOnly),
        (Case { requester: "customs", ..case.clone() }, ExactReason::NoAgreement),
        (Case { basis: Basis::Agreement(ulid(3)), ..case.clone() }, ExactReason::BasisOtherAgreement),
        (Case { now: early, ..case.clone() }, ExactReason::AgreementNotYet),
        (Case { now: late, ..case.clone() }, ExactReason::AgreementExpired),
        (Case { purpose: "debt-collection", ..case.clone() }, ExactReason::PurposeNotCovered),
        (Case { purpose: "water-supply", ..case.clone() }, ExactReason::AdverseForBasicService),
    ] {
        case.refused(&registry, exact, Reason::NotPermitted);
    }
    let favorable = Case { lists: vec!["court/model-mediators"], purpose: "water-supply", ..case };
    // The built-in rules allow that; a rule of this federation's own does not.
    let refusal = favorable.decide(&registry).unwrap_err();
    assert_eq!(refusal.exact, ExactReason::FederationRule);
    assert_eq!(refusal.rules, ["federation-rules", "federation:no-favors-with-water"]);
}

#[test]
fn a_check_asks_no_more_lists_than_the_agreement_allows() {
    let both = ["court/judgment-defaulters", "court/model-mediators"];
    let case = Case { lists: both.to_vec(), ..Case::by_agreement() };
    assert!(case.decide(&registry()).is_ok());
    let narrow = with_agreement(Agreement {
        max_lists_per_check: 1,
        ..agreement(1, "procurement", &both, &["eligibility"], "procurement")
    });
    case.refused(&narrow, ExactReason::TooManyLists, Reason::NotPermitted);
    let one_list = with_agreement(agreement(1, "procurement", &both[..1], &["eligibility"], "procurement"));
    case.refused(&one_list, ExactReason::ListNotCovered, Reason::NotPermitted);
}

/// The test federation with one agreement (of the same id) replaced.
fn with_agreement(replacement: Agreement) -> Registry {
    let mut entries = entries();
    entries.retain(|entry| !matches!(entry, Entry::Agreement(it) if it.id == replacement.id));
    entries.push(Entry::Agreement(Box::new(replacement)));
    Registry::parse(&file(&entries), &pins()).unwrap()
}

#[test]
fn without_consent_all_refusals_look_alike() {
    let registry = registry();
    let case = Case::by_consent();
    let state = |state| Case { consent: Some((consent("procurement"), status(state))), ..Case::by_consent() };
    let changed = |change: fn(&mut Consent)| {
        let mut consent = consent("procurement");
        change(&mut consent);
        Case { consent: Some((consent, status(ConsentState::Given))), ..Case::by_consent() }
    };
    let used = Counters { consent_uses: 4, ..Counters::default() };
    for (case, exact) in [
        (Case { basis: Basis::Agreement(ulid(2)), ..case.clone() }, ExactReason::ConsentMissing),
        (Case { consent: None, ..case.clone() }, ExactReason::ConsentUnknown),
        (Case { basis: Basis::Consent(ulid(901)), ..case.clone() }, ExactReason::ConsentUnknown),
        (changed(|it| it.requester = id("bank")), ExactReason::ConsentOtherRequester),
        (changed(|it| it.pseudonym = [8; 32]), ExactReason::ConsentOtherSubject),
        (changed(|it| it.authority = id("court")), ExactReason::ConsentNoAuthority),
        (state(ConsentState::Requested), ExactReason::ConsentRequested),
        (state(ConsentState::Refused), ExactReason::ConsentRefused),
        (state(ConsentState::Paused), ExactReason::ConsentPaused),
        (state(ConsentState::Withdrawn), ExactReason::ConsentWithdrawn),
        (state(ConsentState::Expired), ExactReason::ConsentExpired),
        (Case { now: at("2026-11-20T23:59:59.999Z"), ..case.clone() }, ExactReason::ConsentNotYet),
        (Case { now: at("2027-11-21T00:00:00.000Z"), ..case.clone() }, ExactReason::ConsentExpired),
        (changed(|it| it.lists.truncate(1)), ExactReason::ConsentListNotCovered),
        (changed(|it| it.purposes = vec![code("debt-collection")]), ExactReason::ConsentPurposeNotCovered),
        (Case { counters: used, ..case.clone() }, ExactReason::ConsentFrequency),
    ] {
        case.refused(&registry, exact, Reason::ConsentRequired);
    }
    for live in [ConsentState::Resumed, ConsentState::Renewed] {
        assert!(state(live).decide(&registry).is_ok());
    }
}

#[test]
fn a_private_member_or_an_association_needs_consent_whatever_the_agreement_says() {
    let registry = registry();
    for (requester, n) in [("bank", 3), ("guild", 4)] {
        let case = Case { requester, basis: Basis::Agreement(ulid(n)), ..Case::by_agreement() };
        case.refused(&registry, ExactReason::ConsentMissing, Reason::ConsentRequired);
        let given = Some((consent(requester), status(ConsentState::Given)));
        let case = Case { basis: Basis::Consent(ulid(900)), consent: given, ..case };
        assert_eq!(case.decide(&registry).unwrap().agreement(), ulid(n));
    }
}

#[test]
fn a_claimed_consent_must_hold_even_where_none_is_needed() {
    let withdrawn = Some((consent("procurement"), status(ConsentState::Withdrawn)));
    let case = Case { basis: Basis::Consent(ulid(900)), consent: withdrawn, ..Case::by_agreement() };
    case.refused(&registry(), ExactReason::ConsentWithdrawn, Reason::ConsentRequired);
}

#[test]
fn quotas_stop_at_their_number() {
    let registry = registry();
    let counted = |checks_today, subject_checks_today| Case {
        counters: Counters { checks_today, subject_checks_today, ..Counters::default() },
        ..Case::by_agreement()
    };
    assert!(counted(999, 2).decide(&registry).is_ok());
    counted(1000, 0).refused(&registry, ExactReason::QuotaChecks, Reason::QuotaChecks);
    counted(5, 3).refused(&registry, ExactReason::QuotaSubject, Reason::QuotaSubject);
    counted(u64::MAX, u64::MAX).refused(&registry, ExactReason::QuotaChecks, Reason::QuotaChecks);
}

#[test]
fn a_burst_stops_at_its_number_and_nothing_is_counted_where_none_is_agreed() {
    let registry = registry();
    let counted = |case: Case, checks_today, checks_this_minute| Case {
        counters: Counters { checks_today, checks_this_minute, ..Counters::default() },
        ..case
    };
    let allowed = counted(Case::by_consent(), 99, 99).decide(&registry).unwrap();
    assert!(allowed.rules().contains(&Rule::QuotaPerMinute.as_str().into()));
    counted(Case::by_consent(), 100, 100).refused(&registry, ExactReason::QuotaBurst, Reason::QuotaRate);
    // Who would be refused for the rest of the day is not told to wait a minute.
    counted(Case::by_consent(), 1000, 100).refused(&registry, ExactReason::QuotaChecks, Reason::QuotaChecks);
    let allowed = counted(Case::by_agreement(), 999, u64::MAX).decide(&registry).unwrap();
    assert!(!allowed.rules().contains(&Rule::QuotaPerMinute.as_str().into()));
}

#[test]
fn the_quota_of_new_subjects_is_that_of_the_best_agreement_in_force() {
    let registry = registry();
    let quota = |name, time| registry.new_subject_quota(&id(name), at(time));
    assert_eq!(quota("procurement", "2026-11-21T00:00:00.000Z"), 500);
    assert_eq!(quota("procurement", "2028-01-01T00:00:00.000Z"), 0);
    assert_eq!(quota("customs", "2026-11-21T00:00:00.000Z"), 0);
}

#[test]
fn of_several_agreements_the_one_that_covers_decides() {
    let mut entries = entries();
    let expired = Agreement {
        valid_until: at("2026-02-01T00:00:00.000Z"),
        ..agreement(0, "procurement", &["court/judgment-defaulters"], &["eligibility"], "procurement")
    };
    let more = agreement(70, "procurement", &["court/judgment-defaulters"], &["eligibility"], "procurement");
    let other = agreement(71, "procurement", &["court/model-mediators"], &["debt-collection"], "finance");
    entries.extend([expired, more, other].map(|it| Entry::Agreement(Box::new(it))));
    let registry = Registry::parse(&file(&entries), &pins()).unwrap();

    let consent = Some((consent("procurement"), status(ConsentState::Given)));
    let case = Case { basis: Basis::Consent(ulid(900)), consent, ..Case::by_agreement() };
    assert_eq!(case.decide(&registry).unwrap().agreement(), ulid(1));
    let case = Case { basis: Basis::Agreement(ulid(70)), ..case };
    assert_eq!(case.decide(&registry).unwrap().agreement(), ulid(70));
    let case = Case { basis: Basis::Agreement(ulid(0)), ..case };
    case.refused(&registry, ExactReason::AgreementExpired, Reason::NotPermitted);

    // The holder does not see the basis: it counts what both agreements in force allow together.
    let (requester, holder, list, purpose) =
        (id("procurement"), id("court"), list_id("court/judgment-defaulters"), code("eligibility"));
    let asked = Asked { requester: &requester, holder: &holder, lists: vec![&list], purpose: &purpose };
    let allowed = holder_decide(&asked, &registry, now()).unwrap();
    assert_eq!((allowed.agreements(), allowed.checks_per_day()), (&[ulid(1), ulid(70)][..], 2000));
    assert!(allowed.within(1999).is_ok());
    assert_eq!(allowed.within(2000).unwrap_err().public, Reason::QuotaChecks);
    let other = code("water-supply");
    let refusal = holder_decide(&Asked { purpose: &other, ..asked }, &registry, now()).unwrap_err();
    assert_eq!(refusal.exact, ExactReason::AdverseForBasicService);
}

#[test]
fn the_window_of_a_consent_rolls_back_from_now() {
    let registry = registry();
    let (requester, holder, list, purpose) =
        (id("procurement"), id("customs"), list_id("customs/debarred-importers"), code("eligibility"));
    let asked = Asked { requester: &requester, holder: &holder, lists: vec![&list], purpose: &purpose };
    let question = Question { asked, basis: Basis::Consent(ulid(900)), pseudonym: &PSEUDONYM, carried: &[] };
    let consent = consent("procurement");
    let view = ConsentView { consent: &consent, status: status(ConsentState::Given) };
    let permitted = permission(&question, &registry, Some(&view), now()).unwrap();
    assert_eq!(permitted.consent_window_start(now()), Some(now().minus_ms(31 * 86_400_000)));
    assert_eq!((permitted.agreement().id, permitted.consent()), (ulid(2), Some(ulid(900))));
}

#[test]
fn a_word_that_is_also_a_reason_code_sounds_the_same_to_the_requester() {
    let mut shared = 0;
    for exact in ExactReason::ALL {
        if let Ok(reason) = exact.as_str().parse::<Reason>() {
            assert_eq!(reason.outward(), exact.public(), "{exact}");
            shared += 1;
        }
        assert_eq!(exact.public().outward(), exact.public(), "{exact}");
    }
    assert!(shared > 0);
}

#[test]
fn exact_reasons_and_rules_have_words_of_their_own() {
    let mut words: Vec<_> = ExactReason::ALL.iter().map(|reason| reason.as_str()).collect();
    for reason in ExactReason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(*reason));
        assert!(Rule::ALL.contains(&reason.rule()));
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), ExactReason::ALL.len());
    assert!(Rule::ALL.iter().all(|rule| rule.text().ends_with('.')));
}
