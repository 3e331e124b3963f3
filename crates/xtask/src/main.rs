//! Project chores: `cargo xtask check`, `cargo xtask test`, `cargo xtask browser`, `cargo xtask soak`.
//!
//! `check` proves the rules of the house: the arrows between crates ([`floors`]), the dependency bans and who may
//! use which outside crate ([`bans`]), what each manifest inherits ([`manifests`]), rules on the text of every file
//! ([`text`]), that SQLite and PostgreSQL have the same tables ([`schema`]), what docs/PROTOCOL.md promises ([`docs`]),
//! and then rustfmt, clippy, `buf lint`, and whether the portal's assets are what their sources make ([`portal`]).
//! `test` is `check` and then every test; it is the one command that developers and CI run. `browser` is that part of it
//! which runs in a real browser. `soak` runs the long tests ([`mod@soak`]) and writes their table into
//! docs/RELIABILITY.md; nothing else changes a tracked file.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to a person at a terminal")]

mod bans;
mod command;
mod docs;
mod floors;
mod graph;
mod manifests;
mod needs;
mod portal;
mod postgres;
mod proto;
mod python;
mod runner;
mod schema;
mod soak;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use command::{Error, cargo, run};
use graph::Graph;

const USAGE: &str = "\
Usage: cargo xtask <CHORE>

Chores:
  check          arrows, bans, manifests, text rules, the protocol document, rustfmt, clippy, buf lint, assets
  check --quick  the same without rustfmt, clippy, buf and assets (under a second)
  test           check, then every test; this is what CI runs
  browser        the tests in a browser alone; pictures of the pages go to target/pictures
  soak           the long tests at their full counts; their table goes to docs/RELIABILITY.md
  soak --only NAME --runs N   one of them, or another count";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match arguments.as_slice() {
        ["check"] => check(&root, Extent::Whole).map(report_check),
        ["check", "--quick"] => check(&root, Extent::Quick).map(report_check),
        ["test"] => test(&root),
        ["browser"] => browser(&root),
        ["soak", rest @ ..] if let Some(options) = soak::Options::parse(rest) => soak::run(&root, &options),
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprintln!("{USAGE}\n\nNames of long tests: {}", soak::names());
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository: two folders above this crate's manifest.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Only what reads metadata and text.
    Quick,
    Whole,
}

/// Runs every check, prints one line for each, and returns the number of findings.
fn check(root: &Path, extent: Extent) -> Result<usize, Error> {
    let mut findings = 0;
    let mut step = |name: &str, started: Instant, found: Vec<String>| {
        let mark = if found.is_empty() { "ok  " } else { "FAIL" };
        println!("{mark} {name} ({:.1} s)", started.elapsed().as_secs_f64());
        for finding in &found {
            println!("     {finding}");
        }
        findings += found.len();
    };

    let started = Instant::now();
    let graph = Graph::load(root)?;
    step("arrows between crates", started, floors::check(&graph));
    let started = Instant::now();
    step("dependency bans", started, bans::check(&graph));
    let started = Instant::now();
    step("manifests", started, manifests::check(&graph)?);
    let started = Instant::now();
    let report = text::check(root)?;
    for warning in &report.warnings {
        println!("warn {warning}");
    }
    step("text rules", started, report.findings);
    let started = Instant::now();
    step("schemas of both databases", started, schema::check(root)?);
    let started = Instant::now();
    let report = docs::check(root)?;
    for warning in &report.warnings {
        println!("warn {warning}");
    }
    step("protocol document", started, report.findings);
    if extent == Extent::Quick {
        return Ok(findings);
    }

    needs::rust_components()?;
    let started = Instant::now();
    let mut rustfmt = cargo(root);
    rustfmt.args(["fmt", "--all", "--check"]);
    step("rustfmt", started, failed(run(rustfmt)?, "run: cargo fmt --all"));
    let started = Instant::now();
    let mut clippy = cargo(root);
    clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    step("clippy", started, failed(run(clippy)?, "clippy has warnings (above)"));
    let started = Instant::now();
    let mut buf = std::process::Command::new(needs::buf(root)?);
    buf.arg("lint").current_dir(root);
    step("buf lint", started, failed(run(buf)?, "buf has findings (above)"));
    let started = Instant::now();
    match portal::check_assets(root)? {
        Some(found) => step("assets of the portal", started, found),
        None => println!("{} the portal's assets are not compared with their sources", runner::SKIPPED),
    }
    Ok(findings)
}

fn failed(succeeded: bool, finding: &str) -> Vec<String> {
    if succeeded { Vec::new() } else { vec![finding.to_owned()] }
}

fn report_check(findings: usize) -> bool {
    match findings {
        0 => println!("check: no findings"),
        1 => println!("check: 1 finding"),
        _ => println!("check: {findings} findings"),
    }
    findings == 0
}

/// Runs the check and, whatever it found, the tests, so that one run tells everything.
fn test(root: &Path) -> Result<bool, Error> {
    let findings = check(root, Extent::Whole)?;
    let tally = runner::test(root)?;
    println!();
    let clean = report_check(findings);
    Ok(report_tests(&tally) && clean)
}

/// Only the tests in a browser; without one there is nothing to report.
fn browser(root: &Path) -> Result<bool, Error> {
    if !portal::prepare(root) {
        return Ok(false);
    }
    let mut tally = portal::test(root)?;
    tally.add(runner::desks(root)?);
    Ok(report_tests(&tally))
}

fn report_tests(tally: &runner::Tally) -> bool {
    println!("{tally}");
    tally.is_good()
}
