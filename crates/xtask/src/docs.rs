//! docs/PROTOCOL.md is true where a machine can tell: each numbered rule names a test, each named test exists where
//! it is said to be, and the table of reason codes says what the code says. The table of attacks in docs/SECURITY.md
//! has a row for each rule about an attack, with the tests of that rule.
//!
//! A rule begins with `**P7.**` at the start of a line and ends before the next rule or heading. Its tests stand at
//! its end, ``Test: `crate::file::function`.``, several joined by commas. `Test: none yet` is a warning, not a lie.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::{Error, read};
use crate::text::Report;

const DOCUMENT: &str = "docs/PROTOCOL.md";
const REASONS: &str = "crates/model/src/reason.rs";
const SECURITY: &str = "docs/SECURITY.md";
/// Heading of the rules about attacks, and of the table of them.
const ATTACKS_HEADING: &str = "## 13. Attacks that must fail";
const ATTACK_TABLE_HEADING: &str = "## Attacks that fail, and the tests that show it";
/// Heading of the table of reason codes.
const REASONS_HEADING: &str = "## Reason codes";

/// Test functions by crate and name, with the modules of the files where they stand (more than one is possible).
type Tests = BTreeMap<(String, String), Vec<String>>;

/// Compares the document with the crates.
pub(crate) fn check(root: &Path) -> Result<Report, Error> {
    let document = read(&root.join(DOCUMENT))?;
    let known = tests(root)?;
    let mut report = judge_rules(&document, &known);
    report.findings.extend(judge_attacks(&document, &read(&root.join(SECURITY))?, &known));
    report.findings.extend(judge_reasons(&document, &read(&root.join(REASONS))?));
    Ok(report)
}

/// One numbered rule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    number: u32,
    line: usize,
    text: String,
}

fn rules(document: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(document.lines()) {
        if let Some(number) = begins(text) {
            rules.push(Rule { number, line, text: String::new() });
            inside = true;
        } else if text.starts_with("## ") || text.starts_with("### ") {
            inside = false;
        }
        if let Some(rule) = rules.last_mut().filter(|_| inside) {
            rule.text.push_str(text.trim());
            rule.text.push(' ');
        }
    }
    rules
}

/// The number of a rule that begins on this line.
fn begins(line: &str) -> Option<u32> {
    line.strip_prefix("**P")?.split_once(".**")?.0.parse().ok()
}

impl Rule {
    /// The tests that it names; `None` when it says that there is none yet.
    fn tests(&self) -> Option<Vec<&str>> {
        if self.text.contains("Test: none yet") {
            return None;
        }
        let mut names = Vec::new();
        for part in self.text.split("Test: ").skip(1) {
            let mut rest = part;
            while let Some((name, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
                names.push(name);
                rest = after.strip_prefix(", ").unwrap_or_default();
            }
        }
        Some(names)
    }
}

fn judge_rules(document: &str, known: &Tests) -> Report {
    let mut report = Report::default();
    let mut last = 0;
    for rule in rules(document) {
        let place = format!("{DOCUMENT}:{}: P{}", rule.line, rule.number);
        if rule.number <= last {
            report.findings.push(format!("{place} comes after P{last}"));
        }
        last = rule.number;
        match rule.tests() {
            None => report.warnings.push(format!("{place} has no test yet")),
            Some(names) if names.is_empty() => report.findings.push(format!("{place} names no test")),
            Some(names) => report.findings.extend(
                names.into_iter().filter_map(|name| Some(format!("{place}: {}", misnamed(name, known)?))),
            ),
        }
    }
    report
}

/// The table of attacks has exactly one row for each rule of the section about them, in order, with exactly the tests
/// that the rule names.
fn judge_attacks(document: &str, security: &str, known: &Tests) -> Vec<String> {
    let section = section(document, ATTACKS_HEADING);
    let attacks = rules(&section);
    let table = self::section(security, ATTACK_TABLE_HEADING);
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| P")).collect();
    let mut findings = Vec::new();
    if attacks.is_empty() {
        findings.push(format!("{DOCUMENT} has no rule under {ATTACKS_HEADING:?}"));
    }
    for (place, attack) in attacks.iter().enumerate() {
        let name = format!("P{}", attack.number);
        let Some(row) = rows.get(place).filter(|row| row.starts_with(&format!("| {name} |"))) else {
            findings.push(format!("{SECURITY}: row {} of the table of attacks is not {name}", place + 1));
            continue;
        };
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        findings.extend(
            tests.iter().filter_map(|test| Some(format!("{SECURITY}: {name}: {}", misnamed(test, known)?))),
        );
        if attack.tests().unwrap_or_default() != tests {
            findings.push(format!("{SECURITY}: {name} does not name the tests of its rule in {DOCUMENT}"));
        }
    }
    if rows.len() > attacks.len() {
        findings.push(format!("{SECURITY}: the table of attacks has rows that are no rule of {DOCUMENT}"));
    }
    findings
}

/// What stands under a heading, up to the next one of its rank.
fn section(document: &str, heading: &str) -> String {
    let lines = document.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with("## ")).flat_map(|line| [line, "\n"]).collect()
}

