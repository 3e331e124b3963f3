//! The federation's registry, as a draft that tests change before it is signed.

use std::collections::BTreeMap;

use tacit_blind::{letter::LetterSecretKey, oprf::PseudonymKey as BlindKey};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, Millis, Ulid};
use tacit_policy::{
    Ed25519Key, Pins, PublicKey, Registry, Span, Unit,
    registry::{
        builder::RegistryBuilder,
        entry::{
            Act, Agreement, Contested, CrossContext, Entry, LegalBasis, List, Member, MemberKeys, MemberKind,
            PseudonymKey, Purpose, Quotas, Rank, Role, SUBJECT_ACCESS,
        },
        signed::{Signer, sign_entry},
    },
};

use super::FEDERATION;

/// The lists of the federation.
pub(crate) const LISTS: [&str; 3] =
    ["court/judgment-defaulters", "court/model-mediators", "customs/debarred-importers"];
/// The epoch in which every list starts.
pub(crate) const LIST_EPOCH: u64 = 20_778;
/// The pseudonym epoch of everybody.
pub(crate) const PSEUDONYM_EPOCH: u32 = 3;

/// Under which procurement asks the court: no consent needed.
pub(crate) const COURT: u64 = 1;
/// Under which procurement asks customs: consent needed.
pub(crate) const CUSTOMS: u64 = 2;
/// Under which the tax office asks the court.
pub(crate) const TAX: u64 = 3;
/// Under which the portal asks the court for subjects themselves.
pub(crate) const PORTAL: u64 = 4;

/// Where the clock starts.
pub(crate) fn now() -> Millis {
    "2026-11-21T12:00:00.000Z".parse().unwrap()
}

pub(crate) fn id(name: &str) -> MemberId {
    name.parse().unwrap()
}

pub(crate) fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(now().0, u128::from(n))
}

/// The key of a use of a member: a seed from its name.
pub(crate) fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len().min(32)].copy_from_slice(&name.as_bytes()[..name.len().min(32)]);
    SigningKey::from_seed(&seed)
}

pub(crate) fn public(name: &str) -> Ed25519Key {
    Ed25519Key(key(name).verifying_key())
}

/// The custodian's key for a requester in a pseudonym epoch.
pub(crate) fn pseudonym_key_in(requester: &str, epoch: u32) -> BlindKey {
    BlindKey::derive(&[7; 32], &id(requester), epoch).unwrap()
}

/// What the registry will say.
pub(crate) struct Draft {
    pub(crate) number: u64,
    pub(crate) agreements: BTreeMap<u64, Agreement>,
    pub(crate) members: BTreeMap<&'static str, Member>,
    /// A member that has another signing key by now, that of the name with `/new`.
    pub(crate) replaced: Option<&'static str>,
    /// The newest pseudonym epoch; the keys of those before stay published.
    pub(crate) newest_epoch: u32,
}

impl Default for Draft {
    fn default() -> Self {
        let members = [
            ("coordinator", vec![Role::Coordinator]),
            ("custodian", vec![Role::Custodian]),
            ("court", vec![Role::Holder]),
            ("customs", vec![Role::Holder, Role::Requester]),
            ("procurement", vec![Role::Requester]),
            ("tax", vec![Role::Requester]),
            ("portal", vec![Role::Authority]),
            ("portal-two", vec![Role::Authority]),
            ("audit-office", vec![Role::Auditor]),
        ]
        .map(|(name, roles)| (name, member(name, roles)));
        let (defaulters, importers) = ([LISTS[0], LISTS[1]], [LISTS[2]]);
        let agreements = [
            (COURT, agreement(COURT, "procurement", &defaulters, "eligibility", "procurement", false)),
            (CUSTOMS, agreement(CUSTOMS, "procurement", &importers, "eligibility", "procurement", true)),
            (TAX, agreement(TAX, "tax", &defaulters, "eligibility", "procurement", false)),
            (PORTAL, agreement(PORTAL, "portal", &defaulters, SUBJECT_ACCESS, "subject-rights", false)),
        ];
        Self {
            number: 1,
            agreements: agreements.into(),
            members: members.into(),
            replaced: None,
            newest_epoch: PSEUDONYM_EPOCH,
        }
    }
}

