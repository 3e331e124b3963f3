//! The log's files over HTTPS: who gets which, and that they are the log.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tacit_identity::Role;
use tacit_ledger::{
    bundle,
    checkpoint::VerifiedCheckpoint,
    layout::{LogFile, files_of},
    merkle::leaf_hash,
    tree::TreeView,
};
use tacit_model::Reason;
use tonic::{body::Body, client::GrpcService as _, transport::Channel};

use crate::support::*;

/// What came back.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The reason of a problem, whose request id is the one in the header.
    fn reason(&self) -> Option<Reason> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        assert_eq!(self.header(header::CONTENT_TYPE), "application/json");
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap());
        problem["reason"].as_str()?.parse().ok()
    }
}

async fn send(channel: &Channel, request: http::Request<Body>) -> Got {
    let mut channel = channel.clone();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let (parts, body) = channel.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Got { status: parts.status, headers: parts.headers, body }
}

async fn ask(channel: &Channel, method: Method, path: &str) -> Got {
    send(channel, http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn get(channel: &Channel, path: &str) -> Got {
    ask(channel, Method::GET, path).await
}

/// A coordinator whose log has one full tile and a partial one, and channels of an auditor and of a member.
async fn scene() -> (World, Running, Channel, Channel) {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 300).await;
    let drafts: Vec<_> = enrolled.iter().map(|of| (requester.draft(LISTS[0], COURT), of)).collect();
    let checks = requester.prove(drafts);
    requester.authorize(&checks).await;
    let auditor = world.channel(&running, Role::Auditor, "audit-office").await;
    let member = world.channel(&running, Role::Node, "tax").await;
    (world, running, auditor, member)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_over_https_are_the_log() {
    let (world, running, auditor, member) = scene().await;
    let note = get(&member, "/checkpoint").await;
    assert_eq!(note.status, StatusCode::OK);
    assert_eq!(note.header(header::CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(note.header(header::CACHE_CONTROL), "no-cache");
    let head = VerifiedCheckpoint::open(&note.body, &log_key()).unwrap();
    assert_eq!(head.size(), 304);
    let mut leaves = Vec::new();
    for file in files_of(head.size()) {
        let got = get(&auditor, &format!("/{}", file.path())).await;
        assert_eq!(got.status, StatusCode::OK, "{}", file.path());
        assert_eq!(got.header(header::CONTENT_LENGTH), got.body.len().to_string());
        if let LogFile::Entries(_, width) = file {
            leaves.extend(bundle::decode_exactly(&got.body, width).unwrap().into_iter().map(leaf_hash));
        }
        if file != LogFile::Checkpoint {
            assert_eq!(got.header(header::CONTENT_TYPE), "application/octet-stream");
            assert!(got.header(header::CACHE_CONTROL).contains("immutable"));
        }
    }
    let mut tree = TreeView::new(0).unwrap();
    let appended = tree.append(&leaves).unwrap();
    assert_eq!((appended.size, appended.root), (head.size(), *head.root()));
    for tile in &appended.tiles {
        let got = get(&member, &format!("/{}", tile.id.path(tile.width()))).await;
        assert_eq!(got.body, tile.bytes, "{:?}", tile.id);
    }
    assert_eq!(entries(&world, &running).await.len(), leaves.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_tile_is_a_prefix_and_beyond_the_log_there_is_nothing() {
    let (_world, _running, auditor, _member) = scene().await;
    for path in
        ["tile/0/000", "tile/entries/000", "tile/0/001.p/48", "tile/entries/001.p/48", "tile/1/000.p/1"]
    {
        let whole = get(&auditor, &format!("/{path}")).await;
        assert_eq!(whole.status, StatusCode::OK, "{path}");
        let stem = path.split(".p/").next().unwrap();
        for width in [1, 2, 47] {
            let part = get(&auditor, &format!("/{stem}.p/{width}")).await;
            if path.starts_with("tile/1/") && width > 1 {
                assert_eq!(part.status, StatusCode::NOT_FOUND);
                continue;
            }
            assert_eq!(part.status, StatusCode::OK, "{stem}.p/{width}");
            assert!(whole.body.starts_with(&part.body), "{stem}.p/{width}");
            let hashes = !path.contains("entries");
            assert!(!hashes || part.body.len() == width * 32, "{stem}.p/{width}");
        }
    }
    for path in [
        // Not yet.
        "/tile/0/001",
        "/tile/0/001.p/49",
        "/tile/entries/001",
        "/tile/entries/001.p/49",
        "/tile/0/002.p/1",
        "/tile/1/000.p/2",
        "/tile/2/000.p/1",
        "/tile/63/000.p/1",
        // Not ever.
        "/",
        "/tile",
        "/tile/",
        "/tile/0",
        "/tile/0/0",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/01",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/0/x000/000",
        "/tile/0/000/",
        "/tile/0//000",
        "/tile/0/%30%30%30",
        "/tile/0/../0/000",
        "/tile/data/000",
        "/tile/0/000?",
        "/tile/0/000?x=1",
        "/checkpoint/",
        "/checkpoint?",
        "/years/",
        "/years?",
        "/Checkpoint",
        "/tacit.coordinator.v1.LogService/GetCheckpoint",
    ] {
        let got = get(&auditor, path).await;
        assert_eq!((got.status, got.reason()), (StatusCode::NOT_FOUND, Some(Reason::NotFound)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_are_for_members_records_for_auditors_and_nothing_for_strangers() {
    let (world, running, _, _) = scene().await;
    let paths = [
        "/checkpoint",
        "/years",
        "/tile/0/000",
        "/tile/1/000.p/1",
        "/tile/entries/000",
        "/tile/entries/001.p/3",
    ];
    for (role, member, hashes, records) in [
        (Role::Auditor, "audit-office", true, true),
        (Role::Node, "tax", true, false),
        (Role::Node, "procurement", true, false),
        (Role::Custodian, "custodian", true, false),
        (Role::Authority, "portal", true, false),
        (Role::Coordinator, "coordinator", true, false),
        (Role::Auditor, "tax", false, false),
        (Role::Node, "audit-office", false, false),
        (Role::Node, "stranger", false, false),
    ] {
        let channel = world.channel(&running, role, member).await;
        for path in paths {
            let got = get(&channel, path).await;
            let allowed = if path.contains("entries") { records } else { hashes };
            if allowed {
                assert_eq!(got.status, StatusCode::OK, "{path} as {role} {member}");
            } else {
                let refused = (StatusCode::FORBIDDEN, Some(Reason::WrongRole));
                assert_eq!((got.status, got.reason()), refused, "{path} as {role} {member}");
            }
        }
    }
    // A stranger does not learn what exists either.
    let stranger = world.channel(&running, Role::Node, "stranger").await;
    for path in ["/tile/0/999", "/nothing"] {
        assert_eq!(get(&stranger, path).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_only_read_and_not_sent_twice() {
    let (_world, _running, auditor, _member) = scene().await;
    for path in ["/checkpoint", "/years", "/tile/0/000", "/tile/entries/001.p/48"] {
        let whole = get(&auditor, path).await;
        let head = ask(&auditor, Method::HEAD, path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::ETAG, header::CACHE_CONTROL] {
            assert_eq!(head.header(name.clone()), whole.header(name.clone()), "{name} of {path}");
        }
        let again = http::Request::get(path).header(header::IF_NONE_MATCH, whole.header(header::ETAG));
        let again = send(&auditor, again.body(Body::empty()).unwrap()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.header(header::ETAG), whole.header(header::ETAG));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            let got = ask(&auditor, method.clone(), path).await;
            let refused = (StatusCode::METHOD_NOT_ALLOWED, Some(Reason::Malformed));
            assert_eq!((got.status, got.reason()), refused, "{method} {path}");
            assert_eq!(got.header(header::ALLOW), "GET, HEAD");
        }
        let body = Body::new(http_body_util::Full::new(Bytes::from_static(b"x")));
        let got = send(&auditor, http::Request::get(path).body(body).unwrap()).await;
        assert_eq!((got.status, got.reason()), (StatusCode::BAD_REQUEST, Some(Reason::Malformed)));
    }
}
