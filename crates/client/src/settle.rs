//! The end of a round: what proves its answers becomes durable, then the answers leave.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tacit_ledger::Hash;
use tacit_model::entropy::os_rng;
use tacit_model::{Basis, Reason};

use crate::error::ClientError;
use crate::evidence::{CheckSecrets, ItemPart, KeptAnswer, Section};
use crate::holder::HolderAnswer;
use crate::question::{Answer, ListAnswer};
use crate::requester::{Requester, heavy};
use crate::round::{Finding, Found, Round, RoundCheck};
use crate::store::{RecordOutcome, RecordRow, RequestState, Settled};
use crate::vault::Kind;

/// So many buckets are written without asking which of them are kept already: asking takes longer.
const FEW_BUCKETS: usize = 4;

impl Requester {
    /// Makes the receipts durable; only then answers leave.
    pub(crate) async fn settle_answers(
        &self,
        round: &Arc<Round>,
        checkpoint: Bytes,
        mut items: Vec<ItemPart>,
        answers: Vec<HolderAnswer>,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        let (mut sections, mut buckets) = (Vec::with_capacity(answers.len()), HashMap::new());
        for answer in answers {
            found.extend(answer.found);
            buckets.extend(answer.buckets);
            sections.push(answer.section);
        }
        self.drop_withdrawn(round, &mut found, &items, &mut sections);
        for place in sections.iter().flat_map(|section| &section.answers).map(|answer| answer.place as usize)
        {
            items[place].outcome = RecordOutcome::Answered;
        }
        let records: Vec<RecordRow> = (0u32..)
            .zip(&items)
            .map(|(place, item)| RecordRow { id: item.id, place, outcome: item.outcome })
            .collect();
        let lost = records.iter().any(|record| record.outcome == RecordOutcome::NotAnswered);
        let state = if lost { RequestState::NotAnswered } else { RequestState::Answered };

        let keys: Vec<Hash> = buckets.keys().copied().collect();
        let none = vec![false; keys.len()];
        let kept = match keys.len() {
            ..=FEW_BUCKETS => none,
            _ => self.store().has_buckets(keys.clone()).await.unwrap_or(none),
        };
        let new: Vec<(Hash, Bytes)> = keys
            .into_iter()
            .zip(kept)
            .filter(|(_, kept)| !kept)
            .filter_map(|(key, _)| Some((key, buckets.remove(&key)?)))
            .collect();
        let (this, sealing) = (self.clone(), Arc::clone(round));
        let settled = heavy(records.len(), move || {
            this.seal_answer(&sealing, KeptParts { checkpoint, items, sections, records, state, new })
        })
        .await;
        let stored = match settled {
            Ok(settled) => self.store().settle(settled).await.map_err(ClientError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::error!(%error, "receipts could not be kept; the answers are withheld");
            for (_, _, finding) in &mut found {
                if let Finding::Done(ListAnswer {
                    answer: Answer::Listed(_) | Answer::NotListed,
                    record,
                    ..
                }) = finding
                {
                    *finding = Finding::Lost { reason: Reason::Internal, record: *record };
                }
            }
        }
        found
    }

    /// Outputs under a consent that was withdrawn meanwhile are erased, not answered.
    fn drop_withdrawn(
        &self,
        round: &Round,
        found: &mut [Found],
        items: &[ItemPart],
        sections: &mut [Section],
    ) {
        let dead = |check: &RoundCheck| match check.planned.ask.basis {
            Basis::Consent(id) => self.withdrawn().contains(id),
            Basis::Agreement(_) => false,
        };
        if !round.checks.iter().any(dead) {
            return;
        }
        for section in sections {
            section.answers.retain(|answer| !dead(&round.checks[items[answer.place as usize].check]));
        }
        for check in round.checks.iter().filter(|check| dead(check)) {
            for (place, list, finding) in found.iter_mut() {
                let about = *place == check.planned.place
                    && check.planned.ask.items.iter().any(|item| item.lists.contains(list));
                if let (true, Finding::Done(answer)) = (about, &mut *finding) {
                    let record = answer.record;
                    *finding = round.refused(*list, Reason::ConsentRequired, record);
                }
            }
        }
    }

    fn seal_answer(&self, round: &Round, parts: KeptParts) -> Settled {
        let mut rng = os_rng();
        let checks = round
            .checks
            .iter()
            .map(|check| CheckSecrets {
                z: check.planned.known.enrolled.z().expose_bytes(),
                blinded_subject: check.planned.known.enrolled.blinded_subject().encode(),
                input: check.planned.known.input.clone(),
                blinds: check.bound.blinds().iter().map(|blind| blind.expose_bytes()).collect(),
            })
            .collect();
        let kept =
            KeptAnswer { checkpoint: parts.checkpoint, items: parts.items, checks, sections: parts.sections };
        let answer = self.vault().seal(Kind::Answer, &round.hash, &kept.encode(), &mut rng);
        let seal =
            |(key, entries): (Hash, Bytes)| (key, self.vault().seal(Kind::Bucket, &key, &entries, &mut rng));
        Settled {
            hash: round.hash,
            state: parts.state,
            answer: Some(answer),
            records: parts.records,
            officer: Some(self.officer_key(&round.prepared.question.officer)),
            buckets: parts.new.into_iter().map(seal).collect(),
        }
    }

    /// Settles a request that left no answer.
    pub(crate) async fn settle(&self, settled: Settled) {
        // A request that stays open is looked at again by the next recovery.
        if let Err(error) = self.store().settle(settled).await {
            tracing::error!(%error, "a request could not be settled");
        }
    }
}

struct KeptParts {
    checkpoint: Bytes,
    items: Vec<ItemPart>,
    sections: Vec<Section>,
    records: Vec<RecordRow>,
    state: RequestState,
    new: Vec<(Hash, Bytes)>,
}

impl Settled {
    pub(crate) fn without_records(hash: Hash, state: RequestState) -> Self {
        Self { hash, state, answer: None, records: Vec::new(), officer: None, buckets: Vec::new() }
    }
}
