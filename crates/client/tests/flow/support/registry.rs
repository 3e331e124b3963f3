//! The signed registry of the test federation.

use std::collections::BTreeMap;
use std::sync::Arc;

use tacit_blind::audit_box::AuditorSecretKey;
use tacit_blind::oprf::PseudonymKey as CustodianKey;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, Ulid};
use tacit_policy::registry::builder::RegistryBuilder;
use tacit_policy::registry::entry::*;
use tacit_policy::registry::signed::Signer;
use tacit_policy::{Ed25519Key, Pins, PublicKey, Registry, Span, Unit};

use super::{NOW, seed};

pub(crate) const EPOCH: u32 = 3;

pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name))
}

pub(crate) fn custodian_key_in(requester: &str, epoch: u32) -> CustodianKey {
    CustodianKey::derive(&seed("keeper/pseudonyms"), &id(requester), epoch).unwrap()
}

pub(crate) fn auditor(n: u8) -> AuditorSecretKey {
    AuditorSecretKey::derive(&seed(&format!("auditor {n}"))).0
}

fn public(name: &str) -> Ed25519Key {
    Ed25519Key(key(name).verifying_key())
}

fn id(name: &str) -> MemberId {
    name.parse().unwrap()
}

fn member(name: &str, roles: &[Role], epoch: u32) -> Member {
    let mut keys = MemberKeys::signing(public(name));
    for role in roles {
        match role {
            Role::Holder => {
                keys.manifest = Some(public(&format!("{name}/manifest")));
                keys.witness = Some(public(&format!("{name}/witness")));
            }
            Role::Custodian => keys.witness = Some(public(&format!("{name}/witness"))),
            Role::Coordinator => keys.log = Some(public("hub/log")),
            Role::Auditor => keys.boxes = [1, 2].map(|n| PublicKey(auditor(n).public().encode())).to_vec(),
            Role::Requester | Role::Authority => {}
        }
    }
    Member {
        id: id(name),
        title: name.to_owned(),
        kind: MemberKind::Public,
        roles: roles.to_vec(),
        endpoint: Some(format!("https://{name}.example:7443")),
        keys,
        pseudonym_epoch: roles.contains(&Role::Requester).then_some(epoch),
    }
}

fn list(name: &str, scheme: &str) -> List {
    List {
        id: name.parse().unwrap(),
        title: name.to_owned(),
        scheme: scheme.to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 255"),
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A final judgment has not been carried out.".to_owned(),
        retention_days: 36_500,
        time_zone: "Asia/Shanghai".to_owned(),
        objection_contact: "Enforcement desk".to_owned(),
        notice_days: 0,
        contested: Contested::Flag,
        status_texts: vec![StatusText { status: 1, text: "listed".to_owned() }],
        review_body: None,
    }
}

pub(crate) fn agreement_id(n: u128) -> Ulid {
    Ulid::from_parts(NOW.0, n)
}

fn agreement(n: u128, holder: &str, lists: &[&str], consent_required: bool) -> Agreement {
    Agreement {
        id: agreement_id(n),
        holder: id(holder),
        requester: id("procurement"),
        holder_key: public(holder),
        requester_key: public("procurement"),
        lists: lists.iter().map(|list| list.parse().unwrap()).collect(),
        purposes: vec!["screening".parse().unwrap()],
        purpose_context: "justice".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 18"),
        consent_required,
        cross_context: None,
        measures: Vec::new(),
        quotas: Quotas {
            checks_per_day: 100_000,
            checks_per_minute: None,
            per_subject_per_day: 100,
            new_subjects_per_day: 10_000,
        },
        max_lists_per_check: 2,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: NOW.minus_ms(1000),
        valid_until: NOW.plus_ms(100 * 86_400_000),
        size: None,
    }
}

/// The registry in force.
pub(crate) fn registry() -> Arc<Registry> {
    registry_in(EPOCH)
}

/// The version after it in which this is the pseudonym epoch; the keys of those before stay published.
pub(crate) fn registry_in(epoch: u32) -> Arc<Registry> {
    registry_with(epoch, None)
}

/// The same in which the court allows so many checks a minute.
pub(crate) fn registry_with(epoch: u32, burst: Option<u64>) -> Arc<Registry> {
    let number = u64::from(epoch - EPOCH + 1);
    let mut builder = RegistryBuilder::new("test.example", number, NOW, id("hub"), id("keeper"));
    let mut add = |entry: Entry, signers: &[&str]| {
        let keys: Vec<(MemberId, SigningKey)> = signers.iter().map(|name| (id(name), key(name))).collect();
        let signers: Vec<Signer<'_>> = keys.iter().map(|(id, key)| Signer { id, key }).collect();
        let empty = RegistryBuilder::new("test.example", 1, NOW, id("x"), id("x"));
        builder = std::mem::replace(&mut builder, empty).entry(&entry, &signers).unwrap();
    };
    for (name, roles) in [
        ("hub", &[Role::Coordinator][..]),
        ("keeper", &[Role::Custodian]),
        ("court", &[Role::Holder]),
        ("customs", &[Role::Holder]),
        ("procurement", &[Role::Requester]),
        ("portal", &[Role::Authority]),
        ("audit", &[Role::Auditor]),
    ] {
        add(Entry::Member(member(name, roles, epoch)), &[name]);
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
    for name in ["court/defaulters", "court/mediators", "court/sealed-never", "customs/importers"] {
        add(Entry::List(list(name, "CN-USCC")), &[name.split('/').next().unwrap()]);
    }
    add(Entry::List(list("court/people", "CN-RID")), &["court"]);
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
    let court = ["court/defaulters", "court/mediators", "court/sealed-never", "court/people"];
    let mut of_court = agreement(1, "court", &court, false);
    of_court.quotas.checks_per_minute = burst;
    add(Entry::Agreement(Box::new(of_court)), &["court", "procurement"]);
    let customs = agreement(2, "customs", &["customs/importers"], true);
    add(Entry::Agreement(Box::new(customs)), &["customs", "procurement"]);
    for epoch in EPOCH..=epoch {
        let public_key = PublicKey(custodian_key_in("procurement", epoch).public().encode());
        let pseudonyms = PseudonymKey { requester: id("procurement"), epoch, public_key };
        add(Entry::PseudonymKey(pseudonyms), &["keeper"]);
    }
    let bytes = builder.finish(&key("hub")).unwrap();
    let pins = Pins {
        federation: "test.example".to_owned(),
        coordinator_key: key("hub").verifying_key(),
        custodian_key: key("keeper").verifying_key(),
        members: ["portal", "audit"]
            .map(|name| (id(name), key(name).verifying_key()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    Arc::new(Registry::parse(&bytes, &pins).unwrap())
}
