//! Decides checks and writes their records: `access` for what is permitted, `refused` for what is not.

use std::collections::{HashMap, HashSet};

use tacit_blind::check::{CheckItem, VerifiedCheck};
use tacit_ledger::record::{self, ListAt};
use tacit_model::{Basis, MemberId, Millis, Reason};
use tacit_policy::{Allowed, Asked, Consent, ConsentStatus, ConsentView, Counters, Question, permission};
use tacit_store::StoreError;
use tacit_wire::{Message, common, coordinator as pb};

use super::{AuthorizeJob, Commit, Done, NewRecord, ProvenCheck};
use crate::{
    opening::{CheckOpening, Opening, seal},
    store::{
        consents::{self, StoredConsent},
        manifests::{self, EpochHead},
        openings::{self, Chain, SealedOpening},
        requests::{self, Answered, Stored},
        uses,
    },
};

/// How one item was decided.
enum Decision {
    Permitted(Box<Allowed>),
    Refused { public: Reason, exact: &'static str, rules: String },
}

impl Decision {
    fn refused(reason: Reason) -> Self {
        Self::Refused { public: reason.outward(), exact: reason.as_str(), rules: String::new() }
    }
}

/// What the database says about the pseudonyms, nonces and consents of all checks of a commit, and what
/// the decisions of this commit add to it.
struct Desk {
    nonces: HashSet<uses::Nonce>,
    queries: HashSet<[u8; 32]>,
    chains: HashMap<[u8; 32], Chain>,
    moved: HashSet<[u8; 32]>,
    subject_uses: uses::SubjectUses,
    agreement_uses: HashMap<String, u64>,
    consents: HashMap<String, (StoredConsent, Consent)>,
    /// Uses of a consent before this commit, by id.
    consent_uses: HashMap<String, u64>,
    lists: HashMap<String, Vec<EpochHead>>,
    added_nonces: Vec<uses::Nonce>,
    added_queries: Vec<[u8; 32]>,
    added_subject: HashMap<([u8; 32], String), u64>,
    added_agreement: HashMap<String, u64>,
    added_consent: HashMap<String, u64>,
    openings: Vec<SealedOpening>,
}

impl Commit<'_> {
    /// Answers every job, each with its place in the commit.
    pub(super) async fn authorize(
        &mut self,
        jobs: Vec<(usize, AuthorizeJob)>,
    ) -> Result<Vec<(usize, Done)>, StoreError> {
        let fingerprints: Vec<_> = jobs.iter().map(|(_, job)| job.fingerprint).collect();
        let mut answered = requests::find(self.conn, &fingerprints).await?;
        let mut desk = self.desk(&jobs).await?;
        let mut stored = Vec::new();
        let mut done = Vec::with_capacity(jobs.len());
        for (place, job) in jobs {
            if let Some(known) = answered.get(&job.fingerprint) {
                done.push((place, replay(known, &job.requester)));
                continue;
            }
            let answer = self.decide_request(&mut desk, &job)?;
            let outcome = without_records(&answer).encode_to_vec();
            let requester = job.requester.to_string();
            let known =
                Stored { requester: requester.clone(), answered_ms: self.now.0, outcome: outcome.clone() };
            answered.insert(job.fingerprint, known);
            stored.push(Answered {
                request_hash: job.fingerprint,
                requester,
                answered_ms: self.now.0,
                check_hashes: job.hashes.into_flattened(),
                signature: job.signature,
                outcome,
            });
            done.push((place, Done::Authorized(answer)));
        }
        self.store(desk, &stored).await?;
        Ok(done)
    }

