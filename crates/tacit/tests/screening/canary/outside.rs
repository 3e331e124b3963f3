//! What others can fetch from the roles, and the backups.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support: what goes wrong here ends the test, and what cannot run says so aloud"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use tacit_ledger::layout::files_of;
use tacit_store::conformance;

use super::scene::{CASE, OFFICER, PURPOSE, Scene};
use crate::support::ROLES;

/// Metrics, the files of the log, and answers to bad requests; all kept to be searched.
pub(crate) fn everything_that_others_can_fetch(scene: &Scene) {
    for (member, _) in ROLES {
        let metrics = http(&scene.setting(member, "metrics"), "GET /metrics HTTP/1.1", &[], "");
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        fs::write(scene.path(&format!("fetched/metrics-{member}")), metrics).unwrap();
    }
    bad_requests_to_the_gateway(scene);
    bad_requests_to_the_authority(scene);
    consents_at_the_desk(scene);
    files_of_the_log(scene);
}

/// A request over HTTP/1.1 without TLS, and the whole answer.
fn http(at: &str, first: &str, headers: &[String], body: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = format!("{first}\r\nhost: {at}\r\nconnection: close\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn bad_requests_to_the_gateway(scene: &Scene) {
    let at = scene.setting("procurement", "http");
    let (_, token) = scene.tokens().into_iter().find(|(file, _)| file.contains("procurement")).unwrap();
    let json = "content-type: application/json".to_owned();
    let bearer = format!("authorization: Bearer {token}");
    for (number, it) in scene.subjects.iter().enumerate() {
        let (code, wrong) = (&it.unlisted[2], &it.mistyped[1]);
        let question = |code: &str, more: &str| {
            format!(
                r#"{{"code": "{code}", "lists": ["{}"], "purpose": "{PURPOSE}", "case_number": "{CASE}",
                "officer": "{OFFICER}"{more}}}"#,
                it.list
            )
        };
        let good = question(code, "");
        let mut said = Vec::new();
        let checks = "POST /v1/checks HTTP/1.1";
        for body in [
            good.clone(),
            question(wrong, ""),
            question(code, &format!(r#", "{code}": 1"#)),
            question(code, &format!(r#", "scheme": "{code}""#)),
            good.replace(it.list, code),
            good.replace(it.list, &format!("court/{}", code.to_lowercase())),
            good.replace(PURPOSE, code),
            good.replace(PURPOSE, &code.to_lowercase()),
            good.replace(&format!(r#""{code}""#), code),
            good.replace(&format!(r#""{code}""#), &format!(r#"["{code}"]"#)),
            good.replace(r#""code""#, &format!(r#""{code}""#)),
            format!(r#""{code}""#),
            format!("{code}\n"),
            good[..good.len() - 3].to_owned(),
        ] {
            said.push(http(&at, checks, &[json.clone(), bearer.clone()], &body));
            said.push(http(&at, "POST /v1/checks/plan HTTP/1.1", &[json.clone(), bearer.clone()], &body));
            let lines = "content-type: application/x-ndjson".to_owned();
            said.push(http(&at, "POST /v1/checks/batch HTTP/1.1", &[lines, bearer.clone()], &body));
        }
        // Codes in paths, in queries, in headers.
        for first in [
            format!("GET /v1/receipts/{code} HTTP/1.1"),
            format!("GET /{code}?code={code} HTTP/1.1"),
            format!("{code} /v1/lists HTTP/1.1"),
            format!("GET /v1/lists?{code} HTTP/1.1"),
        ] {
            said.push(http(&at, &first, std::slice::from_ref(&bearer), ""));
        }
        for header in [
            format!("x-request-id: {code}"),
            format!("content-type: {code}"),
            format!("accept: {code}"),
            format!("{code}: 1"),
        ] {
            said.push(http(&at, checks, &[header, bearer.clone()], &good));
        }
        said.push(http(&at, checks, &[json.clone(), format!("authorization: Bearer {code}")], &good));
        said.push(http(&at, checks, &[json.clone(), format!("authorization: {token} {code}")], &good));
        said.push(http(&at, "GET /v1/status HTTP/1.1", std::slice::from_ref(&bearer), ""));
        said.push(http(&at, "GET /v1/lists HTTP/1.1", std::slice::from_ref(&bearer), ""));
        assert!(said[0].starts_with("HTTP/1.1 200"), "{}", said[0]);
        fs::write(scene.path(&format!("fetched/gateway-{number}")), said.join("\n----\n")).unwrap();
    }
}

fn bad_requests_to_the_authority(scene: &Scene) {
    let at = scene.setting("portal", "http");
    let (_, token) = scene.tokens().into_iter().find(|(file, _)| file.contains("portal")).unwrap();
    let json = "content-type: application/json".to_owned();
    let bearer = format!("authorization: Bearer {token}");
    for (number, it) in scene.subjects.iter().enumerate() {
        let (code, wrong) = (&it.unlisted[2], &it.mistyped[1]);
        let good = format!(r#"{{"scheme": "{}", "code": "{code}"}}"#, it.scheme);
        let mut said = Vec::new();
        for path in [
            "/v1/users",
            "/v1/findUsage",
            "/v1/usagePeriod",
            "/v1/proofs",
            "/v1/checks",
            "/v1/consents",
            "/v1/consents/search",
            "/v1/consents/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/withdraw",
            "/v1/consents/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/receipt",
            "/v1/requests/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/allow",
        ] {
            let first = format!("POST {path} HTTP/1.1");
            for body in [
                good.clone(),
                good.replace(code, wrong),
                good.replace(it.scheme, code),
                good.replace(r#""scheme""#, &format!(r#""{code}""#)),
                format!(r#"{{"code": "{code}", "list": "{code}"}}"#),
                format!(r#"{{"scheme": "{}", "code": "{code}", "record_id": "{code}"}}"#, it.scheme),
                format!("{code}\n"),
            ] {
                said.push(http(&at, &first, &[json.clone(), bearer.clone()], &body));
                said.push(http(&at, &first, std::slice::from_ref(&json), &body));
            }
            let foreign = format!("x-request-id: {code}");
            said.push(http(&at, &first, &[json.clone(), bearer.clone(), foreign], &good));
        }
        let receipt = format!("GET /v1/receipts/{code} HTTP/1.1");
        said.push(http(&at, &receipt, std::slice::from_ref(&bearer), ""));
        said.push(http(&at, "GET /v1/heartbeat HTTP/1.1", std::slice::from_ref(&bearer), ""));
        assert!(said[0].starts_with("HTTP/1.1 200"), "{}", said[0]);
        fs::write(scene.path(&format!("fetched/authority-{number}")), said.join("\n----\n")).unwrap();
    }
}

/// A consent given, shown and withdrawn at the authority's desk; what the person was shown names them.
fn consents_at_the_desk(scene: &Scene) {
    let at = scene.setting("portal", "http");
    let (_, token) = scene.tokens().into_iter().find(|(file, _)| file.contains("portal")).unwrap();
    let headers = ["content-type: application/json".to_owned(), format!("authorization: Bearer {token}")];
    let it = &scene.subjects[0];
    let person = format!(r#""scheme": "{}", "code": "{}""#, it.scheme, it.unlisted[2]);
    let id = "01KAM2V7Q3ZJ6V6T1V8M3W9R5D";
    let said = |path: &str, more: &str| {
        let body = format!("{{{person}{more}}}");
        let answer = http(&at, &format!("POST {path} HTTP/1.1"), &headers, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    };
    let terms = format!(
        r#", "id": "{id}", "requester": "procurement", "lists": ["tax/serious-violations"], "days": 9,
        "purposes": ["vendor-selection"], "frequency": "1 DAY",
        "shown": {{"language": "en", "text": "{} may be asked about."}}"#,
        it.unlisted[2]
    );
    let given = said("/v1/consents", &terms);
    let shown = said("/v1/consents/search", "");
    assert!(shown.contains(id) && shown.contains("may be asked about"), "{shown}");
    let withdrawn = said(&format!("/v1/consents/{id}/withdraw"), "");
    fs::write(scene.path("fetched/authority-consents"), [given, withdrawn].join("\n----\n")).unwrap();
    fs::write(scene.path("mine/consents-at-the-desk"), shown).unwrap();
}

/// What is asked over HTTPS.
enum Asked {
    File,
    NoFile,
    /// To a witness, which must refuse it; what curl takes as data.
    Post(String),
}

/// The log over HTTPS, as an auditor gets it; and what is answered where there is no file.
fn files_of_the_log(scene: &Scene) {
    let checkpoint = fs::read_to_string(scene.path("export/checkpoint")).unwrap();
    let size: u64 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let code = &scene.subjects[0].unlisted[0];
    let header = format!("x-request-id: {code}");
    let mut asked: Vec<(&str, String, Asked)> = Vec::new();
    asked.extend(files_of(size).map(|file| ("coordinator", file.path(), Asked::File)));
    asked.push(("coordinator", "years".to_owned(), Asked::File));
    for path in [format!("tile/{code}"), format!("checkpoint?{code}"), format!("{code}/checkpoint")] {
        asked.push(("coordinator", path, Asked::NoFile));
    }
    for body in
        [code.clone(), format!("old {code}\n\n{checkpoint}"), format!("old 0\n{code}\n\n{checkpoint}")]
    {
        let file = scene.file(&format!("typed/post-{}", asked.len()));
        fs::write(&file, body).unwrap();
        asked.push(("custodian", "add-checkpoint".to_owned(), Asked::Post(format!("@{file}"))));
    }
    for (number, (member, path, how)) in asked.iter().enumerate() {
        let is_file = matches!(how, Asked::File);
        let body =
            scene.file(&format!("fetched/https-{number}-{}", if is_file { "tile" } else { "refused" }));
        let mut options = vec!["--header", &header];
        if let Asked::Post(data) = how {
            options.extend(["--data-binary", data]);
        }
        let Some(status) = curl(scene, member, path, &options, &body) else {
            eprintln!("SKIPPED: the files of the log over HTTPS: there is no curl here");
            return;
        };
        let wanted = if is_file { '2' } else { '4' };
        assert!(status.starts_with(wanted), "{member} {number}: {status}");
    }
}

/// The status of a request over HTTPS with an auditor's certificate; headers and body go to a file. Nothing when there
/// is no curl here.
fn curl(scene: &Scene, member: &str, path: &str, options: &[&str], body: &str) -> Option<String> {
    let tls = |name: &str| scene.federation.folder().join("tls").join(name).to_str().unwrap().to_owned();
    let name = format!("{member}.{member}.procurement.example.tacit.internal");
    let done = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--http2",
            "--tlsv1.3",
            "--max-time",
            "20",
            "--write-out",
            "%{http_code}",
        ])
        .args(["--cacert", &tls("ca.pem"), "--cert", &tls("auditor-a.pem"), "--key", &tls("auditor-a.key")])
        .args(["--connect-to", &format!("{name}:443:{}", scene.setting(member, "listen"))])
        .args(["--dump-header", &format!("{body}.headers"), "--output", body])
        .args(options)
        .arg(format!("https://{name}/{path}"))
        .output()
        .ok()?;
    assert!(done.status.success(), "{member}: {}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}

/// A backup of every role, with its manifest; of PostgreSQL what it unpacks to.
pub(crate) fn backups(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let recovery = scene.file("typed/recovery.key");
    scene.ends(0, &["db", "recovery-key", "--out", &recovery]);
    fs::create_dir(scene.path("backups")).unwrap();
    let mut all = Vec::new();
    for (member, _) in ROLES {
        let (out, public) = (scene.file(&format!("backups/{member}")), format!("{recovery}.pub"));
        let config = scene.config(member);
        let seal: &[&str] = if member == "custodian" { &["--seal-to", &public] } else { &[] };
        scene.ends(0, &[&["db", "backup", "--config", &config, "--out", &out], seal].concat());
        let mut bytes = [fs::read(&out).unwrap(), fs::read(format!("{out}.json")).unwrap()].concat();
        if conformance::on_postgres() {
            let done = Command::new("pg_restore").args(["--file=-", &out]).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            bytes.extend(done.stdout);
        }
        all.push((format!("backup/{member}"), bytes));
    }
    all
}
