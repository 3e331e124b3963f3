//! The registry as a member gets it: from the coordinator, proven, and kept in a file for when it does not answer.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tacit_client::{Deadlines, FetchedRegistry, fetch_registry};
use tacit_identity::{FileError, write_public};
use tacit_ledger::note::NoteVerifier;
use tacit_model::Reason;
use tacit_policy::{Pins, Registry, RegistryError};
use tonic::transport::Channel;

/// The registry could not be had, or must not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryTrouble {
    /// The coordinator's.
    #[error(transparent)]
    Fetch(#[from] tacit_client::RegistryTrouble),
    /// The kept one breaks a rule, or a pin was changed since.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<RegistryError>,
    },
    /// The kept file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// Not newer than the one that is kept here, and another.
    #[error("the coordinator gave version {found} of the registry, but another version {kept} is known here")]
    Older {
        /// Its number.
        found: u64,
        /// Number of the kept one.
        kept: u64,
    },
}

impl RegistryTrouble {
    /// The stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Fetch(trouble) => trouble.reason(),
            Self::Kept { .. } => Reason::RegistryInvalid,
            Self::Read { .. } | Self::Write(_) => Reason::ConfigInvalid,
            Self::Older { .. } => Reason::VersionOld,
        }
    }

    /// Whether the coordinator only did not answer.
    fn may_pass(&self) -> bool {
        matches!(self.reason(), Reason::Unavailable | Reason::Deadline | Reason::Overloaded)
    }
}

/// Where a member gets its registry, and where it keeps it.
#[derive(Debug, Clone)]
pub struct RegistrySource {
    coordinator: Channel,
    log: NoteVerifier,
    pins: Pins,
    path: PathBuf,
    deadlines: Deadlines,
}

impl RegistrySource {
    /// From this coordinator, by these pins, kept in the file at `path`.
    #[must_use]
    pub fn new(
        coordinator: Channel,
        log: NoteVerifier,
        pins: Pins,
        path: PathBuf,
        deadlines: Deadlines,
    ) -> Self {
        Self { coordinator, log, pins, path, deadlines }
    }

    /// Fetches the registry in force, proves it, and keeps it.
    ///
    /// # Errors
    /// [`RegistryTrouble`]; then what was kept stays.
    pub async fn refresh(&self) -> Result<Arc<Registry>, RegistryTrouble> {
        let coordinator = self.coordinator.clone();
        let fetched = fetch_registry(coordinator, &self.pins, &self.log, &self.deadlines).await?;
        self.keep(&fetched)?;
        Ok(fetched.registry)
    }

    /// The newest registry: the coordinator's, or the kept one while it does not answer.
    ///
    /// # Errors
    /// [`RegistryTrouble`] when there is neither, or the coordinator gives a wrong one.
    pub async fn newest(&self) -> Result<Arc<Registry>, RegistryTrouble> {
        match self.refresh().await {
            Err(trouble) if trouble.may_pass() => self.kept()?.ok_or(trouble),
            outcome => outcome,
        }
    }

    /// The registry that is kept, if there is one. Reads a file, blocking.
    ///
    /// # Errors
    /// [`RegistryTrouble`] when it cannot be read, or a pin has changed since.
    pub fn kept(&self) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
        read_kept(&self.path, &self.pins)
    }

    fn keep(&self, fetched: &FetchedRegistry) -> Result<(), RegistryTrouble> {
        // One that cannot be read any more is replaced.
        if let Ok(Some(kept)) = self.kept() {
            let found = fetched.registry.number();
            if kept.hash() == fetched.registry.hash() {
                return Ok(());
            }
            if kept.number() >= found {
                return Err(RegistryTrouble::Older { found, kept: kept.number() });
            }
        }
        Ok(write_public(&self.path, &fetched.bytes)?)
    }
}

/// The registry in a file, checked by these pins; `None` when there is no file. Blocking.
///
/// # Errors
/// [`RegistryTrouble`].
pub fn read_kept(path: &Path, pins: &Pins) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
    match std::fs::read(path) {
        Ok(bytes) => match Registry::parse(&bytes, pins) {
            Ok(registry) => Ok(Some(Arc::new(registry))),
            Err(error) => Err(RegistryTrouble::Kept { path: path.to_owned(), source: Box::new(error) }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryTrouble::Read { path: path.to_owned(), source }),
    }
}
