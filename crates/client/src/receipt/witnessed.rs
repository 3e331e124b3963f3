//! A receipt that is handed out gets the newest checkpoint that witnesses stand behind, when there is one.

use tacit_model::Ulid;
use tacit_wire::chunks32;
use tacit_wire::coordinator::log_service_client::LogServiceClient;
use tacit_wire::coordinator::{GetCheckpointRequest, GetConsistencyRequest};

use super::Receipt;
use crate::error::{ClientError, Party};
use crate::requester::Requester;
use crate::retry::{self, Deadlines};

/// How long the coordinator is waited for: a receipt without cosignatures is better than none.
const PATIENCE: Deadlines = Deadlines { call_ms: 2_000, patience_ms: 2_000 };
/// Most hashes of a consistency proof.
const MAX_PROOF: usize = 130;

impl Requester {
    /// The receipt of a record as it is handed out: as [`Requester::receipt`], and with the newest checkpoint that a
    /// quorum of the witnesses cosigned, if the coordinator gives one over the record within two seconds.
    ///
    /// # Errors
    /// The storage.
    pub async fn witnessed_receipt(&self, record: Ulid) -> Result<Option<Receipt>, ClientError> {
        let Some(receipt) = self.receipt(record).await? else { return Ok(None) };
        let cosigned = match self.cosigned_for(&receipt).await {
            Ok(Some(cosigned)) => cosigned,
            Ok(None) => return Ok(Some(receipt)),
            Err(error) => {
                tracing::info!(%error, "a receipt is handed out without cosignatures");
                return Ok(Some(receipt));
            }
        };
        let witnessed = receipt.clone().with_cosigned(cosigned.0, cosigned.1);
        // What does not hold is not handed out.
        match witnessed.verify(self.log_verifier(), &self.registry()) {
            Ok(_) => Ok(Some(witnessed)),
            Err(error) => {
                tracing::warn!(%error, "a receipt is handed out without cosignatures");
                Ok(Some(receipt))
            }
        }
    }

    async fn cosigned_for(
        &self,
        receipt: &Receipt,
    ) -> Result<Option<(Vec<tacit_ledger::Hash>, bytes::Bytes)>, ClientError> {
        let own = self.log().open(&receipt.checkpoint)?;
        let log = LogServiceClient::new(self.connections().coordinator());
        let newest = retry::call(Party::Coordinator, &PATIENCE, GetCheckpointRequest {}, |request| {
            let mut log = log.clone();
            async move { log.get_checkpoint(request).await }
        })
        .await?;
        if newest.cosigned.is_empty() {
            return Ok(None);
        }
        let cosigned = self.log().open(&newest.cosigned)?;
        // One that does not have the record yet says nothing about it.
        if cosigned.size() < own.size() {
            return Ok(None);
        }
        if cosigned.size() == own.size() {
            return Ok(Some((Vec::new(), newest.cosigned)));
        }
        let request = GetConsistencyRequest { from_size: own.size(), to_size: cosigned.size() };
        let proof = retry::call(Party::Coordinator, &PATIENCE, request, |request| {
            let mut log = log.clone();
            async move { log.get_consistency(request).await }
        })
        .await?;
        let consistency = chunks32("consistency", &proof.consistency, MAX_PROOF)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        Ok(Some((consistency, newest.cosigned)))
    }
}
