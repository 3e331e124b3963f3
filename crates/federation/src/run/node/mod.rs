//! Starts an agency's node: holder, requester and gateway, as far as the registry names it so.

mod asker;
mod knowledge;
mod registry;

use std::{path::Path, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use tacit_client::{Connections, Deadlines, LogReader, Measures, Requester, RequesterConfig, RequesterKeys};
use tacit_desk::store::requester::RequesterTables;
use tacit_identity::{Credentials, MtlsListener, Role, SpiffeId, channel, tune_server};
use tacit_ledger::{
    cosignature::CosignatureSigner,
    ed25519::SigningKey,
    note::{NoteSigner, NoteVerifier},
};
use tacit_model::{Clock, MemberId};
use tacit_node::{
    gateway::Gateway,
    health::Health,
    holder::{Holder, HolderDeps},
    redress::{Courier, Redress},
    store::MeasureTables,
};
use tacit_policy::{
    Ed25519Key, Registry,
    registry::entry::{Member, Role as Registered},
};
use tacit_store::Db;
use tacit_witness::{AddCheckpointLayer, Witness, WitnessConfig};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};
use tonic::{server::NamedService, service::Routes, transport::Channel};

use super::{
    DRAIN, GatewayAt, Running, StartError, Surroundings, credentials, demands, listen, read_seed, signing_key,
};
use crate::{config::NodeFile, registry::RegistrySource};
use asker::NodeAsker;
use knowledge::Knowledge;

/// How often requests whose answer was lost are asked after.
const RECOVER_EVERY: Duration = Duration::from_secs(20);

/// What both halves of a node stand on.
struct Ground {
    file: NodeFile,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    coordinator: Channel,
    replicas: Vec<Channel>,
    custodian: Channel,
    log_key: NoteVerifier,
    db: Db,
    registry: Arc<Registry>,
}

pub(super) async fn start(file: NodeFile, around: &Surroundings) -> Result<Running, StartError> {
    let credentials = credentials(&file.tls, &file.federation, Role::Node, &file.member, &around.clock)?;
    let reach = |key: &'static str, role, member: &MemberId, endpoint: &str| {
        let expected = SpiffeId::new(file.federation.clone(), role, member.clone());
        channel(endpoint, expected, credentials.clone())
            .map_err(|source| StartError::Endpoint { key, source })
    };
    let (hub, keeper) = (&file.coordinator, &file.custodian);
    let coordinator = reach("coordinator.endpoint", Role::Coordinator, &hub.member, &hub.endpoint)?;
    let replica = |at: &String| reach("coordinator_replicas", Role::Coordinator, &hub.member, at);
    let replicas = file.coordinator_replicas.iter().map(replica).collect::<Result<_, _>>()?;
    let custodian = reach("custodian.endpoint", Role::Custodian, &keeper.member, &keeper.endpoint)?;
    let log_key = file.pins.log_verifier(&file.coordinator.member)?;
    let source = RegistrySource::new(
        coordinator.clone(),
        log_key.clone(),
        file.pins.for_registry(&file.federation),
        file.registry.clone(),
        Deadlines::default(),
        Arc::clone(&around.clock),
    );
    // With a kept registry a node starts without the coordinator too.
    let registry = match source.kept() {
        Ok(Some(registry)) => {
            source.begin();
            registry
        }
        Ok(None) => source.refresh().await?,
        Err(error) => {
            tracing::warn!(%error, "the registry that was kept cannot be used any more");
            source.refresh().await?
        }
    };
    // A member that joined begins with the registry from before it did.
    let registry = match registry.member(&file.member) {
        Some(_) => registry,
        None => source.refresh().await?,
    };
    let db = tacit_node::store::open(&file.database).await?;
    let clock = Arc::clone(&around.clock);
    let ground = Ground { file, clock, credentials, coordinator, replicas, custodian, log_key, db, registry };
    let member = ground.member()?.clone();
    let holder = match member.has(Registered::Holder) {
        true => Some(ground.holder(&member).await?),
        false => None,
    };
    // A holder with pseudonyms of its own writes letters about its subjects, and asks nothing.
    let asks = member.has(Registered::Requester);
    let writes = member.pseudonym_epoch.is_some() && ground.file.keys.store.is_some();
    let requester = if asks || writes { Some(ground.requester(&member)?) } else { None };
    if let Some(requester) = requester.as_ref().filter(|_| asks) {
        let recovery = requester.recover().await?;
        tracing::info!(?recovery, "requests of the last run were settled");
    }
    let courier = match &requester {
        Some(requester) if ground.file.keys.letters.is_some() => {
            ground.file.letters.check()?;
            Some(Courier::new(ground.redress()?, requester.clone(), ground.file.letters))
        }
        _ => None,
    };
    let knowledge = Knowledge::default();
    let measures = requester.clone().map(|requester| ground.measures(requester, asks)).transpose()?;
    let gateway = match (requester.clone(), measures.clone()) {
        (Some(requester), Some(measures)) => {
            let (holder, clock) = (holder.clone(), Arc::clone(&ground.clock));
            let asker = NodeAsker { requester, asks, measures, knowledge: knowledge.clone(), holder, clock };
            ground.gateway(asker).await?
        }
        _ => None,
    };
    let listener = listen(ground.file.listen, &ground.credentials, &around.sockets).await?;
    let log = LogReader::new(ground.coordinator.clone(), ground.log_key.clone(), Deadlines::default());
    let learning = knowledge.follow(log, Arc::clone(&ground.clock)).boxed();
    let follower = registry::Follower {
        source,
        member: member.id.clone(),
        signing: ground.file.keys.signing.clone(),
        credentials: ground.credentials.clone(),
        in_use: Arc::clone(&ground.registry),
    };
    let measures = measures.filter(|_| asks);
    let parts = Parts { holder, requester, asks, courier, measures, gateway, follower, learning };
    Ok(run(ground, parts, listener, &member))
}

