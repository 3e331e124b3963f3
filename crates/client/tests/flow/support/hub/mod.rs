//! The coordinator: a log in memory, and decisions by the real rules.

mod services;

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::Stream;
use rand_core::Rng as _;
use tacit_blind::check::{AuthorizeIn, CheckIn, Expected, VerifiedCheck};
use tacit_blind::commit::blinded_query;
use tacit_blind::enroll::{
    Carry, Parties, RegisterEntryIn, RegisterIn, Registered as Registration, verify_carries,
};
use tacit_blind::group::Point;
use tacit_blind::table::SignedManifest;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::{NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::record::{self, ListAt, Record};
use tacit_ledger::tree::TreeView;
use tacit_model::entropy::os_rng;
use tacit_model::{Basis, Clock as _, ManualClock, MemberId, Millis, Reason, Ulid, new_ulid};
use tacit_policy::{Asked, ConsentStatus, ConsentView, Counters, Registry, SignedConsent, permission};
use tacit_wire::coordinator::authorization_service_server::AuthorizationService;
use tacit_wire::coordinator::enrollment_service_server::EnrollmentService;
use tacit_wire::coordinator::*;
use tacit_wire::{common, concat32, refusal};
use tonic::{Request, Response, Status};

use crate::support::registry::{custodian_key_in, key};
use crate::support::{CNF, Faults};

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone)]
pub(crate) struct Hub {
    clock: ManualClock,
    registry: Arc<Registry>,
    faults: Faults,
    state: Arc<Mutex<State>>,
    changes: tokio::sync::broadcast::Sender<LiveConsent>,
}

pub(crate) struct State {
    pub(crate) records: Vec<Vec<u8>>,
    tree: TreeView,
    pub(crate) pseudonyms: HashMap<[u8; 32], [u8; 32]>,
    /// Epoch and Th of each pseudonym.
    registered: HashMap<[u8; 32], (u32, [u8; 32])>,
    /// By a pseudonym: the one of an earlier epoch that it was carried from.
    pub(crate) carried: HashMap<[u8; 32], [u8; 32]>,
    answered: HashMap<[u8; 32], Vec<CheckOutcome>>,
    /// Permitted checks by agreement and minute.
    uses: HashMap<(Ulid, u64), u64>,
    consents: BTreeMap<String, (SignedConsent, ConsentStatus)>,
    manifests: Vec<(SignedManifest, u64)>,
    pub(crate) boxes: Vec<RegisterEntry>,
}

impl Hub {
    pub(crate) fn new(clock: ManualClock, registry: Arc<Registry>, faults: Faults) -> Self {
        let state = State {
            records: Vec::new(),
            tree: TreeView::new(0).unwrap(),
            pseudonyms: HashMap::new(),
            registered: HashMap::new(),
            carried: HashMap::new(),
            answered: HashMap::new(),
            uses: HashMap::new(),
            consents: BTreeMap::new(),
            manifests: Vec::new(),
            boxes: Vec::new(),
        };
        let changes = tokio::sync::broadcast::channel(64).0;
        Self { clock, registry, faults, state: Arc::new(Mutex::new(state)), changes }
    }

