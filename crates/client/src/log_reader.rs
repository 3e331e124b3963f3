//! The whole log, read and verified record by record: for auditors, and for everybody who doubts.

use std::collections::BTreeMap;

use bytes::Bytes;
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_ledger::merkle::{Frontier, leaf_hash};
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::quorum::{CosignedCheckpoint, WitnessSet};
use tacit_ledger::record::{Record, RecordError};
use tacit_wire::chunks32;
use tacit_wire::coordinator::log_service_client::LogServiceClient;
use tacit_wire::coordinator::{
    GetCheckpointRequest, GetConsistencyRequest, GetEntriesRequest, GetEntriesResponse,
};
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::records::LogKey;
use crate::retry::{self, Deadlines, Patience, is_passing};

/// Most hashes of a consistency proof.
const MAX_PROOF: usize = 130;

/// Reads a log. The entries need an auditor's certificate.
#[derive(Debug, Clone)]
pub struct LogReader {
    client: LogServiceClient<Channel>,
    key: LogKey,
    deadlines: Deadlines,
}

/// One record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Leaf index.
    pub index: u64,
    /// Exact bytes.
    pub bytes: Bytes,
    /// What they say, strictly read.
    pub record: Result<Record, RecordError>,
}

/// A log whose records give the root that its operator signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLog {
    /// The checkpoint, a signed note.
    pub checkpoint: Vec<u8>,
    /// Number of records.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Number of records by kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

