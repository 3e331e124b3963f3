//! A federation of processes whose lists hold codes of several schemes, and whose roles log everything they can.

#![expect(clippy::unwrap_used, reason = "test support: what goes wrong here ends the test")]

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tacit_model::{
    Clock as _, Millis, SystemClock,
    entropy::seeded_rng,
    generate::{generate_lei, generate_rid, generate_uscc},
};

use crate::support::{Federation, ROLES, files_below};

/// The case number of every question.
pub(crate) const CASE: &str = "Canary-Case 7Q2X/2026";
/// Who asks.
pub(crate) const OFFICER: &str = "Canary-Officer Lin";
/// For what.
pub(crate) const PURPOSE: &str = "public-procurement-eligibility";
/// Everything that our code and what it builds on can say.
pub(crate) const LOUDEST: &str = "trace";

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Lists of other schemes, and who may ask them.
const MORE: &str = r#"
[[scheme]]
name = "X-permit"
title = "Numbers of permits"
rules = { pattern = "P[0-9]{9}", normalize = ["upper_cased", "spaces_removed"] }
"#;

/// A list, and subjects to ask it about.
pub(crate) struct Subjects {
    pub(crate) holder: &'static str,
    pub(crate) list: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) listed: Vec<String>,
    pub(crate) unlisted: Vec<String>,
    /// What is no code.
    pub(crate) mistyped: Vec<String>,
}

/// The federation, and a folder for all that comes out of it.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    pub(crate) subjects: Vec<Subjects>,
    place: tempfile::TempDir,
    said: Cell<u32>,
}

impl Scene {
    /// Founds it and starts its roles. `database` gives the URL of a member's database, in the place of an SQLite file.
    pub(crate) fn found(database: &impl Fn(&Path, &str) -> Option<String>) -> Self {
        let subjects = subjects();
        let mut sample = include_str!("../../../../federation/samples/procurement.toml").to_owned();
        sample.push_str(MORE);
        for it in &subjects[1..] {
            sample.push_str(&list_and_agreement(it));
        }
        let place = tempfile::tempdir().unwrap();
        let mut federation = Federation::found_in(&place.path().join("federation"), &sample, &[]);
        for (member, _) in ROLES {
            let Some(url) = database(federation.folder(), member) else { continue };
            let config = federation.file(&format!("{member}.toml"));
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text.replace(&format!("sqlite:data/{member}.db"), &url)).unwrap();
        }
        federation.log(LOUDEST);
        let scene = Self { federation, subjects, place, said: Cell::new(0) };
        // What is typed is no output: it is not searched.
        for folder in ["typed", "said", "fetched", "mine"] {
            fs::create_dir(scene.path(folder)).unwrap();
        }
        let mut scene = scene;
        scene.federation.start_all();
        scene
    }

    /// The folder of everything.
    pub(crate) fn root(&self) -> &Path {
        self.place.path()
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// [`Scene::path`], as an argument.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The configuration of a member.
    pub(crate) fn config(&self, member: &str) -> String {
        self.federation.file(&format!("{member}.toml"))
    }

    /// The value of a key in a member's configuration.
    pub(crate) fn setting(&self, member: &str, key: &str) -> String {
        let text = fs::read_to_string(self.config(member)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = \""))).unwrap();
        line.trim_end_matches('"').to_owned()
    }

    /// Runs a command, as loud as it can be, and keeps all that it says to be searched.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.said.set(self.said.get() + 1);
        self.run_into(&format!("said/{:03}-{}", self.said.get(), arguments[0]), arguments)
    }

    /// [`Scene::run`] into a file of this name.
    pub(crate) fn run_into(&self, name: &str, arguments: &[&str]) -> Output {
        let all = [&["--log", LOUDEST], arguments].concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
        let done = command.args(all).stdin(Stdio::null()).output().unwrap();
        fs::write(self.path(name), [&done.stdout[..], b"\n--\n", &done.stderr].concat()).unwrap();
        done
    }

    /// Runs a command that must end like this.
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let out = String::from_utf8(done.stdout).unwrap();
        let (word, number, status) = (arguments[0], self.said.get(), done.status);
        assert_eq!(status.code(), Some(code), "{word}, command {number}: {out}");
        out
    }

    /// Runs a command that must say why it cannot be done.
    pub(crate) fn fails(&self, arguments: &[&str]) {
        let done = self.run(arguments);
        assert!(
            matches!(done.status.code(), Some(1..=4)),
            "{:?} of {}: {}",
            arguments[0],
            self.said.get(),
            done.status
        );
    }

    /// Private keys: the file, what is secret in it, and of a PEM file a line of nothing else.
    pub(crate) fn key_files(&self) -> Vec<(String, Vec<u8>, Option<String>)> {
        let mut keys = Vec::new();
        for folder in ["keys", "tls", "ca"] {
            for path in files_below(&self.path("federation").join(folder)) {
                let bytes = fs::read(&path).unwrap();
                let (secret, line) = match path.extension().and_then(|it| it.to_str()) {
                    Some("seed" | "key") if folder == "keys" => {
                        (hex::decode(bytes.trim_ascii()).unwrap(), None)
                    }
                    Some("key") => private_number(std::str::from_utf8(&bytes).unwrap()),
                    _ => continue,
                };
                assert_eq!(secret.len(), 32, "{}", path.display());
                keys.push((
                    format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()),
                    secret,
                    line,
                ));
            }
        }
        assert!(keys.len() > 20, "{}", keys.len());
        keys
    }

    /// Tokens of the gateways: the file, and a token.
    pub(crate) fn tokens(&self) -> Vec<(String, String)> {
        let mut tokens = Vec::new();
        for path in files_below(&self.path("federation/tokens")) {
            for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.starts_with('#')) {
                let Some((_, token)) = line.split_once(':') else { continue };
                // Rights stand behind it.
                let Some(token) = token.split_whitespace().next() else { continue };
                let file = path.file_name().unwrap().to_str().unwrap();
                tokens.push((format!("tokens/{file}"), token.to_owned()));
            }
        }
        assert!(!tokens.is_empty());
        tokens
    }

    /// A binary column of a member's database.
    pub(crate) fn column(&self, member: &str, sql: &'static str) -> Vec<Vec<u8>> {
        let url = match self.setting(member, "database") {
            url if url.starts_with("sqlite:") => {
                format!("sqlite:{}", self.file(&format!("federation/data/{member}.db")))
            }
            url => url,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let mut conn = AnyConnection::connect(&url).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
            conn.close().await.unwrap();
            let column: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0)).collect();
            assert!(!column.is_empty(), "{member}: {sql}");
            column
        })
    }

    /// Records of a list whose listings began a month ago.
    pub(crate) fn records(&self, name: &str, codes: &[String]) -> String {
        let day = |ago: u64| Millis(SystemClock.now().0 - ago * DAY_MS).to_rfc3339()[..10].to_owned();
        let mut text =
            "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n".to_owned();
        for (number, code) in codes.iter().enumerate() {
            text.push_str(&format!("{code},101,D-{number},{},{},{},\n", day(60), day(55), day(30)));
        }
        let path = self.file(&format!("typed/{name}"));
        fs::write(&path, text).unwrap();
        path
    }
}

