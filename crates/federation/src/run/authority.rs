//! Starts a consent authority: its readings, and its interface for the portal and the command line.

use std::{sync::Arc, time::Duration};

use tacit_authority::{Authority, AuthorityDeps, RegistryHandle};
use tacit_client::{
    AuthorityConfig, AuthorityKeys, Connections, ConsentAuthority, Deadlines, Requester, RequesterConfig,
    RequesterKeys,
};
use tacit_desk::store::requester::RequesterTables;
use tacit_identity::{Role, SpiffeId, channel};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::{Ed25519Key, registry::entry::Role as Registered};
use tokio::sync::oneshot;

use super::{DRAIN, Running, StartError, Surroundings, credentials, read_seed};
use crate::{config::AuthorityFile, registry::RegistrySource};

/// How often the registry is fetched again.
const REGISTRY_EVERY: Duration = Duration::from_secs(30);
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
    );
    // With a kept registry an authority starts, and tells what it has, without the coordinator too.
    let registry = match source.kept() {
        Ok(Some(registry)) => registry,
        Ok(None) => source.refresh().await?,
        Err(error) => {
            tracing::warn!(%error, "the registry that was kept cannot be used any more");
            source.refresh().await?
        }
    };
    let own = registry.member(&file.member).filter(|member| member.has(Registered::Authority));
    let own = own.ok_or_else(|| StartError::NoAuthority { member: file.member.clone() })?;
    let seed = |key, path| read_seed(path).map_err(|source| StartError::Seed { key, source });
    let signing = || Ok::<_, StartError>(SigningKey::from_seed(&*seed("signing", &file.keys.signing)?));
    if own.keys.signing != Ed25519Key(signing()?.verifying_key()) {
        return Err(StartError::NotRegistered { key: "signing" });
    }
    let db = tacit_authority::store::open(&file.database).await?;
    let consents = ConsentAuthority::new(
        AuthorityConfig { member: file.member.clone(), log_key: log_key.clone(), deadlines },
        AuthorityKeys { signing: signing()?, blind: seed("blind", &file.keys.blind)? },
        Arc::clone(&registry),
        coordinator.clone(),
        custodian.clone(),
        Arc::clone(&around.clock),
    );
    let requester = Requester::new(
        RequesterConfig { member: file.member.clone(), log_key, deadlines },
        RequesterKeys { signing: signing()?, store: seed("store", &file.keys.store)? },
        registry,
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
    let handle = authority.registry_handle();
    let serving = tokio::spawn(async move {
        let background = [tokio::spawn(follow_registry(source, handle)), tokio::spawn(recover(requester))];
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

/// Takes a newer registry over when the coordinator has one.
async fn follow_registry(source: RegistrySource, handle: RegistryHandle) {
    let mut known = None;
    loop {
        match source.refresh().await {
            Ok(registry) if known != Some(registry.hash()) => {
                known = Some(registry.hash());
                tracing::info!(number = registry.number(), "registry in use");
                handle.set(registry);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, reason = %error.reason(), "the registry is not renewed"),
        }
        tokio::time::sleep(REGISTRY_EVERY).await;
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
