//! An auditor's day, with the program that people run and a whole federation at work: what a requester does wrong is
//! found, and nothing is seen without a record of it.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod alias;
mod desk;
mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use tacit_federation::sample::SampleAgreement;
use tacit_ledger::record::Record;
use tacit_testkit::Options;

use support::{LIST, Scene, Watching, tacit, tacit_json, tacit_lines};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_found_by_what_they_name_and_a_cursor_stays_while_the_log_grows() {
    let scene = Scene::new().await;
    let config = scene.config("auditor-a");
    scene.ask(6).await;
    scene.cosigned().await;
    let search = |more: &[&str]| {
        let mut all = vec!["audit", "search", "--config", &config];
        all.extend(more);
        tacit_lines(&all)
    };
    let mut of_kind = search(&["--kind", "access", "--requester", "procurement", "--list", LIST]);
    assert_eq!(of_kind.pop().unwrap()["found"], 6);
    assert!(of_kind.iter().all(|it| it["kind"] == "access" && it["purpose"] == "screening"));
    assert_eq!(search(&["--outcome", "permitted", "--holder", "tax"]).pop().unwrap()["found"], 0);
    // Page by page, with more records between the pages: nothing twice, nothing left out.
    let first = search(&["--kind", "access", "-n", "4"]);
    let cursor = first.last().unwrap()["cursor"].to_string();
    scene.ask_from(6, 3).await;
    scene.cosigned().await;
    let second = search(&["--kind", "access", "--from", &cursor]);
    let pages = first.iter().chain(&second).filter(|it| it["kind"] == "access");
    let pages: Vec<u64> = pages.map(|it| it["index"].as_u64().unwrap()).collect();
    let whole = search(&["--kind", "access"]);
    let whole: Vec<u64> = whole.iter().filter_map(|it| it["index"].as_u64()).collect();
    assert_eq!((pages.len(), &pages), (9, &whole));
    // The same cursor gives the same records, however long the log is.
    assert_eq!(search(&["--kind", "access", "-n", "4"])[..4], first[..4]);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pseudonym_is_followed_with_exact_reasons_and_each_reading_is_on_record() {
    let scene = Scene::new().await;
    let config = scene.config("auditor-a");
    // One by one: the questions of a batch come in no order.
    scene.ask(1).await;
    scene.ask_from(1, 1).await;
    scene.ask_from(0, 1).await;
    // Refused: no agreement covers it.
    scene.refused(0).await;
    scene.cosigned().await;
    let before = scene.records("audit").len();
    let asked = scene.records("access");
    let followed = tacit_lines(&["audit", "follow", asked[0]["id"].as_str().unwrap(), "--config", &config]);
    let end = followed.last().unwrap();
    assert_eq!((&end["records"], &end["proven"]), (&3.into(), &true.into()), "{followed:?}");
    let kinds: Vec<&str> = followed.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, ["access", "access", "refused"]);
    assert_eq!(followed[0]["exact"], "");
    // The requester heard one word, the auditor reads the exact one, and the rule.
    assert_eq!(followed[2]["reason"], "not_permitted");
    assert_ne!(followed[2]["exact"], followed[2]["reason"]);
    assert!(!followed[2]["rules"].as_array().unwrap().is_empty());
    scene.cosigned().await;
    let reads = scene.records("audit");
    assert_eq!(reads.len(), before + 1);
    let read = reads.last().unwrap();
    assert_eq!((&read["reader"], &read["pseudonyms"]), (&"auditor-a".into(), &1.into()));
    // Another record of no check has no pseudonym.
    let manifest = scene.records("manifest")[0]["index"].to_string();
    let failed = tacit(&["audit", "follow", &manifest, "--config", &config]);
    assert_eq!(failed.status.code(), Some(1));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_box_is_opened_by_two_people_and_by_no_one_alone() {
    let scene = Scene::new().await;
    scene.ask(1).await;
    scene.cosigned().await;
    let about = scene.records("access")[0]["index"].to_string();
    let (first, second) = (scene.config("auditor-a"), scene.config("auditor-b"));
    let (key_a, key_b) = (scene.key("auditor-a"), scene.key("auditor-b"));
    let request = |config: &str, key: &str| {
        let ground = ["--ground", "sample of November"];
        let all =
            ["audit", "open", "request", &about, ground[0], ground[1], "--key", key, "--config", config];
        tacit(&[&["--json"], &all[..]].concat())
    };
    // The holder of the second key does not ask, and nobody asks with another's key.
    assert_eq!(support::reason(&request(&second, &key_b)), "not_permitted");
    assert_eq!(support::reason(&request(&first, &key_b)), "signature_invalid");
    let opening = support::json(&request(&first, &key_a));
    // The same request again is the same opening.
    assert_eq!(support::json(&request(&first, &key_a)), opening);
    let id = opening["opening"].as_str().unwrap();
    let read = || tacit(&["--json", "audit", "open", "read", id, "--config", &first]);
    let approve = |config: &str, key: &str| {
        tacit(&["--json", "audit", "open", "approve", id, "--key", key, "--config", config])
    };
    // One person alone: reads nothing, and cannot approve, with neither key.
    assert_eq!(support::reason(&read()), "not_permitted");
    for key in [&key_a, &key_b] {
        assert_eq!(support::reason(&approve(&first, key)), "not_permitted");
    }
    assert_eq!(support::reason(&approve(&second, &key_a)), "signature_invalid");
    assert!(approve(&second, &key_b).status.success());
    // The same approval again gets the same record.
    assert!(approve(&second, &key_b).status.success());
    // The second one sees nothing of what the first one opens.
    let by_second = tacit(&["--json", "audit", "open", "read", id, "--config", &second]);
    assert_eq!(support::reason(&by_second), "not_permitted");
    let opened = support::json(&read());
    assert_eq!((&opened["code"], &opened["case"]), (&scene.code(0).into(), &"T-1".into()));
    assert_eq!(opened["findings"], Value::Array(Vec::new()));
    assert!(read().status.success());
    scene.cosigned().await;
    let steps = scene.records("box-opened");
    let words: Vec<&str> = steps.iter().filter_map(|it| it["step"].as_str()).collect();
    assert_eq!(words, ["requested", "approved", "read"]);
    for step in &steps {
        assert_eq!((&step["auditor"], &step["second"]), (&"auditor-a".into(), &"auditor-b".into()));
        assert_eq!(step["registration"], steps[0]["registration"]);
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_enrollment_is_found_when_its_box_is_opened() {
    let scene = Scene::new().await;
    // The record says what it is about by nobody's name; the box claims another subject than was enrolled.
    let index = alias::ask(&scene.federation, scene.code(0), scene.code(1)).await;
    scene.ask(1).await;
    scene.cosigned().await;
    let opened = scene.open_box(&index.to_string());
    let found = support::json_of(&opened);
    assert_eq!(opened.status.code(), Some(1), "{found}");
    assert_eq!(found["code"], scene.code(1));
    assert!(found["findings"][0].as_str().unwrap().starts_with("alias enrollment"), "{found}");
    let config = scene.config("auditor-a");
    let kept = tacit_json(&["audit", "findings", "list", "--config", &config]);
    let finding = &kept["findings"][0];
    assert_eq!((&finding["kind"], &finding["member"]), (&"alias".into(), &"procurement".into()));
    assert!(!kept.to_string().contains(scene.code(1)), "findings name no code");
    let id = finding["id"].as_str().unwrap();
    let set = ["audit", "findings", "set", id, "answered", "--note", "explained", "--config", &config];
    assert_eq!(tacit_json(&set)["status"], "answered");
    let open = tacit_json(&["audit", "findings", "list", "--status", "open", "--config", &config]);
    assert_eq!(open["findings"], Value::Array(Vec::new()));
    // An honest enrollment beside it is none.
    let honest = scene.records("access")[0]["index"].to_string();
    assert!(scene.open_box(&honest).status.success());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_case_number_is_found_by_the_auditors_sample_and_silence_is_shown() {
    let mut scene = Scene::new().await;
    scene.ask(4).await;
    scene.ask_in("T-999", 4, 1).await;
    scene.cosigned().await;
    let config = scene.config("auditor-a");
    let sample = |seed: &str| {
        let all = ["audit", "sample", "--seed", seed, "-n", "5", "--kind", "access", "--config", &config];
        tacit_json(&all)["records"].clone()
    };
    assert_eq!(sample("a"), sample("a"));
    let drawn = sample("a");
    let drawn: Vec<String> = drawn.as_array().unwrap().iter().map(|it| it["index"].to_string()).collect();
    assert_eq!(drawn.len(), 5);
    let demand = |indexes: &[String], within: &str| {
        let mut all = vec!["audit", "case", "demand", "--within", within, "--config", &config];
        all.extend(indexes.iter().map(String::as_str));
        tacit_lines(&all)
    };
    demand(&drawn, "600");
    let cases = scene.write("cases.txt", "T-1\nT-2\n");
    let list = || tacit(&["--json", "audit", "case", "list", "--cases", &cases, "--config", &config]);
    let began = Instant::now();
    // The requester's node answers without anybody's doing.
    let judged = loop {
        let judged = support::json_of(&list());
        let all = judged["demands"].as_array().unwrap().clone();
        if all.iter().all(|it| it["state"] == "proven") {
            break all;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{judged}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let wrong: Vec<&Value> = judged.iter().filter(|it| !it["finding"].is_null()).collect();
    assert_eq!(wrong.len(), 1, "{judged:?}");
    assert_eq!((&wrong[0]["case"], &wrong[0]["officer"]), (&"T-999".into(), &"li".into()));
    assert_eq!(list().status.code(), Some(1));
    // Who does not answer is shown as overdue.
    scene.federation.stop("procurement").await.unwrap();
    demand(&drawn[..1], "1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let judged = support::json_of(&list());
    assert_eq!(judged["demands"][0]["state"], "overdue", "{judged}");
    scene.federation.restart("procurement").await.unwrap();
    let kept = tacit_json(&["audit", "findings", "list", "--config", &config]);
    let mut kinds: Vec<&str> =
        kept["findings"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["case", "overdue"]);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_shows_as_a_signal() {
    // Two agreements state 29 subjects together.
    let scene = Scene::with(Options::quick().change(|sample| {
        let sizes = [Some(20), Some(9)].into_iter().chain(std::iter::repeat(None));
        let of = |it: &&mut SampleAgreement| *it.requester == *"procurement";
        for (agreement, size) in sample.agreement.iter_mut().filter(of).zip(sizes) {
            agreement.size = size;
        }
    }))
    .await;
    scene.ask(30).await;
    scene.ask_from(0, 1).await;
    scene.cosigned().await;
    let config = scene.config("auditor-a");
    let signals = |usual: &[&str]| {
        let all = ["audit", "signals", "--repeats", "2", "--save", "--config", &config];
        let told = tacit_json(&[&all[..], usual].concat());
        let requesters = told["requesters"].as_array().unwrap().clone();
        requesters.into_iter().find(|it| it["requester"] == "procurement").unwrap()
    };
    let seen = signals(&[]);
    assert_eq!((&seen["checks"], &seen["subjects"]), (&31.into(), &30.into()), "{seen}");
    assert_eq!((&seen["most_of_one"], &seen["repeated"]), (&2.into(), &1.into()));
    let words = |seen: &Value| seen["signals"].to_string();
    assert!(words(&seen).contains("sweep") && words(&seen).contains("repeats"), "{seen}");
    assert!(!words(&seen).contains("miscounted"));
    assert!(!words(&signals(&["--usual", "30"])).contains("sweep"));
    let kept = tacit_json(&["audit", "findings", "list", "--config", &config]);
    assert!(kept.to_string().contains("30 subjects, 29 are usual"), "{kept}");
    // Counting is a reading too.
    scene.cosigned().await;
    assert_eq!(scene.records("audit").iter().filter(|it| it["reader"] == "auditor-a").count(), 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_honey_pseudonym_asked_about_raises_an_alarm_within_5_seconds() {
    let scene = Scene::new().await;
    let config = scene.config("auditor-a");
    let codes = scene.write("honey.txt", &format!("{}\n{}\n", scene.code(390), scene.code(391)));
    let make = ["audit", "honey", "make", &codes, "--scheme", "CN-USCC", "--requester", "procurement"];
    assert_eq!(tacit_json(&[&make[..], &["--config", &config]].concat())["made"], 2);
    let mut watching = Watching::begin(&["audit", "honey", "watch", "--once", "--config", &config]);
    assert_eq!(watching.next()["watching"], 2);
    scene.ask(3).await;
    let began = Instant::now();
    scene.ask_from(391, 1).await;
    let alarm = watching.next();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((&alarm["alarm"], &alarm["requester"]), (&"honey".into(), &"procurement".into()));
    watching.ends_with(1);
    // What the requester asked stays found out, and neither file names a code.
    let kept = tacit_json(&["audit", "findings", "list", "--config", &config]);
    assert_eq!(kept["findings"][0]["kind"], "honey");
    let folder = scene.federation.folder().join("data");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("auditor-a") {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(scene.code(391)), "{}", path.display());
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coverage_counts_agree_and_an_export_is_on_record_before_it_is_written() {
    let mut scene = Scene::new().await;
    scene.ask(5).await;
    let config = scene.config("auditor-a");
    // The custodian reports its counts every minute, and when it starts.
    let custodian = scene.federation.registry().custodian().to_string();
    scene.federation.restart(&custodian).await.unwrap();
    scene.cosigned().await;
    let covered = tacit_json(&["audit", "coverage", "--config", &config]);
    let of = |it: &&Value| it["requester"] == "procurement";
    let enrolled = covered["enrollments"].as_array().unwrap().iter().find(of).unwrap();
    assert_eq!((&enrolled["registered"], &enrolled["evaluated"]), (&5.into(), &5.into()), "{covered}");
    let witnesses = covered["witnesses"].as_u64().unwrap();
    let signed = covered["cosigned_by"].as_array().unwrap().len() as u64;
    assert_eq!(signed + covered["missing"].as_array().unwrap().len() as u64, witnesses);
    assert!(signed >= covered["quorum"].as_u64().unwrap(), "{covered}");
    for form in ["csv", "jsonl"] {
        let out = scene.path(&format!("records.{form}"));
        let all = ["audit", "export", "--out", &out, "--format", form, "--kind", "access"];
        let exported = tacit_json(&[&all[..], &["--config", &config]].concat());
        assert_eq!(exported["records"], 5);
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text.matches("screening").count(), 5);
        scene.cosigned().await;
        let record = scene.records("export").pop().unwrap();
        assert_eq!((&record["id"], &record["form"]), (&exported["record"], &form.into()));
        assert_eq!((&record["reader"], &record["records"]), (&"auditor-a".into(), &5.into()));
    }
    let none = tacit(&["audit", "export", "--out", "x", "--kind", "erasure", "--config", &config]);
    assert_eq!(none.status.code(), Some(1));
    assert!(Record::KINDS.contains(&"export"));
    scene.end().await;
}
