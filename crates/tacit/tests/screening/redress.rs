//! Notice, objection, decision and appeal by the commands that people use, and what they say to wrong input.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here is a failed test")]

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};

use super::support::Federation;

const LIST: &str = "court/judgment-defaulters";
/// How long until a letter has arrived.
const ARRIVES_BY: Duration = Duration::from_secs(60);

struct Scene {
    federation: Federation,
    code: String,
}

impl Scene {
    fn new() -> Self {
        let sample = include_str!("../../../federation/samples/procurement.toml");
        let id = format!("id = \"{LIST}\"\n");
        assert!(sample.contains(&id));
        let sample = sample.replacen(&id, &format!("{id}review_body = \"tax\"\n"), 1);
        let mut federation = Federation::found(&sample, &["--reading-ms", "1000"]);
        federation.start_all();
        let code = generate_uscc(&mut seeded_rng([9; 32]));
        let records = federation.file("records.csv");
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        fs::write(&records, format!("{head}\n{code},101,T-1,2026-01-10,,,\n")).unwrap();
        let scene = Self { federation, code };
        assert_eq!(scene.at("court", &["list", "import", LIST, &records])["imported"], 1);
        scene.at("portal", &["subject", "enroll", &scene.code]);
        scene
    }

    /// The last line of a command beside a member, or `null`.
    fn at(&self, member: &str, arguments: &[&str]) -> Value {
        let config = self.federation.file(&format!("{member}.toml"));
        self.federation.tacit_json(&[arguments, &["--config", &config]].concat())
    }

    /// Exit code, reason and words of a command that does not do what it was asked.
    fn refused(&self, member: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let config = self.federation.file(&format!("{member}.toml"));
        let done = self.federation.tacit(&[&["--json"], arguments, &["--config", &config]].concat());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let told = said.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let reason = told.and_then(|it| it["error"]["reason"].as_str().map(str::to_owned));
        let words = format!("{said}{}", String::from_utf8_lossy(&done.stderr));
        assert!(!words.contains(&self.code), "{words}");
        (done.status.code(), reason.unwrap_or_default(), words)
    }

