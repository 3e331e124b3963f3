//! What the decisions of a commit need to know, read for all its checks together, and what they add to it.

use std::collections::{BTreeSet, HashMap, HashSet};

use tacit_blind::check::CheckItem;
use tacit_model::{Basis, ListId, Millis, Reason, Ulid};
use tacit_policy::{Allowed, Consent, ConsentStatus, ConsentView, Counters, Permitted};
use tacit_store::{Dialect, ReadId, Reads, Rows, StoreError};

use super::{AuthorizeJob, Commit, Job, ProvenCheck};
use crate::store::{
    carried, consents,
    manifests::EpochHead,
    openings::{self, Chain, SealedOpening},
    requests::{self, Stored},
    subjects::Number,
    uses,
};

/// A consent that a check of this commit names.
struct KnownConsent {
    terms: Consent,
    status: ConsentStatus,
    /// Uses within its window, this commit's included.
    uses: u64,
}

/// The tables as they are before this commit, and what it adds.
pub(super) struct Desk {
    pub(super) chains: HashMap<Number, Chain>,
    moved: HashSet<Number>,
    subject_uses: uses::SubjectUses,
    agreement_uses: HashMap<Ulid, uses::AgreementUses>,
    /// The minute of this commit.
    minute: u64,
    consents: HashMap<Ulid, KnownConsent>,
    /// All pseudonyms of subjects that were carried, where a check names a consent under another one.
    carried: HashMap<Number, Vec<[u8; 32]>>,
    lists: HashMap<ListId, Vec<EpochHead>>,
    added_subject: HashMap<(Number, Ulid), u64>,
    added_agreement: HashMap<Ulid, u64>,
    added_consent: HashMap<Ulid, u64>,
    pub(super) openings: Vec<SealedOpening>,
}

/// What is read for the checks of a commit in one message with the head of the log.
pub(super) struct Early {
    requests: ReadId,
    chains: ReadId,
    day: u64,
}

impl Early {
    pub(super) fn read(reads: &mut Reads, jobs: &[Job], day: u64) -> Self {
        let checks = || jobs.iter().filter_map(Job::as_authorize);
        let fingerprints: Vec<_> = checks().map(|job| job.fingerprint).collect();
        let requests = requests::find_with(reads, &fingerprints);
        Self { requests, chains: openings::read_chains_and_uses(reads, &subjects(checks()), day), day }
    }

    /// The requests of this commit that were answered before.
    pub(super) fn answered(&self, rows: &mut Rows) -> Result<HashMap<[u8; 32], Stored>, StoreError> {
        requests::found(&rows.take(self.requests))
    }
}