/// The private number in a PEM file of PKCS #8 with a key of P-256, 32 bytes; and the line that has its end.
fn private_number(pem: &str) -> (Vec<u8>, Option<String>) {
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(lines.concat()).unwrap();
    let at = der.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
    (der[at..at + 32].to_vec(), Some(lines[1].to_owned()))
}

fn subjects() -> Vec<Subjects> {
    let mut rng = seeded_rng([113; 32]);
    let mut many = |generate: &mut dyn FnMut(&mut tacit_model::entropy::Rng) -> String, count: usize| {
        (0..count).map(|_| generate(&mut rng)).collect::<Vec<_>>()
    };
    let mut permit = 0;
    let mut next_permit = |_: &mut tacit_model::entropy::Rng| {
        permit += 1;
        format!("P{}", 271_828_182 + permit * 31_415_926)
    };
    let mut lists = Vec::new();
    for (holder, list, scheme) in [
        ("court", "court/judgment-defaulters", "CN-USCC"),
        ("court", "court/persons", "CN-RID"),
        ("tax", "tax/entities", "LEI"),
        ("tax", "tax/permits", "X-permit"),
    ] {
        let codes = match scheme {
            "CN-USCC" => many(&mut |rng| generate_uscc(rng), 8),
            "CN-RID" => many(&mut |rng| generate_rid(rng), 8),
            "LEI" => many(&mut |rng| generate_lei(rng), 8),
            _ => many(&mut next_permit, 8),
        };
        let with = |code: &str, at: usize, c: &str| format!("{}{c}{}", &code[..at], &code[at + 1..]);
        let last = |code: &str| if code.ends_with('7') { "4" } else { "7" };
        let mistyped = vec![
            with(&codes[6], 2, "!"),
            // Characters that do not agree; of a scheme without a check, one too many.
            if scheme == "X-permit" {
                format!("{}0", codes[7])
            } else {
                with(&codes[7], codes[7].len() - 1, last(&codes[7]))
            },
        ];
        lists.push(Subjects {
            holder,
            list,
            scheme,
            listed: codes[..3].to_vec(),
            unlisted: codes[3..6].to_vec(),
            mistyped,
        });
    }
    lists
}

fn list_and_agreement(it: &Subjects) -> String {
    let Subjects { holder, list, scheme, .. } = it;
    format!(
        r#"
[[list]]
id = "{list}"
title = "A list of {scheme}"
scheme = "{scheme}"
legal_basis = {{ act = "government-procurement-law", citation = "Art. 22" }}
origin_context = "justice"
adverse = true
what_listing_means = "It is listed."
retention_days = 730
time_zone = "Asia/Shanghai"
objection_contact = "The desk"
notice_days = 0
contested = "flag"
status_texts = [{{ status = 1, text = "Listed." }}]

[[agreement]]
holder = "{holder}"
requester = "procurement"
lists = ["{list}"]
purposes = ["{PURPOSE}"]
purpose_context = "procurement"
legal_basis = {{ act = "government-procurement-law", citation = "Art. 22" }}
quotas = {{ checks_per_day = 1000, per_subject_per_day = 100, new_subjects_per_day = 1000 }}
max_lists_per_check = 1
data_life = {{ value = 1, unit = "DAY" }}
valid_days = 30

[agreement.cross_context]
act = "government-procurement-law"
citation = "Art. 22 (5)"
proportionality = "Only bidders."
"#
    )
}
