//! The registry: who is in the federation, which lists and purposes exist, and who may ask whom for what.
//!
//! ```text
//! file = {"body": "<text>", "signatures": [coordinator]}         signed "tacit/v1/registry"       || body
//!                    (a recovery version: further signatures,    signed "tacit/v1/registry-recovery" || body)
//! body = {federation, number, issued_at, coordinator, custodian, entries: [entry, ...]}
//! entry = {"body": "<text>", "signatures": [owner, ...]}         signed "tacit/v1/registry-entry" || body
//!                                                    (agreements: "tacit/v1/agreement" || body, holder then requester;
//!                                                     their ends: "tacit/v1/agreement-end" || body, either party)
//! ```
//!
//! Bodies are JSON *texts inside* JSON, so that what was signed is kept to the byte and nothing has to be canonical.
//! The coordinator composes the file but can invent no entry: each is signed by its owner, and owners' keys are pinned.

mod agreement;
pub mod builder;
mod check;
mod cross;
pub mod draft;
pub mod ended;
pub mod entry;
mod error;
pub mod keychange;
mod matter;
pub mod recovery;
pub mod signed;
pub(crate) mod text;
pub mod trial;
pub mod versions;
mod witnesses;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tacit_ledger::ed25519::VerifyingKey;
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Schemes, Ulid};

pub(crate) use self::error::At;
pub use self::error::{RegistryError, RegistryProblem};
pub use self::witnesses::NoWitnesses;
use self::{
    cross::Loaded,
    ended::AgreementEnd,
    entry::{Act, Agreement, Category, FederationRule, List, Member, PseudonymKey, Purpose, Role},
    recovery::{Recovery, Standings},
    signed::{REGISTRY_DOMAIN, Signed, parse_json},
};
use crate::{
    keys::{Ed25519Key, PublicKey},
    own::OwnRules,
};

/// Largest registry file in bytes (64 MiB): about 100,000 entries.
pub const MAX_REGISTRY_BYTES: usize = 64 << 20;
/// Most entries of one registry.
pub const MAX_ENTRIES: usize = 100_000;

/// `b3("tacit v1 registry", bytes)`: the hash that every record names, over the exact bytes of the file.
#[must_use]
pub fn registry_hash(bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key("tacit v1 registry", bytes)
}

/// What a member's configuration knows about the federation before it reads any registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// The federation's name (the trust domain of its SPIFFE ids).
    pub federation: String,
    /// The coordinator's signing key.
    pub coordinator_key: VerifyingKey,
    /// The custodian's signing key.
    pub custodian_key: VerifyingKey,
    /// Signing keys of members by name. Every consent authority and auditor must be here; any other member may be
    /// (the members of one's own agreements should be). A pinned member may be absent from the registry.
    pub members: BTreeMap<MemberId, VerifyingKey>,
}

impl Pins {
    /// The pins that a registry file itself claims, whoever wrote it. Only for a file whose exact bytes are known by
    /// other means, such as its [`registry_hash`] in a record of the log: then [`Registry::parse`] checks that it
    /// agrees with itself.
    ///
    /// # Errors
    /// [`RegistryError`] when the bytes are no registry, or the coordinator or the custodian is no member of it.
    pub fn claimed_by(bytes: &[u8]) -> Result<Self, RegistryError> {
        use RegistryProblem as Problem;
        if bytes.len() > MAX_REGISTRY_BYTES {
            return Err(Problem::TooLarge { bytes: bytes.len(), max: MAX_REGISTRY_BYTES }).at("registry");
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Problem::Json { source: serde::de::Error::custom("not UTF-8 text") })
            .at("registry")?;
        let outer: Signed = parse_json(text, "")?;
        let body: Body = parse_json(&outer.body, "")?;
        let mut members = BTreeMap::new();
        for (place, entry) in body.entries.iter().enumerate() {
            if let entry::Entry::Member(member) = entry.entry(&format!("entries[{place}]"))? {
                members.insert(member.id, member.keys.signing.0);
            }
        }
        let key = |id: &MemberId| {
            let missing = || Problem::Json { source: serde::de::Error::custom("it is no member") };
            members.get(id).copied().ok_or_else(missing)
        };
        Ok(Self {
            coordinator_key: key(&body.coordinator).at("coordinator")?,
            custodian_key: key(&body.custodian).at("custodian")?,
            federation: body.federation,
            members,
        })
    }
}

