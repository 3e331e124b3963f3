//! Logged manifests: which epoch of a list is current, and what a table must look like.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tacit_blind::BlindError;
use tacit_blind::group::Point;
use tacit_blind::table::SignedManifest;
use tacit_ledger::record;
use tacit_model::{ListId, Millis};
use tacit_policy::Registry;
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::log_service_client::LogServiceClient;
use tacit_wire::coordinator::{GetManifestRequest, get_manifest_response};
use tonic::transport::Channel;

use crate::error::{ClientError, Party};
use crate::prepared::manifest_verifier;
use crate::question::TableVersion;
use crate::quorum::WitnessedLog;
use crate::records::LogKey;
use crate::retry::{self, Deadlines};

/// Versions of one list kept in memory.
const KEPT: usize = 64;
/// How long the newest known version counts as the newest, in milliseconds: its layout may have changed since.
const FRESH_MS: u64 = 2_000;
/// Pause between two questions for a newer epoch, in milliseconds.
const PAUSE_MS: u64 = 500;

/// A manifest with its holder's signature, in the log.
#[derive(Debug)]
pub(crate) struct LoggedManifest {
    pub(crate) signed: SignedManifest,
    /// The list's key of this epoch.
    pub(crate) key: Point,
    pub(crate) record: LoggedRecord,
    pub(crate) checkpoint: Bytes,
}

impl LoggedManifest {
    pub(crate) fn version(&self) -> TableVersion {
        let manifest = self.signed.manifest();
        TableVersion { epoch: manifest.epoch, version: manifest.version }
    }

    /// Verifies note, record and proof.
    pub(crate) fn verify(
        list: &ListId,
        registry: &Registry,
        log: &LogKey,
        note: &[u8],
        record: LoggedRecord,
        checkpoint: Bytes,
    ) -> Result<Self, ClientError> {
        let party = || Party::Holder(list.holder_id());
        let note = std::str::from_utf8(note).map_err(|_| ClientError::Proof {
            party: party(),
            problem: BlindError::Field { field: "manifest" },
        })?;
        let signed = SignedManifest::verify(note, &manifest_verifier(registry, list)?)?;
        if signed.manifest().list != *list {
            return Err(ClientError::OtherRecord("the manifest is of another list"));
        }
        let verified = log.verify_under(&record, &log.open(&checkpoint)?)?;
        let logged: record::Manifest = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind manifest"))?;
        signed.check_record(&logged)?;
        let key = Point::decode(&signed.manifest().key).map_err(ClientError::proof(party()))?;
        Ok(Self { signed, key, record, checkpoint })
    }
}

#[derive(Default)]
struct Known {
    newest: Option<Arc<LoggedManifest>>,
    asked: Millis,
    versions: BTreeMap<TableVersion, Arc<LoggedManifest>>,
}

impl Known {
    /// Takes a manifest over unless it contradicts one that is known.
    fn take(&mut self, manifest: Arc<LoggedManifest>) -> Result<(), ClientError> {
        let version = manifest.version();
        let same_epoch =
            self.versions.values().rev().find(|known| known.version().epoch == version.epoch).cloned();
        for known in same_epoch.iter().chain(self.versions.get(&version)) {
            let (older, newer) =
                if known.version() <= version { (known, &manifest) } else { (&manifest, known) };
            if let Err(error) = newer.signed.accept_after(&older.signed) {
                if error.conflict().is_some() {
                    tracing::error!(list = %manifest.signed.manifest().list, %error, "ALARM: contradicting manifests");
                }
                return Err(error.into());
            }
        }
        if self.newest.as_ref().is_none_or(|newest| newest.version() < version) {
            self.newest = Some(Arc::clone(&manifest));
        }
        self.versions.insert(version, manifest);
        while self.versions.len() > KEPT {
            self.versions.pop_first();
        }
        Ok(())
    }
}