    /// Reads everything the decisions need, in a few statements for all checks together.
    async fn desk(&mut self, jobs: &[(usize, AuthorizeJob)]) -> Result<Desk, StoreError> {
        let mut nonces = Vec::new();
        let mut queries = Vec::new();
        let mut pseudonyms = Vec::new();
        let mut consent_ids = HashSet::new();
        let mut list_ids = HashSet::new();
        for (_, job) in jobs {
            for ProvenCheck { check, .. } in job.checks.iter().flatten() {
                let context = check.context();
                nonces.push((job.requester.to_string(), context.nonce));
                pseudonyms.push(*check.pseudonym());
                if let Basis::Consent(id) = context.basis {
                    consent_ids.insert(id.to_string());
                }
                for item in &context.items {
                    queries.push(query_hash(item));
                    list_ids.extend(item.lists.iter().map(|at| at.list.to_string()));
                }
            }
        }
        let consent_ids: Vec<String> = consent_ids.into_iter().collect();
        let mut consents = HashMap::new();
        for (id, stored) in consents::by_ids(self.conn, &consent_ids).await? {
            let text = Consent::parse(&stored.text)
                .map_err(|_| StoreError::corrupt("consent", "text", &id, "does not parse"))?;
            consents.insert(id, (stored, text));
        }
        let mut consent_uses = HashMap::new();
        for (id, (_, text)) in &consents {
            let since = text.frequency.window_start(self.now);
            consent_uses.insert(id.clone(), consents::uses_since(self.conn, id, since.0).await?);
        }
        let mut lists = HashMap::new();
        for list in list_ids {
            let heads = manifests::heads(self.conn, &list).await?;
            lists.insert(list, heads);
        }
        let today = self.now.utc_day();
        Ok(Desk {
            nonces: uses::used_nonces(self.conn, &nonces).await?,
            queries: uses::used_queries(self.conn, &queries).await?,
            chains: openings::chains(self.conn, &pseudonyms).await?,
            moved: HashSet::new(),
            subject_uses: uses::subject_uses(self.conn, &pseudonyms, today).await?,
            agreement_uses: uses::agreement_uses(self.conn, today).await?,
            consents,
            consent_uses,
            lists,
            added_nonces: Vec::new(),
            added_queries: Vec::new(),
            added_subject: HashMap::new(),
            added_agreement: HashMap::new(),
            added_consent: HashMap::new(),
            openings: Vec::new(),
        })
    }

    fn decide_request(&mut self, desk: &mut Desk, job: &AuthorizeJob) -> Result<pb::Authorized, StoreError> {
        let mut checks = Vec::with_capacity(job.checks.len());
        for (position, proven) in job.checks.iter().enumerate() {
            checks.push(match proven {
                Err(reason) => {
                    pb::CheckOutcome { items: Vec::new(), refusal: Some(tacit_wire::refusal(*reason)) }
                }
                Ok(proven) => {
                    let items = self.decide_check(desk, job, proven, position as u64)?;
                    pb::CheckOutcome { items, refusal: None }
                }
            });
        }
        Ok(pb::Authorized { checkpoint: Default::default(), checks })
    }

    fn decide_check(
        &mut self,
        desk: &mut Desk,
        job: &AuthorizeJob,
        proven: &ProvenCheck,
        position: u64,
    ) -> Result<Vec<pb::ItemOutcome>, StoreError> {
        let check = &proven.check;
        let context = check.context();
        let unusable = self.unusable(desk, job, check);
        if unusable.is_none() {
            let nonce = (job.requester.to_string(), context.nonce);
            desk.nonces.insert(nonce.clone());
            desk.added_nonces.push(nonce);
            for item in &context.items {
                let query = query_hash(item);
                desk.queries.insert(query);
                desk.added_queries.push(query);
            }
        }
        let mut consent_charged = false;
        let mut outcomes = Vec::with_capacity(context.items.len());
        for item in &context.items {
            let decision = match unusable.or_else(|| self.epoch_problem(desk, item)) {
                Some(reason) => Decision::refused(reason),
                None => self.decide_item(desk, job, check, item),
            };
            if let Decision::Permitted(allowed) = &decision {
                desk.charge(check.pseudonym(), allowed, &mut consent_charged);
            }
            outcomes.push(self.record_item(desk, job, proven, item, position, &decision)?);
        }
        Ok(outcomes)
    }

