//! Witnesses, as the coordinator sees them.

use tacit_ledger::{checkpoint::VerifiedCheckpoint, cosignature::CosignatureSigner};
use tacit_model::{Clock as _, ManualClock};
use tacit_wire::coordinator::{
    self as pb, log_service_client::LogServiceClient, witness_request::Message as Say,
    witness_response::Message as Hear,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{key, log_key};

/// Who is named as witness; two of them are a quorum.
pub(crate) const WITNESSES: [&str; 3] = ["court", "customs", "custodian"];

/// A witness' stream.
#[derive(Debug)]
pub(crate) struct Stream {
    says: mpsc::UnboundedSender<pb::WitnessRequest>,
    hears: Streaming<pb::WitnessResponse>,
}

impl Stream {
    /// From this checkpoint on.
    pub(crate) async fn open(channel: Channel, from: Option<&VerifiedCheckpoint>) -> Result<Self, Status> {
        let size = from.map_or(0, VerifiedCheckpoint::size);
        Self::claim(channel, size, from.map_or(Vec::new(), |from| from.note().to_vec())).await
    }

    /// From this size on, with whatever is to prove it.
    pub(crate) async fn claim(channel: Channel, from_size: u64, note: Vec<u8>) -> Result<Self, Status> {
        let (says, requests) = mpsc::unbounded_channel();
        let begin = Say::Begin(pb::WitnessBegin { from_size, checkpoint: note.into() });
        says.send(pb::WitnessRequest { message: Some(begin) }).unwrap();
        let requests = UnboundedReceiverStream::new(requests);
        let hears = LogServiceClient::new(channel).witness(requests).await?.into_inner();
        Ok(Self { says, hears })
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Option<Hear> {
        self.hears.message().await.ok().flatten().map(|message| message.message.unwrap())
    }

    /// The next checkpoint, whatever else comes before it.
    pub(crate) async fn checkpoint(&mut self) -> pb::StreamedCheckpoint {
        loop {
            if let Hear::Checkpoint(checkpoint) = self.hear().await.unwrap() {
                return checkpoint;
            }
        }
    }

    /// Reads to the end, which is a proper one.
    pub(crate) async fn ended(&mut self) {
        while self.hears.message().await.unwrap().is_some() {}
    }

    pub(crate) fn say(&self, size: u64, line: String) {
        let cosignature = Say::Cosignature(pb::WitnessCosignature { size, line });
        // The coordinator may have ended.
        let _ = self.says.send(pb::WitnessRequest { message: Some(cosignature) });
    }

    /// Cosigns what it is asked to, until the coordinator ends.
    pub(crate) async fn cosign_all(mut self, member: &'static str, clock: ManualClock) {
        while let Some(message) = self.hear().await {
            if let Hear::Checkpoint(message) = message
                && message.cosign
            {
                let checkpoint = VerifiedCheckpoint::open(&message.checkpoint, &log_key()).unwrap();
                self.say(checkpoint.size(), cosign(member, &checkpoint, clock.now().0 / 1000));
            }
        }
    }
}

/// The line of a witness.
pub(crate) fn cosign(member: &str, checkpoint: &VerifiedCheckpoint, time_s: u64) -> String {
    let name = format!("{member}/witness");
    CosignatureSigner::new(&name, key(&name)).unwrap().cosign(checkpoint, time_s).unwrap()
}
