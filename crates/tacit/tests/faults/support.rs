//! A federation of real processes in a temporary folder, each of which can be killed, stopped and started again.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::PortRange;

/// The list that is asked about.
pub(crate) const LIST: &str = "court/judgment-defaulters";
/// What it is asked for.
pub(crate) const PURPOSE: &str = "public-procurement-eligibility";

/// Roles that serve, in the order in which they start.
const ROLES: [(&str, &str); 5] = [
    ("coordinator", "coordinator"),
    ("custodian", "custodian"),
    ("court", "node"),
    ("tax", "node"),
    ("procurement", "node"),
];

/// Members that serve.
pub(crate) fn members() -> impl Iterator<Item = &'static str> {
    ROLES.iter().map(|(member, _)| *member)
}

/// The longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many times a test repeats what it does: `TACIT_SOAK_RUNS`, or `long` in a soak, else `short`.
pub(crate) fn runs(short: usize, long: usize) -> usize {
    let given = std::env::var("TACIT_SOAK_RUNS").ok().and_then(|runs| runs.parse().ok());
    given.unwrap_or(if is_soak() { long } else { short })
}

/// Whether this is `cargo xtask soak`.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("TACIT_SOAK").is_some()
}

/// Says how far a long test is, in a soak only.
pub(crate) fn progress(text: &str) {
    if is_soak() {
        eprintln!("{text}");
    }
}

/// A line for the table of `cargo xtask soak`. A test that gets here had no failure.
pub(crate) fn report(what: &str, runs: usize, figures: &str) {
    eprintln!("SOAK: {what} | {runs} | 0 | {figures}");
}

/// Says that something could not run here.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Codes that are always the same; every other one is listed.
pub(crate) fn codes(count: usize) -> Vec<String> {
    let mut rng = seeded_rng([77; 32]);
    (0..count).map(|_| generate_uscc(&mut rng)).collect()
}

/// Whether the code of this place is on the list.
pub(crate) fn is_listed(place: usize) -> bool {
    place.is_multiple_of(2)
}

/// Processes of a federation; all are killed when it is dropped.
pub(crate) struct Federation {
    // Declared first, so that processes end before their folder goes.
    running: HashMap<String, Child>,
    databases: HashMap<String, String>,
    folder: PathBuf,
    ports: PortRange,
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

impl Federation {
    /// `tacit init`, on ports of its own, with quotas that no test reaches.
    pub(crate) fn found() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("federation");
        let sample = temporary.path().join("sample.toml");
        let text = include_str!("../../../federation/samples/procurement.toml");
        let text = text
            .replace("per_subject_per_day = 10,", "per_subject_per_day = 1000000,")
            .replace("checks_per_day = 200000", "checks_per_day = 10000000")
            .replace(
                "{ checks_per_day = 100, per_subject_per_day = 5, new_subjects_per_day = 100 }",
                "{ checks_per_day = 10000000, per_subject_per_day = 1000000, new_subjects_per_day = 50000 }",
            );
        fs::write(&sample, text).unwrap();
        let federation = Self {
            running: HashMap::new(),
            databases: HashMap::new(),
            folder,
            ports: PortRange::claim().unwrap(),
            _temporary: temporary,
        };
        let (folder, base) =
            (federation.folder.to_str().unwrap().to_owned(), federation.ports.base().to_string());
        let founded =
            federation.tacit(&["init", &folder, "--sample", sample.to_str().unwrap(), "--base-port", &base]);
        assert!(founded.status.success(), "{}", String::from_utf8_lossy(&founded.stderr));
        federation
    }

    /// From now on every member's database is one of its own on the PostgreSQL server that is there for tests.
    pub(crate) fn move_to_postgresql(&mut self) {
        let folder = self.folder.clone();
        self.move_databases(members(), |member| tacit_store::conformance::url(&folder, member));
    }

    /// From now on the databases of these members are elsewhere.
    pub(crate) fn move_databases(
        &mut self,
        members: impl IntoIterator<Item = &'static str>,
        url_of: impl Fn(&str) -> String,
    ) {
        for member in members {
            let config = self.file(&format!("{member}.toml"));
            let url = url_of(member);
            let text = fs::read_to_string(&config).unwrap();
            let moved = text.replace(&format!("\"sqlite:data/{member}.db\""), &format!("{url:?}"));
            assert_ne!(text, moved, "{member} has a database");
            fs::write(&config, moved).unwrap();
            self.databases.insert(member.to_owned(), url);
        }
    }

    /// The URL of a member's database, to read from.
    pub(crate) fn database_url(&self, member: &str) -> String {
        let sqlite = || format!("sqlite:{}?mode=ro", self.database(member).display());
        self.databases.get(member).cloned().unwrap_or_else(sqlite)
    }

    /// A federation at work whose list holds every other one of these codes.
    pub(crate) fn with_list(codes: &[String]) -> Self {
        let mut federation = Self::found();
        federation.start_all();
        federation.publish(codes);
        federation
    }