    /// Why nothing of this check may be looked at: too old, or used before.
    fn unusable(&self, desk: &Desk, job: &AuthorizeJob, check: &VerifiedCheck) -> Option<Reason> {
        let context = check.context();
        let asked = context.timestamp;
        if self.now.since(asked) > self.limits.freshness_ms || asked.since(self.now) > self.limits.ahead_ms {
            return Some(Reason::NotFresh);
        }
        if desk.nonces.contains(&(job.requester.to_string(), context.nonce)) {
            return Some(Reason::NonceReused);
        }
        context
            .items
            .iter()
            .any(|item| desk.queries.contains(&query_hash(item)))
            .then_some(Reason::QueryReused)
    }

    /// Whether every list of the item is asked in an epoch that is current.
    fn epoch_problem(&self, desk: &Desk, item: &CheckItem) -> Option<Reason> {
        item.lists.iter().find_map(|at| {
            // A list that is unknown is the rules' to refuse.
            self.registry.list(&at.list)?;
            let heads = desk.lists.get(at.list.as_str()).map_or(&[][..], Vec::as_slice);
            let Some(newest) = heads.first() else { return Some(Reason::ListNotReady) };
            let current = at.epoch == newest.epoch;
            let grace = || {
                heads.get(1).is_some_and(|old| old.epoch == at.epoch)
                    && self.now.since(Millis(newest.first_logged_ms)) <= self.limits.epoch_grace_ms
            };
            (!current && !grace()).then_some(Reason::EpochNotCurrent)
        })
    }

    fn decide_item(
        &self,
        desk: &Desk,
        job: &AuthorizeJob,
        check: &VerifiedCheck,
        item: &CheckItem,
    ) -> Decision {
        let context = check.context();
        let asked = Asked {
            requester: &job.requester,
            holder: &item.holder,
            lists: item.lists.iter().map(|at| &at.list).collect(),
            purpose: &context.purpose,
        };
        let question = Question { asked, basis: context.basis, pseudonym: check.pseudonym() };
        let stored = match context.basis {
            Basis::Consent(id) => desk.consents.get(&id.to_string()),
            Basis::Agreement(_) => None,
        };
        let view = stored.and_then(|(stored, consent)| {
            let status = ConsentStatus::restored(stored.state.parse().ok()?, stored.number);
            Some(ConsentView { consent, status })
        });
        let decided = permission(&question, self.registry, view.as_ref(), self.now).and_then(|permitted| {
            let agreement = permitted.agreement().id.to_string();
            let consent_uses = permitted.consent().map_or(0, |id| {
                let id = id.to_string();
                desk.consent_uses.get(&id).copied().unwrap_or(0)
                    + desk.added_consent.get(&id).copied().unwrap_or(0)
            });
            let counters = Counters {
                checks_today: desk.agreement_total(&agreement),
                subject_checks_today: desk.subject_total(check.pseudonym(), &agreement),
                consent_uses,
            };
            permitted.within(&counters)
        });
        match decided {
            Ok(allowed) => Decision::Permitted(Box::new(allowed)),
            Err(refusal) => Decision::Refused {
                public: refusal.public,
                exact: refusal.exact.as_str(),
                rules: refusal.rules.join(" "),
            },
        }
    }

