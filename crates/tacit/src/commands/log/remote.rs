//! The log at the coordinator: records by gRPC, tiles over HTTPS, and what both prove together.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    body::to_bytes,
    http::{Request, StatusCode},
};
use serde_json::Value;
use tacit_client::{ClientError, Entry, LogReader};
use tacit_federation::{
    config::{AuditorFile, Environment, RoleFile as _},
    connect::Caller,
    registry::RegistrySource,
};
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    layout::{LogFile, YEARS},
    logged::LoggedRecord,
    note::NoteVerifier,
    quorum::{CosignedCheckpoint, QuorumError, WitnessSet},
    shard::{YearStart, parse_years},
    tree::{TreeError, TreeView},
};
use tacit_model::{Millis, Reason, SystemClock};
use tonic::{body::Body, client::GrpcService as _, transport::Channel};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::DEADLINES,
};

/// Longest file of a log: a bundle of 256 records of 64 KiB.
const FILE_MAX: usize = 17 << 20;
/// The party in words.
const COORDINATOR: &str = "the coordinator";

/// Where the log stands.
#[derive(Debug)]
pub(in crate::commands) struct Heads {
    /// The newest checkpoint that the log signed.
    pub(in crate::commands) newest: VerifiedCheckpoint,
    /// The newest one that a quorum stands behind, when there is one of the last ten minutes.
    pub(in crate::commands) cosigned: Option<CosignedCheckpoint>,
    /// Who may stand behind it.
    pub(in crate::commands) witnesses: WitnessSet,
}

impl Heads {
    /// The newest cosigned checkpoint that has at least so many records, or else the newest of all.
    pub(in crate::commands) fn of_at_least(&self, size: u64) -> &VerifiedCheckpoint {
        let cosigned = self.cosigned.as_ref().map(CosignedCheckpoint::checkpoint);
        cosigned.filter(|checkpoint| checkpoint.size() >= size).unwrap_or(&self.newest)
    }
}

/// The log at the coordinator, as an auditor reaches it.
#[derive(Debug)]
pub(in crate::commands) struct Remote {
    /// Reads records.
    pub(in crate::commands) reader: LogReader,
    /// The auditor's configuration.
    pub(in crate::commands) file: AuditorFile,
    /// The pinned key of the log.
    pub(in crate::commands) key: NoteVerifier,
    channel: Channel,
}

impl Remote {
    /// From an auditor's configuration; connects at the first call.
    pub(in crate::commands) fn open(context: &Context, config: &Path) -> Result<Self, Failure> {
        let file = AuditorFile::load(config, Environment::Read)?;
        let caller = Caller::new(&file.federation, &file.tls, &file.coordinator, &file.pins, &context.clock)?;
        let (channel, key) = (caller.coordinator, caller.log_key);
        let reader = LogReader::new(channel.clone(), key.clone(), DEADLINES);
        Ok(Self { reader, file, key, channel })
    }

    /// One record.
    pub(in crate::commands) async fn entry(&self, index: u64) -> Result<Entry, Failure> {
        let mut found = None;
        let keep = |entry| {
            found = Some(entry);
            Ok::<_, ClientError>(())
        };
        self.reader.entries(index, 1, keep).await?;
        found.ok_or_else(|| Failure::trouble(format!("{COORDINATOR} does not have record {index}")))
    }

