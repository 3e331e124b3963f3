//! Records under law, through the real commands: who found and who listed, nothing adverse about people under 18, and
//! removal for a reason of the catalogue only.

use std::fs;

use serde_json::json;

use super::{LIST, support::Federation};

const HEADER: &str =
    "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on,fact_finding_body";
const DAYS: &str = "2025-01-10,2025-01-15,2025-02-20,2027-02-20";

/// The worked example of GB 11643-1999, the number that it replaced, and a made-up one of somebody born in 2015.
const PERSON: &str = "11010519491231002X";
const BEFORE: &str = "110105491231002";
const CHILD: &str = "110105201503140026";

/// The sample, its court keeping a list of persons.
fn started() -> Federation {
    let sample = include_str!("../../../federation/samples/procurement.toml");
    let persons = sample.replacen("scheme = \"CN-USCC\"", "scheme = \"CN-RID\"", 1);
    let mut federation = Federation::found(&persons, &[]);
    federation.start_all();
    federation
}

#[test]
fn a_record_names_who_found_and_who_listed_and_ends_for_a_reason_of_the_catalogue_only() {
    let federation = started();
    let court = federation.file("court.toml");
    let (path, named) = (federation.file("records.csv"), federation.file("rejects.csv"));
    let import = |header: &str, rows: &[String]| {
        fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        federation.tacit_json(&["list", "import", LIST, &path, "--rejects", &named, "--config", &court])
    };
    let show = || federation.tacit_json(&["list", "show", LIST, "--code", PERSON, "--config", &court]);

    let both = format!("{HEADER},listing_body");
    let report = import(
        &both,
        &[
            format!("{BEFORE},101,No. 1,{DAYS},Bailiff's office,Second Chamber"),
            format!("{CHILD},101,No. 2,{DAYS},,"),
        ],
    );
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(report["reasons"], json!({ "subject_under_age": 1 }));
    let rejects = fs::read_to_string(&named).unwrap();
    assert!(rejects.contains("3,subject_under_age,") && rejects.contains("under 18"), "{rejects}");
    assert!(!rejects.contains(CHILD));
    let shown = show();
    assert_eq!(shown["record"]["fact_finding_body"], "Bailiff's office");
    assert_eq!(shown["record"]["listing_body"], "Second Chamber");

    // Nobody is named any more: the court itself listed, by its title in the registry.
    let report = import(&both, &[format!("{PERSON},101,No. 1,{DAYS},Bailiff's office,")]);
    assert_eq!(report["changed"], 1);
    let shown = show();
    let title = shown["record"]["listing_body"].as_str().unwrap();
    assert!(title.contains("court") || title.contains("Court"), "{title}");
    assert_eq!(shown["history"][0]["before"]["listing_body"], "Second Chamber");
    let people = federation.tacit(&["list", "show", LIST, "--code", BEFORE, "--config", &court]);
    let people = String::from_utf8(people.stdout).unwrap();
    assert!(people.contains(&format!("listed by: Second Chamber -> {title}")), "{people}");
    assert!(people.contains("Bailiff's office"), "{people}");

    for word in ["donation", "volunteering", "good-conduct"] {
        let refused = federation
            .tacit(&["list", "remove", LIST, PERSON, "--reason", word, "--by", "desk", "--config", &court]);
        assert!(!refused.status.success(), "{word}");
        let said =
            String::from_utf8(refused.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["fulfilled, expired, annulled, corrected", "good deeds elsewhere", "are none"] {
            assert!(said.contains(part), "{word}: {said}");
        }
        assert_eq!(show()["record"]["state"], "active", "{word}");
    }
    let remove =
        ["list", "remove", LIST, BEFORE, "--reason", "fulfilled", "--by", "desk", "--config", &court];
    assert_eq!(federation.tacit_json(&remove)["outcome"], "removed");
    let shown = show();
    assert_eq!((&shown["record"]["state"], &shown["standing"]), (&json!("removed"), &json!("removed")));
    assert_eq!(shown["history"][1]["reason"], "fulfilled");
}