    /// Writes the record of a decision. An access record needs the proof that it is allowed.
    fn record_item(
        &mut self,
        desk: &mut Desk,
        job: &AuthorizeJob,
        proven: &ProvenCheck,
        item: &CheckItem,
        position: u64,
        decision: &Decision,
    ) -> Result<pb::ItemOutcome, StoreError> {
        let check = &proven.check;
        let pseudonym = *check.pseudonym();
        let chain = match desk.chains.get(&pseudonym) {
            Some(chain) => *chain,
            None => Chain { sequence: 0, leaf: [0; 32], opening_key: Some(self.salt()) },
        };
        let (salt_subject, salt_evidence) = (self.salt(), self.salt());
        let subject = tacit_blind::commit::subject(&salt_subject, &pseudonym, chain.sequence, &chain.leaf);
        let evidence = check
            .evidence(&salt_evidence, &proven.register_hash)
            .map_err(|_| StoreError::LogHead("a context is too long for its evidence"))?;
        let commitments = Commitments { subject, evidence };
        let id = self.ulid();
        let (record, leaf) = match decision {
            Decision::Permitted(allowed) => {
                let access = self.access(desk, id, &job.requester, check, item, allowed, commitments);
                self.push(access)?
            }
            Decision::Refused { public, .. } => {
                let refused = self.refused(id, &job.requester, check, item, *public, commitments);
                self.push(refused)?
            }
        };
        if let Some(key) = chain.opening_key {
            let (exact, rules, agreement) = match decision {
                Decision::Permitted(allowed) => {
                    ("", allowed.rules().join(" "), allowed.agreement().to_string())
                }
                Decision::Refused { exact, rules, .. } => (*exact, rules.clone(), String::new()),
            };
            let opening = Opening::Check(CheckOpening {
                salt_subject,
                sequence: chain.sequence,
                previous: chain.leaf,
                salt_evidence,
                blinded_subject: *check.blinded_subject(),
                register_hash: proven.register_hash,
                context: check.context_bytes(),
                proof: check.proof(),
                request: job.fingerprint,
                position,
                exact,
                rules: &rules,
                agreement: &agreement,
            });
            let sealed = seal(&opening, &key, record.index, &mut self.rng)
                .map_err(|_| StoreError::LogHead("an opening could not be sealed"))?;
            desk.openings.push(SealedOpening { log_index: record.index, pseudonym, sealed });
        }
        desk.chains.insert(pseudonym, Chain { sequence: chain.sequence + 1, leaf, ..chain });
        desk.moved.insert(pseudonym);
        Ok(outcome(record, decision))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the one record, and this is the one place that writes it"
    )]
    fn access(
        &self,
        desk: &Desk,
        id: String,
        requester: &MemberId,
        check: &VerifiedCheck,
        item: &CheckItem,
        _allowed: &Allowed,
        commitments: Commitments,
    ) -> record::Access {
        let context = check.context();
        record::Access {
            id,
            time_ms: self.now.0,
            requester: requester.to_string(),
            holder: item.holder.to_string(),
            lists: item
                .lists
                .iter()
                .map(|at| ListAt {
                    list: at.list.to_string(),
                    epoch: at.epoch,
                    version: desk.version(at.list.as_str(), at.epoch),
                })
                .collect(),
            purpose: context.purpose.to_string(),
            registry: self.registry.hash(),
            query: query_hash(item),
            matter: context.matter,
            cnf: context.cnf,
            expires_ms: self.now.plus_ms(self.limits.permit_ms).0,
            subject: commitments.subject,
            evidence: commitments.evidence,
        }
    }

    fn refused(
        &self,
        id: String,
        requester: &MemberId,
        check: &VerifiedCheck,
        item: &CheckItem,
        reason: Reason,
        commitments: Commitments,
    ) -> record::Refused {
        let context = check.context();
        record::Refused {
            id,
            time_ms: self.now.0,
            requester: requester.to_string(),
            holder: item.holder.to_string(),
            lists: item.lists.iter().map(|at| at.list.to_string()).collect(),
            purpose: context.purpose.to_string(),
            registry: self.registry.hash(),
            reason: reason.as_str().to_owned(),
            matter: context.matter,
            subject: commitments.subject,
            evidence: commitments.evidence,
        }
    }

    /// Writes what the decisions of this commit added.
    async fn store(&mut self, desk: Desk, stored: &[Answered]) -> Result<(), StoreError> {
        // Used nonces and queries outlive the window in which their check could still be fresh.
        let until = self.now.plus_ms(self.limits.freshness_ms + self.limits.ahead_ms + 1_000).0;
        let today = self.now.utc_day();
        let Desk {
            chains,
            moved,
            added_nonces,
            added_queries,
            added_subject,
            added_agreement,
            added_consent,
            openings,
            ..
        } = desk;
        uses::use_nonces(self.conn, &added_nonces, until).await?;
        uses::use_queries(self.conn, &added_queries, until).await?;
        let chains: Vec<_> =
            moved.iter().filter_map(|pseudonym| Some((*pseudonym, *chains.get(pseudonym)?))).collect();
        openings::store_chains(self.conn, &chains).await?;
        openings::store(self.conn, &openings).await?;
        uses::add_subject_uses(self.conn, today, &added_subject.into_iter().collect::<Vec<_>>()).await?;
        uses::add_agreement_uses(self.conn, today, &added_agreement.into_iter().collect::<Vec<_>>()).await?;
        consents::add_uses(self.conn, self.now.0, &added_consent.into_iter().collect::<Vec<_>>()).await?;
        requests::store(self.conn, stored).await
    }
}