    pub(crate) fn with<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.state.lock().unwrap())
    }

    pub(crate) fn log_manifest(&self, manifest: SignedManifest) {
        let record =
            manifest.to_record(new_ulid(self.clock.now(), &mut os_rng()).to_string(), self.clock.now());
        self.with(|state| {
            let index = state.append(record.to_bytes().unwrap());
            state.manifests.push((manifest, index));
        });
    }

    /// Records of a kind.
    pub(crate) fn kinds(&self, kind: &str) -> usize {
        self.with(|state| {
            state.records.iter().filter(|bytes| Record::parse(bytes).unwrap().kind() == kind).count()
        })
    }

    fn decide(&self, state: &mut State, check: &VerifiedCheck) -> Vec<ItemOutcome> {
        let context = check.context();
        let now = self.clock.now();
        let consent = match context.basis {
            Basis::Consent(id) => state.consents.get(&id.to_string()).cloned(),
            Basis::Agreement(_) => None,
        };
        let view = consent
            .as_ref()
            .map(|(signed, status)| ConsentView { consent: signed.consent(), status: *status });
        let carried = state.earlier(check.pseudonym());
        let mut outcomes = Vec::new();
        for item in &context.items {
            let asked = Asked {
                requester: &context.requester,
                holder: &item.holder,
                lists: item.lists.iter().map(|at| &at.list).collect(),
                purpose: &context.purpose,
            };
            let question = tacit_policy::Question {
                asked,
                basis: context.basis,
                pseudonym: check.pseudonym(),
                carried: &carried,
            };
            let newest = |list: &str| {
                let of = state.manifests.iter().map(|(signed, _)| signed.manifest());
                of.filter(|it| *it.list == *list).map(|it| (it.epoch, it.version)).max()
            };
            let stale =
                item.lists.iter().any(|at| newest(&at.list).is_none_or(|(epoch, _)| epoch != at.epoch));
            let decision = permission(&question, &self.registry, view.as_ref(), now)
                .and_then(|permitted| {
                    let used = state.uses.get(&(permitted.agreement().id, now.utc_minute()));
                    let checks_this_minute = used.copied().unwrap_or(0);
                    permitted.within(&Counters { checks_this_minute, ..Counters::default() })
                })
                .map_err(|refused| refused.public)
                .and_then(|allowed| if stale { Err(Reason::EpochNotCurrent) } else { Ok(allowed) });
            let mut salt = [0; 32];
            os_rng().fill_bytes(&mut salt);
            let id = new_ulid(now, &mut os_rng()).to_string();
            let outcome = match decision {
                Ok(allowed) => {
                    let record = record::Access {
                        id,
                        time_ms: now.0,
                        requester: context.requester.to_string(),
                        holder: item.holder.to_string(),
                        lists: item
                            .lists
                            .iter()
                            .map(|at| ListAt {
                                list: at.list.to_string(),
                                epoch: at.epoch,
                                version: newest(&at.list).unwrap().1,
                            })
                            .collect(),
                        purpose: if self.faults.due("other purpose") {
                            "research".to_owned()
                        } else {
                            context.purpose.to_string()
                        },
                        registry: self.registry.hash(),
                        query: blinded_query(item.query.as_bytes()),
                        matter: context.matter,
                        cnf: context.cnf,
                        expires_ms: now.0 + 60_000,
                        subject: salt,
                        evidence: salt,
                    };
                    state.use_minute(allowed.agreement(), now, 1);
                    item_outcome::Outcome::Permit(state.log(record.to_bytes().unwrap()))
                }
                Err(reason) => {
                    let record = record::Refused {
                        id,
                        time_ms: now.0,
                        requester: context.requester.to_string(),
                        holder: item.holder.to_string(),
                        lists: item.lists.iter().map(|at| at.list.to_string()).collect(),
                        purpose: context.purpose.to_string(),
                        registry: self.registry.hash(),
                        reason: reason.to_string(),
                        matter: context.matter,
                        subject: salt,
                        evidence: salt,
                    };
                    let record = Some(state.log(record.to_bytes().unwrap()));
                    let resets_at_ms = match reason {
                        Reason::QuotaRate => (now.utc_minute() + 1) * 60_000,
                        _ => 0,
                    };
                    let refusal = Some(common::Refusal { resets_at_ms, ..refusal(reason) });
                    item_outcome::Outcome::Refused(RefusedItem { refusal, record })
                }
            };
            outcomes.push(ItemOutcome { outcome: Some(outcome) });
        }
        outcomes
    }

    /// Proofs under the newest checkpoint.
    fn answer(&self, state: &State, mut checks: Vec<CheckOutcome>) -> AuthorizeResponse {
        for item in checks.iter_mut().flat_map(|check| &mut check.items) {
            let record = match item.outcome.as_mut().unwrap() {
                item_outcome::Outcome::Permit(record) => record,
                item_outcome::Outcome::Refused(refused) => refused.record.as_mut().unwrap(),
            };
            record.path = state.path(record.index);
        }
        // Without a proof from the cosigned checkpoint: it is asked for.
        let cosigned_consistency = Default::default();
        let authorized = Authorized { checkpoint: state.checkpoint(), checks, cosigned_consistency };
        AuthorizeResponse { outcome: Some(authorize_response::Outcome::Authorized(authorized)) }
    }

    fn live(signed: &SignedConsent, status: ConsentStatus) -> LiveConsent {
        LiveConsent {
            consent_id: signed.consent().id.to_string(),
            pseudonym: signed.consent().pseudonym.to_vec().into(),
            consent: signed.bytes().to_vec().into(),
            state: status.state().to_string(),
            state_number: status.number(),
            uses: 0,
            carried_to: Default::default(),
        }
    }

    fn consent_logged(&self, state: &mut State, id: &str) -> ConsentLogged {
        let (signed, status) = state.consents[id].clone();
        let record = record::Consent {
            id: new_ulid(self.clock.now(), &mut os_rng()).to_string(),
            time_ms: self.clock.now().0,
            authority: signed.consent().authority.to_string(),
            requester: signed.consent().requester.to_string(),
            state: status.state().to_string(),
            terms: [1; 32],
            subject: [2; 32],
        };
        let mut logged = state.log(record.to_bytes().unwrap());
        logged.path = state.path(logged.index);
        let _ = self.changes.send(Self::live(&signed, status));
        ConsentLogged { record: Some(logged), checkpoint: state.checkpoint() }
    }
}

