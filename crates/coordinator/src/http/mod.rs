//! The log's files over HTTPS, as C2SP tlog-tiles has them, on the same listener as gRPC.
//!
//! ```text
//! GET /checkpoint                     the newest signed note          every member
//! GET /tile/<L>/<N>[.p/<W>]           hashes                          every member
//! GET /tile/entries/<N>[.p/<W>]       records                         auditors
//! ```
//!
//! gRPC is POST and nothing else, so whatever is not POST is for this layer, and so are the paths above in every
//! method. HTTP/2 only: the listener negotiates no other, because its check that a peer is still accepted hangs on
//! a connection that is always being read.
//!
//! Source: <https://c2sp.org/tlog-tiles>.

mod answer;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use tacit_identity::Role;
use tacit_ledger::{
    bundle::{self, BundleId},
    layout::{CHECKPOINT, LogFile},
    tile::{TILE_WIDTH, TileId},
};
use tacit_model::Reason;
use tacit_store::StoreError;
use tonic::{body::Body, codegen::Body as _, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{
    caller::caller,
    services::{Shared, store_trouble},
};
use answer::{Content, Problem};

/// How every path of a tile or a bundle begins.
const TILES: &str = "tile/";

/// Puts the log's files beside the gRPC services.
#[derive(Clone)]
pub(crate) struct LogFilesLayer(pub(crate) Arc<Shared>);

impl<S> Layer<S> for LogFilesLayer {
    type Service = LogFiles<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LogFiles { shared: self.0.clone(), inner }
    }
}

/// What [`LogFilesLayer`] puts around the gRPC services.
#[derive(Clone)]
pub(crate) struct LogFiles<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Service<Request<Body>> for LogFiles<S>
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
        if !is_ours(&request) {
            return Box::pin(self.inner.call(request));
        }
        let shared = self.shared.clone();
        Box::pin(async move { Ok(answer(&shared, request).await) })
    }
}

fn is_ours<B>(request: &Request<B>) -> bool {
    let path = relative(request);
    request.method() != Method::POST || path == CHECKPOINT || path.starts_with(TILES)
}

/// The path below the log's prefix, which is the root.
fn relative<B>(request: &Request<B>) -> &str {
    let path = request.uri().path();
    path.strip_prefix('/').unwrap_or(path)
}

async fn answer(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let request = tonic::Request::from_http(request.map(|body| body.is_end_stream()));
    let (method, headers, found) = match find(shared, &request).await {
        Ok(found) => (request.extensions().get::<Asked>(), request.metadata(), Ok(found)),
        Err(problem) => (None, request.metadata(), Err(problem)),
    };
    let _ = (method, headers);
    match found {
        Ok(content) => content.into_response(request.metadata()),
        Err(problem) => problem.into_response(request.metadata()),
    }
}
