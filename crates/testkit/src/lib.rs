//! A whole federation in one call, for tests: founded in a temporary folder, every role at work on a free port.
//!
//! ```text
//! let mut federation = Federation::start("procurement", Options::quick()).await?;
//! federation.publish("court/judgment-defaulters", federation.records_csv(101, codes)).await?;
//! let outcome = federation.ask("procurement", question, code).await?;
//! federation.kill("coordinator"); federation.restart("coordinator").await?;
//! ```
//!
//! Each role has threads of its own, so that [`Federation::kill`] ends it as a crash would: nothing is drained,
//! no connection is closed in order, and what was not durable is lost.

mod error;
mod options;
mod ports;
mod role;
mod web;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tacit_client::{
    Auditor, Connections, ConsentAuthority, Deadlines, LetterSecretKey, LogReader, Requester,
    RequesterConfig, RequesterKeys,
};
use tacit_desk::store::requester::RequesterTables;
use tacit_federation::{
    config::{AuditorFile, AuthorityFile, Environment, NodeFile, RoleFile, role_of},
    connect::{self, GatewayClient},
    desk::DeskClient,
    found::{CLI_APPLICATION, Ports, Service, found},
    registry::read_kept,
    run::{GatewayAt, Sockets, StartError, Surroundings, read_seed},
    sample::Sample,
};
use tacit_identity::{CredentialFiles, Credentials, Role, SpiffeId, channel};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Clock, ListId, MemberId, entropy::seeded_rng};
use tacit_node::{
    records::{ImportOptions, ImportReport, Records, SealOutcome, format_day},
    redress::Redress,
};

use tacit_policy::Registry;
use tacit_wire::gateway::{
    CheckOutcome, CheckRequest, Question, check_outcome::Outcome, list_answer::Answer,
};
use tempfile::TempDir;
use tonic::transport::Channel;

pub use error::KitError;
pub use options::Options;
pub use ports::PortRange;
use role::RunningRole;

/// How long tests wait for other parties.
const DEADLINES: Deadlines = Deadlines { call_ms: 10_000, patience_ms: 20_000 };
/// How long [`Federation::seal`] waits.
const SEAL_PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const SEAL_POLL: Duration = Duration::from_millis(50);
/// How long a role may drain.
const DRAIN: Duration = Duration::from_secs(10);

/// What a check of one list came to: `listed`, `not_listed`, or the reason of a refusal; nothing when it has no answer.
#[must_use]
pub fn word(outcome: &CheckOutcome) -> Option<&str> {
    let answers = match outcome.outcome.as_ref()? {
        Outcome::Answers(answers) => answers,
        Outcome::Refusal(refusal) => return Some(&refusal.reason),
        _ => return None,
    };
    Some(match answers.lists.first()?.answer.as_ref()? {
        Answer::Listed(_) => "listed",
        Answer::NotListed(_) => "not_listed",
        Answer::Refusal(refusal) => &refusal.reason,
    })
}

/// A federation at work. Dropping it ends every role and removes the folder.
pub struct Federation {
    folder: TempDir,
    sample: Sample,
    registry: Registry,
    clock: Arc<dyn Clock>,
    surroundings: Surroundings,
    roles: BTreeMap<MemberId, RunningRole>,
}

impl std::fmt::Debug for Federation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Federation").field("folder", &self.folder.path()).field("roles", &self.roles).finish()
    }
}

impl Federation {
    /// Founds the sample of this name and starts all its roles.
    ///
    /// # Errors
    /// [`KitError`], with the text that a person would get.
    pub async fn start(sample: &str, options: Options) -> Result<Self, KitError> {
        let mut sample = Sample::named(sample)?;
        (options.change)(&mut sample);
        let mut federation = Self::found(sample, &options)?;
        for file in federation.serving()? {
            federation.start_role(&file).await?;
        }
        Ok(federation)
    }

