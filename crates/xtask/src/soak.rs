//! `cargo xtask soak`: the long tests at their full counts, and the table of what they found in docs/RELIABILITY.md.
//!
//! A long test prints one line for the table when it passed:
//!
//! ```text
//! SOAK: what was done | runs | failures | figures
//! ```

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{Error, cargo, output, read};
use crate::{needs, postgres, runner};

/// Where the table stands.
const DOCUMENT: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- soak: begin -->";
const END: &str = "<!-- soak: end -->";

/// How a test tells its row.
const ROW: &str = "SOAK: ";
/// Told to the tests.
const SWITCH: &str = "TACIT_SOAK";
const RUNS: &str = "TACIT_SOAK_RUNS";

/// A long test.
struct Long {
    /// What `--only` takes.
    name: &'static str,
    target: &'static str,
    test: &'static str,
}

const fn fault(name: &'static str, test: &'static str) -> Long {
    Long { name, target: "faults", test }
}

const fn pages(name: &'static str, test: &'static str) -> Long {
    Long { name, target: "portal", test }
}

const TESTS: &[Long] = &[
    fault("kill", "kill::kill_9_under_load_loses_nothing_acknowledged"),
    fault("kill-postgresql", "kill::kill_9_under_load_on_postgresql_loses_nothing_acknowledged"),
    fault(
        "kill-replica",
        "replicas::on_postgresql_one_of_two_coordinators_killed_under_load_stops_nobody_and_loses_nothing",
    ),
    fault("kill-at-writes", "injected::killed_before_any_write_an_answer_still_has_its_record"),
    fault("sync", "injected::after_a_failed_sync_nothing_is_written_until_the_process_is_started_again"),
    fault("no-space", "injected::a_write_without_space_changes_nothing_and_the_next_one_is_made"),
    fault("disk-full", "disks::on_a_full_disk_nothing_is_half_done_and_it_goes_on_when_there_is_space"),
    fault("power-cut", "disks::a_power_cut_loses_nothing_acknowledged"),
    fault("two-processes", "two::a_second_coordinator_on_one_sqlite_file_appends_nothing_and_does_no_harm"),
    fault("restored", "restored::a_restored_old_backup_is_noticed_before_anything_is_written"),
    fault("failover", "failover::a_failover_under_load_loses_nothing_acknowledged_and_uses_no_permit_twice"),
    fault(
        "canceled-wait",
        "failover::what_only_a_canceled_wait_committed_is_not_acknowledged_and_its_loss_harms_nobody",
    ),
    Long {
        name: "permits",
        target: "holder",
        test: "replicas::a_permit_is_answered_for_one_query_whichever_replica_is_asked",
    },
    fault(
        "withdrawn",
        "withdrawn::on_postgresql_no_access_follows_a_withdrawal_whatever_pauses_and_whichever_clock_jumps",
    ),
    fault("late-permits", "late::a_permit_that_ended_while_who_answers_it_stood_still_is_not_answered"),
    fault("bit-flips", "flips::a_changed_bit_in_any_table_never_gives_a_wrong_answer"),
    pages("pages", "pages::every_page_about_a_person_with_many_records_is_answered_in_time"),
    pages("officer-pages", "pages::every_page_of_an_officer_with_many_checks_is_answered_in_time"),
    pages("auditor-pages", "pages::every_page_of_an_auditor_with_a_long_log_is_answered_in_time"),
    pages("case-pages", "pages::every_page_of_who_decides_objections_is_answered_in_time"),
];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    only: Option<&'a str>,
    runs: Option<usize>,
}