/// What is wrong with the name of a test.
fn misnamed(name: &str, known: &Tests) -> Option<String> {
    let parts: Vec<&str> = name.split("::").collect();
    let [crate_name, modules @ .., function] = parts.as_slice() else {
        return Some(format!("{name} is not crate::file::function"));
    };
    match known.get(&((*crate_name).to_owned(), (*function).to_owned())) {
        None => Some(format!("there is no test {function} in crates/{crate_name}")),
        Some(places) if places.contains(&modules.join("::")) => None,
        Some(places) => {
            let there: Vec<String> = places
                .iter()
                .map(|place| [crate_name, place.as_str(), function].join("::").replace("::::", "::"))
                .collect();
            Some(format!("{name} is now {}", there.join(" or ")))
        }
    }
}

/// Every test function of every crate.
fn tests(root: &Path) -> Result<Tests, Error> {
    let mut tests = Tests::new();
    for (path, source) in rust_files(&root.join("crates"))? {
        let Ok(inside) = path.strip_prefix(root.join("crates")) else { continue };
        let parts: Vec<String> =
            inside.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let [crate_name, kind, modules @ ..] = parts.as_slice() else { continue };
        if kind != "src" && kind != "tests" {
            continue;
        }
        let modules: Vec<&str> = modules
            .iter()
            .map(String::as_str)
            .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
            .collect();
        for function in test_functions(&source) {
            let place = tests.entry((crate_name.clone(), function)).or_default();
            place.push(modules.join("::"));
        }
    }
    Ok(tests)
}

fn rust_files(folder: &Path) -> Result<Vec<(std::path::PathBuf, String)>, Error> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = read(&path)?;
            found.push((path, source));
        }
    }
    Ok(found)
}

/// Names of functions under `#[test]`, `#[tokio::test]` and their like.
fn test_functions(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") && (line.contains("[test") || line.contains("::test")) {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
            if is_test {
                let name = rest.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next();
                found.extend(name.map(ToOwned::to_owned));
            }
            is_test = false;
        }
    }
    found
}

