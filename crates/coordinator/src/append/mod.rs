//! The one writer of the coordinator: every decision and every record is made inside its transaction.
//!
//! ```text
//! jobs of one commit ─▶ consents, manifests, registrations ─▶ checks, decided together
//!                          records pushed to the log ─▶ signed head ─▶ COMMIT ─▶ answers
//! ```
//!
//! Consents come before checks of the same commit, so that no check is permitted under a consent whose
//! withdrawal stands earlier in the log.

mod auditors;
mod audits;
mod checks;
mod consents;
mod desk;
mod erasures;
mod lately;
mod letters;
mod measures;
mod others;
mod records;
mod requests;
mod rules;
mod used;
mod watchers;

use std::sync::Arc;

use tacit_blind::{check::VerifiedCheck, enroll::VerifiedRegistration, table::SignedManifest};
use tacit_ledger::{record::Record, shard::YearStart};
use tacit_model::{MemberId, Millis, Reason, Ulid, entropy};
use tacit_policy::{Registry, SignedConsent, SignedRequest, StateChange};
use tacit_store::{
    Conn, Dialect, GroupTx, GroupWork, Reads, StoreError, Writes,
    log::{Append, Log, Pending},
};
use tacit_wire::coordinator as pb;

pub(crate) use self::{
    auditors::AuditJob,
    erasures::{Again, EraseJob},
    letters::LetterJob,
    measures::{Decided, LiftJob, MeasureJob},
    watchers::{OwnChanges, Watchers},
};
use self::{desk::Early, lately::Lately, rules::RuleSets, used::Used};
use crate::{
    config::Limits,
    erasures::Journal,
    store::{
        carried::NewCarry,
        consents::StoredConsent,
        pseudonyms::Registered,
        registries,
        subjects::Number,
        uses::{self, Once},
        years,
    },
    versions::Versions,
    witnesses::Witnesses,
};

/// A check that passed the bind proof, with what its registration left.
pub(crate) struct ProvenCheck {
    pub(crate) check: VerifiedCheck,
    subject: Number,
    register_hash: [u8; 32],
    nonce: Once,
    /// One per item: the hash that its record names, and the same as a value to be used once.
    queries: Vec<([u8; 32], Once)>,
}

impl ProvenCheck {
    pub(crate) fn new(check: VerifiedCheck, registered: &Registered) -> Self {
        let context = check.context();
        let nonce = Once::nonce(&context.requester, &context.nonce);
        let query = |item: &tacit_blind::check::CheckItem| {
            let hash = tacit_blind::commit::blinded_query(item.query.as_bytes());
            (hash, Once::query(&hash))
        };
        let queries = context.items.iter().map(query).collect();
        let Registered { subject, register_hash, .. } = *registered;
        Self { check, subject, register_hash, nonce, queries }
    }
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
    pub(crate) change: StateChange,
    pub(crate) signature: [u8; 64],
}

/// A job of the writer.
pub(crate) enum Job {
    /// Those of a commit are decided together, after its other writes.
    Authorize(Box<AuthorizeJob>),
    Write(Write),
}

impl Job {
    fn as_authorize(&self) -> Option<&AuthorizeJob> {
        match self {
            Self::Authorize(job) => Some(job),
            Self::Write(_) => None,
        }
    }
}

/// A registry version to be logged.
pub(crate) struct NewVersion {
    pub(crate) number: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) bytes: bytes::Bytes,
    /// The one in force that it was compared with; none for the first ever.
    pub(crate) after: Option<[u8; 32]>,
    /// Whether it may overtake one that waits: a recovery version.
    pub(crate) recovers: bool,
}

/// A write that decides no check.
pub(crate) enum Write {
    Register {
        requester: MemberId,
        epoch: u32,
        batch: Vec<VerifiedRegistration>,
        /// Verified, each of an entry of the batch.
        carries: Vec<NewCarry>,
    },
    PutConsent {
        consent: Box<SignedConsent>,
        state_signature: [u8; 64],
    },
    ChangeConsent(Box<ChangeJob>),
    RenewConsent {
        consent: Box<SignedConsent>,
        change: Box<ChangeJob>,
    },
    RequestConsent(Box<SignedRequest>),
    Manifest(Box<SignedManifest>),
    Enrollment {
        custodian: MemberId,
        requester: MemberId,
        epoch: u32,
        count: u64,
    },
    /// A registry version.
    Registry(NewVersion),
    /// A logged registry version counts, by this cosigned checkpoint.
    Counted {
        hash: [u8; 32],
        cosigned: bytes::Bytes,
    },
    /// A reading, a step of an auditor's work, or an answer to it.
    Audit(Box<AuditJob>),
    Erase(Box<EraseJob>),
    Letter(Box<LetterJob>),
    Measure(Box<MeasureJob>),
    LiftMeasure(Box<LiftJob>),
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
    /// A record was written.
    Logged(NewRecord),
    /// The same write was made before; the index of its record.
    Before(u64),
    /// Stored without a record.
    Stored,
    /// What was over is removed; whether there is more of it.
    Pruned { more: bool },
    /// Nothing was written.
    Refused(Reason),
}

