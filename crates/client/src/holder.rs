//! One holder's part of a round: evaluate its permits, fetch the buckets, open the answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tacit_blind::evaluate::{AskedQuery, verify_and_finalize};
use tacit_blind::group::Point;
use tacit_blind::oprf::DleqProof;
use tacit_ledger::Hash;
use tacit_model::{Basis, ListId, MemberId, Millis, Reason};
use tacit_wire::chunks32;
use tacit_wire::holder::evaluation_service_client::EvaluationServiceClient;
use tacit_wire::holder::{EvaluateItem, EvaluateRequest, EvaluateResponse};
use zeroize::Zeroizing;

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::evidence::{EvaluationPart, Section};
use crate::judge::Permit;
use crate::question::Refusal;
use crate::requester::{Requester, heavy};
use crate::retry::{self, Patience, is_passing};
use crate::round::{Finding, Found, Round};

/// What one holder's part gave.
#[derive(Default)]
pub(crate) struct HolderAnswer {
    pub(crate) found: Vec<Found>,
    pub(crate) section: Section,
    /// Contents of the buckets that answers come from.
    pub(crate) buckets: HashMap<Hash, Bytes>,
}

/// One VOPRF output: of which permit, for which of its lists.
pub(crate) struct Output {
    /// Place in the permits.
    pub(crate) permit: usize,
    /// Place of the list in the permit's item.
    pub(crate) slot: usize,
    /// Place of the evaluation in the section, and of this query in it.
    pub(crate) evaluation: usize,
    pub(crate) position: usize,
    pub(crate) out: Zeroizing<[u8; 64]>,
}

/// Permits with what they gave so far.
pub(crate) struct Evaluated {
    pub(crate) permits: Vec<Permit>,
    /// Places of the permits that the holder accepted.
    pub(crate) accepted: Vec<usize>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) answer: HolderAnswer,
}

/// Reasons that go away by themselves: the same permit is sent again.
pub(crate) fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PermitNotLogged
            | Reason::LogBehind
            | Reason::QuorumStale
            | Reason::ClockOff
            | Reason::PermitNotYetValid
            | Reason::Overloaded
            | Reason::Unavailable
    )
}

impl Round {
    /// The same finding for every list of a permit.
    pub(crate) fn of_permit(&self, permit: &Permit, of: impl Fn(usize) -> Finding) -> Vec<Found> {
        self.checks[permit.check].item(permit.item, of).collect()
    }

    /// Place in the question of a list of a permit.
    pub(crate) fn list_of(&self, permit: &Permit, slot: usize) -> usize {
        self.checks[permit.check].planned.ask.items[permit.item].lists[slot]
    }

    fn query(&self, permit: &Permit) -> &Point {
        &self.checks[permit.check].bound.context().items[permit.item].query
    }
}

impl Requester {
    /// Evaluate, fetch, open. Every list of every permit gets its finding.
    pub(crate) async fn ask_holder(
        &self,
        round: Arc<Round>,
        checkpoint: Bytes,
        holder: MemberId,
        permits: Vec<Permit>,
    ) -> HolderAnswer {
        let mut evaluated =
            Evaluated { permits, accepted: Vec::new(), outputs: Vec::new(), answer: HolderAnswer::default() };
        let left = self.permits_live(&evaluated.permits);
        let mut open = self.still_wanted(&round, &mut evaluated);
        let mut patience = Patience::new(self.deadlines()).at_most(left);
        while !open.is_empty() {
            match self.evaluate(&patience, &round, &checkpoint, &holder, &evaluated.permits, &open).await {
                Ok(response) => {
                    let called = Called { round: Arc::clone(&round), holder: holder.clone(), open };
                    let manifests = self.clone();
                    let count = called.open.len();
                    let lost = evaluated.permits.clone();
                    match heavy(count, move || called.take(&manifests, response, evaluated)).await {
                        Ok((all, again)) => (evaluated, open) = (all, again),
                        Err(error) => return lose_all(&round, &lost, error.reason()),
                    }
                    if open.is_empty() || patience.pause().await {
                        continue;
                    }
                    lose(&round, &mut evaluated, &open, Reason::PermitNotLogged);
                    break;
                }
                Err(reason) => {
                    let (passing, reason) = reason;
                    if passing && patience.pause().await {
                        continue;
                    }
                    lose(&round, &mut evaluated, &open, reason);
                    break;
                }
            }
        }
        if evaluated.outputs.is_empty() {
            return evaluated.answer;
        }
        self.fetch_and_open(round, checkpoint, evaluated).await
    }