/// The manifests that this requester has verified.
pub(crate) struct Manifests {
    log: LogServiceClient<Channel>,
    key: WitnessedLog,
    deadlines: Deadlines,
    known: Mutex<HashMap<ListId, Known>>,
    /// One question for a list at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Manifests {
    pub(crate) fn new(coordinator: Channel, key: WitnessedLog, deadlines: Deadlines) -> Self {
        Self {
            log: LogServiceClient::new(coordinator),
            key,
            deadlines,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    fn known<T>(&self, list: &ListId, of: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        of(known.entry(list.clone()).or_default())
    }

    fn fresh(&self, list: &ListId, now: Millis) -> Option<Arc<LoggedManifest>> {
        self.known(list, |known| {
            let newest = known.newest.clone()?;
            let age = now.since(known.asked);
            let over = now >= newest.signed.manifest().until;
            (age < if over { PAUSE_MS } else { FRESH_MS }).then_some(newest)
        })
    }

    /// The newest logged manifest of a list, asked for again when it may have been replaced.
    pub(crate) async fn current(
        &self,
        registry: &Registry,
        list: &ListId,
        now: Millis,
    ) -> Result<Arc<LoggedManifest>, ClientError> {
        if let Some(newest) = self.fresh(list, now) {
            return Ok(newest);
        }
        let _one = self.asking.lock().await;
        if let Some(newest) = self.fresh(list, now) {
            return Ok(newest);
        }
        let fetched = self.fetch(registry, list, None).await?;
        Ok(self.known(list, |known| {
            known.asked = now;
            known.newest.clone().unwrap_or(fetched)
        }))
    }

    /// Forgets that the newest known version is the newest, unless it was asked for after `since`.
    pub(crate) fn doubt(&self, list: &ListId, since: Millis) {
        self.known(list, |known| {
            if known.asked <= since {
                known.asked = Millis(0);
            }
        });
    }

    /// One version of a list's table.
    pub(crate) async fn version(
        &self,
        registry: &Registry,
        list: &ListId,
        version: TableVersion,
    ) -> Result<Arc<LoggedManifest>, ClientError> {
        let find = || self.known(list, |known| known.versions.get(&version).cloned());
        if let Some(found) = find() {
            return Ok(found);
        }
        let _one = self.asking.lock().await;
        if let Some(found) = find() {
            return Ok(found);
        }
        let fetched = self.fetch(registry, list, Some(version)).await?;
        if fetched.version() == version {
            Ok(fetched)
        } else {
            Err(ClientError::OtherRecord("the manifest is of another version"))
        }
    }

    /// The list's key in an epoch, from any version known.
    pub(crate) fn key(&self, list: &ListId, epoch: u64) -> Option<Point> {
        self.known(list, |known| {
            known.versions.values().rev().find(|known| known.version().epoch == epoch).map(|known| known.key)
        })
    }

    async fn fetch(
        &self,
        registry: &Registry,
        list: &ListId,
        version: Option<TableVersion>,
    ) -> Result<Arc<LoggedManifest>, ClientError> {
        let request = GetManifestRequest {
            list_id: list.to_string(),
            epoch: version.map_or(0, |version| version.epoch),
            version: version.map_or(0, |version| version.version),
        };
        let response = retry::call(Party::Coordinator, &self.deadlines, request, |request| {
            let mut log = self.log.clone();
            async move { log.get_manifest(request).await }
        })
        .await?;
        let manifest = match response.outcome {
            Some(get_manifest_response::Outcome::Manifest(manifest)) => manifest,
            Some(get_manifest_response::Outcome::Refusal(refusal)) => {
                return Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() });
            }
            None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
        };
        let record = manifest.record.ok_or_else(|| ClientError::missing(Party::Coordinator, "record"))?;
        let logged = Arc::new(LoggedManifest::verify(
            list,
            registry,
            self.key.key(),
            &manifest.manifest,
            record,
            manifest.checkpoint,
        )?);
        self.key.accept_alone(&logged.checkpoint).await?;
        self.known(list, |known| known.take(Arc::clone(&logged)))?;
        Ok(logged)
    }
}
