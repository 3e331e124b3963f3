//! Promises of recovery versions: they remove members, by many hands, and do nothing else.

use tacit_ledger::logged::LoggedRecord;
use tacit_policy::{
    Pins, Registry, RegistryError, RegistryProblem as Problem,
    registry::{
        builder::RegistryBuilder,
        draft::Draft,
        ended::AgreementEnd,
        entry::*,
        recovery::{NotBacked, NotCountersigned, NotRecovery, Recovery, Underway, is_recovery},
        signed::Signer,
        versions::{Lineage, NotNext, Served, VersionRefused},
    },
    registry_hash,
};

use crate::{
    fixture::{self, agreement, id, key, list, now, public, ulid},
    versions::{builder, entries, log_key, logged, member},
};

/// Everybody who countersigns, in order.
const HANDS: [&str; 3] = ["custodian", "audit-office", "ombudsman"];

/// Four holders, of which one has a list and an agreement that was ended, and two auditors.
fn federation() -> Vec<Entry> {
    let mut all = entries();
    for name in ["land", "mint"] {
        let mut holder = fixture::member(name, MemberKind::Public, &[Role::Holder]);
        holder.keys.witness = Some(public(&format!("{name}/witness")));
        all.push(Entry::Member(holder));
    }
    let mut ombudsman = fixture::member("ombudsman", MemberKind::Public, &[Role::Auditor]);
    ombudsman.keys.boxes.clear();
    all.push(Entry::Member(ombudsman));
    all.push(Entry::List(list("land/parcels", true, "justice")));
    let parcels = agreement(6, "procurement", &["land/parcels"], &["eligibility"], "procurement");
    all.push(Entry::Agreement(Box::new(parcels)));
    let end = AgreementEnd { agreement: ulid(6), member: id("procurement"), ended_at: now() };
    all.push(Entry::AgreementEnd(end));
    all
}

fn pins() -> Pins {
    let mut pins = fixture::pins();
    pins.members.insert(id("ombudsman"), public("ombudsman").0);
    pins
}

/// Version 4, in force, of these entries.
fn in_force(entries: &[Entry]) -> (Vec<u8>, Registry) {
    let bytes = builder(4, now(), entries).finish(&key("coordinator")).unwrap();
    let registry = Registry::parse(&bytes, &pins()).unwrap();
    (bytes, registry)
}

/// Version 5 of what is in force without these, by the coordinator alone.
fn recover(in_force: &[u8], removed: &[&str]) -> Vec<u8> {
    let removed: Vec<_> = removed.iter().map(|name| id(name)).collect();
    let (draft, _) = Draft::recover(in_force, 5, &removed).unwrap();
    draft.finish(now(), &key("coordinator")).unwrap()
}

fn underway(bytes: &[u8]) -> Underway {
    Underway::read(bytes, &pins()).unwrap().unwrap()
}

/// Countersigned by these, one after the other.
fn countersigned(bytes: &[u8], by: &[&str]) -> Vec<u8> {
    let signed = by.iter().fold(underway(bytes), |underway, name| {
        underway.countersign(Signer { id: &id(name), key: &key(name) }).unwrap()
    });
    signed.to_file().unwrap()
}

fn complete(bytes: &[u8]) -> Registry {
    Registry::parse(&countersigned(bytes, &HANDS), &pins()).unwrap()
}

fn check(known: &Registry, next: &Registry) -> Result<(), NotNext> {
    known.check_next(&Lineage::of(known), next)
}

fn refused(bytes: &[u8]) -> RegistryError {
    Registry::parse(bytes, &pins()).unwrap_err()
}

