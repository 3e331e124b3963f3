//! Rules on the text of every file that git tracks or would track.
//!
//! The patterns are put together with `concat!`, so that this file does not break its own rules.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::command::{Error, output};
use crate::proto;

/// Files longer than this are reported, not refused.
const LONG_FILE_LINES: usize = 500;

/// Never in a Rust file. Tests may not be switched off either: a test that cannot run says so aloud and passes on.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("#[", "allow("), "want #[expect(lint, reason = \"...\")]"),
    (concat!("#![", "allow("), "want #![expect(lint, reason = \"...\")]"),
    (concat!("to", "do!("), "unfinished code"),
    (concat!("unimple", "mented!("), "unfinished code"),
    (concat!("#[", "ignore"), "a switched-off test"),
];

/// Where build machines keep checkouts and homes; as the start of an absolute path, never in any file.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/work", "space/"),
    concat!("/bui", "lds/"),
];

/// Data that tests may use when it lies beside a checkout, and nothing else may name.
const BESIDE: &str = concat!("..", "/shared");

const KEY_BEGIN: &str = concat!("BEG", "IN ");
const KEY_END: &str = concat!("PRIVATE", " KEY");

/// Signs of SQL in Rust code: each row is a set of words that stand on one line.
const SQL: &[&[&str]] = &[
    &[concat!("sqlx", "::query")],
    &[concat!("sqlx", "::raw_sql")],
    &[concat!("\"SEL", "ECT ")],
    &[concat!("SEL", "ECT "), concat!(" FR", "OM ")],
    &[concat!("INSERT ", "INTO ")],
    &[concat!("DELETE ", "FROM ")],
    &[concat!("UPD", "ATE "), concat!(" SE", "T ")],
    &[concat!("CREATE ", "TABLE ")],
    &[concat!("CREATE ", "INDEX ")],
    &[concat!("ALTER ", "TABLE ")],
    &[concat!("DROP ", "TABLE ")],
    &[concat!("\"PRA", "GMA ")],
];

/// The only registry host a lock file may name; most name none.
const NPM_REGISTRY: &str = "https://registry.npmjs.org/";

/// What the rules found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Broken rules.
    pub(crate) findings: Vec<String>,
    /// Worth a look.
    pub(crate) warnings: Vec<String>,
}

/// Reads every file once and applies all rules to it.
pub(crate) fn check(root: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    for path in files(root)? {
        let full = root.join(&path);
        match std::fs::read(&full) {
            // Rules are about text; a file that is not UTF-8 is an image or an archive.
            Ok(bytes) => {
                if let Ok(source) = str::from_utf8(&bytes) {
                    judge(&path, source, &mut report);
                }
            }
            // Deleted but not yet committed, or a link to a folder.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
            Err(source) => return Err(Error::Read { path: full, source }),
        }
    }
    Ok(report)
}

/// Tracked and new files, without ignored ones, as paths from the root.
fn files(root: &Path) -> Result<Vec<String>, Error> {
    let mut git = Command::new("git");
    // A checkout owned by another user (a container's mount) is read all the same.
    git.args(["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let listed = output({
        git.current_dir(root);
        git
    })?;
    Ok(String::from_utf8_lossy(&listed)
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(ToOwned::to_owned)
        .collect())
}

fn judge(path: &str, source: &str, report: &mut Report) {
    let rust = path.ends_with(".rs");
    let sql_allowed = !rust || is_store(path);
    // From the first `#[cfg(test)]` on, a file is taken to be tests: they stand at its end.
    let mut in_tests = is_test_file(path);
    for (number, line) in (1..).zip(source.lines()) {
        let mut found = |what: &str| report.findings.push(format!("{path}:{number}: {what}"));
        if rust {
            in_tests |= line.trim_start().starts_with("#[cfg(test)]");
            for (pattern, why) in UNFINISHED {
                if line.contains(pattern) {
                    found(&format!("{pattern}: {why}"));
                }
            }
            if !sql_allowed && !in_tests && is_sql(line) {
                found("SQL outside crates/store and a role's src/store");
            }
        }
        if line.find(KEY_BEGIN).is_some_and(|at| line[at..].contains(KEY_END)) {
            found("a private key");
        }
        if let Some(pattern) = MACHINE_PATHS.iter().find(|pattern| holds_path(line, pattern)) {
            found(&format!("a path of a build machine ({pattern})"));
        }
        if !in_tests && line.contains(BESIDE) {
            found(&format!("{BESIDE} outside tests"));
        }
        if path.ends_with("package-lock.json")
            && let Some((_, host)) = line.split_once("\"resolved\": \"")
            && !host.starts_with(NPM_REGISTRY)
        {
            found("a lock file that names a registry of one machine");
        }
    }
    if path.ends_with(".proto") {
        report.findings.extend(proto::check(path, source));
    }
    let lines = source.lines().count();
    if rust && lines > LONG_FILE_LINES {
        report.warnings.push(format!("{path} has {lines} lines; over {LONG_FILE_LINES} it wants parting"));
    }
}

/// `crates/store`, and `src/store.rs` or `src/store/` of a role and of desk.
fn is_store(path: &str) -> bool {
    path.starts_with("crates/store/")
        || ["desk", "node", "coordinator", "custodian", "authority", "portal"].iter().any(|role| {
            path.strip_prefix("crates/")
                .and_then(|path| path.strip_prefix(role))
                .and_then(|path| path.strip_prefix("/src/store"))
                .is_some_and(|path| path.starts_with('/') || path == ".rs")
        })
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.starts_with("crates/testkit/")
}

fn is_sql(line: &str) -> bool {
    !line.trim_start().starts_with("//")
        && SQL.iter().any(|words| words.iter().all(|word| line.contains(word)))
}

