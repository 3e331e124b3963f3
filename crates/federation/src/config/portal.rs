//! The file of a portal, which is no party of the federation: its desks are clients of parties.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tacit_model::MemberId;
use tacit_portal::DeskConfig;

use super::{Base, ConfigError, Environment, read};

/// What a portal needs: for example `web.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalFile {
    /// `portal`.
    pub role: PortalRole,
    /// Own name, for log lines; a label as members have.
    pub name: MemberId,
    /// Address and port of the metrics, on loopback; none without it.
    pub metrics: Option<SocketAddr>,
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. It holds sessions and, of the subject desk, who acted
    /// for whom.
    pub database: String,
    /// File with what that is sealed under: 32 bytes in hexadecimal, mode 0600; `keys/NAME-store.key` without it. Made when
    /// it is not there.
    pub store_key: Option<PathBuf>,
    /// The desk of subjects: a client of the consent authority.
    pub subject: Option<DeskConfig>,
    /// The desk of an agency's officers: a client of its node.
    pub officer: Option<DeskConfig>,
    /// The desk of auditors: a client of the coordinator under an auditor's own configuration.
    pub auditor: Option<DeskConfig>,
}

/// The one word that `role` may be in a portal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalRole {
    /// A portal.
    Portal,
}

impl PortalFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file and the key.
    pub fn load(path: &Path, environment: Environment) -> Result<Self, ConfigError> {
        let mut file: Self = read(path, environment)?;
        let base = Base::of(path);
        base.database(&mut file.database);
        let key = file.store_key.get_or_insert_with(|| format!("keys/{}-store.key", file.name).into());
        base.path(key);
        for desk in file.subject.iter_mut().chain(&mut file.officer).chain(&mut file.auditor) {
            desk.resolve(|path| base.path(path));
        }
        Ok(file)
    }
}