/// The writer's memory between commits.
pub(crate) struct Appender {
    log: Log,
    versions: Arc<Versions>,
    witnesses: Arc<Witnesses>,
    limits: Limits,
    journal: Journal,
    /// Requesters that watch are told of changes once they are committed.
    watchers: Watchers,
    changed: Vec<Arc<StoredConsent>>,
    rules: RuleSets,
    used: Used,
    lately: Lately,
    pending: Option<Pending>,
    /// Record times never run backwards.
    last_time: Millis,
    /// Size of the log up to which memory is known to hold: other replicas append too, by clocks of their own.
    last_size: u64,
    /// The newest year that has begun in the log, if that is known.
    year: Option<u16>,
}

impl Appender {
    /// `last_time` is that of the newest record.
    pub(crate) fn new(
        log: Log,
        versions: Arc<Versions>,
        witnesses: Arc<Witnesses>,
        limits: Limits,
        journal: Journal,
        watchers: Watchers,
        last_time: Millis,
    ) -> Self {
        let (changed, rules, used, lately) =
            (Vec::new(), RuleSets::default(), Used::default(), Lately::default());
        Self {
            log,
            versions,
            witnesses,
            limits,
            journal,
            watchers,
            changed,
            rules,
            used,
            lately,
            pending: None,
            last_time,
            last_size: 0,
            year: None,
        }
    }

    /// Lets memory know when another process appended, and tells the time of this commit: by the clock, and never
    /// before that of a record in the log. A refusal while the clock is off.
    async fn catch_up(
        &mut self,
        conn: &mut Conn,
        append: &Append,
    ) -> Result<Result<Millis, Reason>, StoreError> {
        if append.start() != self.last_size {
            self.lately = Lately::default();
            self.used.is_behind();
            self.last_time = self.last_time.max(newest_time(&self.log, conn, append).await?);
            self.last_size = append.start();
        }
        // Not before here: the process may have stood still, or waited for others, since the job came.
        Ok(self.witnesses.dated(self.last_time).map(|now| {
            self.last_time = self.last_time.max(now);
            self.last_time
        }))
    }

    /// Notes that a year begins with this commit, when it does.
    async fn turn_year(&mut self, conn: &mut Conn, append: &Append, now: Millis) -> Result<(), StoreError> {
        let year = now.utc_year();
        if append.is_empty() || self.year.is_some_and(|known| known >= year) {
            return Ok(());
        }
        // Another replica may have been first.
        let known = years::newest(conn).await?;
        if known.is_none_or(|known| known < year) {
            years::begin(conn, YearStart { year, first_index: append.start() }).await?;
            tracing::info!(year, first_index = append.start(), "a year of the log begins");
        }
        self.year = Some(known.map_or(year, |known| known.max(year)));
        Ok(())
    }
}

/// When the newest record was made; 0 in an empty log.
async fn newest_time(log: &Log, conn: &mut Conn, append: &Append) -> Result<Millis, StoreError> {
    let Some(record) = log.newest_record(conn, append).await? else { return Ok(Millis(0)) };
    let record = Record::parse(&record).map_err(|_| {
        StoreError::corrupt("log_entry", "record", append.start().saturating_sub(1), "is not a record")
    })?;
    Ok(Millis(record.time_ms()))
}

/// One commit under way.
struct Commit<'a> {
    conn: &'a mut Conn,
    /// What nothing in this commit reads again.
    last: &'a mut Writes,
    /// Whether it made other writes than decisions.
    wrote: bool,
    append: Append,
    log_size: u64,
    now: Millis,
    rng: entropy::Rng,
    registry: &'a Registry,
    limits: &'a Limits,
    journal: &'a Journal,
    rules: &'a mut RuleSets,
    used: &'a mut Used,
    lately: &'a mut Lately,
    changed: &'a mut Vec<Arc<StoredConsent>>,
}