impl Draft {
    /// The signed file, and what it says.
    pub(crate) fn sign(mut self) -> (Vec<u8>, Registry) {
        let replaced = self.replaced;
        let signing_name = |name: &str| {
            if replaced == Some(name) { format!("{name}/new") } else { name.to_owned() }
        };
        for (name, member) in &mut self.members {
            if replaced == Some(*name) {
                let new = key(&signing_name(name)).verifying_key();
                member.keys = member.keys.clone().rotated(&member.id, &key(name), &new);
            }
        }
        let (coordinator, custodian) = (id("coordinator"), id("custodian"));
        let builder =
            RegistryBuilder::new(FEDERATION, self.number, now(), coordinator.clone(), custodian.clone());
        let lists = LISTS.map(list).map(Entry::List);
        let purposes = [
            ("eligibility", "procurement"),
            ("debt-collection", "finance"),
            (SUBJECT_ACCESS, "subject-rights"),
        ]
        .map(|(code, context)| Entry::Purpose(purpose(code, context)));
        let published = |epoch: u32| {
            ["procurement", "tax", "customs", "portal"].map(|requester| {
                Entry::PseudonymKey(PseudonymKey {
                    requester: id(requester),
                    epoch,
                    public_key: PublicKey(pseudonym_key_in(requester, epoch).public().encode()),
                })
            })
        };
        let keys = (PSEUDONYM_EPOCH..=self.newest_epoch).flat_map(published);
        for member in self.members.values_mut() {
            member.pseudonym_epoch = Some(self.newest_epoch);
        }
        let agreements = self.agreements.into_values().map(|it| Entry::Agreement(Box::new(it)));
        let members = self.members.into_values().map(Entry::Member);
        let law = [Entry::Act(Act {
            id: "law".to_owned(),
            title: "A law".to_owned(),
            rank: Rank::Statute,
            issued_by: "Parliament".to_owned(),
            published: "No. 1 of 2020".to_owned(),
        })];
        let entries = members.chain(law).chain(lists).chain(purposes).chain(agreements).chain(keys);
        let builder = entries.fold(builder, |builder, entry| {
            let signers: Vec<MemberId> = match &entry {
                Entry::Member(it) => vec![it.id.clone()],
                Entry::List(it) => vec![it.id.holder_id()],
                Entry::Agreement(it) => vec![it.holder.clone(), it.requester.clone()],
                Entry::PseudonymKey(_) => vec![custodian.clone()],
                Entry::AgreementEnd(it) => vec![it.member.clone()],
                Entry::Act(_)
                | Entry::Purpose(_)
                | Entry::Scheme(_)
                | Entry::Category(_)
                | Entry::Rule(_) => vec![coordinator.clone()],
            };
            let keys: Vec<_> = signers.iter().map(|name| key(&signing_name(name))).collect();
            let signers: Vec<_> = signers.iter().zip(&keys).map(|(id, key)| Signer { id, key }).collect();
            builder.signed(sign_entry(&entry, &signers).unwrap())
        });
        let bytes = builder.finish(&key("coordinator")).unwrap();
        let registry = Registry::parse(&bytes, &pins(signing_name)).unwrap();
        (bytes, registry)
    }
}

pub(crate) fn pins(signing_name: impl Fn(&str) -> String) -> Pins {
    Pins {
        federation: FEDERATION.to_owned(),
        coordinator_key: key("coordinator").verifying_key(),
        custodian_key: key("custodian").verifying_key(),
        members: ["portal", "portal-two", "audit-office"]
            .map(|name| (id(name), key(&signing_name(name)).verifying_key()))
            .into(),
    }
}

/// The seed of a member's key for letters.
pub(crate) fn letter_seed(name: &str) -> [u8; 32] {
    tacit_blind::encoding::b3("tacit test letters", &[name.as_bytes()])
}

fn member(name: &str, roles: Vec<Role>) -> Member {
    let mut keys = MemberKeys::signing(public(name));
    for role in &roles {
        match role {
            Role::Holder => {
                keys.manifest = Some(public(&format!("{name}/manifest")));
                keys.witness = Some(public(&format!("{name}/witness")));
            }
            Role::Custodian => keys.witness = Some(public(&format!("{name}/witness"))),
            Role::Coordinator => keys.log = Some(public(&format!("{name}/log"))),
            Role::Auditor => keys.boxes = vec![PublicKey([1; 32]), PublicKey([2; 32])],
            Role::Requester | Role::Authority => {}
        }
    }
    // The court gets no letters.
    let corresponds = roles.iter().any(|role| matches!(role, Role::Requester | Role::Authority));
    keys.letters = corresponds.then(|| PublicKey(LetterSecretKey::derive(&letter_seed(name)).1.encode()));
    Member {
        id: id(name),
        title: format!("The {name}"),
        kind: MemberKind::Public,
        roles,
        endpoint: Some(format!("https://{name}.example:7443")),
        keys,
        pseudonym_epoch: Some(PSEUDONYM_EPOCH),
    }
}

fn list(name: &str) -> List {
    List {
        id: name.parse().unwrap(),
        title: format!("List {name}"),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 255"),
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A final judgment has not been carried out.".to_owned(),
        retention_days: 730,
        time_zone: "Asia/Shanghai".to_owned(),
        objection_contact: "Room 12".to_owned(),
        notice_days: 10,
        contested: Contested::Flag,
        status_texts: Vec::new(),
        review_body: None,
    }
}

fn purpose(code: &str, context: &str) -> Purpose {
    Purpose {
        code: code.parse().unwrap(),
        title: format!("Purpose {code}"),
        context: context.to_owned(),
        dpv: "dpv:VendorSelectionAssessment".to_owned(),
        basic_service: false,
    }
}

fn agreement(
    n: u64,
    requester: &str,
    lists: &[&str],
    purpose: &str,
    context: &str,
    consent_required: bool,
) -> Agreement {
    let lists: Vec<tacit_model::ListId> = lists.iter().map(|list| list.parse().unwrap()).collect();
    let holder = lists[0].holder_id();
    Agreement {
        id: ulid(n),
        holder_key: public(&holder),
        holder,
        requester: id(requester),
        requester_key: public(requester),
        lists,
        purposes: vec![purpose.parse().unwrap()],
        purpose_context: context.to_owned(),
        legal_basis: LegalBasis::new("law", "Procurement Regulation, Art. 18"),
        consent_required,
        cross_context: Some(CrossContext {
            act: "law".to_owned(),
            citation: "Art. 22".to_owned(),
            proportionality: "Only final judgments.".to_owned(),
        }),
        measures: Vec::new(),
        quotas: Quotas {
            checks_per_day: 100_000,
            checks_per_minute: None,
            per_subject_per_day: 1_000,
            new_subjects_per_day: 10_000,
        },
        max_lists_per_check: 2,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: "2026-01-01T00:00:00.000Z".parse().unwrap(),
        valid_until: "2028-01-01T00:00:00.000Z".parse().unwrap(),
        size: None,
    }
}
