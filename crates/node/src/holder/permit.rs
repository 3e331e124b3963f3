//! From a verified permit to one that this holder may answer: the checks of protocol section 6 that are its own.

use std::collections::HashMap;
use std::sync::Arc;

use tacit_blind::evaluate::PermittedQuery;
use tacit_blind::{BlindError, Hash};
use tacit_ledger::record::Access;
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Reason};

use tacit_policy::{Asked, Registry, holder_decide};
use tacit_witness::{GoodPermit, Ground};

use super::live::Live;
use super::secret::ListSecret;

/// A list that a permit asks, with the key that answers it.
#[derive(Debug, Clone)]
pub(super) struct AskedList {
    pub(super) list: ListId,
    pub(super) epoch: u64,
    pub(super) secret: Arc<ListSecret>,
}

/// A question that this holder may answer: logged, in time, from the peer that presents it, about its own lists, and
/// allowed by its own copy of the agreements. Only [`Desk::accept`] makes one. It is not answered before it is
/// recorded ([`super::used`]).
pub(super) struct Permit {
    good: GoodPermit,
    query: PermittedQuery,
    lists: Vec<AskedList>,
    checks_per_day: u64,
}

impl Permit {
    /// Record id, a ULID.
    pub(super) fn id(&self) -> &str {
        &self.good.access().id
    }

    /// What it rests on.
    pub(super) fn ground(&self) -> &Ground {
        self.good.ground()
    }

    /// Hash of M, as in the record.
    pub(super) fn query_hash(&self) -> &Hash {
        &self.good.access().query
    }

    pub(super) fn query(&self) -> &PermittedQuery {
        &self.query
    }

    pub(super) fn lists(&self) -> &[AskedList] {
        &self.lists
    }

    pub(super) fn requester(&self) -> &str {
        &self.good.access().requester
    }

    pub(super) fn purpose(&self) -> &str {
        &self.good.access().purpose
    }

    pub(super) fn time(&self) -> Millis {
        self.good.time()
    }

    pub(super) fn expires(&self) -> Millis {
        self.good.expires()
    }

    /// Answers a day that the agreements allow for this requester, list and purpose.
    pub(super) fn checks_per_day(&self) -> u64 {
        self.checks_per_day
    }
}

/// Decisions already made in one call: most of its permits ask the same lists for the same purpose.
type Decided = HashMap<(String, String, Vec<String>), Result<u64, Reason>>;

/// Looks at the permits of one call.
pub(super) struct Desk<'a> {
    holder: &'a MemberId,
    registry: &'a Registry,
    live: &'a Live,
    now: Millis,
    tick_ms: u64,
    decided: Decided,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        holder: &'a MemberId,
        registry: &'a Registry,
        live: &'a Live,
        now: Millis,
        tick_ms: u64,
    ) -> Self {
        Self { holder, registry, live, now, tick_ms, decided: Decided::new() }
    }

    /// Accepts a permit for the query `query`, or says why not.
    pub(super) fn accept(&mut self, good: GoodPermit, query: &[u8; 32]) -> Result<Permit, Reason> {
        let access = good.access();
        if access.holder != self.holder.as_str() {
            return Err(Reason::PermitForOther);
        }
        let query = PermittedQuery::open(&access.query, query).map_err(|error| match error {
            BlindError::QueryMismatch => Reason::QueryMismatch,
            _ => Reason::Malformed,
        })?;
        let mut lists = Vec::with_capacity(access.lists.len());
        for at in &access.lists {
            let list: ListId = at.list.parse().map_err(|_| Reason::UnknownList)?;
            if list.holder() != self.holder.as_str() {
                return Err(Reason::PermitForOther);
            }
            if self.registry.list(&list).is_none() {
                return Err(Reason::UnknownList);
            }
            let secret = self.live.secret(&list, at.epoch, at.version, self.now, self.tick_ms)?;
            lists.push(AskedList { list, epoch: at.epoch, secret });
        }
        let checks_per_day = self.decide(access, &lists)?;
        Ok(Permit { good, query, lists, checks_per_day })
    }

    /// What the own copy of the agreements says.
    fn decide(&mut self, access: &Access, lists: &[AskedList]) -> Result<u64, Reason> {
        let names = access.lists.iter().map(|at| at.list.clone()).collect();
        let key = (access.requester.clone(), access.purpose.clone(), names);
        if let Some(decided) = self.decided.get(&key) {
            return *decided;
        }
        let requester: MemberId = access.requester.parse().map_err(|_| Reason::UnknownMember)?;
        let purpose: PurposeCode = access.purpose.parse().map_err(|_| Reason::UnknownPurpose)?;
        let lists = lists.iter().map(|asked| &asked.list).collect();
        let asked = Asked { requester: &requester, holder: self.holder, lists, purpose: &purpose };
        let decided = match holder_decide(&asked, self.registry, self.now) {
            Ok(allowed) => Ok(allowed.checks_per_day()),
            Err(refusal) => {
                tracing::warn!(
                    requester = access.requester,
                    record = access.id,
                    exact = ?refusal.exact,
                    "a permit of the coordinator is not covered by an agreement here"
                );
                Err(refusal.public)
            }
        };
        self.decided.insert(key, decided);
        decided
    }
}