impl Commit<'_> {
    fn ulid(&mut self) -> Ulid {
        tacit_model::new_ulid(self.now, &mut self.rng)
    }

    fn salt(&mut self) -> [u8; 32] {
        use rand_core::Rng;
        let mut salt = [0; 32];
        self.rng.fill_bytes(&mut salt);
        salt
    }

    /// Adds a record and keeps its bytes for the answer.
    fn push(&mut self, record: impl Into<Record>) -> Result<(NewRecord, [u8; 32]), StoreError> {
        let record = record.into();
        let id = record.id().to_owned();
        let bytes = record
            .to_bytes()
            .map_err(|_| StoreError::LogHead("a record could not be written in its form"))?;
        let (index, leaf) = self.append.push(id, bytes.clone());
        Ok((NewRecord { index, record: bytes }, leaf))
    }

    async fn write(&mut self, write: Write) -> Result<Done, StoreError> {
        match write {
            Write::Register { requester, epoch, batch, carries } => {
                self.register(&requester, epoch, &batch, &carries).await
            }
            Write::PutConsent { consent, state_signature } => {
                self.put_consent(&consent, state_signature).await
            }
            Write::ChangeConsent(job) => self.change_consent(&job).await,
            Write::RenewConsent { consent, change } => self.renew_consent(&consent, &change).await,
            Write::RequestConsent(request) => self.request_consent(&request).await,
            Write::Manifest(manifest) => self.manifest(&manifest).await,
            Write::Enrollment { custodian, requester, epoch, count } => {
                self.enrollment(&custodian, &requester, epoch, count)
            }
            Write::Registry(version) => self.registry(&version).await,
            Write::Counted { hash, cosigned } => self.counted(hash, &cosigned).await,
            Write::Audit(job) => self.audit(*job).await,
            Write::Erase(job) => self.erase(&job).await,
            Write::Letter(job) => self.letter(&job).await,
            Write::Measure(job) => self.measure(&job).await,
            Write::LiftMeasure(job) => self.lift_measure(&job).await,
            Write::Prune => {
                let more = uses::prune(self.conn, self.now.0, self.now.utc_day()).await?;
                Ok(Done::Pruned { more })
            }
        }
    }
}

impl GroupWork for Appender {
    type Job = Job;
    type Done = Done;

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Job>) -> Result<Vec<Done>, StoreError> {
        let mut reads = Reads::new(tx.dialect());
        let head = Log::read_head(&mut reads);
        let early = Early::read(&mut reads, &jobs, self.witnesses.now().utc_day());
        // Another replica may have put a version in force since.
        let shared = tx.dialect() == Dialect::Postgres;
        let in_force = shared.then(|| registries::read_in_force(&mut reads));
        let mut rows = tx.fetch(reads).await?;
        let (conn, last) = tx.begun().await?;
        let append = self.log.begin(conn, &rows.take(head)).await?;
        let now = match self.catch_up(conn, &append).await? {
            Ok(now) => now,
            Err(reason) => {
                self.last_size = append.end();
                self.pending = Some(self.log.finish(last, &append)?);
                return Ok(jobs.iter().map(|_| Done::Refused(reason)).collect());
            }
        };
        if let Some(in_force) = in_force
            && let Some(hash) = registries::hash_in_force(&mut rows, in_force)?
            && hash != self.versions.registry().hash()
            && let Some(stored) = registries::in_force(conn).await?
        {
            self.versions.adopt(stored)?;
        }
        let in_force = self.versions.in_force();
        let mut commit = Commit {
            conn: &mut *conn,
            last: &mut *last,
            wrote: false,
            log_size: append.start(),
            append,
            now,
            rng: entropy::os_rng(),
            registry: &in_force.registry,
            limits: &self.limits,
            journal: &self.journal,
            rules: &mut self.rules,
            used: &mut self.used,
            lately: &mut self.lately,
            changed: &mut self.changed,
        };
        let mut done: Vec<Option<Done>> = Vec::with_capacity(jobs.len());
        let mut authorize = Vec::new();
        for (place, job) in jobs.into_iter().enumerate() {
            done.push(match job {
                Job::Authorize(job) => {
                    authorize.push((place, *job));
                    None
                }
                Job::Write(write) => {
                    commit.wrote = true;
                    Some(commit.write(write).await?)
                }
            });
        }
        if !authorize.is_empty() {
            for (place, answer) in commit.authorize(authorize, &early, &mut rows).await? {
                done[place] = Some(answer);
            }
        }
        let append = commit.append;
        if let Some(own) = &self.watchers.own {
            own.note(&self.changed);
        }
        self.turn_year(conn, &append, now).await?;
        self.last_size = append.end();
        self.pending = Some(self.log.finish(last, &append)?);
        Ok(done.into_iter().flatten().collect())
    }

    fn committed(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.log.publish(pending);
        }
        // Nobody watching is no error.
        self.changed.drain(..).for_each(|consent| drop(self.watchers.told.send(consent)));
    }

    fn failed(&mut self) {
        self.pending = None;
        if let Some(own) = &self.watchers.own {
            own.take_back(&self.changed);
        }
        self.changed.clear();
        self.rules = RuleSets::default();
        self.used = Used::default();
        self.lately = Lately::default();
        (self.last_size, self.year) = (0, None);
        self.log.forget();
    }
}
