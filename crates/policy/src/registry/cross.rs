//! What can be checked only between entries: whose signature, whose key, which list, which purpose.

use std::collections::{BTreeMap, BTreeSet};

use tacit_model::{ListId, MemberId, PurposeCode, SchemeError, Schemes, Ulid};

use super::{
    Body, Pins,
    check::{Checked, once},
    ended::{self, AgreementEnd},
    entry::{
        Act, Agreement, Category, Entry, FederationRule, LegalBasis, List, Member, PseudonymKey, Purpose,
        Rank, Role, SUBJECT_ACCESS,
    },
    error::{At, RegistryError, RegistryProblem as Problem},
    recovery::{Standings, fingerprint, standing},
    signed::domain,
};
use crate::keys::Ed25519Key;

/// All entries of a registry, checked, by kind.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) members: BTreeMap<MemberId, Member>,
    pub(super) acts: BTreeMap<String, Act>,
    pub(super) lists: BTreeMap<ListId, List>,
    pub(super) purposes: BTreeMap<PurposeCode, Purpose>,
    pub(super) categories: BTreeMap<u16, Category>,
    pub(super) rules: BTreeMap<String, FederationRule>,
    pub(super) schemes: Schemes,
    pub(super) agreements: BTreeMap<Ulid, Agreement>,
    pub(super) pseudonym_keys: BTreeMap<(MemberId, u32), PseudonymKey>,
    pub(super) endings: BTreeMap<(Ulid, MemberId), AgreementEnd>,
    pub(super) standings: Standings,
}

impl Loaded {
    /// Reads the entries, then members and their pins, then every signature, then every reference.
    pub(super) fn load(body: &Body, pins: &Pins) -> Result<Self, RegistryError> {
        let mut entries = Vec::with_capacity(body.entries.len());
        for (i, signed) in body.entries.iter().enumerate() {
            let path = format!("entries[{i}]");
            let entry = signed.entry(&path)?;
            entries.push((path, entry));
        }
        let mut loaded = Self::default();
        loaded.members(&entries, body, pins)?;
        for ((path, entry), signed) in entries.iter().zip(&body.entries) {
            signed.verify(domain(entry), &loaded.owners(entry, body, path)?, path)?;
        }
        for (path, entry) in &entries {
            loaded.insert(entry, path)?;
        }
        for (path, entry) in &entries {
            loaded.references(entry, path)?;
        }
        for ((_, entry), signed) in entries.iter().zip(&body.entries) {
            loaded.standings.insert(fingerprint(signed)?, standing(entry, &loaded.agreements));
        }
        Ok(loaded)
    }

    fn members(&mut self, entries: &[(String, Entry)], body: &Body, pins: &Pins) -> Checked {
        let mut keys = BTreeSet::new();
        let mut boxes = 0;
        for (path, entry) in entries {
            let Entry::Member(member) = entry else { continue };
            let fresh = self.members.insert(member.id.clone(), member.clone()).is_none();
            once(fresh, &member.id, format_args!("{path}.id"))?;
            for (name, key) in member.keys.all() {
                // One key, one use: a signature must never pass for one of another kind.
                once(keys.insert(key), crate::keys::encode(&key), format_args!("{path}.keys.{name}"))?;
            }
            boxes += member.keys.boxes.len();
            pinned(member, body, pins, path)?;
        }
        for (id, role, path) in [
            (&body.coordinator, Role::Coordinator, "coordinator"),
            (&body.custodian, Role::Custodian, "custodian"),
        ] {
            self.with_role(id, role, path)?;
        }
        if boxes == 0 || boxes == 2 { Ok(()) } else { Err(Problem::AuditBox { found: boxes }).at("entries") }
    }

