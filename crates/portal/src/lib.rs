//! The web: desks for subjects, auditors and officers, each with a listener and a login of its own.
//!
//! ```text
//! browser ──▶ serving: session, form secret, guard ──▶ pages ──▶ JSON API of the authority, or of the node
//!                 │
//!                 └─ login: OpenID Connect, or names to choose from on one's own machine
//! ```
//!
//! A desk shows and asks; it decides nothing and keeps no record of anybody beside the sessions, which are sealed under
//! the browsers' own tokens, and who acted for whom, sealed under a key of the portal's. Everything that a page shows comes from the interface behind its desk, which asks
//! nobody else for it where that could be lined up with a login.

mod api;
mod assets;
mod auditor;
mod choice;
mod common;
mod config;
mod desk;
mod desks;
mod download;
mod form;
mod frame;
mod journal;
mod kept;
mod language;
mod limits;
mod login;
mod officer;
mod paging;
mod period;
mod person;
mod routes;
mod serving;
mod session;
pub mod store;
mod subject;
mod time;
mod upload;
mod visit;
mod web;
mod wrongs;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tacit_desk::http::{BindError, HttpLimits, bind, bind_loopback, serve_over, stopped};
use tacit_identity::WebCertificate;
use tacit_model::Clock;
use tacit_store::Db;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use zeroize::Zeroizing;

pub use api::{ApiAt, ApiStartError};
pub use auditor::{End, Ending, Ends};
pub use config::DeskConfig;
pub use desks::DeskName;
pub use limits::{Limit, LimitConfig};
pub use login::{DevelopmentConfig, LoginConfig, OidcConfig};
pub use person::{ClaimIs, ClaimNames, Scope};
pub use routes::{Guard, Guarded};
pub use session::SessionConfig;

use crate::{api::Api, desk::Desk, journal::Journal, routes::Pages, session::Sessions, web::Web};

/// How often sessions that ended by themselves are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// What browsers may use up.
const LIMITS: HttpLimits = HttpLimits { header_ms: 10_000, connections: 512 };

/// What a portal runs on.
pub struct PortalDeps {
    /// Its database, from [`store::open`].
    pub db: Db,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the journal of who acted for whom is sealed under; for a subject desk.
    pub store_key: Option<Zeroizing<[u8; 32]>>,
    /// The subject desk, when it is switched on.
    pub subject: Option<DeskConfig>,
    /// The officer desk, when it is switched on.
    pub officer: Option<DeskConfig>,
    /// The auditor desk, when it is switched on, with what makes its end at the coordinator.
    pub auditor: Option<(DeskConfig, Ends)>,
}

impl std::fmt::Debug for PortalDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortalDeps")
            .field("subject", &self.subject)
            .field("officer", &self.officer)
            .field("auditor", &self.auditor)
            .finish_non_exhaustive()
    }
}

/// Why a portal does not start. Names the desk and the key at fault.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// A desk cannot be made.
    #[error("{desk}: {why}")]
    Desk {
        /// The desk.
        desk: DeskName,
        /// What is wrong.
        why: String,
    },
    /// Nothing would be served.
    #[error("no desk is switched on: a portal has a table [subject], [auditor] or [officer]")]
    NoDesk,
}

/// A desk that is open.
#[derive(Debug, Clone)]
pub struct OpenDesk {
    /// Which one.
    pub name: DeskName,
    /// Where it listens.
    pub address: SocketAddr,
    /// How browsers reach it.
    pub origin: String,
    /// Every page and form that it has, with what guards it.
    pub routes: Arc<[Guarded]>,
    /// What it speaks TLS with, if it does.
    pub certificate: Option<WebCertificate>,
}

/// A portal that listens and is ready to serve.
pub struct Portal {
    desks: Vec<(OpenDesk, TcpListener, Router)>,
    /// Of any desk: one database, one sweep.
    sweep: Option<Sessions>,
    followers: Vec<auditor::Follower>,
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.desks()).finish()
    }
}

