//! The life of a member, from joining to removal, while everybody else goes on.

use std::{fs, time::Duration};

use crate::{
    support::{end_batch, read_result, write_codes},
    world::{LIST, PURPOSE, TERMS, World, eventually},
};

#[test]
fn a_member_joins_agrees_asks_and_is_removed_without_a_restart() {
    let mut world = World::start();
    let customs = world.join("customs");
    // A member, but nobody agreed on anything with it.
    eventually("customs is known to all, and refused", || {
        let (exit, said) = world.check(&customs, &world.listed);
        assert_ne!(exit, 0, "{said}");
        // Without an agreement it may not even enroll anybody.
        exit == 3
    });

    let (id, file) = world.agree(TERMS, &customs);
    let shown = world.tacit(&["agreement", "show", &file, "--config", &customs]);
    assert_eq!(shown["signed_by"], serde_json::json!(["court", "customs"]), "{shown}");
    assert_eq!(shown["quotas"]["checks_per_minute"], 600, "{shown}");
    // The agreement names a purpose that no adverse list can be asked for, and says so before it is signed.
    let refused = &shown["refused"][0];
    assert_eq!(
        (&refused["purpose"], shown["refused"].as_array().unwrap().len()),
        (&"water-supply".into(), 1)
    );
    let number = world.publish_with(&[&file]);
    assert!(world.answered(&customs, &world.listed));
    assert!(!world.answered(&customs, &world.unlisted));

    // The court ends it: its own node obeys at once, and the registry has not said a word.
    let (court, ending) = (world.file("court.toml"), world.file("ending.json"));
    world.wait_for_version(&court, number);
    let revoked = world.tacit(&["agreement", "revoke", &id, "--config", &court, "--out", &ending]);
    assert_eq!(revoked["agreement"], id.as_str());
    std::thread::sleep(Duration::from_secs(1));
    let (exit, said) = world.check(&customs, &world.listed);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("not_permitted"), "{said}");
    assert_eq!(world.number(), number);
    // Then the registry carries it.
    let number = world.publish_with(&[&ending]);
    world.wait_for_version(&customs, number);
    assert_eq!(world.check(&customs, &world.listed).0, 3);
    // What is ended stays ended; another one may be signed.
    let (_, file) = world.agree(TERMS, &customs);
    let number = world.publish_with(&[&file]);
    world.wait_for_version(&customs, number);
    assert!(world.answered(&customs, &world.listed));

    // The member is removed: refused everywhere, and others are answered.
    let draft = world.file("next.json");
    world.tacit(&[
        "member",
        "remove",
        "customs",
        "--config",
        &world.file("coordinator.toml"),
        "--draft",
        &draft,
    ]);
    let number = world.publish(&draft);
    world.wait_for_version(&court, number);
    eventually("customs is no member any more", || {
        let (exit, said) = world.check(&customs, &world.listed);
        exit != 0 && (said.contains("wrong_role") || said.contains("unknown_member"))
    });
    assert!(world.answered(&world.file("procurement.toml"), &world.listed));
    let log = fs::read_to_string(world.federation.folder().join("logs/coordinator")).unwrap();
    assert!(log.contains("removed from the registry"), "the coordinator says whose connections end");
}

#[test]
fn a_key_changes_while_checks_run_and_every_row_is_answered() {
    let mut world = World::start();
    let procurement = world.file("procurement.toml");
    assert!(world.answered(&procurement, &world.listed));
    let codes = crate::forged::codes(4_000);
    let (input, out) = (write_codes(&world.federation, "all.csv", &codes), world.file("out.csv"));
    let batch = world.federation.spawn_batch(&[
        "check",
        "--batch",
        &input,
        "--out",
        &out,
        "--list",
        LIST,
        "--purpose",
        PURPOSE,
        "--case",
        "T-2",
        "--officer",
        "o-1",
        "--yes",
        "--config",
        &procurement,
    ]);
    world.federation.wait_for_rows(&out, 50);
    let bundle = world.file("rotated.json");
    let rotated = world.tacit(&["member", "rotate", "--config", &procurement, "--out", &bundle]);
    let number = world.publish_with(&[&bundle]);
    world.wait_for_version(&procurement, number);
    end_batch(batch);
    let rows = read_result(std::path::Path::new(&out));
    assert_eq!((rows.answered.len(), rows.reasons), (codes.len(), Vec::new()));
    // It goes on with the new key, also after a restart.
    std::thread::sleep(Duration::from_secs(11));
    assert!(world.answered(&procurement, &world.listed));
    world.federation.kill("procurement");
    world.federation.start("procurement");
    assert!(world.answered(&procurement, &world.listed));
    let shown = world.federation.tacit(&["registry", "show", "--config", &procurement]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains(rotated["new_key"].as_str().unwrap()) && shown.contains("changed 1 times"),
        "{shown}"
    );
    // A second change takes the last one's key as the old one.
    world.tacit(&["member", "rotate", "--config", &procurement, "--out", &bundle]);
    let number = world.publish_with(&[&bundle]);
    world.wait_for_version(&procurement, number);
    std::thread::sleep(Duration::from_secs(11));
    assert!(world.answered(&procurement, &world.listed));
}

#[test]
fn a_restarted_member_goes_on_with_the_newest_version_it_knew_without_the_coordinator() {
    let mut world = World::start();
    let court = world.file("court.toml");
    let bundle = world.file("rotated.json");
    world.tacit(&["member", "rotate", "--config", &court, "--out", &bundle]);
    let number = world.publish_with(&[&bundle]);
    world.wait_for_version(&court, number);
    world.federation.kill("coordinator");
    world.federation.kill("court");
    world.federation.start("court");
    let status = world.tacit(&["registry", "status", "--config", &court]);
    assert_eq!(status["number"], number, "{status}");
    // The coordinator too: its file is still the first one.
    world.federation.start("coordinator");
    assert_eq!(world.number(), number);
    assert!(world.answered(&world.file("procurement.toml"), &world.listed));
}
