//! `coordinator.toml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use tacit_coordinator::Limits;
use tacit_identity::{Federation, Role};
use tacit_model::MemberId;

use super::{Base, Pinned, RoleFile, Tls};

/// Everything a coordinator is told at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorFile {
    /// `coordinator`.
    pub role: Role,
    /// The federation's name.
    pub federation: Federation,
    /// Own name.
    pub member: MemberId,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Address and port of the metrics, on loopback; none without it.
    pub metrics: Option<SocketAddr>,
    /// Database URL, `sqlite:PATH`.
    pub database: String,
    /// The signed registry file.
    pub registry: PathBuf,
    /// Certificate, key, CA and revocation list.
    pub tls: Tls,
    /// Private keys.
    pub keys: CoordinatorKeys,
    /// Keys known beforehand.
    pub pins: Pinned,
    /// What is allowed how often and how long.
    #[serde(default)]
    pub limits: Limits,
}

/// Files with private keys, mode 0600, each 32 bytes in hexadecimal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorKeys {
    /// Seed of the log's Ed25519 key.
    pub log: PathBuf,
}

impl RoleFile for CoordinatorFile {
    const ROLE: Role = Role::Coordinator;

    fn role(&self) -> Role {
        self.role
    }

    fn resolve(&mut self, base: &Base<'_>) {
        base.database(&mut self.database);
        base.path(&mut self.registry);
        base.path(&mut self.keys.log);
        self.tls.resolve(base);
    }
}
