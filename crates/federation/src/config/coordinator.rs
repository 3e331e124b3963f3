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
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    pub database: String,
    /// The journal of erasures, which backups of the database must not hold; without this key it stands beside the
    /// SQLite file, or beside this configuration when the database is PostgreSQL.
    #[serde(default)]
    pub erasures: PathBuf,
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
        if self.erasures.as_os_str().is_empty() {
            self.erasures = match self.database.strip_prefix("sqlite:") {
                Some(path) => format!("{}.erasures", path.trim_start_matches("//")).into(),
                None => format!("{}.erasures", self.member).into(),
            };
        }
        base.database(&mut self.database);
        base.path(&mut self.erasures);
        base.path(&mut self.registry);
        base.path(&mut self.keys.log);
        self.tls.resolve(base);
    }
}
