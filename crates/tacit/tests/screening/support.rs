//! A federation of real processes in a temporary folder.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support: what goes wrong here ends the test, and what cannot run says so aloud"
)]

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_testkit::PortRange;

/// Roles that serve, in the order in which they start.
pub(crate) const ROLES: [(&str, &str); 6] = [
    ("coordinator", "coordinator"),
    ("custodian", "custodian"),
    ("court", "node"),
    ("tax", "node"),
    ("procurement", "node"),
    ("portal", "authority"),
];

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// The 20,000 real codes, or nothing, said aloud.
pub(crate) fn codes() -> Option<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/companies-20k.csv");
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(path).unwrap();
    Some(reader.records().map(|row| row.unwrap()[0].to_owned()).collect())
}

/// Every other code: these stand on the list.
pub(crate) fn listed_codes(all: &[String]) -> Vec<String> {
    all.iter().step_by(2).cloned().collect()
}

/// The sample federation with another number of new subjects a day in every agreement.
pub(crate) fn sample_with_quota(new_subjects: u64) -> String {
    let sample = include_str!("../../../federation/samples/procurement.toml");
    let mut changed = String::new();
    for line in sample.lines() {
        match line.find("new_subjects_per_day = ") {
            Some(at) => {
                changed.push_str(&format!("{}new_subjects_per_day = {new_subjects} }}\n", &line[..at]))
            }
            None => changed.extend([line, "\n"]),
        }
    }
    changed
}

/// A CSV file of codes to ask about.
pub(crate) fn write_codes(federation: &Federation, name: &str, codes: &[String]) -> String {
    let path = federation.file(name);
    fs::write(&path, format!("code\n{}\n", codes.join("\n"))).unwrap();
    path
}

/// A CSV file of records for the court.
pub(crate) fn write_records(federation: &Federation, codes: &[String]) -> String {
    let path = federation.file("records.csv");
    let mut text =
        String::from("code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n");
    for (number, code) in codes.iter().enumerate() {
        text.push_str(&format!("{code},101,2025-{number},2025-01-10,2025-01-15,2025-02-20,2027-02-20\n"));
    }
    fs::write(&path, text).unwrap();
    path
}

/// Rows of a result by answer, with the record ids of all rows.
pub(crate) struct Rows {
    pub(crate) listed: HashSet<String>,
    pub(crate) answered: HashSet<String>,
    pub(crate) records: HashSet<String>,
    pub(crate) reasons: Vec<String>,
}

/// Reads a result.
pub(crate) fn read_result(path: &Path) -> Rows {
    let mut rows = Rows {
        listed: HashSet::new(),
        answered: HashSet::new(),
        records: HashSet::new(),
        reasons: Vec::new(),
    };
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (code, answer, record, reason) =
        (column("code"), column("answer"), column("record_id"), column("reason"));
    for row in reader.records() {
        let row = row.unwrap();
        match &row[answer] {
            "listed" | "not_listed" => {
                assert!(rows.answered.insert(row[code].to_owned()), "a row stands twice");
                assert!(rows.records.insert(row[record].to_owned()), "two rows name one record");
                if &row[answer] == "listed" {
                    rows.listed.insert(row[code].to_owned());
                }
            }
            _ => rows.reasons.push(row[reason].to_owned()),
        }
    }
    rows
}

/// A batch that runs beside the test.
pub(crate) type Batch = Child;

