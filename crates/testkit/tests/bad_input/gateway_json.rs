//! The gateway's JSON API over its own socket, with HTTP written by hand.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tacit_model::{Fault, Reason};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    noise::Noise,
    scene::{LIST, Scene},
};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

/// What came back.
struct Told {
    status: u16,
    head: String,
    body: Vec<u8>,
}

struct Gateway {
    address: SocketAddr,
    token: String,
    sent: std::cell::Cell<u32>,
}

impl Gateway {
    /// Sends bytes as they are, hangs up after them if it `ends`, and reads until the other end closes.
    async fn raw(&self, bytes: &[u8], ends: bool) -> Vec<u8> {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        let (mut reader, mut writer) = tcp.split();
        let mut answer = Vec::new();
        let send = async {
            // An answer may come before everything was sent; then the rest is not taken any more.
            let _ = writer.write_all(bytes).await;
            if ends {
                let _ = writer.shutdown().await;
            }
        };
        let receive = async {
            // What was read before a reset counts.
            let _ = reader.read_to_end(&mut answer).await;
        };
        let both = async { tokio::join!(send, receive) };
        tokio::time::timeout(std::time::Duration::from_secs(20), both).await.expect("an answer in time");
        answer
    }

    /// One request. Whatever comes back carries the request id, and a problem its reason.
    async fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Told {
        self.sent.set(self.sent.get() + 1);
        let id = format!("bad-input.{}", self.sent.get() + 1000);
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-length: {}\r\n\
             authorization: Bearer {}\r\nx-request-id: {id}\r\n",
            body.len(),
            self.token
        );
        if !kind.is_empty() {
            request.push_str(&format!("content-type: {kind}\r\n"));
        }
        let request = [request.as_bytes(), b"\r\n", body].concat();
        let answer = self.raw(&request, false).await;
        let at = answer.windows(4).position(|end| end == b"\r\n\r\n");
        let at = at.unwrap_or_else(|| panic!("{method} {path}: no answer: {answer:?}"));
        let head = String::from_utf8(answer[..at].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = answer[at + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        assert!(head.contains(&format!("x-request-id: {id}")), "{method} {path}: {head}");
        let told = Told { status, head, body };
        if status >= 400 && method != "HEAD" {
            let problem = told.json();
            let reason: Reason = problem["reason"].as_str().unwrap().parse().unwrap();
            assert_ne!(reason.fault(), Fault::Us, "{method} {path}: the caller is at fault: {problem}");
            assert_eq!(problem["request_id"], id);
            assert!((400..500).contains(&status), "{method} {path}: {problem}");
        }
        told
    }

    async fn problem(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Reason) {
        let told = self.send(method, path, kind, body).await;
        assert!(told.status >= 400, "{method} {path}: {}", told.head);
        (told.status, told.json()["reason"].as_str().unwrap().parse().unwrap())
    }
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let at = body.windows(2).position(|end| end == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend(&body[at + 2..at + 2 + length]);
        body = &body[at + 4 + length..];
    }
}

fn question(code: &str) -> Value {
    json!({
        "lists": [LIST], "purpose": "screening", "case_number": "T-1", "officer": "li", "scheme": "CN-USCC", "code": code
    })
}

/// A code with another last character: nothing that is made of it may be asked.
fn invalid(code: &str) -> String {
    format!("{}{}", &code[..17], if code.ends_with('1') { '2' } else { '1' })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_json_gateway_answers_truncated_oversized_and_random_bodies_and_nothing_breaks() {
    let scene = Scene::new().await;
    let mut before = Vec::new();
    for member in ["procurement", "coordinator", "custodian", "court"] {
        before.push((member, scene.rows(member).await));
    }
    let gateway = Gateway {
        address: scene.federation.gateway_at("procurement").unwrap().http.unwrap(),
        token: scene.federation.token("procurement").unwrap(),
        sent: 0.into(),
    };
    let code = invalid(&scene.listed);
    let body = question(&code).to_string();
    // The whole body is a question about a code that is not valid; no beginning of it is a question.
    assert_eq!(
        gateway.problem("POST", "/v1/checks", JSON, body.as_bytes()).await,
        (422, Reason::CodeInvalid)
    );
    for end in 0..body.len() {
        let cut = gateway.problem("POST", "/v1/checks", JSON, &body.as_bytes()[..end]).await;
        assert_eq!(cut, (400, Reason::Malformed), "{end}");
    }
    // A body that ends before the length that was stated: nobody reads an answer, and none is needed.
    let head = format!(
        "POST /v1/checks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {JSON}\r\ncontent-length: 9999\r\n\r\n",
        gateway.token
    );
    gateway.raw(&[head.as_bytes(), body.as_bytes()].concat(), true).await;

    let mut noise = Noise::seeded(6);
    for _ in 0..150 {
        let damaged = noise.damaged(body.as_bytes());
        let told = gateway.send("POST", "/v1/checks", JSON, &damaged).await;
        assert!(told.status >= 400, "{}", String::from_utf8_lossy(&damaged));
        let count = noise.below(3000);
        let random = noise.bytes(count);
        let refused = gateway.problem("POST", "/v1/checks", JSON, &random).await;
        assert_eq!(refused, (400, Reason::Malformed));
        for path in ["/v1/checks/batch", "/v1/checks/plan"] {
            let refused = gateway.problem("POST", path, LINES, &random).await;
            assert_eq!(refused, (400, Reason::Malformed));
        }
    }
    // Every field with every kind of value that is not its own, and brackets without end.
    let kinds =
        [json!(null), json!(true), json!(-1), json!(1e300), json!([[]]), json!({"a": 1}), json!("\u{0}")];
    for field in ["lists", "purpose", "case_number", "officer", "scheme", "code"] {
        for kind in &kinds {
            let mut body = question(&code);
            body[field] = kind.clone();
            let told = gateway.send("POST", "/v1/checks", JSON, body.to_string().as_bytes()).await;
            assert!(told.status >= 400, "{field}: {kind}");
        }
    }
    for deep in
        ["[".repeat(100_000), "{\"a\":".repeat(20_000), format!("{{\"lists\":{}", "[".repeat(100_000))]
    {
        let refused = gateway.problem("POST", "/v1/checks", JSON, deep.as_bytes()).await;
        assert_eq!(refused, (400, Reason::Malformed));
    }
    let long = format!("{body}{}", " ".repeat(300 << 10));
    assert_eq!(gateway.problem("POST", "/v1/checks", JSON, long.as_bytes()).await, (413, Reason::TooLarge));
    let refused = gateway.problem("POST", "/v1/checks/batch", LINES, &vec![b'x'; 300 << 10]).await;
    assert_eq!(refused, (413, Reason::TooLarge));

    for (method, path, kind, status, reason) in [
        ("GET", "/v1/checks", "", 405, Reason::Malformed),
        ("PUT", "/v1/checks", JSON, 405, Reason::Malformed),
        ("BREW", "/v1/status", "", 405, Reason::Malformed),
        ("POST", "/v1/nothing", JSON, 404, Reason::NotFound),
        ("GET", "/../../etc/passwd", "", 404, Reason::NotFound),
        ("GET", "/v1/checks/%00", "", 404, Reason::NotFound),
        ("POST", "/v1/checks", "", 415, Reason::Malformed),
        ("POST", "/v1/checks", "text/plain", 415, Reason::Malformed),
        ("POST", "/v1/checks", LINES, 415, Reason::Malformed),
        ("POST", "/v1/checks/batch", JSON, 415, Reason::Malformed),
        ("POST", "/v1/checks/plan", "multipart/form-data; boundary=x", 415, Reason::Malformed),
    ] {
        let refused = gateway.problem(method, path, kind, body.as_bytes()).await;
        assert_eq!(refused, (status, reason), "{method} {path} {kind}");
    }

    every_line_of_a_broken_batch_is_answered(&gateway, &code, &mut noise).await;
    // No HTTP at all: the connection ends, the gateway does not.
    for count in [1, 30, 3000, 100_000] {
        gateway.raw(&noise.bytes(count), true).await;
        gateway.raw(&[b"GET /", &vec![b'a'; count][..]].concat(), true).await;
    }
    scene.is_unharmed(&before).await;
}

/// A batch whose rows are broken in every way: each leaves one line with its reason, and the end counts them.
async fn every_line_of_a_broken_batch_is_answered(gateway: &Gateway, code: &str, noise: &mut Noise) {
    let mut first = question("");
    first.as_object_mut().unwrap().remove("code");
    let mut lines = vec![first.to_string().into_bytes()];
    let mut expected = Vec::new();
    for (line, reason) in [
        (json!({"row": 1, "code": code}).to_string().into_bytes(), Reason::CodeInvalid),
        (json!({"row": 2, "code": ""}).to_string().into_bytes(), Reason::CodeInvalid),
        (json!({"row": 3, "code": "x".repeat(5000)}).to_string().into_bytes(), Reason::CodeInvalid),
        (json!({"row": 4, "code": 7}).to_string().into_bytes(), Reason::Malformed),
        (json!({"row": 5}).to_string().into_bytes(), Reason::Malformed),
        (json!({"row": -1, "code": code}).to_string().into_bytes(), Reason::Malformed),
        (json!({"row": 7, "code": code, "more": 1}).to_string().into_bytes(), Reason::Malformed),
        (json!([8, code]).to_string().into_bytes(), Reason::Malformed),
        (b"{\"row\": 9, \"code\": \"".to_vec(), Reason::Malformed),
        (b"\xff\xfe\xfd".to_vec(), Reason::Malformed),
        (vec![b' '; 200 << 10], Reason::TooLarge),
    ] {
        lines.push(line);
        expected.push(reason);
    }
    for _ in 0..50 {
        let count = 1 + noise.below(300);
        // No line ends, and not blank.
        lines.push(noise.bytes(count).into_iter().map(|byte| byte | 0x80).collect());
        expected.push(Reason::Malformed);
    }
    let body = lines.join(&b'\n');
    let told = gateway.send("POST", "/v1/checks/batch", LINES, &body).await;
    assert_eq!(told.status, 200, "{}", String::from_utf8_lossy(&told.body));
    let text = String::from_utf8(told.body).unwrap();
    let mut answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = answers.pop().unwrap();
    let mut found: Vec<(u64, Reason)> = answers
        .iter()
        .map(|answer| {
            let reason = &answer["problem"]["reason"];
            (
                answer["line"].as_u64().unwrap(),
                reason.as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap(),
            )
        })
        .collect();
    found.sort_unstable();
    let expected: Vec<(u64, Reason)> = (2..).zip(expected).collect();
    assert_eq!(found, expected);
    assert!(!text.contains(code), "no answer repeats a code");
    assert_eq!(end["end"]["rows"], expected.len(), "{end}");
}