impl Portal {
    /// Binds the addresses of all desks.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(deps: PortalDeps) -> Result<Self, StartError> {
        let mut portal = Self { desks: Vec::new(), sweep: None, followers: Vec::new() };
        if let Some(config) = &deps.subject {
            let wrong = |why: String| StartError::Desk { desk: DeskName::Subject, why };
            let api = api(DeskName::Subject, config)?;
            let key = deps.store_key.as_ref().ok_or_else(|| wrong("store_key is missing".to_owned()))?;
            let journal =
                Journal::open(deps.db.clone(), key).await.map_err(|error| wrong(error.to_string()))?;
            let pages = |desk| subject::pages(Desk { journal: Some(journal), ..desk }, api);
            portal.open(&deps, DeskName::Subject, config, pages).await?;
        }
        if let Some(config) = &deps.officer {
            names_role(DeskName::Officer, config)?;
            let api = api(DeskName::Officer, config)?;
            portal.open(&deps, DeskName::Officer, config, |desk| officer::pages(desk, api)).await?;
        }
        if let Some((config, ends)) = &deps.auditor {
            names_role(DeskName::Auditor, config)?;
            let follower = auditor::follower(ends.clone(), Arc::clone(&deps.clock))?;
            portal.open(&deps, DeskName::Auditor, config, |desk| auditor::pages(desk, &follower)).await?;
            portal.followers.push(follower);
        }
        if portal.desks.is_empty() { Err(StartError::NoDesk) } else { Ok(portal) }
    }

    /// Binds the address of one desk and makes its pages.
    async fn open(
        &mut self,
        deps: &PortalDeps,
        name: DeskName,
        config: &DeskConfig,
        pages: impl FnOnce(Desk) -> Pages,
    ) -> Result<(), StartError> {
        let listener = match &config.tls {
            Some(_) => bind(name.key(), config.http).await?,
            None => bind_loopback(name.key(), config.http).await?,
        };
        let at =
            listener.local_addr().map_err(|error| StartError::Desk { desk: name, why: error.to_string() })?;
        let desk = Desk::new(name, config, deps.db.clone(), Arc::clone(&deps.clock), at)?;
        self.sweep = Some(desk.sessions.clone());
        let (origin, certificate) = (desk.origin.clone(), desk.certificate.clone());
        let Pages { router, table } = pages(desk);
        let open = OpenDesk { name, address: at, origin, routes: table, certificate };
        self.desks.push((open, listener, router));
        Ok(())
    }

    /// The desks that it has.
    pub fn desks(&self) -> impl Iterator<Item = &OpenDesk> {
        self.desks.iter().map(|(desk, ..)| desk)
    }

    /// Serves until `shutdown` is ready. From then on nothing new is begun, and what is under way may end within `drain`.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send, drain: Duration) {
        let (stop, stopping) = watch::channel(false);
        let mut serving = JoinSet::new();
        for (desk, listener, router) in self.desks {
            serving.spawn(serve_over(listener, desk.certificate, router, LIMITS, stopping.clone()));
        }
        if let Some(sessions) = self.sweep {
            serving.spawn(sweep(sessions, stopping.clone()));
        }
        for follower in self.followers {
            serving.spawn(follower.follow(stopping.clone()));
        }
        shutdown.await;
        stop.send_replace(true);
        let ended = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!("pages were still under way at the deadline");
            serving.shutdown().await;
        }
    }
}

/// A desk of an office is for those whom a claim calls so.
fn names_role(desk: DeskName, config: &DeskConfig) -> Result<(), StartError> {
    if config.names_role() {
        return Ok(());
    }
    let why = format!("login.claims.role is missing: whoever has an account would be an {desk}");
    Err(StartError::Desk { desk, why })
}

/// The interface behind a desk.
fn api(desk: DeskName, config: &DeskConfig) -> Result<Api, StartError> {
    let wrong = |why: String| StartError::Desk { desk, why };
    let at = config.api.as_ref().ok_or_else(|| wrong("api is missing".to_owned()))?;
    let web = Web::new(None).map_err(|error| wrong(error.to_string()))?;
    Api::new(web, at).map_err(|error| wrong(error.to_string()))
}

async fn sweep(sessions: Sessions, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stopped(&mut stopping) => return,
        }
        if let Err(error) = sessions.sweep().await {
            tracing::warn!(%error, "sessions that ended are not removed");
        }
    }
}
