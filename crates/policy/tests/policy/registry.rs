use tacit_policy::{
    Pins, PublicKey, Registry, RegistryProblem as Problem,
    registry::{
        RegistryError,
        entry::*,
        signed::{Signed, Signer, sign_entry},
    },
    registry_hash,
};

use crate::fixture::{
    at, builder, code, entries, file, id, key, list_id, now, pins, public, registry, signed, ulid,
};

/// The first error of a federation with `change` applied to its entries, all properly signed.
fn error(change: impl FnOnce(&mut Vec<Entry>)) -> RegistryError {
    let mut entries = entries();
    change(&mut entries);
    parse_error(&file(&entries))
}

fn parse_error(bytes: &[u8]) -> RegistryError {
    Registry::parse(bytes, &pins()).unwrap_err()
}

fn member<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Member {
    let found = entries.iter_mut().find_map(|entry| match entry {
        Entry::Member(it) if it.id == name => Some(it),
        _ => None,
    });
    found.unwrap()
}

fn list<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut List {
    let found = entries.iter_mut().find_map(|entry| match entry {
        Entry::List(it) if it.id == name => Some(it),
        _ => None,
    });
    found.unwrap()
}

fn agreement(entries: &mut [Entry], n: u64) -> &mut Agreement {
    let found = entries.iter_mut().find_map(|entry| match entry {
        Entry::Agreement(it) if it.id == ulid(n) => Some(it),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn a_registry_is_found_again_as_it_was_written() {
    let bytes = file(&entries());
    let registry = Registry::parse(&bytes, &pins()).unwrap();
    assert_eq!(registry.hash(), registry_hash(&bytes));
    assert_eq!((registry.number(), registry.issued_at()), (1, now()));
    assert_eq!(registry.federation(), "example-federation");
    assert_eq!((registry.coordinator(), registry.custodian()), (&id("coordinator"), &id("custodian")));
    for entry in entries() {
        match entry {
            Entry::Member(it) => assert_eq!(registry.member(&it.id), Some(&it)),
            Entry::List(it) => assert_eq!(registry.list(&it.id), Some(&it)),
            Entry::Purpose(it) => assert_eq!(registry.purpose(&it.code), Some(&it)),
            Entry::Scheme(it) => assert!(registry.schemes().parse(&it.name, "P123456").is_ok()),
            Entry::Act(it) => assert_eq!(registry.act(&it.id), Some(&it)),
            Entry::Rule(it) => assert!(registry.rules().any(|rule| *rule == it)),
            Entry::Category(it) => assert_eq!(registry.category(it.code), Some(&it)),
            Entry::Agreement(it) => assert_eq!(registry.agreement(it.id), Some(&*it)),
            Entry::PseudonymKey(it) => {
                assert_eq!(registry.pseudonym_key(&it.requester, it.epoch), Some(it.public_key));
            }
            Entry::AgreementEnd(it) => assert!(registry.endings().any(|ending| *ending == it)),
        }
    }
    assert_eq!(registry.pseudonym_key(&id("procurement"), 4), None);
    assert_eq!(registry.agreement(ulid(99)), None);
    assert_eq!(registry.agreements_between(&id("procurement"), &id("court")).count(), 1);
    assert_eq!(registry.agreements_between(&id("court"), &id("procurement")).count(), 0);
    assert_eq!(registry.lists_of(&id("court")).count(), 2);
    assert_eq!(registry.audit_boxes(), Some([PublicKey([1; 32]), PublicKey([2; 32])]));
}

#[test]
fn the_same_entries_give_the_same_bytes_in_any_order() {
    let mut reversed = entries();
    reversed.reverse();
    assert_eq!(file(&reversed), file(&entries()));
    assert_eq!(registry_hash(b"").len(), 32);
}

#[test]
fn an_agreement_is_signed_by_one_after_the_other() {
    let mut all = entries();
    let draft =
        Signed::draft(all.iter().find(|entry| matches!(entry, Entry::Agreement(_))).unwrap()).unwrap();
    let Entry::Agreement(read) = draft.entry("draft").unwrap() else { panic!("an agreement was drafted") };
    let (court, procurement) = (key("court"), key("procurement"));
    let one = draft.sign(Signer { id: &read.holder, key: &court }).unwrap();
    let both = one.clone().sign(Signer { id: &read.requester, key: &procurement }).unwrap();
    assert_eq!(both.signers().count(), 2);

    all.retain(|entry| !matches!(entry, Entry::Agreement(it) if it.id == read.id));
    let base = || all.iter().fold(builder(), |builder, entry| builder.signed(signed(entry)));
    assert!(Registry::parse(&base().signed(both).finish(&key("coordinator")).unwrap(), &pins()).is_ok());
    let error = parse_error(&base().signed(one).finish(&key("coordinator")).unwrap());
    assert!(matches!(error.problem(), Problem::Signers { .. }), "{error}");
    assert!(error.path().ends_with("].signatures"), "{error}");
}

#[test]
fn nobody_but_the_owner_can_write_an_entry() {
    let forged = |entry: &Entry, signers: &[(&str, &str)]| {
        let names: Vec<_> = signers.iter().map(|(name, with)| (id(name), key(with))).collect();
        let signers: Vec<_> = names.iter().map(|(id, key)| Signer { id, key }).collect();
        let rest = entries().into_iter().filter(|it| it != entry);
        let builder = rest.fold(builder(), |builder, it| builder.signed(signed(&it)));
        let builder = builder.signed(sign_entry(entry, &signers).unwrap());
        parse_error(&builder.finish(&key("coordinator")).unwrap())
    };
    let of = |wanted: fn(&Entry) -> bool| entries().into_iter().find(wanted).unwrap();
    let list = of(|it| matches!(it, Entry::List(_)));
    assert!(matches!(forged(&list, &[("customs", "customs")]).problem(), Problem::Signers { .. }));
    assert!(matches!(forged(&list, &[("court", "customs")]).problem(), Problem::KeyDiffers { .. }));
    assert!(matches!(forged(&list, &[]).problem(), Problem::Signers { .. }));
    let twice = forged(&list, &[("court", "court"), ("court", "court")]);
    assert!(matches!(twice.problem(), Problem::Signers { .. }));
    let pseudonym = of(|it| matches!(it, Entry::PseudonymKey(_)));
    assert!(matches!(
        forged(&pseudonym, &[("coordinator", "coordinator")]).problem(),
        Problem::Signers { .. }
    ));
    let agreement = of(|it| matches!(it, Entry::Agreement(_)));
    let swapped = forged(&agreement, &[("procurement", "procurement"), ("court", "court")]);
    assert!(matches!(swapped.problem(), Problem::Signers { .. }));
}

#[test]
fn a_changed_entry_or_body_is_refused() {
    let text = String::from_utf8(file(&entries())).unwrap();
    // An entry's text is escaped twice in the file.
    let changed = text.replace("List court/judgment-defaulters", "List court/judgment-defaulterz");
    assert_ne!(changed, text);
    let error = parse_error(changed.as_bytes());
    assert_eq!(error.path(), "registry.signatures[0].signature");

    // The coordinator cannot change an entry either: its own signature fits, the owner's does not.
    let outer: serde_json::Value = serde_json::from_str(&changed).unwrap();
    let body = outer["body"].as_str().unwrap();
    let message = [b"tacit/v1/registry", body.as_bytes()].concat();
    let mut outer = outer.clone();
    let signature = tacit_policy::Signature(key("coordinator").sign(&message)).to_string();
    outer["signatures"][0]["signature"] = signature.into();
    let error = parse_error(outer.to_string().as_bytes());
    assert!(
        matches!(error.problem(), Problem::SignatureInvalid { signer } if signer == &id("court")),
        "{error}"
    );
    assert!(error.path().starts_with("entries[12]."), "{error}");
}

#[test]
fn a_registry_cannot_swap_a_pinned_key() {
    let bytes = file(&entries());
    type Swap = (fn(&mut Pins), &'static str);
    let swaps: [Swap; 4] = [
        (|pins| pins.coordinator_key = public("other").0, "registry.signatures[0].key"),
        (|pins| pins.custodian_key = public("other").0, "entries[4].keys.signing"),
        (|pins| pins.members.extend([(id("court"), public("other").0)]), "entries[3].keys.signing"),
        (|pins| pins.members.retain(|name, _| name != &id("portal")), "entries[7].keys.signing"),
    ];
    for (swap, path) in swaps {
        let mut pins = pins();
        swap(&mut pins);
        let error = Registry::parse(&bytes, &pins).unwrap_err();
        assert_eq!(error.path(), path, "{error}");
    }
    let mut pins = pins();
    pins.federation = "another".to_owned();
    assert_eq!(Registry::parse(&bytes, &pins).unwrap_err().path(), "federation");
}

#[test]
fn errors_name_the_place_and_what_to_do() {
    let error =
        error(|it| agreement(it, 1).lists = vec![list_id("court/model-mediators"), list_id("court/gone")]);
    assert_eq!(error.path(), "entries[22].lists[1]");
    assert_eq!(
        error.to_string(),
        "entries[22].lists[1]: there is no list `court/gone` in this registry; add its entry or correct the name \
         (there are no wildcards)"
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    type Case = (fn(&mut Vec<Entry>), &'static str);
    let cases: [Case; 15] = [
        (|it| member(it, "court").roles = vec![Role::Requester], "id"),
        (|it| agreement(it, 1).purposes.push(code("gone")), "purposes[2]"),
        (|it| agreement(it, 1).purposes.push(code("debt-collection")), "purposes[2]"),
        (|it| agreement(it, 1).cross_context = None, "lists[0]"),
        (|it| agreement(it, 1).holder_key = public("other"), "holder_key"),
        (|it| agreement(it, 1).requester_key = public("other"), "requester_key"),
        (|it| agreement(it, 3).id = ulid(4), "id"),
        (|it| it.retain(|entry| !matches!(entry, Entry::Member(it) if it.id == "bank")), "requester"),
        (|it| it.retain(|entry| !matches!(entry, Entry::Member(it) if it.id == "custodian")), "custodian"),
        (|it| member(it, "bank").keys.signing = public("guild"), "keys.signing"),
        (|it| member(it, "audit-office").keys.boxes.truncate(1), "entries"),
        (|it| member(it, "customs").roles.push(Role::Coordinator), "keys.log"),
        (|it| member(it, "coordinator").roles.push(Role::Auditor), "roles"),
        (|it| list(it, "court/judgment-defaulters").scheme = "X-gone".to_owned(), "scheme"),
        (|it| it.push(Entry::Category(crate::fixture::category(301))), "code"),
    ];
    for (i, (change, place)) in cases.into_iter().enumerate() {
        let mut entries = entries();
        change(&mut entries);
        // Some mistakes are told before anyone signs, others only between entries.
        let error = match entries.iter().map(Signed::draft).find_map(Result::err) {
            Some(error) => error,
            None => parse_error(&file(&entries)),
        };
        assert!(error.path().ends_with(place), "case {i}: {error}");
    }
}

#[test]
fn an_authority_asks_only_for_the_subjects_own_view() {
    let no_portal = error(|it| {
        let agreement = agreement(it, 5);
        agreement.purposes = vec![code("eligibility")];
        agreement.purpose_context = "procurement".to_owned();
    });
    assert!(matches!(no_portal.problem(), Problem::SubjectAccess { .. }), "{no_portal}");
    let no_authority = error(|it| {
        let agreement = agreement(it, 1);
        agreement.purposes = vec![code(SUBJECT_ACCESS)];
        agreement.purpose_context = "subject-rights".to_owned();
    });
    assert!(matches!(no_authority.problem(), Problem::SubjectAccess { .. }), "{no_authority}");
    let both = error(|it| {
        let portal = member(it, "portal");
        portal.roles.push(Role::Requester);
        agreement(it, 5).requester = id("portal");
        agreement(it, 3).requester = id("portal");
        agreement(it, 3).requester_key = public("portal");
    });
    assert!(matches!(both.problem(), Problem::SubjectAccess { .. }), "{both}");
}

#[test]
fn what_may_not_be_expressed_cannot_be_drafted() {
    let mut entries = entries();
    list(&mut entries, "court/judgment-defaulters").origin_context = "religion".to_owned();
    agreement(&mut entries, 2).valid_until = at("2026-01-01T00:00:00.000Z");
    agreement(&mut entries, 3).lists = vec![list_id("customs/debarred-importers")];
    agreement(&mut entries, 4).max_lists_per_check = 17;
    member(&mut entries, "court").endpoint = Some("http://court:1".to_owned());
    member(&mut entries, "bank").title = "a\u{202e}b".to_owned();
    list(&mut entries, "customs/debarred-importers").time_zone = "Asia/Shangai".to_owned();
    let errors: Vec<_> = entries.iter().filter_map(|entry| Signed::draft(entry).err()).collect();
    let places: Vec<_> = errors.iter().map(RegistryError::path).collect();
    assert_eq!(
        places,
        [
            "draft.endpoint",
            "draft.title",
            "draft.origin_context",
            "draft.time_zone",
            "draft.valid_until",
            "draft.lists[0]",
            "draft.max_lists_per_check",
        ]
    );
}

#[test]
fn a_burst_is_at_least_one_and_no_more_than_a_day_and_absent_where_none_is_agreed() {
    let drafted = |checks_per_day, burst| {
        let mut entries = entries();
        let quotas = &mut agreement(&mut entries, 1).quotas;
        (quotas.checks_per_day, quotas.checks_per_minute) = (checks_per_day, burst);
        Signed::draft(&Entry::Agreement(Box::new(agreement(&mut entries, 1).clone())))
    };
    for (a_day, burst) in [(1000, 0), (1000, 1001), (2_000_000, 1_000_001)] {
        let error = drafted(a_day, Some(burst)).unwrap_err();
        assert_eq!(error.path(), "draft.quotas.checks_per_minute", "{error}");
    }
    for (a_day, burst) in [(1000, 1), (1000, 1000), (2_000_000, 1_000_000)] {
        let signed = drafted(a_day, Some(burst)).unwrap();
        let file = String::from_utf8(Signed::to_file(&[signed]).unwrap()).unwrap();
        assert!(file.contains(&format!("\\\"checks_per_minute\\\":{burst}")), "{file}");
    }
    // An agreement from before there were any is spelled as it was.
    let without = Signed::to_file(&[drafted(1000, None).unwrap()]).unwrap();
    assert!(!String::from_utf8(without).unwrap().contains("checks_per_minute"));
}

#[test]
fn broken_files_are_refused_with_their_place() {
    let good = String::from_utf8(file(&entries())).unwrap();
    let registry = registry();
    assert_eq!(registry.hash(), registry_hash(good.as_bytes()));
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        "{\"body\":\"{}\",\"signatures\":[]}",
        "{\"body\":\"\",\"signatures\":[],\"x\":1}",
    ] {
        assert!(Registry::parse(bad.as_bytes(), &pins()).is_err(), "{bad}");
    }
    assert!(Registry::parse(&[0xff, 0xfe], &pins()).is_err());
    assert!(Registry::parse(format!("{good}x").as_bytes(), &pins()).is_err());
    for cut in (0..good.len() - 1).step_by(997) {
        assert!(Registry::parse(&good.as_bytes()[..cut], &pins()).is_err());
    }

    // Unknown and repeated fields inside signed texts.
    let sign = |body: &str| {
        let message = [b"tacit/v1/registry", body.as_bytes()].concat();
        let line = serde_json::json!({
            "signer": "coordinator", "key": public("coordinator").to_string(),
            "signature": tacit_policy::Signature(key("coordinator").sign(&message)).to_string(),
        });
        serde_json::json!({ "body": body, "signatures": [line] }).to_string()
    };
    let outer: serde_json::Value = serde_json::from_str(&good).unwrap();
    let body = outer["body"].as_str().unwrap();
    assert!(Registry::parse(sign(body).as_bytes(), &pins()).is_ok());
    for (from, to, path) in [
        ("{\"federation\"", "{\"x\":1,\"federation\"", "x"),
        ("{\"federation\"", "{\"number\":2,\"federation\"", "registry"),
        ("\\\"roles\\\":[\\\"auditor\\\"]", "\\\"roles\\\":[\\\"king\\\"]", "entries[0].roles[0]"),
        (
            "\\\"roles\\\":[\\\"auditor\\\"]",
            "\\\"score\\\":1,\\\"roles\\\":[\\\"auditor\\\"]",
            "entries[0].score",
        ),
        ("[\\\"eligibility\\\"]", "[\\\"*\\\"]", "entries[23].purposes[0]"),
        ("\\\"signing\\\":\\\"", "\\\"signing\\\":\\\"A", "entries[0].keys.signing"),
    ] {
        let changed = body.replacen(from, to, 1);
        assert_ne!(changed, body, "{from}");
        let error = parse_error(sign(&changed).as_bytes());
        assert_eq!(error.path(), path, "{error}");
    }
}

#[test]
fn a_list_is_reviewed_by_another_holder_that_letters_reach() {
    let reviewed_by = |name: &str, reached: &[&str]| {
        let mut entries = entries();
        let list = entries.iter_mut().find_map(|entry| match entry {
            Entry::List(list) if list.id.as_str() == "court/judgment-defaulters" => Some(list),
            _ => None,
        });
        list.unwrap().review_body = Some(id(name));
        for entry in &mut entries {
            if let Entry::Member(member) = entry
                && reached.contains(&member.id.as_str())
            {
                let own = u8::try_from(60 + member.id.as_str().len()).unwrap();
                member.keys.letters = Some(PublicKey([own; 32]));
            }
        }
        Registry::parse(&file(&entries), &pins())
    };
    let reached = ["court", "customs", "procurement", "portal"];
    let registry = reviewed_by("customs", &reached).unwrap();
    let list = registry.list(&list_id("court/judgment-defaulters")).unwrap();
    assert_eq!(list.review_body, Some(id("customs")));
    for (bad, reached, said) in [
        ("court", &reached[..], "by another body than its holder"),
        ("portal", &reached[..], "does not have the role `holder`"),
        ("procurement", &reached[..], "does not have the role `holder`"),
        ("nobody", &reached[..], "nobody"),
        ("customs", &["court"], "reviews objections by letter"),
    ] {
        let error = reviewed_by(bad, reached).unwrap_err();
        assert!(error.path().ends_with(".review_body") && error.to_string().contains(said), "{error}");
    }
    assert!(!String::from_utf8(file(&entries())).unwrap().contains("review_body"));
}
