//! The registry as a member gets it: from the coordinator, proven, and kept in a file beside which its own endings of
//! agreements stand.
//!
//! ```text
//! kept file ─▶ the version in use ─▶ the one after it, proven by a quorum of the version in use ─▶ kept ─▶ in use
//!      nothing kept ─▶ the version in force, proven to be in the log      FILE.ended ─▶ its agreements end
//! ```
//!
//! Numbers only rise, also across restarts: what is kept is where it goes on. A version that is refused changes nothing,
//! and is said in `FILE.refused` until a good one comes.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tacit_client::{Deadlines, FetchedRegistry, fetch_next, fetch_registry};
use tacit_identity::{FileError, write_public};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Clock, Reason};
use tacit_policy::{
    Pins, Registry, RegistryError,
    registry::{ended::read_endings, versions::Lineage},
};
use tonic::transport::Channel;

/// The registry could not be had, or must not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryTrouble {
    /// The coordinator's.
    #[error(transparent)]
    Fetch(#[from] tacit_client::RegistryTrouble),
    /// The kept one breaks a rule, or a pin was changed since; or an own ending does.
    #[error("{}: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<RegistryError>,
    },
    /// A kept file cannot be read.
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
}

impl RegistryTrouble {
    /// The stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Fetch(trouble) => trouble.reason(),
            Self::Kept { .. } => Reason::RegistryInvalid,
            Self::Read { .. } | Self::Write(_) => Reason::ConfigInvalid,
        }
    }

    /// Whether the coordinator only did not answer.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.reason(), Reason::Unavailable | Reason::Deadline | Reason::Overloaded)
    }
}

/// Where a member gets its registry, and where it keeps it. Clones share what is in use.
#[derive(Clone)]
pub struct RegistrySource {
    coordinator: Channel,
    log: NoteVerifier,
    pins: Pins,
    path: PathBuf,
    deadlines: Deadlines,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Option<Known>>>,
}

/// The version in use, as its file says it, with what earlier ones said.
#[derive(Clone)]
struct Known {
    registry: Arc<Registry>,
    lineage: Lineage,
}

