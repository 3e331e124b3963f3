//! Files with every kind of broken row, through the real commands: each broken row is named by line and reason, the
//! others are taken, and a file that cannot be read at all changes nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: what fails here is a failed test")]

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};

use super::{LIST, batch_arguments, support::Federation, verified_kinds};

const HEADER: &str = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on,contested";
const DAYS: &str = "2025-01-10,2025-01-15,2025-02-20,2027-02-20";

fn started() -> (Federation, Vec<String>) {
    let mut federation = Federation::found(include_str!("../../../federation/samples/procurement.toml"), &[]);
    federation.start_all();
    let mut rng = seeded_rng([21; 32]);
    (federation, (0..12).map(|_| generate_uscc(&mut rng)).collect())
}

/// A code whose characters do not agree.
fn disagreeing(code: &str) -> String {
    format!("{}{}", &code[..17], if code.ends_with('1') { '2' } else { '1' })
}

/// A file, and the reason for each line that is broken.
#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    lines: u64,
    broken: BTreeMap<u64, &'static str>,
}

impl File {
    fn line(&mut self, bytes: impl AsRef<[u8]>, reason: &'static str) {
        self.bytes.extend_from_slice(bytes.as_ref());
        self.bytes.push(b'\n');
        self.lines += 1;
        if !reason.is_empty() {
            self.broken.insert(self.lines, reason);
        }
    }
}

/// Records in which the first two codes can be taken and nothing else.
fn broken_records(codes: &[String]) -> File {
    let mut file = File::default();
    file.line(format!("\u{feff}{HEADER}\r"), "");
    let good = |code: &str| format!("{code},101,No. 17,{DAYS},no");
    let with = |code: &str| good(code);
    let bad = &codes[2];
    file.line(format!("{}\r", good(&codes[0])), "");
    file.line(with(""), "code_invalid");
    file.line(with("12345"), "code_invalid");
    file.line(with(&disagreeing(bad)), "code_invalid");
    file.line(with(&format!("{}!{}", &bad[..2], &bad[3..])), "code_invalid");
    file.line(with("110105491231002"), "code_invalid");
    file.line(with(&"9".repeat(201)), "row_malformed");
    for (category, decision, days, contested, reason) in [
        ("", "d", DAYS, "", "row_malformed"),
        ("one", "d", DAYS, "", "row_malformed"),
        ("70000", "d", DAYS, "", "row_malformed"),
        ("9", "d", DAYS, "", "row_malformed"),
        ("101", "", DAYS, "", "row_malformed"),
        ("101", "a\tb", DAYS, "", "row_malformed"),
        ("101", "d", DAYS, "perhaps", "row_malformed"),
        ("101", "d", ",,,", "", "row_malformed"),
        ("101", "d", "2025-02-30,,,", "", "date_invalid"),
        ("101", "d", "2025-01-10,10.01.2025,,", "", "date_invalid"),
        ("101", "d", "2025-01-10,,20250120,", "", "date_invalid"),
        ("101", "d", "2025-01-10,,,1969-01-01", "", "date_invalid"),
        ("101", "d", "2025-01-10,2025-01-15,2025-02-20,2025-02-20", "", "date_invalid"),
    ] {
        file.line(format!("{bad},{category},{decision},{days},{contested}"), reason);
    }
    file.line(format!("{bad},101,{}", "y".repeat(100_000)), "row_malformed");
    file.line(format!("{bad},101"), "row_malformed");
    file.line(format!("{},more", good(bad)), "row_malformed");
    file.line(format!("{bad},101,\"open,{DAYS},"), "row_malformed");
    file.line(format!("{bad},101,\"a\"b,{DAYS},"), "row_malformed");
    file.line(
        [format!("{bad},101,").as_bytes(), b"\xff\xfe", format!(",{DAYS},").as_bytes()].concat(),
        "row_malformed",
    );
    file.line("\0\0\0", "row_malformed");
    file.line("", "");
    file.line(good(&codes[0]), "subject_repeated");
    file.line(format!("{},101,\"No. 18, as \"\"corrected\"\"\",{DAYS},yes", codes[1]), "");
    // The last line has no end.
    file.line(good(&codes[1]), "subject_repeated");
    file.bytes.pop();
    file
}

/// Line and reason of each rejected row of `--rejects`.
fn rejects(path: &str) -> BTreeMap<u64, String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| (row[0].parse().unwrap(), row[1].to_owned())).collect()
}

