//! The custodian's configuration: one TOML file (see docs/samples). Unknown keys are refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use tacit_identity::CredentialFiles;
use tacit_model::MemberId;
use tacit_policy::Ed25519Key;

/// Everything a custodian is told at start. Its own name and federation stand in its certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    pub database: String,
    /// Certificate, key, CA and revocation list.
    pub tls: TlsFiles,
    /// Where the coordinator is.
    pub coordinator: CoordinatorAt,
    /// Further replicas of the coordinator, `https://HOST:PORT` each: all need the custodian's cosignatures.
    #[serde(default)]
    pub coordinator_replicas: Vec<String>,
    /// Keys that are known beforehand.
    pub pins: PinnedKeys,
    /// Seeds of the pseudonym keys, one per pseudonym epoch.
    pub pseudonym_seeds: Vec<SeedFile>,
    /// Seed of the key that cosigns checkpoints of the log: a file with 32 bytes in hexadecimal, mode 0600.
    pub witness_seed: PathBuf,
    /// What callers may use up.
    #[serde(default)]
    pub limits: Limits,
    /// How often background work is done.
    #[serde(default)]
    pub schedule: Schedule,
}

/// The four PEM files of mutual TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Own certificate, then any intermediates.
    pub certificate: PathBuf,
    /// Its private key, mode 0600.
    pub key: PathBuf,
    /// Trusted CA certificates.
    pub authority: PathBuf,
    /// Revocation lists.
    pub crl: PathBuf,
}

impl From<&TlsFiles> for CredentialFiles {
    fn from(files: &TlsFiles) -> Self {
        Self {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            authority: files.authority.clone(),
            crl: files.crl.clone(),
        }
    }
}

/// The coordinator as the custodian reaches it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorAt {
    /// Its member name.
    pub member: MemberId,
    /// `https://HOST:PORT`.
    pub endpoint: String,
}

/// Public keys in base64 that no registry may swap.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedKeys {
    /// The coordinator's signing key: signs the registry.
    pub coordinator: Ed25519Key,
    /// The key of the coordinator's log, `<coordinator>/log`.
    pub log: Ed25519Key,
    /// The custodian's own signing key.
    pub custodian: Ed25519Key,
    /// Signing keys of members; every authority and auditor must be here.
    #[serde(default)]
    pub members: BTreeMap<MemberId, Ed25519Key>,
}

/// The seed of one pseudonym epoch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedFile {
    /// Pseudonym epoch.
    pub epoch: u32,
    /// A file with 32 bytes in hexadecimal, mode 0600. Losing it orphans every consent: back it up sealed.
    pub file: PathBuf,
}

/// What callers may use up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// New subjects that one authority may have evaluated per UTC day, for all requesters together.
    pub authority_new_subjects_per_day: u64,
    /// New subjects that one holder may have evaluated per UTC day so as to write them letters, when it is no
    /// requester: who also asks has the quota of its agreements alone.
    pub holder_new_subjects_per_day: u64,
    /// New subjects that one auditor may have evaluated per UTC day, for all requesters together: codes that nobody
    /// has, which it watches.
    pub auditor_new_subjects_per_day: u64,
    /// Largest message of changed buckets, in bytes. More changes are sent as a whole table.
    pub max_changes_bytes: usize,
    /// Uploads and changes that are checked at one time; others wait.
    pub max_uploads: usize,
    /// How long a request for buckets waits for a version that is logged but not yet activated here, in
    /// milliseconds.
    pub activation_patience_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            authority_new_subjects_per_day: 10_000,
            holder_new_subjects_per_day: 10_000,
            auditor_new_subjects_per_day: 100,
            max_changes_bytes: 32 << 20,
            max_uploads: 4,
            activation_patience_ms: 3_000,
        }
    }
}

/// How often background work is done, in milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Enrollment counts that rose are reported to the log, also once at start.
    pub report_ms: u64,
    /// The registry is fetched again.
    pub registry_ms: u64,
    /// Expired permits and tables that are no longer served are removed.
    pub cleaning_ms: u64,
    /// Longest wait for the coordinator at the very first start, when no registry is known yet.
    pub first_registry_ms: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { report_ms: 60_000, registry_ms: 2_000, cleaning_ms: 5_000, first_registry_ms: 60_000 }
    }
}
