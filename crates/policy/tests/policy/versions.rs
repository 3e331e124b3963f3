//! Promises of registry versions: what may follow what, whose keys lead to which, and who ends an agreement.

use tacit_ledger::{
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    cosignature::CosignatureSigner,
    logged::LoggedRecord,
    merkle::leaf_hash,
    note::{NoteSigner, NoteVerifier, attach_line},
    record,
};
use tacit_model::Millis;
use tacit_policy::{
    Registry, RegistryProblem as Problem,
    registry::{
        builder::RegistryBuilder,
        ended::{AgreementEnd, read_endings},
        entry::*,
        signed::{Signed, Signer, sign_entry},
        versions::{Lineage, NotNext, Served, VersionRefused},
    },
};

use crate::fixture::{self, id, key, now, pins, public, ulid};

/// The fixture's entries, with keys for witnesses.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = fixture::entries();
    for entry in &mut entries {
        if let Entry::Member(member) = entry
            && (member.has(Role::Holder) || member.has(Role::Custodian))
        {
            member.keys.witness = Some(public(&format!("{}/witness", member.id)));
        }
    }
    entries
}

pub(crate) fn member<'a>(entries: &'a mut [Entry], name: &str) -> &'a mut Member {
    let found = entries.iter_mut().find_map(|entry| match entry {
        Entry::Member(it) if it.id == name => Some(it),
        _ => None,
    });
    found.unwrap()
}

/// The key that a member signs with in these entries: of the fixture's name, or of `NAME/2`, `NAME/3`, ... after
/// changes.
fn signing_name(entries: &[Entry], name: &str) -> String {
    let changes = entries.iter().find_map(|entry| match entry {
        Entry::Member(it) if it.id == name => Some(it.keys.changes.len()),
        _ => None,
    });
    match changes.unwrap_or(0) {
        0 => name.to_owned(),
        n => format!("{name}/{}", n + 1),
    }
}

/// Changes a member's key: the next of its names.
fn rotate(entries: &mut [Entry], name: &str) {
    let old = key(&signing_name(entries, name));
    let it = member(entries, name);
    let new = key(&format!("{name}/{}", it.keys.changes.len() + 2)).verifying_key();
    it.keys = it.keys.clone().rotated(&it.id, &old, &new);
}

fn file(number: u64, entries: &[Entry]) -> Vec<u8> {
    file_at(number, now(), entries)
}

fn file_at(number: u64, issued_at: Millis, entries: &[Entry]) -> Vec<u8> {
    file_by(builder(number, issued_at, entries), &signing_name(entries, "coordinator"))
}

/// A version with these entries, signed by their owners.
pub(crate) fn builder(number: u64, issued_at: Millis, entries: &[Entry]) -> RegistryBuilder {
    let empty =
        RegistryBuilder::new("example-federation", number, issued_at, id("coordinator"), id("custodian"));
    entries.iter().fold(empty, |builder, entry| {
        let owners: Vec<_> = fixture::signed(entry).signers().cloned().collect();
        let keys: Vec<_> = owners.iter().map(|name| key(&signing_name(entries, name))).collect();
        let signers: Vec<_> = owners.iter().zip(&keys).map(|(id, key)| Signer { id, key }).collect();
        builder.signed(sign_entry(entry, &signers).unwrap())
    })
}

/// The file, signed by whoever has this key.
fn file_by(builder: RegistryBuilder, name: &str) -> Vec<u8> {
    builder.finish(&key(name)).unwrap()
}

fn version(number: u64, change: impl FnOnce(&mut Vec<Entry>)) -> Registry {
    let mut entries = entries();
    change(&mut entries);
    Registry::parse(&file(number, &entries), &pins()).unwrap()
}

fn not_next(known: &Registry, next: &Registry) -> NotNext {
    known.check_next(&Lineage::of(known), next).unwrap_err()
}

fn ending(n: u64, by: &str) -> Entry {
    Entry::AgreementEnd(AgreementEnd { agreement: ulid(n), member: id(by), ended_at: now() })
}

#[test]
fn numbers_rise_and_the_bodies_and_the_log_stay() {
    let known = version(2, |_| {});
    let good = version(5, |_| {});
    assert_eq!(known.check_next(&Lineage::of(&known), &good), Ok(()));
    for number in [1, 2] {
        assert!(matches!(not_next(&known, &version(number, |_| {})), NotNext::Number { .. }));
    }
    let earlier = Registry::parse(&file_at(3, Millis(now().0 - 1), &entries()), &pins()).unwrap();
    assert_eq!(not_next(&known, &earlier), NotNext::Issued { number: 3 });
    let other_log = version(3, |entries| {
        member(entries, "coordinator").keys.log = Some(public("another log"));
    });
    assert_eq!(not_next(&known, &other_log), NotNext::LogKey);
    let no_witness = version(3, |entries| member(entries, "court").keys.witness = None);
    assert!(matches!(not_next(&known, &no_witness), NotNext::Witnesses(_)));
}

