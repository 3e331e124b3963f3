//! GetRegistry.

use tacit_identity::Role;
use tacit_wire::coordinator::{self as pb, registry_service_server::RegistryService};
use tonic::{Request, Response, Status};

use super::{Service, store_trouble};
use crate::caller::caller;

#[tonic::async_trait]
impl RegistryService for Service {
    async fn get_registry(
        &self,
        request: Request<pb::GetRegistryRequest>,
    ) -> Result<Response<pb::GetRegistryResponse>, Status> {
        let shared = &self.0;
        caller(&request, &shared.registry, &Role::ALL)?;
        let (record, checkpoint) = shared
            .logged(shared.registry_index)
            .await
            .map_err(|error| store_trouble(&error, request.metadata()))?;
        let registry = shared.registry_bytes.clone();
        Ok(Response::new(pb::GetRegistryResponse { registry, record: Some(record), checkpoint }))
    }
}