/// What is wrong with a log; the operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum LogFinding {
    /// A record is not in the form of records.
    #[error("record {index}: {problem}")]
    Malformed {
        /// Leaf index.
        index: u64,
        /// What is wrong.
        problem: RecordError,
    },
    /// The records are not those that were signed: one was changed, left out or put in.
    #[error("the {size} records do not give the signed root")]
    OtherRoot {
        /// Number of records.
        size: u64,
    },
    /// The log could not be read to its end.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl LogReader {
    /// Reads the log behind `coordinator` under its pinned key.
    #[must_use]
    pub fn new(coordinator: Channel, key: NoteVerifier, deadlines: Deadlines) -> Self {
        let client = LogServiceClient::new(coordinator).max_decoding_message_size(MAX_MESSAGE);
        Self { client, key: LogKey::new(key), deadlines }
    }

    /// The newest checkpoint, its signature verified.
    ///
    /// # Errors
    /// No answer, or a false signature.
    pub async fn checkpoint(&self) -> Result<VerifiedCheckpoint, ClientError> {
        let response = retry::call(Party::Coordinator, &self.deadlines, GetCheckpointRequest {}, |request| {
            let mut client = self.client.clone();
            async move { client.get_checkpoint(request).await }
        })
        .await?;
        self.key.open(&response.checkpoint)
    }

    /// The newest checkpoint that a quorum of the witnesses stands behind, at most ten minutes before `now_s`, in
    /// seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`ClientError::Quorum`] when there is none; no answer, or a false signature.
    pub async fn cosigned(
        &self,
        witnesses: &WitnessSet,
        now_s: u64,
    ) -> Result<CosignedCheckpoint, ClientError> {
        let response = retry::call(Party::Coordinator, &self.deadlines, GetCheckpointRequest {}, |request| {
            let mut client = self.client.clone();
            async move { client.get_checkpoint(request).await }
        })
        .await?;
        if response.cosigned.is_empty() {
            return Err(ClientError::none_of(witnesses));
        }
        let cosigned = witnesses.open(&response.cosigned, self.key.verifier(), now_s)?;
        cosigned.check_fresh(now_s)?;
        Ok(cosigned)
    }

    /// Proves that the log still begins with all of an older checkpoint, and returns the newest.
    ///
    /// # Errors
    /// [`ClientError::Log`] when it does not: the two notes are evidence.
    pub async fn extends(&self, older: &VerifiedCheckpoint) -> Result<VerifiedCheckpoint, ClientError> {
        if older.size() == 0 {
            return self.checkpoint().await;
        }
        let request = GetConsistencyRequest { from_size: older.size(), to_size: 0 };
        let response = retry::call(Party::Coordinator, &self.deadlines, request, |request| {
            let mut client = self.client.clone();
            async move { client.get_consistency(request).await }
        })
        .await?;
        let newest = self.key.open(&response.checkpoint)?;
        let proof = chunks32("consistency", &response.consistency, MAX_PROOF)
            .map_err(ClientError::malformed(Party::Coordinator))?;
        newest.verify_extends(older, &proof)?;
        Ok(newest)
    }

    /// Hands `count` records from `start` on to `each`, in order, going on after a broken connection. `each` ends the
    /// reading by returning an error.
    ///
    /// # Errors
    /// What `each` returns, or no answer.
    pub async fn entries<E: From<ClientError>>(
        &self,
        start: u64,
        count: u64,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = start.saturating_add(count);
        let mut next = start;
        let mut patience = Patience::new(&self.deadlines);
        while next < end {
            let begun = next;
            let status = match self.some_entries(&mut next, end, &mut each).await {
                Ok(()) => continue,
                Err(Ended::By(error)) => return Err(error),
                Err(Ended::Status(status)) => status,
            };
            if next > begun {
                patience = Patience::new(&self.deadlines);
            }
            if !is_passing(&status) || !patience.pause().await {
                let reason = retry::reason(&status);
                return Err(ClientError::NoAnswer { party: Party::Coordinator, reason }.into());
            }
        }
        Ok(())
    }

    async fn some_entries<E: From<ClientError>>(
        &self,
        next: &mut u64,
        end: u64,
        each: &mut impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), Ended<E>> {
        let mut client = self.client.clone();
        let request = GetEntriesRequest { start: *next, count: end - *next };
        // A long log takes long: no deadline for the stream, one for each message.
        let mut stream: Streaming<GetEntriesResponse> =
            client.get_entries(Request::new(request)).await.map_err(Ended::Status)?.into_inner();
        let patience = Patience::new(&self.deadlines);
        while *next < end {
            let message = patience.once((), |_| stream.message()).await.map_err(Ended::Status)?;
            let Some(message) = message else {
                return Err(Ended::Status(tonic::Status::unavailable("the stream ended early")));
            };
            if message.start != *next || message.records.is_empty() {
                return Err(Ended::By(ClientError::missing(Party::Coordinator, "records").into()));
            }
            for bytes in message.records.into_iter().take(usize::try_from(end - *next).unwrap_or(usize::MAX))
            {
                let record = Record::parse(&bytes);
                each(Entry { index: *next, bytes, record }).map_err(Ended::By)?;
                *next += 1;
            }
        }
        Ok(())
    }

    /// Reads the log up to its newest checkpoint, and verifies all of it: every record in its form, and the root over
    /// them the signed one. `progress` gets (read, of all) from time to time.
    ///
    /// # Errors
    /// [`LogFinding`].
    pub async fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<VerifiedLog, LogFinding> {
        let checkpoint = self.checkpoint().await?;
        let size = checkpoint.size();
        let mut frontier = Frontier::new();
        let mut kinds = BTreeMap::new();
        let mut malformed = None;
        self.entries(0, size, |entry| -> Result<(), ClientError> {
            frontier.push(leaf_hash(&entry.bytes));
            match entry.record {
                Ok(record) => *kinds.entry(record.kind()).or_insert(0) += 1,
                Err(problem) => {
                    malformed.get_or_insert((entry.index, problem));
                }
            }
            if entry.index.is_multiple_of(1024) {
                progress(entry.index, size);
            }
            Ok(())
        })
        .await?;
        progress(size, size);
        if let Some((index, problem)) = malformed {
            return Err(LogFinding::Malformed { index, problem });
        }
        if frontier.root() != *checkpoint.root() {
            return Err(LogFinding::OtherRoot { size });
        }
        Ok(VerifiedLog { checkpoint: checkpoint.note().to_vec(), size, root: frontier.root(), kinds })
    }
}

enum Ended<E> {
    By(E),
    Status(tonic::Status),
}
