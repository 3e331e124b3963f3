//! A federation at work, and the program of its auditors.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use futures::future::join_all;
use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{Question, check_outcome::Outcome};

pub(crate) const LIST: &str = "court/judgment-defaulters";

/// A federation at work, and a folder for files.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    place: tempfile::TempDir,
    codes: Vec<String>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Options::quick()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let federation = Federation::start("procurement", options).await.unwrap();
        let mut rng = seeded_rng([5; 32]);
        let codes: Vec<String> = (0..400).map(|_| generate_uscc(&mut rng)).collect();
        federation.publish(LIST, federation.records_csv(101, &codes[..10])).await.unwrap();
        Self { federation, place: tempfile::tempdir().unwrap(), codes }
    }

    pub(crate) fn code(&self, number: usize) -> &str {
        &self.codes[number]
    }

    /// Asks about the first subjects.
    pub(crate) async fn ask(&self, count: usize) {
        self.ask_from(0, count).await;
    }

    pub(crate) async fn ask_from(&self, from: usize, count: usize) {
        self.ask_in("T-1", from, count).await;
    }

    pub(crate) async fn ask_in(&self, case: &str, from: usize, count: usize) {
        for part in self.codes[from..from + count].chunks(32) {
            let asked =
                part.iter().map(|code| self.federation.ask("procurement", question(case, "screening"), code));
            for outcome in join_all(asked).await {
                let outcome = outcome.unwrap();
                assert!(matches!(outcome.outcome, Some(Outcome::Answers(_))), "{outcome:?}");
            }
        }
    }

    /// A question that no agreement covers.
    pub(crate) async fn refused(&self, number: usize) {
        let question = question("T-1", "export-refund-review");
        let asked = self.federation.ask("procurement", question, &self.codes[number]).await.unwrap();
        assert_ne!(tacit_testkit::word(&asked), Some("listed"), "{asked:?}");
    }

    /// Waits until a quorum stands behind all that is in the log now.
    pub(crate) async fn cosigned(&self) {
        let config = self.config("auditor-a");
        let newest = tacit_json(&["log", "tail", "-n", "1", "--config", &config]);
        let newest = newest["index"].as_u64().unwrap();
        for _ in 0..100 {
            let search =
                ["--json", "audit", "search", "--from", &newest.to_string(), "-n", "1", "--config", &config];
            let found = tacit(&search);
            let size = String::from_utf8_lossy(&found.stdout)
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["size"].as_u64())
                .next_back();
            if size.is_some_and(|size| size > newest) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        panic!("the witnesses do not cosign the newest checkpoint");
    }

    /// The records of a kind.
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let config = self.config("auditor-a");
        let mut found = tacit_lines(&["audit", "search", "--kind", kind, "--config", &config]);
        found.pop();
        found
    }

    /// Has the box behind a record opened by both auditors, and reads it.
    pub(crate) fn open_box(&self, index: &str) -> Output {
        let (first, second) = (self.config("auditor-a"), self.config("auditor-b"));
        let (key_a, key_b) = (self.key("auditor-a"), self.key("auditor-b"));
        let asked = tacit_json(&[
            "audit", "open", "request", index, "--ground", "sample", "--key", &key_a, "--config", &first,
        ]);
        let id = asked["opening"].as_str().unwrap();
        tacit_json(&["audit", "open", "approve", id, "--key", &key_b, "--config", &second]);
        tacit(&["--json", "audit", "open", "read", id, "--config", &first])
    }

    /// The configuration of a member.
    pub(crate) fn config(&self, member: &str) -> String {
        self.federation.config(member).to_str().unwrap().to_owned()
    }

    /// The signing key of a member.
    pub(crate) fn key(&self, member: &str) -> String {
        let path = self.federation.folder().join(format!("keys/{member}-signing.seed"));
        path.to_str().unwrap().to_owned()
    }

    /// A path for a file.
    pub(crate) fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) async fn end(self) {
        self.federation.shut_down().await.unwrap();
    }
}

fn question(case: &str, purpose: &str) -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: purpose.to_owned(),
        case_number: case.to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    // Variables of tests are no keys of a configuration.
    command.env_remove("TACIT_TEST_PYTHON").env_remove("TACIT_TEST_POSTGRES");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs our program in a folder.
pub(crate) fn tacit_in(folder: &Path, arguments: &[&str]) -> Output {
    command(arguments).current_dir(folder).output().unwrap()
}

/// Runs our program.
pub(crate) fn tacit(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Runs our program, which must succeed, and gives its lines of JSON.
pub(crate) fn tacit_lines(arguments: &[&str]) -> Vec<Value> {
    let done = tacit(&[&["--json"], arguments].concat());
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{arguments:?}: {}\n{out}\n{err}", done.status);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// [`tacit_lines`], the last one.
pub(crate) fn tacit_json(arguments: &[&str]) -> Value {
    tacit_lines(arguments).pop().unwrap()
}

/// The last line of JSON of a run, however it ended.
pub(crate) fn json_of(done: &Output) -> Value {
    let out = String::from_utf8_lossy(&done.stdout);
    let last = out.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    serde_json::from_str(last).unwrap()
}

/// The same of a run that succeeded.
pub(crate) fn json(done: &Output) -> Value {
    assert!(done.status.success(), "{}", json_of(done));
    json_of(done)
}

/// Why a run failed.
pub(crate) fn reason(done: &Output) -> String {
    assert!(!done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let said = json_of(done);
    said["error"]["reason"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Our program while it runs.
pub(crate) struct Watching {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watching {
    pub(crate) fn begin(arguments: &[&str]) -> Self {
        let all = [&["--json"], arguments].concat();
        let mut child = command(&all).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line of JSON.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it ended: {line}"))
    }

    pub(crate) fn ends_with(mut self, code: i32) {
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