    /// Milliseconds until the first permit ends.
    fn permits_live(&self, permits: &[Permit]) -> u64 {
        let ends = permits.iter().map(|permit| permit.access.expires_ms).min().unwrap_or(0);
        Millis(ends).since(self.now())
    }

    /// All permits but those under a consent that was withdrawn since they were given.
    fn still_wanted(&self, round: &Round, evaluated: &mut Evaluated) -> Vec<usize> {
        let mut open = Vec::with_capacity(evaluated.permits.len());
        for (place, permit) in evaluated.permits.iter().enumerate() {
            match round.checks[permit.check].planned.ask.basis {
                Basis::Consent(id) if self.withdrawn().contains(id) => {
                    let refused = |list| round.refused(list, Reason::ConsentRequired, Some(permit.record));
                    evaluated.answer.found.extend(round.of_permit(permit, refused));
                }
                Basis::Consent(_) | Basis::Agreement(_) => open.push(place),
            }
        }
        open
    }

    /// One call. The error says whether the same call may be answered later.
    async fn evaluate(
        &self,
        patience: &Patience,
        round: &Round,
        checkpoint: &Bytes,
        holder: &MemberId,
        permits: &[Permit],
        open: &[usize],
    ) -> Result<EvaluateResponse, (bool, Reason)> {
        let channel = self
            .connections()
            .holder(&round.prepared.registry, holder)
            .map_err(|error| (false, error.reason()))?;
        let items = open
            .iter()
            .map(|&place| EvaluateItem {
                permit: Some(permits[place].wire.clone()),
                blinded_query: Bytes::copy_from_slice(round.query(&permits[place]).as_bytes()),
            })
            .collect();
        let request = EvaluateRequest { checkpoint: checkpoint.clone(), items };
        let mut client = EvaluationServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let answer = patience.once(request, |request| async move { client.evaluate(request).await }).await;
        answer.map(tonic::Response::into_inner).map_err(|status| {
            tracing::debug!(%holder, code = ?status.code(), "an evaluation failed");
            (is_passing(&status), retry::reason(&status))
        })
    }
}

/// Permits that got no answer and will get none.
fn lose(round: &Round, evaluated: &mut Evaluated, open: &[usize], reason: Reason) {
    for &place in open {
        let permit = &evaluated.permits[place];
        let lost = |_| Finding::Lost { reason, record: Some(permit.record) };
        evaluated.answer.found.extend(round.of_permit(permit, lost));
    }
}

fn lose_all(round: &Round, permits: &[Permit], reason: Reason) -> HolderAnswer {
    let lost =
        |permit: &Permit| round.of_permit(permit, |_| Finding::Lost { reason, record: Some(permit.record) });
    HolderAnswer { found: permits.iter().flat_map(lost).collect(), ..HolderAnswer::default() }
}

/// A call that was answered.
struct Called {
    round: Arc<Round>,
    holder: MemberId,
    /// Places of the permits that it asked for, in order.
    open: Vec<usize>,
}

/// A list in an epoch.
type Key = (ListId, u64);

impl Called {
    /// Verifies an answer. Gives everything back, with the permits that are to be sent again as they are.
    fn take(
        &self,
        requester: &Requester,
        response: EvaluateResponse,
        mut evaluated: Evaluated,
    ) -> (Evaluated, Vec<usize>) {
        let mut again = Vec::new();
        if response.items.len() != self.open.len() {
            lose(&self.round, &mut evaluated, &self.open, Reason::ProofInvalid);
            return (evaluated, again);
        }
        let mut accepted = Vec::with_capacity(self.open.len());
        for (&place, status) in self.open.iter().zip(&response.items) {
            match &status.refusal {
                None => accepted.push(place),
                Some(refusal) => {
                    let refusal = Refusal::from(refusal);
                    if passes(refusal.reason) {
                        again.push(place);
                        continue;
                    }
                    let permit = &evaluated.permits[place];
                    let finding = |list| self.round.refusal(list, &refusal, Some(permit.record));
                    evaluated.answer.found.extend(self.round.of_permit(permit, finding));
                }
            }
        }
        let wanted = wanted(&evaluated.permits, &accepted);
        if response.lists.len() != wanted.len() {
            lose(&self.round, &mut evaluated, &accepted, Reason::ProofInvalid);
            return (evaluated, again);
        }
        for ((key, members), list) in wanted.into_iter().zip(response.lists) {
            let named = list.list_id == *key.0 && list.epoch == key.1;
            let result = if named {
                self.verify(requester, &key, &members, &list.evaluated, &list.dleq_proof, &evaluated.permits)
            } else {
                Err(ClientError::missing(Party::Holder(self.holder.clone()), "list"))
            };
            self.put(&mut evaluated, key, members, list.evaluated, result);
        }
        evaluated.accepted.extend(accepted);
        (evaluated, again)
    }

