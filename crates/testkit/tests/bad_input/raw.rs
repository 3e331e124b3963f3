//! gRPC by hand, so that what is wrong can be wrong on every level: HTTP/2 stream, frame, message.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::body::HttpBody as _;
use bytes::Bytes;
use http::Request;
use protox::prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use tacit_model::Reason;
use tonic::{Code, Status, client::GrpcService as _, transport::Channel};

/// A stream without news has none in this time.
const NEWS: Duration = Duration::from_millis(100);
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

static CALLS: AtomicU64 = AtomicU64::new(0);

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) messages: Vec<Bytes>,
    /// `None`: a stream that stays open.
    pub(crate) status: Option<Status>,
}

/// A frame with the length that it says.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

/// What is said besides the body.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) encoding: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
}

/// Sends a body to a path. However it ends, the answer carries the caller's request id, and trouble carries a reason.
pub(crate) async fn call(channel: &Channel, path: &str, body: Vec<u8>, said: Said<'_>) -> Ended {
    let id = format!("bad-input.{}", CALLS.fetch_add(1, Ordering::Relaxed) + 1000);
    let mut request = Request::post(path)
        .header("content-type", said.content_type.unwrap_or("application/grpc"))
        .header("te", "trailers")
        .header(tacit_wire::REQUEST_ID, &id);
    for (name, value) in [
        ("authorization", said.token.map(|token| format!("Bearer {token}"))),
        ("grpc-encoding", said.encoding.map(str::to_owned)),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let request = request.body(tonic::body::Body::new(axum::body::Body::from(body))).unwrap();
    let ended = tokio::time::timeout(PATIENCE, send(channel.clone(), request, &id)).await;
    let ended = ended.unwrap_or_else(|_| panic!("{path}: no answer"));
    if let Some(status) = ended.status.as_ref().filter(|status| status.code() != Code::Ok) {
        let reason = tacit_wire::reason_of(status);
        assert!(reason.is_some(), "{path}: no reason: {status:?}");
        assert_eq!(
            tacit_wire::status::request_id_of(status).as_deref(),
            Some(id.as_str()),
            "{path}: {status:?}"
        );
        let is_ours = reason.is_some_and(|reason| reason.fault() == tacit_model::Fault::Us);
        assert!(!is_ours, "{path}: the caller is at fault: {status:?}");
    }
    ended
}

async fn send(mut channel: Channel, request: Request<tonic::body::Body>, id: &str) -> Ended {
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let response = channel.call(request).await.expect("an answer, not a broken connection");
    assert_eq!(response.headers()[tacit_wire::REQUEST_ID], id);
    let (parts, mut body) = response.into_parts();
    let mut status = Status::from_header_map(&parts.headers);
    let mut data = Vec::new();
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        // Only a stream can be silent: the headers of other answers come when they are made.
        let Ok(next) = tokio::time::timeout(NEWS, next).await else { break };
        let Some(frame) = next else {
            assert!(status.is_some(), "an end without a status: {parts:?}");
            break;
        };
        match frame.expect("a whole answer").into_data() {
            Ok(bytes) => data.extend(bytes),
            Err(frame) => status = Status::from_header_map(frame.trailers_ref().unwrap()),
        }
    }
    Ended { messages: messages(&data), status }
}

/// The whole frames of a body.
fn messages(mut data: &[u8]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let Some((message, rest)) = rest.split_at_checked(usize::try_from(length).unwrap()) else { break };
        messages.push(Bytes::copy_from_slice(message));
        data = rest;
    }
    messages
}

/// Every refusal inside an answer has a documented reason.
pub(crate) fn check_refusals(message: &Bytes, of: &MessageDescriptor) {
    walk(&Value::Message(DynamicMessage::decode(of.clone(), message.clone()).unwrap()));
}

fn walk(value: &Value) {
    match value {
        Value::Message(message) => {
            if message.descriptor().full_name() == "tacit.common.v1.Refusal" {
                let reason = message.get_field_by_name("reason").unwrap();
                let reason = reason.as_str().unwrap();
                assert!(reason.parse::<Reason>().is_ok(), "{reason} is no documented reason");
            }
            message.fields().for_each(|(_, value)| walk(value));
        }
        Value::List(values) => values.iter().for_each(walk),
        _ => {}
    }
}
