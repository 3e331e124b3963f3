//! The gateway: plain questions from the agency's own applications, on loopback, each with its own token.
//!
//! ```text
//! JSON (axum) ──┐  RawQuestion ─▶ Checked ─┐
//!               ├─▶ typed code ─▶ Parsed ──┴─▶ Asker (the requester) ─▶ outcome ─▶ machine fields and plain words
//! gRPC (tonic) ─┘
//! ```
//!
//! It knows no cryptography and decides nothing: it refuses what is no question, and hands on what is one. It never
//! listens on anything but loopback, and no code, case number or officer reaches a log line or a metric.

mod asker;
mod batch;
mod cases;
mod config;
mod consents;
mod grpc;
mod json;
mod measures;
mod messages;
mod metrics;
mod plan;
mod question;
mod receipts;
mod request_id;
mod serve;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tacit_desk::{
    http::{BindError, bind_loopback},
    problem, tokens, words,
};
use tacit_model::Clock;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

pub use asker::{Asker, NodeStatus, ReceiptFile};
pub use config::{GatewayConfig, GatewayLimits};
pub use tacit_desk::tokens::{Application, TokenError, Tokens};

use crate::redress::Redress;
use json::App;

/// The OpenAPI document of the local HTTP interface: every route and every name.
#[must_use]
pub fn openapi() -> &'static str {
    json::openapi::text()
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The tokens.
    #[error("gateway.tokens: {0}")]
    Tokens(#[from] TokenError),
    /// A limit that lets nobody in.
    #[error("gateway.limits.{0} must be above 0")]
    Limit(&'static str),
}

/// A gateway that listens and is ready to serve.
pub struct Gateway {
    app: Arc<App>,
    http: Option<TcpListener>,
    grpc: Option<TcpListener>,
    stop: watch::Sender<bool>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("http", &self.http_addr())
            .field("grpc", &self.grpc_addr())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Reads the tokens and binds the addresses. Without `redress` there are no objections and appeals.
    ///
    /// # Errors
    /// [`GatewayError`], which names the key of the configuration at fault.
    pub async fn bind(
        config: &GatewayConfig,
        asker: Arc<dyn Asker>,
        redress: Option<Redress>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GatewayError> {
        let tokens = Tokens::load(&config.tokens)?;
        let limits = config.limits.clone();
        let bounds = [
            ("requests", limits.requests),
            ("batches", limits.batches),
            ("connections", limits.connections),
            ("body_bytes", limits.body_bytes),
            ("line_bytes", limits.line_bytes),
        ];
        if let Some((key, _)) = bounds.into_iter().find(|(_, value)| *value == 0) {
            return Err(GatewayError::Limit(key));
        }
        let http = listen("gateway.http", config.http).await?;
        let grpc = listen("gateway.grpc", config.grpc).await?;
        let (stop, stopping) = watch::channel(false);
        // More permits than tokio can count would panic.
        let slots = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let app = Arc::new(App {
            asker,
            redress,
            tokens,
            clock,
            requests: slots(limits.requests),
            batches: slots(limits.batches),
            limits,
            stopping,
        });
        Ok(Self { app, http, grpc, stop })
    }

    /// Where the JSON API listens.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where the gRPC service listens.
    #[must_use]
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `shutdown` is ready. From then on nothing new is begun, and what is under way may end within
    /// `drain`.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send, drain: Duration) {
        let Self { app, http, grpc, stop } = self;
        let mut serving = JoinSet::new();
        if let Some(listener) = http {
            serving.spawn(serve::http(listener, Arc::clone(&app)));
        }
        if let Some(listener) = grpc {
            serving.spawn(serve::grpc(listener, Arc::clone(&app)));
        }
        shutdown.await;
        stop.send_replace(true);
        let ended = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!("requests of the gateway were still under way at its deadline");
            serving.shutdown().await;
        }
    }
}

async fn listen(key: &'static str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, GatewayError> {
    let Some(address) = address else { return Ok(None) };
    Ok(Some(bind_loopback(key, address).await?))
}
