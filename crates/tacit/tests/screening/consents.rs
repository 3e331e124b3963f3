//! The story of a consent, by the commands that people use: asked for, allowed, counted, paused and refused meanwhile,
//! resumed, used up, withdrawn and refused; and all of it in the subject's log with its proofs, and in a receipt.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_store::conformance;

use super::support::{Federation, ROLES};

const LIST: &str = "tax/serious-violations";
const PURPOSE: &str = "vendor-selection";
/// How long until the authority, which reads every second here, has read everything.
const READ_BY: Duration = Duration::from_secs(60);

/// What a consent receipt says, in the words of ISO/IEC TS 27560 and of this product.
const FIELDS: [&str; 20] = [
    "@context",
    "@type",
    "authority",
    "consent_status",
    "dct:conformsTo",
    "events",
    "frequency",
    "language",
    "lawful_basis",
    "pii_controllers",
    "pii_information",
    "pii_principal_id",
    "privacy_notice",
    "proof",
    "purposes",
    "recipient_third_parties",
    "record_id",
    "schema_version",
    "validity_duration",
    "withdrawal_method",
];

#[test]
fn a_consent_is_asked_for_allowed_counted_paused_resumed_withdrawn_and_refused() {
    if conformance::on_postgres() {
        // The other test is for that.
        return;
    }
    told(|_, _| None);
}

#[test]
fn on_postgresql_a_consent_has_the_same_story() {
    if conformance::is_skipped(
        tacit_store::Dialect::Postgres,
        "the story of a consent: TACIT_TEST_POSTGRES names no server",
    ) {
        return;
    }
    told(|folder, member| Some(conformance::url(folder, member)));
}

struct Story {
    federation: Federation,
    code: String,
}

impl Story {
    fn config(&self, member: &str) -> String {
        self.federation.file(&format!("{member}.toml"))
    }

    /// Asks about the subject: exit code, and the reason of a refusal.
    fn check(&self) -> (Option<i32>, String) {
        let config = self.config("procurement");
        let arguments = [
            "--json",
            "check",
            &self.code,
            "--list",
            LIST,
            "--purpose",
            PURPOSE,
            "--case",
            "T-1",
            "--config",
            &config,
        ];
        let done = self.federation.tacit(&arguments);
        let said = String::from_utf8_lossy(&done.stdout);
        let told = said.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        (done.status.code(), told.map(|it| it["error"]["reason"].to_string()).unwrap_or_default())
    }

    fn is_answered(&self) {
        let (exit, said) = self.check();
        assert_eq!(exit, Some(0), "{said}");
    }

    fn is_refused(&self) {
        let (exit, reason) = self.check();
        assert_eq!((exit, reason.as_str()), (Some(3), "\"consent_required\""));
    }

    /// The authority acts.
    fn portal(&self, arguments: &[&str]) -> Value {
        let config = self.config("portal");
        self.federation.tacit_json(&[&["consent"], arguments, &["--config", &config]].concat())
    }

    /// All lines of a command.
    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let done = self.federation.tacit(&[&["--json"], arguments].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let out = String::from_utf8(done.stdout).unwrap();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The state of the one request, as the requester sees it.
    fn asked(&self) -> (String, u64) {
        let asked = self.lines(&["consent", "asked", &self.code, "--config", &self.config("procurement")]);
        assert_eq!(asked.len(), 1);
        (asked[0]["state"].as_str().unwrap().to_owned(), asked[0]["uses"].as_u64().unwrap())
    }
}

fn told(database: impl Fn(&Path, &str) -> Option<String>) {
    let mut federation = Federation::found(
        include_str!("../../../federation/samples/procurement.toml"),
        &["--reading-ms", "1000"],
    );
    for (member, _) in ROLES {
        let Some(url) = database(federation.folder(), member) else { continue };
        let config = federation.file(&format!("{member}.toml"));
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace(&format!("sqlite:data/{member}.db"), &url)).unwrap();
    }
    federation.start_all();
    let mut rng = seeded_rng([8; 32]);
    let (code, listed) = (generate_uscc(&mut rng), generate_uscc(&mut rng));
    let records = federation.file("records.csv");
    let csv = format!(
        "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n\
         {listed},201,T-1,2026-01-10,2026-01-15,2026-02-20,2027-01-20\n"
    );
    fs::write(&records, csv).unwrap();
    let tax = federation.file("tax.toml");
    assert_eq!(federation.tacit_json(&["list", "import", LIST, &records, "--config", &tax])["imported"], 1);
    federation.tacit_json(&["list", "seal", LIST, "--config", &tax]);
    let story = Story { federation, code };

    // Asked for.
    story.is_refused();
    let requester = story.config("procurement");
    let ask = ["consent", "ask", &story.code, "--list", LIST, "--purpose", PURPOSE, "--days", "30"];
    let asked =
        story.federation.tacit_json(&[&ask[..], &["--frequency", "4 DAY", "--config", &requester]].concat());
    let id = asked["consent"].as_str().unwrap().to_owned();
    story.is_refused();
    assert_eq!(story.asked(), ("requested".to_owned(), 0));

    // Allowed, less than was asked for.
    let waiting = story.lines(&[
        "consent",
        "requests",
        &story.code,
        "--requester",
        "procurement",
        "--config",
        &story.config("portal"),
    ]);
    assert_eq!((waiting.len(), waiting[0]["consent"].as_str()), (1, Some(id.as_str())));
    let portal = story.config("portal");
    let allow = ["consent", "allow", &id, "--config", &portal];
    let more = story.federation.tacit(&[&allow[..], &["--frequency", "5 DAY"]].concat());
    assert_eq!(more.status.code(), Some(1), "more than was asked for");
    let given = story.portal(&["allow", &id, "--frequency", "3 DAY"]);
    assert_eq!((&given["state"], &given["number"]), (&"given".into(), &1.into()));

