//! GetRegistry.

use tacit_identity::Role;
use tacit_wire::coordinator::{self as pb, registry_service_server::RegistryService};
use tonic::{Request, Response, Status};

use super::{Service, store_trouble};
use crate::{caller::caller, store::manifests};

#[tonic::async_trait]
impl RegistryService for Service {
    async fn get_registry(
        &self,
        request: Request<pb::GetRegistryRequest>,
    ) -> Result<Response<pb::GetRegistryResponse>, Status> {
        let shared = &self.0;
        caller(&request, &shared.registry, &Role::ALL)?;
        let found = async {
            let mut conn = shared.db.read().await?;
            let index = manifests::registry_index(&mut conn, &shared.registry.hash()).await?;
            drop(conn);
            shared.logged(index.unwrap_or_default()).await
        };
        let (record, checkpoint) = found.await.map_err(|error| store_trouble(&error, request.metadata()))?;
        let registry = shared.registry_bytes.to_vec().into();
        Ok(Response::new(pb::GetRegistryResponse {
            registry,
            record: Some(record),
            checkpoint: checkpoint.into(),
        }))
    }
}
