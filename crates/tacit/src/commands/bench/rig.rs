//! The federation under measurement: one holder, one requester, both bodies, all in this process, speaking
//! mutual TLS over loopback and keeping everything in SQLite on the disk.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_blind::table::Layout;
use tacit_federation::config::Environment;
use tacit_federation::found::{CLI_APPLICATION, Overrides, Ports, Service, found};
use tacit_federation::run::{DRAIN, Running, Surroundings, start};
use tacit_federation::sample::Sample;
use tacit_identity::SpiffeId;
use tacit_model::{Clock, ListId, MemberId, Reason, entropy};
use tacit_node::records::{ImportOptions, Records, SealOutcome};
use tacit_policy::Registry;
use tacit_policy::registry::entry::Quotas;
use tacit_store::Db;
use tacit_wire::gateway::{Question, gateway_service_client::GatewayServiceClient};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use super::figure::{Figure, Floor};
use super::measure::{forget_peak, peak_memory_mb, rate};
use super::plan::FULL_LIST;
use super::{BenchError, subjects};

/// The sample that is founded.
const SAMPLE: &str = "minimal";

/// No quota is in the way: the measure is about the machine.
const QUOTAS: Quotas = Quotas {
    checks_per_day: 1_000_000_000,
    checks_per_minute: None,
    per_subject_per_day: 1_000_000,
    new_subjects_per_day: 1_000_000_000,
};

/// Longest wait for a list to be published.
const PUBLISH_WITHIN: Duration = Duration::from_secs(900);

/// Who is who in the sample.
const HOLDER: &str = "registrar";
const REQUESTER: &str = "licensing";
const LIST: &str = "registrar/struck-off";
const PURPOSE: &str = "licence-application";

/// The running federation.
pub(super) struct Rig {
    rest: AtRest,
    roles: Vec<Running>,
    gateway: Channel,
    token: MetadataValue<Ascii>,
}

/// The holder's records of the list that is asked.
pub(super) struct Own {
    pub(super) records: Records,
    pub(super) list: ListId,
    pub(super) db: Db,
}

/// The federation while nothing of it runs.
pub(super) struct AtRest {
    folder: PathBuf,
    registry: Arc<Registry>,
    surroundings: Surroundings,
}

impl AtRest {
    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts all of its roles.
    pub(super) async fn start(self) -> Result<Rig, BenchError> {
        let mut roles = Vec::new();
        for member in ["coordinator", "custodian", HOLDER, REQUESTER] {
            let file = self.folder.join(format!("{member}.toml"));
            roles.push(start(&file, Environment::Ignored, &self.surroundings).await?);
        }
        let grpc = roles
            .iter()
            .find(|role| **role.member() == *REQUESTER)
            .and_then(|role| role.gateway()?.grpc)
            .ok_or(BenchError::Wrong("the requester's gateway"))?;
        let gateway = Endpoint::from_shared(format!("http://{grpc}"))?.connect().await?;
        Ok(Rig { token: token(&self.folder)?, rest: self, roles, gateway })
    }
}

