//! The stream of a witness: heads of the log with proofs, and what a quorum stands behind; back come cosignatures.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tacit_model::{MemberId, Reason};
use tacit_wire::coordinator::{
    CosignedCheckpoint, StreamedCheckpoint, WitnessBegin, WitnessRequest, WitnessResponse,
    witness_request::Message as Said, witness_response::Message as Say,
};
use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming, metadata::MetadataMap};

use super::{Responses, Shared, malformed, store_trouble};
use crate::witnesses::Head;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 256;

/// How long the first message may take.
const BEGIN: Duration = Duration::from_secs(10);

/// One witness on its stream.
#[derive(Clone)]
pub(super) struct WitnessStream {
    pub(super) shared: Arc<Shared>,
    pub(super) member: MemberId,
}

type Answers = mpsc::Sender<Result<WitnessResponse, Status>>;

impl WitnessStream {
    /// Hears from where it begins, and answers from there on.
    pub(super) async fn open(
        self,
        mut said: Streaming<WitnessRequest>,
        metadata: &MetadataMap,
    ) -> Result<Response<Responses<WitnessResponse>>, Status> {
        let first = tokio::time::timeout(BEGIN, said.message()).await;
        let first = first.map_err(|_| tacit_wire::trouble(Reason::Deadline, metadata))??;
        let Some(WitnessRequest { message: Some(Said::Begin(begin)) }) = first else {
            return Err(malformed(
                &tacit_wire::Malformed { field: "begin", problem: "is missing" },
                metadata,
            ));
        };
        let WitnessBegin { from_size, checkpoint } = begin;
        let begun = self.shared.witnesses.begin(from_size, &checkpoint).await;
        begun
            .map_err(|error| store_trouble(&error, metadata))?
            .map_err(|reason| tacit_wire::trouble(reason, metadata))?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(self.clone().listen(said, sender.clone()));
        tokio::spawn(self.send(from_size, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    /// Takes cosignatures until the witness goes away.
    async fn listen(self, mut said: Streaming<WitnessRequest>, answers: Answers) {
        let mut closing = self.shared.closing.subscribe();
        loop {
            let message = tokio::select! {
                () = answers.closed() => return,
                _ = closing.wait_for(|closing| *closing) => return,
                message = said.message() => message,
            };
            match message {
                Ok(Some(WitnessRequest { message: Some(Said::Cosignature(cosignature)) })) => {
                    self.shared.witnesses.cosign(&self.member, cosignature.size, cosignature.line);
                }
                // A second beginning, or of a newer version: nothing that this one needs.
                Ok(Some(_)) => {}
                // It may still read.
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Sends every head with the proof from the one sent before, and what a quorum stands behind, until the witness
    /// goes away. One that falls behind gets one proof over what it missed.
    async fn send(self, from_size: u64, answers: Answers) {
        let witnesses = &self.shared.witnesses;
        let mut closing = self.shared.closing.subscribe();
        let mut cosigned = witnesses.follow();
        cosigned.mark_changed();
        // Before the head is read, so that nothing falls between the two.
        let mut heads = witnesses.heads();
        let mut sent = from_size;
        let mut next = Some(Head { checkpoint: self.shared.log.head(), cosign: false });
        witnesses.want();
        loop {
            if let Some(head) = next.take() {
                let message = self.checkpoint(head, &mut sent).await;
                let failed = message.is_err();
                if let Some(message) = message.transpose()
                    && (answers.send(message).await.is_err() || failed)
                {
                    return;
                }
            }
            let quorum = tokio::select! {
                () = answers.closed() => return,
                _ = closing.wait_for(|closing| *closing) => return,
                head = heads.recv() => {
                    next = match head {
                        Ok(head) => Some(head),
                        Err(RecvError::Lagged(_)) => {
                            Some(Head { checkpoint: self.shared.log.head(), cosign: false })
                        }
                        Err(RecvError::Closed) => return,
                    };
                    None
                },
                changed = cosigned.changed() => match changed {
                    Ok(()) => cosigned.borrow_and_update().clone(),
                    Err(_) => return,
                },
            };
            if let Some(quorum) = quorum {
                let checkpoint = Bytes::copy_from_slice(quorum.checkpoint().note());
                let message = Say::Cosigned(CosignedCheckpoint { checkpoint });
                if answers.send(Ok(WitnessResponse { message: Some(message) })).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The message about a head; none for one that was sent, unless it is to be cosigned again.
    async fn checkpoint(&self, head: Head, sent: &mut u64) -> Result<Option<WitnessResponse>, Status> {
        let Head { checkpoint, cosign } = head;
        let size = checkpoint.size();
        if size < *sent || size == 0 || (size == *sent && !cosign) {
            return Ok(None);
        }
        let proof = match *sent {
            0 => Vec::new(),
            same if same == size => Vec::new(),
            older => {
                let proof = self.shared.log.consistency(older, size).await;
                proof.map_err(|error| store_trouble(&error, &MetadataMap::new()))?
            }
        };
        let message = StreamedCheckpoint {
            checkpoint: Bytes::copy_from_slice(checkpoint.note()),
            consistency: tacit_wire::concat32(&proof),
            from_size: std::mem::replace(sent, size),
            cosign,
        };
        Ok(Some(WitnessResponse { message: Some(Say::Checkpoint(message)) }))
    }
}
