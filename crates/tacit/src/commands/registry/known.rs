//! The registry that a command works with, from whoever's configuration it was given.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tacit_coordinator::offers::Offers;
use tacit_custodian::kept_registry;
use tacit_federation::{
    config::{
        AuditorFile, AuthorityFile, CoordinatorFile, CustodianFile, Environment, NodeFile, RoleFile, role_of,
    },
    registry::{RegistrySource, endings_file, refused},
    run::{read_seed, signing_key},
};
use tacit_identity::{Federation, Role};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, Reason};
use tacit_policy::{
    Pins, Registry, RegistryError,
    registry::{recovery::Underway, versions::NotNext},
};

use crate::{
    cli::Context,
    exit::Failure,
    parties::{Caller, DEADLINES},
};

/// A configuration, as far as work on the registry needs it.
pub(crate) struct Desk {
    /// Whose it is.
    pub(crate) member: MemberId,
    pub(crate) role: Role,
    pub(crate) federation: Federation,
    pins: Pins,
    /// Where the registry is kept; the first one, at a coordinator.
    file: Option<PathBuf>,
    /// A coordinator's database, or a custodian's.
    database: Option<String>,
    /// Where an auditor's newest registry comes from.
    auditor: Option<Box<AuditorFile>>,
    /// The file of the own signing key, when the configuration names it.
    pub(crate) signing: Option<PathBuf>,
}

/// A registry with its exact bytes.
pub(crate) struct Known {
    pub(crate) bytes: Vec<u8>,
    pub(crate) registry: Registry,
}