#[test]
fn a_key_changes_only_by_the_signature_of_the_old_one() {
    let known = version(1, |_| {});
    let once = version(2, |entries| rotate(entries, "court"));
    assert_eq!(known.check_next(&Lineage::of(&known), &once), Ok(()));
    // `court` is pinned by its first key, and its agreements name that key.
    let keys = &once.member(&id("court")).unwrap().keys;
    assert_eq!((keys.first(), keys.signing), (public("court"), public("court/2")));
    let twice = version(3, |entries| {
        rotate(entries, "court");
        rotate(entries, "court");
    });
    assert_eq!(once.check_next(&Lineage::of(&once), &twice), Ok(()));
    // Back to the key before, or another key without a chain: of a member that nobody pins.
    assert_eq!(not_next(&once, &version(3, |_| {})), NotNext::Key { member: id("court") });
    let mut swapped = entries();
    swapped.retain(|entry| !matches!(entry, Entry::Agreement(it) if it.requester == "bank"));
    member(&mut swapped, "bank").keys.signing = public("mallory");
    let builder = swapped.iter().fold(
        RegistryBuilder::new("example-federation", 2, now(), id("coordinator"), id("custodian")),
        |builder, entry| {
            builder.signed(match entry {
                Entry::Member(it) if it.id == "bank" => {
                    sign_entry(entry, &[Signer { id: &it.id, key: &key("mallory") }]).unwrap()
                }
                entry => fixture::signed(entry),
            })
        },
    );
    let swapped = Registry::parse(&builder.finish(&key("coordinator")).unwrap(), &pins()).unwrap();
    assert_eq!(not_next(&known, &swapped), NotNext::Key { member: id("bank") });
}

#[test]
fn a_chain_with_a_forged_step_is_refused_and_so_is_an_old_key_under_a_new_version() {
    let mut forged = entries();
    let it = member(&mut forged, "court");
    // Mallory signs for court's key.
    it.keys = it.keys.clone().rotated(&it.id, &key("mallory"), &key("court/2").verifying_key());
    it.keys.changes[0].key = public("court");
    let entry = Entry::Member(it.clone());
    let signed = Signed::draft(&entry).unwrap_err();
    assert_eq!(signed.path(), "draft.keys.changes[0].signature");
    assert!(matches!(signed.problem(), Problem::SignatureInvalid { .. }));
    // A coordinator that changed its key signs with the new one, and the pinned first key leads there.
    let mut changed = entries();
    rotate(&mut changed, "coordinator");
    assert!(Registry::parse(&file(2, &changed), &pins()).is_ok());
    for wrong in ["coordinator", "mallory"] {
        let error = Registry::parse(&file_by(builder(2, now(), &changed), wrong), &pins()).unwrap_err();
        assert!(matches!(error.problem(), Problem::KeyDiffers { .. }), "{error}");
    }
}

#[test]
fn who_was_removed_does_not_come_back_as_another() {
    let without_bank = |entries: &mut Vec<Entry>| {
        entries.retain(|entry| match entry {
            Entry::Member(it) => it.id != "bank",
            Entry::Agreement(it) => it.requester != "bank",
            _ => true,
        });
    };
    let (first, without) = (version(1, |_| {}), version(2, without_bank));
    let mut lineage = Lineage::of(&first);
    assert_eq!(first.check_next(&lineage, &without), Ok(()));
    lineage.learn(&without);
    assert_eq!(without.check_next(&lineage, &version(3, |_| {})), Ok(()), "the same one may come back");
    let mut entries = entries();
    without_bank(&mut entries);
    let another = Member {
        keys: MemberKeys::signing(public("bank/other")),
        ..fixture::member("bank", MemberKind::Private, &[Role::Requester])
    };
    let builder = builder(3, now(), &entries).signed(
        sign_entry(&Entry::Member(another), &[Signer { id: &id("bank"), key: &key("bank/other") }]).unwrap(),
    );
    let bytes = String::from_utf8(file_by(builder, "coordinator")).unwrap();
    let next = Registry::parse(bytes.as_bytes(), &pins()).unwrap();
    assert_eq!(without.check_next(&lineage, &next), Err(NotNext::CameBack { member: id("bank") }));
}

