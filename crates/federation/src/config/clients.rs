//! Files of parties that listen to nobody else of the federation: the consent authority and the auditor.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use tacit_authority::{ApiConfig, ReadingConfig};
use tacit_identity::{Federation, Role};
use tacit_model::MemberId;

use super::{Base, Pinned, RoleFile, Tls, WhereIs};

/// What a consent authority needs to serve its users, to grant and to withdraw: for example `portal.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityFile {
    /// `authority`.
    pub role: Role,
    /// The federation's name.
    pub federation: Federation,
    /// Own name.
    pub member: MemberId,
    /// Address and port of the metrics, on loopback; none without it.
    pub metrics: Option<SocketAddr>,
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. One process reads and writes it.
    pub database: String,
    /// Where the newest verified registry is kept.
    pub registry: PathBuf,
    /// Where the coordinator is.
    pub coordinator: WhereIs,
    /// Where the custodian is.
    pub custodian: WhereIs,
    /// Certificate, key, CA and revocation list.
    pub tls: Tls,
    /// Private keys.
    pub keys: AuthorityKeys,
    /// Keys known beforehand.
    pub pins: Pinned,
    /// Where the portal and the command line ask about users.
    pub api: ApiConfig,
    /// When the coordinator is read for all users together.
    #[serde(default)]
    pub reading: ReadingConfig,
}

/// Files with private keys, mode 0600, each 32 bytes in hexadecimal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityKeys {
    /// Seed of the Ed25519 key that signs consents.
    pub signing: PathBuf,
    /// What blinds are derived from, so that a subject asked about again costs no quota.
    pub blind: PathBuf,
    /// What everything kept about users is sealed under. Losing it loses what was read; nobody else can open it.
    pub store: PathBuf,
    /// Seed of the X25519 key that letters to subjects open with; none for an authority that gets no letters.
    pub letters: Option<PathBuf>,
}

/// What an auditor needs to follow and verify the log: for example `auditor-a.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditorFile {
    /// `auditor`.
    pub role: Role,
    /// The federation's name.
    pub federation: Federation,
    /// Own name.
    pub member: MemberId,
    /// Where the newest verified registry is kept.
    pub registry: PathBuf,
    /// Where the coordinator is.
    pub coordinator: WhereIs,
    /// Certificate, key, CA and revocation list.
    pub tls: Tls,
    /// Private keys.
    #[serde(default)]
    pub keys: AuditorKeys,
    /// Keys known beforehand.
    pub pins: Pinned,
    /// Where the newest verified checkpoint is kept, so that each run proves consistency with the last one.
    pub checkpoint: PathBuf,
}

/// Files with private keys, mode 0600, each 32 bytes in hexadecimal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditorKeys {
    /// Seed of the X25519 key that opens audit boxes; used only when two auditors open one together. Two auditors
    /// of a federation have one; others read the log.
    #[serde(rename = "box")]
    pub audit_box: Option<PathBuf>,
    /// Seed of the Ed25519 key in the registry, with which the auditor desk asks for openings and approves them; the
    /// command line is told it by `--key`.
    pub signing: Option<PathBuf>,
}

impl RoleFile for AuthorityFile {
    const ROLE: Role = Role::Authority;

    fn role(&self) -> Role {
        self.role
    }

    fn resolve(&mut self, base: &Base<'_>) {
        self.tls.resolve(base);
        base.path(&mut self.registry);
        base.path(&mut self.keys.signing);
        base.path(&mut self.keys.blind);
        base.path(&mut self.keys.store);
        if let Some(path) = &mut self.keys.letters {
            base.path(path);
        }
        base.path(&mut self.api.tokens);
        base.database(&mut self.database);
    }
}

impl RoleFile for AuditorFile {
    const ROLE: Role = Role::Auditor;

    fn role(&self) -> Role {
        self.role
    }

    fn resolve(&mut self, base: &Base<'_>) {
        self.tls.resolve(base);
        base.path(&mut self.registry);
        for path in [&mut self.keys.audit_box, &mut self.keys.signing].into_iter().flatten() {
            base.path(path);
        }
        base.path(&mut self.checkpoint);
    }
}