    // Counted.
    story.is_answered();
    story.is_answered();
    let shown = story.portal(&["show", &id]);
    assert_eq!((&shown["uses"], &shown["frequency"]), (&2.into(), &"3 DAY".into()));
    assert_eq!(story.asked(), ("given".to_owned(), 2));

    // Paused, resumed, used up.
    story.portal(&["pause", &id]);
    story.is_refused();
    story.portal(&["resume", &id]);
    story.is_answered();
    story.is_refused();

    // Withdrawn, for ever.
    let withdrawn = story.portal(&["withdraw", &id]);
    assert_eq!(withdrawn["state"], "withdrawn");
    story.is_refused();
    assert_eq!(story.asked(), ("withdrawn".to_owned(), 3));
    for again in [&["resume", &id][..], &["allow", &id], &["renew", &id, "--days", "90"]] {
        let done = story.federation.tacit(&[&["consent"], again, &["--config", &portal]].concat());
        assert_eq!(done.status.code(), Some(1), "{again:?}");
    }

    the_subject_sees_all_of_it(&story);
    a_receipt_shows_it_and_holds(&story, &id);
}

fn the_subject_sees_all_of_it(story: &Story) {
    let portal = story.config("portal");
    story.federation.tacit_json(&["subject", "enroll", &story.code, "--config", &portal]);
    let until = Instant::now() + READ_BY;
    // The newest comes first, the reading's own words last.
    let (mut entries, reading) = loop {
        let mut log = story.lines(&["subject", "log", &story.code, "--config", &portal]);
        let reading = log.pop().unwrap();
        if log.first().is_some_and(|newest| newest["outcome"] == "refused" && log.len() >= 13) {
            break (log, reading);
        }
        assert!(Instant::now() < until, "{log:#?}\n{reading}");
        std::thread::sleep(Duration::from_millis(200));
    };
    entries.reverse();
    assert_eq!(reading["findings"], serde_json::json!([]));
    assert!(entries.iter().all(|entry| entry["proof"] == "verified" && entry["receiver"] == "procurement"));
    let seen: Vec<String> = entries
        .iter()
        .map(|entry| match entry["outcome"].as_str().unwrap() {
            "refused" => format!("refused: {}", entry["exact_reason"].as_str().unwrap()),
            other => other.trim_start_matches("consent_").to_owned(),
        })
        .collect();
    let due = [
        "refused: consent_missing",
        "requested",
        "refused: consent_missing",
        "given",
        "permitted",
        "permitted",
        "paused",
        "refused",
        "resumed",
        "permitted",
        "refused",
        "withdrawn",
        "refused",
    ];
    assert_eq!(seen.len(), due.len(), "{seen:#?}");
    for (seen, due) in seen.iter().zip(due) {
        assert!(seen.starts_with(due), "{seen} where {due} belongs");
    }
}

fn a_receipt_shows_it_and_holds(story: &Story, id: &str) {
    let file = story.federation.file("consent-receipt.json");
    let written = story.portal(&["receipt", id, "--out", &file]);
    assert_eq!((&written["holds"], &written["state"]), (&true.into(), &"withdrawn".into()));
    let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let mut names: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, FIELDS);
    assert_eq!(document["@type"], "dpv:ConsentRecord");
    assert_eq!(document["consent_status"], "dpv:ConsentWithdrawn");
    assert_eq!(document["purposes"][0]["@type"], "dpv:VendorSelectionAssessment");
    let states: Vec<&str> =
        document["events"].as_array().unwrap().iter().map(|it| it["event_type"].as_str().unwrap()).collect();
    assert_eq!(states, ["requested", "given", "paused", "resumed", "withdrawn"]);
    for event in document["events"].as_array().unwrap() {
        let mut names: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let due = [
            "entity_id",
            "event_number",
            "event_state",
            "event_time",
            "event_type",
            "log_index",
            "log_record_id",
        ];
        assert_eq!(names, due);
    }
    assert!(!document.to_string().contains(&story.code), "the receipt names the pseudonym, not the code");

    // Offline, with another member's keys; and not when anything in it was changed.
    let config = story.config("procurement");
    let verify = |path: &Path| {
        let arguments = ["consent", "receipt", "verify", path.to_str().unwrap(), "--config", &config];
        story.federation.tacit(&arguments).status.code()
    };
    assert_eq!(verify(Path::new(&file)), Some(0));
    let changed = PathBuf::from(story.federation.file("changed.json"));
    let text = fs::read_to_string(&file).unwrap();
    for (from, to) in [
        ("dpv:ConsentWithdrawn", "dpv:ConsentGiven"),
        ("\"value\": 3", "\"value\": 4"),
        ("frequency 3 DAY", "frequency 4 DAY"),
        ("\"number\": 4", "\"number\": 5"),
        ("state withdrawn", "state resumed"),
        ("\"language\": \"en\"", "\"language\": \"zh\""),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&changed, text.replace(from, to)).unwrap();
        assert_eq!(verify(&changed), Some(1), "{from} -> {to}");
    }
    // Without its last change it says less, and what it says is true: it is another document.
    let mut cut = document.clone();
    cut["proof"]["changes"].as_array_mut().unwrap().pop();
    fs::write(&changed, cut.to_string()).unwrap();
    assert_eq!(verify(&changed), Some(1), "the events say more than the proof");
}
