//! `custodian.toml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use tacit_custodian::{Config, CoordinatorAt, Limits, PinnedKeys, Schedule, SeedFile, TlsFiles};
use tacit_identity::{Federation, Role};
use tacit_model::MemberId;

use super::{Base, Pinned, RoleFile, Tls, WhereIs};

/// Everything a custodian is told at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodianFile {
    /// `custodian`.
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
    /// Where the coordinator is.
    pub coordinator: WhereIs,
    /// Further replicas of the coordinator, `https://HOST:PORT` each: all need the custodian's cosignatures.
    #[serde(default)]
    pub coordinator_replicas: Vec<String>,
    /// Certificate, key, CA and revocation list.
    pub tls: Tls,
    /// Private keys.
    pub keys: CustodianKeys,
    /// Keys known beforehand.
    pub pins: Pinned,
    /// What callers may use up.
    #[serde(default)]
    pub limits: Limits,
    /// How often background work is done.
    #[serde(default)]
    pub schedule: Schedule,
}

/// Files with private keys, mode 0600, each 32 bytes in hexadecimal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodianKeys {
    /// Seeds of the pseudonym keys, one per pseudonym epoch.
    pub pseudonym: Vec<EpochSeed>,
    /// Seed of the Ed25519 key that cosigns checkpoints of the log.
    pub witness: PathBuf,
}

/// The seed of one pseudonym epoch. Losing it orphans every consent: back it up sealed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochSeed {
    /// Pseudonym epoch.
    pub epoch: u32,
    /// The file.
    pub seed: PathBuf,
}

impl RoleFile for CustodianFile {
    const ROLE: Role = Role::Custodian;

    fn role(&self) -> Role {
        self.role
    }

    fn resolve(&mut self, base: &Base<'_>) {
        base.database(&mut self.database);
        self.tls.resolve(base);
        self.keys.pseudonym.iter_mut().for_each(|it| base.path(&mut it.seed));
        base.path(&mut self.keys.witness);
    }
}

impl From<&CustodianFile> for Config {
    fn from(file: &CustodianFile) -> Self {
        Self {
            listen: file.listen,
            database: file.database.clone(),
            tls: TlsFiles {
                certificate: file.tls.certificate.clone(),
                key: file.tls.key.clone(),
                authority: file.tls.authority.clone(),
                crl: file.tls.crl.clone(),
            },
            coordinator: CoordinatorAt {
                member: file.coordinator.member.clone(),
                endpoint: file.coordinator.endpoint.clone(),
            },
            coordinator_replicas: file.coordinator_replicas.clone(),
            pins: PinnedKeys {
                coordinator: file.pins.coordinator,
                log: file.pins.log,
                custodian: file.pins.custodian,
                members: file.pins.members.clone(),
            },
            pseudonym_seeds: file
                .keys
                .pseudonym
                .iter()
                .map(|it| SeedFile { epoch: it.epoch, file: it.seed.clone() })
                .collect(),
            witness_seed: file.keys.witness.clone(),
            limits: file.limits.clone(),
            schedule: file.schedule.clone(),
        }
    }
}