    /// Publishes every other one of these codes.
    pub(crate) fn publish(&self, codes: &[String]) {
        let mut text =
            "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n".to_owned();
        for (place, code) in codes.iter().enumerate().filter(|(place, _)| is_listed(*place)) {
            text.push_str(&format!("{code},101,2025-{place},2025-01-10,2025-01-15,2025-02-20,\n"));
        }
        let records = self.file("records.csv");
        fs::write(&records, text).unwrap();
        let court = self.file("court.toml");
        self.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
        self.tacit_json(&["list", "seal", LIST, "--config", &court]);
    }

    /// An address that nothing of the federation has.
    pub(crate) fn spare_address(&self, place: u16) -> String {
        self.ports.spare(place)
    }

    /// The federation's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in the federation's folder.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Starts every role and waits until each is ready.
    pub(crate) fn start_all(&mut self) {
        for (member, _) in ROLES {
            self.start(member);
        }
    }

    /// Starts one role, waits until it says that it is ready, and tells how long that took.
    pub(crate) fn start(&mut self, member: &str) -> Duration {
        self.start_as(member, member, &[])
            .unwrap_or_else(|status| panic!("{member} did not start ({status}): {}", self.log_of(member)))
    }

    /// Starts the role of `member` under another `name` and with more in its environment (`TACIT_LISTEN` is the key
    /// `listen`), or tells how it ended before it was ready. Its log is `logs/NAME`.
    pub(crate) fn start_as(
        &mut self,
        name: &str,
        member: &str,
        more: &[(&str, String)],
    ) -> Result<Duration, ExitStatus> {
        let (_, role) = ROLES.iter().find(|(known, _)| *known == member).unwrap();
        let logs = self.folder.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let log = File::options().create(true).append(true).open(logs.join(name)).unwrap();
        let config = self.file(&format!("{member}.toml"));
        let mut command = tacit_command(&[role, "serve", "--config", &config]);
        command.stdout(Stdio::piped()).stderr(log);
        command.envs(more.iter().map(|(key, value)| (*key, value)));
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("ready"));
        let took = begun.elapsed();
        if !ready {
            return Err(child.wait().unwrap());
        }
        // Nobody reads what follows, but the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        self.running.insert(name.to_owned(), child);
        Ok(took)
    }

    /// The process of a role.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.running[name].id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.running.remove(name).unwrap();
        // It may have ended already.
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// SIGTERM, then waits for the end.
    pub(crate) fn stop(&mut self, name: &str) -> ExitStatus {
        let pid = self.pid(name).to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended(name).unwrap_or_else(|| panic!("{name} does not end"))
    }

    /// Waits until a role ends by itself; nothing when it does not.
    pub(crate) fn ended(&mut self, name: &str) -> Option<ExitStatus> {
        let begun = Instant::now();
        let child = self.running.get_mut(name).unwrap();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait().unwrap() {
                self.running.remove(name);
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Whether a role runs.
    pub(crate) fn runs(&mut self, name: &str) -> bool {
        self.running.get_mut(name).is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Stops every role with SIGTERM, callers first.
    pub(crate) fn stop_all(&mut self) {
        for (member, _) in ROLES.iter().rev() {
            if self.running.contains_key(*member) {
                self.stop(member);
            }
        }
    }

    /// What a role has logged.
    pub(crate) fn log_of(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("logs").join(name)).unwrap_or_default()
    }

    /// The database file of a member.
    pub(crate) fn database(&self, member: &str) -> PathBuf {
        self.folder.join(format!("data/{member}.db"))
    }

    /// Runs a command to its end.
    pub(crate) fn tacit(&self, arguments: &[&str]) -> Output {
        tacit_command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed and gives its last line of JSON.
    pub(crate) fn tacit_json(&self, arguments: &[&str]) -> Value {
        let done = self.tacit(&[&["--json"], arguments].concat());
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{arguments:?}: {}\n{out}\n{err}", done.status);
        serde_json::from_str(out.lines().last().unwrap_or("null")).unwrap()
    }

    /// The whole log, read and verified against its signature and against what was verified before.
    pub(crate) fn verify_log(&self) -> Value {
        let verified = self.tacit_json(&["log", "verify", "--config", &self.file("auditor-a.toml")]);
        assert_eq!(verified["verified"], true, "{verified}");
        verified
    }

    /// Asks about one code with the command line: its exit code and what it said.
    pub(crate) fn check(&self, code: &str) -> (Option<i32>, Value) {
        let config = self.file("procurement.toml");
        let question = ["--list", LIST, "--purpose", PURPOSE, "--case", "T-1", "--officer", "officer-1"];
        let arguments = [&["--json", "check", code][..], &question, &["--config", &config]].concat();
        let done = self.tacit(&arguments);
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let said = out.lines().last().and_then(|line| serde_json::from_str(line).ok());
        (done.status.code(), said.unwrap_or(Value::String(out)))
    }
}

/// The binary, with an environment of ours only: what a test is told must not become its configuration.
fn tacit_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TACIT_")) {
        command.env_remove(name);
    }
    command
}
