use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tacit_model::{ManualClock, Millis};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};

use super::support::{question, question_with};
use crate::gateway::{
    Gateway, GatewayConfig, GatewayError, GatewayLimits,
    testing::{FakeAsker, TOKEN, codes},
};

fn config(folder: &Path, http: &str, grpc: &str) -> GatewayConfig {
    let tokens = folder.join("tokens");
    fs::write(&tokens, format!("intake:{TOKEN}\n")).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    GatewayConfig {
        http: Some(http.parse().unwrap()),
        grpc: Some(grpc.parse().unwrap()),
        tokens,
        limits: GatewayLimits { header_ms: 300, ..GatewayLimits::default() },
    }
}

async fn bind(config: &GatewayConfig, asker: FakeAsker) -> Result<Gateway, GatewayError> {
    let clock = ManualClock::new("2026-11-21T02:32:09.481Z".parse::<Millis>().unwrap());
    Gateway::bind(config, Arc::new(asker), None, Arc::new(clock)).await
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    for (http, grpc, key) in [
        ("0.0.0.0:0", "127.0.0.1:0", "gateway.http"),
        ("127.0.0.1:0", "[::]:0", "gateway.grpc"),
        ("192.0.2.1:80", "127.0.0.1:0", "gateway.http"),
        ("[::ffff:10.0.0.1]:0", "127.0.0.1:0", "gateway.http"),
    ] {
        let refused = bind(&config(folder.path(), http, grpc), FakeAsker::new()).await.unwrap_err();
        assert!(
            matches!(refused, GatewayError::Listen(tacit_desk::http::BindError::NotLoopback { key: found, .. }) if found == key),
            "{refused}"
        );
    }
    let mut zero = config(folder.path(), "127.0.0.1:0", "127.0.0.1:0");
    zero.limits.requests = 0;
    assert!(matches!(bind(&zero, FakeAsker::new()).await, Err(GatewayError::Limit("requests"))));
}

#[test]
fn the_configuration_refuses_unknown_keys() {
    let good = "http = \"127.0.0.1:7480\"\ntokens = \"tokens\"\n[limits]\nbatches = 2\n";
    let config: GatewayConfig = toml::from_str(good).unwrap();
    assert_eq!((config.limits.batches, config.grpc), (2, None));
    assert!(
        toml::from_str::<GatewayConfig>("http = \"127.0.0.1:7480\"\ntokens = \"t\"\ncors = true\n").is_err()
    );
    assert!(toml::from_str::<GatewayConfig>("tokens = \"t\"\n[limits]\nunlimited = true\n").is_err());
}

fn post(path: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    socket.read_to_string(&mut told).await.unwrap();
    told
}

#[tokio::test]
async fn over_a_socket_answers_come_slow_headers_end_and_stopping_drains() {
    let folder = tempfile::tempdir().unwrap();
    let asker = FakeAsker::new().takes(Duration::from_millis(300));
    let gateway = bind(&config(folder.path(), "127.0.0.1:0", "[::1]:0"), asker).await.unwrap();
    let address = gateway.http_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(gateway.serve(async { drop(stopped.await) }, Duration::from_secs(5)));

    let code = codes(1)[0].clone();
    let body = question_with(&code, "x", Value::Null).to_string();
    let told = exchange(address, &post("/v1/checks", "application/json", &body)).await;
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("cache-control: no-store"), "{told}");

    let rows = format!("{}\n{}\n", question(), json!({"row": 4, "code": code}));
    let told = exchange(address, &post("/v1/checks/batch", "application/x-ndjson", &rows)).await;
    assert!(told.contains("\"row\":4") && told.contains("\"complete\":true"), "{told}");

    // Headers that never end: the connection does.
    let told = exchange(address, "POST /v1/checks HTTP/1.1\r\nhost: localhost\r\n").await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    // Bytes that are no HTTP, and more headers than allowed.
    let told = exchange(address, "\u{16}\u{3}\u{1}\u{2}\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let told = exchange(address, &format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 431"), "{told}");

    // What is under way when the node stops is still answered.
    let request = post("/v1/checks", "application/json", &body);
    let late = tokio::spawn(async move { exchange(address, &request).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(()).unwrap();
    assert!(late.await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let asker = FakeAsker::new().takes(Duration::from_millis(20));
    let gateway = bind(&config(folder.path(), "127.0.0.1:0", "[::1]:0"), asker).await.unwrap();
    let address = gateway.http_addr().unwrap();
    let app = Arc::clone(&gateway.app);
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(gateway.serve(async { drop(stopped.await) }, Duration::from_secs(1)));
    let head = format!(
        "POST /v1/checks/batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let rows = format!("{}\n{}\n", question(), json!({"code": codes(1)[0]}));
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(format!("{head}{:x}\r\n{rows}\r\n", rows.len()).as_bytes()).await.unwrap();
    let mut first = [0; 64];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(app.batches.available_permits(), GatewayLimits::default().batches - 1);
    drop(socket);
    tokio::time::timeout(Duration::from_secs(5), async {
        while app.batches.available_permits() < GatewayLimits::default().batches {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}
