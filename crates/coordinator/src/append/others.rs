//! Registrations, manifests, enrollment counts and registry versions.

use std::collections::HashSet;

use tacit_blind::{
    BlindError,
    enroll::{Known, Standing, VerifiedRegistration, standing},
    table::{Acceptance, SignedManifest},
};
use tacit_ledger::record;
use tacit_model::{MemberId, Reason};
use tacit_store::StoreError;

use super::{Commit, Done, NewVersion};
use crate::store::{
    carried::{self, NewCarry},
    manifests,
    pseudonyms::{self, Registered, Scope},
    registries::{self, LoggedRegistry},
    subjects::{self, Number},
};

/// The largest epoch that databases and proto fields hold alike.
const MAX_EPOCH: u64 = i64::MAX.unsigned_abs();

impl Commit<'_> {
    /// All of a custodian's batch, or nothing: no evaluation may ever stand under two pseudonyms.
    pub(super) async fn register(
        &mut self,
        requester: &MemberId,
        epoch: u32,
        batch: &[VerifiedRegistration],
        carries: &[NewCarry],
    ) -> Result<Done, StoreError> {
        let scope = Scope { requester, epoch };
        let earlier = pseudonyms::earlier(self.conn, scope, batch).await?;
        let names: Vec<_> = batch.iter().map(|new| *new.pseudonym()).collect();
        let current = pseudonyms::lookup(self.conn, scope, &names).await?;
        let (mut new, mut next) = (Vec::new(), Vec::new());
        for registration in batch {
            let before = earlier.by_blinded.get(registration.blinded_subject());
            let known = Known {
                blinded_subject_of_pseudonym: current
                    .get(registration.pseudonym())
                    .map(|known| &known.blinded_subject),
                pseudonym_of_blinded_subject: before.map(|(pseudonym, _)| pseudonym),
                pseudonym_of_evaluated: earlier.by_evaluated.get(registration.evaluated()),
            };
            match standing(registration, &known) {
                Err(_) => return Ok(Done::Refused(Reason::EnrolledOtherwise)),
                Ok(Standing::Same) => continue,
                Ok(Standing::New | Standing::Replaces) => {}
            }
            // A pair that was registered before keeps the registration it had then.
            let register_hash = before.map_or(*registration.register_hash(), |(_, hash)| *hash);
            if before.is_none() {
                new.push(registration);
            }
            next.push((registration, register_hash));
        }
        let Ok(carries) = self.new_carries(carries).await? else {
            return Ok(Done::Refused(Reason::EnrolledOtherwise));
        };
        carried::keep(self.conn, requester, epoch, self.now.0, &carries).await?;
        let names: Vec<_> = next.iter().map(|(registration, _)| *registration.pseudonym()).collect();
        let numbers = subjects::number(self.conn, &names).await?;
        let registered = |(registration, register_hash): &(&VerifiedRegistration, [u8; 32])| {
            let (pseudonym, blinded_subject) = (*registration.pseudonym(), *registration.blinded_subject());
            let subject = *numbers.get(&pseudonym)?;
            Some((pseudonym, Registered { subject, blinded_subject, register_hash: *register_hash }))
        };
        let next: Vec<_> = next.iter().filter_map(registered).collect();
        if next.len() != names.len() {
            return Err(StoreError::corrupt("subject", "pseudonym", requester, "is missing"));
        }
        pseudonyms::keep(self.conn, scope, self.now.0, &new).await?;
        pseudonyms::point(self.conn, scope, &next).await?;
        Ok(Done::Stored)
    }

    /// The carries that are new, each with the number of its subject. A pseudonym is carried from one and to one, and
    /// not when it has stood for a subject of its own: two chains never become one.
    async fn new_carries<'c>(
        &mut self,
        carries: &'c [NewCarry],
    ) -> Result<Result<Vec<(&'c NewCarry, Number)>, BlindError>, StoreError> {
        if carries.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let later: Vec<_> = carries.iter().map(|carry| carry.pseudonym).collect();
        let earlier: Vec<_> = carries.iter().map(|carry| carry.earlier).collect();
        let known = carried::touching(self.conn, &[later.as_slice(), earlier.as_slice()].concat()).await?;
        let own = subjects::own_numbers(self.conn, &later).await?;
        let mut new = Vec::with_capacity(carries.len());
        let mut taken = HashSet::with_capacity(carries.len());
        for carry in carries {
            let once = taken.insert(carry.earlier);
            match known.by_pseudonym.get(&carry.pseudonym) {
                // A lost answer.
                Some((earlier, _)) if *earlier == carry.earlier && once => continue,
                Some(_) => return Ok(Err(BlindError::EnrolledOtherwise)),
                None => {}
            }
            let elsewhere = known.by_earlier.contains_key(&carry.earlier);
            if elsewhere || !once || own.contains_key(&carry.pseudonym) {
                return Ok(Err(BlindError::EnrolledOtherwise));
            }
            new.push(carry);
        }
        let earlier: Vec<_> = new.iter().map(|carry| carry.earlier).collect();
        let numbers = subjects::number(self.conn, &earlier).await?;
        let numbered = |carry: &'c NewCarry| {
            let number = numbers.get(&carry.earlier).copied();
            let missing = || StoreError::corrupt("subject", "pseudonym", "of a registration", "is missing");
            number.map(|number| (carry, number)).ok_or_else(missing)
        };
        Ok(Ok(new.into_iter().map(numbered).collect::<Result<_, _>>()?))
    }

    /// A manifest that may follow what is logged of its list: version 1 of a new epoch, or the next version of
    /// one of the newest two.
    pub(super) async fn manifest(&mut self, signed: &SignedManifest) -> Result<Done, StoreError> {
        let manifest = signed.manifest();
        let list = manifest.list.as_str();
        // 0 asks for the newest one, so nothing can be called that.
        if manifest.version == 0 || manifest.epoch == 0 || manifest.epoch > MAX_EPOCH {
            return Ok(Done::Refused(Reason::ManifestRejected));
        }
        let heads = manifests::heads(self.conn, list).await?;
        let of_epoch = heads.iter().find(|head| head.epoch == manifest.epoch);
        let next = match of_epoch {
            Some(head) => head.version + 1,
            None if heads.first().is_none_or(|newest| newest.epoch < manifest.epoch) => 1,
            None => return Ok(Done::Refused(Reason::ManifestRejected)),
        };
        // What the new one must agree with: its own version if that is logged, else the one before.
        let known = manifest.version.min(next - 1);
        if known > 0 {
            let Some(stored) = manifests::find(self.conn, list, manifest.epoch, known).await? else {
                return Err(StoreError::corrupt("manifest", "version", list, "is missing"));
            };
            let Some(previous) = self.stored_manifest(&stored, signed) else {
                return Ok(Done::Refused(Reason::ManifestRejected));
            };
            match signed.accept_after(&previous) {
                Ok(Acceptance::Known) => return Ok(Done::Before(stored.log_index)),
                Ok(Acceptance::Newer) => {}
                Err(error) => {
                    if error.conflict().is_some() {
                        self.alarm(signed).await?;
                    }
                    return Ok(Done::Refused(Reason::ManifestRejected));
                }
            }
        }
        if manifest.version != next {
            return Ok(Done::Refused(Reason::ManifestRejected));
        }
        let id = self.ulid().to_string();
        let (record, _) = self.push(signed.to_record(id, self.now))?;
        let stored = manifests::StoredManifest {
            epoch: manifest.epoch,
            version: manifest.version,
            note: signed.note().as_bytes().to_vec(),
            log_index: record.index,
        };
        manifests::store(self.conn, list, &stored, self.now.0).await?;
        self.lately.list_changes(&manifest.list);
        Ok(Done::Logged(record))
    }

    /// Two manifests of one version, or another key within an epoch: both notes are kept.
    async fn alarm(&mut self, signed: &SignedManifest) -> Result<(), StoreError> {
        let manifest = signed.manifest();
        let (list, epoch, version) = (manifest.list.as_str(), manifest.epoch, manifest.version);
        metrics::counter!("tacit_coordinator_manifest_alarms_total").increment(1);
        tracing::error!(list, epoch, version, "a signed manifest contradicts a logged one; both are kept");
        manifests::keep_conflict(self.conn, list, (epoch, version, signed.note()), self.now.0).await
    }

    /// A logged manifest of the same list, if it verifies under the key that the list has now: a holder that
    /// changes its manifest key does so with a new epoch.
    fn stored_manifest(
        &self,
        stored: &manifests::StoredManifest,
        like: &SignedManifest,
    ) -> Option<SignedManifest> {
        let key = crate::caller::manifest_verifier(self.registry, &like.manifest().list)?;
        SignedManifest::verify(std::str::from_utf8(&stored.note).ok()?, &key).ok()
    }

    pub(super) fn enrollment(
        &mut self,
        custodian: &MemberId,
        requester: &MemberId,
        epoch: u32,
        count: u64,
    ) -> Result<Done, StoreError> {
        let id = self.ulid().to_string();
        let (record, _) = self.push(record::Enrollment {
            id,
            time_ms: self.now.0,
            custodian: custodian.to_string(),
            requester: requester.to_string(),
            epoch,
            count,
        })?;
        Ok(Done::Logged(record))
    }

    /// Logs a registry version, once, if the one that it was compared with is still in force and nothing waits; a
    /// recovery version also while another one waits, which may do so for ever. The first one ever counts at once:
    /// there is nobody yet who could cosign it.
    pub(super) async fn registry(&mut self, version: &NewVersion) -> Result<Done, StoreError> {
        let NewVersion { number, hash, ref bytes, after, recovers } = *version;
        if let Some(logged) = registries::find(self.conn, &hash).await? {
            return Ok(Done::Before(logged.log_index));
        }
        let newest = registries::newest(self.conn).await?;
        let counted = match (newest, after) {
            (None, None) => Some(self.now),
            (Some(newest), Some(after)) if number > newest.number => {
                let waits = newest.counted.is_none();
                let in_force = if waits && recovers {
                    registries::in_force(self.conn).await?.map(|it| it.logged.hash)
                } else {
                    (!waits).then_some(newest.hash)
                };
                if in_force != Some(after) {
                    return Ok(Done::Refused(Reason::RegistryInvalid));
                }
                None
            }
            _ => return Ok(Done::Refused(Reason::RegistryInvalid)),
        };
        let id = self.ulid().to_string();
        let (record, _) = self.push(record::Registry { id, time_ms: self.now.0, number, registry: hash })?;
        let logged = LoggedRegistry { hash, number, log_index: record.index, counted };
        registries::store(self.conn, &logged, bytes).await?;
        Ok(Done::Logged(record))
    }

    /// Notes that a logged registry version counts from now on, unless a recovery version has overtaken it.
    pub(super) async fn counted(&mut self, hash: [u8; 32], cosigned: &[u8]) -> Result<Done, StoreError> {
        if registries::newest(self.conn).await?.is_none_or(|newest| newest.hash != hash) {
            return Ok(Done::Refused(Reason::RegistryInvalid));
        }
        registries::count(self.conn, &hash, cosigned, self.now).await?;
        Ok(Done::Stored)
    }
}
