//! Running the tests: with nextest where it is installed, else with `cargo test`; documentation tests always with
//! `cargo test --doc`. What passes by prints as it comes, and one tally ends the run.
//!
//! A test that lacks what it needs prints a line that begins with `SKIPPED:` and passes. Such lines are shown and
//! counted, while the rest of what passing tests print is not.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{Error, cargo};
use crate::{needs, portal, postgres, python};

/// How a test says that it could not run here.
pub(crate) const SKIPPED: &str = "SKIPPED:";

/// Names the PostgreSQL server that the tests of [`POSTGRES_PACKAGES`] run on, in the place of SQLite.
pub(crate) const ON_POSTGRES: &str = "TACIT_TEST_POSTGRES";
const POSTGRES_PACKAGES: [&str; 5] =
    ["tacit-store", "tacit-coordinator", "tacit-custodian", "tacit-node", "tacit-authority"];

/// What came out of one or more runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Of the passed: tests that said they could not run here.
    pub(crate) skipped: u64,
    /// A run ended badly for another reason than a failed test: it did not compile, or it was stopped.
    pub(crate) broken: bool,
}

impl Tally {
    /// Whether everything passed, and there was something to pass.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0 && !self.broken
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.broken |= other.broken;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.broken {
            writeln!(f, "a run did not finish; the reason is above")?;
        }
        if self.skipped > 0 {
            writeln!(
                f,
                "{} of the passed could not run here (the lines above that begin with {SKIPPED})",
                self.skipped
            )?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// All tests of the workspace, on SQLite; then those of the store and of the roles on PostgreSQL.
pub(crate) fn test(root: &Path) -> Result<Tally, Error> {
    // A server of the caller's own, or one for this run.
    let given = std::env::var(ON_POSTGRES).ok().filter(|url| !url.is_empty());
    let server = if given.is_some() {
        None
    } else {
        postgres::Server::start()
            .inspect_err(|error| println!("{SKIPPED} nothing is tested on PostgreSQL: {error}"))
            .ok()
    };
    let url = given.or_else(|| server.as_ref().map(postgres::Server::url));
    let environment = python::environment(root);
    needs::strace();
    // Before the tests of the workspace, for some of them drive the browser too.
    let browser = portal::prepare(root);
    let mut command = cargo(root);
    command.envs(environment.iter().cloned());
    match url {
        // Empty: the tests need not say that they are not on PostgreSQL, for they will be.
        Some(_) => command.env(ON_POSTGRES, ""),
        None => command.env_remove(ON_POSTGRES),
    };
    let mut tally = run_tests(root, command, "all()", &["--workspace"])?;
    if let Some(url) = url {
        println!("the same on PostgreSQL: {}", POSTGRES_PACKAGES.join(", "));
        // Of the whole program, what has its own databases there: the tests that say so in their names.
        let mut command = cargo(root);
        command.env(ON_POSTGRES, &url);
        let of_program = ["--package", "tacit-tacit", "on_postgresql"];
        tally.add(run_tests(root, command, "package(=tacit-tacit) & test(on_postgresql)", &of_program)?);
        let mut command = cargo(root);
        command.envs(environment).env(ON_POSTGRES, url);
        let packages: Vec<&str> = POSTGRES_PACKAGES.iter().flat_map(|name| ["--package", name]).collect();
        let filter = POSTGRES_PACKAGES.map(|name| format!("package(={name})")).join(" + ");
        tally.add(run_tests(root, command, &filter, &packages)?);
    }
    drop(server);
    let mut command = cargo(root);
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    tally.add(libtest(command)?);
    if browser {
        tally.add(portal::test(root)?);
    }
    Ok(tally)
}

/// Some tests: with nextest, where it is, those of the filter, else those that `cargo test` takes by these arguments. The
/// filter chooses among what was built for the whole workspace; naming packages builds all they need once more, with
/// other features.
fn run_tests(root: &Path, mut command: Command, filter: &str, arguments: &[&str]) -> Result<Tally, Error> {
    if has_nextest(root) {
        command.args(["nextest", "run", "--workspace", "-E", filter]);
        nextest(command)
    } else {
        command.arg("test").args(arguments).args(["--tests", "--no-fail-fast"]);
        command.args(["--", "--show-output"]);
        libtest(command)
    }
}

fn has_nextest(root: &Path) -> bool {
    let mut probe = cargo(root);
    probe.args(["nextest", "--version"]);
    needs::answers(probe)
}

/// Runs nextest, which writes everything to standard error.
fn nextest(mut command: Command) -> Result<Tally, Error> {
    command.args(["--color", "never", "--no-fail-fast", "--no-tests", "pass"]);
    command.args(["--status-level", "pass", "--success-output", "immediate", "--failure-output", "final"]);
    command.stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::start(&command, source))?;
    let mut reader = Nextest::default();
    follow(child.stderr.take(), |line| reader.line(line));
    let status = child.wait().map_err(|source| Error::start(&command, source))?;
    let mut tally = reader.tally;
    tally.broken = !reader.ended || (!status.success() && tally.failed == 0);
    Ok(tally)
}

/// Runs `cargo test`, whose results come on standard output.
fn libtest(mut command: Command) -> Result<Tally, Error> {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::start(&command, source))?;
    let mut tally = Tally::default();
    follow(child.stdout.take(), |line| {
        tally.add(libtest_line(line));
        true
    });
    let status = child.wait().map_err(|source| Error::start(&command, source))?;
    tally.broken = !status.success() && tally.failed == 0;
    Ok(tally)
}