    /// Waits until a command says this.
    fn until(&self, member: &str, arguments: &[&str], what: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + ARRIVES_BY;
        loop {
            let said = self.at(member, arguments);
            if what(&said) {
                return said;
            }
            assert!(Instant::now() < until, "{arguments:?}: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn a_listing_is_noticed_contested_appealed_and_removed_by_the_commands_of_people() {
    let scene = Scene::new();
    let code = scene.code.as_str();
    let sent = scene.at("court", &["notice", "send", LIST, "--due"]);
    assert_eq!((&sent["written"], &sent["logged"]), (&1.into(), &1.into()));
    assert_eq!(scene.at("court", &["notice", "list"])["kind"], "listing-notice");

    let filed = scene.at("portal", &["objection", "file", code, "--list", LIST, "--text", "I have paid."]);
    assert_eq!(filed["goes_to"], "court");
    let id = filed["objection"].as_str().unwrap();
    let queued = scene.until("court", &["objection", "list"], |it| !it.is_null());
    assert_eq!(
        (&queued["id"], &queued["state"], &queued["overdue"]),
        (&id.into(), &"open".into(), &false.into())
    );

    let words = ["--reasons", "The payment is proven.", "--by", "Judge Li"];
    let decide = |what: &'static str, outcome: &'static str| {
        [&[what, "decide", id, "--outcome", outcome][..], &words[..]].concat()
    };
    // What is wrong is refused, with its reason, and changes nothing.
    let appeal = ["objection", "appeal", code, "--objection", id, "--text", "It was paid."];
    let absent = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
    for (member, arguments, exit, reason, said) in [
        ("court", vec!["notice", "send", LIST], 2, "", "--due"),
        ("court", vec!["notice", "send", LIST, "--code", code], 1, "conflict", "notified already"),
        (
            "court",
            vec!["notice", "send", "tax/trusted-taxpayers", "--due"],
            1,
            "unknown_list",
            "another member",
        ),
        ("court", vec!["objection", "show", "1"], 2, "", "ULID"),
        ("court", vec!["objection", "show", absent], 1, "not_found", "no case of this id"),
        ("court", decide("objection", "maybe"), 2, "", "upheld, annulled, corrected"),
        ("court", decide("objection", "corrected"), 2, "malformed", "say what is corrected"),
        ("tax", decide("appeal", "annulled"), 1, "not_found", "no case of this id"),
        (
            "court",
            vec!["objection", "hand-in", LIST, code, "--text", "x"],
            1,
            "unknown_list",
            "the right door",
        ),
        ("portal", appeal.to_vec(), 1, "conflict", "decided yet"),
        ("portal", vec!["objection", "file", code, "--text", "x"], 2, "", "--notice"),
    ] {
        let (code, told, words) = scene.refused(member, &arguments);
        assert_eq!((code, told.as_str()), (Some(exit), reason), "{arguments:?}: {words}");
        assert!(words.contains(said), "{arguments:?}: {words}");
    }

    let decided = scene.at("court", &decide("objection", "upheld"));
    assert_eq!((&decided["state"], &decided["outcome"]), (&"decided".into(), &"upheld".into()));
    let status = ["objection", "status", code];
    scene.until("portal", &status, |it| it["objections"][0]["state"] == "decided");
    assert_eq!(scene.at("portal", &appeal)["goes_to"], "tax");
    scene.until("tax", &["appeal", "list"], |it| it["id"] == *id);
    assert_eq!(scene.at("tax", &decide("appeal", "annulled"))["outcome"], "annulled");
    let over = scene.until("portal", &status, |it| {
        it["letters"].as_array().unwrap().iter().any(|letter| letter["kind"] == "removal")
    });
    assert_eq!(over["objections"][0]["state"], "reviewed");
    let shown = scene.at("court", &["objection", "show", id]);
    assert_eq!((&shown["state"], &shown["outcome"]), (&"reviewed".into(), &"annulled".into()));
    assert_eq!(scene.at("court", &["objection", "list"]), Value::Null, "nothing is left to be done");
    assert_eq!(scene.at("court", &["objection", "list", "--over"])["id"], *id);

    // Without --json, words.
    let config = scene.federation.file("court.toml");
    let done = scene.federation.tacit(&["objection", "list", "--config", &config]);
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "There are none.");
}

#[test]
fn a_favorable_list_is_joined_and_left_by_the_commands_of_people() {
    const TRUSTED: &str = "tax/trusted-taxpayers";
    let scene = Scene::new();
    let code = scene.code.as_str();
    let records = scene.federation.file("trusted.csv");
    let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
    fs::write(&records, format!("{head}\n{code},301,A-1,2026-01-10,,,\n")).unwrap();
    scene.at("tax", &["list", "import", TRUSTED, &records]);
    let show = ["list", "show", TRUSTED, "--code", code];
    assert_eq!(scene.at("tax", &show)["standing"], "not_consented");
    let joined = scene.at("portal", &["subject", "join", code, "--list", TRUSTED]);
    assert_eq!((&joined["goes_to"], &joined["list"]), (&"tax".into(), &TRUSTED.into()));
    let listed = scene.until("tax", &show, |it| it["standing"] == "listed");
    assert!(!listed["record"]["consented_on"].as_str().unwrap().is_empty());
    scene.at("portal", &["subject", "leave", code, "--list", TRUSTED]);
    scene.until("tax", &show, |it| it["standing"] == "not_consented");
    for (arguments, exit, reason, said) in [
        (vec!["subject", "join", code, "--list", LIST], 1, "malformed", "nobody joins it"),
        (vec!["subject", "join", code, "--list", "tax/none"], 1, "unknown_list", "list"),
        (vec!["subject", "leave", code], 2, "", "--list"),
    ] {
        let (code, told, words) = scene.refused("portal", &arguments);
        assert_eq!((code, told.as_str()), (Some(exit), reason), "{arguments:?}: {words}");
        assert!(words.contains(said), "{arguments:?}: {words}");
    }
}
