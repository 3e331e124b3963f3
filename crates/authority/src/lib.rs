//! The consent authority as a role: its users, what is on record about them, and their checks of lists about themselves.
//!
//! ```text
//! portal, command line ──token──▶ JSON API (loopback) ──▶ store ◀── readings, on a schedule ◀── coordinator, custodian
//!                                      │
//!                                      └─ check of one list about oneself ──▶ coordinator, holder, custodian
//! ```
//!
//! What is asked about a user is answered from the store, as of a stated time; nobody outside is asked. A check that a
//! user makes is the ordinary flow of a requester, for purpose `subject-access`; what a user does about a consent goes to
//! the coordinator at once. What this crate does *not* do: it authenticates no person (the portal before it does), signs no
//! consents (`tacit_client::ConsentAuthority` does), and decides nothing. Codes, pseudonyms and records are sealed in its database and in no log line.

mod api;
mod check;
mod config;
mod consents;
mod index;
mod letters;
mod matters;
mod measure;
mod proof;
mod reading;
mod redress;
mod sealed;
mod source;
pub mod store;
mod usage;
mod users;

#[cfg(test)]
mod tests;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tacit_client::{ConsentAuthority, Requester};
use tacit_desk::{
    http::{BindError, HttpLimits, bind_loopback, stopped},
    tokens::{TokenError, Tokens},
};
use tacit_model::{Clock, MemberId};
use tacit_policy::Registry;
use tacit_store::Db;
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify, Semaphore, watch},
    task::JoinSet,
};
use zeroize::Zeroizing;

pub use config::{ApiConfig, ApiLimits};
pub use reading::{ReadingConfig, ReadingError, Timetable, timetable};
pub use sealed::RowError;
pub use source::{ReadLog, Source, Wanted};

use crate::{
    check::{Lately, SelfChecks},
    index::Index,
    reading::Readings,
    sealed::Rows,
    users::Users,
};

/// The OpenAPI document of an authority's interface: every route and every name.
#[must_use]
pub fn openapi() -> &'static str {
    api::openapi::text()
}

/// What an authority runs on.
pub struct AuthorityDeps {
    /// Its database, from [`store::open`].
    pub db: Db,
    /// What everything kept is sealed under.
    pub store_key: Zeroizing<[u8; 32]>,
    /// Its side of consents, pseudonyms and chains.
    pub consents: ConsentAuthority,
    /// Asks lists for its users.
    pub requester: Requester,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When chains are read.
    pub reading: ReadingConfig,
    /// The JSON API.
    pub api: ApiConfig,
}

impl std::fmt::Debug for AuthorityDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityDeps")
            .field("reading", &self.reading)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// Why an authority does not start. Names the key of the configuration at fault.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The tokens.
    #[error("api.tokens: {0}")]
    Tokens(#[from] TokenError),
    /// A value outside its bounds.
    #[error("{key} must be {bounds}")]
    Bounds {
        /// The key.
        key: &'static str,
        /// What it must be.
        bounds: &'static str,
    },
    /// A limit that lets nobody in.
    #[error("api.limits.{0} must be above 0")]
    Limit(&'static str),
}

/// What the API needs.
struct App {
    member: MemberId,
    consents: ConsentAuthority,
    users: Users,
    readings: Readings,
    checks: SelfChecks,
    /// Changes of consents, counted against the limit of a minute.
    changes: Lately,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    limits: ApiLimits,
    /// One permit per request.
    requests: Semaphore,
    started: tacit_model::Millis,
    stopping: watch::Receiver<bool>,
}

impl App {
    fn registry(&self) -> Arc<Registry> {
        self.consents.registry()
    }
}

/// An authority that listens and is ready to serve.
pub struct Authority {
    app: Arc<App>,
    listener: TcpListener,
    stop: watch::Sender<bool>,
    requester: Requester,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("member", &self.app.member).finish_non_exhaustive()
    }
}

/// Takes a newer registry over, beside a running authority.
#[derive(Debug, Clone)]
pub struct RegistryHandle {
    consents: ConsentAuthority,
    requester: Requester,
}

impl RegistryHandle {
    /// Uses another registry from now on.
    pub fn set(&self, registry: Arc<Registry>) {
        self.consents.set_registry(Arc::clone(&registry));
        self.requester.set_registry(registry);
    }
}

impl Authority {
    /// Reads the tokens and binds the address.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(deps: AuthorityDeps) -> Result<Self, StartError> {
        deps.reading.check().map_err(|(key, bounds)| StartError::Bounds { key, bounds })?;
        deps.api.limits.check().map_err(StartError::Limit)?;
        let tokens = Tokens::load(&deps.api.tokens)?;
        let listener = bind_loopback("api.http", deps.api.http).await?;
        let rows = Arc::new(Rows::new(&deps.store_key));
        let known = deps.consents.clone();
        let readings = Readings {
            source: Arc::new(deps.consents.clone()),
            schemes: Arc::new(move |scheme, code| known.registry().schemes().parse_exact(scheme, code).ok()),
            db: deps.db.clone(),
            rows: Arc::clone(&rows),
            clock: Arc::clone(&deps.clock),
            config: deps.reading,
            authority: Some(deps.consents.clone()),
            one: Arc::new(Mutex::new(())),
            ended: Arc::new(Notify::new()),
        };
        let (stop, stopping) = watch::channel(false);
        let app = Arc::new(App {
            member: deps.consents.member().clone(),
            consents: deps.consents,
            users: Users { db: deps.db, rows, index: Index::default() },
            readings,
            checks: SelfChecks {
                requester: deps.requester.clone(),
                lately: Lately::new(deps.api.limits.checks_per_minute),
            },
            changes: Lately::new(deps.api.limits.consent_changes_per_minute),
            tokens,
            started: deps.clock.now(),
            clock: deps.clock,
            requests: Semaphore::new(deps.api.limits.requests.min(Semaphore::MAX_PERMITS)),
            limits: deps.api.limits,
            stopping,
        });
        Ok(Self { app, listener, stop, requester: deps.requester })
    }

    /// Where the JSON API listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn http_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// For whoever follows the registry.
    #[must_use]
    pub fn registry_handle(&self) -> RegistryHandle {
        RegistryHandle { consents: self.app.consents.clone(), requester: self.requester.clone() }
    }

    /// Serves and reads until `shutdown` is ready. From then on nothing new is begun, and what is under way may end
    /// within `drain`; a reading that is broken off goes on at the next start.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send, drain: Duration) {
        let Self { app, listener, stop, .. } = self;
        let limits = HttpLimits { header_ms: app.limits.header_ms, connections: app.limits.connections };
        let mut stopping = app.stopping.clone();
        let mut serving = JoinSet::new();
        serving.spawn(tacit_desk::http::serve(
            listener,
            api::router(Arc::clone(&app)),
            limits,
            app.stopping.clone(),
        ));
        let (readings, index, clock) =
            (app.readings.clone(), app.users.index.clone(), Arc::clone(&app.clock));
        let reading = tokio::spawn(async move {
            tokio::select! {
                () = readings.run() => {}
                () = index.forget(clock.as_ref()) => {}
                () = stopped(&mut stopping) => {}
            }
        });
        shutdown.await;
        stop.send_replace(true);
        let ended = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!("requests were still under way at the deadline");
            serving.shutdown().await;
        }
        reading.abort();
        // Canceled, which was meant.
        let _ = reading.await;
    }
}