#[test]
fn it_removes_members_with_what_stands_on_them_and_nothing_else() {
    let (bytes, known) = in_force(&federation());
    assert_eq!((known.endings().count(), known.agreements().count()), (1, 6));
    let alone = recover(&bytes, &["mint", "land", "mint"]);
    assert!(is_recovery(&alone) && !is_recovery(&bytes));
    let falls = underway(&alone).follows(&known, &Lineage::of(&known)).unwrap();
    assert_eq!(
        falls,
        [
            format!("agreement {} (land to procurement)", ulid(6)),
            format!("end of agreement {} by procurement", ulid(6)),
            "list land/parcels".to_owned(),
            "member land".to_owned(),
            "member mint".to_owned(),
        ]
    );
    let next = complete(&alone);
    assert_eq!(check(&known, &next), Ok(()));
    assert_eq!(next.recovery().unwrap().removed, [id("land"), id("mint")]);
    assert_eq!(next.members().count() + 2, known.members().count());
    assert_eq!((next.endings().count(), next.agreements().count()), (0, 5));
    assert_eq!(next.pseudonym_epochs(&id("procurement")), [3]);
    // A requester goes with its pseudonym keys.
    let without = complete(&recover(&bytes, &["procurement"]));
    assert_eq!(check(&known, &without), Ok(()));
    assert_eq!((without.pseudonym_epochs(&id("procurement")).len(), without.agreements().count()), (0, 3));
    // Whoever signs first, the file is the same; and the version after it is an ordinary one.
    let file = countersigned(&alone, &HANDS);
    for order in [["ombudsman", "custodian", "audit-office"], ["audit-office", "ombudsman", "custodian"]] {
        assert_eq!(countersigned(&alone, &order), file);
    }
    let after = Draft::after(&file).unwrap().finish(now(), &key("coordinator")).unwrap();
    let after = Registry::parse(&after, &pins()).unwrap();
    assert_eq!((after.number(), after.recovery(), check(&next, &after)), (6, None, Ok(())));
}

#[test]
fn without_the_custodian_or_an_auditor_it_is_no_version() {
    let (bytes, known) = in_force(&federation());
    let alone = recover(&bytes, &["land", "mint"]);
    for (by, missing) in [
        (&[] as &[&str], "custodian, audit-office, ombudsman"),
        (&["custodian"], "audit-office, ombudsman"),
        (&["custodian", "ombudsman"], "audit-office"),
        (&["audit-office", "ombudsman"], "custodian"),
    ] {
        let found = refused(&countersigned(&alone, by));
        assert!(
            matches!(found.problem(), Problem::Countersigners { missing: it } if it == missing),
            "{found}"
        );
    }
    assert!(Registry::parse(&countersigned(&alone, &HANDS), &pins()).is_ok());
    // Nobody else, nobody twice, and not with another key.
    let stranger = underway(&alone).countersign(Signer { id: &id("court"), key: &key("court") });
    assert_eq!(stranger.unwrap_err(), NotCountersigned::NotAsked { member: id("court") });
    let again = underway(&countersigned(&alone, &["custodian"]));
    let again = again.countersign(Signer { id: &id("custodian"), key: &key("custodian") });
    assert_eq!(again.unwrap_err(), NotCountersigned::Already { member: id("custodian") });
    let forged = underway(&countersigned(&alone, &["custodian", "ombudsman"]));
    let forged = forged.countersign(Signer { id: &id("audit-office"), key: &key("mallory") }).unwrap();
    let found = refused(&forged.to_file().unwrap());
    assert!(
        matches!(found.problem(), Problem::KeyDiffers { signer } if *signer == "audit-office"),
        "{found}"
    );
    // A federation without auditors has no such way out.
    let mut nobody = federation();
    nobody.retain(|entry| !matches!(entry, Entry::Member(it) if it.has(Role::Auditor)));
    let (bytes, _) = in_force(&nobody);
    let found = Underway::read(&recover(&bytes, &["land"]), &pins()).unwrap_err();
    assert!(matches!(found.problem(), Problem::NoAuditor), "{found}");
    assert_eq!(known.number(), 4);
}

/// A file with the signature lines of another one, in this order.
fn with_lines(file: &[u8], of: &[u8], places: &[usize]) -> Vec<u8> {
    let mut text: serde_json::Value = serde_json::from_slice(file).unwrap();
    let other: serde_json::Value = serde_json::from_slice(of).unwrap();
    let own = text["signatures"][0].clone();
    let mut lines = vec![own];
    lines.extend(places.iter().map(|place| other["signatures"][*place].clone()));
    text["signatures"] = lines.into();
    serde_json::to_vec(&text).unwrap()
}

