//! The one writer of the coordinator: every decision and every record is made inside its transaction.
//!
//! ```text
//! jobs of one commit ─▶ consents, manifests, registrations ─▶ checks, decided together
//!                          records pushed to the log ─▶ signed head ─▶ COMMIT ─▶ answers
//! ```
//!
//! Consents come before checks of the same commit, so that no check is permitted under a consent whose
//! withdrawal stands earlier in the log.

mod checks;
mod consents;
mod others;

use std::sync::Arc;

use tacit_blind::{check::VerifiedCheck, table::SignedManifest};
use tacit_model::{Clock, MemberId, Millis, Reason, entropy};
use tacit_policy::{Registry, SignedConsent};
use tacit_store::{
    Conn, GroupWork, StoreError,
    log::{Append, Log, Pending},
};
use tacit_wire::coordinator as pb;

use crate::{
    config::Limits,
    store::{consents::StoredConsent, pseudonyms::NewPseudonym},
};

/// A check that passed the bind proof, with what its registration left.
pub(crate) struct ProvenCheck {
    pub(crate) check: VerifiedCheck,
    pub(crate) register_hash: [u8; 32],
}

/// An authorize request whose signature and proofs were verified.
pub(crate) struct AuthorizeJob {
    pub(crate) requester: MemberId,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) hashes: Vec<[u8; 32]>,
    pub(crate) signature: [u8; 64],
    /// One per check: proven, or why not.
    pub(crate) checks: Vec<Result<ProvenCheck, Reason>>,
}

/// A change of a consent's state, to be verified against the stored consent.
pub(crate) struct ChangeJob {
    pub(crate) authority: MemberId,
    pub(crate) id: String,
    pub(crate) state: tacit_policy::ConsentState,
    pub(crate) number: u64,
    pub(crate) signature: [u8; 64],
}

/// A write.
pub(crate) enum Job {
    Authorize(Box<AuthorizeJob>),
    Register { requester: MemberId, epoch: u32, batch: Vec<NewPseudonym> },
    PutConsent { consent: Box<SignedConsent>, state_signature: [u8; 64] },
    ChangeConsent(Box<ChangeJob>),
    Manifest(Box<SignedManifest>),
    Enrollment { custodian: MemberId, requester: MemberId, epoch: u32, count: u64 },
    Registry { number: u64, hash: [u8; 32], bytes: Arc<[u8]> },
    Prune,
}

/// A record of this commit.
pub(crate) struct NewRecord {
    pub(crate) index: u64,
    pub(crate) record: Vec<u8>,
}

/// What became of a write; it is durable.
pub(crate) enum Done {
    /// Decisions, with record bytes but without paths.
    Authorized(pb::Authorized),
    /// The same request was answered before: the stored answer, records by index only.
    Replayed { outcome: Vec<u8>, answered: Millis },
    /// A record was written. For consents, the consent as it now stands.
    Logged { record: NewRecord, consent: Option<StoredConsent> },
    /// Stored without a record.
    Stored,
    /// Nothing was written.
    Refused(Reason),
}

/// The writer's memory between commits.
pub(crate) struct Appender {
    pub(crate) log: Log,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pending: Option<Pending>,
    /// Record times never run backwards.
    last_time: Millis,
}

impl Appender {
    pub(crate) fn new(log: Log, registry: Arc<Registry>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { log, registry, clock, limits, pending: None, last_time: Millis(0) }
    }
}

/// One commit under way.
struct Commit<'a> {
    conn: &'a mut Conn,
    append: Append,
    now: Millis,
    rng: entropy::Rng,
    registry: &'a Registry,
    limits: &'a Limits,
}

impl Commit<'_> {
    fn ulid(&mut self) -> String {
        tacit_model::new_ulid(self.now, &mut self.rng).to_string()
    }

    fn salt(&mut self) -> [u8; 32] {
        use rand_core::Rng;
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        salt
    }

    /// Adds a record and keeps its bytes for the answer.
    fn push(
        &mut self,
        record: impl Into<tacit_ledger::record::Record>,
    ) -> Result<(NewRecord, [u8; 32]), StoreError> {
        let record = record.into();
        let id = record.id().to_owned();
        let bytes = record
            .to_bytes()
            .map_err(|_| StoreError::LogHead("a record could not be written in its form"))?;
        let (index, leaf) = self.append.push(id, bytes.clone());
        Ok((NewRecord { index, record: bytes }, leaf))
    }
}

impl GroupWork for Appender {
    type Job = Job;
    type Done = Done;

    async fn apply(&mut self, conn: &mut Conn, jobs: Vec<Job>) -> Result<Vec<Done>, StoreError> {
        let now = self.clock.now().max(self.last_time);
        self.last_time = now;
        let append = self.log.begin(conn).await?;
        let mut commit = Commit {
            conn,
            append,
            now,
            rng: entropy::os_rng(),
            registry: &self.registry,
            limits: &self.limits,
        };
        let mut done: Vec<Option<Done>> = Vec::with_capacity(jobs.len());
        let mut authorize = Vec::new();
        for (place, job) in jobs.into_iter().enumerate() {
            done.push(match job {
                Job::Authorize(job) => {
                    authorize.push((place, *job));
                    None
                }
                Job::Register { requester, epoch, batch } => {
                    Some(commit.register(&requester, epoch, &batch).await?)
                }
                Job::PutConsent { consent, state_signature } => {
                    Some(commit.put_consent(&consent, state_signature).await?)
                }
                Job::ChangeConsent(job) => Some(commit.change_consent(&job).await?),
                Job::Manifest(manifest) => Some(commit.manifest(&manifest).await?),
                Job::Enrollment { custodian, requester, epoch, count } => {
                    Some(commit.enrollment(&custodian, &requester, epoch, count)?)
                }
                Job::Registry { number, hash, bytes } => Some(commit.registry(number, hash, &bytes).await?),
                Job::Prune => {
                    crate::store::uses::prune(commit.conn, now.0, now.utc_day()).await?;
                    Some(Done::Stored)
                }
            });
        }
        if !authorize.is_empty() {
            for (place, answer) in commit.authorize(authorize).await? {
                done[place] = Some(answer);
            }
        }
        let Commit { conn, append, .. } = commit;
        self.pending = Some(self.log.finish(conn, &append).await?);
        Ok(done.into_iter().map(|done| done.unwrap_or(Done::Refused(Reason::Internal))).collect())
    }

    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.log.publish(pending);
        }
    }

    fn failed(&mut self) {
        self.pending = None;
        self.log.forget();
    }
}
