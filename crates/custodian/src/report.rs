//! Reports to the log how many subjects each requester enrolled, so that the coordinator cannot hide or invent any.

use std::time::Duration;

use tacit_ledger::record::Record;
use tacit_model::Reason;
use tacit_store::Db;
use tacit_wire::coordinator::ReportEnrollmentRequest;
use tacit_wire::coordinator::log_service_client::LogServiceClient;
use tacit_witness::Witness;
use tonic::transport::Channel;

use crate::store::enrollment::{Unreported, reported, unreported};

/// Deadline of one report.
const DEADLINE: Duration = Duration::from_secs(20);

/// Why a count is not known to be in the log; it is reported again.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error("database: {0}")]
    Store(#[from] tacit_store::StoreError),
    #[error("coordinator: {0}")]
    Coordinator(#[from] Box<tonic::Status>),
    #[error("the coordinator did not prove that the count is in the log: {}", .0.meaning())]
    NotLogged(Reason),
    #[error("the coordinator logged another count")]
    OtherCount,
}

/// What reporting needs.
pub(crate) struct Reporter {
    pub(crate) coordinator: Channel,
    pub(crate) witness: Witness,
    pub(crate) db: Db,
    /// The custodian's own name, as the record must have it.
    pub(crate) own_id: String,
}

impl Reporter {
    /// Reports what rose, at once and then for ever.
    pub(crate) async fn run(self, every: Duration) {
        loop {
            match self.report_all().await {
                Ok(()) => {}
                Err(ReportError::Coordinator(status)) => {
                    tracing::warn!(%status, "enrollment counts are not reported")
                }
                Err(error) => tracing::error!(%error, "enrollment counts are not reported"),
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn report_all(&self) -> Result<(), ReportError> {
        let counts = unreported(&mut *self.db.read().await?).await?;
        for count in counts {
            self.report(&count).await?;
            reported(&mut *self.db.write().await?, &count).await?;
            tracing::info!(
                requester = count.requester,
                epoch = count.epoch,
                count = count.subjects,
                "an enrollment count is in the log"
            );
        }
        Ok(())
    }

    async fn report(&self, count: &Unreported) -> Result<(), ReportError> {
        let mut request = tonic::Request::new(ReportEnrollmentRequest {
            requester: count.requester.clone(),
            epoch: count.epoch,
            count: count.subjects,
        });
        request.set_timeout(DEADLINE);
        let answer = LogServiceClient::new(self.coordinator.clone())
            .report_enrollment(request)
            .await
            .map_err(Box::new)?;
        let answer = answer.into_inner();
        let record = answer.record.ok_or(ReportError::NotLogged(Reason::Malformed))?;
        let verified =
            self.witness.verify(&answer.checkpoint, &[record]).await.map_err(ReportError::NotLogged)?;
        let verified = verified.into_iter().next().ok_or(ReportError::OtherCount)?;
        match verified.map_err(ReportError::NotLogged)?.into_record() {
            Record::Enrollment(logged)
                if logged.custodian == self.own_id
                    && logged.requester == count.requester
                    && logged.epoch == count.epoch
                    && logged.count == count.subjects =>
            {
                Ok(())
            }
            _ => Err(ReportError::OtherCount),
        }
    }
}