impl Desk {
    /// Reads a configuration of any role.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let environment = Environment::Read;
        Ok(match role_of(path)? {
            Role::Coordinator => {
                let file = CoordinatorFile::load(path, environment)?;
                let pins = file.pins.for_registry(&file.federation);
                let database = Some(file.database);
                Self::of::<CoordinatorFile>(
                    file.member,
                    file.federation,
                    pins,
                    Some(file.registry),
                    database,
                    None,
                )
            }
            Role::Custodian => {
                let file = CustodianFile::load(path, environment)?;
                let pins = file.pins.for_registry(&file.federation);
                let database = Some(file.database);
                Self::of::<CustodianFile>(file.member, file.federation, pins, None, database, None)
            }
            Role::Node => {
                let file = NodeFile::load(path, environment)?;
                let pins = file.pins.for_registry(&file.federation);
                let signing = Some(file.keys.signing);
                Self::of::<NodeFile>(file.member, file.federation, pins, Some(file.registry), None, signing)
            }
            Role::Authority => {
                let file = AuthorityFile::load(path, environment)?;
                let pins = file.pins.for_registry(&file.federation);
                let signing = Some(file.keys.signing);
                Self::of::<AuthorityFile>(
                    file.member,
                    file.federation,
                    pins,
                    Some(file.registry),
                    None,
                    signing,
                )
            }
            Role::Auditor => {
                let file = AuditorFile::load(path, environment)?;
                let pins = file.pins.for_registry(&file.federation);
                let (member, federation) = (file.member.clone(), file.federation.clone());
                let kept = Some(file.registry.clone());
                let mut desk = Self::of::<AuditorFile>(member, federation, pins, kept, None, None);
                desk.auditor = Some(Box::new(file));
                desk
            }
        })
    }

    fn of<F: RoleFile>(
        member: MemberId,
        federation: Federation,
        pins: Pins,
        file: Option<PathBuf>,
        database: Option<String>,
        signing: Option<PathBuf>,
    ) -> Self {
        Self { member, role: F::ROLE, federation, pins, file, database, auditor: None, signing }
    }

    /// The coordinator's versions.
    pub(crate) async fn offers(&self) -> Result<Offers, Failure> {
        let database =
            self.database.as_deref().filter(|_| self.role == Role::Coordinator).ok_or_else(|| {
                Failure::usage("this is no coordinator's configuration")
                    .next("name coordinator.toml: the coordinator's operator publishes the registry")
            })?;
        Ok(Offers::open(database).await?)
    }

    /// The newest version known here: in the named file, in force at the coordinator, or kept by a member.
    pub(crate) async fn newest(&self, named: Option<&Path>) -> Result<Known, Failure> {
        if let Some(file) = named {
            return self.read(&read(file)?);
        }
        let kept = match (self.role, self.database.as_deref()) {
            (Role::Coordinator, Some(_)) => self.offers().await?.in_force().await?.map(|it| it.bytes),
            (_, Some(database)) => kept_registry(database).await?,
            (_, None) => None,
        };
        if let Some(bytes) = kept {
            return self.read(&bytes);
        }
        let file = self.file.as_deref().filter(|file| file.exists()).ok_or_else(|| {
            Failure::usage("no registry is known here yet")
                .next("start the role once, which fetches it, or name a registry file with --registry")
        })?;
        self.read(&read(file)?)
    }

    /// [`Desk::newest`], and for an auditor, who runs no role that would keep up, what the coordinator can prove.
    pub(crate) async fn refreshed(&self, context: &Context, named: Option<&Path>) -> Result<Known, Failure> {
        if let (None, Some(file)) = (named, &self.auditor) {
            let caller =
                Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, &context.clock)?;
            let (channel, log) = (caller.coordinator, caller.log_key);
            let (pins, kept, clock) = (self.pins.clone(), file.registry.clone(), Arc::clone(&context.clock));
            RegistrySource::new(channel, log, pins, kept, DEADLINES, clock).refresh().await?;
        }
        self.newest(named).await
    }

    /// A recovery version, of which countersignatures may be missing; `None` when it is none.
    pub(crate) fn underway(&self, bytes: &[u8]) -> Result<Option<Underway>, Failure> {
        Ok(Underway::read(bytes, &self.pins)?)
    }

    /// A signed version, checked by the pins of this configuration.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<Known, Failure> {
        let registry = Registry::parse(bytes, &self.pins)?;
        Ok(Known { bytes: bytes.to_vec(), registry })
    }

    /// The own signing key that the registry shows: from the named file, or from the configuration.
    pub(crate) fn signing_key(
        &self,
        named: Option<&Path>,
        registry: &Registry,
    ) -> Result<SigningKey, Failure> {
        let file = self.key_file(named)?;
        let shown = registry.member(&self.member).map(|own| own.keys.signing);
        let Some(shown) = shown else { return Ok(SigningKey::from_seed(&*read_seed(&file)?)) };
        signing_key(&file, shown)?.ok_or_else(|| {
            Failure::usage(format!(
                "{} holds another key than the registry shows for {}",
                file.display(),
                self.member
            ))
            .next("name the file with the current signing key")
        })
    }

    /// The file of the own signing key.
    pub(crate) fn key_file(&self, named: Option<&Path>) -> Result<PathBuf, Failure> {
        let file = named.map(Path::to_owned).or_else(|| self.signing.clone());
        file.ok_or_else(|| {
            Failure::usage("the configuration names no signing key").next("name its file with --key")
        })
    }

    /// The file of own endings of agreements.
    pub(crate) fn endings(&self) -> Option<PathBuf> {
        let kept = self.file.as_deref().filter(|_| self.role == Role::Node)?;
        Some(endings_file(kept))
    }

    /// Why this member refused a newer version, if it did.
    pub(crate) fn refused(&self) -> Option<String> {
        self.file.as_deref().and_then(refused)
    }
}

/// Reads a file that the command line names.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))
}

impl From<NotNext> for Failure {
    fn from(error: NotNext) -> Self {
        Self::new(crate::exit::Exit::Refused, "it may not follow the version in force")
            .why(error)
            .reason(Reason::RegistryInvalid)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::new(crate::exit::Exit::Refused, "a rule of registries refuses it")
            .why(error)
            .next("correct what is named and have it signed again by its owner")
            .reason(Reason::RegistryInvalid)
    }
}