    /// Who must sign an entry, in order, with which key.
    fn owners<'a>(
        &'a self,
        entry: &Entry,
        body: &Body,
        path: &str,
    ) -> Result<Vec<(&'a MemberId, Ed25519Key)>, RegistryError> {
        let owner = |id: &MemberId, field: &str| {
            let member = self.known(id, format_args!("{path}.{field}"))?;
            Ok((&member.id, member.keys.signing))
        };
        Ok(match entry {
            Entry::Member(member) => vec![owner(&member.id, "id")?],
            Entry::List(list) => vec![owner(&list.id.holder_id(), "id")?],
            Entry::Act(_) | Entry::Purpose(_) | Entry::Scheme(_) | Entry::Category(_) | Entry::Rule(_) => {
                vec![owner(&body.coordinator, "coordinator")?]
            }
            Entry::Agreement(it) => vec![owner(&it.holder, "holder")?, owner(&it.requester, "requester")?],
            Entry::PseudonymKey(_) => vec![owner(&body.custodian, "custodian")?],
            Entry::AgreementEnd(it) => vec![owner(&it.member, "member")?],
        })
    }

    fn insert(&mut self, entry: &Entry, path: &str) -> Checked {
        match entry {
            Entry::Member(_) => Ok(()),
            Entry::Act(it) => {
                let fresh = self.acts.insert(it.id.clone(), it.clone()).is_none();
                once(fresh, &it.id, format_args!("{path}.id"))
            }
            Entry::Rule(it) => {
                let fresh = self.rules.insert(it.id.clone(), it.clone()).is_none();
                once(fresh, &it.id, format_args!("{path}.id"))
            }
            Entry::List(it) => once(
                self.lists.insert(it.id.clone(), it.clone()).is_none(),
                &it.id,
                format_args!("{path}.id"),
            ),
            Entry::Purpose(it) => {
                let fresh = self.purposes.insert(it.code.clone(), it.clone()).is_none();
                once(fresh, &it.code, format_args!("{path}.code"))
            }
            Entry::Scheme(it) => {
                let problem = |source: SchemeError| Problem::Scheme {
                    name: it.name.chars().take(80).collect(),
                    source,
                };
                self.schemes.define(&it.name, &it.rules).map_err(problem).at(path)
            }
            Entry::Category(it) => {
                let fresh = self.categories.insert(it.code, it.clone()).is_none();
                once(fresh, it.code, format_args!("{path}.code"))
            }
            Entry::Agreement(it) => {
                let fresh = self.agreements.insert(it.id, Agreement::clone(it)).is_none();
                once(fresh, it.id, format_args!("{path}.id"))
            }
            Entry::PseudonymKey(it) => {
                let key = (it.requester.clone(), it.epoch);
                once(
                    self.pseudonym_keys.insert(key, it.clone()).is_none(),
                    it.epoch,
                    format_args!("{path}.epoch"),
                )
            }
            Entry::AgreementEnd(it) => {
                let key = (it.agreement, it.member.clone());
                once(
                    self.endings.insert(key, it.clone()).is_none(),
                    it.agreement,
                    format_args!("{path}.agreement"),
                )
            }
        }
    }

    pub(super) fn references(&self, entry: &Entry, path: &str) -> Checked {
        match entry {
            Entry::Member(_) | Entry::Act(_) | Entry::Purpose(_) | Entry::Scheme(_) | Entry::Rule(_) => {
                Ok(())
            }
            Entry::Category(it) => self.law(&it.legal_basis, it.adverse, format_args!("{path}.legal_basis")),
            Entry::List(list) => {
                self.law(&list.legal_basis, list.adverse, format_args!("{path}.legal_basis"))?;
                self.with_role(&list.id.holder_id(), Role::Holder, format_args!("{path}.id"))?;
                self.review_body(list, path)?;
                let problem = || Problem::UnknownScheme { name: list.scheme.chars().take(80).collect() };
                self.schemes
                    .contains(&list.scheme)
                    .then_some(())
                    .ok_or_else(problem)
                    .at(format_args!("{path}.scheme"))
            }
            Entry::Agreement(agreement) => self.agreement(agreement, path),
            Entry::PseudonymKey(key) => {
                let member = self.known(&key.requester, format_args!("{path}.requester"))?;
                // An authority asks for its users, and a holder writes letters about its subjects.
                let others = [Role::Authority, Role::Holder].into_iter().find(|role| member.has(*role));
                let role = others.unwrap_or(Role::Requester);
                self.with_role(&member.id, role, format_args!("{path}.requester"))
            }
            Entry::AgreementEnd(ending) => {
                let problem = || Problem::UnknownAgreement { id: ending.agreement.to_string() };
                let found = self.agreements.get(&ending.agreement).ok_or_else(problem);
                ended::party(ending, found.at(format_args!("{path}.agreement"))?, path)
            }
        }
    }

    fn agreement(&self, agreement: &Agreement, path: &str) -> Checked {
        self.with_role(&agreement.holder, Role::Holder, format_args!("{path}.holder"))?;
        let requester = self.known(&agreement.requester, format_args!("{path}.requester"))?;
        // An authority may ask only for the subject's own view, and nobody else may use that purpose.
        let own_view = agreement.purposes.iter().any(|code| code.as_str() == SUBJECT_ACCESS);
        if requester.has(Role::Authority) != own_view {
            return Err(Problem::SubjectAccess { member: requester.id.clone() })
                .at(format_args!("{path}.requester"));
        }
        if !own_view {
            self.with_role(&agreement.requester, Role::Requester, format_args!("{path}.requester"))?;
        }
        for (id, key, field) in [
            (&agreement.holder, agreement.holder_key, "holder_key"),
            (&agreement.requester, agreement.requester_key, "requester_key"),
        ] {
            if !self.known(id, format_args!("{path}.{field}"))?.keys.leads_from(&key) {
                return Err(Problem::AgreementKey { member: id.clone() }).at(format_args!("{path}.{field}"));
            }
        }
        self.law(&agreement.legal_basis, false, format_args!("{path}.legal_basis"))?;
        for (i, measure) in agreement.measures.iter().enumerate() {
            // A measure may rest on a law of its own; what restricts needs one above a memorandum.
            let law = measure.legal_basis.as_ref().unwrap_or(&agreement.legal_basis);
            self.law(law, measure.restricts, format_args!("{path}.measures[{i}]"))?;
        }
        if let Some(cross) = &agreement.cross_context {
            self.act(&cross.act, true, format_args!("{path}.cross_context.act"))?;
        }
        for (i, code) in agreement.purposes.iter().enumerate() {
            let problem = || Problem::UnknownPurpose { code: code.clone() };
            let purpose =
                self.purposes.get(code).ok_or_else(problem).at(format_args!("{path}.purposes[{i}]"))?;
            if purpose.context != agreement.purpose_context {
                let (context, stated) = (purpose.context.clone(), agreement.purpose_context.clone());
                return Err(Problem::PurposeContext { code: code.clone(), context, stated })
                    .at(format_args!("{path}.purposes[{i}]"));
            }
        }
        for (i, id) in agreement.lists.iter().enumerate() {
            let problem = || Problem::UnknownList { id: id.clone() };
            let list = self.lists.get(id).ok_or_else(problem).at(format_args!("{path}.lists[{i}]"))?;
            if list.origin_context != agreement.purpose_context && agreement.cross_context.is_none() {
                let (origin, context) = (list.origin_context.clone(), agreement.purpose_context.clone());
                return Err(Problem::CrossContext { list: id.clone(), origin, context })
                    .at(format_args!("{path}.lists[{i}]"));
            }
        }
        Ok(())
    }

    fn law(&self, basis: &LegalBasis, restricts: bool, path: impl std::fmt::Display) -> Checked {
        self.act(&basis.act, restricts, format_args!("{path}.act"))
    }

    /// The act is known, and for what restricts it is more than a memorandum.
    fn act(&self, id: &str, restricts: bool, path: impl std::fmt::Display) -> Checked {
        match self.acts.get(id) {
            None => Err(Problem::UnknownAct { id: id.to_owned() }).at(path),
            Some(act) if restricts && act.rank == Rank::Memorandum => {
                Err(Problem::MemorandumAlone { act: id.to_owned() }).at(path)
            }
            Some(_) => Ok(()),
        }
    }

    fn known(&self, id: &MemberId, path: impl std::fmt::Display) -> Result<&Member, RegistryError> {
        self.members.get(id).ok_or_else(|| Problem::UnknownMember { id: id.clone() }).at(path)
    }

    /// Who reviews is another holder than the one that listed, and is reached by letters.
    fn review_body(&self, list: &List, path: &str) -> Checked {
        let Some(id) = &list.review_body else { return Ok(()) };
        let path = format!("{path}.review_body");
        if *id == list.id.holder_id() {
            return Err(Problem::ReviewBody { list: list.id.clone() }).at(path);
        }
        // Who only asks has pseudonyms for what its agreements let it ask, and perhaps none to write under.
        self.with_role(id, Role::Holder, &path)?;
        let member = self.known(id, &path)?;
        if member.keys.letters.is_none() || member.pseudonym_epoch.is_none() {
            return Err(Problem::ReviewLetters { member: id.clone() }).at(path);
        }
        Ok(())
    }

    fn with_role(&self, id: &MemberId, role: Role, path: impl std::fmt::Display) -> Checked {
        if self.known(id, &path)?.has(role) {
            Ok(())
        } else {
            Err(Problem::Role { member: id.clone(), role }).at(path)
        }
    }
}

