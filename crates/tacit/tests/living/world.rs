//! A running federation with one sealed list, and what changes its registry.

use std::{
    fs,
    path::Path,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tacit_federation::run::read_seed;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::PortRange;

use crate::support::Federation;

pub(crate) const LIST: &str = "court/judgment-defaulters";
pub(crate) const PURPOSE: &str = "public-procurement-eligibility";

/// The longest wait for anything that comes by itself.
const PATIENCE: Duration = Duration::from_secs(40);

/// The usual federation.
pub(crate) const SAMPLE: &str = include_str!("../../../federation/samples/procurement.toml");

/// What customs and court agree on.
pub(crate) const TERMS: &str = r#"
holder = "court"
requester = "customs"
lists = ["court/judgment-defaulters"]
purposes = ["public-procurement-eligibility", "water-supply"]
purpose_context = "procurement"
legal_basis = { act = "government-procurement-law", citation = "Art. 22" }
quotas = { checks_per_day = 1000, checks_per_minute = 600, per_subject_per_day = 100, new_subjects_per_day = 500 }
max_lists_per_check = 1
data_life = { value = 1, unit = "DAY" }
valid_days = 30

[cross_context]
act = "government-procurement-law"
citation = "Art. 22 (5)"
proportionality = "Only final decisions, only bidders."
"#;

pub(crate) struct World {
    pub(crate) federation: Federation,
    /// Where members that join listen.
    ports: PortRange,
    /// Members that joined.
    joined: Vec<Child>,
    /// A code on the list, and one that is not.
    pub(crate) listed: String,
    pub(crate) unlisted: String,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.joined {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl World {
    /// Everything runs, and one code is on the court's list.
    pub(crate) fn start() -> Self {
        Self::start_of(SAMPLE, &[])
    }

    /// The same with more options of `tacit init`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_of(SAMPLE, options)
    }

    /// The same of another sample. Members that the usual one does not have are not started.
    pub(crate) fn start_of(sample: &str, options: &[&str]) -> Self {
        let mut federation = Federation::found(sample, &[&["--tick-ms", "500"], options].concat());
        federation.start_all();
        let mut rng = seeded_rng([5; 32]);
        let (listed, unlisted) = (generate_uscc(&mut rng), generate_uscc(&mut rng));
        let records = crate::support::write_records(&federation, std::slice::from_ref(&listed));
        let court = federation.file("court.toml");
        let imported = federation.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
        assert_eq!(imported["imported"], 1, "{imported}");
        federation.tacit_json(&["list", "seal", LIST, "--config", &court]);
        Self { federation, ports: PortRange::claim().unwrap(), joined: Vec::new(), listed, unlisted }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.federation.file(name)
    }

    pub(crate) fn key(&self, member: &str) -> SigningKey {
        let path = self.file(&format!("keys/{member}-signing.seed"));
        SigningKey::from_seed(&read_seed(Path::new(&path)).unwrap())
    }

    /// Runs a command that must succeed.
    pub(crate) fn tacit(&self, arguments: &[&str]) -> Value {
        self.federation.tacit_json(arguments)
    }

    /// Runs a command that must fail: its exit code and what it said.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stderr, .. } = self.federation.tacit(arguments);
        let said = String::from_utf8(stderr).unwrap();
        assert!(!status.success(), "{arguments:?} was done");
        (status.code().unwrap(), said)
    }

    /// Publishes a draft; the number that is in force then.
    pub(crate) fn publish(&self, draft: &str) -> u64 {
        let (coordinator, key) = (self.file("coordinator.toml"), self.file("keys/coordinator-signing.seed"));
        let published = self.tacit(&["registry", "publish", draft, "--config", &coordinator, "--key", &key]);
        fs::remove_file(draft).unwrap();
        published["number"].as_u64().unwrap()
    }

    /// Publishes the newest version with these entries added.
    pub(crate) fn publish_with(&self, files: &[&str]) -> u64 {
        let (draft, config) = (self.file("next.json"), self.file("coordinator.toml"));
        let mut arguments = vec!["registry", "draft", &draft, "--config", &config];
        files.iter().for_each(|file| arguments.extend(["--add", file]));
        self.tacit(&arguments);
        self.publish(&draft)
    }

    /// Waits until a member uses this version.
    pub(crate) fn wait_for_version(&self, config: &str, number: u64) {
        eventually(&format!("{config} uses version {number}"), || {
            self.tacit(&["registry", "status", "--config", config])["number"] == number
        });
    }

    /// Makes a member with these roles and takes it in; its configuration.
    pub(crate) fn join(&mut self, member: &str) -> String {
        let dir = self.file(member);
        // A node's metrics and gateway are at the ports above.
        let place = 4 * u16::try_from(self.joined.len()).unwrap();
        let (listen, registry) = (self.ports.spare(place), self.file("data/court.registry.json"));
        let endpoint = format!("https://{listen}");
        let made = self.tacit(&[
            "member",
            "init",
            member,
            "--roles",
            "requester",
            "--kind",
            "public",
            "--title",
            "Customs office",
            "--federation",
            "procurement.example",
            "--endpoint",
            &endpoint,
            "--listen",
            &listen,
            "--registry",
            &registry,
            "--dir",
            &dir,
        ]);
        let fingerprint = made["fingerprint"].as_str().unwrap();
        let pseudonym = self.file("pseudonym.json");
        self.tacit(&[
            "member",
            "pseudonym-key",
            member,
            "--config",
            &self.file("custodian.toml"),
            "--key",
            &self.file("keys/custodian-signing.seed"),
            "--out",
            &pseudonym,
        ]);
        let (draft, config) = (self.file("next.json"), self.file("coordinator.toml"));
        let (entry, request) = (format!("{dir}/{member}.entry.json"), format!("{dir}/{member}.csr"));
        let (ca, tls) = (self.file("ca"), format!("{dir}/tls"));
        let mut arguments = vec![
            "member",
            "join",
            &entry,
            "--request",
            &request,
            "--config",
            &config,
            "--draft",
            &draft,
            "--add",
            &pseudonym,
            "--ca",
            &ca,
            "--out",
            &tls,
            "--fingerprint",
        ];
        // Somebody who confirms another one takes nobody in.
        let wrong = fingerprint
            .replace(&fingerprint[..4], if fingerprint.starts_with("0000") { "1111" } else { "0000" });
        arguments.push(&wrong);
        let (exit, said) = self.refused(&arguments);
        assert_eq!(exit, 3, "{said}");
        assert!(
            said.contains("the fingerprint of customs is another one") && !Path::new(&draft).exists(),
            "{said}"
        );
        arguments.pop();
        arguments.push(fingerprint);
        self.tacit(&arguments);
        let number = self.publish(&draft);
        let config = format!("{dir}/{member}.toml");
        self.start_joined(&config, &dir);
        self.wait_for_version(&config, number);
        config
    }

    /// Ends the node that was started last, for good.
    pub(crate) fn end_last_joined(&mut self) {
        let mut child = self.joined.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn start_joined(&mut self, config: &str, dir: &str) {
        let log = fs::File::create(format!("{dir}/log")).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["node", "serve", "--config", config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.joined.push(child);
    }

    /// One question; the exit code and everything that was said.
    pub(crate) fn check(&self, config: &str, code: &str) -> (i32, String) {
        let done = self.federation.tacit(&[
            "--json",
            "check",
            code,
            "--list",
            LIST,
            "--purpose",
            PURPOSE,
            "--case",
            "T-1",
            "--officer",
            "o-1",
            "--config",
            config,
        ]);
        let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
        (done.status.code().unwrap(), said)
    }

    /// Waits until a question is answered; whether the code is listed.
    pub(crate) fn answered(&self, config: &str, code: &str) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            let (exit, said) = self.check(config, code);
            if exit == 0 {
                return !said.contains("not_listed");
            }
            assert!(Instant::now() < until, "{config} gets no answer: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// An agreement of these terms, signed by court and customs.
    pub(crate) fn agree(&self, terms: &str, customs: &str) -> (String, String) {
        let (file, toml) = (self.file("agreement.json"), self.file("terms.toml"));
        fs::write(&toml, terms).unwrap();
        let drafted = self.tacit(&["agreement", "draft", &toml, "--config", customs, "--out", &file]);
        let court = self.file("court.toml");
        self.wait_for_version(&court, self.number());
        self.tacit(&["agreement", "sign", &file, "--config", &court]);
        self.tacit(&["agreement", "sign", &file, "--config", customs]);
        (drafted["agreement"].as_str().unwrap().to_owned(), file)
    }

    /// The number in force.
    pub(crate) fn number(&self) -> u64 {
        let config = self.file("coordinator.toml");
        let done = self.federation.tacit(&["--json", "registry", "status", "--config", &config]);
        let lines = String::from_utf8(done.stdout).unwrap();
        let in_force = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let in_force = in_force.rev().find(|line| line["state"] == "in force").unwrap();
        in_force["number"].as_u64().unwrap()
    }
}

pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