#[test]
fn an_agreement_ends_by_either_party_alone_and_stays_ended() {
    let known = version(1, |_| {});
    for by in ["court", "procurement"] {
        let ended = version(2, |entries| entries.push(ending(1, by)));
        assert_eq!(known.check_next(&Lineage::of(&known), &ended), Ok(()));
        let agreement = ended.agreement(ulid(1)).unwrap();
        assert!(!agreement.in_force(now()) && agreement.in_force(Millis(now().0 - 1)));
        assert_eq!(not_next(&ended, &version(3, |_| {})), NotNext::Ended { id: ulid(1) });
    }
    let mut by_other = entries();
    by_other.push(ending(1, "bank"));
    let error = Registry::parse(&file(2, &by_other), &pins()).unwrap_err();
    assert!(matches!(error.problem(), Problem::NoParty { .. }), "{error}");
    // What is gone with its ending does not come back without it.
    let gone = version(3, |entries| {
        entries.retain(|entry| !matches!(entry, Entry::Agreement(it) if it.id == ulid(1)));
    });
    let ended = version(2, |entries| entries.push(ending(1, "court")));
    let mut lineage = Lineage::of(&ended);
    assert_eq!(ended.check_next(&lineage, &gone), Ok(()));
    lineage.learn(&gone);
    assert_eq!(gone.check_next(&lineage, &version(4, |_| {})), Err(NotNext::Ended { id: ulid(1) }));
}

#[test]
fn the_terms_of_an_agreement_never_change_under_its_id() {
    let known = version(1, |_| {});
    let changed = version(2, |entries| {
        for entry in entries {
            if let Entry::Agreement(it) = entry
                && it.id == ulid(1)
            {
                it.quotas.checks_per_day += 1;
            }
        }
    });
    assert_eq!(not_next(&known, &changed), NotNext::Terms { id: ulid(1) });
}

#[test]
fn a_party_obeys_its_own_ending_before_the_registry_carries_it() {
    let known = version(1, |_| {});
    let line = |by: &str, signer: &str| {
        let Entry::AgreementEnd(end) = ending(1, by) else { panic!() };
        let signed = sign_entry(&Entry::AgreementEnd(end), &[Signer { id: &id(by), key: &key(signer) }]);
        signed.unwrap().to_line().unwrap()
    };
    let text = format!("\n{}\n", line("court", "court"));
    let ended = known.ended_too(&read_endings(&text).unwrap()).unwrap();
    assert!(!ended.agreement(ulid(1)).unwrap().in_force(now()));
    assert_eq!(ended.hash(), known.hash());
    for forged in [line("court", "mallory"), line("bank", "bank")] {
        assert!(known.ended_too(&read_endings(&forged).unwrap()).is_err());
    }
    assert!(read_endings("{}").is_err());
}

/// The record of a version as the only one of a log, cosigned by these.
pub(crate) fn logged(bytes: &[u8], number: u64, witnesses: &[&str]) -> LoggedRecord {
    let registry = tacit_policy::registry_hash(bytes);
    let record = record::Registry { id: ulid(77).to_string(), time_ms: now().0, number, registry };
    let record = record.to_bytes().unwrap();
    let checkpoint = Checkpoint { origin: "coordinator/log".to_owned(), size: 1, root: leaf_hash(&record) };
    let signer = NoteSigner::new("coordinator/log", key("coordinator/log")).unwrap();
    let verified = VerifiedCheckpoint::open(checkpoint.sign(&signer).unwrap().note(), &log_key()).unwrap();
    let mut note = String::from_utf8(verified.note().to_vec()).unwrap();
    for name in witnesses {
        let name = format!("{name}/witness");
        let signer = CosignatureSigner::new(&name, key(&name)).unwrap();
        note = attach_line(&note, &signer.cosign(&verified, now().0 / 1000).unwrap()).unwrap();
    }
    LoggedRecord { record, index: 0, inclusion: Vec::new(), checkpoint: note.into_bytes() }
}

pub(crate) fn log_key() -> NoteVerifier {
    NoteVerifier::new("coordinator/log", key("coordinator/log").verifying_key()).unwrap()
}

#[test]
fn a_version_counts_only_with_a_quorum_of_the_version_before() {
    let known = version(1, |_| {});
    let bytes = file(2, &entries());
    let follow = |bytes: &[u8], logged: &LoggedRecord| {
        known.follow(&Lineage::of(&known), Served { bytes, logged }, &pins(), &log_key(), now().0 / 1000)
    };
    // Three witnesses: court, customs, custodian.
    assert_eq!(follow(&bytes, &logged(&bytes, 2, &["court", "custodian"])).unwrap().number(), 2);
    let alone = follow(&bytes, &logged(&bytes, 2, &["court"])).unwrap_err();
    assert!(matches!(alone, VersionRefused::Quorum(_)), "{alone}");
    let strangers = follow(&bytes, &logged(&bytes, 2, &["bank", "portal", "court"])).unwrap_err();
    assert!(matches!(strangers, VersionRefused::Quorum(_)), "{strangers}");
    let other = follow(&bytes, &logged(b"another", 2, &["court", "custodian"])).unwrap_err();
    assert!(matches!(other, VersionRefused::OtherRecord), "{other}");
    let old = file(1, &entries());
    let old = follow(&old, &logged(&old, 1, &["court", "custodian"])).unwrap_err();
    assert!(matches!(old, VersionRefused::NotNext(NotNext::Number { .. })), "{old}");
}