/// Waits for a batch to end by itself, whatever its outcome.
pub(crate) fn end_batch(mut batch: Batch) {
    let started = Instant::now();
    while batch.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < PATIENCE, "the batch does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Processes of a federation; all are killed when it is dropped.
pub(crate) struct Federation {
    // Declared first, so that processes end before their folder goes.
    running: HashMap<String, Child>,
    folder: PathBuf,
    /// What the roles log, when it is not what they log by themselves.
    filter: Option<&'static str>,
    _ports: PortRange,
    temporary: Option<tempfile::TempDir>,
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
    /// `tacit init` of a sample, on ports of its own.
    pub(crate) fn found(sample: &str, options: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut federation = Self::found_in(&temporary.path().join("federation"), sample, options);
        federation.temporary = Some(temporary);
        federation
    }

    /// [`Federation::found`] in a folder that is not there yet, and stays when this is dropped.
    pub(crate) fn found_in(folder: &Path, sample: &str, options: &[&str]) -> Self {
        let sample_file = folder.with_extension("sample.toml");
        fs::write(&sample_file, sample).unwrap();
        let ports = PortRange::claim().unwrap();
        let base = ports.base().to_string();
        let federation = Self {
            running: HashMap::new(),
            folder: folder.to_owned(),
            filter: None,
            _ports: ports,
            temporary: None,
        };
        let mut arguments = vec![
            "init",
            folder.to_str().unwrap(),
            "--sample",
            sample_file.to_str().unwrap(),
            "--base-port",
            &base,
        ];
        arguments.extend(options);
        let founded = federation.tacit(&arguments);
        assert!(founded.status.success(), "{}", String::from_utf8_lossy(&founded.stderr));
        federation
    }

    /// A file in the federation's folder.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// From now on roles log this.
    pub(crate) fn log(&mut self, filter: &'static str) {
        self.filter = Some(filter);
    }

    /// The folder, with everything that roles write.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts every role and waits until each is ready.
    pub(crate) fn start_all(&mut self) {
        for (member, _) in ROLES {
            self.start(member);
        }
    }

    /// Starts one role and waits until it says that it is ready. Its log and its output go to `logs/`.
    pub(crate) fn start(&mut self, member: &str) {
        let (_, role) = ROLES.iter().find(|(name, _)| *name == member).unwrap();
        let logs = self.folder.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let open = |name: &str| File::options().create(true).append(true).open(logs.join(name)).unwrap();
        let (log, mut out) = (open(member), open(&format!("{member}.stdout")));
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(self.filter.map(|filter| ["--log", filter]).into_iter().flatten())
            .args([role, "serve", "--config", &self.file(&format!("{member}.toml"))])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("ready"));
        assert!(
            ready,
            "{member} did not start: {}",
            fs::read_to_string(logs.join(member)).unwrap_or_default()
        );
        // The pipe must not fill.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| writeln!(out, "{line}").unwrap())
        });
        self.running.insert(member.to_owned(), child);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, member: &str) {
        let mut child = self.running.remove(member).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops every role.
    pub(crate) fn stop_all(&mut self) {
        for member in self.running.keys().cloned().collect::<Vec<_>>() {
            self.kill(&member);
        }
    }

    /// Runs a command to its end.
    pub(crate) fn tacit(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tacit")).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed and gives its last line of JSON.
    pub(crate) fn tacit_json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let done = self.tacit(&all);
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{arguments:?}: {}\n{out}\n{err}", done.status);
        serde_json::from_str(out.lines().last().unwrap_or("null")).unwrap()
    }

    /// Starts a batch beside the test.
    pub(crate) fn spawn_batch(&self, arguments: &[&str]) -> Batch {
        Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Waits until a result has so many lines.
    pub(crate) fn wait_for_rows(&self, out: &str, rows: usize) {
        let started = Instant::now();
        loop {
            let lines = fs::read(out).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
            if lines > rows {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "only {lines} rows");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Records that the batch's journal marks as not answered.
    pub(crate) fn not_answered(&self, out: &str) -> HashSet<String> {
        let journal = fs::read_to_string(format!("{out}.journal")).unwrap_or_default();
        let lines = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.flat_map(|line| record_ids(&line["not_answered"])).collect()
    }

    /// The distinct blinded queries of the log's access records.
    pub(crate) fn queries(&self, most: u64) -> HashSet<String> {
        self.access_records(most).iter().filter_map(|record| field(record, "query ")).collect()
    }

    /// The epochs in which lists were asked.
    pub(crate) fn epochs_asked(&self) -> HashSet<String> {
        let records = self.access_records(1_000_000);
        let lists = records.iter().filter_map(|record| field(record, "lists "));
        lists.filter_map(|list| Some(list.split('@').nth(1)?.split('.').next()?.to_owned())).collect()
    }

    fn access_records(&self, most: u64) -> Vec<String> {
        let most = (2 * most + 1000).to_string();
        let config = self.file("auditor-a.toml");
        let done =
            self.tacit(&["--json", "log", "tail", "-n", &most, "--kind", "access", "--config", &config]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let lines = String::from_utf8(done.stdout).unwrap();
        lines.lines().map(str::to_owned).collect()
    }

    /// No database file of this member holds any of these codes.
    pub(crate) fn assert_nothing_holds(&self, member: &str, codes: &[&str]) {
        let mut scanned = 0;
        for file in files_below(&self.folder.join("data")) {
            if file.to_str().unwrap().contains(member) {
                assert_holds_none(&file, codes);
                scanned += 1;
            }
        }
        assert!(scanned > 0, "{member} has no database");
    }

    /// No log line of any role holds any of these codes.
    pub(crate) fn assert_no_log_holds(&self, codes: &[&str]) {
        let logs = files_below(&self.folder.join("logs"));
        assert!(!logs.is_empty());
        logs.iter().for_each(|log| assert_holds_none(log, codes));
    }
}

fn assert_holds_none(file: &Path, codes: &[&str]) {
    let wanted: HashSet<&[u8]> = codes.iter().map(|code| code.as_bytes()).collect();
    let bytes = fs::read(file).unwrap();
    let found = bytes.windows(18).any(|window| wanted.contains(window));
    assert!(!found, "{} holds a subject code", file.display());
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// All ULIDs anywhere inside a JSON value.
fn record_ids(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.len() == 26 => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(record_ids).collect(),
        Value::Object(fields) => fields.values().flat_map(record_ids).collect(),
        _ => Vec::new(),
    }
}

/// A field of a record, wherever in the line of JSON its text stands.
fn field(line: &str, name: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let key = name.trim_end();
    fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
        match value {
            Value::Object(fields) => {
                fields.get(key).or_else(|| fields.values().find_map(|inner| find(inner, key)))
            }
            Value::Array(values) => values.iter().find_map(|inner| find(inner, key)),
            _ => None,
        }
    }
    find(&value, key).map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}