/// The two commitments of a record about a check.
#[derive(Clone, Copy)]
struct Commitments {
    subject: [u8; 32],
    evidence: [u8; 32],
}

impl Desk {
    fn charge(&mut self, pseudonym: &[u8; 32], allowed: &Allowed, consent_charged: &mut bool) {
        let agreement = allowed.agreement().to_string();
        *self.added_subject.entry((*pseudonym, agreement.clone())).or_insert(0) += 1;
        *self.added_agreement.entry(agreement).or_insert(0) += 1;
        if let Some(id) = allowed.consent().filter(|_| !*consent_charged) {
            *self.added_consent.entry(id.to_string()).or_insert(0) += 1;
            *consent_charged = true;
        }
    }

    fn subject_total(&self, pseudonym: &[u8; 32], agreement: &str) -> u64 {
        let key = (*pseudonym, agreement.to_owned());
        self.subject_uses.get(&key).copied().unwrap_or(0) + self.added_subject.get(&key).copied().unwrap_or(0)
    }

    fn agreement_total(&self, agreement: &str) -> u64 {
        let before = self.agreement_uses.get(agreement).copied().unwrap_or(0);
        before + self.added_agreement.get(agreement).copied().unwrap_or(0)
    }

    /// The newest logged version of a list's epoch; checked to exist before.
    fn version(&self, list: &str, epoch: u64) -> u64 {
        let heads = self.lists.get(list).map_or(&[][..], Vec::as_slice);
        heads.iter().find(|head| head.epoch == epoch).map_or(0, |head| head.version)
    }
}

fn query_hash(item: &CheckItem) -> [u8; 32] {
    tacit_blind::commit::blinded_query(item.query.as_bytes())
}

fn outcome(record: NewRecord, decision: &Decision) -> pb::ItemOutcome {
    let record =
        common::LoggedRecord { record: record.record.into(), index: record.index, path: Default::default() };
    let outcome = match decision {
        Decision::Permitted(_) => pb::item_outcome::Outcome::Permit(record),
        Decision::Refused { public, .. } => pb::item_outcome::Outcome::Refused(pb::RefusedItem {
            refusal: Some(tacit_wire::refusal(*public)),
            record: Some(record),
        }),
    };
    pb::ItemOutcome { outcome: Some(outcome) }
}

/// The answer as it is stored: records by index, their bytes are in the log.
fn without_records(answer: &pb::Authorized) -> pb::Authorized {
    let mut stored = answer.clone();
    for record in crate::answer::records_of(&mut stored) {
        record.record = Default::default();
    }
    stored
}

fn replay(known: &Stored, requester: &MemberId) -> Done {
    if known.requester != **requester {
        return Done::Refused(Reason::CertificateMismatch);
    }
    Done::Replayed { outcome: known.outcome.clone(), answered: Millis(known.answered_ms) }
}
