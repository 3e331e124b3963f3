//! What commands need to talk to a party, from its configuration file.

use std::{path::Path, path::PathBuf, sync::Arc};

use tacit_client::{ClientError, ConsentAuthority, Deadlines, LogReader};
use tacit_federation::{
    config::{AuditorFile, AuthorityFile, Environment, NodeFile, RoleFile as _},
    connect::{self, ConnectError},
    found::CLI_APPLICATION,
    registry::RegistryTrouble,
    run::SeedError,
};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{MemberId, Reason};
use tacit_node::records::Records;
use tacit_policy::Registry;
use zeroize::Zeroizing;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

pub(crate) use tacit_federation::connect::{Caller, GatewayClient};

/// How long commands wait for other parties: a person is waiting too.
pub(crate) const DEADLINES: Deadlines = Deadlines { call_ms: 10_000, patience_ms: 8_000 };

/// A consent authority, with the newest registry.
pub(crate) async fn authority(context: &Context, path: &Path) -> Result<ConsentAuthority, Failure> {
    let file = AuthorityFile::load(path, Environment::Read)?;
    Ok(connect::authority(&file, &context.clock, DEADLINES).await?)
}

/// An auditor's reader of the log, with its configuration and the log's pinned key.
pub(crate) fn auditor(
    context: &Context,
    path: &Path,
) -> Result<(LogReader, AuditorFile, NoteVerifier), Failure> {
    let file = AuditorFile::load(path, Environment::Read)?;
    let reader = connect::auditor(&file, &context.clock, DEADLINES)?;
    let log_key = file.pins.log_verifier(&file.coordinator.member).map_err(Failure::internal)?;
    Ok((reader, file, log_key))
}

/// A holder's records, with the registry they stand under and the holder's name.
pub(crate) async fn records(
    context: &Context,
    path: &Path,
) -> Result<(Records, Arc<Registry>, MemberId), Failure> {
    let file = NodeFile::load(path, Environment::Read)?;
    let (records, registry) = connect::records(&file, &context.clock, DEADLINES).await?;
    Ok((records, registry, file.member))
}

/// How a command reaches the gateway of an agency's node.
#[derive(Debug, clap::Args)]
pub(crate) struct GatewayArguments {
    /// The node's configuration; it names the gateway and the file of tokens.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE", required_unless_present = "gateway")]
    pub(crate) config: Option<PathBuf>,
    /// The gateway's gRPC address instead, http://HOST:PORT; the token comes from TACIT_TOKEN.
    #[arg(long, env = "TACIT_GATEWAY", value_name = "URL", conflicts_with = "config")]
    pub(crate) gateway: Option<String>,
    /// Whose token of the file is used.
    #[arg(long, default_value = CLI_APPLICATION, value_name = "NAME")]
    pub(crate) application: String,
}

impl GatewayArguments {
    /// A client that connects at its first call.
    pub(crate) fn client(&self) -> Result<GatewayClient, Failure> {
        if let Some(path) = &self.config {
            return Ok(connect::gateway(&NodeFile::load(path, Environment::Read)?, &self.application)?);
        }
        let url = self.gateway.as_deref().ok_or_else(|| Failure::usage("no gateway was named"))?;
        let token = std::env::var("TACIT_TOKEN").map(Zeroizing::new).map_err(|_| {
            Failure::usage("no token was given")
                .next("set TACIT_TOKEN, or name the node's configuration with --config")
        })?;
        Ok(connect::gateway_at(url, &token)?)
    }
}

/// A client of a node's gateway, with the command line's own token.
pub(crate) fn gateway_of(file: &NodeFile) -> Result<GatewayClient, Failure> {
    Ok(connect::gateway(file, CLI_APPLICATION)?)
}

impl Failure {
    /// Cannot happen as long as our own parts fit together.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::trouble("internal trouble").why(error).reason(Reason::Internal)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Registry(trouble) => trouble.into(),
            other => Self::usage("the configuration cannot be used").why(other).reason(Reason::ConfigInvalid),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let reason = error.reason();
        match &error {
            ClientError::Refused { party, refusal } => Self::refused(party, refusal.reason, &refusal.message),
            ClientError::NoAnswer { party, .. } => {
                Self::new(Exit::of(reason), format!("{party} cannot be reached")).reason(reason)
            }
            _ => Self::new(Exit::of(reason), "it was not done").why(&error).reason(reason),
        }
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