    /// Founds a federation and starts nothing yet.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn found(sample: Sample, options: &Options) -> Result<Self, KitError> {
        tacit_identity::install_default_provider();
        let folder = tempfile::Builder::new().prefix("tacit-test-").tempdir()?;
        let sockets = Sockets::default();
        // Only the federation's addresses stand in the registry; a gateway may listen anywhere.
        let ports = Ports::chosen(&sample, |_, service| match service {
            Service::Federation => sockets.reserve(),
            _ => Ok(([127, 0, 0, 1], 0).into()),
        })?;
        let clock = Arc::clone(&options.clock);
        let mut rng = seeded_rng(options.seed);
        let founded = found(folder.path(), &sample, &ports, options.overrides, clock.now(), &mut rng)?;
        for member in &sample.member {
            let Some(url) = (options.database)(folder.path(), member.id.as_str()) else { continue };
            let file = folder.path().join(format!("{}.toml", member.id));
            let text = std::fs::read_to_string(&file)?;
            std::fs::write(&file, text.replace(&format!("sqlite:data/{}.db", member.id), &url))?;
        }
        let surroundings = Surroundings { clock: Arc::clone(&clock), sockets };
        Ok(Self { folder, sample, registry: founded.registry, clock, surroundings, roles: BTreeMap::new() })
    }

    /// The folder that `tacit init` would have made.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file of a member.
    #[must_use]
    pub fn config(&self, member: &str) -> PathBuf {
        self.folder().join(format!("{member}.toml"))
    }

    /// What was founded.
    #[must_use]
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// The first registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The clock that all roles go by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The members that run.
    pub fn running(&self) -> impl Iterator<Item = &MemberId> {
        self.roles.keys()
    }

    /// Starts a member's role, again after [`Federation::stop`] or [`Federation::kill`], at the same address.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn restart(&mut self, member: &str) -> Result<(), KitError> {
        self.roles.remove(member);
        self.start_role(&self.config(member)).await
    }

    /// Stops a member's role in order, as SIGTERM does.
    ///
    /// # Errors
    /// [`KitError`] when it did not run, or had failed.
    pub async fn stop(&mut self, member: &str) -> Result<(), KitError> {
        self.role(member)?;
        match self.roles.remove(member) {
            Some(role) => Ok(role.stop(DRAIN).await?),
            None => Ok(()),
        }
    }

    /// Ends a member's role at once, as a crash does.
    pub fn kill(&mut self, member: &str) {
        self.roles.remove(member);
    }

    /// Stops every role in order.
    ///
    /// # Errors
    /// The first [`KitError`]; all were stopped.
    pub async fn shut_down(mut self) -> Result<(), KitError> {
        let mut stopping = tokio::task::JoinSet::new();
        for (_, role) in std::mem::take(&mut self.roles) {
            stopping.spawn(role.stop(DRAIN));
        }
        let mut outcome = Ok(());
        while let Some(stopped) = stopping.join_next().await {
            let stopped = stopped.map_err(|_| KitError::Broke).and_then(|it| Ok(it?));
            outcome = outcome.and(stopped);
        }
        outcome
    }

    /// Where a requester's gateway listens.
    ///
    /// # Errors
    /// [`KitError::NotRunning`].
    pub fn gateway_at(&self, member: &str) -> Result<GatewayAt, KitError> {
        self.role(member)?.gateway().ok_or_else(|| KitError::NotRunning(member.to_owned()))
    }

    /// The token of the command line at a requester's gateway.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn token(&self, member: &str) -> Result<String, KitError> {
        Ok(connect::token(&self.file::<NodeFile>(member)?, CLI_APPLICATION)?.to_string())
    }

    /// A client of a requester's gateway.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn gateway(&self, member: &str) -> Result<GatewayClient, KitError> {
        let grpc = self.gateway_at(member)?.grpc.ok_or_else(|| KitError::NotRunning(member.to_owned()))?;
        Ok(connect::gateway_at(&format!("http://{grpc}"), &self.token(member)?)?)
    }

    /// Asks one question through a requester's gateway.
    ///
    /// # Errors
    /// [`KitError::Status`] for trouble; a refusal is an outcome.
    pub async fn ask(&self, member: &str, question: Question, code: &str) -> Result<CheckOutcome, KitError> {
        let request = CheckRequest { question: Some(question), code: code.to_owned() };
        let response = self.gateway(member)?.check(request).await.map_err(Box::new)?;
        Ok(response.into_inner().outcome.unwrap_or_default())
    }

    /// The records of a holder, as `tacit list` works on them.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn records(&self, holder: &str) -> Result<Records, KitError> {
        let file = self.file::<NodeFile>(holder)?;
        Ok(connect::records(&file, &self.clock, DEADLINES).await?.0)
    }

    /// A member's notices, objections and appeals, as `tacit objection` works on them, by this clock.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn redress(&self, member: &str, clock: &Arc<dyn Clock>) -> Result<Redress, KitError> {
        Ok(connect::redress(&self.file::<NodeFile>(member)?, clock, DEADLINES).await?)
    }

    /// Imports records from CSV.
    ///
    /// # Errors
    /// [`KitError`]; broken rows are in the report.
    pub async fn import(&self, list: &str, csv: impl Into<Vec<u8>>) -> Result<ImportReport, KitError> {
        let list: ListId = list.parse().map_err(|_| KitError::Name(list.to_owned()))?;
        let records = self.records(list.holder()).await?;
        let options = ImportOptions {
            by: "testkit".to_owned(),
            source: "testkit.csv".to_owned(),
            keep_rejections: 100,
        };
        Ok(records.import(std::io::Cursor::new(csv.into()), &list, &options, |_| {}).await?)
    }

    /// Has a list published, and waits for it: epoch and version.
    ///
    /// # Errors
    /// [`KitError`], also when it takes more than a minute.
    pub async fn seal(&self, list: &str) -> Result<(u64, u64), KitError> {
        let id: ListId = list.parse().map_err(|_| KitError::Name(list.to_owned()))?;
        let records = self.records(id.holder()).await?;
        let request = records.request_seal(&id, "testkit").await?;
        let until = tokio::time::Instant::now() + SEAL_PATIENCE;
        while tokio::time::Instant::now() < until {
            if let Some(SealOutcome::Published { epoch, version }) = records.seal_outcome(request).await? {
                return Ok((epoch, version));
            }
            tokio::time::sleep(SEAL_POLL).await;
        }
        Err(KitError::NotSealed(list.to_owned()))
    }

    /// [`Federation::import`], then [`Federation::seal`].
    ///
    /// # Errors
    /// [`KitError`], also for a broken row.
    pub async fn publish(&self, list: &str, csv: impl Into<Vec<u8>>) -> Result<(u64, u64), KitError> {
        let report = self.import(list, csv).await?;
        match report.rejections.first() {
            Some(rejection) => Err(KitError::Row { line: rejection.line, problem: rejection.problem }),
            None => self.seal(list).await,
        }
    }

    /// A member as it writes and gets letters, beside its node.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn correspondent(&self, member: &str) -> Result<Requester, KitError> {
        let file = self.file::<NodeFile>(member)?;
        let seed = |path: Option<&Path>| {
            let path = path.ok_or_else(|| KitError::NotRunning(member.to_owned()))?;
            read_seed(path).map_err(|error| KitError::Io(std::io::Error::other(error)))
        };
        let registry = match self.kept_registry(member)? {
            Some(registry) => registry,
            None => return Err(KitError::NotRunning(member.to_owned())),
        };
        let config = RequesterConfig {
            member: file.member.clone(),
            log_key: file.pins.log_verifier(&file.coordinator.member).map_err(StartError::from)?,
            deadlines: DEADLINES,
        };
        let keys = RequesterKeys {
            signing: SigningKey::from_seed(&*seed(Some(&file.keys.signing))?),
            store: seed(file.keys.store.as_deref())?,
            letters: Some(LetterSecretKey::derive(&*seed(file.keys.letters.as_deref())?).0),
        };
        let [coordinator, custodian] = [&file.coordinator, &file.custodian].map(|at| at.member.as_str());
        let connections = Connections::new(
            self.credentials(member)?,
            self.channel(member, coordinator)?,
            self.channel(member, custodian)?,
        );
        let db = tacit_node::store::open(&file.database).await.map_err(StartError::from)?;
        let store = Arc::new(RequesterTables::new(db));
        Ok(Requester::new(config, keys, registry, connections, store, Arc::clone(&self.clock)))
    }

    /// A consent authority.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn authority(&self, member: &str) -> Result<ConsentAuthority, KitError> {
        Ok(connect::authority(&self.file::<AuthorityFile>(member)?, &self.clock, DEADLINES).await?)
    }

    /// A client of an authority's interface, with the command line's token.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn desk(&self, member: &str) -> Result<DeskClient, KitError> {
        let token = connect::desk_token(&self.file::<AuthorityFile>(member)?, CLI_APPLICATION)?;
        Ok(DeskClient::new(self.role(member)?.address(), token))
    }

    /// A client of a node's gateway in JSON, with the token of this application.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn node_desk(&self, member: &str, application: &str) -> Result<DeskClient, KitError> {
        let http = self.gateway_at(member)?.http.ok_or_else(|| KitError::NotRunning(member.to_owned()))?;
        Ok(DeskClient::new(http, connect::token(&self.file::<NodeFile>(member)?, application)?))
    }

    /// An auditor at the coordinator, who follows pseudonyms and opens boxes.
    ///
    /// # Errors
    /// [`KitError`].
    pub async fn audit(&self, member: &str) -> Result<Auditor, KitError> {
        let file = self.file::<AuditorFile>(member)?;
        Ok(connect::auditing(&file, &self.clock, DEADLINES).await?.0)
    }

    /// Waits until a reading of this authority that began after now has come to its end.
    ///
    /// # Errors
    /// The authority does not answer, or did not read within 30 s.
    pub async fn read_anew(&self, member: &str) -> Result<(), KitError> {
        let (desk, now) = (self.desk(member)?, self.clock.now().to_rfc3339());
        for _ in 0..300 {
            let heartbeat = desk.get("/v1/heartbeat").await?.body;
            if heartbeat["as_of"].as_str().is_some_and(|as_of| *as_of > *now) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(KitError::NotRead(member.to_owned()))
    }

    /// Where an authority's interface listens.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn desk_at(&self, member: &str) -> Result<SocketAddr, KitError> {
        Ok(self.role(member)?.address())
    }

    /// An auditor's reader of the log.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn auditor(&self, member: &str) -> Result<LogReader, KitError> {
        Ok(connect::auditor(&self.file::<AuditorFile>(member)?, &self.clock, DEADLINES)?)
    }

    /// A member's certificate and key, for tests that speak the protocol themselves.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn credentials(&self, member: &str) -> Result<Credentials, KitError> {
        let files = CredentialFiles::in_folder(&self.folder().join("tls"), member);
        Ok(Credentials::load(files, Arc::clone(&self.clock))?)
    }

    /// A channel from one member to another, with the caller's certificate.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn channel(&self, from: &str, to: &str) -> Result<Channel, KitError> {
        let unknown = || KitError::Name(to.to_owned());
        let member: MemberId = to.parse().map_err(|_| unknown())?;
        let endpoint =
            self.registry.member(&member).and_then(|it| it.endpoint.as_deref()).ok_or_else(unknown)?;
        let role = role_of(&self.config(to))?;
        let expected = SpiffeId::new(self.sample.federation.clone(), role, member);
        Ok(channel(endpoint, expected, self.credentials(from)?)?)
    }

    /// The registry that a node keeps, once it has fetched one.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn kept_registry(&self, node: &str) -> Result<Option<Arc<Registry>>, KitError> {
        let file = self.file::<NodeFile>(node)?;
        Ok(read_kept(&file.registry, &file.pins.for_registry(&file.federation))?)
    }

    /// A CSV file of records that are in force today: decided 60 days ago, notified, and effective since 30 days.
    #[must_use]
    pub fn records_csv<C: AsRef<str>>(&self, category: u16, codes: impl IntoIterator<Item = C>) -> String {
        let today = u32::try_from(self.clock.now().utc_day()).unwrap_or(u32::MAX);
        let [decided, notified, effective] = [60, 55, 30].map(|days| format_day(today.saturating_sub(days)));
        let mut csv =
            "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n".to_owned();
        for (number, code) in codes.into_iter().enumerate() {
            let code = code.as_ref();
            csv.push_str(&format!("{code},{category},decision {number},{decided},{notified},{effective},\n"));
        }
        csv
    }

    fn role(&self, member: &str) -> Result<&RunningRole, KitError> {
        self.roles.get(member).ok_or_else(|| KitError::NotRunning(member.to_owned()))
    }

    fn file<F: RoleFile>(&self, member: &str) -> Result<F, KitError> {
        Ok(F::load(&self.config(member), Environment::Ignored)?)
    }

    /// Files of roles that serve: coordinator, custodian, nodes, authorities.
    fn serving(&self) -> Result<Vec<PathBuf>, KitError> {
        let mut files = Vec::new();
        for member in &self.sample.member {
            let path = self.config(&member.id);
            let place = match role_of(&path)? {
                Role::Coordinator => 0,
                Role::Custodian => 1,
                Role::Node => 2,
                Role::Authority => 3,
                Role::Auditor => continue,
            };
            files.push((place, path));
        }
        files.sort();
        Ok(files.into_iter().map(|(_, path)| path).collect())
    }

    async fn start_role(&mut self, file: &Path) -> Result<(), KitError> {
        let role = RunningRole::start(file, &self.surroundings).await?;
        self.roles.insert(role.member().clone(), role);
        Ok(())
    }
}
