//! The catalogue: acts and their rank, categories and what they may be about, rules of the federation's own.

use tacit_model::Basis;
use tacit_policy::{
    Asked, ConsentView, Counters, ExactReason, Question, Registry, RegistryProblem as Problem, decide,
    holder_decide,
    registry::{entry::*, signed::Signed},
};

use crate::fixture::{
    PSEUDONYM, category, code, consent, entries, file, id, list_id, now, pins, status, ulid,
};

fn parsed(entries: &[Entry]) -> Result<Registry, tacit_policy::RegistryError> {
    Registry::parse(&file(entries), &pins())
}

fn list_of<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut List {
    entries
        .iter_mut()
        .find_map(|entry| match entry {
            Entry::List(list) if list.id == list_id(name) => Some(list),
            _ => None,
        })
        .unwrap()
}

fn agreement_of(entries: &mut [Entry], n: u64) -> &mut Agreement {
    entries
        .iter_mut()
        .find_map(|entry| match entry {
            Entry::Agreement(agreement) if agreement.id == ulid(n) => Some(&mut **agreement),
            _ => None,
        })
        .unwrap()
}

#[test]
fn what_restricts_rests_on_more_than_a_memorandum() {
    const MEMORANDUM: &str = "joint-memorandum";
    type Change = (fn(&mut Vec<Entry>), &'static str);
    let changes: [Change; 5] = [
        (|it| agreement_of(it, 1).legal_basis.act = MEMORANDUM.to_owned(), "measures[0].act"),
        (
            |it| {
                agreement_of(it, 1).measures[0].legal_basis = Some(LegalBasis::new(MEMORANDUM, "item 3"));
            },
            "measures[0].act",
        ),
        (
            |it| agreement_of(it, 1).cross_context.as_mut().unwrap().act = MEMORANDUM.to_owned(),
            "cross_context.act",
        ),
        (
            |it| list_of(it, "court/judgment-defaulters").legal_basis.act = MEMORANDUM.to_owned(),
            "legal_basis.act",
        ),
        (
            |it| {
                let mut new = category(302);
                new.legal_basis.act = MEMORANDUM.to_owned();
                it.push(Entry::Category(new));
            },
            "legal_basis.act",
        ),
    ];
    for (i, (change, place)) in changes.into_iter().enumerate() {
        let mut entries = entries();
        change(&mut entries);
        let error = parsed(&entries).unwrap_err();
        assert!(error.path().ends_with(place), "case {i}: {error}");
        assert!(matches!(error.problem(), Problem::MemorandumAlone { .. }), "case {i}: {error}");
    }
    // What takes nothing away may rest on one, and a measure may bring a law of its own.
    let mut entries = entries();
    list_of(&mut entries, "court/model-mediators").legal_basis.act = MEMORANDUM.to_owned();
    let agreement = agreement_of(&mut entries, 1);
    agreement.legal_basis.act = MEMORANDUM.to_owned();
    agreement.measures[0].legal_basis = Some(LegalBasis::new("procurement-regulation", "Art. 18"));
    parsed(&entries).unwrap();
}

#[test]
fn who_cites_an_act_cannot_choose_its_rank() {
    let mut entries = entries();
    agreement_of(&mut entries, 1).legal_basis.act = "a-law-nobody-made".to_owned();
    let error = parsed(&entries).unwrap_err();
    assert!(matches!(error.problem(), Problem::UnknownAct { .. }), "{error}");
    let rank = r#"{"act":"joint-memorandum","citation":"item 3","rank":"statute"}"#;
    assert!(serde_json::from_str::<LegalBasis>(rank).is_err());
}

#[test]
fn what_may_not_be_listed_has_no_type_no_context_and_no_title() {
    for matter in ["religion", "ethnicity", "political-opinion", "biometrics", "health", "family"] {
        let mut of_context = category(302);
        of_context.origin_context = matter.to_owned();
        let error = Signed::draft(&Entry::Category(of_context)).unwrap_err();
        assert!(matches!(error.problem(), Problem::ForbiddenContext { .. }), "{error}");
        assert!(serde_json::from_value::<InformationType>(matter.into()).is_err());
        let mut titled = category(302);
        titled.title = format!("Persons by {}", matter.replace('-', " "));
        let error = Signed::draft(&Entry::Category(titled)).unwrap_err();
        assert!(matches!(error.problem(), Problem::ForbiddenMatter { .. }), "{error}");
        let mut entries = entries();
        list_of(&mut entries, "court/judgment-defaulters").id = list_id(&format!("court/{matter}"));
        assert!(entries.iter().any(|entry| Signed::draft(entry).is_err()), "{matter}");
    }
    assert_eq!(InformationType::ALL.len(), 12);
}

fn rule(id: &str, policy: &str) -> Entry {
    Entry::Rule(FederationRule { id: id.to_owned(), title: format!("Rule {id}"), policy: policy.to_owned() })
}

#[test]
fn a_rule_of_the_federations_own_can_only_forbid_and_must_fit_the_schema() {
    for bad in [
        "permit (principal, action, resource);",
        "forbid (principal, action == Action::\"ask\", resource) when { context.score > 3 };",
        "forbid (principal, action == Action::\"sell\", resource);",
        "forbid (principal == ?principal, action, resource);",
        "forbid (principal, action, resource); forbid (principal, action, resource);",
        "forbid (principal, action, resource) when { resource.codes.contains(1) };",
        "not a policy",
        "",
    ] {
        let error = Signed::draft(&rule("bad", bad)).unwrap_err();
        assert_eq!(error.path(), "draft.policy", "{bad}: {error}");
        assert!(matches!(error.problem(), Problem::Rule { .. }), "{bad}: {error}");
    }
    let unnamed = rule("(otherwise)", "forbid (principal, action, resource);");
    assert_eq!(Signed::draft(&unnamed).unwrap_err().path(), "draft.id");
}

#[test]
fn a_rule_of_the_federations_own_refuses_by_name_what_the_built_in_rules_allow() {
    let mut entries = entries();
    entries.push(rule(
        "customs-with-consent",
        "forbid (principal, action == Action::\"ask\", resource) \
         when { resource.origin_context == \"justice\" && resource.adverse } unless { context.consent };",
    ));
    let with_rule = parsed(&entries).unwrap();
    entries.pop();
    let without = parsed(&entries).unwrap();

    let (requester, holder, purpose) = (id("procurement"), id("court"), code("eligibility"));
    let (adverse, favorable) = (list_id("court/judgment-defaulters"), list_id("court/model-mediators"));
    let given = consent(&requester);
    let view = ConsentView { consent: &given, status: status(tacit_policy::ConsentState::Given) };
    let ask = |registry: &Registry, lists: &[_], basis| {
        let asked =
            Asked { requester: &requester, holder: &holder, lists: lists.to_vec(), purpose: &purpose };
        let question = Question { asked, basis, pseudonym: &PSEUDONYM, carried: &[] };
        decide(&question, registry, Some(&view), &Counters::default(), now())
    };
    let agreement = Basis::Agreement(ulid(1));
    assert!(ask(&without, &[&adverse], agreement).is_ok());
    for lists in [vec![&adverse], vec![&favorable, &adverse]] {
        let refusal = ask(&with_rule, &lists, agreement).unwrap_err();
        assert_eq!(refusal.exact, ExactReason::FederationRule);
        assert_eq!(refusal.public, tacit_model::Reason::NotPermitted);
        assert_eq!(refusal.rules, ["federation-rules", "federation:customs-with-consent"]);
    }
    assert!(ask(&with_rule, &[&favorable], agreement).is_ok());
    let allowed = ask(&with_rule, &[&adverse], Basis::Consent(given.id)).unwrap();
    assert!(allowed.rules().iter().any(|rule| rule == "federation-rules"));

    // The holder cannot see the consent, so it refuses only what is forbidden either way.
    let asked = Asked { requester: &requester, holder: &holder, lists: vec![&adverse], purpose: &purpose };
    assert!(holder_decide(&asked, &with_rule, now()).is_ok());
    entries.push(rule("nobody", "forbid (principal, action == Action::\"ask\", resource);"));
    let closed = parsed(&entries).unwrap();
    let refusal = holder_decide(&asked, &closed, now()).unwrap_err();
    assert_eq!(refusal.rules, ["federation-rules", "federation:nobody"]);
}

#[test]
fn a_rule_that_cannot_be_evaluated_refuses() {
    // Valid under the schema, and too large a number when it is evaluated.
    let overflow = "forbid (principal, action == Action::\"ask\", resource) \
                    when { context.lists * 9223372036854775807 * 3 + 9223372036854775807 > 0 && false };";
    let mut entries = entries();
    entries.push(rule("overflow", overflow));
    let registry = parsed(&entries).unwrap();
    let (requester, holder, purpose) = (id("procurement"), id("court"), code("eligibility"));
    let list = list_id("court/judgment-defaulters");
    let asked = Asked { requester: &requester, holder: &holder, lists: vec![&list], purpose: &purpose };
    let question = Question { asked, basis: Basis::Agreement(ulid(1)), pseudonym: &PSEUDONYM, carried: &[] };
    let refusal = decide(&question, &registry, None, &Counters::default(), now()).unwrap_err();
    assert_eq!(refusal.rules, ["federation-rules", "federation:overflow"]);
}