impl State {
    /// Counts permitted checks, also those of somebody else.
    pub(crate) fn use_minute(&mut self, agreement: Ulid, now: Millis, more: u64) {
        *self.uses.entry((agreement, now.utc_minute())).or_default() += more;
    }

    fn append(&mut self, record: Vec<u8>) -> u64 {
        self.tree.append(&[leaf_hash(&record)]).unwrap();
        self.records.push(record);
        self.records.len() as u64 - 1
    }

    fn log(&mut self, record: Vec<u8>) -> common::LoggedRecord {
        let index = self.append(record.clone());
        common::LoggedRecord { record: record.into(), index, path: Default::default() }
    }

    fn path(&self, index: u64) -> bytes::Bytes {
        concat32(&self.tree.inclusion(index, self.tree.size()).unwrap())
    }

    /// The newest checkpoint as its witnesses cosigned it just now, or as one of them did.
    fn cosigned(&self, now: Millis, alone: bool) -> bytes::Bytes {
        let verifier = NoteVerifier::new("hub/log", key("hub/log").verifying_key()).unwrap();
        let checkpoint = VerifiedCheckpoint::open(&self.checkpoint(), &verifier).unwrap();
        let mut note = String::from_utf8(checkpoint.note().to_vec()).unwrap();
        let all = ["court/witness", "customs/witness", "keeper/witness"];
        for name in all.into_iter().take(if alone { 1 } else { 3 }) {
            let signer = CosignatureSigner::new(name, key(name)).unwrap();
            note = attach_line(&note, &signer.cosign(&checkpoint, now.0 / 1000).unwrap()).unwrap();
        }
        note.into_bytes().into()
    }

    fn checkpoint(&self) -> bytes::Bytes {
        let size = self.tree.size();
        let checkpoint =
            Checkpoint { origin: "hub/log".to_owned(), size, root: self.tree.root(size).unwrap() };
        let signer = NoteSigner::new("hub/log", key("hub/log")).unwrap();
        checkpoint.sign(&signer).unwrap().note().to_vec().into()
    }
}

impl State {
    /// The pseudonyms that one was carried from.
    fn earlier(&self, pseudonym: &[u8; 32]) -> Vec<[u8; 32]> {
        std::iter::successors(self.carried.get(pseudonym), |it| self.carried.get(*it)).copied().collect()
    }

    /// Consents under these pseudonyms, and under those that they were carried from.
    fn live_under(&self, named: &[[u8; 32]]) -> Vec<LiveConsent> {
        let under = named.iter().flat_map(|newest| {
            let earlier = self.earlier(newest);
            self.consents.values().filter_map(move |(signed, status)| {
                let of = signed.consent().pseudonym;
                let live = Hub::live(signed, *status);
                let carried_to = if of == *newest { Default::default() } else { newest.to_vec().into() };
                (of == *newest || earlier.contains(&of)).then_some(LiveConsent { carried_to, ..live })
            })
        });
        under.collect()
    }
}