#[test]
fn a_countersignature_is_of_one_text_alone() {
    let (bytes, _) = in_force(&federation());
    let alone = recover(&bytes, &["land", "mint"]);
    let good = countersigned(&alone, &HANDS);
    assert!(Registry::parse(&with_lines(&alone, &good, &[1, 2, 3]), &pins()).is_ok());
    // Another selection of members, with the signatures for the first.
    let other = recover(&bytes, &["land", "mint", "customs"]);
    let found = refused(&with_lines(&other, &good, &[1, 2, 3]));
    assert!(
        matches!(found.problem(), Problem::SignatureInvalid { signer } if *signer == "custodian"),
        "{found}"
    );
    for places in [vec![2, 1, 3], vec![1, 2, 3, 3], vec![1, 1, 2, 3], vec![1, 2, 3, 0]] {
        let found = refused(&with_lines(&alone, &good, &places));
        assert!(matches!(found.problem(), Problem::Signers { .. }), "{places:?}: {found}");
    }
    // On an ordinary version they are signatures too many.
    let found = refused(&with_lines(&bytes, &good, &[1, 2, 3]));
    assert!(matches!(found.problem(), Problem::Signers { .. }), "{found}");
}

#[test]
fn who_answers_for_it_and_the_last_holder_stay() {
    let (bytes, known) = in_force(&federation());
    for (member, role) in
        [("coordinator", Role::Coordinator), ("custodian", Role::Custodian), ("ombudsman", Role::Auditor)]
    {
        let stays = NotRecovery::Stays { member: id(member), role };
        assert_eq!(known.may_remove(&id(member)), Err(stays));
    }
    // An auditor that is removed cannot sign; the others cannot do it among themselves.
    let others = ["custodian", "audit-office"];
    let without =
        Registry::parse(&countersigned(&recover(&bytes, &["ombudsman"]), &others), &pins()).unwrap();
    let stays = NotRecovery::Stays { member: id("ombudsman"), role: Role::Auditor };
    assert_eq!(check(&known, &without), Err(NotNext::Recovery(stays)));
    let nobody = NotRecovery::NoMember { member: id("nobody") };
    assert_eq!(check(&known, &complete(&recover(&bytes, &["nobody"]))), Err(NotNext::Recovery(nobody)));
    let all = complete(&recover(&bytes, &["court", "customs", "land", "mint"]));
    assert_eq!(check(&known, &all), Err(NotNext::Recovery(NotRecovery::NoHolder)));
}

#[test]
fn what_adds_changes_or_takes_out_anything_else_is_refused() {
    let all = federation();
    let (bytes, known) = in_force(&all);
    let after = registry_hash(&bytes);
    let file = |entries: &[Entry], removed: &[&str]| {
        let removed = removed.iter().map(|name| id(name)).collect();
        let builder: RegistryBuilder = builder(5, now(), entries).recovery(Some(Recovery { after, removed }));
        builder.finish(&key("coordinator")).unwrap()
    };
    // `mint` has nothing but its own entry.
    let mut without = all.clone();
    without.retain(|entry| !matches!(entry, Entry::Member(it) if it.id == "mint"));
    assert_eq!(check(&known, &complete(&file(&without, &["mint"]))), Ok(()));
    let not_recovery = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut changed = without.clone();
        change(&mut changed);
        match check(&known, &complete(&file(&changed, &["mint"]))) {
            Err(NotNext::Recovery(refused)) => refused,
            other => panic!("{other:?}"),
        }
    };
    // One character of an entry that its owner signed anew.
    let changed = not_recovery(&|entries| member(entries, "bank").title.push('.'));
    assert_eq!(changed, NotRecovery::Changed { entry: "member bank".to_owned() });
    let changed = not_recovery(&|entries| {
        for entry in entries {
            if let Entry::Rule(it) = entry {
                it.title.push('.');
            }
        }
    });
    assert_eq!(changed, NotRecovery::Changed { entry: "rule no-favors-with-water".to_owned() });
    let added = not_recovery(&|entries| {
        let another = fixture::member("another", MemberKind::Private, &[Role::Requester]);
        entries.push(Entry::Member(another));
    });
    assert_eq!(added, NotRecovery::Changed { entry: "member another".to_owned() });
    let gone = not_recovery(&|entries| {
        entries.retain(|entry| !matches!(entry, Entry::Agreement(it) if it.id == ulid(3)));
    });
    let name = format!("agreement {} (court to bank)", ulid(3));
    assert_eq!(gone, NotRecovery::Gone { entry: name });
    let gone = not_recovery(&|entries| entries.retain(|entry| !matches!(entry, Entry::Category(_))));
    assert_eq!(gone, NotRecovery::Gone { entry: "category 301".to_owned() });
    // What it says of itself is what it does.
    for (entries, removed, why) in [
        (&all, &["mint"] as &[&str], "NotRemoved"),
        (&without, &[], "Count"),
        (&without, &["mint", "mint"], "Repeated"),
        (&without, &["mint", "land"], "Repeated"),
    ] {
        let found = Underway::read(&file(entries, removed), &pins()).unwrap_err();
        let found = format!("{:?}", found.problem());
        assert!(found.starts_with(why), "{removed:?}: {found}");
    }
}

