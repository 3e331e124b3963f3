//! The public keys that a receipt is verified with: the log's key, and the registry.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tacit_client::{Proven, Receipt, ReceiptError};
use tacit_federation::{
    config::{
        AuditorFile, AuthorityFile, CoordinatorFile, Environment, NodeFile, Pinned, RoleFile as _, role_of,
    },
    registry::read_kept,
};
use tacit_identity::{Federation, Role};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{MemberId, Reason};
use tacit_policy::{Pins, Registry};

use crate::exit::Failure;

/// Where the keys come from.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArguments {
    /// A configuration of node, auditor, authority or coordinator: its pins, and the registry that it keeps.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE", required_unless_present = "log_key")]
    config: Option<PathBuf>,
    /// The registry's file: the version that decided, or with --config any version of that federation.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The log's public key as NAME+ID+KEY, as in the file `vkey` of an exported log; needs --registry.
    #[arg(long, value_name = "VKEY", requires = "registry")]
    log_key: Option<String>,
}

/// The keys.
pub(crate) struct Keys {
    log: NoteVerifier,
    registry: KnownRegistry,
}

enum KnownRegistry {
    /// Checked by pins.
    Pinned(Arc<Registry>),
    /// Known by its hash in the record, once that is proven.
    Bytes(Vec<u8>),
}

impl KeyArguments {
    /// The keys of a configuration.
    pub(super) fn of_config(path: &Path) -> Self {
        Self { config: Some(path.to_owned()), registry: None, log_key: None }
    }

    /// Reads what the arguments name. What is named on the command line counts more than the configuration.
    pub(crate) fn read(&self) -> Result<Keys, Failure> {
        if let (Some(vkey), Some(path)) = (&self.log_key, &self.registry) {
            let log = NoteVerifier::parse(vkey).map_err(|error| {
                Failure::usage("--log-key is no public key of a log").why(error).next(
                    "give it as NAME+ID+KEY, from the coordinator or the file `vkey` of an exported log",
                )
            })?;
            return Ok(Keys { log, registry: KnownRegistry::Bytes(bytes(path)?) });
        }
        let config = self.config.as_deref().ok_or_else(|| {
            Failure::usage("no keys were given").next("use --config FILE, or --registry FILE --log-key VKEY")
        })?;
        of_config(config, self.registry.as_deref())
    }
}

impl Keys {
    /// Verifies a receipt.
    pub(super) fn verify(&self, receipt: &Receipt) -> Result<Proven, ReceiptError> {
        match &self.registry {
            KnownRegistry::Pinned(registry) => receipt.verify(&self.log, registry),
            KnownRegistry::Bytes(bytes) => receipt.verify_alone(&self.log, bytes),
        }
    }

    /// The log's key, for showing.
    pub(crate) fn log(&self) -> &NoteVerifier {
        &self.log
    }

    /// The registry; one whose bytes alone are known is taken at its own word, as the caller who named its file does.
    pub(crate) fn registry_or_claimed(&self) -> Result<Arc<Registry>, Failure> {
        match &self.registry {
            KnownRegistry::Pinned(registry) => Ok(Arc::clone(registry)),
            KnownRegistry::Bytes(bytes) => {
                let parsed = Pins::claimed_by(bytes).and_then(|pins| Registry::parse(bytes, &pins));
                parsed.map(Arc::new).map_err(|error| {
                    Failure::usage("the registry cannot be used").why(error).reason(Reason::RegistryInvalid)
                })
            }
        }
    }

    /// The registry; `None` when only its bytes are known.
    pub(super) fn registry(&self) -> Option<&Registry> {
        match &self.registry {
            KnownRegistry::Pinned(registry) => Some(registry),
            KnownRegistry::Bytes(_) => None,
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))
}

/// What all these configurations have.
struct Common {
    federation: Federation,
    coordinator: MemberId,
    pins: Pinned,
    registry: PathBuf,
}

fn common(path: &Path) -> Result<Common, Failure> {
    let read = Environment::Read;
    Ok(match role_of(path)? {
        Role::Node => {
            let it = NodeFile::load(path, read)?;
            let coordinator = it.coordinator.member;
            Common { federation: it.federation, coordinator, pins: it.pins, registry: it.registry }
        }
        Role::Auditor => {
            let it = AuditorFile::load(path, read)?;
            let coordinator = it.coordinator.member;
            Common { federation: it.federation, coordinator, pins: it.pins, registry: it.registry }
        }
        Role::Authority => {
            let it = AuthorityFile::load(path, read)?;
            let coordinator = it.coordinator.member;
            Common { federation: it.federation, coordinator, pins: it.pins, registry: it.registry }
        }
        Role::Coordinator => {
            let it = CoordinatorFile::load(path, read)?;
            Common { federation: it.federation, coordinator: it.member, pins: it.pins, registry: it.registry }
        }
        Role::Custodian => {
            return Err(Failure::usage("the custodian's configuration keeps no registry")
                .next("use a configuration of node, auditor or authority"));
        }
    })
}

fn of_config(path: &Path, registry: Option<&Path>) -> Result<Keys, Failure> {
    let common = common(path)?;
    let log = common.pins.log_verifier(&common.coordinator).map_err(Failure::internal)?;
    let file = registry.unwrap_or(&common.registry);
    let kept = read_kept(file, &common.pins.for_registry(&common.federation))?;
    let registry = kept.ok_or_else(|| {
        Failure::usage(format!("there is no registry in {}", file.display()))
            .next("name the file with --registry, or let the party run once")
    })?;
    Ok(Keys { log, registry: KnownRegistry::Pinned(registry) })
}
