//! Everything that agencies, subjects and auditors do, with codes, cases and officers in every right and wrong place.

#![expect(clippy::unwrap_used, reason = "test support: what goes wrong here ends the test")]

use std::fs;

use serde_json::Value;

use super::scene::{CASE, OFFICER, PURPOSE, Scene, Subjects};

const CONSENT_LIST: &str = "tax/serious-violations";

/// All of it.
pub(crate) fn all_of_it(scene: &Scene) {
    for it in &scene.subjects {
        publish(scene, it);
    }
    let asked: Vec<String> = scene.subjects.iter().map(|it| questions(scene, it)).collect();
    batch(scene);
    refused(scene);
    consents(scene);
    receipts(scene, &asked[0]);
    log(scene);
    doctors(scene);
}

/// Commands that find nobody.
pub(crate) fn with_nobody_there(scene: &Scene) {
    let it = &scene.subjects[0];
    let (code, portal) = (&it.listed[1], scene.config("portal"));
    let show = ["consent", "show", "--code", code, "--requester", "procurement", "--config", &portal];
    scene.ends(4, &show);
    scene.ends(4, &check(scene, &it.unlisted[1], it.list, PURPOSE, &[]).words());
    // Without going to look for anybody, which takes its time.
    scene.run(&["doctor", "--offline", &scene.file("federation")]);
}

/// A question on the command line.
struct Check(Vec<String>);

