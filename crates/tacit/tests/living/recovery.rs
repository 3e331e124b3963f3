//! Most holders are gone for good: who is left removes them, and goes on.

use std::fs;

use serde_json::json;
use tacit_coordinator::offers::Standing;
use tacit_federation::config::{CoordinatorFile, Environment, RoleFile as _};
use tacit_model::{Clock as _, SystemClock};
use tacit_policy::registry::{
    draft::Draft,
    entry::Entry,
    recovery::Underway,
    signed::{Signer, sign_entry},
};

use crate::{
    forged::offered,
    world::{SAMPLE, World},
};

const CUSTOMS: &str = r#"
[[member]]
id = "customs"
title = "Customs office"
kind = "public"
roles = ["holder"]
"#;

/// Everybody who countersigns, in order.
const HANDS: [&str; 3] = ["custodian", "auditor-a", "auditor-b"];

/// A version that the custodian and all auditors signed although it changes an entry of the court.
fn changed(world: &World) -> Vec<u8> {
    let in_force = fs::read(world.file("registry.json")).unwrap();
    let removed = ["customs", "tax"].map(|name| name.parse().unwrap());
    let (mut draft, _) = Draft::recover(&in_force, 2, &removed).unwrap();
    let court = draft.entries().unwrap().into_iter().find_map(|(entry, _)| match entry {
        Entry::Member(it) if it.id == "court" => Some(it),
        _ => None,
    });
    let mut court = court.unwrap();
    court.title.push('.');
    let (id, key) = (court.id.clone(), world.key("court"));
    draft.put(sign_entry(&Entry::Member(court), &[Signer { id: &id, key: &key }]).unwrap()).unwrap();
    let alone = draft.finish(SystemClock.now(), &world.key("coordinator")).unwrap();
    let file = CoordinatorFile::load(world.file("coordinator.toml").as_ref(), Environment::Ignored).unwrap();
    let pins = file.pins.for_registry(&file.federation);
    let underway = Underway::read(&alone, &pins).unwrap().unwrap();
    let signed = HANDS.iter().fold(underway, |underway, name| {
        let (id, key) = (name.parse().unwrap(), world.key(name));
        underway.countersign(Signer { id: &id, key: &key }).unwrap()
    });
    signed.to_file().unwrap()
}

