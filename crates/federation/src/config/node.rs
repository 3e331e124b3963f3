//! `<member>.toml` of an agency.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use tacit_identity::{Federation, Role};
use tacit_model::MemberId;
use tacit_node::{
    config::{CourierConfig, HolderConfig},
    gateway::GatewayConfig,
};

use super::{Base, Pinned, RoleFile, Tls, WhereIs};

/// Everything an agency's node is told at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// `node`.
    pub role: Role,
    /// The federation's name.
    pub federation: Federation,
    /// Own name.
    pub member: MemberId,
    /// Address and port to listen on for the federation.
    pub listen: SocketAddr,
    /// Address and port of the metrics, on loopback; none without it.
    pub metrics: Option<SocketAddr>,
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    pub database: String,
    /// Where the newest verified registry is kept.
    pub registry: PathBuf,
    /// Where the coordinator is.
    pub coordinator: WhereIs,
    /// Further replicas of the coordinator, `https://HOST:PORT` each: a holder cosigns for every one of them.
    #[serde(default)]
    pub coordinator_replicas: Vec<String>,
    /// Where the custodian is.
    pub custodian: WhereIs,
    /// Certificate, key, CA and revocation list.
    pub tls: Tls,
    /// Private keys.
    pub keys: NodeKeys,
    /// Keys known beforehand.
    pub pins: Pinned,
    /// How own lists are sealed and published; for holders.
    #[serde(default)]
    pub holder: HolderConfig,
    /// How letters are carried.
    #[serde(default)]
    pub letters: CourierConfig,
    /// Where the agency's own applications ask and work with objections; for who has a store key.
    pub gateway: Option<GatewayConfig>,
}

/// Files with private keys, mode 0600, each 32 bytes in hexadecimal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeKeys {
    /// Seed of the Ed25519 key that signs requests.
    pub signing: PathBuf,
    /// Seed of the Ed25519 key that signs list manifests; for holders.
    pub manifest: Option<PathBuf>,
    /// Seed of the Ed25519 key that cosigns checkpoints of the log; for holders.
    pub witness: Option<PathBuf>,
    /// Key that encrypts what a requester keeps about its questions, and a member about its letters; for requesters, and
    /// for holders that write letters.
    pub store: Option<PathBuf>,
    /// Seed of the X25519 key that letters for this member open with; for who gets letters.
    pub letters: Option<PathBuf>,
}

impl RoleFile for NodeFile {
    const ROLE: Role = Role::Node;

    fn role(&self) -> Role {
        self.role
    }

    fn resolve(&mut self, base: &Base<'_>) {
        base.database(&mut self.database);
        base.path(&mut self.registry);
        self.tls.resolve(base);
        base.path(&mut self.keys.signing);
        let keys = &mut self.keys;
        let optional = [&mut keys.manifest, &mut keys.witness, &mut keys.store, &mut keys.letters];
        for path in optional.into_iter().flatten() {
            base.path(path);
        }
        if let Some(gateway) = &mut self.gateway {
            base.path(&mut gateway.tokens);
        }
    }
}
