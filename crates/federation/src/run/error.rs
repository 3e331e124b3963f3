//! Why a role does not start, or ended.

use std::{io, net::SocketAddr, path::PathBuf};

use tacit_identity::{CredentialError, EndpointError, Role, SpiffeId};
use tacit_ledger::note::NoteError;
use tacit_model::MemberId;
use tacit_policy::RegistryError;

use super::SeedError;
use crate::{config::ConfigError, registry::RegistryTrouble};

/// Why a role does not start, or ended by itself. Names files and keys of the configuration, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that only calls: nothing serves in this role.
    #[error(
        "a file for role `{role}` has nothing to serve; only coordinator, custodian, node and authority do"
    )]
    NothingToServe {
        /// The role.
        role: Role,
    },
    /// A portal.
    #[error(transparent)]
    Portal(#[from] tacit_portal::StartError),
    /// Certificate, key, CA or revocation list.
    #[error("tls: {0}")]
    Credentials(#[from] CredentialError),
    /// The certificate names somebody else.
    #[error("tls.certificate: {} is of {found}, the file is for {expected}", certificate.display())]
    OtherIdentity {
        /// The certificate.
        certificate: PathBuf,
        /// Whom it names.
        found: SpiffeId,
        /// Whom the file is for.
        expected: SpiffeId,
    },
    /// A private key.
    #[error("keys.{key}: {source}")]
    Seed {
        /// The key in the table `keys`.
        key: &'static str,
        /// What is wrong.
        source: SeedError,
    },
    /// What a portal seals its journal under.
    #[error("store_key: {0}")]
    StoreKey(SeedError),
    /// A private key is not the pinned one.
    #[error("keys.{key}: this is not the private half of pins.{pin}")]
    OtherKey {
        /// The key in the table `keys`.
        key: &'static str,
        /// The key in the table `pins`.
        pin: &'static str,
    },
    /// A name that cannot stand on a note.
    #[error("member: {0}")]
    Name(#[from] NoteError),
    /// The registry file cannot be read.
    #[error("registry: {}: {source}", path.display())]
    RegistryFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The registry breaks a rule, or is not signed by the pinned key.
    #[error("registry: {0}")]
    Registry(#[from] RegistryError),
    /// The registry names no quorum of witnesses.
    #[error("registry: {0}")]
    Witnesses(#[from] tacit_policy::NoWitnesses),
    /// The registry names another coordinator.
    #[error("registry: it names `{found}` as coordinator, not this member")]
    OtherCoordinator {
        /// Whom it names.
        found: MemberId,
    },
    /// The address cannot be listened on.
    #[error("listen: {at}: {source}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The coordinator.
    #[error(transparent)]
    Coordinator(#[from] tacit_coordinator::StartError),
    /// The custodian.
    #[error(transparent)]
    Custodian(Box<tacit_custodian::StartError>),
    /// The coordinator ended.
    #[error(transparent)]
    CoordinatorEnded(#[from] tacit_coordinator::ServeError),
    /// The registry, as a node gets it.
    #[error("registry: {0}")]
    NoRegistry(#[from] RegistryTrouble),
    /// The registry does not know this member, or in another role than its file says.
    #[error("member: the registry names `{member}` neither holder nor requester")]
    NoNode {
        /// This member.
        member: MemberId,
    },
    /// The registry does not know this member as an authority.
    #[error("member: the registry does not name `{member}` an authority")]
    NoAuthority {
        /// This member.
        member: MemberId,
    },
    /// The authority.
    #[error(transparent)]
    Authority(Box<tacit_authority::StartError>),
    /// Something that the member's role needs is not in the file.
    #[error("{key}: missing; the registry names this member {role}, which needs it")]
    Missing {
        /// The key in the file.
        key: &'static str,
        /// The role.
        role: &'static str,
    },
    /// A private key is not the one whose public half the registry shows.
    #[error("keys.{key}: this is not the private half of the key that the registry shows")]
    NotRegistered {
        /// The key in the table `keys`.
        key: &'static str,
    },
    /// An endpoint is no address.
    #[error("{key}: {source}")]
    Endpoint {
        /// The key in the file.
        key: &'static str,
        /// What is wrong.
        source: EndpointError,
    },
    /// The node's database.
    #[error("database: {0}")]
    Database(#[from] tacit_store::StoreError),
    /// The holder.
    #[error("holder: {0}")]
    Holder(#[from] tacit_node::holder::HolderError),
    /// How letters are carried.
    #[error(transparent)]
    Letters(#[from] tacit_node::config::ConfigError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] tacit_node::gateway::GatewayError),
    /// The requester's own records.
    #[error("requester: {0}")]
    Requester(#[from] tacit_client::ClientError),
    /// The transport ended.
    #[error("the server ended: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A task broke; a fault of ours.
    #[error("the role ended unexpectedly; its log says why")]
    Broke,
}

impl From<tacit_authority::StartError> for StartError {
    fn from(error: tacit_authority::StartError) -> Self {
        Self::Authority(Box::new(error))
    }
}

impl From<tacit_custodian::StartError> for StartError {
    fn from(error: tacit_custodian::StartError) -> Self {
        Self::Custodian(Box::new(error))
    }
}
