//! A small registry: who asks, who signs.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::{
    Ed25519Key, Pins, PublicKey, Registry,
    registry::{builder::RegistryBuilder, entry::*, signed::Signer},
};

use super::{NOW, member as id};

pub(super) fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(&seed)
}

fn member(name: &str, role: Role) -> Member {
    let mut keys = MemberKeys::signing(Ed25519Key(key(name).verifying_key()));
    match role {
        Role::Coordinator => keys.log = Some(Ed25519Key(key("log").verifying_key())),
        Role::Authority => keys.letters = Some(PublicKey([9; 32])),
        _ => {}
    }
    Member {
        id: id(name),
        title: format!("The {name}"),
        kind: MemberKind::Public,
        roles: vec![role],
        endpoint: Some("https://127.0.0.1:7443".to_owned()),
        keys,
        pseudonym_epoch: (role == Role::Requester).then_some(1),
    }
}

pub(super) fn registry() -> Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    Arc::clone(REGISTRY.get_or_init(|| Arc::new(made())))
}

fn made() -> Registry {
    let mut builder = RegistryBuilder::new("example", 1, NOW, id("coordinator"), id("custodian"));
    for (name, role) in [
        ("coordinator", Role::Coordinator),
        ("custodian", Role::Custodian),
        ("procurement", Role::Requester),
        ("tax", Role::Requester),
        ("portal", Role::Authority),
    ] {
        let (own, key): (MemberId, _) = (id(name), key(name));
        let entry = Entry::Member(member(name, role));
        builder = builder.entry(&entry, &[Signer { id: &own, key: &key }]).unwrap();
    }
    let pins = Pins {
        federation: "example".to_owned(),
        coordinator_key: key("coordinator").verifying_key(),
        custodian_key: key("custodian").verifying_key(),
        members: BTreeMap::from([(id("portal"), key("portal").verifying_key())]),
    };
    Registry::parse(&builder.finish(&key("coordinator")).unwrap(), &pins).unwrap()
}
