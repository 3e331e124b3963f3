//! What the auditor desk hands over, verified with the commands that stand on its pages.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tacit_federation::run::RunningPortal;
use tacit_ledger::{ed25519::SigningKey, note::NoteSigner};

use super::{
    alias,
    support::{Scene, json, tacit_in, tacit_json},
};

/// Somebody at the desk.
struct Person {
    at: SocketAddr,
    cookie: String,
}

/// An answer: its head and its body.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line =
            self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }

    /// What stands between these for the first time, as a person reads it.
    fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("{before}: {}", self.body));
        rest.split_once(after).unwrap().0.replace("&#43;", "+").replace("&#47;", "/")
    }

    /// Keeps the file, under the name that it comes with.
    fn keep(&self, folder: &Path) -> String {
        let named = self.header("content-disposition").unwrap_or_else(|| panic!("{}", self.head));
        let name = named.split('"').nth(1).unwrap().to_owned();
        fs::write(folder.join(&name), &self.body).unwrap();
        name
    }
}

impl Person {
    /// A call on a connection of its own.
    fn call(&mut self, method: &str, path: &str, form: &str) -> Answer {
        let mut stream = TcpStream::connect(self.at).unwrap();
        let (at, cookie) = (self.at, &self.cookie);
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let answer = Answer { head: head.to_owned(), body: body.to_owned() };
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().unwrap().to_owned();
        }
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, "")
    }

    fn log_in(at: SocketAddr) -> Self {
        let mut person = Self { at, cookie: String::new() };
        let secret = person.get("/en/login").between("name=\"csrf\" value=\"", "\"");
        let answer = person.call("POST", "/en/login", &format!("csrf={secret}&account=zhao"));
        assert_eq!(answer.header("location"), Some("/en/"), "{}", answer.head);
        person
    }

    /// Looks again until the page says this: the desk follows the log every few seconds.
    fn until(&mut self, path: &str, words: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if answer.body.contains(words) {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{path}: {}", answer.body);
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

async fn portal(scene: &Scene) -> RunningPortal {
    let folder = scene.federation.folder();
    let accounts = json!([{ "account": "zhao", "title": "zhao", "claims": { "roles": ["auditor"] } }]);
    fs::write(folder.join("auditors.json"), accounts.to_string()).unwrap();
    let desks = r#"
[auditor]
http = "127.0.0.1:0"
auditor = "auditor-a.toml"

[auditor.login]
kind = "development"
accounts = "auditors.json"
claims = { role = { claim = "roles", value = "auditor" } }
"#;
    scene.federation.portal("audit-web", "sqlite:data/audit-web.db", desks).await.unwrap()
}

/// Runs a command as it stands on a page, in a folder.
fn typed(command: &str, folder: &Path) -> Output {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("tacit"), "{command}");
    let words: Vec<&str> = std::iter::once("--json").chain(words).collect();
    tacit_in(folder, &words)
}

fn fails(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_auditor_desk_hands_over_verifies_with_the_command_on_its_page() {
    let scene = Scene::new().await;
    scene.ask(3).await;
    scene.cosigned().await;
    let portal = portal(&scene).await;
    let at = portal.desks()[0].address;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let walked = folder.to_owned();
    let (proof, export) = tokio::task::spawn_blocking(move || {
        let folder = walked.as_path();
        let mut me = Person::log_in(at);
        let log = me.until("/en/log?kind=access", "3 entries");
        let index = log.between("href=\"/en/log/", "\"");
        let entry = me.get(&format!("/en/log/{index}"));
        for part in ["record", "proof"] {
            me.get(&format!("/en/log/{index}/{part}")).keep(folder);
        }
        let proof = format!("tacit log verify {}", entry.between("<pre>tacit log verify ", "</pre>"));
        let secret = log.between("name=\"csrf\" value=\"", "\"");
        let file =
            me.call("POST", "/en/export", &format!("csrf={secret}&form=jsonl&kind=access")).keep(folder);
        let export = format!("tacit log verify {}", log.between("<pre>tacit log verify ", "</pre>"));
        (proof, (export.replace("FILE.jsonl", &file), file))
    })
    .await
    .unwrap();
    portal.stop().await;
    let (export, file) = export;

    let said = json(&typed(&proof, folder));
    assert_eq!((&said["verified"], &said["record"]["kind"]), (&true.into(), &"access".into()));
    let said = json(&typed(&export, folder));
    assert_eq!((&said["verified"], &said["records"]), (&true.into(), &3.into()), "{said}");

    // Whatever is changed in a line is found, and so is another key.
    let path = folder.join(&file);
    let whole = fs::read_to_string(&path).unwrap();
    let line: Value = serde_json::from_str(whole.lines().next().unwrap()).unwrap();
    let rest: Vec<&str> = whole.lines().skip(1).collect();
    let changes: [(&str, Value); 7] = [
        ("requester", json!("tax")),
        ("text", json!(line["text"].as_str().unwrap().replace("screening", "screeninh"))),
        ("index", json!(line["index"].as_u64().unwrap() - 1)),
        ("inclusion", json!([])),
        ("checkpoint", json!(line["checkpoint"].as_str().unwrap().replacen("/log\n", "/log\n1", 1))),
        ("another", json!("field")),
        ("purpose", Value::Null),
    ];
    for (field, value) in changes {
        let mut line = line.clone();
        line[field] = value;
        fs::write(&path, format!("{line}\n{}\n", rest.join("\n"))).unwrap();
        assert!(fails(&typed(&export, folder)).contains("line 1 is NOT proven"), "{field}");
    }
    fs::write(&path, format!("{}\n{line}\n", rest.join("\n"))).unwrap();
    assert!(fails(&typed(&export, folder)).contains("line 3 is NOT proven"));
    fs::write(&path, "").unwrap();
    assert!(fails(&typed(&export, folder)).contains("no records"));
    fs::write(&path, &whole).unwrap();
    json(&typed(&export, folder));
    let other = NoteSigner::new("coordinator/log", SigningKey::from_seed(&[9; 32])).unwrap();
    let (command, _) = export.rsplit_once(' ').unwrap();
    let done = typed(&format!("{command} {}", other.verifier()), folder);
    assert!(fails(&done).contains("line 1 is NOT proven"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn findings_of_the_desk_and_of_the_command_line_are_one_file() {
    let scene = Scene::new().await;
    let index = alias::ask(&scene.federation, scene.code(0), scene.code(1)).await;
    scene.cosigned().await;
    // Found on the command line.
    assert_eq!(scene.open_box(&index.to_string()).status.code(), Some(1));
    let config = scene.config("auditor-a");
    let list = || tacit_json(&["audit", "findings", "list", "--config", &config])["findings"].clone();
    let kept = list();
    assert_eq!(kept.as_array().map(Vec::len), Some(1), "{kept}");
    let id = kept[0]["id"].as_str().unwrap().to_owned();
    let portal = portal(&scene).await;
    let at = portal.desks()[0].address;
    let one = format!("/en/findings/{id}");
    let lines = tokio::task::spawn_blocking(move || {
        let mut me = Person::log_in(at);
        let page = me.until("/en/findings", "Another subject was registered");
        assert!(page.body.contains(&format!("href=\"{one}\"")), "{}", page.body);
        me.until("/en/findings", &format!("href=\"/en/log/{index}\""));
        let lines = me.get("/en/findings.jsonl").body;
        // Followed up at the desk.
        let secret = me.get(&one).between("name=\"csrf\" value=\"", "\"");
        let set = me.call("POST", &one, &format!("csrf={secret}&status=answered&note=by+letter"));
        assert_eq!(set.header("location"), Some(&*one), "{}", set.head);
        lines
    })
    .await
    .unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::Array(lines), kept);
    // The command line sees that, and goes on with it.
    let now = list();
    assert_eq!(
        (&now[0]["status"], &now[0]["said"][0][2]),
        (&"answered".into(), &"by letter".into()),
        "{now}"
    );
    tacit_json(&["audit", "findings", "set", &id, "closed", "--config", &config]);
    tokio::task::spawn_blocking(move || {
        Person::log_in(at).until("/en/findings?status=closed", "One finding, newest first.");
    })
    .await
    .unwrap();
    assert!(!list().to_string().contains(scene.code(1)), "findings name no code");
    portal.stop().await;
    scene.end().await;
}
