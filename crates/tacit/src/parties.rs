//! What commands need to talk to a party: credentials, channels, the registry, the gateway's token.

use std::{path::Path, sync::Arc, time::Duration};

use tacit_client::{AuthorityConfig, AuthorityKeys, ClientError, ConsentAuthority, Deadlines, LogReader};
use tacit_federation::{
    config::{AuditorFile, AuthorityFile, Environment, NodeFile, Pinned, RoleFile as _, Tls, WhereIs},
    found::CLI_APPLICATION,
    registry::{RegistrySource, RegistryTrouble, read_kept},
    run::{SeedError, read_seed},
};
use tacit_identity::{Credentials, Federation, Role, SpiffeId, channel, read_private};
use tacit_ledger::{ed25519::SigningKey, note::NoteVerifier};
use tacit_model::{Clock, MemberId, Reason};
use tacit_node::records::Records;
use tacit_policy::Registry;
use tacit_wire::gateway::gateway_service_client::GatewayServiceClient;
use tonic::{
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use zeroize::Zeroizing;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// How long commands wait for other parties: a person is waiting too.
pub(crate) const DEADLINES: Deadlines = Deadlines { call_ms: 10_000, patience_ms: 8_000 };

/// Who calls, and whom it reaches.
pub(crate) struct Caller {
    pub(crate) credentials: Credentials,
    pub(crate) coordinator: Channel,
    pub(crate) log_key: NoteVerifier,
    federation: Federation,
}

impl Caller {
    pub(crate) fn new(
        federation: &Federation,
        tls: &Tls,
        coordinator: &WhereIs,
        pins: &Pinned,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let credentials = Credentials::load(tls.into(), Arc::clone(clock)).map_err(|error| {
            Failure::usage("the certificate cannot be used")
                .why(error)
                .next("renew it, or correct the table [tls] of the configuration")
        })?;
        let log_key = pins.log_verifier(&coordinator.member).map_err(Failure::internal)?;
        let channel = reach(&credentials, federation, Role::Coordinator, coordinator)?;
        Ok(Self { credentials, coordinator: channel, log_key, federation: federation.clone() })
    }

    /// A channel to another party; it connects at the first call.
    pub(crate) fn reach(&self, role: Role, at: &WhereIs) -> Result<Channel, Failure> {
        reach(&self.credentials, &self.federation, role, at)
    }
}

fn reach(
    credentials: &Credentials,
    federation: &Federation,
    role: Role,
    at: &WhereIs,
) -> Result<Channel, Failure> {
    let expected = SpiffeId::new(federation.clone(), role, at.member.clone());
    channel(&at.endpoint, expected, credentials.clone()).map_err(|error| {
        Failure::usage(format!("{role}.endpoint is no address")).why(error).next("write https://HOST:PORT")
    })
}

/// A consent authority, with the newest registry.
pub(crate) async fn authority(context: &Context, path: &Path) -> Result<ConsentAuthority, Failure> {
    let file = AuthorityFile::load(path, Environment::Read)?;
    let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, &context.clock)?;
    let source = RegistrySource::new(
        caller.coordinator.clone(),
        caller.log_key.clone(),
        file.pins.for_registry(&file.federation),
        file.registry.clone(),
        DEADLINES,
    );
    let registry = source.newest().await?;
    let keys = AuthorityKeys {
        signing: SigningKey::from_seed(&*read_seed(&file.keys.signing)?),
        blind: read_seed(&file.keys.blind)?,
    };
    let config = AuthorityConfig {
        member: file.member.clone(),
        log_key: caller.log_key.clone(),
        deadlines: DEADLINES,
    };
    let custodian = caller.reach(Role::Custodian, &file.custodian)?;
    let coordinator = caller.coordinator;
    Ok(ConsentAuthority::new(config, keys, registry, coordinator, custodian, context.clock.clone()))
}

/// An auditor's reader of the log, with its configuration.
pub(crate) fn auditor(
    context: &Context,
    path: &Path,
) -> Result<(LogReader, AuditorFile, NoteVerifier), Failure> {
    let file = AuditorFile::load(path, Environment::Read)?;
    let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, &context.clock)?;
    let reader = LogReader::new(caller.coordinator, caller.log_key.clone(), DEADLINES);
    Ok((reader, file, caller.log_key))
}

/// A holder's records, under the registry that its node keeps or the coordinator gives.
pub(crate) async fn records(
    context: &Context,
    path: &Path,
) -> Result<(Records, Arc<Registry>, MemberId), Failure> {
    let file = NodeFile::load(path, Environment::Read)?;
    let pins = file.pins.for_registry(&file.federation);
    let registry = match read_kept(&file.registry, &pins)? {
        Some(registry) => registry,
        None => {
            let caller =
                Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, &context.clock)?;
            let (coordinator, log) = (caller.coordinator, caller.log_key);
            RegistrySource::new(coordinator, log, pins, file.registry.clone(), DEADLINES).refresh().await?
        }
    };
    let db = tacit_node::store::open(&file.database).await.map_err(|error| {
        Failure::trouble("the node's database cannot be opened")
            .why(error)
            .next("correct `database` in the configuration; its folder must exist")
    })?;
    let records = Records::new(db, Arc::clone(&registry), file.member.clone(), context.clock.clone());
    Ok((records, registry, file.member))
}