/// The text inside the outer body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    federation: String,
    number: u64,
    #[serde(with = "text::rfc3339")]
    issued_at: Millis,
    coordinator: MemberId,
    custodian: MemberId,
    /// That it is a recovery version, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    entries: Vec<Signed>,
}

impl Body {
    /// Whether the coordinator's entry leads from a pinned key to this one. Its signature is checked with the others.
    fn leads_to(&self, key: Ed25519Key, pinned: Ed25519Key) -> bool {
        let own = self.entries.iter().filter(|entry| entry.signers().eq([&self.coordinator]));
        own.filter_map(|entry| entry.entry("coordinator").ok()).any(|entry| {
            matches!(entry, entry::Entry::Member(it)
                if it.id == self.coordinator && it.keys.signing == key && it.keys.leads_from(&pinned))
        })
    }
}

/// A registry whose every signature, bound and reference has been checked. There is no other way to get one than
/// [`Registry::parse`], and it never changes.
#[derive(Debug, Clone)]
pub struct Registry {
    hash: [u8; 32],
    federation: String,
    number: u64,
    issued_at: Millis,
    coordinator: MemberId,
    custodian: MemberId,
    members: BTreeMap<MemberId, Member>,
    acts: BTreeMap<String, Act>,
    lists: BTreeMap<ListId, List>,
    purposes: BTreeMap<PurposeCode, Purpose>,
    categories: BTreeMap<u16, Category>,
    rules: BTreeMap<String, FederationRule>,
    own_rules: Option<Arc<OwnRules>>,
    schemes: Schemes,
    /// Ascending by id.
    agreements: Vec<Agreement>,
    /// Requester, then holder, to places in `agreements`, ascending.
    pairs: BTreeMap<MemberId, BTreeMap<MemberId, Vec<usize>>>,
    pseudonym_keys: BTreeMap<(MemberId, u32), PseudonymKey>,
    endings: BTreeMap<(Ulid, MemberId), AgreementEnd>,
    recovery: Option<Recovery>,
    /// What the file holds, to the byte of each entry.
    standings: Arc<Standings>,
}

/// A file of which everything was checked but that all countersignatures of a recovery version are there.
struct Unfinished {
    outer: Signed,
    registry: Registry,
    /// Who has not countersigned; nobody of an ordinary version.
    missing: Vec<MemberId>,
}

impl Registry {
    /// Reads a registry file and checks all of it.
    ///
    /// # Errors
    /// [`RegistryError`] names the first place that is wrong. Nothing of a refused file may be used; a member keeps
    /// working with the registry it has.
    pub fn parse(bytes: &[u8], pins: &Pins) -> Result<Self, RegistryError> {
        let Unfinished { outer: _, registry, missing } = Unfinished::parse(bytes, pins)?;
        if missing.is_empty() {
            return Ok(registry);
        }
        let missing = missing.iter().map(MemberId::as_str).collect::<Vec<_>>().join(", ");
        Err(RegistryProblem::Countersigners { missing }).at("registry.signatures")
    }
}

