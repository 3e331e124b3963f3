//! Authorize until it is known what the coordinator made of a request.

use std::sync::Arc;

use tacit_ledger::quorum::CosignedCheckpoint;
use tacit_model::Reason;
use tacit_wire::coordinator::authorization_service_client::AuthorizationServiceClient;
use tacit_wire::coordinator::{
    AuthorizeRequest, AuthorizeResponse, Authorized, RecallRequest, authorize_response,
};
use tonic::Status;

use crate::connections::MAX_MESSAGE;
use crate::question::Refusal;
use crate::requester::Requester;
use crate::retry::{self, Patience, is_passing};
use crate::round::Round;

/// Until when a request is sent again, in milliseconds after it was made: the coordinator takes it for 30 s.
const SEND_MS: u64 = 24_000;

/// What became of a request.
pub(crate) enum Taken {
    /// The coordinator decided each check; with what a quorum stood behind when it was asked.
    Answer(Authorized, Arc<CosignedCheckpoint>),
    /// It took nothing of it up.
    Refused(Refusal),
    /// It never saw it, and by now it would be too old.
    Never,
    /// Not known: the coordinator cannot be reached.
    Unknown(Reason),
}

impl Requester {
    /// Sends the same bytes until they are answered; once they are too old, asks what became of them.
    pub(crate) async fn authorize(&self, round: &Round) -> Taken {
        let mut patience = Patience::new(self.deadlines());
        let mut uncertain = false;
        loop {
            let is_fresh = self.now().since(round.asked) < SEND_MS;
            // Without a quorum nothing is asked.
            let quorum = match self.witnessed().quorum().await {
                Ok(quorum) => quorum,
                Err(error) if uncertain => return Taken::Unknown(error.reason()),
                Err(error) => {
                    tracing::warn!(%error, "nothing is asked");
                    return Taken::Refused(error.to_refusal());
                }
            };
            let size = quorum.checkpoint().size();
            // What was refused without a doubt before may have been taken up by the try before that.
            let outcome = if is_fresh {
                self.send(&patience, round, size).await
            } else {
                self.recall_with(&patience, round.hash, size).await
            };
            let status = match outcome {
                Ok(Some(response)) => return taken(response, quorum),
                Ok(None) => return Taken::Never,
                Err(status) => status,
            };
            tracing::debug!(code = ?status.code(), is_fresh, "authorization is not answered yet");
            if !is_passing(&status) && !uncertain {
                return Taken::Refused(retry::reason(&status).into());
            }
            uncertain = true;
            if !patience.pause().await {
                return Taken::Unknown(retry::reason(&status));
            }
        }
    }

    async fn send(
        &self,
        patience: &Patience,
        round: &Round,
        cosigned_size: u64,
    ) -> Result<Option<AuthorizeResponse>, Status> {
        let mut coordinator = AuthorizationServiceClient::new(self.connections().coordinator())
            .max_decoding_message_size(MAX_MESSAGE);
        let request = AuthorizeRequest { cosigned_size, ..round.request.clone() };
        let answer =
            patience.once(request, |request| async move { coordinator.authorize(request).await }).await?;
        Ok(Some(answer.into_inner()))
    }

    /// Asks what became of a request; `None` when it was never taken up.
    pub(crate) async fn recall_with(
        &self,
        patience: &Patience,
        hash: [u8; 32],
        cosigned_size: u64,
    ) -> Result<Option<AuthorizeResponse>, Status> {
        let mut coordinator = AuthorizationServiceClient::new(self.connections().coordinator())
            .max_decoding_message_size(MAX_MESSAGE);
        let request = RecallRequest { request_hash: bytes::Bytes::copy_from_slice(&hash), cosigned_size };
        let answer =
            patience.once(request, |request| async move { coordinator.recall(request).await }).await?;
        Ok(answer.into_inner().response)
    }
}

fn taken(response: AuthorizeResponse, quorum: Arc<CosignedCheckpoint>) -> Taken {
    match response.outcome {
        Some(authorize_response::Outcome::Authorized(authorized)) => Taken::Answer(authorized, quorum),
        Some(authorize_response::Outcome::Refusal(refusal)) => Taken::Refused((&refusal).into()),
        None => Taken::Refused(Reason::Unavailable.into()),
    }
}