#[test]
fn it_follows_the_one_version_that_it_was_drafted_from() {
    let (bytes, known) = in_force(&federation());
    let next = complete(&recover(&bytes, &["land", "mint"]));
    assert_eq!(check(&known, &next), Ok(()));
    // Of a member that missed a version, and of one that has another of the same entries.
    for (number, issued_at) in [(3, now()), (4, now().minus_ms(1))] {
        let other = builder(number, issued_at, &federation()).finish(&key("coordinator")).unwrap();
        let other = Registry::parse(&other, &pins()).unwrap();
        let after = NotRecovery::After { known: number };
        assert_eq!(check(&other, &next), Err(NotNext::Recovery(after)));
    }
    assert!(matches!(check(&next, &next), Err(NotNext::Number { .. })));
}

#[test]
fn it_counts_with_the_custodian_and_more_than_half_of_the_holders_that_remain() {
    let (bytes, known) = in_force(&federation());
    let now_s = now().0 / 1000;
    let follow_at = |now_s, bytes: &[u8], logged: &LoggedRecord| {
        let served = Served { bytes, logged };
        known.follow(&Lineage::of(&known), served, &pins(), &log_key(), now_s)
    };
    let follow = |bytes: &[u8], by: &[&str]| match follow_at(now_s, bytes, &logged(bytes, 5, by)) {
        Ok(next) => Ok(next.number()),
        Err(VersionRefused::Quorum(refused)) => Err(refused),
        Err(other) => panic!("{other}"),
    };
    // Of court, customs, land, mint and the custodian, two are left.
    let of_one = countersigned(&recover(&bytes, &["customs", "land", "mint"]), &HANDS);
    let ordinary = Draft::after(&bytes).unwrap().finish(now(), &key("coordinator")).unwrap();
    assert!(matches!(follow(&ordinary, &["court", "custodian"]), Err(NotBacked::Quorum(_))));
    assert_eq!(follow(&of_one, &["court", "custodian"]), Ok(5));
    // Who is removed helps nobody.
    assert_eq!(follow(&of_one, &["court", "customs", "land", "mint"]), Err(NotBacked::Custodian));
    let removed = ["customs", "land", "mint", "custodian"];
    assert_eq!(follow(&of_one, &removed), Err(NotBacked::Holders { found: 0, needed: 1 }));
    let of_two = countersigned(&recover(&bytes, &["land", "mint"]), &HANDS);
    assert_eq!(follow(&of_two, &["court", "customs"]), Err(NotBacked::Custodian));
    let half = follow(&of_two, &["court", "custodian", "land", "mint"]);
    assert_eq!(half, Err(NotBacked::Holders { found: 1, needed: 2 }));
    assert_eq!(follow(&of_two, &["court", "customs", "custodian"]), Ok(5));
    // Cosignatures from the future do not count, and the record must be its own.
    let record = logged(&of_one, 5, &["court", "custodian"]);
    let early = follow_at(now_s - 61, &of_one, &record).unwrap_err();
    assert!(matches!(early, VersionRefused::Quorum(NotBacked::Custodian)), "{early}");
    let other = follow_at(now_s, &of_two, &logged(&of_one, 5, &["court", "customs", "custodian"]));
    assert!(matches!(other, Err(VersionRefused::OtherRecord)));
    // Without a countersignature it is nothing that anybody could cosign.
    let alone = recover(&bytes, &["customs", "land", "mint"]);
    let alone = follow_at(now_s, &alone, &logged(&alone, 5, &["court", "custodian"]));
    assert!(matches!(alone, Err(VersionRefused::Registry(_))));
}
