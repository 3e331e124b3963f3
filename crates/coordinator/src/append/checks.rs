//! Decides checks: `access` for what is permitted, `refused` for what is not, all of a commit together.

use std::collections::HashMap;

use tacit_blind::check::CheckItem;
use tacit_model::{Millis, Reason};
use tacit_policy::{Allowed, Asked, Question, RuleName, permission};
use tacit_store::{Rows, StoreError};
use tacit_wire::{Message, coordinator as pb};

use super::{
    AuthorizeJob, Commit, Done, ProvenCheck,
    desk::{Desk, Early},
    records::Place,
};
use crate::{
    answer::records_of,
    store::requests::{self, Answered, Stored},
};

/// How one item was decided.
pub(super) enum Decision {
    Permitted(Allowed),
    Refused { public: Reason, exact: &'static str, rules: Vec<RuleName> },
}

impl Decision {
    fn refused(reason: Reason) -> Self {
        Self::Refused { public: reason.outward(), exact: reason.as_str(), rules: Vec::new() }
    }
}

impl Commit<'_> {
    /// Answers every job, each with its place in the commit.
    pub(super) async fn authorize(
        &mut self,
        jobs: Vec<(usize, AuthorizeJob)>,
        early: &Early,
        rows: &mut Rows,
    ) -> Result<Vec<(usize, Done)>, StoreError> {
        let mut answered = early.answered(rows)?;
        // Repetitions are set apart first: what they use was used by their first time.
        let mut first_in_commit = HashMap::with_capacity(jobs.len());
        let (new, repeated): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(place, job)| {
            !answered.contains_key(&job.fingerprint)
                && *first_in_commit.entry(job.fingerprint).or_insert(*place) == *place
        });
        let mut stored = Vec::with_capacity(new.len());
        let mut done = Vec::with_capacity(new.len() + repeated.len());
        let mut desk = self.desk(&new, early, rows).await?;
        for (place, job) in &new {
            let answer = self.decide_request(&mut desk, job)?;
            let request = Answered {
                request_hash: job.fingerprint,
                requester: job.requester.to_string(),
                answered_ms: self.now.0,
                check_hashes: job.hashes.as_flattened().to_vec(),
                signature: job.signature,
                outcome: without_records(&answer).encode_to_vec(),
            };
            if !repeated.is_empty() {
                answered.insert(job.fingerprint, stored_now(&request));
            }
            stored.push(request);
            done.push((*place, Done::Authorized(answer)));
        }
        self.store_desk(desk);
        requests::store(self.last, &stored);
        for (place, job) in repeated {
            let known = answered.get(&job.fingerprint).filter(|known| known.requester == *job.requester);
            done.push((
                place,
                known.map_or(Done::Refused(Reason::CertificateMismatch), |known| Done::Replayed {
                    outcome: known.outcome.clone(),
                    answered: Millis(known.answered_ms),
                }),
            ));
        }
        Ok(done)
    }

    fn decide_request(&mut self, desk: &mut Desk, job: &AuthorizeJob) -> Result<pb::Authorized, StoreError> {
        let mut checks = Vec::with_capacity(job.checks.len());
        for (position, proven) in (0u16..).zip(&job.checks) {
            checks.push(match proven {
                Err(reason) => {
                    pb::CheckOutcome { items: Vec::new(), refusal: Some(tacit_wire::refusal(*reason)) }
                }
                Ok(proven) => {
                    let items = self.decide_check(desk, job, proven, position)?;
                    pb::CheckOutcome { items, refusal: None }
                }
            });
        }
        Ok(pb::Authorized { checks, ..Default::default() })
    }

    fn decide_check(
        &mut self,
        desk: &mut Desk,
        job: &AuthorizeJob,
        proven: &ProvenCheck,
        position: u16,
    ) -> Result<Vec<pb::ItemOutcome>, StoreError> {
        let context = proven.check.context();
        // Why nothing of this check may be looked at: too old, or used before.
        let usable =
            if self.is_fresh(context.timestamp) { self.use_once(proven) } else { Err(Reason::NotFresh) };
        let mut charged = false;
        let mut outcomes = Vec::with_capacity(context.items.len());
        for (number, item) in (0u16..).zip(&context.items) {
            let epochs = || desk.epochs(item, self.registry, self.now, self.limits.epoch_grace_ms);
            let decision = match usable.and_then(|()| epochs()) {
                Err(reason) => Decision::refused(reason),
                Ok(()) => self.decide_item(desk, proven, item, charged),
            };
            if let Decision::Permitted(allowed) = &decision {
                desk.charge(proven.subject, allowed, &mut charged);
            }
            let place = Place { job, proven, position, item, number };
            outcomes.push(self.record_item(desk, &place, &decision)?);
        }
        Ok(outcomes)
    }

    fn decide_item(&self, desk: &Desk, proven: &ProvenCheck, item: &CheckItem, charged: bool) -> Decision {
        let check = &proven.check;
        let context = check.context();
        let asked = Asked {
            // The same as the authenticated peer: that was compared before the proof was looked at.
            requester: &context.requester,
            holder: &item.holder,
            lists: item.lists.iter().map(|at| &at.list).collect(),
            purpose: &context.purpose,
        };
        let question = Question {
            asked,
            basis: context.basis,
            pseudonym: check.pseudonym(),
            carried: desk.carried(proven.subject),
        };
        let consent = desk.consent(context.basis);
        let decided =
            permission(&question, self.registry, consent.as_ref(), self.now).and_then(|permitted| {
                let counters = desk.counters(&permitted, proven.subject, charged);
                permitted.within(&counters)
            });
        match decided {
            Ok(allowed) => Decision::Permitted(allowed),
            Err(refusal) => Decision::Refused {
                public: refusal.public,
                exact: refusal.exact.as_str(),
                rules: refusal.rules,
            },
        }
    }
}

/// The answer as it is stored: records by index, their bytes are in the log.
fn without_records(answer: &pb::Authorized) -> pb::Authorized {
    let mut stored = answer.clone();
    for record in records_of(&mut stored) {
        record.record = Default::default();
    }
    stored
}

fn stored_now(request: &Answered) -> Stored {
    Stored {
        requester: request.requester.clone(),
        answered_ms: request.answered_ms,
        outcome: request.outcome.clone(),
    }
}
