//! The signed registry of the test federation.

use std::collections::BTreeMap;
use std::sync::Arc;

use tacit_blind::encoding::b3;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, PatternRules, Ulid};
use tacit_policy::registry::builder::RegistryBuilder;
use tacit_policy::registry::entry::*;
use tacit_policy::registry::signed::Signer;
use tacit_policy::{Ed25519Key, Pins, Registry, Span, Unit};

use super::{FEDERATION, NOW};

/// What tests change about the federation.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) checks_per_day: u64,
    pub(crate) change_list: fn(&mut List),
    /// The pattern of the scheme `X-person`, if there is one.
    pub(crate) persons: Option<&'static str>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { checks_per_day: 100_000, change_list: |_| (), persons: None }
    }
}

/// The key of a use of a member, from its name.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&b3("tacit test key", &[name.as_bytes()]))
}

fn public(name: &str) -> Ed25519Key {
    Ed25519Key(key(name).verifying_key())
}

fn id(name: &str) -> MemberId {
    name.parse().unwrap()
}

fn member(name: &str, roles: &[Role]) -> Member {
    let mut keys = MemberKeys::signing(public(name));
    for role in roles {
        match role {
            Role::Holder => {
                keys.manifest = Some(public(&format!("{name}/manifest")));
                keys.witness = Some(public(&format!("{name}/witness")));
            }
            Role::Custodian => keys.witness = Some(public(&format!("{name}/witness"))),
            Role::Coordinator => keys.log = Some(public("hub/log")),
            _ => {}
        }
    }
    Member {
        id: id(name),
        title: name.to_owned(),
        kind: MemberKind::Public,
        roles: roles.to_vec(),
        endpoint: Some(format!("https://{name}.example:7443")),
        keys,
        pseudonym_epoch: roles.contains(&Role::Requester).then_some(3),
    }
}

fn list(name: &str) -> List {
    List {
        id: name.parse().unwrap(),
        title: name.to_owned(),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 255"),
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A final judgment has not been carried out.".to_owned(),
        retention_days: 36_500,
        time_zone: "UTC".to_owned(),
        objection_contact: "Enforcement desk".to_owned(),
        notice_days: 0,
        contested: Contested::Flag,
        status_texts: vec![StatusText { status: 1, text: "listed".to_owned() }],
        review_body: None,
    }
}

fn agreement(terms: &Terms) -> Agreement {
    Agreement {
        id: Ulid::from_parts(NOW.0, 1),
        holder: id("court"),
        requester: id("procurement"),
        holder_key: public("court"),
        requester_key: public("procurement"),
        lists: vec!["court/defaulters".parse().unwrap(), "court/mediators".parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        purpose_context: "justice".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 18"),
        consent_required: false,
        cross_context: None,
        measures: Vec::new(),
        quotas: Quotas {
            checks_per_day: terms.checks_per_day,
            checks_per_minute: None,
            per_subject_per_day: 10,
            new_subjects_per_day: 1_000,
        },
        max_lists_per_check: 2,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: NOW.minus_ms(10 * 86_400_000),
        valid_until: NOW.plus_ms(5 * 86_400_000),
        size: None,
    }
}

/// The registry in force.
pub(crate) fn registry(terms: &Terms) -> Arc<Registry> {
    let mut builder = RegistryBuilder::new(FEDERATION, 1, NOW, id("hub"), id("keeper"));
    let mut add = |entry: Entry, signers: &[&str]| {
        let keys: Vec<(MemberId, SigningKey)> = signers.iter().map(|name| (id(name), key(name))).collect();
        let signers: Vec<Signer<'_>> = keys.iter().map(|(id, key)| Signer { id, key }).collect();
        let empty = RegistryBuilder::new(FEDERATION, 1, NOW, id("x"), id("x"));
        builder = std::mem::replace(&mut builder, empty).entry(&entry, &signers).unwrap();
    };
    for (name, roles) in [
        ("hub", &[Role::Coordinator][..]),
        ("keeper", &[Role::Custodian]),
        ("court", &[Role::Holder]),
        ("customs", &[Role::Holder, Role::Requester]),
        ("procurement", &[Role::Requester]),
    ] {
        add(Entry::Member(member(name, roles)), &[name]);
    }
    add(
        Entry::Act(Act {
            id: "law".to_owned(),
            title: "A law".to_owned(),
            rank: Rank::Statute,
            issued_by: "Parliament".to_owned(),
            published: "No. 1 of 2020".to_owned(),
        }),
        &["hub"],
    );
    if let Some(pattern) = terms.persons {
        let rules = PatternRules { pattern: pattern.to_owned(), normalize: Vec::new() };
        let (name, title) = ("X-person".to_owned(), "Persons".to_owned());
        add(Entry::Scheme(Scheme { name, title, rules }), &["hub"]);
    }
    for name in ["court/defaulters", "court/mediators", "customs/importers"] {
        let mut list = list(name);
        (terms.change_list)(&mut list);
        add(Entry::List(list), &[name.split('/').next().unwrap()]);
    }
    for code in ["screening", "research"] {
        let purpose = Purpose {
            code: code.parse().unwrap(),
            title: code.to_owned(),
            context: "justice".to_owned(),
            dpv: "dpv:VendorSelectionAssessment".to_owned(),
            basic_service: false,
        };
        add(Entry::Purpose(purpose), &["hub"]);
    }
    for code in 1..=3 {
        let category = Category {
            code,
            title: format!("Category {code}"),
            information: InformationType::JudgmentsAndEnforcement,
            origin_context: "justice".to_owned(),
            adverse: true,
            legal_basis: LegalBasis::new("law", "Art. 255"),
            notice_days: 0,
            contested: Contested::Flag,
            retention_days: 36_500,
        };
        add(Entry::Category(category), &["hub"]);
    }
    add(Entry::Agreement(Box::new(agreement(terms))), &["court", "procurement"]);
    let bytes = builder.finish(&key("hub")).unwrap();
    let pins = Pins {
        federation: FEDERATION.to_owned(),
        coordinator_key: key("hub").verifying_key(),
        custodian_key: key("keeper").verifying_key(),
        members: BTreeMap::new(),
    };
    Arc::new(Registry::parse(&bytes, &pins).unwrap())
}