#[test]
fn a_federation_that_lost_most_of_its_holders_for_good_removes_them_and_goes_on() {
    let place = SAMPLE.find("[[member]]\nid = \"procurement\"").unwrap();
    let (before, behind) = SAMPLE.split_at(place);
    let mut world = World::start_of(&format!("{before}{CUSTOMS}\n{behind}"), &[]);
    let (procurement, court) = (world.file("procurement.toml"), world.file("court.toml"));
    let (coordinator, custodian) = (world.file("coordinator.toml"), world.file("custodian.toml"));
    let (customs, logs) = (world.file("customs.toml"), world.file("logs"));
    world.start_joined(&customs, &logs);
    assert!(world.answered(&procurement, &world.listed));

    // Of court, tax, customs and custodian two are left, and no quorum confirms the coordinator's log at its next start.
    world.federation.kill("tax");
    world.end_last_joined();
    world.federation.kill("coordinator");
    world.federation.start("coordinator");
    // Who waits for the quorum longer than it waits for an answer says that.
    for _ in 0..2 {
        let (exit, said) = world.check(&procurement, &world.listed);
        let reasons = ["quorum_stale", "deadline", "unavailable"];
        assert!(exit != 0 && reasons.iter().any(|reason| said.contains(reason)), "{exit}: {said}");
    }
    // An ordinary version needs the quorum that is lost.
    let (next, key) = (world.file("next.json"), world.file("keys/coordinator-signing.seed"));
    world.tacit(&["registry", "draft", &next, "--config", &coordinator, "--remove-member", "tax"]);
    let publish = ["registry", "publish", &next, "--config", &coordinator, "--key", &key, "--wait", "4"];
    assert_eq!(world.refused(&publish).0, 4);

    // The way out: nobody who answers for it can be removed, and nobody signs it unasked or without a yes.
    let file = world.file("recovery.json");
    let recover = |removed: &[&str]| {
        let mut arguments = vec!["registry", "recover", &file, "--config", &coordinator, "--key", &key];
        removed.iter().for_each(|name| arguments.extend(["--remove", name]));
        arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let strs =
        |arguments: &[String]| world.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let (exit, said) = strs(&recover(&["tax", "auditor-a"]));
    assert!(exit == 3 && said.contains("`auditor-a`, the auditor"), "{said}");
    let (exit, said) = strs(&recover(&["tax", "customs", "court"]));
    assert!(exit == 3 && said.contains("no holder remains"), "{said}");
    let arguments = recover(&["tax", "customs"]);
    let drafted = world.tacit(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        (&drafted["number"], &drafted["recovery"]["missing"]),
        (&json!(2), &json!(HANDS)),
        "{drafted}"
    );
    let countersign = |member: &str, file: &str, yes: bool| {
        let (config, key) =
            (world.file(&format!("{member}.toml")), world.file(&format!("keys/{member}-signing.seed")));
        let mut arguments =
            vec!["--json", "registry", "countersign", file, "--config", &config, "--key", &key];
        arguments.extend(yes.then_some("--yes"));
        let done = world.federation.tacit(&arguments);
        let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
        (done.status.code().unwrap(), said)
    };
    let (exit, said) = countersign("custodian", &file, false);
    assert!(exit == 2 && said.contains("nobody is there to confirm it"), "{said}");
    let (exit, said) = countersign("court", &file, true);
    assert!(exit == 2 && said.contains("neither the custodian nor an auditor"), "{said}");
    for member in ["auditor-a", "custodian"] {
        let (exit, said) = countersign(member, &file, true);
        assert_eq!(exit, 0, "{said}");
    }

    // Without the second auditor it is refused, by the command and by the running coordinator.
    let publish = ["registry", "publish", &file, "--config", &coordinator];
    let lacks = "lacks the countersignature of [auditor-b]";
    let (exit, said) = world.refused(&publish);
    assert!(exit == 3 && said.contains(lacks), "{said}");
    let unfinished = fs::read(&file).unwrap();
    let Standing::Refused(said) = offered(&world, &unfinished) else { panic!("it was taken") };
    assert!(said.contains(lacks), "{said}");
    // With all signatures and something else changed too.
    let (changed, changes) = (changed(&world), "adds or changes: member court");
    let Standing::Refused(said) = offered(&world, &changed) else { panic!("it was taken") };
    assert!(said.contains(changes), "{said}");
    let changed_file = world.file("changed.json");
    fs::write(&changed_file, changed).unwrap();
    let (exit, said) = countersign("auditor-b", &changed_file, true);
    assert!(exit == 3 && said.contains(changes), "{said}");
    assert_eq!(world.number(), 1);

    let (exit, said) = countersign("auditor-b", &file, true);
    assert_eq!(exit, 0, "{said}");
    let shown = world.federation.tacit(&["registry", "show", &file, "--config", &court]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("it removes customs, tax from version")
            && shown.contains("countersigned by custodian, auditor-a, auditor-b")
            && shown.contains("1 of the holders that remain (court)"),
        "{shown}"
    );
    assert_eq!(world.tacit(&publish)["number"], 2);

    // Nobody was started again, and questions are answered.
    for member in [&court, &procurement, &custodian] {
        world.wait_for_version(member, 2);
    }
    let status = world.tacit(&["registry", "status", "--config", &custodian]);
    assert_eq!(status["recovery"]["removed"], json!(["customs", "tax"]), "{status}");
    assert!(world.answered(&procurement, &world.listed));
    assert!(!world.answered(&procurement, &world.unlisted));
    // An ordinary version counts again, by the quorum of who is left.
    fs::remove_file(&next).unwrap();
    assert_eq!(world.publish_with(&[]), 3);
    assert!(world.answered(&procurement, &world.listed));
}