impl std::fmt::Debug for RegistrySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistrySource").field("path", &self.path).finish_non_exhaustive()
    }
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
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { coordinator, log, pins, path, deadlines, clock, known: Arc::default() }
    }

    /// Goes on from what is in use, version by version, to the one in force; with own endings of agreements. When
    /// nothing is known yet, the version in force is taken as the pins and the log prove it.
    ///
    /// # Errors
    /// [`RegistryTrouble`]; then what was in use stays.
    pub async fn refresh(&self) -> Result<Arc<Registry>, RegistryTrouble> {
        let advanced = self.advance().await;
        match &advanced {
            Ok(_) => {
                metrics::gauge!("tacit_registry_refused").set(0.0);
                // Mostly there is none.
                let _ = std::fs::remove_file(beside(&self.path, "refused"));
            }
            Err(trouble) if !trouble.may_pass() => {
                metrics::gauge!("tacit_registry_refused").set(1.0);
                metrics::counter!("tacit_registry_refusals_total").increment(1);
                let said = format!("{} {trouble}\n", self.clock.now().to_rfc3339());
                if let Err(error) = write_public(&beside(&self.path, "refused"), said.as_bytes()) {
                    tracing::warn!(%error, "that a registry was refused could not be noted");
                }
            }
            Err(_) => {}
        }
        advanced
    }

    async fn advance(&self) -> Result<Arc<Registry>, RegistryTrouble> {
        let mut known = match self.known() {
            Some(known) => known,
            None => match self.kept_file() {
                Ok(Some(registry)) => self.learn(Lineage::default(), registry),
                Ok(None) => self.first().await?,
                Err(error) => {
                    tracing::warn!(%error, "the registry that was kept cannot be used any more");
                    self.first().await?
                }
            },
        };
        loop {
            let (coordinator, now) = (self.coordinator.clone(), self.clock.now());
            let Known { registry, lineage } = &known;
            let next =
                fetch_next(coordinator, registry, lineage, &self.pins, &self.log, &self.deadlines, now)
                    .await?;
            let Some(FetchedRegistry { registry, bytes }) = next else { break };
            // On disk before anybody obeys it: a restart never goes back.
            write_public(&self.path, &bytes)?;
            tracing::info!(number = registry.number(), "a registry version is in use");
            known = self.learn(known.lineage, registry);
        }
        metrics::gauge!("tacit_registry_number").set(known.registry.number() as f64);
        Ok(with_endings(&self.path, &known.registry))
    }

    async fn first(&self) -> Result<Known, RegistryTrouble> {
        let coordinator = self.coordinator.clone();
        let fetched = fetch_registry(coordinator, &self.pins, &self.log, &self.deadlines).await?;
        write_public(&self.path, &fetched.bytes)?;
        Ok(self.learn(Lineage::default(), fetched.registry))
    }

    fn learn(&self, mut lineage: Lineage, registry: Arc<Registry>) -> Known {
        lineage.learn(&registry);
        let known = Known { registry, lineage };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        known
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on from this file, as [`RegistrySource::kept`] gave it.
    pub fn begin(&self) {
        if let Ok(Some(registry)) = self.kept_file() {
            self.learn(Lineage::default(), registry);
        }
    }

    /// The version in use with own endings of agreements as they are now; nothing before the first.
    #[must_use]
    pub fn in_use(&self) -> Option<Arc<Registry>> {
        self.known().map(|known| with_endings(&self.path, &known.registry))
    }

    /// The file with own endings, as it is now; empty when there is none.
    #[must_use]
    pub fn endings(&self) -> Vec<u8> {
        read(&endings_file(&self.path)).ok().flatten().unwrap_or_default()
    }

    /// The newest registry: the coordinator's, or the kept one while it does not answer.
    ///
    /// # Errors
    /// [`RegistryTrouble`] when there is neither, or the coordinator gives a wrong first one. When it gives a wrong
    /// next one, the kept one stays in use.
    pub async fn newest(&self) -> Result<Arc<Registry>, RegistryTrouble> {
        match self.refresh().await {
            Ok(registry) => Ok(registry),
            Err(trouble) => {
                if !trouble.may_pass() {
                    tracing::error!(error = %trouble, "ALARM: the coordinator's registry is refused; the old one stays");
                }
                self.kept()?.ok_or(trouble)
            }
        }
    }

    /// The registry that is kept, with own endings, if there is one. Reads files, blocking.
    ///
    /// # Errors
    /// [`RegistryTrouble`] when it cannot be read, or a pin has changed since.
    pub fn kept(&self) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
        read_kept(&self.path, &self.pins)
    }

    fn kept_file(&self) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
        read_file(&self.path, &self.pins)
    }
}

/// The registry in a file, checked by these pins, with the endings of agreements in `FILE.ended`; `None` when there is
/// no file. Blocking.
///
/// # Errors
/// [`RegistryTrouble`].
pub fn read_kept(path: &Path, pins: &Pins) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
    Ok(read_file(path, pins)?.map(|registry| with_endings(path, &registry)))
}

fn read_file(path: &Path, pins: &Pins) -> Result<Option<Arc<Registry>>, RegistryTrouble> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    match Registry::parse(&bytes, pins) {
        Ok(registry) => Ok(Some(Arc::new(registry))),
        Err(error) => Err(RegistryTrouble::Kept { path: path.to_owned(), source: Box::new(error) }),
    }
}

/// The registry with the endings in the file beside it. A line that is none, or not signed by a party, changes nothing.
fn with_endings(path: &Path, registry: &Arc<Registry>) -> Arc<Registry> {
    let path = endings_file(path);
    let text = match read(&path) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => return Arc::clone(registry),
        Err(error) => {
            tracing::error!(%error, "own endings of agreements cannot be read");
            return Arc::clone(registry);
        }
    };
    let mut ended = Arc::clone(registry);
    for line in text.lines() {
        match read_endings(line).and_then(|endings| ended.ended_too(&endings)) {
            Ok(changed) => ended = Arc::new(changed),
            Err(error) => {
                tracing::error!(%error, file = %path.display(), "an own ending of an agreement is not one")
            }
        }
    }
    ended
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, RegistryTrouble> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryTrouble::Read { path: path.to_owned(), source }),
    }
}

/// The file with own endings of agreements, beside the kept registry.
#[must_use]
pub fn endings_file(registry: &Path) -> PathBuf {
    beside(registry, "ended")
}

/// Why the newest version was refused, if it was.
#[must_use]
pub fn refused(registry: &Path) -> Option<String> {
    let said = std::fs::read_to_string(beside(registry, "refused")).ok()?;
    Some(said.trim().to_owned())
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(extension);
    name.into()
}
