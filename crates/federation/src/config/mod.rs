//! Configuration: one TOML file per role, then environment variables `TACIT_...`.
//!
//! Unknown keys are refused, every error names the file and the key, and relative paths are relative to the
//! folder of the file. `TACIT_LIMITS__PERMIT_MS=30000` sets `permit_ms` in the table `limits`.

mod clients;
mod common;
mod coordinator;
mod custodian;
mod error;
mod node;
mod portal;

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::{Deserialize, de::DeserializeOwned};
use tacit_identity::Role;

pub use clients::{AuditorFile, AuditorKeys, AuthorityFile, AuthorityKeys};
pub use common::{Pinned, Tls, WhereIs};
pub use coordinator::{CoordinatorFile, CoordinatorKeys};
pub use custodian::{CustodianFile, CustodianKeys, EpochSeed};
pub use error::ConfigError;
pub use node::{NodeFile, NodeKeys};
pub use portal::{PortalFile, PortalRole};

/// Environment variables with our prefix that are no keys of a file.
const OTHER_VARIABLES: &[&str] = &["LOG", "LOG_FORMAT", "TOKEN", "GATEWAY", "CONFIG"];

/// What the environment says about configuration. `TACIT_TEST_...` is for the tests of this program.
fn environment_variables() -> Env {
    Env::prefixed("TACIT_").ignore(OTHER_VARIABLES).filter(|key| !key.starts_with("TEST_")).split("__")
}

/// Whether the environment is read after the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// `TACIT_...` variables win over the file: one role in its own process.
    Read,
    /// Only the file counts: several roles in one process, or tests.
    Ignored,
}

/// A configuration file of one role.
pub trait RoleFile: DeserializeOwned {
    /// What it configures; the file says so itself in its line `role = "..."`.
    const ROLE: Role;

    /// The role that the file names.
    fn role(&self) -> Role;

    /// Makes the relative paths in it start from `base`, the folder of the file.
    fn resolve(&mut self, base: &Base<'_>);

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file and the key.
    fn load(path: &Path, environment: Environment) -> Result<Self, ConfigError> {
        let mut file: Self = read(path, environment)?;
        if file.role() != Self::ROLE {
            return Err(ConfigError::OtherRole {
                file: path.to_owned(),
                found: file.role(),
                expected: Self::ROLE,
            });
        }
        file.resolve(&Base::of(path));
        Ok(file)
    }
}

/// What a configuration file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A party of the federation.
    Party(Role),
    /// A portal, which is none.
    Portal,
}

/// What a file is for, by its line `role = "..."`.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read or names no role.
pub fn kind_of(path: &Path) -> Result<FileKind, ConfigError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        Party(Role),
        Portal(PortalRole),
    }
    #[derive(Deserialize)]
    struct Only {
        role: Named,
    }
    let only: Only = figment_of(path)?.extract().map_err(|error| ConfigError::of(path, error))?;
    Ok(match only.role {
        Named::Party(role) => FileKind::Party(role),
        Named::Portal(PortalRole::Portal) => FileKind::Portal,
    })
}

/// The role of the party that a file is for.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read, names no role, or is a portal's.
pub fn role_of(path: &Path) -> Result<Role, ConfigError> {
    match kind_of(path)? {
        FileKind::Party(role) => Ok(role),
        FileKind::Portal => Err(ConfigError::Portal { file: path.to_owned() }),
    }
}

/// A file, with the environment after it where that counts.
fn read<F: DeserializeOwned>(path: &Path, environment: Environment) -> Result<F, ConfigError> {
    let mut figment = figment_of(path)?;
    if environment == Environment::Read {
        figment = figment.merge(environment_variables());
    }
    figment.extract().map_err(|error| ConfigError::of(path, error))
}

fn figment_of(path: &Path) -> Result<Figment, ConfigError> {
    // figment takes a missing file for an empty one.
    match std::fs::metadata(path) {
        Ok(_) => Ok(Figment::from(Toml::file_exact(path))),
        Err(source) => Err(ConfigError::Unreadable { file: path.to_owned(), source }),
    }
}

/// The folder that relative paths of a file start from.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a>(&'a Path);

impl<'a> Base<'a> {
    fn of(file: &'a Path) -> Self {
        Self(file.parent().unwrap_or(Path::new("")))
    }

    fn path(&self, path: &mut PathBuf) {
        // `join` keeps an absolute path as it is.
        *path = self.0.join(&*path);
    }

    /// Resolves the path in a database URL, `sqlite:PATH`.
    fn database(&self, url: &mut String) {
        if let Some(path) = url.strip_prefix("sqlite:") {
            *url = format!("sqlite:{}", self.0.join(path.trim_start_matches("//")).display());
        }
    }
}