#[test]
fn every_broken_row_of_an_import_is_named_and_the_others_are_listed() {
    let (federation, codes) = started();
    let court = federation.file("court.toml");
    let file = broken_records(&codes);
    let (path, named) = (federation.file("records.csv"), federation.file("rejects.csv"));
    fs::write(&path, &file.bytes).unwrap();

    let report =
        federation.tacit_json(&["list", "import", LIST, &path, "--rejects", &named, "--config", &court]);
    assert_eq!(
        (&report["imported"], &report["rejected"], &report["blank"]),
        (&json!(2), &json!(file.broken.len()), &json!(1))
    );
    let expected: BTreeMap<u64, String> =
        file.broken.iter().map(|(line, reason)| (*line, (*reason).to_owned())).collect();
    let told: BTreeMap<u64, String> = report["rejections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["reason"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(rejects(&named), expected);
    let words = format!("{report}{}", fs::read_to_string(&named).unwrap());
    assert!(codes.iter().all(|code| !words.contains(code.as_str())), "no report repeats a code");
    assert_eq!(records(&federation), 2);

    // The same again changes nothing; a file without a usable header is not begun.
    let again = federation.tacit_json(&["list", "import", LIST, &path, "--config", &court]);
    assert_eq!(
        (&again["imported"], &again["changed"], &again["unchanged"]),
        (&json!(0), &json!(0), &json!(2))
    );
    let good = format!("{},101,No. 17,{DAYS},no\n", codes[4]);
    for (header, list, reason, exit) in [
        ("".to_owned(), LIST, "malformed", 1),
        ("code,category\n".to_owned(), LIST, "malformed", 1),
        (HEADER.replace("category", "kategorie") + "\n", LIST, "malformed", 1),
        (HEADER.replace(',', ";") + "\n", LIST, "malformed", 1),
        (HEADER.replace("decision_ref", "code") + "\n", LIST, "malformed", 1),
        ("\u{0}\u{1}\u{2}\n".to_owned(), LIST, "malformed", 1),
        (HEADER.to_owned() + "\n", "court/nothing", "unknown_list", 1),
        (HEADER.to_owned() + "\n", "tax/serious-violations", "unknown_list", 1),
    ] {
        let text = if header.is_empty() { header.clone() } else { format!("{header}{good}") };
        fs::write(&path, text).unwrap();
        let done = federation.tacit(&["--json", "list", "import", list, &path, "--config", &court]);
        assert_eq!(
            (done.status.code(), reason_of(&done.stdout).as_str()),
            (Some(exit), reason),
            "{header:?} {list}"
        );
    }
    let gone =
        federation.tacit(&["--json", "list", "import", LIST, &federation.file("no.csv"), "--config", &court]);
    assert_eq!(gone.status.code(), Some(2));
    assert_eq!(records(&federation), 2, "nothing of a refused file was taken");
    assert_no_panic(&federation);
}

/// Records of the list, as `list show` counts them.
fn records(federation: &Federation) -> u64 {
    let shown = federation.tacit_json(&["list", "show", LIST, "--config", &federation.file("court.toml")]);
    let of = |state: &str| shown[state].as_u64().unwrap_or_else(|| panic!("{shown}"));
    of("active") + of("contested")
}

/// The reason in what a failed command says.
fn reason_of(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    let said = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let said = said.unwrap_or_else(|| panic!("no JSON: {text}"));
    said["error"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {said}")).to_owned()
}

fn assert_no_panic(federation: &Federation) {
    for member in ["coordinator", "custodian", "court", "tax", "procurement"] {
        let log = fs::read_to_string(federation.file(&format!("logs/{member}"))).unwrap();
        assert!(!log.contains("panicked"), "{member}: {log}");
    }
}

/// Answer and reason of each line of a result; a line stands once.
fn result(path: &str) -> BTreeMap<u64, (String, String)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (line, answer, reason) = (at("line"), at("answer"), at("reason"));
    let mut rows = BTreeMap::new();
    for row in reader.records().map(|row| row.unwrap()) {
        let place = rows.insert(row[line].parse().unwrap(), (row[answer].to_owned(), row[reason].to_owned()));
        assert!(place.is_none(), "line {} stands twice", &row[line]);
    }
    rows
}

#[test]
fn every_broken_row_of_a_batch_is_named_and_the_others_are_answered() {
    let (federation, codes) = started();
    let court = federation.file("court.toml");
    let records = super::write_records(&federation, &codes[..2]);
    federation.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
    federation.tacit_json(&["list", "seal", LIST, "--config", &court]);

    let mut file = File::default();
    let mut answers = BTreeMap::new();
    file.line("\u{feff}name,code\r", "");
    for (place, code) in codes[..6].iter().enumerate() {
        // As people type: quoted, in small letters, with spaces.
        let typed = match place {
            3 => format!("x,\"{code}\"\r"),
            4 => format!("\"a, \"\"b\"\"\", {} ", code.to_lowercase()),
            _ => format!("x,{code}"),
        };
        file.line(typed, "");
        answers.insert(file.lines, if place < 2 { "listed" } else { "not_listed" });
    }
    let bad = &codes[8];
    file.line("x,", "code_invalid");
    file.line("x,12345", "code_invalid");
    file.line(format!("x,{}", disagreeing(bad)), "code_invalid");
    file.line(format!("x,{}!{}", &bad[..2], &bad[3..]), "code_invalid");
    file.line("x,110105491231002", "code_invalid");
    file.line(format!("x,{}", "9".repeat(300)), "code_invalid");
    file.line("x,=1+1", "code_invalid");
    file.line("x,\u{202e}\u{0}", "code_invalid");
    file.line("", "");
    file.line(bad, "row_malformed");
    file.line(format!("x,{bad},more"), "row_malformed");
    file.line(format!("\"x,{bad}"), "row_malformed");
    file.line(format!("\"x\"y,{bad}"), "row_malformed");
    file.line([b"\xff\xfe,", bad.as_bytes()].concat(), "row_malformed");
    file.line(format!("{},{bad}", "x".repeat(70_000)), "row_malformed");
    // A subject that stands in the file again is asked again.
    file.line(format!("x,{}", codes[0]), "");
    answers.insert(file.lines, "listed");
    let (input, out) = (federation.file("in.csv"), federation.file("out.csv"));
    fs::write(&input, &file.bytes).unwrap();
    let config = federation.file("procurement.toml");
    let arguments = batch_arguments(&input, &out, &config);

    let done = federation.tacit_json(&arguments);
    let expected: BTreeMap<u64, (String, String)> = answers
        .iter()
        .map(|(line, answer)| (*line, ((*answer).to_owned(), String::new())))
        .chain(file.broken.iter().map(|(line, reason)| (*line, ("invalid".to_owned(), (*reason).to_owned()))))
        .collect();
    assert_eq!(result(&out), expected);
    assert_eq!((&done["rows"], &done["invalid"]), (&json!(expected.len()), &json!(file.broken.len())));
    assert_eq!(verified_kinds(&federation)["access"], answers.len(), "what is broken is never asked");

    // The same again has nothing left to ask, and says the same.
    let again = federation.tacit_json(&arguments);
    assert_eq!((&again["rows"], &again["done_before"]), (&json!(expected.len()), &json!(expected.len())));
    assert_eq!(result(&out), expected);

    // What cannot be asked at all leaves no result behind.
    let out = federation.file("none.csv");
    for (text, change, exit, reason) in [
        ("", ("", ""), 2, None),
        ("name,kode\nx,y\n", ("", ""), 2, None),
        ("\"code\nx\n", ("", ""), 2, None),
        ("\u{0}\u{1}\nx\n", (LIST, "court/nothing"), 1, Some("unknown_list")),
        ("code\nx\n", (LIST, "court/nothing"), 1, Some("unknown_list")),
        ("code\nx\n", ("screening", "curiosity"), 1, Some("unknown_purpose")),
        ("code\nx\n", ("SCREEN-2026-1", " "), 1, Some("case_required")),
    ] {
        fs::write(&input, text).unwrap();
        let mut arguments = vec!["--json"];
        arguments.extend(batch_arguments(&input, &out, &config));
        for argument in &mut arguments {
            if *argument == change.0 {
                *argument = change.1;
            }
        }
        let done = federation.tacit(&arguments);
        assert_eq!(
            done.status.code(),
            Some(exit),
            "{text:?} {change:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        if let Some(reason) = reason {
            assert_eq!(reason_of(&done.stdout), reason, "{change:?}");
        }
        for left in [out.clone(), format!("{out}.journal"), format!("{out}.new")] {
            assert!(!Path::new(&left).exists(), "{text:?} {change:?} left {left}");
        }
    }
    assert_eq!(verified_kinds(&federation)["access"], answers.len());
    assert_no_panic(&federation);
}
