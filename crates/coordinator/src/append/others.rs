//! Registrations, manifests, enrollment counts and registry versions.

use tacit_blind::table::SignedManifest;
use tacit_ledger::record;
use tacit_model::{MemberId, Reason};
use tacit_store::StoreError;

use super::{Commit, Done};
use crate::store::{manifests, pseudonyms};

impl Commit<'_> {
    /// All of a custodian's batch, or nothing: no evaluation may stand under two pseudonyms.
    pub(super) async fn register(
        &mut self,
        requester: &MemberId,
        epoch: u32,
        batch: &[pseudonyms::NewPseudonym],
    ) -> Result<Done, StoreError> {
        if pseudonyms::registered_otherwise(self.conn, requester, epoch, batch).await? {
            return Ok(Done::Refused(Reason::EnrolledOtherwise));
        }
        pseudonyms::store(self.conn, requester, epoch, self.now.0, batch).await?;
        Ok(Done::Stored)
    }

    /// A manifest that may follow what is logged of its list.
    pub(super) async fn manifest(&mut self, signed: &SignedManifest) -> Result<Done, StoreError> {
        let manifest = signed.manifest();
        let list = manifest.list.as_str();
        let heads = manifests::heads(self.conn, list).await?;
        let newest = heads.first();
        if let Some(same) = manifests::find(self.conn, list, manifest.epoch, manifest.version)
            .await?
            .filter(|_| manifest.epoch > 0)
        {
            // Two notes of one version are an alarm; the same note again is a lost answer.
            if same.note != signed.note().as_bytes() {
                metrics::counter!("tacit_coordinator_manifest_alarms_total").increment(1);
                tracing::error!(
                    list,
                    epoch = manifest.epoch,
                    version = manifest.version,
                    "two manifests of one version"
                );
                return Ok(Done::Refused(Reason::ManifestRejected));
            }
            return Ok(Done::Replayed { outcome: same.log_index.to_be_bytes().to_vec(), answered: self.now });
        }
        let previous = match newest {
            Some(head) if manifest.epoch < head.epoch => {
                heads.iter().find(|head| head.epoch == manifest.epoch)
            }
            head => head,
        };
        let follows = match previous {
            Some(head) if head.epoch == manifest.epoch => manifest.version == head.version + 1,
            Some(head) => manifest.epoch > head.epoch && manifest.version == 1,
            None => newest.is_none() && manifest.version == 1,
        };
        if !follows {
            return Ok(Done::Refused(Reason::ManifestRejected));
        }
        if let Some(head) = previous.filter(|head| head.epoch == manifest.epoch) {
            let Some(stored) = manifests::find(self.conn, list, head.epoch, head.version).await? else {
                return Err(StoreError::corrupt("manifest", "version", list, "is missing"));
            };
            if !self.same_key(&stored.note, signed) {
                return Ok(Done::Refused(Reason::ManifestRejected));
            }
        }
        let id = self.ulid();
        let (record, _) = self.push(signed.to_record(id, self.now))?;
        let stored = manifests::StoredManifest {
            epoch: manifest.epoch,
            version: manifest.version,
            note: signed.note().as_bytes().to_vec(),
            log_index: record.index,
        };
        manifests::store(self.conn, list, &stored, self.now.0).await?;
        Ok(Done::Logged { record, consent: None })
    }

    /// The key is fixed within an epoch; `accept_after` says whether the new manifest may follow.
    fn same_key(&self, stored: &[u8], signed: &SignedManifest) -> bool {
        let list = &signed.manifest().list;
        let verifier = crate::caller::manifest_verifier(self.registry, list);
        let previous =
            verifier.and_then(|key| SignedManifest::verify(std::str::from_utf8(stored).ok()?, &key).ok());
        previous.is_some_and(|previous| signed.accept_after(&previous).is_ok())
    }

    pub(super) fn enrollment(
        &mut self,
        custodian: &MemberId,
        requester: &MemberId,
        epoch: u32,
        count: u64,
    ) -> Result<Done, StoreError> {
        let (record, _) = self.push_enrollment(custodian, requester, epoch, count)?;
        Ok(Done::Logged { record, consent: None })
    }

    fn push_enrollment(
        &mut self,
        custodian: &MemberId,
        requester: &MemberId,
        epoch: u32,
        count: u64,
    ) -> Result<(super::NewRecord, [u8; 32]), StoreError> {
        let id = self.ulid();
        self.push(record::Enrollment {
            id,
            time_ms: self.now.0,
            custodian: custodian.to_string(),
            requester: requester.to_string(),
            epoch,
            count,
        })
    }

    /// Logs the registry version in force; once. Numbers never fall.
    pub(super) async fn registry(
        &mut self,
        number: u64,
        hash: [u8; 32],
        bytes: &[u8],
    ) -> Result<Done, StoreError> {
        if manifests::registry_index(self.conn, &hash).await?.is_some() {
            return Ok(Done::Stored);
        }
        if number <= manifests::highest_registry(self.conn).await? {
            return Ok(Done::Refused(Reason::RegistryInvalid));
        }
        let id = self.ulid();
        let (record, _) = self.push(record::Registry { id, time_ms: self.now.0, number, registry: hash })?;
        manifests::store_registry(self.conn, &hash, number, bytes, record.index).await?;
        Ok(Done::Logged { record, consent: None })
    }
}
