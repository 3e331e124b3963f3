//! Roles at work: from a configuration file to a role that serves, and back to nothing.

mod authority;
mod coordinator;
mod custodian;
mod demands;
mod error;
mod node;
mod portal;
mod secrets;
mod sockets;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tacit_blind::letter::LetterSecretKey;
use tacit_identity::{
    CredentialError, CredentialStatus, Credentials, Federation, MtlsListener, Role, SpiffeId,
};
use tacit_model::{Clock, MemberId};
use tacit_policy::registry::entry::Member;
use tokio::{sync::oneshot, task::JoinHandle};

pub use error::StartError;
pub use portal::{RunningPortal, start_portal};
pub use secrets::{SeedError, letters_key, next_key_file, read_seed, signing_key};
pub use sockets::Sockets;
pub use tacit_portal::{DeskName, OpenDesk};

use crate::config::{
    AuthorityFile, CoordinatorFile, CustodianFile, Environment, NodeFile, RoleFile as _, Tls, role_of,
};

/// How long a role that was told to stop may let calls under way end.
pub const DRAIN: Duration = Duration::from_secs(10);

/// What roles take from the process around them.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Sockets that were opened beforehand.
    pub sockets: Sockets,
}

impl Surroundings {
    /// The given clock, and no sockets beforehand.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, sockets: Sockets::default() }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("sockets", &self.sockets).finish_non_exhaustive()
    }
}

/// Where a node's gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayAt {
    /// Its JSON API.
    pub http: Option<SocketAddr>,
    /// Its gRPC service.
    pub grpc: Option<SocketAddr>,
}

/// A role that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    spiffe: SpiffeId,
    address: SocketAddr,
    does: String,
    credentials: Credentials,
    gateway: Option<GatewayAt>,
    /// Dropped or sent to: stop.
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), StartError>>,
}

impl Running {
    /// Who it is.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.spiffe.member
    }

    /// What it is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.spiffe.role
    }

    /// Where it listens for the federation; an authority listens for its portal alone, on loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does, for people: `holder, requester`.
    #[must_use]
    pub fn does(&self) -> &str {
        &self.does
    }

    /// Where its gateway listens, for a requester.
    #[must_use]
    pub fn gateway(&self) -> Option<GatewayAt> {
        self.gateway
    }

    /// Reads certificate, key, CA and revocation list again. Blocking.
    ///
    /// # Errors
    /// [`CredentialError`]; then the last good ones stay in use.
    pub fn reload(&self) -> Result<CredentialStatus, CredentialError> {
        self.credentials.reload()
    }

    /// The credentials in use.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Waits until it ends by itself, which a role never should.
    ///
    /// # Errors
    /// [`StartError`], why it ended.
    pub async fn ended(&mut self) -> Result<(), StartError> {
        (&mut self.serving).await.unwrap_or(Err(StartError::Broke))
    }

    /// Takes no new calls, lets those under way end for `drain` at most, then ends.
    ///
    /// # Errors
    /// [`StartError`] when it had failed before.
    pub async fn stop(mut self, drain: Duration) -> Result<(), StartError> {
        drop(self.stop.take());
        match tokio::time::timeout(drain, &mut self.serving).await {
            Ok(outcome) => outcome.unwrap_or(Err(StartError::Broke)),
            Err(_) => {
                tracing::warn!(member = %self.spiffe.member, "calls were still under way when the time to drain was over");
                self.serving.abort();
                Ok(())
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts the role that a configuration file is for.
///
/// # Errors
/// [`StartError`], which names the file and the key at fault.
pub async fn start(
    path: &Path,
    environment: Environment,
    surroundings: &Surroundings,
) -> Result<Running, StartError> {
    match role_of(path)? {
        Role::Coordinator => {
            coordinator::start(CoordinatorFile::load(path, environment)?, surroundings).await
        }
        Role::Custodian => custodian::start(CustodianFile::load(path, environment)?, surroundings).await,
        Role::Node => node::start(NodeFile::load(path, environment)?, surroundings).await,
        Role::Authority => authority::start(AuthorityFile::load(path, environment)?, surroundings).await,
        role @ Role::Auditor => Err(StartError::NothingToServe { role }),
    }
}

/// Loads the credentials and proves that they name who the file says.
fn credentials(
    tls: &Tls,
    federation: &Federation,
    role: Role,
    member: &MemberId,
    clock: &Arc<dyn Clock>,
) -> Result<Credentials, StartError> {
    let credentials = Credentials::load(tls.into(), Arc::clone(clock))?;
    let expected = SpiffeId::new(federation.clone(), role, member.clone());
    if *credentials.spiffe() != expected {
        let found = credentials.spiffe().clone();
        return Err(StartError::OtherIdentity { certificate: tls.certificate.clone(), found, expected });
    }
    Ok(credentials)
}

/// The key that letters for a member open with, if it has one; it must be the one that the registry shows.
fn letters(path: Option<&Path>, member: &Member) -> Result<Option<LetterSecretKey>, StartError> {
    let own = letters_key(path).map_err(|source| StartError::Seed { key: "letters", source })?;
    let shown = member.keys.letters.map(|key| key.0);
    match (own, shown) {
        (Some(own), Some(shown)) if own.public().encode() != shown => {
            Err(StartError::NotRegistered { key: "letters" })
        }
        // Nobody seals to a key that the registry does not show.
        (own, _) => Ok(own),
    }
}

/// Binds the federation's socket of a role.
async fn listen(
    at: SocketAddr,
    credentials: &Credentials,
    sockets: &Sockets,
) -> Result<MtlsListener, StartError> {
    let socket = sockets.bind(at).await.map_err(|source| StartError::Listen { at, source })?;
    MtlsListener::start(socket, credentials.clone(), tacit_identity::ListenerLimits::default())
        .map_err(|source| StartError::Listen { at, source })
}