    /// The proof that this record is in the log of this checkpoint, made from tiles and verified.
    pub(in crate::commands) async fn prove(
        &self,
        entry: &Entry,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<LoggedRecord, Failure> {
        let (index, size) = (entry.index, checkpoint.size());
        let mut tree = TreeView::new(size).map_err(contradiction)?;
        for id in tree.missing_for_inclusion([index], size).map_err(contradiction)? {
            let hashes = self.get(LogFile::Tile(id, id.width_at(size))).await?;
            tree.insert(id, &hashes).map_err(contradiction)?;
        }
        let logged = LoggedRecord {
            record: entry.bytes.to_vec(),
            index,
            inclusion: tree.inclusion(index, size).map_err(contradiction)?,
            checkpoint: checkpoint.note().to_vec(),
        };
        logged.verify(&self.key).map_err(|error| {
            Failure::trouble(format!("record {index} is not proven"))
                .why(error)
                .reason(Reason::LogInconsistent)
        })?;
        Ok(logged)
    }

    /// The newest checkpoints.
    pub(in crate::commands) async fn heads(&self, now: Millis) -> Result<Heads, Failure> {
        let witnesses = self.witnesses().await?;
        let cosigned = match self.reader.cosigned(&witnesses, now.0 / 1000).await {
            Ok(cosigned) => Some(cosigned),
            // Lost for a while, or the log has just begun.
            Err(ClientError::Quorum(QuorumError::TooFew { .. } | QuorumError::Stale { .. })) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Heads { newest: self.reader.checkpoint().await?, cosigned, witnesses })
    }

    /// The witnesses of the newest registry.
    async fn witnesses(&self) -> Result<WitnessSet, Failure> {
        let pins = self.file.pins.for_registry(&self.file.federation);
        let (channel, kept) = (self.channel.clone(), self.file.registry.clone());
        let clock = Arc::new(SystemClock);
        let source = RegistrySource::new(channel, self.key.clone(), pins, kept, DEADLINES, clock);
        let registry = source.newest().await?;
        registry.witnesses().map_err(Failure::internal)
    }

    /// Whether the log of one checkpoint begins with that of another, proven from tiles.
    pub(in crate::commands) async fn extends(
        &self,
        earlier: &VerifiedCheckpoint,
        newest: &VerifiedCheckpoint,
    ) -> Result<bool, Failure> {
        let (old, new) = (earlier.size(), newest.size());
        if old == 0 {
            return Ok(true);
        }
        let mut tree = TreeView::new(new).map_err(contradiction)?;
        for id in tree.missing_for_consistency(old, new).map_err(contradiction)? {
            let hashes = self.get(LogFile::Tile(id, id.width_at(new))).await?;
            tree.insert(id, &hashes).map_err(contradiction)?;
        }
        let proof = tree.consistency(old, new).map_err(contradiction)?;
        Ok(newest.verify_extends(earlier, &proof).is_ok())
    }

    /// Where the years begin that have one of the first `size` records, as the coordinator says.
    pub(in crate::commands) async fn years(&self, size: u64) -> Result<Vec<YearStart>, Failure> {
        let text = String::from_utf8(self.get_file(YEARS).await?).unwrap_or_default();
        let mut years = parse_years(&text).map_err(|error| {
            Failure::trouble(format!("{COORDINATOR} does not say where the years begin")).why(error)
        })?;
        years.retain(|start| start.first_index < size);
        Ok(years)
    }

    /// A file of the log.
    pub(in crate::commands) async fn get(&self, file: LogFile) -> Result<Vec<u8>, Failure> {
        self.get_file(&file.path()).await
    }

    async fn get_file(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let deadline = Duration::from_millis(DEADLINES.call_ms);
        let got = tokio::time::timeout(deadline, self.get_path(&format!("/{path}"))).await;
        let (status, body) =
            got.unwrap_or_else(|_| Err(Reason::Deadline.meaning().to_owned())).map_err(|why| {
                Failure::new(Exit::Unreachable, format!("{COORDINATOR} cannot be reached")).why(why)
            })?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        Err(match text("reason").parse() {
            Ok(reason) => Failure::refused(COORDINATOR, reason, text("message")),
            Err(_) => Failure::trouble(format!("{COORDINATOR} did not give {path}")).why(status),
        })
    }

    async fn get_path(&self, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
        let request = Request::get(path).body(Body::empty()).map_err(|error| error.to_string())?;
        let mut channel = self.channel.clone();
        std::future::poll_fn(|cx| channel.poll_ready(cx)).await.map_err(|error| error.to_string())?;
        let response = channel.call(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = axum::body::Body::new(response.into_body());
        let body = to_bytes(body, FILE_MAX).await.map_err(|error| error.to_string())?;
        Ok((status, body.to_vec()))
    }
}

fn contradiction(error: TreeError) -> Failure {
    Failure::trouble("the log's tiles are not those of its checkpoint")
        .why(error)
        .reason(Reason::LogInconsistent)
}
