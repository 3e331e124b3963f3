//! GetRegistry.

use tacit_identity::Role;
use tacit_model::Reason;
use tacit_store::StoreError;
use tacit_wire::{
    common,
    coordinator::{self as pb, registry_service_server::RegistryService},
};
use tonic::{Request, Response, Status};

use super::{Service, Shared, malformed, parts, store_trouble};
use crate::{
    caller::caller,
    store::registries::{self, StoredRegistry},
};

#[tonic::async_trait]
impl RegistryService for Service {
    async fn get_registry(
        &self,
        request: Request<pb::GetRegistryRequest>,
    ) -> Result<Response<pb::GetRegistryResponse>, Status> {
        let shared = &self.0;
        caller(&request, &shared.registry(), &Role::ALL)?;
        let (message, metadata) = parts(request);
        let in_force = shared.versions.in_force();
        let mut response = pb::GetRegistryResponse {
            in_force_number: in_force.registry.number(),
            in_force_hash: in_force.registry.hash().to_vec().into(),
            ..Default::default()
        };
        let problem = |field, problem| malformed(&tacit_wire::Malformed { field, problem }, &metadata);
        let asked = [message.number != 0, !message.hash.is_empty(), message.after != 0];
        if asked.iter().filter(|asked| **asked).count() > 1 {
            return Err(problem("number", "only one of number, hash and after may be given"));
        }
        if message.after != 0 && message.after >= response.in_force_number {
            return Ok(Response::new(response));
        }
        let found = async {
            let mut conn = shared.db.read().await?;
            if message.number != 0 {
                registries::by_number(&mut conn, message.number).await
            } else if message.after != 0 {
                registries::next_counted(&mut conn, message.after).await
            } else {
                let hash = match message.hash.len() {
                    0 => in_force.registry.hash(),
                    _ => message.hash.as_ref().try_into().unwrap_or_default(),
                };
                registries::by_hash(&mut conn, &hash).await
            }
        };
        let trouble = |error: StoreError| store_trouble(&error, &metadata);
        // What does not count yet is nothing that a member could use.
        let found = found.await.map_err(trouble)?.filter(|found| found.logged.counted.is_some());
        let found = found.ok_or_else(|| tacit_wire::trouble(Reason::NotFound, &metadata))?;
        let (record, checkpoint) = shared.proven_version(&found).await.map_err(trouble)?;
        response.registry = found.bytes.into();
        (response.record, response.checkpoint) = (Some(record), checkpoint);
        Ok(Response::new(response))
    }
}

impl Shared {
    /// The record of a version, under the checkpoint by which it counts.
    async fn proven_version(
        &self,
        version: &StoredRegistry,
    ) -> Result<(common::LoggedRecord, bytes::Bytes), StoreError> {
        let index = version.logged.log_index;
        let Some(cosigned) = &version.cosigned else { return self.logged(index).await };
        let checkpoint =
            tacit_ledger::checkpoint::VerifiedCheckpoint::open(cosigned, self.log.signer().verifier());
        let checkpoint = checkpoint.map_err(|_| {
            StoreError::corrupt("registry_version", "cosigned", version.logged.number, "does not verify")
        })?;
        if checkpoint.size() > self.log.head().size() {
            // Another replica appended.
            self.log.refresh().await?;
        }
        let record = self.log.records(&[index]).await?.pop();
        let record = record.ok_or_else(|| StoreError::corrupt("log_entry", "idx", index, "is missing"))?;
        let path = self.log.inclusion(&[index], checkpoint.size()).await?.pop().unwrap_or_default();
        let path = tacit_wire::concat32(&path);
        Ok((common::LoggedRecord { record: record.into(), index, path }, cosigned.clone().into()))
    }
}
