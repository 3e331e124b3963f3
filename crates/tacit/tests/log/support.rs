//! A federation with a log worth reading, and the programs that read it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use futures::future::join_all;
use serde_json::Value;
use tacit_identity::{DevCa, Role, SpiffeId};
use tacit_model::{
    Clock as _, ManualClock, MemberId, Millis, SystemClock, entropy::seeded_rng, generate::generate_uscc,
};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{Question, check_outcome::Outcome};

pub(crate) const LIST: &str = "court/judgment-defaulters";

/// A federation at work, and a folder for what is exported.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    place: tempfile::TempDir,
    codes: Vec<String>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Options::quick()).await
    }

    async fn with(options: Options) -> Self {
        let federation = Federation::start("procurement", options).await.unwrap();
        let mut rng = seeded_rng([5; 32]);
        let codes: Vec<String> = (0..400).map(|_| generate_uscc(&mut rng)).collect();
        federation.publish(LIST, federation.records_csv(101, &codes[..10])).await.unwrap();
        Self { federation, place: tempfile::tempdir().unwrap(), codes }
    }

    /// One that began last year, an hour before its end, with a log of that year. Our program has no other clock than
    /// the machine's, so this year begins with [`Scene::turn_year`].
    pub(crate) async fn of_last_year() -> (Self, ManualClock) {
        let year = SystemClock.now().utc_year();
        let new_year: Millis = format!("{year}-01-01T00:00:00.000Z").parse().unwrap();
        let clock = ManualClock::new(new_year.minus_ms(3_600_000));
        (Self::with(Options::quick().clock(Arc::new(clock.clone()))).await, clock)
    }

    /// Sets the clock to the machine's, and gives everybody certificates of today.
    pub(crate) async fn turn_year(&mut self, clock: &ManualClock) {
        let running: Vec<_> = self.federation.running().map(|member| member.to_string()).collect();
        for member in &running {
            self.federation.stop(member).await.unwrap();
        }
        let spiffe = |member: &MemberId| self.federation.credentials(member).unwrap().spiffe().clone();
        let parties: Vec<_> = self.federation.sample().member.iter().map(|it| spiffe(&it.id)).collect();
        clock.set(SystemClock.now());
        let folder = self.federation.folder();
        let mut ca = DevCa::load(&folder.join("ca")).unwrap();
        ca.renew_crl(clock.now()).unwrap();
        ca.save_crl(&folder.join("tls/crl.pem")).unwrap();
        for id in parties {
            ca.issue(&id, clock.now()).unwrap().save(&folder.join("tls"), &id.member).unwrap();
        }
        // The coordinator first: the others ask it for the registry.
        let coordinator = self.federation.registry().coordinator().to_string();
        for member in std::iter::once(&coordinator).chain(running.iter().filter(|it| **it != coordinator)) {
            self.federation.restart(member).await.unwrap();
        }
        // The lists are sealed anew for the epoch of today.
        for _ in 0..120 {
            let asked = self.federation.ask("procurement", question(), &self.codes[0]).await;
            if asked.is_ok_and(|asked| matches!(asked.outcome, Some(Outcome::Answers(_)))) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
        panic!("nothing is answered in the new year");
    }

    /// Asks about so many subjects.
    pub(crate) async fn ask(&self, count: usize) {
        for part in self.codes[..count].chunks(32) {
            let asked = part.iter().map(|code| self.federation.ask("procurement", question(), code));
            for outcome in join_all(asked).await {
                let outcome = outcome.unwrap();
                assert!(matches!(outcome.outcome, Some(Outcome::Answers(_))), "{outcome:?}");
            }
        }
    }

    /// Exports the log once its witnesses stand behind all of it, with the auditor's configuration.
    pub(crate) async fn export(&self, folder: &str) -> Value {
        let config = self.config("auditor-a");
        let newest = tacit_json(&["log", "tail", "-n", "1", "--config", &config]);
        for _ in 0..100 {
            let exported = tacit_json(&["log", "export", folder, "--config", &config]);
            let all = exported["size"].as_u64().unwrap() > newest["index"].as_u64().unwrap();
            if all && !exported["cosigned_by"].as_array().unwrap().is_empty() {
                return exported;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        panic!("the witnesses do not cosign the newest checkpoint");
    }

    /// A path for what is exported.
    pub(crate) fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    /// The configuration of a member.
    pub(crate) fn config(&self, member: &str) -> String {
        self.federation.config(member).to_str().unwrap().to_owned()
    }

    /// A file of the log, by curl over HTTPS with a member's certificate: the status and the bytes. Nothing when
    /// there is no curl here.
    pub(crate) fn curl(&self, member: &str, path: &str) -> Option<(String, Vec<u8>)> {
        let coordinator = self.federation.registry().coordinator().clone();
        let endpoint = self.federation.registry().member(&coordinator).unwrap().endpoint.clone().unwrap();
        let at = endpoint.strip_prefix("https://").unwrap();
        let name = SpiffeId::new(self.federation.sample().federation.clone(), Role::Coordinator, coordinator);
        let (name, tls) = (name.dns_name(), self.federation.folder().join("tls"));
        let file = |name: String| tls.join(name).to_str().unwrap().to_owned();
        let body = self.path("curl-body");
        let done = Command::new("curl")
            .args(["--silent", "--show-error", "--http2", "--tlsv1.3", "--write-out", "%{http_code}"])
            .args(["--cacert", &file("ca.pem".to_owned())])
            .args(["--cert", &file(format!("{member}.pem")), "--key", &file(format!("{member}.key"))])
            .args(["--connect-to", &format!("{name}:443:{at}"), "--output", &body])
            .arg(format!("https://{name}/{path}"))
            .output()
            .ok()?;
        assert!(done.status.success(), "{path}: {}", String::from_utf8_lossy(&done.stderr));
        Some((String::from_utf8(done.stdout).unwrap(), fs::read(body).unwrap()))
    }
}

fn question() -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: "screening".to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

/// Runs our program.
pub(crate) fn tacit(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    // Variables of tests are no keys of a configuration.
    command.env_remove("TACIT_TEST_PYTHON").env_remove("TACIT_TEST_POSTGRES");
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs our program, which must succeed, and gives its lines of JSON.
pub(crate) fn tacit_lines(arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let done = tacit(&all);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{arguments:?}: {}\n{out}\n{err}", done.status);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// [`tacit_lines`], the last one.
pub(crate) fn tacit_json(arguments: &[&str]) -> Value {
    tacit_lines(arguments).pop().unwrap()
}

/// Runs our program, which must fail with exit code 1, and gives its error.
pub(crate) fn tacit_fails(arguments: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let done = tacit(&all);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {out}");
    serde_json::from_str::<Value>(out.lines().last().unwrap()).unwrap()["error"].clone()
}

/// The program that verifies an export without our code; nothing, said aloud, when it cannot run here.
pub(crate) struct Independent(PathBuf);

impl Independent {
    pub(crate) fn find() -> Option<Self> {
        let python = std::env::var_os("TACIT_TEST_PYTHON").map(PathBuf::from);
        if python.is_none() {
            eprintln!("SKIPPED: the independent verifier (TACIT_TEST_PYTHON is not set)");
        }
        python.map(Self)
    }

    /// Whether it verifies the folder, and what it says.
    pub(crate) fn verifies(&self, folder: &str, options: &[&str]) -> Result<Value, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/independent/verify_log.py");
        let done = Command::new(&self.0).arg(script).args([folder, "--json"]).args(options).output().unwrap();
        let said: Value = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        match done.status.code() {
            Some(0) => Ok(said),
            Some(1) => Err(said["error"].as_str().unwrap().to_owned()),
            other => panic!("{other:?}: {}", String::from_utf8_lossy(&done.stderr)),
        }
    }
}

/// Where one changed byte must be noticed. In a note, signature lines of keys that nobody knows are ignored, so there
/// it is the text and the log's own signature.
pub(crate) fn places(name: &str, bytes: &[u8]) -> Vec<usize> {
    match name {
        "checkpoint" => {
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
            let signature = text.find("\u{2014} coordinator/log ").unwrap() + 40;
            vec![0, lines[0] + 1, lines[1] + 5, signature]
        }
        name if name.ends_with(".tlog-proof") => vec![0, 29, 40],
        _ => vec![0, bytes.len() / 2 - 1, bytes.len() - 2],
    }
}

/// The files below a folder, each by its name with `/` between the parts.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}
