//! Founding a federation: one folder with everything that its parties need on one machine.
//!
//! ```text
//! DIR/ README.txt  registry.json  coordinator.toml custodian.toml <node>.toml <authority>.toml <auditor>.toml
//!      ca/      the development CA: ca.pem, ca.key, crl.pem
//!      tls/     a certificate and its key per member, ca.pem, crl.pem
//!      keys/    seeds, 32 bytes in hexadecimal, mode 0600
//!      tokens/  access tokens of the gateways, mode 0600
//!      desks/   who can be chosen at the web desks of desks.toml, mode 0600
//!      data/    databases
//! ```

mod desks;
mod files;
mod keys;
mod ports;
mod readme;
mod registry;
pub(crate) mod tokens;

use std::{
    fs::{DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rand_core::CryptoRng;
use tacit_blind::BlindError;
use tacit_identity::{CaError, DevCa, FileError, Role, SpiffeId, write_public};
use tacit_model::{MemberId, Millis};
use tacit_policy::{
    Registry, RegistryError,
    registry::entry::{Quotas, Role as Registered},
};

pub use desks::People;
pub use keys::Use;
pub use ports::{Ports, Service, TooManyPorts};

use crate::sample::{Sample, SampleMember};
use keys::Seeds;

/// The pseudonym epoch of a new federation.
pub const PSEUDONYM_EPOCH: u32 = 1;
/// Base port when none is given.
pub const DEFAULT_BASE_PORT: u16 = 7400;
/// The application whose token the command line uses.
pub const CLI_APPLICATION: &str = "cli";
/// The application of a node's officers; a holder's may read and decide objections.
pub const OFFICER_APPLICATION: &str = "officer";

/// The application of the subjects' web desk at an authority.
pub const DESK_APPLICATION: &str = "desks";

/// What a new federation does otherwise than its sample and the defaults say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// Length of a list epoch, in milliseconds.
    pub epoch_ms: Option<u64>,
    /// Pause between publications of changes, in milliseconds.
    pub tick_ms: Option<u64>,
    /// From one reading of an authority to the next, in milliseconds.
    pub reading_ms: Option<u64>,
    /// Quotas of every agreement.
    pub quotas: Option<Quotas>,
}

/// A federation that was founded.
#[derive(Debug)]
pub struct Founded {
    /// The folder.
    pub folder: PathBuf,
    /// Every file, relative to the folder.
    pub files: Vec<PathBuf>,
    /// The registry, read back with the pins of the configurations.
    pub registry: Registry,
}

/// A federation could not be founded. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// There is something in the folder.
    #[error("{} is there already and is not empty; give a new folder, nothing was changed", .0.display())]
    Exists(PathBuf),
    /// The folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The CA refused.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The sample breaks a rule of registries.
    #[error("the sample breaks a rule of registries: {0}")]
    Registry(#[from] RegistryError),
    /// The sample lacks a member.
    #[error("the sample has no {0}")]
    Lacks(&'static str),
    /// A pseudonym key could not be derived; a fault of ours.
    #[error("pseudonym key: {0}")]
    Pseudonym(#[from] BlindError),
}

/// Founds the federation of `sample` in `folder`, which must not exist or be empty.
///
/// # Errors
/// [`FoundError`]; then the folder is as it was before.
pub fn found(
    folder: &Path,
    sample: &Sample,
    ports: &Ports,
    overrides: Overrides,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Result<Founded, FoundError> {
    let existed = match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => return Err(FoundError::Exists(folder.to_owned())),
            None => true,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(FoundError::Folder { path: folder.to_owned(), source }),
    };
    let made = Founding { folder, sample, ports, overrides, now, files: Vec::new() }.run(rng);
    if made.is_err() {
        clean_up(folder, existed);
    }
    made
}

/// Removes what a failed founding left. It was empty before, so all of it is ours.
fn clean_up(folder: &Path, existed: bool) {
    let removed = match existed {
        false => std::fs::remove_dir_all(folder),
        true => std::fs::read_dir(folder).and_then(|entries| {
            entries.flatten().try_for_each(|entry| match entry.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            })
        }),
    };
    if let Err(error) = removed {
        tracing::warn!(folder = %folder.display(), %error, "what a failed founding left could not be removed");
    }
}

/// Names of coordinator and custodian.
fn bodies(sample: &Sample) -> Result<(&MemberId, &MemberId), FoundError> {
    let coordinator = sample.first(Registered::Coordinator).ok_or(FoundError::Lacks("coordinator"))?;
    let custodian = sample.first(Registered::Custodian).ok_or(FoundError::Lacks("custodian"))?;
    Ok((&coordinator.id, &custodian.id))
}

/// The role of a member's certificate and configuration file.
fn role_of(member: &SampleMember) -> Role {
    for (registered, role) in [
        (Registered::Coordinator, Role::Coordinator),
        (Registered::Custodian, Role::Custodian),
        (Registered::Authority, Role::Authority),
        (Registered::Auditor, Role::Auditor),
    ] {
        if member.has(registered) {
            return role;
        }
    }
    Role::Node
}

struct Founding<'a> {
    folder: &'a Path,
    sample: &'a Sample,
    ports: &'a Ports,
    overrides: Overrides,
    now: Millis,
    files: Vec<PathBuf>,
}

impl Founding<'_> {
    fn run(mut self, rng: &mut impl CryptoRng) -> Result<Founded, FoundError> {
        for part in ["", "ca", "tls", "keys", "tokens", "data"] {
            self.make_folder(part)?;
        }
        let seeds = Seeds::draw(self.sample, rng);
        let bytes = registry::build(self.sample, &seeds, self.ports, self.overrides.quotas, self.now, rng)?;
        let pins = files::pins(self.sample, &seeds, None)?;
        // What a member would refuse is refused here.
        let registry = Registry::parse(&bytes, &pins.for_registry(&self.sample.federation))?;
        self.public("registry.json", &bytes)?;
        seeds.write(&self.folder.join("keys"))?;
        self.certificates()?;
        for member in &self.sample.member {
            let text = files::text(self.sample, member, &seeds, self.ports, self.overrides)?;
            self.public(&format!("{}.toml", member.id), text.as_bytes())?;
            if member.is_node() || role_of(member) == Role::Authority {
                tokens::write(&self.folder.join("tokens"), &member.id, &member.roles, rng)?;
            }
        }
        if let Some(text) = desks::text(self.sample, self.ports) {
            self.public("desks.toml", text.as_bytes())?;
            self.make_folder(desks::ACCOUNTS)?;
            desks::accounts(self.folder, self.now, rng)?;
        }
        let readme = readme::text(self.sample, self.ports);
        self.public("README.txt", readme.as_bytes())?;
        self.files.sort();
        Ok(Founded { folder: self.folder.to_owned(), files: self.files, registry })
    }

    /// Folders are for their owner alone, whatever the umask says.
    fn make_folder(&self, part: &str) -> Result<(), FoundError> {
        let path = self.folder.join(part);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(0o700)))
            .map_err(|source| FoundError::Folder { path, source })
    }

    fn public(&mut self, name: &str, bytes: &[u8]) -> Result<(), FoundError> {
        write_public(&self.folder.join(name), bytes)?;
        self.files.push(name.into());
        Ok(())
    }

    fn certificates(&mut self) -> Result<(), FoundError> {
        let ca = DevCa::create(self.sample.federation.clone(), self.now)?;
        ca.save(&self.folder.join("ca"))?;
        let tls = self.folder.join("tls");
        write_public(&tls.join("ca.pem"), ca.certificate_pem().as_bytes())?;
        ca.save_crl(&tls.join("crl.pem"))?;
        for member in &self.sample.member {
            let id = SpiffeId::new(self.sample.federation.clone(), role_of(member), member.id.clone());
            ca.issue(&id, self.now)?.save(&tls, &member.id)?;
        }
        Ok(())
    }
}
