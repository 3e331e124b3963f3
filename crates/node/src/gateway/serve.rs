//! The two listeners: connections are counted, slow headers end, and both drain when the node stops.

use std::{io, sync::Arc, time::Duration};

use futures::{Stream, stream};
use tacit_desk::http::{HttpLimits, stopped, usable};
use tacit_identity::{ServerLimits, tune_server_with};
use tacit_wire::gateway::gateway_service_server::GatewayServiceServer;
use tokio::net::{TcpListener, TcpStream};
use tonic::{server::NamedService, transport::Server};

use super::{
    grpc::{Service, authenticate},
    json::{App, router},
};
use crate::health::Health;

/// Longest time for the plan of a batch.
const PLAN_MAX: Duration = Duration::from_secs(3600);
/// Largest gRPC message: a question with 1,024 lists.
const MESSAGE_MAX: usize = 256 << 10;

/// Serves the JSON API until the node stops, then ends its connections as their requests end.
pub(super) async fn http(listener: TcpListener, app: Arc<App>) {
    let limits = HttpLimits { header_ms: app.limits.header_ms, connections: app.limits.connections };
    let stopping = app.stopping.clone();
    tacit_desk::http::serve(listener, router(app), limits, stopping).await;
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

fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    stream::unfold(listener, |listener| async move {
        loop {
            if let Some(tcp) = usable(listener.accept().await.map(|(tcp, _)| tcp)).await {
                return Some((Ok(tcp), listener));
            }
        }
    })
}