/// What a node is made of.
struct Parts {
    holder: Option<Holder>,
    requester: Option<Requester>,
    /// Whether it asks, and does not only write letters.
    asks: bool,
    /// Carries letters.
    courier: Option<Courier>,
    measures: Option<Measures>,
    gateway: Option<Gateway>,
    follower: registry::Follower,
    /// Keeps the gateway's status fresh.
    learning: BoxFuture<'static, ()>,
}

impl Ground {
    /// The own entry of the registry.
    fn member(&self) -> Result<&Member, StartError> {
        let own = &self.file.member;
        self.registry
            .member(own)
            .filter(|member| member.has(Registered::Holder) || member.has(Registered::Requester))
            .ok_or_else(|| StartError::NoNode { member: own.clone() })
    }

    async fn holder(&self, member: &Member) -> Result<Holder, StartError> {
        let path = needed(self.file.keys.manifest.as_deref(), "keys.manifest", "holder")?;
        let key = own_key("manifest", path, member.keys.manifest)?;
        let path = needed(self.file.keys.witness.as_deref(), "keys.witness", "holder")?;
        let cosigns = own_key("witness", path, member.keys.witness)?;
        let witness = Witness::start(WitnessConfig {
            coordinator: self.coordinator.clone(),
            replicas: self.replicas.clone(),
            log_key: self.log_key.clone(),
            signer: CosignatureSigner::new(&format!("{}/witness", member.id), cosigns)?,
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            peers: vec![self.custodian.clone()],
        })
        .await?;
        witness.set_witnesses(self.registry.witnesses()?).await;
        let deps = HolderDeps {
            member: member.id.clone(),
            db: self.db.clone(),
            registry: Arc::clone(&self.registry),
            witness,
            coordinator: self.coordinator.clone(),
            custodian: self.custodian.clone(),
            manifest_signer: NoteSigner::new(&format!("{}/manifest", member.id), key)?,
            clock: Arc::clone(&self.clock),
        };
        Ok(Holder::start(self.file.holder.clone(), deps).await?)
    }

    fn requester(&self, member: &Member) -> Result<Requester, StartError> {
        let path = &self.file.keys.signing;
        let signing = signing_key(path, member.keys.signing)
            .map_err(|source| StartError::Seed { key: "signing", source })?
            .ok_or(StartError::NotRegistered { key: "signing" })?;
        let path = needed(self.file.keys.store.as_deref(), "keys.store", "requester")?;
        let store = read_seed(path).map_err(|source| StartError::Seed { key: "store", source })?;
        let config = RequesterConfig {
            member: member.id.clone(),
            log_key: self.log_key.clone(),
            deadlines: Deadlines::default(),
        };
        let connections =
            Connections::new(self.credentials.clone(), self.coordinator.clone(), self.custodian.clone());
        Ok(Requester::new(
            config,
            RequesterKeys {
                signing,
                store,
                letters: super::letters(self.file.keys.letters.as_deref(), member)?,
            },
            Arc::clone(&self.registry),
            connections,
            Arc::new(RequesterTables::new(self.db.clone())),
            Arc::clone(&self.clock),
        ))
    }

    fn redress(&self) -> Result<Redress, StartError> {
        let path = needed(self.file.keys.store.as_deref(), "keys.store", "requester")?;
        let store = read_seed(path).map_err(|source| StartError::Seed { key: "store", source })?;
        let (db, registry, clock) = (self.db.clone(), Arc::clone(&self.registry), Arc::clone(&self.clock));
        Ok(Redress::new(db, &store, registry, self.file.member.clone(), clock))
    }

    /// Letters about measures wait in the database; the courier of a node that has a letters key carries them.
    fn measures(&self, requester: Requester, asks: bool) -> Result<Measures, StartError> {
        if asks && self.file.keys.letters.is_none() {
            tracing::warn!("without a letters key, subjects learn of measures from their log alone");
        }
        Ok(Measures::new(requester, Arc::new(MeasureTables::new(self.db.clone(), self.redress()?))))
    }