/// Hands each line to `see`, and prints it when that says so.
pub(crate) fn follow(stream: Option<impl Read>, mut see: impl FnMut(&str) -> bool) {
    let Some(stream) = stream else { return };
    for line in BufReader::new(stream).split(b'\n') {
        // A stream that breaks off has ended; the exit status tells the rest.
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        if see(&line) {
            println!("{line}");
        }
    }
}

/// Reads nextest's output: compiling, then one line for each test with the output of those that passed, then the
/// summary with the output of those that failed.
#[derive(Default)]
struct Nextest {
    tally: Tally,
    /// Inside what a passing test printed.
    in_output: bool,
    /// After the summary line.
    ended: bool,
}

impl Nextest {
    /// Takes one line, and says whether to show it.
    fn line(&mut self, line: &str) -> bool {
        let skipped = line.trim_start().starts_with(SKIPPED);
        self.tally.skipped += u64::from(skipped && !self.ended);
        if let Some((passed, failed)) = summary(line) {
            (self.tally.passed, self.tally.failed) = (passed, failed);
            (self.in_output, self.ended) = (false, true);
        } else if self.ended {
            return true;
        } else if line.starts_with("  stdout ─") || line.starts_with("  stderr ─") {
            self.in_output = true;
        } else if is_status(line) {
            self.in_output = false;
        }
        !self.in_output || skipped
    }
}

/// `     Summary [   0.132s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped` gives passed and failed;
/// whatever ran and did not pass (timed out, could not start) has failed.
fn summary(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.trim_start().strip_prefix("Summary [")?.split_once("] ")?;
    let (run, outcomes) = rest.split_once(" run: ")?;
    // `10 tests`, or `3/10 tests` when the run was stopped.
    let run: u64 = run.split(['/', ' ']).next()?.parse().ok()?;
    let passed: u64 = outcomes.split_once(" passed").map_or(Some(0), |(count, _)| count.parse().ok())?;
    Some((passed, run.saturating_sub(passed)))
}

/// `        PASS [   0.012s] (1/3) crate tests::name`, and the like for `FAIL`, `SLOW`, `SIGKILL`, `TRY 1 FAIL`.
fn is_status(line: &str) -> bool {
    let Some((status, rest)) = line.split_once(" [") else { return false };
    line.starts_with("    ")
        && status.trim_start().starts_with(|c: char| c.is_ascii_uppercase())
        && status.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, ' ' | '-'))
        && rest.trim_start_matches([' ', '>']).starts_with(|c: char| c.is_ascii_digit())
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; ...`, or a skipped test.
fn libtest_line(line: &str) -> Tally {
    let mut tally = Tally { skipped: u64::from(line.starts_with(SKIPPED)), ..Tally::default() };
    if let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) {
        for part in counts.split("; ") {
            match part.split_once(' ') {
                Some((count, "passed")) => tally.passed = count.parse().unwrap_or(0),
                Some((count, "failed")) => tally.failed = count.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXTEST: &str = "\
   Compiling tacit-model v0.1.0
    Starting 3 tests across 1 binary
        PASS [   0.012s] (1/3) tacit-model codes::reads_the_register
  stdout ────

    running 1 test
    noise
    test codes::reads_the_register ... ok

  stderr ────
    SKIPPED: the register is not here

        PASS [   0.008s] (2/3) tacit-model codes::c
  stdout ────

    running 1 test

        FAIL [   0.130s] (3/3) tacit-model codes::b
────────────
     Summary [   0.132s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped
        FAIL [   0.130s] (3/3) tacit-model codes::b
  stdout ────
    why it failed
error: test run failed";

    #[test]
    fn nextest_is_counted_and_only_the_noise_is_hidden() {
        let mut reader = Nextest::default();
        let shown: Vec<&str> = NEXTEST.lines().filter(|line| reader.line(line)).map(str::trim).collect();
        assert_eq!(reader.tally, Tally { passed: 2, failed: 1, skipped: 1, broken: false });
        assert!(reader.ended);
        assert!(shown.contains(&"SKIPPED: the register is not here"));
        assert!(shown.contains(&"why it failed"));
        assert!(shown.contains(&"FAIL [   0.130s] (3/3) tacit-model codes::b"));
        assert!(!shown.contains(&"noise") && !shown.contains(&"running 1 test"));
    }

    #[test]
    fn a_test_that_timed_out_or_never_ran_to_its_end_has_failed() {
        assert_eq!(
            summary("     Summary [  60.1s] 5 tests run: 3 passed, 1 failed, 1 timed out, 0 skipped"),
            Some((3, 2))
        );
        assert_eq!(
            summary("     Summary [  60.1s] 4/9 tests run: 3 passed, 1 failed, 0 skipped"),
            Some((3, 1))
        );
        assert_eq!(summary("     Summary [   0.1s] 1 test run: 1 passed, 0 skipped"), Some((1, 0)));
        assert_eq!(summary("    Finished `test` profile"), None);
    }

    #[test]
    fn cargo_test_is_counted_over_all_binaries() {
        let mut tally = Tally::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "SKIPPED: the register is not here",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.09s",
        ] {
            tally.add(libtest_line(line));
        }
        assert_eq!(tally, Tally { passed: 14, failed: 1, skipped: 1, broken: false });
        assert!(!tally.is_good());
    }

    #[test]
    fn nothing_run_or_a_broken_run_is_not_good() {
        assert!(!Tally::default().is_good());
        assert!(!Tally { passed: 3, broken: true, ..Tally::default() }.is_good());
        assert!(Tally { passed: 3, ..Tally::default() }.is_good());
    }

    #[test]
    fn the_tally_ends_with_the_numbers() {
        let text = Tally { passed: 14, failed: 0, skipped: 1, broken: false }.to_string();
        assert_eq!(text.lines().last(), Some("14 passed, 0 failed"));
    }
}
