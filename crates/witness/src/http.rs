//! `POST /add-checkpoint` of C2SP tlog-witness over HTTPS, on the same listener as gRPC.
//!
//! Whoever has a certificate of the federation may post: a checkpoint is public, and what is cosigned depends on its
//! signature and its proof alone. HTTP/2 only, as everything on that listener.
//!
//! Source: <https://c2sp.org/tlog-witness>, section "add-checkpoint".

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tacit_identity::peer_in;
use tacit_ledger::submission::MAX_LEN;
use tacit_model::Reason;
use tonic::{body::Body, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{Witness, add::NotAdded};

/// Path below the submission prefix, which is the root.
const PATH: &str = "/add-checkpoint";

/// Requests that are looked at or wait for their turn; others come again.
const AT_ONCE: usize = 32;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Puts `POST /add-checkpoint` beside the gRPC services of a member that witnesses the log.
#[derive(Clone, Debug)]
pub struct AddCheckpointLayer {
    witness: Option<Witness>,
    room: Arc<tokio::sync::Semaphore>,
}

impl AddCheckpointLayer {
    /// With nothing in it, for a member that is no witness: every request passes by.
    pub fn new(witness: impl Into<Option<Witness>>) -> Self {
        Self { witness: witness.into(), room: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)) }
    }
}

impl<S> Layer<S> for AddCheckpointLayer {
    type Service = AddCheckpoint<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AddCheckpoint { here: self.clone(), inner }
    }
}

/// What [`AddCheckpointLayer`] puts around the gRPC services.
#[derive(Clone, Debug)]
pub struct AddCheckpoint<S> {
    here: AddCheckpointLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for AddCheckpoint<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match &self.here.witness {
            Some(witness) if request.uri().path() == PATH => {
                let (witness, room) = (witness.clone(), Arc::clone(&self.here.room));
                Box::pin(async move { Ok(answer(witness, room, request).await) })
            }
            _ => Box::pin(self.inner.call(request)),
        }
    }
}

/// Why there is no cosignature.
#[derive(Debug, Clone, Copy)]
enum Problem {
    /// The connection has no known peer.
    Unauthenticated,
    /// Not POST.
    Method,
    /// The body is longer than any request.
    TooLarge,
    /// The body did not arrive in time, or not whole.
    Body(Reason),
    /// Too many at one time.
    Overloaded,
    /// The request was looked at.
    NotAdded(NotAdded),
}

async fn answer(
    witness: Witness,
    room: Arc<tokio::sync::Semaphore>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let peer = peer_in(&parts.extensions).map(|peer| peer.spiffe.to_string());
    let outcome = match &peer {
        Err(_) => Err(Problem::Unauthenticated),
        Ok(_) if parts.method != Method::POST => Err(Problem::Method),
        Ok(_) => take(witness, room, body).await,
    };
    let asked = MetadataMap::from_headers(parts.headers);
    let response = match outcome {
        Ok(line) => text(StatusCode::OK, "text/plain; charset=utf-8", line),
        Err(problem) => {
            let peer = peer.as_deref().unwrap_or("none");
            tracing::warn!(peer, ?problem, "a checkpoint that was brought is not cosigned");
            problem.response(&parts.method, &asked)
        }
    };
    let status = response.status().as_str().to_owned();
    metrics::counter!("tacit_witness_add_checkpoint_total", "status" => status).increment(1);
    response
}

/// Reads the body and has it looked at, to the end also when the caller goes away: evidence must not get lost.
async fn take(witness: Witness, room: Arc<tokio::sync::Semaphore>, body: Body) -> Result<String, Problem> {
    let body = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, MAX_LEN).collect());
    let body = match body.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Problem::TooLarge),
        Ok(Err(_)) => return Err(Problem::Body(Reason::Malformed)),
        Err(_) => return Err(Problem::Body(Reason::Deadline)),
    };
    let turn = room.try_acquire_owned().map_err(|_| Problem::Overloaded)?;
    let looking = tokio::spawn(async move {
        let added = witness.shared.add(&body).await;
        drop(turn);
        added
    });
    let unavailable = NotAdded::Stopped { reason: Reason::Internal, again_s: 1 };
    looking.await.unwrap_or(Err(unavailable)).map_err(Problem::NotAdded)
}

impl Problem {
    fn response(self, method: &Method, asked: &MetadataMap) -> Response<Body> {
        let plain = |status, reason, message| tacit_wire::problem(status, reason, message, asked);
        let again = |mut response: Response<Body>, seconds: u64| {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        };
        match self {
            Self::Unauthenticated => {
                let reason = Reason::Unauthenticated;
                plain(StatusCode::UNAUTHORIZED, reason, reason.meaning())
            }
            Self::Method => {
                let words = "Checkpoints are brought with POST.";
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, Reason::Malformed, words);
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
                if method == Method::HEAD {
                    *response.body_mut() = Body::empty();
                }
                response
            }
            Self::TooLarge => {
                plain(StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge, Reason::TooLarge.meaning())
            }
            Self::Body(Reason::Deadline) => {
                plain(StatusCode::REQUEST_TIMEOUT, Reason::Deadline, "The body did not arrive in time.")
            }
            Self::Body(reason) => plain(StatusCode::BAD_REQUEST, reason, "The body did not arrive whole."),
            Self::Overloaded => {
                let reason = Reason::Overloaded;
                again(plain(StatusCode::SERVICE_UNAVAILABLE, reason, reason.meaning()), 1)
            }
            Self::NotAdded(NotAdded::Malformed) => {
                let words =
                    "Not the old size, a proof of at most 63 lines and a checkpoint that is no smaller.";
                plain(StatusCode::BAD_REQUEST, Reason::Malformed, words)
            }
            Self::NotAdded(NotAdded::UnknownOrigin) => {
                plain(StatusCode::NOT_FOUND, Reason::NotFound, "This member witnesses another log.")
            }
            Self::NotAdded(NotAdded::NotSigned) => plain(
                StatusCode::FORBIDDEN,
                Reason::SignatureInvalid,
                "The log's key did not sign the checkpoint.",
            ),
            Self::NotAdded(NotAdded::Conflict { newest }) => {
                text(StatusCode::CONFLICT, "text/x.tlog.size", format!("{newest}\n"))
            }
            Self::NotAdded(NotAdded::Unproven) => {
                let words = "The proof does not lead from the old size to the checkpoint.";
                plain(StatusCode::UNPROCESSABLE_ENTITY, Reason::LogInconsistent, words)
            }
            Self::NotAdded(NotAdded::Stopped { reason, again_s }) => {
                again(plain(StatusCode::SERVICE_UNAVAILABLE, reason, reason.meaning()), again_s)
            }
        }
    }
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let length = text.len();
    let mut response = Response::new(Body::new(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