/// Whether `line` holds `pattern` as the start of an absolute path, not inside a relative path or an address.
fn holds_path(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(path: &str, source: &str) -> Report {
        let mut report = Report::default();
        judge(path, source, &mut report);
        report
    }

    fn findings(path: &str, source: &str) -> usize {
        report(path, source).findings.len()
    }

    #[test]
    fn unfinished_or_silenced_rust_is_found() {
        for pattern in [
            concat!("#[", "allow(dead_code)]"),
            concat!("#![", "allow(missing_docs)]"),
            concat!("    to", "do!()"),
            concat!("unimple", "mented!()"),
            concat!("#[", "ignore = \"slow\"]"),
        ] {
            assert_eq!(findings("crates/node/src/lib.rs", pattern), 1, "{pattern}");
            assert_eq!(findings("docs/STYLE.md", pattern), 0, "{pattern}");
        }
        assert_eq!(findings("crates/node/src/lib.rs", "#[expect(dead_code, reason = \"kept for x\")]"), 0);
    }

    #[test]
    fn sql_stands_only_in_the_stores() {
        let statements = [
            concat!("\"SEL", "ECT index FR", "OM records\""),
            concat!("INSERT ", "INTO records VALUES ($1)"),
            concat!("UPD", "ATE log_head SE", "T size = $1"),
            concat!("sqlx", "::query(TEXT)"),
        ];
        for statement in statements {
            assert_eq!(findings("crates/node/src/gateway.rs", statement), 1, "{statement}");
            assert_eq!(findings("crates/tacit/src/demo.rs", statement), 1, "{statement}");
            assert_eq!(findings("crates/node/src/storefront.rs", statement), 1, "{statement}");
            for allowed in [
                "crates/store/src/log.rs",
                "crates/node/src/store/lists.rs",
                "crates/node/src/store.rs",
                "crates/tacit/tests/canary.rs",
                "migrations/node/sqlite/0001_lists.sql",
            ] {
                assert_eq!(findings(allowed, statement), 0, "{allowed}: {statement}");
            }
            let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ const Q: &str = {statement:?}; }}");
            assert_eq!(findings("crates/node/src/gateway.rs", &tested), 0);
        }
        assert_eq!(
            findings("crates/node/src/gateway.rs", "// SELECT a case FROM the desk, then UPDATE it."),
            0
        );
        assert_eq!(findings("crates/node/src/gateway.rs", "let select = from.update(set);"), 0);
    }

    #[test]
    fn private_keys_are_found_in_every_file() {
        for kind in ["", "EC ", "RSA ", "ENCRYPTED "] {
            let armor = format!("-----{KEY_BEGIN}{kind}{KEY_END}-----");
            assert_eq!(findings("certs/README.md", &armor), 1);
            assert_eq!(findings("crates/identity/tests/data/server.txt", &armor), 1);
        }
        assert_eq!(findings("certs/ca.txt", "-----BEGIN CERTIFICATE-----"), 0);
    }

    #[test]
    fn paths_of_build_machines_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(findings("README.md", &format!("see {path}main/README.md")), 1, "{path}");
            assert_eq!(findings("crates/node/src/lib.rs", &format!("\"{path}x\"")), 1, "{path}");
            assert_eq!(
                findings("README.md", &format!("docs{path}x and https://example.org{path}x")),
                0,
                "{path}"
            );
        }
    }

    #[test]
    fn data_beside_the_checkout_is_named_only_by_tests() {
        let line = format!("let data = \"{BESIDE}/data\";");
        assert_eq!(findings("crates/node/src/lib.rs", &line), 1);
        assert_eq!(findings("README.md", &line), 1);
        assert_eq!(findings("crates/model/tests/codes.rs", &line), 0);
        assert_eq!(
            findings("crates/model/src/codes.rs", &format!("#[cfg(test)]\nmod tests {{ {line} }}")),
            0
        );
    }

    #[test]
    fn a_lock_file_names_no_registry_of_one_machine() {
        let entry = |host: &str| format!("      \"resolved\": \"{host}buf/-/buf-1.0.0.tgz\",");
        assert_eq!(findings("package-lock.json", &entry("http://10.0.0.1:4873/")), 1);
        assert_eq!(findings("package-lock.json", &entry(NPM_REGISTRY)), 0);
    }

    #[test]
    fn a_long_file_is_a_warning() {
        let long = "// line\n".repeat(LONG_FILE_LINES + 1);
        let long = report("crates/node/src/lib.rs", &long);
        assert_eq!((long.findings.len(), long.warnings.len()), (0, 1));
    }

    #[test]
    fn an_uncommented_field_is_found() {
        assert_eq!(
            findings("proto/tacit/holder/v1/holder.proto", "// M.\nmessage M {\n  bytes a = 1;\n}\n"),
            1
        );
    }

    #[test]
    fn new_files_are_read_and_ignored_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let git = Command::new("git").arg("init").arg("--quiet").current_dir(folder.path()).status().unwrap();
        assert!(git.success());
        let unfinished = concat!("fn f() { to", "do!() }");
        std::fs::write(folder.path().join(".gitignore"), "ignored.rs\n").unwrap();
        std::fs::write(folder.path().join("ignored.rs"), unfinished).unwrap();
        std::fs::write(folder.path().join("new.rs"), unfinished).unwrap();
        std::fs::write(folder.path().join("image.png"), [0xff, 0xd8, 0xff]).unwrap();
        let report = check(folder.path()).unwrap();
        assert_eq!(report.findings.len(), 1);
        assert!(report.findings[0].starts_with("new.rs:1:"));
    }
}