impl Unfinished {
    fn parse(bytes: &[u8], pins: &Pins) -> Result<Self, RegistryError> {
        use RegistryProblem as Problem;
        if bytes.len() > MAX_REGISTRY_BYTES {
            return Err(Problem::TooLarge { bytes: bytes.len(), max: MAX_REGISTRY_BYTES }).at("registry");
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Problem::Json { source: serde::de::Error::custom("not UTF-8 text") })
            .at("registry")?;
        let outer: Signed = parse_json(text, "")?;
        // The signature first: nothing inside is looked at before somebody has answered for it. Whether that was the
        // coordinator is known at once by the pinned key, and after a change of key by the chain that leads from it.
        let Some(line) = outer.signatures.first() else {
            let (found, needed) = (String::new(), "the coordinator".to_owned());
            return Err(Problem::Signers { found, needed }).at("signatures");
        };
        let (signer, key) = (line.signer.clone(), line.key);
        outer.verify_line(0, REGISTRY_DOMAIN, key, "registry")?;
        let body: Body = parse_json(&outer.body, "")?;
        if body.recovery.is_none() {
            outer.verify(REGISTRY_DOMAIN, &[(&signer, key)], "registry")?;
        }
        if key.0 != pins.coordinator_key && !body.leads_to(key, Ed25519Key(pins.coordinator_key)) {
            return Err(Problem::KeyDiffers { signer: body.coordinator }).at("registry.signatures[0].key");
        }
        if signer != body.coordinator {
            let (found, needed) = (signer.into(), body.coordinator.into());
            return Err(Problem::Signers { found, needed }).at("coordinator");
        }
        check::text(&body.federation, 253, "federation")?;
        if body.federation != pins.federation {
            let (found, pinned) = (body.federation, pins.federation.clone());
            return Err(Problem::OtherFederation { found, pinned }).at("federation");
        }
        check::range(body.number, 1..=u64::MAX, format_args!("number"))?;
        check::count(body.entries.len(), 1..=MAX_ENTRIES, "entries")?;
        let loaded = Loaded::load(&body, pins)?;
        if loaded.members.get(&body.coordinator).is_none_or(|coordinator| coordinator.keys.signing != key) {
            return Err(Problem::KeyDiffers { signer: body.coordinator }).at("registry.signatures[0].key");
        }
        let own_rules = OwnRules::new(
            loaded.rules.values(),
            loaded.members.values(),
            loaded.lists.values(),
            loaded.purposes.values(),
            loaded.acts.values(),
        );
        let own_rules = own_rules.at("entries")?;
        let registry = Registry::index(registry_hash(bytes), body, loaded, own_rules);
        let missing = match &registry.recovery {
            None => Vec::new(),
            Some(recovery) => {
                recovery::check(recovery, &registry)?;
                recovery::countersigners(&outer, &registry)?
            }
        };
        Ok(Self { outer, registry, missing })
    }
}

impl Registry {
    fn index(hash: [u8; 32], body: Body, loaded: Loaded, own_rules: Option<OwnRules>) -> Self {
        let mut agreements = loaded.agreements;
        for ending in loaded.endings.values() {
            if let Some(agreement) = agreements.get_mut(&ending.agreement) {
                ending.apply(agreement);
            }
        }
        let agreements: Vec<Agreement> = agreements.into_values().collect();
        let mut pairs = BTreeMap::<MemberId, BTreeMap<MemberId, Vec<usize>>>::new();
        for (i, agreement) in agreements.iter().enumerate() {
            let holders = pairs.entry(agreement.requester.clone()).or_default();
            holders.entry(agreement.holder.clone()).or_default().push(i);
        }
        Self {
            hash,
            federation: body.federation,
            number: body.number,
            issued_at: body.issued_at,
            coordinator: body.coordinator,
            custodian: body.custodian,
            members: loaded.members,
            acts: loaded.acts,
            lists: loaded.lists,
            purposes: loaded.purposes,
            categories: loaded.categories,
            rules: loaded.rules,
            own_rules: own_rules.map(Arc::new),
            schemes: loaded.schemes,
            agreements,
            pairs,
            pseudonym_keys: loaded.pseudonym_keys,
            endings: loaded.endings,
            recovery: body.recovery,
            standings: Arc::new(loaded.standings),
        }
    }

    /// [`registry_hash`] of the file it was read from.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The federation's name.
    #[must_use]
    pub fn federation(&self) -> &str {
        &self.federation
    }

    /// The version's number, rising.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When the coordinator issued it.
    #[must_use]
    pub fn issued_at(&self) -> Millis {
        self.issued_at
    }

    /// The coordinator's name.
    #[must_use]
    pub fn coordinator(&self) -> &MemberId {
        &self.coordinator
    }

    /// The custodian's name.
    #[must_use]
    pub fn custodian(&self) -> &MemberId {
        &self.custodian
    }

    /// The member of this name.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    /// All members, ascending by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The act of this name.
    #[must_use]
    pub fn act(&self, id: &str) -> Option<&Act> {
        self.acts.get(id)
    }