impl<'a> Options<'a> {
    /// Reads `--only NAME` and `--runs N`; nothing when they cannot be read.
    pub(crate) fn parse(mut arguments: &[&'a str]) -> Option<Self> {
        let mut options = Self::default();
        while let [key, value, rest @ ..] = arguments {
            match *key {
                "--only" => options.only = TESTS.iter().find(|test| test.name == *value).map(|it| it.name),
                "--runs" => options.runs = value.parse().ok().filter(|runs| *runs > 0),
                _ => return None,
            }
            match *key {
                "--only" if options.only.is_none() => return None,
                "--runs" if options.runs.is_none() => return None,
                _ => arguments = rest,
            }
        }
        arguments.is_empty().then_some(options)
    }
}

/// The names that `--only` takes.
pub(crate) fn names() -> String {
    TESTS.iter().map(|test| test.name).collect::<Vec<_>>().join(", ")
}

/// Cells of a row: what, runs, failures, figures.
type Row = [String; 4];

/// Runs the tests one after the other; true when all passed. The table is written whatever they found.
pub(crate) fn run(root: &Path, options: &Options<'_>) -> Result<bool, Error> {
    needs::strace();
    let server = postgres::Server::start();
    let server = server.inspect_err(|error| println!("soak: nothing runs on PostgreSQL: {error}")).ok();
    let url = server.as_ref().map(postgres::Server::url);
    let mut rows = Vec::new();
    let mut passed = true;
    for test in TESTS.iter().filter(|test| options.only.is_none_or(|only| only == test.name)) {
        println!("soak: {}", test.name);
        let (good, found) = one(root, test, options.runs, url.as_deref())?;
        if !good {
            rows.push([test.name, "?", "1", "failed"].map(str::to_owned));
        }
        rows.extend(found);
        passed &= good;
    }
    println!();
    for [what, runs, failures, figures] in &rows {
        println!("{what}: {runs} runs, {failures} failures; {figures}");
    }
    let path = root.join(DOCUMENT);
    let written = with_rows(&read(&path)?, rows, &machine(), &today()?)
        .ok_or(Error::Shape { what: format!("{DOCUMENT} lacks {BEGIN} and {END}") })?;
    std::fs::write(&path, written).map_err(|source| Error::Write { path, source })?;
    Ok(passed)
}

/// Runs one test, printing what it says as it comes.
fn one(
    root: &Path,
    test: &Long,
    runs: Option<usize>,
    server: Option<&str>,
) -> Result<(bool, Vec<Row>), Error> {
    let mut command = cargo(root);
    command.env(SWITCH, "1").env_remove(runner::ON_POSTGRES);
    if let Some(server) = server {
        command.env(runner::ON_POSTGRES, server);
    }
    if let Some(runs) = runs {
        command.env(RUNS, runs.to_string());
    }
    // Of the whole workspace, so that nothing is built once more with other features.
    command.args(["test", "--quiet", "--workspace", "--test", test.target, "--"]);
    command.args(["--exact", test.test, "--nocapture"]);
    command.stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::start(&command, source))?;
    let mut rows = Vec::new();
    if let Some(stream) = child.stderr.take() {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            println!("{line}");
            rows.extend(row(&line));
        }
    }
    let status = child.wait().map_err(|source| Error::start(&command, source))?;
    Ok((status.success(), rows))
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<String> = line.strip_prefix(ROW)?.split(" | ").map(str::to_owned).collect();
    cells.try_into().ok()
}

/// The document with these rows: each takes the place of the one about the same thing, others stay.
fn with_rows(document: &str, rows: Vec<Row>, machine: &str, today: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let mut lines: Vec<String> =
        table.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect();
    for [what, runs, failures, figures] in rows {
        let start = format!("| {what} | ");
        let line = format!("{start}{runs} | {failures} | {figures} | {today}, {machine} |");
        match lines.iter_mut().find(|line| line.starts_with(&start)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    let head = "| what | runs | failures | figures | when and where |\n|---|---|---|---|---|";
    Some(format!("{before}{BEGIN}\n{head}\n{}\n{END}{after}", lines.join("\n")))
}

/// Processor, cores and kernel, as far as they can be told.
fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = file("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = file("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}

fn today() -> Result<String, Error> {
    let mut date = Command::new("date");
    date.args(["-u", "+%F"]);
    Ok(String::from_utf8_lossy(&output(date)?).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused() {
        assert_eq!(Options::parse(&[]), Some(Options::default()));
        let some = Options { only: Some("kill"), runs: Some(3) };
        assert_eq!(Options::parse(&["--runs", "3", "--only", "kill"]), Some(some));
        for bad in [&["--only"][..], &["--only", "x"], &["--runs", "0"], &["kill"]] {
            assert_eq!(Options::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_row_replaces_the_one_about_the_same_and_leaves_the_others() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nend\n");
        let line = |text: &str| row(text).unwrap();
        let first = vec![line("SOAK: a | 1 | 0 | x"), line("SOAK: b | 2 | 0 | y")];
        let once = with_rows(&document, first, "here", "then").unwrap();
        let twice = with_rows(&once, vec![line("SOAK: a | 9 | 1 | z")], "there", "now").unwrap();
        assert!(twice.starts_with("# Title\n") && twice.ends_with("\nend\n"));
        assert!(twice.contains("| a | 9 | 1 | z | now, there |") && !twice.contains("| x |"));
        assert!(twice.contains("| b | 2 | 0 | y | then, here |") && !twice.contains("old"));
        assert_eq!(with_rows("# Title", Vec::new(), "", ""), None);
    }

    #[test]
    fn every_long_test_is_there() {
        for test in TESTS {
            let (module, name) = test.test.split_once("::").unwrap();
            let mut crates = std::fs::read_dir(crate::root().join("crates")).unwrap();
            let has = |folder: std::io::Result<std::fs::DirEntry>| {
                let path = folder.unwrap().path().join(format!("tests/{}/{module}.rs", test.target));
                path.exists() && read(&path).unwrap().contains(&format!("fn {name}("))
            };
            assert!(crates.any(has), "{}", test.test);
        }
    }
}
