//! One round: up to 1024 checks in one request, from the blinding to the settled receipts.
//!
//! ```text
//! epochs ─▶ blind, prove, sign ─▶ durable ─▶ Authorize ─▶ each record is exactly what was asked?
//!                                                              │ per holder, side by side
//!                                                              ▼
//!                                    Evaluate ─▶ verify ─▶ FetchBuckets ─▶ verify ─▶ open ─▶ durable ─▶ answers
//! ```
//! A round runs to its end even if the caller goes away, so that no record is left without its outcome.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tacit_blind::check::{BoundCheck, CheckDraft, DraftItem, ListEpoch, authorize_message, prove_checks};
use tacit_blind::commit;
use tacit_ledger::Hash;
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Millis, Reason};
use tacit_wire::Message;
use tacit_wire::coordinator::{AuthorizeRequest, Check};

use crate::enroll::Known;
use crate::error::ClientError;
use crate::evidence::KeptRequest;
use crate::judge::{Judged, Permit};
use crate::prepared::{Ask, Prepared};
use crate::question::{ListAnswer, RecordRef, Refusal};
use crate::requester::{Requester, heavy};
use crate::store::{RequestRow, RequestState, Settled};
use crate::vault::Kind;

/// A check to make.
pub(crate) struct Planned {
    /// Place of the row in the batch.
    pub(crate) place: usize,
    /// The caller's row number.
    pub(crate) row: u64,
    pub(crate) known: Arc<Known>,
    pub(crate) ask: Ask,
}

impl Planned {
    /// What it asks: place of the row in the batch, place of the list in the question.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let place = self.place;
        self.ask.items.iter().flat_map(|item| &item.lists).map(move |&list| (place, list))
    }
}

/// What has to happen before asking again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heal {
    /// Nothing.
    Nothing,
    /// A look for a newer manifest.
    Manifest,
    /// Another registration of the subject.
    Register,
    /// A little time.
    Pause,
    /// Time until then: no more may be asked before.
    Until(Millis),
}

/// What became of one list of one row.
#[derive(Debug, Clone)]
pub(crate) enum Finding {
    /// Settled.
    Done(ListAnswer),
    /// To be asked again, with a new check. The record is named: it stays without an answer, or is the record of
    /// the refusal and needs none.
    Again { reason: Reason, record: Option<RecordRef>, unanswered: bool, heal: Heal },
    /// No answer, and asking again is up to the caller.
    Lost { reason: Reason, record: Option<RecordRef> },
}

/// A finding and what it is about: place of the row in the batch, place of the list in the question.
pub(crate) type Found = (usize, usize, Finding);

/// Whether a refusal can be answered with a new check.
pub(crate) fn heal_of(refusal: &Refusal) -> Option<Heal> {
    match refusal.reason {
        Reason::NotFresh
        | Reason::NonceReused
        | Reason::QueryReused
        | Reason::CertificateMismatch
        | Reason::PermitExpired
        | Reason::BucketUsed
        | Reason::PermitUsed => Some(Heal::Nothing),
        Reason::EpochOver | Reason::EpochNotCurrent | Reason::VersionOld | Reason::ListNotReady => {
            Some(Heal::Manifest)
        }
        Reason::NotEnrolled | Reason::ProofInvalid => Some(Heal::Register),
        Reason::QuotaRate => Some(refusal.resets_at.map_or(Heal::Pause, Heal::Until)),
        Reason::Overloaded | Reason::QuorumStale | Reason::ClockOff | Reason::Unavailable => {
            Some(Heal::Pause)
        }
        _ => None,
    }
}

/// One check of a round.
pub(crate) struct RoundCheck {
    pub(crate) planned: Planned,
    pub(crate) bound: BoundCheck,
}

impl RoundCheck {
    /// What comes of all lists of this check.
    pub(crate) fn all(&self, of: impl Fn(usize) -> Finding) -> impl Iterator<Item = Found> {
        let place = self.planned.place;
        let lists = self.planned.ask.items.iter().flat_map(|item| &item.lists);
        lists.map(move |&list| (place, list, of(list)))
    }

    /// What comes of all lists of one item.
    pub(crate) fn item(&self, item: usize, of: impl Fn(usize) -> Finding) -> impl Iterator<Item = Found> {
        let place = self.planned.place;
        self.planned.ask.items[item].lists.iter().map(move |&list| (place, list, of(list)))
    }
}

/// A request with everything that stays here.
pub(crate) struct Round {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) checks: Vec<RoundCheck>,
    pub(crate) asked: Millis,
    pub(crate) hash: Hash,
    pub(crate) request: AuthorizeRequest,
}

impl Round {
    /// The same for every list of the round.
    pub(crate) fn all(&self, of: impl Fn(usize) -> Finding + Copy) -> Vec<Found> {
        self.checks.iter().flat_map(|check| check.all(of)).collect()
    }

    pub(crate) fn refused(
        &self,
        list: usize,
        refusal: impl Into<Refusal>,
        record: Option<RecordRef>,
    ) -> Finding {
        let list = self.prepared.lists[list].list.clone();
        Finding::Done(ListAnswer::refused(list, refusal.into(), record))
    }

