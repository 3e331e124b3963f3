//! Requests to the router without a socket; every answer is compared with the OpenAPI document.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::{Value, json};
use tacit_desk::conformance::assert_documented;
use tower::ServiceExt as _;

use crate::{
    gateway::{
        GatewayLimits,
        json::{App, openapi, router},
        testing::{FakeAsker, OFFICER, TOKEN, app},
    },
    redress::Redress,
};

pub(super) struct Caller {
    pub(super) app: Arc<App>,
    pub(super) stop: tokio::sync::watch::Sender<bool>,
    router: Router,
}

/// What came back.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Told {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A problem with this reason, as the document describes problems.
    pub(super) fn problem(&self, status: u16, reason: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["reason"].as_str()), (status, Some(reason)), "{body}");
        for field in ["message", "advice", "request_id"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
        }
        assert_eq!(self.headers[tacit_wire::REQUEST_ID], body["request_id"].as_str().unwrap());
        body
    }
}

impl Caller {
    pub(super) fn new(asker: FakeAsker) -> Self {
        Self::with(asker, GatewayLimits::default())
    }

    pub(super) fn with(asker: FakeAsker, limits: GatewayLimits) -> Self {
        Self::around(asker, None, limits)
    }

    /// With objections and appeals.
    pub(super) fn with_cases(asker: FakeAsker, redress: Redress) -> Self {
        Self::around(asker, Some(redress), GatewayLimits::default())
    }

    fn around(asker: FakeAsker, redress: Option<Redress>, limits: GatewayLimits) -> Self {
        let (app, stop) = app(asker, redress, limits);
        Self { router: router(Arc::clone(&app)), app, stop }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Told {
        let (method, path) = (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let told = Told {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        assert_eq!(told.headers["cache-control"], "no-store");
        assert!(told.headers.contains_key(tacit_wire::REQUEST_ID));
        assert_documented(openapi::text(), &method, &path, told.status.as_u16(), &told.text);
        told
    }

    pub(super) async fn get(&self, path: &str) -> Told {
        self.send(request("GET", path, "").body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, body: impl Into<Body>) -> Told {
        let lines = path.starts_with("/v1/checks/");
        let kind = if lines { "application/x-ndjson" } else { "application/json" };
        self.send(request("POST", path, kind).body(body.into()).unwrap()).await
    }

    pub(super) async fn check(&self, body: &Value) -> Told {
        self.post("/v1/checks", body.to_string()).await
    }
}

/// A request with the token of an application that may decide cases.
pub(super) fn as_officer(method: &str, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {OFFICER}"));
    match body {
        Value::Null => request.body(Body::empty()),
        body => request.header("content-type", "application/json").body(body.to_string().into()),
    }
    .unwrap()
}

pub(super) fn request(method: &str, path: &str, kind: &str) -> axum::http::request::Builder {
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"));
    if kind.is_empty() { request } else { request.header("content-type", kind) }
}

/// A good question, without its subject.
pub(super) fn question() -> Value {
    json!({
        "lists": ["court/defaulters"], "purpose": "screening", "case_number": "2026-0417", "officer": "li.na"
    })
}

/// A good question about a code, with one field changed; `null` takes it away.
pub(super) fn question_with(code: &str, field: &str, value: Value) -> Value {
    let mut body = question();
    body["code"] = json!(code);
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(field)),
        value => body[field] = value,
    }
    body
}