impl Rig {
    /// Founds the federation in `folder` and starts all of its roles.
    pub(super) async fn start(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, BenchError> {
        let sample = Sample::named(SAMPLE).map_err(|_| BenchError::Wrong("the sample"))?;
        let surroundings = Surroundings::new(Arc::clone(&clock));
        let ports = Ports::chosen(&sample, |_, service| match service {
            Service::Federation | Service::Metrics | Service::Desk => surroundings.sockets.reserve(),
            // A gateway finds a free port itself.
            Service::GatewayGrpc | Service::GatewayHttp | Service::Api => Ok((Ipv4Addr::LOCALHOST, 0).into()),
        })?;
        let overrides = Overrides { quotas: Some(QUOTAS), ..Overrides::default() };
        let founded = found(folder, &sample, &ports, overrides, clock.now(), &mut entropy::os_rng())?;
        let registry = Arc::new(founded.registry);
        AtRest { folder: folder.to_owned(), registry, surroundings }.start().await
    }

    /// Ends all roles.
    pub(super) async fn stop(self) -> Result<AtRest, BenchError> {
        drop(self.gateway);
        for role in self.roles.into_iter().rev() {
            role.stop(DRAIN).await?;
        }
        Ok(self.rest)
    }

    fn role(&self, member: &str) -> Result<&Running, BenchError> {
        let found = self.roles.iter().find(|role| **role.member() == *member);
        found.ok_or(BenchError::Wrong("a role is missing"))
    }

    /// A connection of the requester to the coordinator, as all of its connections are.
    pub(super) async fn to_coordinator(&self) -> Result<Channel, BenchError> {
        let coordinator = self.role("coordinator")?;
        let spiffe: &SpiffeId = coordinator.credentials().spiffe();
        let endpoint = format!("https://{}", coordinator.address());
        let credentials = self.role(REQUESTER)?.credentials().clone();
        Ok(tacit_identity::connect(&endpoint, spiffe.clone(), credentials).await?)
    }

    /// The requester's gateway, as its applications call it.
    pub(super) fn gateway(&self) -> GatewayServiceClient<Channel> {
        GatewayServiceClient::new(self.gateway.clone())
    }

    /// A call to the gateway with what it needs to be let in.
    pub(super) fn call<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    /// What all checks ask.
    pub(super) fn question(&self) -> Question {
        Question {
            lists: vec![LIST.to_owned()],
            purpose: PURPOSE.to_owned(),
            case_number: "BENCH-1".to_owned(),
            officer: "officer-1".to_owned(),
            scheme: String::new(),
        }
    }

    /// The holder's records, as its command line works on them beside the running node.
    pub(super) async fn own(&self) -> Result<Own, BenchError> {
        let holder: MemberId = HOLDER.parse().map_err(|_| BenchError::Wrong("the holder"))?;
        let list: ListId = LIST.parse().map_err(|_| BenchError::Wrong("the list"))?;
        let url = format!("sqlite:{}", self.rest.folder.join(format!("data/{HOLDER}.db")).display());
        let db = tacit_node::store::open(&url).await?;
        let (registry, clock) = (Arc::clone(&self.rest.registry), Arc::clone(&self.rest.surroundings.clock));
        Ok(Own { records: Records::new(db.clone(), registry, holder, clock), list, db })
    }

    /// Imports `records` records from a CSV file and has them sealed, mirrored and logged: from the first byte of
    /// the file to the moment at which the list can be asked.
    pub(super) async fn import(
        &self,
        scratch: &Path,
        records: u64,
        raw: &Figure,
        cores: usize,
        figures: &mut Vec<Figure>,
    ) -> Result<(), BenchError> {
        let file = scratch.join("records.csv");
        write_csv(&file, records)?;
        let Own { records: own, list, db } = self.own().await?;
        let options =
            ImportOptions { by: "bench".to_owned(), source: "records.csv".to_owned(), keep_rejections: 1 };

        forget_peak();
        let begun = Instant::now();
        let report = own.import(File::open(&file)?, &list, &options, |_| {}).await?;
        let imported = begun.elapsed();
        if report.imported != records {
            return Err(BenchError::Wrong("not every record was imported"));
        }
        publish(&own, &list).await?;
        let took = begun.elapsed();
        let peak = peak_memory_mb();
        db.close().await;
        std::fs::remove_file(&file)?;

        #[expect(clippy::cast_precision_loss, reason = "at most ten million")]
        let (count, cores) = (records as f64, cores as f64);
        let units = usize::try_from(records).unwrap_or(usize::MAX);
        let full = |figure: Figure, floor| if records >= FULL_LIST { figure.floor(floor) } else { figure };
        figures.push(Figure::new("import", "records imported from CSV", rate(units, imported), "1/s"));
        figures.push(
            Figure::new("seal", "records sealed, mirrored and logged", rate(units, took - imported), "1/s")
                .share(rate(units, took - imported) / (raw.value * cores), "raw.sealing on all cores"),
        );
        let all = Figure::new("import.seal", "import and seal of the whole list", took.as_secs_f64(), "s")
            .share(count / (raw.value * cores) / took.as_secs_f64(), "raw.sealing on all cores");
        figures.push(full(all, Floor::AtMost(90.0)));
        if let Some(peak) = peak {
            let memory = Figure::new("import.seal.memory", "peak of this process meanwhile", peak, "MB");
            figures.push(full(memory, Floor::AtMost(1000.0)));
        }
        Ok(())
    }
}

/// Bytes of one bucket of a list of `records` records: the least that an answer needs on the wire.
pub(super) fn bucket_bytes(records: u64) -> Result<usize, BenchError> {
    Ok(Layout::for_records(records).map_err(|_| BenchError::Wrong("the layout"))?.bucket_bytes())
}

/// Asks the node to publish, and waits until it has.
async fn publish(own: &Records, list: &ListId) -> Result<(), BenchError> {
    let request = own.request_seal(list, "bench").await?;
    let begun = Instant::now();
    while begun.elapsed() < PUBLISH_WITHIN {
        match own.seal_outcome(request).await? {
            Some(SealOutcome::Published { .. }) => return Ok(()),
            Some(SealOutcome::Failed(reason)) => return Err(BenchError::Answer(reason.to_string())),
            Some(SealOutcome::Waiting) | None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    Err(BenchError::Answer(Reason::Deadline.to_string()))
}

fn write_csv(path: &Path, records: u64) -> Result<(), BenchError> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on")?;
    for n in 0..records {
        writeln!(out, "{},1,2026-{n},2026-01-15,2026-01-20,2026-02-01,", subjects::code(n))?;
    }
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

/// The token that the command line uses, from the requester's own file.
fn token(folder: &Path) -> Result<MetadataValue<Ascii>, BenchError> {
    let text = std::fs::read_to_string(folder.join(format!("tokens/{REQUESTER}.tokens")))?;
    let token = text.lines().find_map(|line| line.strip_prefix(CLI_APPLICATION)?.strip_prefix(':'));
    let bearer = format!("Bearer {}", token.ok_or(BenchError::Wrong("the token"))?);
    bearer.parse().map_err(|_| BenchError::Wrong("the token"))
}
