//! What the files of several roles share.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use tacit_identity::{CredentialFiles, Federation};
use tacit_ledger::note::{NoteError, NoteVerifier};
use tacit_model::MemberId;
use tacit_policy::{Ed25519Key, Pins};

use super::Base;

/// The four PEM files of mutual TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Own certificate, then any intermediates.
    pub certificate: PathBuf,
    /// Its private key, mode 0600.
    pub key: PathBuf,
    /// Trusted CA certificates.
    pub authority: PathBuf,
    /// Revocation lists, one for every CA.
    pub crl: PathBuf,
}

impl Tls {
    pub(super) fn resolve(&mut self, base: &Base<'_>) {
        for path in [&mut self.certificate, &mut self.key, &mut self.authority, &mut self.crl] {
            base.path(path);
        }
    }
}

impl From<&Tls> for CredentialFiles {
    fn from(files: &Tls) -> Self {
        Self {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            authority: files.authority.clone(),
            crl: files.crl.clone(),
        }
    }
}

/// Another party: its name and where it listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhereIs {
    /// Its member name.
    pub member: MemberId,
    /// `https://HOST:PORT`.
    pub endpoint: String,
}

/// Public keys in base64 that no registry may swap.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The coordinator's signing key: signs the registry.
    pub coordinator: Ed25519Key,
    /// The key of the coordinator's log, `<coordinator>/log`.
    pub log: Ed25519Key,
    /// The custodian's signing key: signs the pseudonym keys.
    pub custodian: Ed25519Key,
    /// Signing keys of members: every consent authority and auditor, and whoever one has agreements with.
    #[serde(default)]
    pub members: BTreeMap<MemberId, Ed25519Key>,
}

impl Pinned {
    /// As the registry's reader takes them.
    #[must_use]
    pub fn for_registry(&self, federation: &Federation) -> Pins {
        Pins {
            federation: federation.as_str().to_owned(),
            coordinator_key: self.coordinator.0,
            custodian_key: self.custodian.0,
            members: self.members.iter().map(|(id, key)| (id.clone(), key.0)).collect(),
        }
    }

    /// The verifier of the log's checkpoints.
    ///
    /// # Errors
    /// [`NoteError`] never for a member's name; it is the ledger's own check of key names.
    pub fn log_verifier(&self, coordinator: &MemberId) -> Result<NoteVerifier, NoteError> {
        NoteVerifier::new(&format!("{coordinator}/log"), self.log.0)
    }
}
