//! The signed registry of the test federation.

use tacit_blind::encoding::b3;
use tacit_blind::oprf::PseudonymKey as DerivedKey;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, Ulid};
use tacit_policy::registry::builder::RegistryBuilder;
use tacit_policy::registry::entry::*;
use tacit_policy::registry::signed::Signer;
use tacit_policy::{Ed25519Key, PublicKey, Span, Unit};

use super::{FEDERATION, NOW, QUOTA};

/// The key of a use of a member, from its name.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&seed(name))
}

/// Its seed.
pub(crate) fn seed(name: &str) -> [u8; 32] {
    b3("tacit test key", &[name.as_bytes()])
}

pub(crate) fn public(name: &str) -> Ed25519Key {
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
    let writes = roles.contains(&Role::Holder);
    keys.letters = writes.then(|| PublicKey(seed(&format!("{name}/letters"))));
    Member {
        id: id(name),
        title: name.to_owned(),
        kind: MemberKind::Public,
        roles: roles.to_vec(),
        endpoint: Some(format!("https://{name}.example:7443")),
        keys,
        pseudonym_epoch: (writes || roles.contains(&Role::Requester)).then_some(3),
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
        retention_days: 730,
        time_zone: "Asia/Shanghai".to_owned(),
        objection_contact: "Enforcement desk".to_owned(),
        notice_days: 10,
        contested: Contested::Flag,
        status_texts: vec![StatusText { status: 1, text: "listed".to_owned() }],
        review_body: None,
    }
}

fn agreement(requester: &str) -> Agreement {
    Agreement {
        id: Ulid::from_parts(NOW.0, 1),
        holder: id("court"),
        requester: id(requester),
        holder_key: public("court"),
        requester_key: public(requester),
        lists: vec!["court/defaulters".parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        purpose_context: "justice".to_owned(),
        legal_basis: LegalBasis::new("law", "Art. 18"),
        consent_required: false,
        cross_context: None,
        measures: Vec::new(),
        quotas: Quotas {
            checks_per_day: 1000,
            checks_per_minute: None,
            per_subject_per_day: 10,
            new_subjects_per_day: QUOTA,
        },
        max_lists_per_check: 2,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: NOW.minus_ms(1000),
        valid_until: NOW.plus_ms(10 * 86_400_000),
        size: None,
    }
}

/// The registry with pseudonym keys of this seed, and its number.
pub(crate) fn file(seed: &[u8; 32], number: u64) -> Vec<u8> {
    let (hub, keeper) = (id("hub"), id("keeper"));
    let mut builder = RegistryBuilder::new(FEDERATION, number, NOW, hub, keeper);
    let mut add = |entry: Entry, signers: &[&str]| {
        let keys: Vec<(MemberId, SigningKey)> = signers.iter().map(|name| (id(name), key(name))).collect();
        let signers: Vec<Signer<'_>> = keys.iter().map(|(id, key)| Signer { id, key }).collect();
        let taken =
            std::mem::replace(&mut builder, RegistryBuilder::new(FEDERATION, 1, NOW, id("x"), id("x")));
        builder = taken.entry(&entry, &signers).unwrap();
    };
    for (name, roles) in [
        ("hub", &[Role::Coordinator][..]),
        ("keeper", &[Role::Custodian]),
        ("court", &[Role::Holder]),
        ("customs", &[Role::Holder, Role::Requester]),
        ("procurement", &[Role::Requester]),
        ("portal", &[Role::Authority]),
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
    add(Entry::List(list("court/defaulters")), &["court"]);
    add(Entry::List(list("court/mediators")), &["court"]);
    add(Entry::List(list("customs/importers")), &["customs"]);
    let purpose = Purpose {
        code: "screening".parse().unwrap(),
        title: "Screening".to_owned(),
        context: "justice".to_owned(),
        dpv: "dpv:VendorSelectionAssessment".to_owned(),
        basic_service: false,
    };
    add(Entry::Purpose(purpose), &["hub"]);
    add(Entry::Agreement(Box::new(agreement("procurement"))), &["court", "procurement"]);
    let before = self::seed("keeper/before");
    for requester in ["procurement", "customs", "court"] {
        // The epoch before stays published.
        for (epoch, seed) in [(2, before), (3, *seed)] {
            let derived = DerivedKey::derive(&seed, &id(requester), epoch).unwrap();
            let public_key = PublicKey(derived.public().encode());
            add(
                Entry::PseudonymKey(PseudonymKey { requester: id(requester), epoch, public_key }),
                &["keeper"],
            );
        }
    }
    builder.finish(&key("hub")).unwrap()
}
