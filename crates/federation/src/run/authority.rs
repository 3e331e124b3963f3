//! Starts a consent authority: its readings, and its interface for the portal and the command line.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tacit_authority::{Authority, AuthorityDeps, RegistryHandle};
use tacit_client::{
    AuthorityConfig, AuthorityKeys, Connections, ConsentAuthority, Deadlines, Requester, RequesterConfig,
    RequesterKeys,
};
use tacit_desk::store::requester::RequesterTables;
use tacit_identity::{Role, SpiffeId, channel};
use tacit_model::MemberId;
use tacit_policy::{Registry, registry::entry::Role as Registered};
use tokio::sync::oneshot;

use super::{DRAIN, Running, StartError, Surroundings, credentials, demands, read_seed, signing_key};
use crate::{config::AuthorityFile, registry::RegistrySource};

/// How often the coordinator is asked for a newer registry.
const REGISTRY_EVERY: Duration = Duration::from_secs(2);
/// How often requests whose answer was lost are asked after.
const RECOVER_EVERY: Duration = Duration::from_secs(20);

pub(super) async fn start(file: AuthorityFile, around: &Surroundings) -> Result<Running, StartError> {
    let credentials = credentials(&file.tls, &file.federation, Role::Authority, &file.member, &around.clock)?;
    let reach = |key: &'static str, role, member: &MemberId, endpoint: &str| {
        let expected = SpiffeId::new(file.federation.clone(), role, member.clone());
        channel(endpoint, expected, credentials.clone())
            .map_err(|source| StartError::Endpoint { key, source })
    };
    let (hub, keeper) = (&file.coordinator, &file.custodian);
    let coordinator = reach("coordinator.endpoint", Role::Coordinator, &hub.member, &hub.endpoint)?;
    let custodian = reach("custodian.endpoint", Role::Custodian, &keeper.member, &keeper.endpoint)?;
    let log_key = file.pins.log_verifier(&hub.member)?;
    let deadlines = Deadlines::default();
    let source = RegistrySource::new(
        coordinator.clone(),
        log_key.clone(),
        file.pins.for_registry(&file.federation),
        file.registry.clone(),
        deadlines,
        Arc::clone(&around.clock),
    );
    // With a kept registry an authority starts, and tells what it has, without the coordinator too.
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
    let own = registry.member(&file.member).filter(|member| member.has(Registered::Authority));
    let own = own.ok_or_else(|| StartError::NoAuthority { member: file.member.clone() })?;
    let seed = |key, path| read_seed(path).map_err(|source| StartError::Seed { key, source });
    let shown = own.keys.signing;
    let signing = || {
        let found = signing_key(&file.keys.signing, shown);
        let found = found.map_err(|source| StartError::Seed { key: "signing", source })?;
        found.ok_or(StartError::NotRegistered { key: "signing" })
    };
    let letters = super::letters(file.keys.letters.as_deref(), own)?;
    let db = tacit_authority::store::open(&file.database).await?;
    let consents = ConsentAuthority::new(
        AuthorityConfig { member: file.member.clone(), log_key: log_key.clone(), deadlines },
        AuthorityKeys { signing: signing()?, blind: seed("blind", &file.keys.blind)?, letters },
        Arc::clone(&registry),
        coordinator.clone(),
        custodian.clone(),
        Arc::clone(&around.clock),
    );
    let requester = Requester::new(
        RequesterConfig { member: file.member.clone(), log_key, deadlines },
        RequesterKeys { signing: signing()?, store: seed("store", &file.keys.store)?, letters: None },
        Arc::clone(&registry),
        Connections::new(credentials.clone(), coordinator, custodian),
        Arc::new(RequesterTables::new(db.clone())),
        Arc::clone(&around.clock),
    );
    let recovery = requester.recover().await?;
    tracing::info!(?recovery, "checks of the last run were settled");
    let authority = Authority::start(AuthorityDeps {
        db,
        store_key: seed("store", &file.keys.store)?,
        consents,
        requester: requester.clone(),
        clock: Arc::clone(&around.clock),
        reading: file.reading.clone(),
        api: file.api.clone(),
    })
    .await?;
    let address = authority.http_addr().map_err(|source| StartError::Listen { at: file.api.http, source })?;
    let (stop, stopped) = oneshot::channel::<()>();
    let follower = Follower {
        source,
        handle: authority.registry_handle(),
        requester: requester.clone(),
        signing: file.keys.signing.clone(),
        in_use: registry,
    };
    let serving = tokio::spawn(async move {
        let answering = tokio::spawn(demands::answer(requester.clone()));
        let background = [tokio::spawn(follower.run()), tokio::spawn(recover(requester)), answering];
        let shutdown = async {
            // A dropped sender means the same.
            let _ = stopped.await;
        };
        authority.serve(shutdown, DRAIN).await;
        background.iter().for_each(tokio::task::JoinHandle::abort);
        Ok(())
    });
    Ok(Running {
        spiffe: credentials.spiffe().clone(),
        address,
        does: "users, what is on record about them, their own checks".to_owned(),
        credentials,
        gateway: None,
        stop: Some(stop),
        serving,
    })
}

/// Keeps an authority at the newest registry version.
struct Follower {
    source: RegistrySource,
    handle: RegistryHandle,
    requester: Requester,
    /// The file of the own signing key.
    signing: PathBuf,
    in_use: Arc<Registry>,
}

impl Follower {
    /// Takes newer versions over, for ever: run it as a task.
    async fn run(mut self) {
        loop {
            match self.source.refresh().await {
                Ok(registry) if registry.hash() != self.in_use.hash() => self.take_over(registry),
                Ok(_) => {}
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, reason = %error.reason(), "the registry is not renewed");
                }
                Err(error) => {
                    tracing::error!(%error, reason = %error.reason(), "ALARM: a registry is refused; the old one stays in use");
                }
            }
            tokio::time::sleep(REGISTRY_EVERY).await;
        }
    }

    fn take_over(&mut self, registry: Arc<Registry>) {
        tracing::info!(number = registry.number(), "registry in use");
        let member = self.requester.member();
        let shown = |registry: &Registry| registry.member(member).map(|own| own.keys.signing);
        if let Some(key) = shown(&registry).filter(|key| shown(&self.in_use) != Some(*key)) {
            match signing_key(&self.signing, key) {
                Ok(Some(signing)) => self.requester.set_signing(signing),
                Ok(None) => tracing::error!(
                    file = %self.signing.display(),
                    "the registry shows a signing key of this member that is in neither FILE nor FILE.next"
                ),
                Err(error) => tracing::error!(%error, "the own new signing key cannot be read"),
            }
        }
        self.handle.set(Arc::clone(&registry));
        self.in_use = registry;
    }
}

/// Asks after checks whose answer was lost while this process ran.
async fn recover(requester: Requester) {
    loop {
        tokio::time::sleep(RECOVER_EVERY).await;
        if let Err(error) = requester.recover().await {
            tracing::warn!(%error, "lost answers could not be asked after");
        }
    }
}
