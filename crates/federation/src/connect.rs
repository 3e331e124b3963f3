//! The ends that only call: a consent authority, an auditor, a holder's own records, a gateway's client.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tacit_client::{
    Auditor, AuditorConfig, AuditorSecretKey, AuthorityConfig, AuthorityKeys, ConsentAuthority, Deadlines,
    LogReader,
};
use tacit_identity::{
    CredentialError, Credentials, EndpointError, Federation, FileError, Role, SpiffeId, channel,
};
use tacit_ledger::{
    ed25519::SigningKey,
    note::{NoteError, NoteVerifier},
};
use tacit_model::{Clock, MemberId};
use tacit_node::{records::Records, redress::Redress};
use tacit_policy::Registry;
use tacit_store::{Db, StoreError};
use tacit_wire::gateway::gateway_service_client::GatewayServiceClient;
use tonic::{
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use zeroize::Zeroizing;

use crate::{
    config::{AuditorFile, AuthorityFile, NodeFile, Pinned, Tls, WhereIs},
    registry::{RegistrySource, RegistryTrouble, read_kept},
    run::{SeedError, letters_key, read_seed, signing_key},
};

/// Largest message of a gateway, in bytes.
const GATEWAY_MESSAGE_MAX: usize = 4 << 20;
/// Longest time to connect to a gateway.
const GATEWAY_CONNECT: Duration = Duration::from_secs(5);

/// Somebody could not be set up to call. The configuration is at fault, but for [`ConnectError::Registry`].
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Certificate, key, CA or revocation list.
    #[error("tls: {0}")]
    Credentials(#[from] CredentialError),
    /// An endpoint is no address.
    #[error("{role}.endpoint: {source}")]
    Endpoint {
        /// Whose.
        role: Role,
        /// What is wrong.
        source: EndpointError,
    },
    /// A name that cannot stand on a note.
    #[error("coordinator.member: {0}")]
    Name(#[from] NoteError),
    /// A private key.
    #[error("keys.{key}: {source}")]
    Seed {
        /// The key in the table `keys`.
        key: &'static str,
        /// What is wrong.
        source: SeedError,
    },
    /// There is no registry to work with.
    #[error(transparent)]
    Registry(#[from] RegistryTrouble),
    /// The node's database.
    #[error("database: {0}")]
    Database(#[from] StoreError),
    /// The node has no gateway for gRPC.
    #[error("gateway.grpc: {member} has no gateway of this kind; use the configuration of a requester")]
    NoGateway {
        /// The member.
        member: MemberId,
    },
    /// The member gets and writes no letters.
    #[error("keys.letters, keys.store: {member} has no keys for letters; `tacit member` makes them")]
    NoLetters {
        /// The member.
        member: MemberId,
    },
    /// The file of tokens.
    #[error("tokens: {0}")]
    Tokens(#[from] FileError),
    /// No token for this application.
    #[error("tokens: {} has no line `NAME:TOKEN` for this application", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The token cannot stand in a header.
    #[error("the token holds characters that no token has")]
    Token,
    /// The gateway's address cannot be read.
    #[error("the gateway's address cannot be read; write http://HOST:PORT")]
    Address,
}

/// Who calls, and whom it reaches.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The own credentials.
    pub credentials: Credentials,
    /// A channel to the coordinator; it connects at the first call.
    pub coordinator: Channel,
    /// The pinned key of the log.
    pub log_key: NoteVerifier,
    federation: Federation,
}

impl Caller {
    /// From the tables of a configuration. Reads files, blocking; connects to nobody yet.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn new(
        federation: &Federation,
        tls: &Tls,
        coordinator: &WhereIs,
        pins: &Pinned,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let credentials = Credentials::load(tls.into(), Arc::clone(clock))?;
        let log_key = pins.log_verifier(&coordinator.member)?;
        let channel = reach(&credentials, federation, Role::Coordinator, coordinator)?;
        Ok(Self { credentials, coordinator: channel, log_key, federation: federation.clone() })
    }

    /// A channel to another party; it connects at the first call.
    ///
    /// # Errors
    /// [`ConnectError::Endpoint`].
    pub fn reach(&self, role: Role, at: &WhereIs) -> Result<Channel, ConnectError> {
        reach(&self.credentials, &self.federation, role, at)
    }
}

fn reach(
    credentials: &Credentials,
    federation: &Federation,
    role: Role,
    at: &WhereIs,
) -> Result<Channel, ConnectError> {
    let expected = SpiffeId::new(federation.clone(), role, at.member.clone());
    channel(&at.endpoint, expected, credentials.clone())
        .map_err(|source| ConnectError::Endpoint { role, source })
}

/// A consent authority, with the newest registry.
///
/// # Errors
/// [`ConnectError`].
pub async fn authority(
    file: &AuthorityFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<ConsentAuthority, ConnectError> {
    let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, clock)?;
    let source = RegistrySource::new(
        caller.coordinator.clone(),
        caller.log_key.clone(),
        file.pins.for_registry(&file.federation),
        file.registry.clone(),
        deadlines,
        Arc::clone(clock),
    );
    let registry = source.newest().await?;
    let seed = |key, path| read_seed(path).map_err(|source: SeedError| ConnectError::Seed { key, source });
    let wrong = |source| ConnectError::Seed { key: "signing", source };
    let shown = registry.member(&file.member).map(|own| own.keys.signing);
    let signing =
        match shown.map(|shown| signing_key(&file.keys.signing, shown)).transpose().map_err(wrong)?.flatten()
        {
            Some(signing) => signing,
            // The coordinator will say what is wrong with it.
            None => SigningKey::from_seed(&*seed("signing", &file.keys.signing)?),
        };
    let keys = AuthorityKeys {
        signing,
        blind: seed("blind", &file.keys.blind)?,
        letters: letters_key(file.keys.letters.as_deref())
            .map_err(|source| ConnectError::Seed { key: "letters", source })?,
    };
    let config = AuthorityConfig { member: file.member.clone(), log_key: caller.log_key.clone(), deadlines };
    let custodian = caller.reach(Role::Custodian, &file.custodian)?;
    let coordinator = caller.coordinator;
    Ok(ConsentAuthority::new(config, keys, registry, coordinator, custodian, Arc::clone(clock)))
}

/// An auditor's reader of the log.
///
/// # Errors
/// [`ConnectError`].
pub fn auditor(
    file: &AuditorFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<LogReader, ConnectError> {
    let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, clock)?;
    Ok(LogReader::new(caller.coordinator, caller.log_key, deadlines))
}

/// An auditor at the coordinator, under the newest registry, and how it reaches others.
///
/// # Errors
/// [`ConnectError`].
pub async fn auditing(
    file: &AuditorFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<(Auditor, Caller), ConnectError> {
    let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, clock)?;
    let source = RegistrySource::new(
        caller.coordinator.clone(),
        caller.log_key.clone(),
        file.pins.for_registry(&file.federation),
        file.registry.clone(),
        deadlines,
        Arc::clone(clock),
    );
    let registry = source.newest().await?;
    let config = AuditorConfig { member: file.member.clone(), log_key: caller.log_key.clone(), deadlines };
    Ok((Auditor::new(config, registry, caller.coordinator.clone(), Arc::clone(clock)), caller))
}

/// The keys that an auditor opens audit boxes with, as far as its configuration names them: that of the box, and the
/// signing key that the registry shows. Blocking.
///
/// # Errors
/// [`ConnectError::Seed`].
pub fn box_keys(
    file: &AuditorFile,
    registry: &Registry,
) -> Result<(Option<AuditorSecretKey>, Option<SigningKey>), ConnectError> {
    let wrong = |key| move |source| ConnectError::Seed { key, source };
    let seed = |key, path: &Option<PathBuf>| path.as_deref().map(read_seed).transpose().map_err(wrong(key));
    let opens = seed("box", &file.keys.audit_box)?.map(|seed| AuditorSecretKey::derive(&seed).0);
    let shown = registry.member(&file.member).map(|own| own.keys.signing);
    let signs = match file.keys.signing.as_deref().zip(shown) {
        Some((path, shown)) => signing_key(path, shown).map_err(wrong("signing"))?,
        None => None,
    };
    // The coordinator will say what is wrong with a key that the registry does not show.
    let signs = match signs {
        Some(signs) => Some(signs),
        None => seed("signing", &file.keys.signing)?.map(|seed| SigningKey::from_seed(&seed)),
    };
    Ok((opens, signs))
}

/// A channel of an auditor to the custodian, where the registry says that it is.
///
/// # Errors
/// [`ConnectError::Endpoint`].
pub fn custodian_of(caller: &Caller, registry: &Registry) -> Result<Channel, ConnectError> {
    let member = registry.custodian().clone();
    let endpoint = registry.member(&member).and_then(|it| it.endpoint.clone()).unwrap_or_default();
    caller.reach(Role::Custodian, &WhereIs { member, endpoint })
}

/// A holder's records beside its node, under the registry that the node keeps, or else the coordinator's.
///
/// # Errors
/// [`ConnectError`].
pub async fn records(
    file: &NodeFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<(Records, Arc<Registry>), ConnectError> {
    let (db, registry) = beside(file, clock, deadlines).await?;
    let records = Records::new(db, Arc::clone(&registry), file.member.clone(), Arc::clone(clock));
    Ok((records, registry))
}

/// A member's notices, objections and appeals beside its node.
///
/// # Errors
/// [`ConnectError`].
pub async fn redress(
    file: &NodeFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<Redress, ConnectError> {
    let path = file.keys.store.as_deref().filter(|_| file.keys.letters.is_some());
    let path = path.ok_or_else(|| ConnectError::NoLetters { member: file.member.clone() })?;
    let store = read_seed(path).map_err(|source| ConnectError::Seed { key: "store", source })?;
    let (db, registry) = beside(file, clock, deadlines).await?;
    Ok(Redress::new(db, &store, registry, file.member.clone(), Arc::clone(clock)))
}

/// The node's database, and the registry that the node keeps, or else the coordinator's.
async fn beside(
    file: &NodeFile,
    clock: &Arc<dyn Clock>,
    deadlines: Deadlines,
) -> Result<(Db, Arc<Registry>), ConnectError> {
    let pins = file.pins.for_registry(&file.federation);
    let registry = match read_kept(&file.registry, &pins)? {
        Some(registry) => registry,
        None => {
            let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, clock)?;
            let (coordinator, log) = (caller.coordinator, caller.log_key);
            RegistrySource::new(coordinator, log, pins, file.registry.clone(), deadlines, Arc::clone(clock))
                .refresh()
                .await?
        }
    };
    Ok((tacit_node::store::open(&file.database).await?, registry))
}

/// A client of a gateway.
pub type GatewayClient = GatewayServiceClient<InterceptedService<Channel, Bearer>>;

/// Shows the access token with every call. `Debug` does not show it.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A client of a gateway at `http://HOST:PORT`; it connects at the first call. Must be called inside a tokio
/// runtime.
///
/// # Errors
/// [`ConnectError::Token`], [`ConnectError::Address`].
pub fn gateway_at(url: &str, token: &str) -> Result<GatewayClient, ConnectError> {
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut bearer: MetadataValue<Ascii> = text.parse().map_err(|_| ConnectError::Token)?;
    bearer.set_sensitive(true);
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| ConnectError::Address)?;
    let channel = endpoint.connect_timeout(GATEWAY_CONNECT).tcp_nodelay(true).connect_lazy();
    Ok(GatewayServiceClient::with_interceptor(channel, Bearer(bearer))
        .max_decoding_message_size(GATEWAY_MESSAGE_MAX))
}

/// A client of a node's gateway, with the token of `application`. Reads files, blocking; must be called inside a
/// tokio runtime.
///
/// # Errors
/// [`ConnectError`].
pub fn gateway(file: &NodeFile, application: &str) -> Result<GatewayClient, ConnectError> {
    let grpc = file.gateway.as_ref().and_then(|gateway| gateway.grpc);
    let at = grpc.ok_or_else(|| ConnectError::NoGateway { member: file.member.clone() })?;
    gateway_at(&format!("http://{at}"), &token(file, application)?)
}

/// The token of an application of this node. Reads a file, blocking.
///
/// # Errors
/// [`ConnectError`].
pub fn token(file: &NodeFile, application: &str) -> Result<Zeroizing<String>, ConnectError> {
    let gateway =
        file.gateway.as_ref().ok_or_else(|| ConnectError::NoGateway { member: file.member.clone() })?;
    token_in(&gateway.tokens, application)
}

/// The token of an application of this authority. Reads a file, blocking.
///
/// # Errors
/// [`ConnectError`].
pub fn desk_token(file: &AuthorityFile, application: &str) -> Result<Zeroizing<String>, ConnectError> {
    token_in(&file.api.tokens, application)
}

fn token_in(path: &Path, application: &str) -> Result<Zeroizing<String>, ConnectError> {
    let found = tacit_desk::tokens::token_of(path, application)?;
    found.ok_or_else(|| ConnectError::NoToken { path: path.to_owned() })
}