    /// Objections and appeals are there where letters are carried.
    async fn gateway(&self, asker: NodeAsker) -> Result<Option<Gateway>, StartError> {
        let Some(config) = &self.file.gateway else { return Ok(None) };
        let redress = self.file.keys.letters.is_some().then(|| self.redress()).transpose()?;
        Ok(Some(Gateway::bind(config, Arc::new(asker), redress, Arc::clone(&self.clock)).await?))
    }
}

fn needed<'a>(path: Option<&'a Path>, key: &'static str, role: &'static str) -> Result<&'a Path, StartError> {
    path.ok_or(StartError::Missing { key, role })
}

/// The private key in a file, whose public half the registry must show.
fn own_key(key: &'static str, path: &Path, shown: Option<Ed25519Key>) -> Result<SigningKey, StartError> {
    let seed = read_seed(path).map_err(|source| StartError::Seed { key, source })?;
    let own = SigningKey::from_seed(&seed);
    if shown == Some(Ed25519Key(own.verifying_key())) {
        Ok(own)
    } else {
        Err(StartError::NotRegistered { key })
    }
}

fn run(ground: Ground, parts: Parts, listener: MtlsListener, member: &Member) -> Running {
    let address = listener.local_addr();
    let credentials = ground.credentials;
    let gateway = parts
        .gateway
        .as_ref()
        .map(|gateway| GatewayAt { http: gateway.http_addr(), grpc: gateway.grpc_addr() });
    let roles: Vec<_> = member.roles.iter().map(|role| role.as_str()).collect();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(parts, listener, stopped, member.id.clone()));
    Running {
        spiffe: credentials.spiffe().clone(),
        address,
        does: roles.join(", "),
        credentials,
        gateway,
        stop: Some(stop),
        serving,
    }
}

/// Serves until told to stop; then nothing new is begun, and everything is given its time.
async fn serve(
    parts: Parts,
    listener: MtlsListener,
    stopped: oneshot::Receiver<()>,
    member: MemberId,
) -> Result<(), StartError> {
    let (closing, closes) = watch::channel(false);
    let until = |mut closes: watch::Receiver<bool>| async move {
        // A dropped sender means the same.
        let _ = closes.wait_for(|closing| *closing).await;
    };
    let mut background = JoinSet::new();
    background.spawn(parts.follower.run(parts.holder.clone(), parts.requester.clone()));
    if parts.gateway.is_some() {
        background.spawn(parts.learning);
    }
    if let Some(requester) = parts.requester.as_ref().filter(|_| parts.asks) {
        background.spawn(requester.clone().follow_consents());
        background.spawn(recover(requester.clone()));
        background.spawn(demands::answer(requester.clone()));
    }
    if let Some(courier) = parts.courier {
        background.spawn(courier.run());
    }
    if let Some(measures) = parts.measures {
        background.spawn(tacit_node::measures::run(measures));
    }
    let mut halves = JoinSet::new();
    if let Some(gateway) = parts.gateway {
        halves.spawn(gateway.serve(until(closes.clone()), DRAIN));
    }
    let (reporter, service) = tonic_health::server::health_reporter();
    let mut routes = Routes::new(service);
    let mut services = Vec::new();
    if let Some(holder) = &parts.holder {
        let evaluation = holder.evaluation_service();
        services.push(name_of(&evaluation));
        routes = routes.add_service(evaluation);
        let (holder, closes) = (holder.clone(), until(closes.clone()));
        halves.spawn(async move { holder.run_ticks(closes).await });
    }
    let health = Health::serving(reporter, services).await;
    let witness = parts.holder.as_ref().map(|holder| holder.witness().clone());
    let server = tune_server(tonic::transport::Server::builder())
        .layer(tacit_wire::ReasonLayer)
        .layer(AddCheckpointLayer::new(witness))
        .add_routes(routes)
        .serve_with_incoming_shutdown(listener, until(closes));
    tokio::pin!(server);
    let until_stopped = async {
        let disk_failed = disk_failed(parts.holder);
        tokio::pin!(disk_failed, stopped);
        tokio::select! {
            // A dropped sender means the same.
            _ = &mut stopped => return,
            () = disk_failed => health.not_serving().await,
        }
        let _ = stopped.await;
    };
    let served = tokio::select! {
        served = &mut server => served,
        () = until_stopped => {
            health.drain().await;
            closing.send_replace(true);
            // A stream that nobody reads would keep the server for ever.
            tokio::time::timeout(DRAIN, server).await.unwrap_or(Ok(()))
        }
    };
    closing.send_replace(true);
    while halves.join_next().await.is_some() {}
    background.shutdown().await;
    tracing::info!(%member, "stopped");
    Ok(served?)
}

/// The name by which health and calls know a service.
fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

/// Ready when a holder can note no permits any more; never without a holder.
async fn disk_failed(holder: Option<Holder>) {
    match holder {
        Some(holder) => holder.disk_failed().await,
        None => std::future::pending().await,
    }
}

/// Asks after requests whose answer was lost while this process ran.
async fn recover(requester: Requester) {
    loop {
        tokio::time::sleep(RECOVER_EVERY).await;
        if let Err(error) = requester.recover().await {
            tracing::warn!(%error, "lost answers could not be asked after");
        }
    }
}