/// The pins: a registry must not swap a key that the configuration knows, nor bring an authority or auditor that it
/// does not know.
fn pinned(member: &Member, body: &Body, pins: &Pins, path: &str) -> Checked {
    for (role, named, key) in [
        (Role::Coordinator, &body.coordinator, pins.coordinator_key),
        (Role::Custodian, &body.custodian, pins.custodian_key),
    ] {
        if member.has(role) && (member.id != *named || member.roles.len() != 1) {
            return Err(Problem::RoleAlone { member: member.id.clone(), role })
                .at(format_args!("{path}.roles"));
        }
        if member.id == *named && !member.keys.leads_from(&Ed25519Key(key)) {
            return Err(Problem::PinnedKey { member: member.id.clone() })
                .at(format_args!("{path}.keys.signing"));
        }
    }
    match pins.members.get(&member.id) {
        Some(key) if !member.keys.leads_from(&Ed25519Key(*key)) => {
            Err(Problem::PinnedKey { member: member.id.clone() }).at(format_args!("{path}.keys.signing"))
        }
        Some(_) => Ok(()),
        None => match member.roles.iter().find(|role| matches!(role, Role::Authority | Role::Auditor)) {
            Some(role) => Err(Problem::NotPinned { member: member.id.clone(), role: *role })
                .at(format_args!("{path}.keys.signing")),
            None => Ok(()),
        },
    }
}
