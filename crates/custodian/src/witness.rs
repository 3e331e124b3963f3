//! WitnessService: what this custodian witnesses of the log, for members that were restored from a backup.

use tacit_identity::Role;
use tacit_wire::custodian::witness_service_server::WitnessService;
use tacit_wire::custodian::{GetCosignedRequest, GetCosignedResponse};
use tacit_witness::Witness;
use tonic::{Request, Response, Status};

use crate::caller::Call;

/// The service.
#[derive(Clone)]
pub(crate) struct Cosigned {
    pub(crate) witness: Witness,
}

#[tonic::async_trait]
impl WitnessService for Cosigned {
    async fn get_cosigned(
        &self,
        request: Request<GetCosignedRequest>,
    ) -> Result<Response<GetCosignedResponse>, Status> {
        Call::of("GetCosigned", &request, &[Role::Node])?;
        Ok(Response::new(GetCosignedResponse { checkpoint: self.witness.cosigned() }))
    }
}
