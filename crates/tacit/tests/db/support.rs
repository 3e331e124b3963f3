//! A federation of real processes whose databases are backed up and restored.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::PortRange;

const LIST: &str = "court/judgment-defaulters";
const PURPOSE: &str = "public-procurement-eligibility";

/// Roles that serve, in the order in which they start.
pub(crate) const ROLES: [(&str, &str); 5] = [
    ("coordinator", "coordinator"),
    ("custodian", "custodian"),
    ("court", "node"),
    ("tax", "node"),
    ("procurement", "node"),
];

/// The longest wait for a role to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a command ended: its exit code, its last line of JSON, and all of its words.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) words: String,
}

/// Processes of a federation; all are killed when it is dropped.
pub(crate) struct Federation {
    // Declared first, so that processes end before their folder goes.
    running: HashMap<&'static str, Child>,
    folder: PathBuf,
    _ports: PortRange,
    _temporary: tempfile::TempDir,
}

impl Drop for Federation {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Codes that are always the same; the first one is listed.
pub(crate) fn codes() -> Vec<String> {
    let mut rng = seeded_rng([78; 32]);
    (0..20).map(|_| generate_uscc(&mut rng)).collect()
}

impl Federation {
    /// `tacit init`, on ports of its own, with quotas that no test reaches. `url` gives the database of a
    /// member, in the place of the SQLite file.
    pub(crate) fn found(url: impl Fn(&Path, &str) -> Option<String>) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("federation");
        let sample = temporary.path().join("sample.toml");
        let text = include_str!("../../../federation/samples/procurement.toml")
            .replace("per_subject_per_day = 10,", "per_subject_per_day = 1000000,");
        fs::write(&sample, text).unwrap();
        let ports = PortRange::claim().unwrap();
        let base = ports.base().to_string();
        let federation = Self { running: HashMap::new(), folder, _ports: ports, _temporary: temporary };
        let folder = federation.path("");
        federation.done(&["init", &folder, "--sample", sample.to_str().unwrap(), "--base-port", &base]);
        for (member, _) in ROLES {
            let Some(url) = url(&federation.folder, member) else { continue };
            let config = federation.path(&format!("{member}.toml"));
            let text = fs::read_to_string(&config).unwrap();
            let old = format!("sqlite:data/{member}.db");
            assert!(text.contains(&old), "{text}");
            fs::write(&config, text.replace(&old, &url)).unwrap();
        }
        federation
    }

    /// A file in the federation's folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// The configuration of a member.
    pub(crate) fn config(&self, member: &str) -> String {
        self.path(&format!("{member}.toml"))
    }

    /// Starts the roles and waits until each is ready.
    pub(crate) fn start(&mut self) {
        for (member, role) in ROLES {
            let logs = self.folder.join("logs");
            fs::create_dir_all(&logs).unwrap();
            let log = File::options().create(true).append(true).open(logs.join(member)).unwrap();
            let mut command = tacit(&[role, "serve", "--config", &self.config(member)]);
            let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("ready"));
            self.running.insert(member, child);
            assert!(ready, "{member} did not start: {}", fs::read_to_string(logs.join(member)).unwrap());
            // Nobody reads what follows, but the pipe must not fill.
            std::thread::spawn(move || lines.for_each(drop));
        }
    }

    /// Stops the roles with SIGTERM, callers first.
    pub(crate) fn stop(&mut self) {
        for (member, _) in ROLES.iter().rev() {
            let Some(mut child) = self.running.remove(member) else { continue };
            assert!(
                Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success()
            );
            let begun = Instant::now();
            while child.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < PATIENCE, "{member} does not end");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Puts the first of the codes on the list.
    pub(crate) fn publish(&self) {
        let header = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        let line = format!("{},101,2025-1,2025-01-10,2025-01-15,2025-02-20,", codes()[0]);
        let records = self.path("records.csv");
        fs::write(&records, format!("{header}\n{line}\n")).unwrap();
        let court = self.config("court");
        self.done(&["list", "import", LIST, &records, "--config", &court]);
        self.done(&["list", "seal", LIST, "--config", &court]);
    }

    /// Asks about one code.
    pub(crate) fn check(&self, code: &str) -> Done {
        let config = self.config("procurement");
        self.run(&[
            "check",
            code,
            "--list",
            LIST,
            "--purpose",
            PURPOSE,
            "--case",
            "T-1",
            "--officer",
            "officer-1",
            "--config",
            &config,
        ])
    }

    /// `tacit db COMMAND --config` of a member, and more.
    pub(crate) fn db(&self, command: &str, member: &str, more: &[&str]) -> Done {
        let config = self.config(member);
        self.run(&[&["db", command, "--config", &config], more].concat())
    }

    /// `tacit db backup` of a member, which must succeed; gives the file.
    pub(crate) fn backup(&self, member: &str, name: &str) -> String {
        let (file, key) = (self.path(name), self.path("recovery.key.pub"));
        let seal: &[&str] = if member == "custodian" { &["--seal-to", &key] } else { &[] };
        let done = self.db("backup", member, &[&["--out", &file], seal].concat());
        assert_eq!(done.code, Some(0), "{}", done.words);
        file
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let done = tacit(&[&["--json"], arguments].concat()).output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let json = out.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let words = format!("{arguments:?}\n{out}\n{}", String::from_utf8_lossy(&done.stderr));
        Done { code: done.status.code(), json, words }
    }

    /// Runs a command that must succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(0), "{}", done.words);
        done.json
    }
}

/// The manifest of a backup.
pub(crate) fn manifest(backup: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("{backup}.json")).unwrap()).unwrap()
}

/// Changes one byte of a file.
pub(crate) fn flip(file: &str, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Copies a backup with its manifest.
pub(crate) fn duplicate(backup: &str, to: &str) {
    fs::copy(backup, to).unwrap();
    fs::copy(format!("{backup}.json"), format!("{to}.json")).unwrap();
}

/// The binary, with an environment of ours only: what a test is told must not become its configuration.
fn tacit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TACIT_")) {
        command.env_remove(name);
    }
    command
}