/// The pseudonyms of these checks, in order, so that what lies together is read and written together.
fn subjects<'j>(jobs: impl Iterator<Item = &'j AuthorizeJob>) -> Vec<Number> {
    let proven = jobs.flat_map(|job| job.checks.iter().flatten());
    proven.map(|proven| proven.subject).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Commit<'_> {
    /// Whether a check is neither too old nor too far ahead.
    pub(super) fn is_fresh(&self, asked: Millis) -> bool {
        self.now.since(asked) <= self.limits.freshness_ms && asked.since(self.now) <= self.limits.ahead_ms
    }

    /// Reads everything else that the decisions need, in a few statements.
    pub(super) async fn desk(
        &mut self,
        jobs: &[(usize, AuthorizeJob)],
        early: &Early,
        rows: &mut Rows,
    ) -> Result<Desk, StoreError> {
        self.used.catch_up(self.conn, self.now).await?;
        let mut consent_ids = HashSet::new();
        let mut lists = HashMap::new();
        for proven in jobs.iter().flat_map(|(_, job)| job.checks.iter().flatten()) {
            let context = proven.check.context();
            if let Basis::Consent(id) = context.basis {
                consent_ids.insert(id);
            }
            for at in context.items.iter().flat_map(|item| &item.lists) {
                if !lists.contains_key(&at.list) {
                    lists.insert(at.list.clone(), Vec::new());
                }
            }
        }
        for (list, heads) in &mut lists {
            *heads = self.lately.heads(self.conn, list).await?;
        }
        let today = self.now.utc_day();
        let mut chains = rows.take(early.chains);
        // Other writes of this commit may have moved a chain since.
        if self.wrote || early.day != today {
            let mut reads = Reads::new(Dialect::of(self.conn));
            let read =
                openings::read_chains_and_uses(&mut reads, &subjects(jobs.iter().map(|(_, job)| job)), today);
            chains = reads.fetch(self.conn).await?.take(read);
        }
        let (chains, subject_uses) = openings::chains_and_uses(&chains)?;
        let consents = self.consents(&consent_ids.into_iter().collect::<Vec<_>>()).await?;
        let otherwise: BTreeSet<Number> = jobs
            .iter()
            .flat_map(|(_, job)| job.checks.iter().flatten())
            .filter(|proven| match proven.check.context().basis {
                Basis::Consent(id) => {
                    consents.get(&id).is_some_and(|it| it.terms.pseudonym != *proven.check.pseudonym())
                }
                Basis::Agreement(_) => false,
            })
            .map(|proven| proven.subject)
            .collect();
        let carried = carried::of_subjects(self.conn, &otherwise.into_iter().collect::<Vec<_>>()).await?;
        Ok(Desk {
            chains,
            moved: HashSet::with_capacity(jobs.len()),
            subject_uses,
            agreement_uses: self.lately.agreement_uses(self.conn, today).await?,
            minute: self.now.utc_minute(),
            consents,
            carried,
            lists,
            added_subject: HashMap::new(),
            added_agreement: HashMap::new(),
            added_consent: HashMap::new(),
            openings: Vec::new(),
        })
    }

    /// Takes up what a check uses once, or says what of it was used before.
    pub(super) fn use_once(&mut self, proven: &ProvenCheck) -> Result<(), Reason> {
        if self.used.contains(&proven.nonce) {
            return Err(Reason::NonceReused);
        }
        if proven.queries.iter().any(|(_, once)| self.used.contains(once)) {
            return Err(Reason::QueryReused);
        }
        let queries = proven.queries.iter().map(|(_, once)| *once);
        self.used.extend(std::iter::once(proven.nonce).chain(queries));
        Ok(())
    }

    async fn consents(&mut self, ids: &[Ulid]) -> Result<HashMap<Ulid, KnownConsent>, StoreError> {
        let mut known = HashMap::with_capacity(ids.len());
        for (id, stored) in consents::by_ids(self.conn, ids).await? {
            let status = ConsentStatus::restored(stored.state, stored.number);
            known.insert(id, KnownConsent { terms: stored.terms, status, uses: 0 });
        }
        let since = known.iter().map(|(id, known)| (*id, known.terms.frequency.window_start(self.now)));
        for (id, uses) in consents::uses_since(self.conn, since).await? {
            if let Some(known) = known.get_mut(&id) {
                known.uses = uses;
            }
        }
        Ok(known)
    }

    /// Writes what the decisions of this commit added.
    pub(super) fn store_desk(&mut self, desk: Desk) {
        let today = self.now.utc_day();
        let Desk { chains, moved, added_subject, added_agreement, added_consent, openings, minute, .. } =
            desk;
        // Used values outlive the window in which their check could still be fresh.
        let until = self.now.plus_ms(self.limits.freshness_ms + self.limits.ahead_ms + 1_000);
        self.used.store(self.last, self.log_size, until);
        let mut chains: Vec<_> =
            moved.iter().filter_map(|subject| Some((*subject, *chains.get(subject)?))).collect();
        chains.sort_unstable_by_key(|(subject, _)| *subject);
        let mut added_subject: Vec<_> = added_subject.into_iter().collect();
        added_subject.sort_unstable_by_key(|(subject, _)| *subject);
        openings::store_chains(self.last, &chains);
        openings::store(self.last, &openings);
        openings::store_rules(self.last, &self.rules.take_added());
        uses::add_subject_uses(self.last, today, &added_subject);
        self.lately.add_agreement_uses(today, minute, &added_agreement);
        uses::add_agreement_uses(self.last, today, minute, &added_agreement.into_iter().collect::<Vec<_>>());
        consents::add_uses(self.last, self.now.0, &added_consent.into_iter().collect::<Vec<_>>());
    }
}

