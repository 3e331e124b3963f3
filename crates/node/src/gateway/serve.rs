//! The two listeners: connections are counted, slow headers end, and both drain when the node stops.

use std::{io, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tacit_identity::{ServerLimits, tune_server_with};
use tacit_wire::gateway::gateway_service_server::GatewayServiceServer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tonic::{server::NamedService, transport::Server};

use super::{
    grpc::{Service, authenticate},
    json::{App, router},
};
use crate::health::Health;

/// Pause after the operating system could not accept, so that a lack of file handles does not spin a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Largest header section, in bytes.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Longest time for the plan of a batch.
const PLAN_MAX: Duration = Duration::from_secs(3600);
/// Largest gRPC message: a question with 1,024 lists.
const MESSAGE_MAX: usize = 256 << 10;

/// Serves the JSON API until the node stops, then ends its connections as their requests end.
pub(super) async fn http(listener: TcpListener, app: Arc<App>) {
    let router = router(Arc::clone(&app));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(app.limits.header_ms))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    let mut stopping = app.stopping.clone();
    let slots = Arc::new(Semaphore::new(app.limits.connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        // While all slots are taken, new connections wait in the system's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        let Some(tcp) = usable(accepted.map(|(tcp, _)| tcp)).await else { continue };
        let (service, builder) = (TowerToHyperService::new(router.clone()), builder.clone());
        let mut stopping = stopping.clone();
        connections.spawn(async move {
            let mut connection = pin!(builder.serve_connection(TokioIo::new(tcp), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = %tacit_model::LogText::new(&error.to_string()), "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves gRPC (h2c) until the node stops, then lets its calls end.
pub(super) async fn grpc(listener: TcpListener, app: Arc<App>) {
    // Single checks have their own, shorter limit; a plan is read to its end before it is answered.
    let limits = ServerLimits { request_timeout: PLAN_MAX, ..ServerLimits::default() };
    let (reporter, health) = tonic_health::server::health_reporter();
    let name = <GatewayServiceServer<Service> as NamedService>::NAME;
    let told = Health::serving(reporter, vec![name]).await;
    let service =
        GatewayServiceServer::new(Service::new(Arc::clone(&app))).max_decoding_message_size(MESSAGE_MAX);
    let guard = Arc::clone(&app);
    let guarded = tonic::service::interceptor::InterceptedService::new(service, move |request| {
        authenticate(&guard, request)
    });
    let mut stopping = app.stopping.clone();
    let served = tune_server_with(Server::builder(), &limits)
        .layer(tacit_wire::ReasonLayer)
        .add_service(health)
        .add_service(guarded)
        .serve_with_incoming_shutdown(incoming(listener), async move {
            stopped(&mut stopping).await;
            told.drain().await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the gRPC gateway ended");
    }
}

/// Ready once the node stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    stream::unfold(listener, |listener| async move {
        loop {
            if let Some(tcp) = usable(listener.accept().await.map(|(tcp, _)| tcp)).await {
                return Some((Ok(tcp), listener));
            }
        }
    })
}

async fn usable(accepted: io::Result<TcpStream>) -> Option<TcpStream> {
    match accepted.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
        Ok(tcp) => Some(tcp),
        Err(error) => {
            tracing::debug!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
