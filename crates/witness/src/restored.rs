//! After a restore from a backup: what this member has witnessed since the backup is unknown here, so it catches up
//! with others before it says anything again.

use std::{sync::Arc, time::Duration};

use tacit_model::{Millis, Reason};
use tacit_wire::custodian::{GetCosignedRequest, witness_service_client::WitnessServiceClient};
use tonic::transport::Channel;

use crate::{Shared, grow::Brought, quorum::has_waited};

/// Pause between two attempts.
const EVERY: Duration = Duration::from_secs(1);

/// Deadline of one question to another member.
const DEADLINE: Duration = Duration::from_secs(5);

/// Catches up with others, then ends the wait.
pub(crate) async fn catch_up(shared: Arc<Shared>, peers: Vec<Channel>, restored: Millis) {
    // The coordinator's stream brings what others cosigned too; where there is nobody else to ask, it has to do.
    let mut caught_up = peers.is_empty();
    loop {
        for peer in &peers {
            match shared.learn_from(peer).await {
                Ok(()) => caught_up = true,
                Err(reason) => tracing::warn!(%reason, "another member's checkpoint could not be taken"),
            }
        }
        let stream = shared.newest().is_some();
        if caught_up && stream && has_waited(restored, shared.clock.now()) && shared.end_wait().await {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Shared {
    async fn learn_from(&self, peer: &Channel) -> Result<(), Reason> {
        let mut request = tonic::Request::new(GetCosignedRequest {});
        request.set_timeout(DEADLINE);
        let mut client = WitnessServiceClient::new(peer.clone());
        let asked = tokio::time::timeout(DEADLINE, client.get_cosigned(request)).await;
        let answer = asked
            .map_err(|_| Reason::Deadline)?
            .map_err(|status| tacit_wire::reason_of(&status).unwrap_or(Reason::Unavailable))?;
        let note = answer.into_inner().checkpoint;
        if note.is_empty() {
            return Err(Reason::LogBehind);
        }
        let checkpoint = self.opener.open(&note).map_err(|_| Reason::PermitNotLogged)?;
        self.agree(&checkpoint, Brought::ByOther).await
    }

    async fn end_wait(&self) -> bool {
        let ended = async {
            let mut conn = self.db.write().await?;
            tacit_store::witness::mark_restored(&mut conn, None).await
        };
        match ended.await {
            Ok(()) => {
                tracing::info!("caught up after the restore; permits are answered again");
                self.restored.send_replace(None);
                true
            }
            Err(error) => {
                tracing::error!(%error, "the end of the wait after the restore could not be saved");
                false
            }
        }
    }
}
