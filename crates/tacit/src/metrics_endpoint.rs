//! `GET /metrics` on loopback, in the format of Prometheus.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

/// How often old samples of histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetricsError {
    /// There is a recorder already, or the buckets are wrong; a fault of ours.
    #[error("metrics: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
    /// Metrics are not for other machines: they tell who asks how much.
    #[error("metrics: {0} is not a loopback address; put a proxy with authentication before it")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("metrics: {at}: {source}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Metrics {
    /// Collects from now on. Once per process.
    ///
    /// # Errors
    /// [`MetricsError::Recorder`].
    pub(crate) fn collect() -> Result<Self, MetricsError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// Serves them at `at` until the process ends.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub(crate) async fn serve(&self, at: SocketAddr) -> Result<SocketAddr, MetricsError> {
        if !at.ip().is_loopback() {
            return Err(MetricsError::NotLoopback(at));
        }
        let listener = TcpListener::bind(at).await.map_err(|source| MetricsError::Listen { at, source })?;
        let at = listener.local_addr().map_err(|source| MetricsError::Listen { at, source })?;
        let handle = self.0.clone();
        let page = move || async move {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
        };
        let router = Router::new().route("/metrics", get(page));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the metrics endpoint ended");
            }
        });
        Ok(at)
    }
}