/// How a command reaches the gateway of an agency's node.
#[derive(Debug, clap::Args)]
pub(crate) struct GatewayArguments {
    /// The node's configuration; it names the gateway and the file of tokens.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE", required_unless_present = "gateway")]
    pub(crate) config: Option<std::path::PathBuf>,
    /// The gateway's gRPC address instead, http://HOST:PORT; the token comes from TACIT_TOKEN.
    #[arg(long, env = "TACIT_GATEWAY", value_name = "URL", conflicts_with = "config")]
    pub(crate) gateway: Option<String>,
    /// Whose token of the file is used.
    #[arg(long, default_value = CLI_APPLICATION, value_name = "NAME")]
    pub(crate) application: String,
}

/// Adds token and request id to every call.
#[derive(Clone)]
pub(crate) struct Authorize {
    authorization: MetadataValue<Ascii>,
}

impl Interceptor for Authorize {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        request.metadata_mut().insert("authorization", self.authorization.clone());
        Ok(request)
    }
}

/// A client of the gateway.
pub(crate) type GatewayClient = GatewayServiceClient<InterceptedService<Channel, Authorize>>;

/// Largest message of the gateway, in bytes.
const GATEWAY_MESSAGE_MAX: usize = 4 << 20;
/// Longest time to connect to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl GatewayArguments {
    /// A client that connects at its first call.
    pub(crate) fn client(&self) -> Result<GatewayClient, Failure> {
        let (url, token) = match (&self.config, &self.gateway) {
            (Some(path), _) => self.from_config(path)?,
            (None, Some(url)) => {
                let token = std::env::var("TACIT_TOKEN").map(Zeroizing::new).map_err(|_| {
                    Failure::usage("no token was given")
                        .next("set TACIT_TOKEN, or name the node's configuration with --config")
                })?;
                (url.clone(), token)
            }
            (None, None) => return Err(Failure::usage("neither --config nor --gateway was given")),
        };
        connect(url, &token)
    }

    fn from_config(&self, path: &Path) -> Result<(String, Zeroizing<String>), Failure> {
        of_node(&NodeFile::load(path, Environment::Read)?, &self.application)
    }
}

fn connect(url: String, token: &str) -> Result<GatewayClient, Failure> {
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let mut authorization: MetadataValue<Ascii> =
        bearer.parse().map_err(|_| Failure::usage("the token holds characters that no token has"))?;
    authorization.set_sensitive(true);
    let endpoint = Endpoint::from_shared(url).map_err(|error| {
        Failure::usage("the gateway's address cannot be read").why(error).next("write http://HOST:PORT")
    })?;
    let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect_lazy();
    Ok(GatewayServiceClient::with_interceptor(channel, Authorize { authorization })
        .max_decoding_message_size(GATEWAY_MESSAGE_MAX))
}

/// A client of a node's gateway, with the command line's own token.
pub(crate) fn gateway_of(file: &NodeFile) -> Result<GatewayClient, Failure> {
    let (url, token) = of_node(file, CLI_APPLICATION)?;
    connect(url, &token)
}

/// Address of a node's gateway, and the token of an application.
fn of_node(file: &NodeFile, application: &str) -> Result<(String, Zeroizing<String>), Failure> {
    let gateway = file.gateway.as_ref().ok_or_else(|| {
        Failure::usage(format!("{} asks no questions: it has no table [gateway]", file.member))
            .next("use the configuration of a requester")
    })?;
    let at = gateway
        .grpc
        .ok_or_else(|| Failure::usage("gateway.grpc is not set").next("add it to the table [gateway]"))?;
    let text = read_private(&gateway.tokens)
        .map_err(|error| Failure::usage("the file of tokens cannot be read").why(error))?;
    let text = std::str::from_utf8(&text).map_err(|_| Failure::usage("the file of tokens is no text"))?;
    let token = text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        line.split_once(':').filter(|(name, _)| *name == application).map(|(_, token)| token)
    });
    let token = token.ok_or_else(|| {
        Failure::usage(format!("{} has no token for `{}`", gateway.tokens.display(), application))
            .next("add a line NAME:TOKEN, or name another with --application")
    })?;
    Ok((format!("http://{at}"), Zeroizing::new(token.to_owned())))
}

impl Failure {
    /// Cannot happen as long as our own parts fit together.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::trouble("internal trouble").reason(Reason::Internal).why(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let reason = error.reason();
        let what = match &error {
            ClientError::NoAnswer { party, .. } => format!("{party} cannot be reached"),
            ClientError::Refused { party, refusal } => format!("{party} refused: {}", refusal.reason),
            _ => "it was not done".to_owned(),
        };
        let mut failure = Self::new(Exit::of(reason), what);
        if let ClientError::Refused { refusal, .. } = &error {
            failure = failure.why(&refusal.message);
        } else if !matches!(error, ClientError::NoAnswer { .. }) {
            failure = failure.why(&error);
        }
        failure.reason(reason)
    }
}

impl From<RegistryTrouble> for Failure {
    fn from(error: RegistryTrouble) -> Self {
        let reason = error.reason();
        Self::new(Exit::of(reason), "there is no registry to work with").why(error).reason(reason)
    }
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        Self::usage("a private key cannot be used").why(error)
    }
}