/// The rows of the table must be exactly those that the reason codes give, in their order.
fn judge_reasons(document: &str, source: &str) -> Vec<String> {
    let expected = match reason_rows(source) {
        Ok(rows) => rows,
        Err(line) => return vec![format!("{REASONS}:{line}: a reason is not written as the others are")],
    };
    let table = document.split_once(REASONS_HEADING).map(|(_, after)| after).unwrap_or_default();
    let found: Vec<&str> = table
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| `"))
        .collect();
    let mut findings: Vec<String> = expected
        .iter()
        .filter(|row| !found.contains(&row.as_str()))
        .map(|row| format!("{DOCUMENT}: {REASONS_HEADING} lacks this row: {row}"))
        .collect();
    findings.extend(
        found
            .iter()
            .filter(|row| !expected.iter().any(|due| due == *row))
            .map(|row| format!("{DOCUMENT}: {REASONS_HEADING} has a row that the code does not give: {row}")),
    );
    if findings.is_empty() && found != expected {
        findings.push(format!("{DOCUMENT}: {REASONS_HEADING} is not in the order of {REASONS}"));
    }
    findings
}

/// One row of the table for each reason: code, fault, whether trying again may help, meaning and advice.
fn reason_rows(source: &str) -> Result<Vec<String>, usize> {
    let mut lines = (1..)
        .zip(source.lines())
        .skip_while(|(_, line)| *line != "reasons! {")
        .skip(1)
        .take_while(|(_, line)| *line != "}")
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut rows = Vec::new();
    while let Some((number, head)) = lines.next() {
        let mut text = || lines.next().and_then(|(_, line)| quoted(line)).ok_or(number);
        let [_, code, fault, again] = head.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(number);
        };
        let code = quoted(code).ok_or(number)?;
        let again = if again == "true" { "yes" } else { "no" };
        let (meaning, advice) = (text()?, text()?);
        rows.push(format!("| `{code}` | {} | {again} | {meaning} {advice} |", fault.to_lowercase()));
    }
    Ok(rows)
}

/// The text of a string literal that is alone on its line, but for a semicolon.
fn quoted(line: &str) -> Option<&str> {
    line.trim().trim_end_matches(';').strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Tests {
        let at = |module: &str| vec![module.to_owned()];
        Tests::from([
            (("blind".to_owned(), "a_promise".to_owned()), at("table::seal")),
            (("blind".to_owned(), "a_root_promise".to_owned()), at("")),
        ])
    }

    fn judged(document: &str) -> (usize, usize) {
        let report = judge_rules(document, &known());
        (report.findings.len(), report.warnings.len())
    }

    #[test]
    fn a_rule_that_names_its_tests_is_accepted() {
        let document = "# Title\n\n**P1.** Words.\n\n    code\n\nTest: `blind::table::seal::a_promise`,\n\
            `blind::a_root_promise`.\n## Next\n**P4.** More. Test: `blind::a_root_promise`.\n";
        assert_eq!(judged(document), (0, 0));
        assert_eq!(rules(document).len(), 2);
        assert_eq!(rules(document)[0].tests().map(|names| names.len()), Some(2));
    }

    #[test]
    fn a_rule_without_a_test_or_with_one_that_does_not_exist_is_found() {
        assert_eq!(judged("**P1.** Words."), (1, 0));
        assert_eq!(judged("**P1.** Words. Test: `blind::table::seal::another_promise`."), (1, 0));
        assert_eq!(judged("**P1.** Words. Test: `ledger::table::seal::a_promise`."), (1, 0));
        assert_eq!(judged("**P1.** Words. Test: none yet."), (0, 1));
    }

    #[test]
    fn a_test_that_moved_is_named_with_its_new_place() {
        let report = judge_rules("**P1.** Test: `blind::seal::a_promise`.", &known());
        assert!(
            report.findings[0].ends_with("is now blind::table::seal::a_promise"),
            "{:?}",
            report.findings
        );
        let report = judge_rules("**P1.** Test: `blind::seal::a_root_promise`.", &known());
        assert!(report.findings[0].ends_with("is now blind::a_root_promise"), "{:?}", report.findings);
    }

    #[test]
    fn every_attack_has_its_row_with_the_tests_of_its_rule() {
        let document = format!(
            "{ATTACKS_HEADING}\n\n**P7.** One. Test: `blind::a_root_promise`.\n\n\
             **P8.** Two.\nTest: `blind::table::seal::a_promise`,\n`blind::a_root_promise`.\n## Next\n"
        );
        let judged = |rows: &[&str]| {
            let security = format!("{ATTACK_TABLE_HEADING}\n\n{}\n## Next\n| P9 |\n", rows.join("\n"));
            judge_attacks(&document, &security, &known()).len()
        };
        let one = "| P7 | One | it | `blind::a_root_promise` |";
        let two = "| P8 | Two | `it` | `blind::table::seal::a_promise`, `blind::a_root_promise` |";
        assert_eq!(judged(&[one, two]), 0);
        assert_eq!(judged(&[one]), 1);
        assert_eq!(judged(&[two, one]), 2);
        assert_eq!(judged(&[one, two, two]), 1);
        assert_eq!(judged(&[one, "| P8 | Two | it | `blind::a_root_promise` |"]), 1);
        // A test that does not exist is found, and is not the rule's.
        assert_eq!(judged(&["| P7 | One | it | `blind::gone` |", two]), 2);
        assert_eq!(judge_attacks("", "", &known()).len(), 1);
    }

    #[test]
    fn numbers_of_rules_rise() {
        let rule = |number: u32| format!("**P{number}.** Test: `blind::a_root_promise`.\n");
        assert_eq!(judged(&[rule(1), rule(3)].concat()), (0, 0));
        assert_eq!(judged(&[rule(3), rule(3)].concat()), (1, 0));
        assert_eq!(judged(&[rule(3), rule(2)].concat()), (1, 0));
    }

    #[test]
    fn tests_of_every_kind_are_seen_and_helpers_are_not() {
        let source = "fn helper() {}\n#[test]\nfn one() {}\n    #[tokio::test(flavor = \"multi_thread\")]\n    \
            #[expect(x, reason = \"y\")]\n    async fn two() {}\nasync fn helper_two() {}\nproptest! {\n#[test]\n\
            fn three(x in 0..4) {}\n}\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(test_functions(source), ["one", "two", "three"]);
    }

    const SOURCE: &str = "x\nreasons! {\n    // Words.\n    NotFound \"not_found\" Caller false\n        \"It is not here; look.\"\n        \"Check.\";\n    Late \"late\" Us true\n        \"Late.\"\n        \"Wait.\";\n}\ny\n";

    #[test]
    fn the_table_of_reasons_has_exactly_the_rows_of_the_code() {
        let rows = reason_rows(SOURCE).unwrap();
        assert_eq!(rows[0], "| `not_found` | caller | no | It is not here; look. Check. |");
        assert_eq!(rows[1], "| `late` | us | yes | Late. Wait. |");
        let table = |rows: &[&str]| {
            format!("| `else` |\n{REASONS_HEADING}\n\n{}\n## Next\n| `else` |\n", rows.join("\n"))
        };
        assert!(judge_reasons(&table(&[&rows[0], &rows[1]]), SOURCE).is_empty());
        assert_eq!(judge_reasons(&table(&[&rows[1], &rows[0]]), SOURCE).len(), 1);
        assert_eq!(judge_reasons(&table(&[&rows[0]]), SOURCE).len(), 1);
        assert_eq!(judge_reasons(&table(&[&rows[0], &rows[1], "| `old` | us | no | x |"]), SOURCE).len(), 1);
        assert_eq!(
            judge_reasons("", "reasons! {\n    Odd\n}\n"),
            [format!("{REASONS}:2: a reason is not written as the others are")]
        );
    }

    #[test]
    fn the_reasons_of_the_product_can_be_read() {
        let source = read(&crate::root().join(REASONS)).unwrap();
        assert!(reason_rows(&source).unwrap().len() > 50);
    }
}
