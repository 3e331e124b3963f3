//! The log's files over HTTPS, as C2SP tlog-tiles has them, on the same listener as gRPC.
//!
//! ```text
//! GET /checkpoint                     the newest cosigned note        every member
//! GET /tile/<L>/<N>[.p/<W>]           hashes                          every member
//! GET /tile/entries/<N>[.p/<W>]       records                         auditors
//! GET /years                          where each year begins          every member
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
    layout::{CHECKPOINT, LogFile, YEARS},
    shard::format_years,
    tile::{TILE_WIDTH, TileId},
};
use tacit_model::Reason;
use tacit_store::StoreError;
use tonic::{body::Body, codegen::Body as _, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{
    caller::caller,
    services::{Shared, store_trouble},
    store::years,
};
use answer::{Content, Problem};

/// How every path of a tile or a bundle begins.
const TILES: &str = "tile/";

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A file of tlog-tiles.
    File(LogFile),
    /// The list of years.
    Years,
}

impl Asked {
    fn parse_path(path: &str) -> Option<Self> {
        if path == YEARS { Some(Self::Years) } else { LogFile::parse_path(path).ok().map(Self::File) }
    }
}

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
    request.method() != Method::POST || path == CHECKPOINT || path == YEARS || path.starts_with(TILES)
}

/// The path below the log's prefix, which is the root.
fn relative<B>(request: &Request<B>) -> &str {
    let path = request.uri().path();
    path.strip_prefix('/').unwrap_or(path)
}

async fn answer(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    // A file has one address: what is spelled otherwise is not there.
    let has_query = request.uri().query().is_some();
    let file = Asked::parse_path(relative(&request)).filter(|_| !has_query);
    let has_body = !request.body().is_end_stream();
    let request = tonic::Request::from_http(request.map(drop));
    let content = match allow(shared, &request, &method, file, has_body) {
        Ok(Asked::File(file)) => read(shared, file, request.metadata()).await,
        Ok(Asked::Years) => years_text(shared).await.map_err(|error| failed(&error, request.metadata())),
        Err(problem) => Err(problem),
    };
    match content {
        Ok(content) => content.response(&method, request.metadata()),
        Err(problem) => problem.response(&method, request.metadata()),
    }
}

/// What may be read, by this caller. Who it is comes first: strangers learn nothing, not even what exists.
fn allow(
    shared: &Shared,
    request: &tonic::Request<()>,
    method: &Method,
    file: Option<Asked>,
    has_body: bool,
) -> Result<Asked, Problem> {
    let roles: &[Role] = match file {
        Some(Asked::File(LogFile::Entries(..))) => &[Role::Auditor],
        Some(Asked::File(LogFile::Checkpoint | LogFile::Tile(..)) | Asked::Years) | None => &Role::ALL,
    };
    caller(request, &shared.registry(), roles).map_err(|status| match tacit_wire::reason_of(&status) {
        Some(Reason::WrongRole) => Problem::WrongRole,
        _ => Problem::Unauthenticated,
    })?;
    let file = file.ok_or(Problem::NotFound)?;
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::Method);
    }
    if has_body { Err(Problem::Body) } else { Ok(file) }
}

async fn read(shared: &Shared, file: LogFile, metadata: &MetadataMap) -> Result<Content, Problem> {
    let failed = |error| failed(&error, metadata);
    if !file.is_in(shared.log.head().size()) {
        // Another replica may have shown the caller a checkpoint that this one has not read yet.
        shared.log.refresh().await.map_err(failed)?;
    }
    if !file.is_in(shared.log.head().size()) {
        return Err(Problem::NotFound);
    }
    match file {
        LogFile::Checkpoint => Ok(Content::Text(newest_note(shared).await)),
        LogFile::Tile(id, width) => {
            let hashes = tile(shared, id, width).await.map_err(failed)?;
            hashes.map(Content::File).ok_or(Problem::NotFound)
        }
        LogFile::Entries(id, width) => entries(shared, id, width).await.map_err(failed).map(Content::File),
    }
}

fn failed(error: &StoreError, metadata: &MetadataMap) -> Problem {
    match tacit_wire::reason_of(&store_trouble(error, metadata)) {
        Some(Reason::Unavailable) => Problem::Unavailable,
        _ => Problem::Internal,
    }
}

/// Where the years begin that have a record under the published head.
async fn years_text(shared: &Shared) -> Result<Content, StoreError> {
    let mut years = years::all(&mut *shared.db.read().await?).await?;
    let size = shared.log.head().size();
    years.retain(|start| start.first_index < size);
    Ok(Content::Text(format_years(&years).into()))
}

/// The newest checkpoint that a quorum of witnesses stands behind, which is what may be relied on; without one, the
/// newest that the log signed.
async fn newest_note(shared: &Shared) -> Bytes {
    let cosigned = shared.witnesses.newest().await;
    let now_s = shared.clock.now().0 / 1000;
    let note = match cosigned.filter(|cosigned| cosigned.check_fresh(now_s).is_ok()) {
        Some(cosigned) => cosigned.checkpoint().note().to_vec(),
        None => shared.log.head().note().to_vec(),
    };
    note.into()
}

async fn tile(shared: &Shared, id: TileId, width: u16) -> Result<Option<Bytes>, StoreError> {
    Ok(shared.log.tile(id, width).await?.map(Bytes::from))
}

async fn entries(shared: &Shared, id: BundleId, width: u16) -> Result<Bytes, StoreError> {
    let records = shared.log.entries(id.first_entry(), u64::from(width.min(TILE_WIDTH))).await?;
    let row = id.first_entry();
    let bundle = bundle::encode(&records)
        .map_err(|_| StoreError::corrupt("log_entry", "record", row, "is longer than any record"))?;
    Ok(bundle.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_left_alone() {
        let request =
            |method: &str, path: &str| Request::builder().method(method).uri(path).body(()).unwrap();
        for (method, path, ours) in [
            ("POST", "/tacit.coordinator.v1.LogService/GetCheckpoint", false),
            ("POST", "/grpc.health.v1.Health/Check", false),
            ("POST", "/anything", false),
            ("POST", "/checkpoint", true),
            ("POST", "/tile/0/000", true),
            ("POST", "/years", true),
            ("GET", "/checkpoint", true),
            ("GET", "/anything", true),
            ("HEAD", "/", true),
            ("OPTIONS", "/tacit.coordinator.v1.LogService/GetCheckpoint", true),
        ] {
            assert_eq!(is_ours(&request(method, path)), ours, "{method} {path}");
        }
    }
}
