//! Starts a custodian.

use std::sync::Arc;

use tacit_custodian::{Config, Custodian};
use tacit_identity::Role;
use tokio::sync::oneshot;

use super::{Running, StartError, Surroundings, credentials, listen};
use crate::config::CustodianFile;

pub(super) async fn start(file: CustodianFile, around: &Surroundings) -> Result<Running, StartError> {
    // Before anything else, so that a wrong certificate is told by its place in the file.
    credentials(&file.tls, &file.federation, Role::Custodian, &file.member, &around.clock)?;
    let custodian = Custodian::start(Config::from(&file), Arc::clone(&around.clock)).await?;
    let credentials = custodian.credentials().clone();
    let listener = listen(file.listen, &credentials, &around.sockets).await?;
    let address = listener.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        custodian
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
        does: "pseudonym keys, mirror of sealed lists".to_owned(),
        credentials,
        gateway: None,
        stop: Some(stop),
        serving,
    })
}