    /// A refusal by the other end: to be asked again, or final.
    pub(crate) fn refusal(&self, list: usize, refusal: &Refusal, record: Option<RecordRef>) -> Finding {
        match heal_of(refusal) {
            Some(heal) => Finding::Again { reason: refusal.reason, record, unanswered: true, heal },
            None => self.refused(list, refusal.clone(), record),
        }
    }
}

impl Requester {
    /// Carries out a round, to its end.
    pub(crate) async fn round(self, prepared: Arc<Prepared>, planned: Vec<Planned>) -> Vec<Found> {
        let (planned, epochs, mut found) = self.with_epochs(&prepared, planned).await;
        if planned.is_empty() {
            return found;
        }
        let wanted: Vec<(usize, usize)> = planned.iter().flat_map(Planned::places).collect();
        let this = self.clone();
        let count = planned.len();
        let built = {
            let prepared = Arc::clone(&prepared);
            heavy(count, move || this.build(prepared, planned, &epochs)).await.and_then(|built| built)
        };
        let result = match built {
            Ok((round, row)) => {
                let _busy = self.begin(round.hash);
                match self.store().put_request(row).await {
                    Ok(()) => Ok(self.carry_out(Arc::new(round)).await),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(more) => found.extend(more),
            // Nothing was sent, so there is no record.
            Err(error) => {
                tracing::error!(%error, checks = count, "a round could not begin");
                let refusal = error.to_refusal();
                found.extend(wanted.into_iter().map(|(place, list)| {
                    let list_id = prepared.lists[list].list.clone();
                    (place, list, Finding::Done(ListAnswer::refused(list_id, refusal.clone(), None)))
                }));
            }
        }
        found
    }

    /// The current epoch of every list; lists without one are refused.
    async fn with_epochs(
        &self,
        prepared: &Prepared,
        mut planned: Vec<Planned>,
    ) -> (Vec<Planned>, HashMap<usize, u64>, Vec<Found>) {
        let mut found = Vec::new();
        let mut epochs: HashMap<usize, Result<u64, Refusal>> = HashMap::new();
        let now = self.now();
        for list in planned.iter().flat_map(|it| &it.ask.items).flat_map(|item| &item.lists) {
            if !epochs.contains_key(list) {
                let manifest =
                    self.manifests().current(&prepared.registry, &prepared.lists[*list].list, now).await;
                let epoch = manifest
                    .map(|manifest| manifest.version().epoch)
                    .inspect_err(|error| tracing::warn!(%error, "a list has no usable manifest"))
                    .map_err(|error| error.to_refusal());
                epochs.insert(*list, epoch);
            }
        }
        if epochs.values().any(Result::is_err) {
            for check in &mut planned {
                for item in &mut check.ask.items {
                    item.lists.retain(|list| match epochs.get(list) {
                        Some(Err(refusal)) => {
                            let id = prepared.lists[*list].list.clone();
                            let answer = ListAnswer::refused(id, refusal.clone(), None);
                            found.push((check.place, *list, Finding::Done(answer)));
                            false
                        }
                        _ => true,
                    });
                }
                check.ask.items.retain(|item| !item.lists.is_empty());
            }
            planned.retain(|check| !check.ask.items.is_empty());
        }
        let epochs = epochs.into_iter().filter_map(|(list, epoch)| Some((list, epoch.ok()?))).collect();
        (planned, epochs, found)
    }

    /// Blinds, proves, signs; what must be durable comes along.
    fn build(
        &self,
        prepared: Arc<Prepared>,
        planned: Vec<Planned>,
        epochs: &HashMap<usize, u64>,
    ) -> Result<(Round, RequestRow), ClientError> {
        let mut rng = os_rng();
        let asked = self.now();
        let cnf = self.connections().cnf();
        let question = &prepared.question;
        let mut salts = Vec::with_capacity(planned.len());
        let mut drafts = Vec::with_capacity(planned.len());
        for it in &planned {
            let (mut salt, mut nonce) = ([0; 32], [0; 16]);
            rand_core::Rng::fill_bytes(&mut rng, &mut salt);
            rand_core::Rng::fill_bytes(&mut rng, &mut nonce);
            let item = |item: &crate::prepared::AskItem| DraftItem {
                holder: item.holder.clone(),
                lists: item
                    .lists
                    .iter()
                    .map(|list| ListEpoch {
                        list: prepared.lists[*list].list.clone(),
                        epoch: epochs.get(list).copied().unwrap_or(0),
                    })
                    .collect(),
            };
            let draft = CheckDraft {
                coordinator: prepared.registry.coordinator().clone(),
                requester: prepared.requester.clone(),
                cnf,
                nonce,
                timestamp: asked,
                purpose: question.purpose.clone(),
                basis: it.ask.basis,
                matter: commit::matter(&salt, &question.case, &question.officer).map_err(ClientError::Own)?,
                items: it.ask.items.iter().map(item).collect(),
            };
            salts.push(salt);
            drafts.push((draft, &it.known.enrolled));
        }
        let bound = prove_checks(drafts, &mut rng).map_err(ClientError::Own)?;
        let hashes: Vec<Hash> = bound.iter().map(BoundCheck::hash).collect();
        let signature = self.signing().sign(&authorize_message(&hashes));
        let checks = bound
            .iter()
            .map(|bound| Check {
                context: Bytes::copy_from_slice(bound.context_bytes()),
                proof: Bytes::copy_from_slice(bound.proof()),
                pseudonym: Bytes::copy_from_slice(bound.pseudonym()),
            })
            .collect();
        let request =
            AuthorizeRequest { checks, signature: Bytes::copy_from_slice(&signature), cosigned_size: 0 };
        let bytes = Bytes::from(request.encode_to_vec());
        let hash = fingerprint(&signature, &bound, &hashes);

        let kept = KeptRequest {
            asked,
            case: question.case.clone(),
            officer: question.officer.clone(),
            checks: planned.iter().map(|it| it.row).zip(salts.iter().copied()).collect(),
            request: bytes,
        };
        let sealed = self.vault().seal(Kind::Request, &hash, &kept.encode(), &mut rng);
        let row = RequestRow { hash, asked, case: self.case_key(&question.case), sealed };
        let checks =
            planned.into_iter().zip(bound).map(|(planned, bound)| RoundCheck { planned, bound }).collect();
        Ok((Round { prepared, checks, asked, hash, request }, row))
    }

    /// From the durable request to its findings.
    async fn carry_out(&self, round: Arc<Round>) -> Vec<Found> {
        let (authorized, quorum) = match self.authorize(&round).await {
            crate::authorize::Taken::Answer(authorized, quorum) => (authorized, quorum),
            crate::authorize::Taken::Refused(refusal) => {
                self.settle(Settled::without_records(round.hash, RequestState::Answered)).await;
                return round.all(|list| round.refusal(list, &refusal, None));
            }
            crate::authorize::Taken::Never => {
                self.settle(Settled::without_records(round.hash, RequestState::NotAnswered)).await;
                let reason = Reason::NotFresh;
                let heal = Heal::Nothing;
                return round.all(|_| Finding::Again { reason, record: None, unanswered: false, heal });
            }
            crate::authorize::Taken::Unknown(reason) => {
                return round.all(|_| Finding::Lost { reason, record: None });
            }
        };
        let checkpoint = authorized.checkpoint.clone();
        // Only what the witnesses saw: before that nothing is asked of a holder.
        let accepted = self.witnessed().accept(&checkpoint, &quorum, &authorized.cosigned_consistency).await;
        if let Err(error) = accepted {
            tracing::error!(%error, "the coordinator's answer is not accepted");
            let reason = error.reason();
            return round.all(|_| Finding::Lost { reason, record: None });
        }
        let judged = {
            let (this, round) = (self.clone(), Arc::clone(&round));
            heavy(round.checks.len(), move || this.judge(&round, authorized)).await.and_then(|judged| judged)
        };
        let Judged { items, permits, mut found, stale } = match judged {
            Ok(judged) => judged,
            Err(error) => {
                tracing::error!(%error, "the coordinator's answer cannot be used");
                let reason = error.reason();
                return round.all(|_| Finding::Lost { reason, record: None });
            }
        };
        let parts = by_holder(permits).into_iter().map(|(holder, permits)| {
            self.ask_holder(Arc::clone(&round), checkpoint.clone(), holder, permits)
        });
        let answers = futures::future::join_all(parts).await;
        found.extend(self.settle_answers(&round, checkpoint, items, answers).await);
        if !stale.is_empty()
            && let Err(error) = self.read_consents_of(&stale).await
        {
            tracing::debug!(%error, "consents could not be read again");
        }
        found
    }

    pub(crate) fn case_key(&self, case: &str) -> Hash {
        self.vault().row_key(Kind::Case, &[case.as_bytes()])
    }

    /// What records are found by that this officer asked for.
    pub(crate) fn officer_key(&self, officer: &str) -> Hash {
        self.vault().row_key(Kind::Officer, &[officer.as_bytes()])
    }
}

/// What the coordinator finds a request by: that of [`tacit_blind::check::ParsedRequest::fingerprint`], without
/// parsing what was just written.
fn fingerprint(signature: &[u8; 64], checks: &[BoundCheck], hashes: &[Hash]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tacit v1 request fingerprint");
    hasher.update(signature);
    for (check, hash) in checks.iter().zip(hashes) {
        hasher.update(hash).update(check.pseudonym());
    }
    *hasher.finalize().as_bytes()
}

/// Permits by holder; a holder has at most one item in each check, so at most 1024.
fn by_holder(permits: Vec<Permit>) -> Vec<(MemberId, Vec<Permit>)> {
    let mut parts: Vec<(MemberId, Vec<Permit>)> = Vec::with_capacity(1);
    for permit in permits {
        match parts.iter_mut().find(|(holder, _)| *holder == permit.holder) {
            Some((_, permits)) => permits.push(permit),
            None => parts.push((permit.holder.clone(), vec![permit])),
        }
    }
    parts
}