    /// Outputs of one list, its proof verified.
    fn verify(
        &self,
        requester: &Requester,
        (list, epoch): &Key,
        members: &[(usize, usize)],
        evaluated: &[u8],
        proof: &[u8],
        permits: &[Permit],
    ) -> Result<(Vec<[u8; 64]>, DleqProof), ClientError> {
        let party = || Party::Holder(self.holder.clone());
        let key = requester
            .manifests()
            .key(list, *epoch)
            .ok_or(ClientError::OtherRecord("no manifest of this epoch is known"))?;
        let evaluated =
            chunks32("evaluated", evaluated, members.len()).map_err(ClientError::malformed(party()))?;
        let proof = DleqProof::decode_slice(proof).map_err(ClientError::proof(party()))?;
        let asked: Vec<AskedQuery<'_>> = members
            .iter()
            .map(|(place, _)| {
                let permit = &permits[*place];
                let check = &self.round.checks[permit.check];
                AskedQuery {
                    input: &check.planned.known.input,
                    total_blind: &check.bound.total_blinds()[permit.item],
                    query: self.round.query(permit),
                }
            })
            .collect();
        let outputs =
            verify_and_finalize(&key, &asked, &evaluated, &proof).map_err(ClientError::proof(party()))?;
        Ok((outputs, proof))
    }

    fn put(
        &self,
        evaluated: &mut Evaluated,
        (list, epoch): Key,
        members: Vec<(usize, usize)>,
        points: Bytes,
        result: Result<(Vec<[u8; 64]>, DleqProof), ClientError>,
    ) {
        match result {
            Ok((outputs, proof)) => {
                let places = members.iter().map(|(place, _)| evaluated.permits[*place].place).collect();
                let evaluation = evaluated.answer.section.evaluations.len();
                evaluated.answer.section.evaluations.push(EvaluationPart {
                    list,
                    epoch,
                    members: places,
                    evaluated: points,
                    dleq: proof.encode(),
                });
                let outputs = members.into_iter().zip(outputs).enumerate();
                evaluated.outputs.extend(outputs.map(|(position, ((permit, slot), out))| Output {
                    permit,
                    slot,
                    evaluation,
                    position,
                    out: Zeroizing::new(out),
                }));
            }
            Err(error) => {
                tracing::error!(holder = %self.holder, %list, %error, "an evaluation is refused");
                let reason = error.reason();
                for (place, slot) in members {
                    let permit = &evaluated.permits[place];
                    let list = self.round.list_of(permit, slot);
                    let finding = self.round.refused(list, reason, Some(permit.record));
                    let row = self.round.checks[permit.check].planned.place;
                    evaluated.answer.found.push((row, list, finding));
                }
            }
        }
    }
}

/// Which lists an answer must have, in order of first appearance, and who stands in each: place of the permit, place
/// of the list in it.
fn wanted(permits: &[Permit], accepted: &[usize]) -> Vec<(Key, Vec<(usize, usize)>)> {
    let mut order: Vec<(Key, Vec<(usize, usize)>)> = Vec::with_capacity(1);
    let mut places: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for &place in accepted {
        for (slot, at) in permits[place].access.lists.iter().enumerate() {
            let known = match order.last() {
                // The usual case: one list, one epoch.
                Some((key, _)) if order.len() == 1 && *key.0 == *at.list && key.1 == at.epoch => Some(0),
                _ => places.get(&(at.list.clone(), at.epoch)).copied(),
            };
            let index = known.or_else(|| {
                // The record's lists were compared with the question's, so the text is a list id.
                let list: ListId = at.list.parse().ok()?;
                order.push(((list, at.epoch), Vec::with_capacity(accepted.len())));
                places.insert((at.list.clone(), at.epoch), order.len() - 1);
                Some(order.len() - 1)
            });
            if let Some(index) = index {
                order[index].1.push((place, slot));
            }
        }
    }
    order
}