#[tonic::async_trait]
impl EnrollmentService for Hub {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        self.faults.fail("before register")?;
        let request = request.into_inner();
        let entries = request.entries.iter().map(|entry| RegisterEntryIn {
            blinded_subject: entry.blinded_subject.as_ref().try_into().unwrap(),
            evaluated: entry.evaluated.as_ref().try_into().unwrap(),
            pseudonym: entry.pseudonym.as_ref().try_into().unwrap(),
            proof: entry.proof.as_ref().try_into().unwrap(),
            audit_box: entry.audit_box.to_vec(),
        });
        let arrived = RegisterIn {
            epoch: request.epoch,
            entries: entries.collect(),
            dleq: request.dleq_proof.as_ref().try_into().unwrap(),
        };
        let requester: MemberId = "procurement".parse().unwrap();
        let parties = Parties {
            custodian: self.registry.custodian(),
            coordinator: self.registry.coordinator(),
            requester: &requester,
        };
        let verified =
            arrived.verify(&parties, custodian_key_in("procurement", request.epoch).public(), &mut os_rng());
        let verified = verified.expect("an honest registration");
        let consents = self.with(|state| {
            for (registration, entry) in verified.iter().zip(&request.entries) {
                let (new, blinded) = (*registration.pseudonym(), *registration.blinded_subject());
                if let Some(from) = &entry.carried_from {
                    let earlier: [u8; 32] = from.pseudonym.as_ref().try_into().unwrap();
                    let (epoch, evaluated) = state.registered[&earlier];
                    assert_eq!((epoch, state.pseudonyms[&earlier]), (from.epoch, blinded), "the same Ph");
                    let carry = Carry {
                        blinded_subject: &blinded,
                        from: Registration { epoch, evaluated: &evaluated, pseudonym: &earlier },
                        to: Registration {
                            epoch: request.epoch,
                            evaluated: registration.evaluated(),
                            pseudonym: &new,
                        },
                    };
                    let proof = from.proof.as_ref().try_into().unwrap();
                    verify_carries(&[(carry, proof)], &parties, &mut os_rng()).expect("an honest carry");
                    state.carried.insert(new, earlier);
                }
                state.registered.insert(new, (request.epoch, *registration.evaluated()));
                state.pseudonyms.insert(new, blinded);
            }
            state.boxes.extend(request.entries);
            let named: Vec<[u8; 32]> = verified.iter().map(|it| *it.pseudonym()).collect();
            state.live_under(&named)
        });
        let outcome = Some(register_response::Outcome::Registered(Registered { consents }));
        Ok(Response::new(RegisterResponse { outcome }))
    }
}

#[tonic::async_trait]
impl AuthorizationService for Hub {
    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        self.faults.fail("before authorize")?;
        let request = request.into_inner();
        let checks = request.checks.iter().map(|check| CheckIn {
            pseudonym: check.pseudonym.as_ref().try_into().unwrap(),
            context: check.context.to_vec(),
            proof: check.proof.as_ref().try_into().unwrap(),
        });
        let arrived = AuthorizeIn {
            checks: checks.collect(),
            signature: request.signature.as_ref().try_into().unwrap(),
        };
        let requester: MemberId = "procurement".parse().unwrap();
        let signing_key = key("procurement").verifying_key();
        let expected = Expected {
            coordinator: self.registry.coordinator(),
            requester: &requester,
            cnf: &CNF,
            signing_key: signing_key.as_bytes(),
        };
        let signed = arrived.parse().unwrap().authenticate(&expected).expect("an honest request");
        let response = self.with(|state| {
            let fingerprint = signed.fingerprint();
            if let Some(checks) = state.answered.get(&fingerprint).cloned() {
                return self.answer(state, checks);
            }
            let registered: Vec<Option<Point>> = signed
                .checks()
                .iter()
                .map(|check| {
                    state.pseudonyms.get(check.pseudonym()).map(|point| Point::decode(point).unwrap())
                })
                .collect();
            let verified = signed.verify_bindings(&registered, &mut os_rng()).unwrap();
            let checks: Vec<CheckOutcome> = verified
                .into_iter()
                .map(|check| match check {
                    Ok(check) => CheckOutcome { items: self.decide(state, &check), refusal: None },
                    Err(error) => CheckOutcome { items: Vec::new(), refusal: Some(refusal(error.reason())) },
                })
                .collect();
            state.answered.insert(fingerprint, checks.clone());
            self.answer(state, checks)
        });
        self.faults.fail("after authorize")?;
        Ok(Response::new(response))
    }

    async fn recall(&self, request: Request<RecallRequest>) -> Result<Response<RecallResponse>, Status> {
        self.faults.fail("before recall")?;
        let hash: [u8; 32] = request.into_inner().request_hash.as_ref().try_into().unwrap();
        let response = self.with(|state| Some(self.answer(state, state.answered.get(&hash).cloned()?)));
        Ok(Response::new(RecallResponse { response }))
    }
}