impl Desk {
    /// Whether every list of the item that exists is asked in an epoch that is current at `now`, or was until
    /// `grace_ms` ago.
    pub(super) fn epochs(
        &self,
        item: &CheckItem,
        registry: &tacit_policy::Registry,
        now: Millis,
        grace_ms: u64,
    ) -> Result<(), Reason> {
        // A list that is unknown is the rules' to refuse.
        for at in item.lists.iter().filter(|at| registry.list(&at.list).is_some()) {
            let heads = self.heads(&at.list);
            let newest = heads.first().ok_or(Reason::ListNotReady)?;
            let in_grace = now.since(Millis(newest.first_logged_ms)) <= grace_ms;
            let old = || heads.get(1).is_some_and(|old| old.epoch == at.epoch);
            if at.epoch != newest.epoch && !(in_grace && old()) {
                return Err(Reason::EpochNotCurrent);
            }
        }
        Ok(())
    }

    /// The newest logged version of a list's epoch. [`Desk::epochs`] says before whether there is one.
    pub(super) fn version(&self, list: &ListId, epoch: u64) -> u64 {
        self.heads(list).iter().find(|head| head.epoch == epoch).map_or(0, |head| head.version)
    }

    fn heads(&self, list: &ListId) -> &[EpochHead] {
        self.lists.get(list).map_or(&[], Vec::as_slice)
    }

    /// Other pseudonyms of a subject, where a check names a consent under one of them.
    pub(super) fn carried(&self, subject: Number) -> &[[u8; 32]] {
        self.carried.get(&subject).map_or(&[], Vec::as_slice)
    }

    /// The consent that a basis names.
    pub(super) fn consent(&self, basis: Basis) -> Option<ConsentView<'_>> {
        match basis {
            Basis::Consent(id) => self
                .consents
                .get(&id)
                .map(|known| ConsentView { consent: &known.terms, status: known.status }),
            Basis::Agreement(_) => None,
        }
    }

    /// What was used so far. A check uses its consent once: `charged` says that an earlier item of this very
    /// check did already.
    pub(super) fn counters(&self, permitted: &Permitted<'_>, subject: Number, charged: bool) -> Counters {
        let agreement = permitted.agreement().id;
        let subject = (subject, agreement);
        let consent = permitted.consent().and_then(|id| self.consents.get(&id));
        let under = self.agreement_uses.get(&agreement).copied().unwrap_or_default();
        let added = self.added_agreement.get(&agreement).copied().unwrap_or(0);
        Counters {
            checks_today: under.day + added,
            checks_this_minute: under.in_minute(self.minute) + added,
            subject_checks_today: sum(&self.subject_uses, &self.added_subject, &subject),
            consent_uses: consent.map_or(0, |known| known.uses - u64::from(charged)),
        }
    }

    /// Counts a permitted item; `charged` as in [`Desk::counters`].
    pub(super) fn charge(&mut self, subject: Number, allowed: &Allowed, charged: &mut bool) {
        let agreement = allowed.agreement();
        *self.added_subject.entry((subject, agreement)).or_insert(0) += 1;
        *self.added_agreement.entry(agreement).or_insert(0) += 1;
        if let Some(id) = allowed.consent().filter(|_| !std::mem::replace(charged, true)) {
            *self.added_consent.entry(id).or_insert(0) += 1;
            if let Some(known) = self.consents.get_mut(&id) {
                known.uses += 1;
            }
        }
    }

    /// Moves a chain on to its newest record.
    pub(super) fn advance(&mut self, subject: Number, chain: Chain) {
        self.chains.insert(subject, chain);
        self.moved.insert(subject);
    }
}

fn sum<K: std::hash::Hash + Eq>(stored: &HashMap<K, u64>, added: &HashMap<K, u64>, key: &K) -> u64 {
    stored.get(key).copied().unwrap_or(0) + added.get(key).copied().unwrap_or(0)
}
