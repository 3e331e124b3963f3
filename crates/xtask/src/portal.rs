//! What of the portal is not Rust: its stylesheet and script, which are built with Node and committed, and the tests of
//! them in a real browser (tests/browser).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{Error, run};
use crate::needs;
use crate::runner::{SKIPPED, Tally, follow};

/// The tests that need nothing beside a browser, below the root.
const TESTS: &str = "tests/browser/self";

/// Whether the committed assets are what their sources make; nothing where Node cannot be had.
pub(crate) fn check_assets(root: &Path) -> Result<Option<Vec<String>>, Error> {
    if let Err(error) = needs::node(root) {
        eprintln!("xtask: {error}");
        return Ok(None);
    }
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "assets:check"]).current_dir(root).stdout(Stdio::null());
    let found = if run(npm)? { Vec::new() } else { vec!["run: npm run assets".to_owned()] };
    Ok(Some(found))
}

/// Installs what drives a browser, and the browser; where that cannot be, says so and that nothing is tested in one.
pub(crate) fn prepare(root: &Path) -> bool {
    let prepared = needs::node(root).and_then(|()| needs::chromium());
    prepared.inspect_err(|error| println!("{SKIPPED} nothing is tested in a browser: {error}")).is_ok()
}

/// Runs the tests in a browser that need nothing beside it, after [`prepare`].
pub(crate) fn test(root: &Path) -> Result<Tally, Error> {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter", "spec"])
        .args(tests(root)?)
        .current_dir(root)
        .stdout(Stdio::piped());
    let mut child = node.spawn().map_err(|source| Error::start(&node, source))?;
    let mut tally = Tally::default();
    let mut ended = false;
    follow(child.stdout.take(), |line| {
        if let Some((what, count)) = count(line) {
            ended = true;
            match what {
                "pass" => tally.passed = count,
                "fail" | "cancelled" => tally.failed += count,
                // The browser is here, so what skips itself is at fault.
                "skipped" | "todo" => tally.broken |= count > 0,
                _ => {}
            }
        }
        true
    });
    let status = child.wait().map_err(|source| Error::start(&node, source))?;
    tally.broken |= !ended || tally.passed == 0 || (!status.success() && tally.failed == 0);
    Ok(tally)
}

/// The files with tests, by name: which patterns Node's runner takes differs between its versions.
fn tests(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = root.join(TESTS);
    let failed = |source| Error::Read { path: folder.clone(), source };
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.to_str().is_some_and(|path| path.ends_with(".test.mjs")));
    paths.sort();
    Ok(paths)
}

/// `ℹ pass 34` at the end of the run.
fn count(line: &str) -> Option<(&str, u64)> {
    let (what, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
    Some((what, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_read_and_nothing_else() {
        assert_eq!(count("ℹ pass 34"), Some(("pass", 34)));
        assert_eq!(count("ℹ duration_ms 50977.294568"), None);
        assert_eq!(count("  ✔ pass 34 (1.2ms)"), None);
    }

    #[test]
    fn the_tests_in_a_browser_are_found() {
        let found = tests(&crate::root()).unwrap();
        assert!(found.iter().any(|path| path.ends_with("tests/browser/self/provider.test.mjs")), "{found:?}");
    }
}