impl Check {
    fn words(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

fn check(scene: &Scene, code: &str, list: &str, purpose: &str, more: &[&str]) -> Check {
    let config = scene.config("procurement");
    let words = [
        "check",
        code,
        "--list",
        list,
        "--purpose",
        purpose,
        "--case",
        CASE,
        "--officer",
        OFFICER,
        "--config",
        &config,
    ];
    Check(words.iter().chain(more).map(|word| (*word).to_owned()).collect())
}

fn publish(scene: &Scene, it: &Subjects) {
    let config = scene.config(it.holder);
    let (list, records) = (it.list, scene.records("records.csv", &it.listed));
    scene.ends(0, &["list", "import", list, &records, "--config", &config]);
    // Rows that cannot be taken.
    let mut broken = [&it.mistyped[..], &it.listed[..1], &it.listed[..1]].concat();
    broken.push(format!("\"{}", it.unlisted[0]));
    let broken = scene.records("broken.csv", &broken);
    let rejects = scene.file(&format!("said/rejects-{}.csv", it.scheme));
    scene.ends(0, &["list", "import", list, &broken, "--rejects", &rejects, "--config", &config]);
    scene.ends(0, &["--json", "list", "import", list, &broken, "--config", &config]);
    scene.ends(0, &["list", "seal", list, "--config", &config]);
    for code in [&it.listed[0], &it.unlisted[0], &it.mistyped[0], &it.mistyped[1]] {
        let done = if code == &it.listed[0] { 0 } else { 1 };
        scene.ends(done, &["list", "show", list, "--code", code, "--config", &config]);
        scene.ends(done, &["--json", "list", "contest", list, code, "--config", &config]);
    }
    scene.ends(0, &["list", "remove", list, &it.listed[2], "--reason", "fulfilled", "--config", &config]);
    scene.ends(0, &["list", "show", "--config", &config]);
}

/// Gives the record of the first answer.
fn questions(scene: &Scene, it: &Subjects) -> String {
    let mut first = None;
    for code in it.listed.iter().chain(&it.unlisted) {
        let said = scene.ends(0, &check(scene, code, it.list, PURPOSE, &["--json"]).words());
        let told: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        first.get_or_insert_with(|| told["answers"][0]["record"].as_str().unwrap().to_owned());
        scene.ends(0, &check(scene, &code.to_lowercase(), it.list, PURPOSE, &[]).words());
    }
    for code in &it.mistyped {
        scene.ends(1, &check(scene, code, it.list, PURPOSE, &[]).words());
        scene.ends(1, &check(scene, code, it.list, PURPOSE, &["--json"]).words());
    }
    // What stands in the wrong place of the command line.
    let code = &it.unlisted[0];
    scene.fails(&check(scene, code, it.list, PURPOSE, &[code]).words());
    scene.fails(&check(scene, code, it.list, code, &[]).words());
    scene.fails(&check(scene, code, code, PURPOSE, &[]).words());
    scene.fails(&check(scene, code, it.list, PURPOSE, &["--application", code]).words());
    scene.fails(&check(scene, code, it.list, PURPOSE, &["--scheme", code]).words());
    scene.fails(&[code, "check"]);
    scene.fails(&["list", "remove", it.list, code, "--reason", code, "--config", &scene.config(it.holder)]);
    scene.fails(&["consent", "withdraw", code, "--config", &scene.config("portal")]);
    // A name that a list could have.
    let lower = code.to_lowercase();
    scene.fails(&check(scene, code, it.list, &lower, &[]).words());
    scene.fails(&check(scene, code, &format!("court/{lower}"), PURPOSE, &[]).words());
    first.unwrap()
}

fn batch(scene: &Scene) {
    let it = &scene.subjects[0];
    let mut text = "code\n".to_owned();
    for code in it.listed.iter().chain(&it.unlisted).chain(&it.mistyped) {
        text.push_str(&format!("{code}\n"));
    }
    // A code of another scheme, a row with too much in it, and one that never ends.
    text.push_str(&format!("{}\n{},x\n\"{}\n", scene.subjects[2].listed[0], it.listed[0], it.unlisted[1]));
    let input = scene.file("typed/batch.csv");
    fs::write(&input, text).unwrap();
    let (out, config) = (scene.file("mine/batch.csv"), scene.config("procurement"));
    let words = [
        "check",
        "--batch",
        &input,
        "--out",
        &out,
        "--list",
        it.list,
        "--purpose",
        PURPOSE,
        "--case",
        CASE,
        "--officer",
        OFFICER,
        "--yes",
        "--config",
        &config,
    ];
    scene.ends(0, &words);
    // Resumed: nothing is left to ask.
    scene.ends(0, &words);
}

fn refused(scene: &Scene) {
    let it = &scene.subjects[0];
    let code = &it.listed[0];
    let tax = scene.config("tax");
    scene.ends(0, &["list", "seal", CONSENT_LIST, "--config", &tax]);
    for (purpose, list) in
        [("debt-collection", it.list), ("vendor-selection", CONSENT_LIST), (PURPOSE, "tax/entities")]
    {
        let done = if list == "tax/entities" { 1 } else { 3 };
        scene.ends(done, &check(scene, code, list, purpose, &[]).words());
        scene.ends(done, &check(scene, code, list, purpose, &["--json"]).words());
    }
}

fn consents(scene: &Scene) {
    let it = &scene.subjects[0];
    let (code, config) = (&it.unlisted[0], scene.config("portal"));
    let grant = |code: &str, done: i32| {
        scene.ends(
            done,
            &[
                "--json",
                "consent",
                "grant",
                code,
                "--requester",
                "procurement",
                "--list",
                CONSENT_LIST,
                "--purpose",
                "vendor-selection",
                "--config",
                &config,
            ],
        )
    };
    for code in &it.mistyped {
        grant(code, 1);
    }
    let granted: Value = serde_json::from_str(grant(code, 0).lines().last().unwrap()).unwrap();
    let id = granted["consent"].as_str().unwrap();
    scene.ends(0, &check(scene, code, CONSENT_LIST, "vendor-selection", &[]).words());
    scene.ends(0, &["consent", "show", "--code", code, "--requester", "procurement", "--config", &config]);
    scene.ends(0, &["--json", "consent", "show", "--config", &config]);
    for word in ["pause", "resume", "withdraw"] {
        scene.ends(0, &["consent", word, id, "--config", &config]);
    }
    scene.ends(3, &check(scene, code, CONSENT_LIST, "vendor-selection", &[]).words());
    asked(scene, it);
    scene.ends(0, &["subject", "log", code, "--config", &config]);
    scene.ends(0, &["subject", "enroll", code, "--config", &config]);
    scene.ends(0, &["--json", "subject", "log", code, "--config", &config]);
    // Everything about one person, for that person.
    let out = scene.file("mine/subject-log.csv");
    scene.ends(0, &["subject", "log", code, "--csv", &out, "--config", &config]);
    // What the check answered is told to the person.
    scene.run_into(
        "mine/self-check",
        &["subject", "check", code, "--list", CONSENT_LIST, "--config", &config],
    );
    scene.ends(1, &["subject", "log", &it.mistyped[1], "--config", &config]);
    let erased = &it.unlisted[1];
    scene.ends(0, &["subject", "erase", erased, "--ground", "objection", "--yes", "--config", &config]);
}

/// A request for consent, refused and asked once more, allowed, and shown in a receipt.
fn asked(scene: &Scene, it: &Subjects) {
    let (node, portal) = (scene.config("procurement"), scene.config("portal"));
    let ask = |code: &str, done: i32| {
        let what =
            ["--json", "consent", "ask", code, "--list", CONSENT_LIST, "--purpose", "vendor-selection"];
        let how = ["--days", "30", "--frequency", "4 DAY", "--case", CASE, "--officer", OFFICER];
        scene.ends(done, &[&what[..], &how, &["--config", &node]].concat())
    };
    let code = &it.unlisted[0];
    for code in &it.mistyped {
        ask(code, 1);
    }
    let id = || {
        let told: Value = serde_json::from_str(ask(code, 0).lines().last().unwrap()).unwrap();
        told["consent"].as_str().unwrap().to_owned()
    };
    scene.ends(0, &["consent", "refuse", &id(), "--config", &portal]);
    let id = id();
    scene.ends(0, &["consent", "asked", code, "--config", &node]);
    scene.ends(1, &["consent", "asked", &it.mistyped[0], "--config", &node]);
    scene.ends(0, &["consent", "requests", code, "--requester", "procurement", "--config", &portal]);
    scene.ends(0, &["consent", "allow", &id, "--days", "10", "--config", &portal]);
    scene.ends(0, &["consent", "renew", &id, "--days", "20", "--config", &portal]);
    // It names the pseudonym, and is the subject's own.
    let out = scene.file("mine/consent");
    scene.ends(0, &["consent", "receipt", &id, "--out", &out, "--config", &portal]);
    scene.ends(0, &["consent", "receipt", "verify", &out, "--config", &node]);
}

fn receipts(scene: &Scene, record: &str) {
    let config = scene.config("procurement");
    // What an agency is told about its own questions is its own.
    scene.run_into("mine/receipts", &["receipt", "list", "--case", CASE, "--config", &config]);
    let out = scene.file("mine/receipt");
    scene.ends(0, &["receipt", "export", record, "--out", &out, "--config", &config]);
    scene.run_into("mine/verified", &["receipt", "verify", &out, "--config", &config]);
    scene.ends(
        1,
        &["receipt", "verify", &out, "--about", &scene.subjects[0].unlisted[0], "--config", &config],
    );
    scene.ends(2, &["receipt", "show", &scene.subjects[0].unlisted[0], "--config", &config]);
    // One that was cut off, and one that holds a code and nothing else.
    let (whole, damaged) = (fs::read(&out).unwrap(), scene.file("typed/damaged"));
    for bytes in [&whole[..whole.len() / 2], scene.subjects[0].unlisted[0].as_bytes()] {
        fs::write(&damaged, bytes).unwrap();
        scene.ends(1, &["receipt", "verify", &damaged, "--config", &config]);
    }
}

fn log(scene: &Scene) {
    let config = scene.config("auditor-a");
    let (folder, csv, jsonl) =
        (scene.file("export"), scene.file("fetched/log.csv"), scene.file("fetched/log.jsonl"));
    scene.ends(0, &["log", "tail", "-n", "1000", "--config", &config]);
    scene.ends(0, &["--json", "log", "tail", "-n", "1000", "--config", &config]);
    scene.ends(
        0,
        &["log", "export", &folder, "--newest", "--csv", &csv, "--jsonl", &jsonl, "--config", &config],
    );
    scene.ends(0, &["log", "verify", &folder]);
    scene.ends(0, &["log", "verify", "--config", &config]);
    scene.ends(0, &["log", "years", "--config", &config]);
    scene.ends(0, &["log", "evidence", "show", "--config", &scene.config("court")]);
    let proof = scene.file("export/one.tlog-proof");
    scene.ends(0, &["log", "proof", "3", "--out", &proof, "--config", &config]);
    scene.ends(0, &["log", "show", "3", "--config", &config]);
    let code = &scene.subjects[0].unlisted[0];
    for command in ["show", "proof"] {
        let out: &[&str] = if command == "proof" { &["--out", &proof] } else { &[] };
        scene.fails(&[&["log", command, code, "--config", &config], out].concat());
    }
    scene.fails(&["log", "tail", "--kind", code, "--config", &config]);
}

fn doctors(scene: &Scene) {
    let folder = scene.file("federation");
    scene.run(&["doctor", &folder]);
    scene.run(&["--json", "doctor", &folder]);
    for (member, _) in crate::support::ROLES {
        scene.run(&["db", "status", "--config", &scene.config(member)]);
    }
}
