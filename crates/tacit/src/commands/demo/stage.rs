//! The federation of the demonstration: founded in a folder, all roles in this process, on free ports.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tacit_federation::{
    config::Environment,
    found::{Overrides, Ports, Service, found},
    run::{Running, Sockets, Surroundings, start},
    sample::Sample,
};
use tacit_model::{Clock, entropy::os_rng};
use tacit_policy::Registry;
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;

use super::person::READING_MS;
use crate::{commands::up::serving_files, exit::Failure};

/// What all roles write of their work.
pub(super) const LOG_FILE: &str = "tacit.log";
/// Where the agencies' CSV files lie.
pub(super) const LISTS: &str = "lists";

/// A federation at work.
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) registry: Registry,
    pub(super) roles: Vec<Running>,
    surroundings: Surroundings,
    /// Removes the folder when dropped; none when it is to be kept.
    temporary: Option<TempDir>,
}

impl Stage {
    /// Founds the federation: nothing runs yet.
    pub(super) fn found(dir: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let (folder, temporary) = match dir {
            Some(dir) => (std::path::absolute(dir)?, None),
            None => {
                let temporary = temporary()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let overrides = Overrides { reading_ms: Some(READING_MS), ..Overrides::default() };
        let stage = Self::founded("procurement", folder, temporary, overrides, clock)?;
        DirBuilder::new().mode(0o700).create(stage.folder.join(LISTS))?;
        log_to(&stage.folder.join(LOG_FILE))?;
        Ok(stage)
    }

    /// Founds a federation for one step, in a folder that goes with it; what is due happens several times a second.
    pub(super) fn aside(sample: &str, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let temporary = temporary()?;
        let folder = temporary.path().to_owned();
        let overrides = Overrides { tick_ms: Some(200), reading_ms: Some(300), ..Overrides::default() };
        Self::founded(sample, folder, Some(temporary), overrides, clock)
    }

    fn founded(
        sample: &str,
        folder: PathBuf,
        temporary: Option<TempDir>,
        overrides: Overrides,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let sample = Sample::named(sample).map_err(Failure::internal)?;
        let now = clock.now();
        let surroundings = Surroundings::new(clock);
        let ports = free_ports(&sample, &surroundings.sockets)?;
        let founded = found(&folder, &sample, &ports, overrides, now, &mut os_rng()).map_err(|error| {
            Failure::usage("the federation was not founded")
                .why(error)
                .next("name a new folder with --dir; an older one is started again by `tacit up`")
        })?;
        Ok(Self { folder, registry: founded.registry, roles: Vec::new(), surroundings, temporary })
    }

    /// Starts every role: coordinator, custodian, the nodes, then the portal.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        for file in serving_files(&self.folder)? {
            self.roles.push(self.start_file(&file).await?);
        }
        Ok(())
    }

    /// Starts the role of one configuration file.
    pub(super) async fn start_file(&self, file: &Path) -> Result<Running, Failure> {
        Ok(start(file, Environment::Ignored, &self.surroundings).await?)
    }

    /// One more free address.
    pub(super) fn free_address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.surroundings.sockets.reserve()?)
    }

    /// The configuration file of a member.
    pub(super) fn config(&self, member: &str) -> PathBuf {
        self.folder.join(format!("{member}.toml"))
    }

    /// What whatever runs here shares.
    pub(super) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Whether the folder stays.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }
}

/// A folder that is removed when it is done with.
fn temporary() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("tacit-demo-").tempdir().map_err(|error| {
        Failure::trouble("no temporary folder could be made").why(error).next("name a folder with --dir")
    })
}

/// Addresses on ports that nobody uses. Those of the federation are kept open until their roles take them; gateways
/// open theirs themselves, soon after.
fn free_ports(sample: &Sample, sockets: &Sockets) -> Result<Ports, Failure> {
    // All at once, so that no port is chosen twice.
    let mut passing = Vec::new();
    let mut pass = || {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let at = socket.local_addr()?;
        passing.push(socket);
        Ok(at)
    };
    let ports = Ports::chosen(sample, |_, service| match service {
        Service::GatewayGrpc | Service::GatewayHttp | Service::Api | Service::Desk => pass(),
        Service::Federation | Service::Metrics => sockets.reserve(),
    });
    let ports = ports.and_then(|ports| ports.with_desks(sample, |_| pass()));
    ports.map_err(|error: io::Error| Failure::trouble("no free ports on 127.0.0.1 were found").why(error))
}

/// Everything that is logged goes into one file of the folder: the steps stay readable, and the log can be searched.
fn log_to(path: &Path) -> Result<(), Failure> {
    let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?;
    let filter = EnvFilter::builder().parse("info").map_err(Failure::internal)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init()
        .map_err(Failure::internal)
}