    /// All acts, ascending by name.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.values()
    }

    /// The federation's own rules, ascending by name.
    pub fn rules(&self) -> impl Iterator<Item = &FederationRule> {
        self.rules.values()
    }

    /// The same, to be asked.
    pub(crate) fn own_rules(&self) -> Option<&OwnRules> {
        self.own_rules.as_deref()
    }

    /// The list of this id.
    #[must_use]
    pub fn list(&self, id: &ListId) -> Option<&List> {
        self.lists.get(id)
    }

    /// All lists, ascending by id.
    pub fn lists(&self) -> impl Iterator<Item = &List> {
        self.lists.values()
    }

    /// The lists of one holder, ascending by id.
    pub fn lists_of(&self, holder: &MemberId) -> impl Iterator<Item = &List> {
        self.lists.values().filter(move |list| list.id.holder() == holder.as_str())
    }

    /// The purpose of this code.
    #[must_use]
    pub fn purpose(&self, code: &PurposeCode) -> Option<&Purpose> {
        self.purposes.get(code)
    }

    /// All purposes, ascending by code.
    pub fn purposes(&self) -> impl Iterator<Item = &Purpose> {
        self.purposes.values()
    }

    /// The category of this code.
    #[must_use]
    pub fn category(&self, code: u16) -> Option<&Category> {
        self.categories.get(&code)
    }

    /// All categories, ascending by code.
    pub fn categories(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }

    /// The identifier schemes of this federation: the built-in ones and its `X-` ones.
    #[must_use]
    pub fn schemes(&self) -> &Schemes {
        &self.schemes
    }

    /// The agreement of this id, in force or not.
    #[must_use]
    pub fn agreement(&self, id: Ulid) -> Option<&Agreement> {
        let place = self.agreements.binary_search_by_key(&id, |agreement| agreement.id).ok()?;
        self.agreements.get(place)
    }

    /// Whether a question under this agreement needs the subject's consent: because it says so, or because no public
    /// body asks.
    #[must_use]
    pub fn needs_consent(&self, agreement: &Agreement) -> bool {
        let requester = self.member(&agreement.requester);
        agreement.consent_required || requester.is_none_or(|it| it.kind.needs_consent())
    }

    /// All agreements, ascending by id, in force or not.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.iter()
    }

    /// All agreements under which `requester` asks `holder`, ascending by id, in force or not.
    pub fn agreements_between(
        &self,
        requester: &MemberId,
        holder: &MemberId,
    ) -> impl Iterator<Item = &Agreement> {
        let places = self.pairs.get(requester).and_then(|holders| holders.get(holder));
        places.into_iter().flatten().filter_map(|place| self.agreements.get(*place))
    }

    /// Endings of agreements, ascending by agreement and party. Who is ended by them is in force no longer than they
    /// say: [`Agreement::valid_until`] is the earlier of both.
    pub fn endings(&self) -> impl Iterator<Item = &AgreementEnd> {
        self.endings.values()
    }

    /// The pseudonym epochs in which a requester has a published key, ascending.
    #[must_use]
    pub fn pseudonym_epochs(&self, requester: &MemberId) -> Vec<u32> {
        let all = (requester.clone(), 0)..=(requester.clone(), u32::MAX);
        self.pseudonym_keys.range(all).map(|((_, epoch), _)| *epoch).collect()
    }

    /// The public pseudonym key of a requester in one of its epochs.
    #[must_use]
    pub fn pseudonym_key(&self, requester: &MemberId, epoch: u32) -> Option<PublicKey> {
        self.pseudonym_keys.get(&(requester.clone(), epoch)).map(|key| key.public_key)
    }

    /// Subjects that `requester` may newly enroll on the UTC day of `now`: the largest `new_subjects_per_day` of its
    /// agreements in force, 0 without one.
    #[must_use]
    pub fn new_subject_quota(&self, requester: &MemberId, now: Millis) -> u64 {
        let places = self.pairs.get(requester).into_iter().flat_map(BTreeMap::values).flatten();
        places
            .filter_map(|place| self.agreements.get(*place))
            .filter(|agreement| agreement.in_force(now))
            .map(|agreement| agreement.quotas.new_subjects_per_day)
            .max()
            .unwrap_or(0)
    }

    /// The X25519 key to which letters for a member are sealed, if it gets letters.
    #[must_use]
    pub fn letter_key(&self, member: &MemberId) -> Option<PublicKey> {
        self.member(member)?.keys.letters
    }

    /// Those to whom a letter to a subject is sealed, ascending by name: every consent authority that has a key for
    /// letters.
    pub fn letter_authorities(&self) -> impl Iterator<Item = (&MemberId, PublicKey)> {
        let authorities = self.members.values().filter(|member| member.has(Role::Authority));
        authorities.filter_map(|member| Some((&member.id, member.keys.letters?)))
    }

    /// The two X25519 keys to which audit boxes are sealed, first and second; `None` while there is no auditor.
    #[must_use]
    pub fn audit_boxes(&self) -> Option<[PublicKey; 2]> {
        let mut keys = self.members.values().filter(|it| it.has(Role::Auditor)).flat_map(|it| &it.keys.boxes);
        Some([*keys.next()?, *keys.next()?])
    }
}
