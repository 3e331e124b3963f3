//! Starts a coordinator.

use std::sync::Arc;

use tacit_coordinator::{Coordinator, CoordinatorDeps};
use tacit_identity::Role;
use tacit_ledger::{ed25519::SigningKey, note::NoteSigner};
use tacit_policy::Registry;
use tokio::sync::oneshot;

use super::{Running, StartError, Surroundings, credentials, listen, read_seed};
use crate::config::CoordinatorFile;

pub(super) async fn start(file: CoordinatorFile, around: &Surroundings) -> Result<Running, StartError> {
    let credentials =
        credentials(&file.tls, &file.federation, Role::Coordinator, &file.member, &around.clock)?;
    let seed = read_seed(&file.keys.log).map_err(|source| StartError::Seed { key: "log", source })?;
    let log_key = SigningKey::from_seed(&seed);
    if log_key.verifying_key() != file.pins.log.0 {
        return Err(StartError::OtherKey { key: "log", pin: "log" });
    }
    let log_signer = NoteSigner::new(&format!("{}/log", file.member), log_key)?;
    let registry_bytes = tokio::fs::read(&file.registry)
        .await
        .map_err(|source| StartError::RegistryFile { path: file.registry.clone(), source })?;
    let pins = file.pins.for_registry(&file.federation);
    let registry = Registry::parse(&registry_bytes, &pins)?;
    if *registry.coordinator() != file.member {
        return Err(StartError::OtherCoordinator { found: registry.coordinator().clone() });
    }
    let coordinator = Coordinator::start(CoordinatorDeps {
        database: file.database,
        erasures: file.erasures,
        registry: Arc::new(registry),
        registry_bytes: registry_bytes.into(),
        pins,
        log_signer,
        clock: Arc::clone(&around.clock),
        limits: file.limits,
    })
    .await?;
    let listener = listen(file.listen, &credentials, &around.sockets).await?;
    let address = listener.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        coordinator
            .serve(listener, async {
                // A dropped sender means the same.
                let _ = stopped.await;
            })
            .await
            .map_err(StartError::from)
    });
    Ok(Running {
        spiffe: credentials.spiffe().clone(),
        address,
        does: "registry, enrollment, authorization, consent, log".to_owned(),
        credentials,
        gateway: None,
        stop: Some(stop),
        serving,
    })
}
