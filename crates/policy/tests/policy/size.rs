//! A registry of real size: 99 members, 51 agreements, 3,441 categories, 226 acts. How long it takes is the bench's.

use tacit_model::Basis;
use tacit_policy::{Asked, Counters, Question, Registry, decide, registry::entry::*};

use crate::fixture::{
    PSEUDONYM, act, agreement, category, code, entries, file, id, list, list_id, member, now, pins, purpose,
    ulid,
};

#[test]
fn a_federation_of_99_members_and_thousands_of_categories_is_read_and_decides() {
    let mut all = entries();
    let measures: Vec<String> = (1..=32).map(|n| format!("measure-{n:02}")).collect();
    let measures: Vec<&str> = measures.iter().map(String::as_str).collect();
    all.extend(measures.iter().map(|name| Entry::Purpose(purpose(name, "enforcement", false))));
    for n in 0..45 {
        let (holder, requester) = (format!("holder-{n}"), format!("requester-{n}"));
        let lists: Vec<String> = (0..16).map(|i| format!("{holder}/list-{i}")).collect();
        all.push(Entry::Member(member(&holder, MemberKind::Public, &[Role::Holder])));
        all.push(Entry::Member(member(&requester, MemberKind::Public, &[Role::Requester])));
        all.extend(lists.iter().map(|id| Entry::List(list(id, true, "justice"))));
        let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
        let mut agreement = agreement(100 + n, &requester, &lists, &measures, "enforcement");
        agreement.max_lists_per_check = 16;
        all.push(Entry::Agreement(Box::new(agreement)));
    }
    all.push(Entry::Agreement(Box::new(agreement(
        99,
        "procurement",
        &["court/model-mediators"],
        &["eligibility"],
        "procurement",
    ))));
    all.extend((3..226).map(|n| Entry::Act(act(&format!("act-{n}"), Rank::Statute))));
    all.extend((1000..4440).map(|code| Entry::Category(category(code))));
    let registry = Registry::parse(&file(&all), &pins()).unwrap();
    assert_eq!(registry.members().count(), 99);
    assert_eq!(registry.agreements().count(), 51);
    assert_eq!(registry.categories().count(), 3441);
    assert_eq!(registry.acts().count(), 226);

    // The worst that an agreement allows: 16 lists, the last purpose.
    let (requester, holder, purpose) = (id("requester-44"), id("holder-44"), code("measure-32"));
    let lists: Vec<_> = (0..16).map(|i| list_id(&format!("holder-44/list-{i}"))).collect();
    let ask = || {
        let asked = Asked {
            requester: &requester,
            holder: &holder,
            lists: lists.iter().collect(),
            purpose: &purpose,
        };
        let question =
            Question { asked, basis: Basis::Agreement(ulid(144)), pseudonym: &PSEUDONYM, carried: &[] };
        decide(&question, &registry, None, &Counters::default(), now()).unwrap()
    };
    assert_eq!(ask().agreement(), ulid(144));
}
