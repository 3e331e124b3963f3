//! The vectors of the protocol, from an independent implementation, byte for byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use serde_json::Value;
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::{CosignatureSigner, CosignatureVerifier};
use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_ledger::logged::{LoggedError, LoggedRecord, verify_all};
use tacit_ledger::merkle::{PerfectTree, leaf_hash, root, verify_consistency};
use tacit_ledger::note::{Note, NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::record::{Access, Consent, ListAt, Manifest, Record, Refused};
use tacit_ledger::tree::TreeView;

fn vectors() -> Vec<Value> {
    let read = |name| {
        let path = format!("{}/../../tests/vectors/protocol-v1-{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    ["a", "b"].map(read).to_vec()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing"))
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(value, key)).unwrap()
}

fn hash(value: &Value, key: &str) -> Hash {
    bytes(value, key).try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| hex::decode(v.as_str().unwrap()).unwrap().try_into().unwrap())
        .collect()
}

fn key(value: &Value, key: &str) -> VerifyingKey {
    VerifyingKey::from_bytes(&hash(value, key)).unwrap()
}

/// A 32-byte value of a record: base64, or hex for the registry.
fn value32(fields: &Value, name: &str) -> Hash {
    use base64::Engine as _;
    let value = text(fields, name);
    let decoded = match value.len() {
        64 => hex::decode(value).unwrap(),
        _ => base64::engine::general_purpose::STANDARD.decode(value).unwrap(),
    };
    decoded.try_into().unwrap()
}

/// The record that the fields of a vector describe, built without the parser.
fn expected(kind: &str, f: &Value) -> Record {
    let own = |name| text(f, name).to_owned();
    let number = |name: &str| f[name].as_u64().unwrap();
    let small = |name| u32::try_from(number(name)).unwrap();
    let id = own("id");
    let time_ms = match text(f, "time") {
        "2026-11-21T09:00:00.000Z" => 1_795_251_600_000,
        "2026-11-21T22:29:03.223Z" => 1_795_300_143_223,
        "2026-11-21T22:29:04.000Z" => 1_795_300_144_000,
        other => panic!("a time unknown to this test: {other}"),
    };
    match kind {
        "access" => {
            let at = |part: &str| {
                let (list, at) = part.split_once('@').unwrap();
                let (epoch, version) = at.split_once('.').unwrap();
                ListAt {
                    list: list.to_owned(),
                    epoch: epoch.parse().unwrap(),
                    version: version.parse().unwrap(),
                }
            };
            Record::Access(Access {
                id,
                time_ms,
                requester: own("requester"),
                holder: own("holder"),
                lists: text(f, "lists").split(' ').map(at).collect(),
                purpose: own("purpose"),
                registry: value32(f, "registry"),
                query: value32(f, "query"),
                matter: value32(f, "matter"),
                cnf: value32(f, "cnf"),
                expires_ms: time_ms + 60_000,
                subject: value32(f, "subject"),
                evidence: value32(f, "evidence"),
            })
        }
        "refused" => Record::Refused(Refused {
            id,
            time_ms,
            requester: own("requester"),
            holder: own("holder"),
            lists: text(f, "lists").split(' ').map(str::to_owned).collect(),
            purpose: own("purpose"),
            registry: value32(f, "registry"),
            reason: own("reason"),
            matter: value32(f, "matter"),
            subject: value32(f, "subject"),
            evidence: value32(f, "evidence"),
        }),
        "consent" => Record::Consent(Consent {
            id,
            time_ms,
            authority: own("authority"),
            requester: own("requester"),
            state: own("state"),
            terms: value32(f, "terms"),
            subject: value32(f, "subject"),
        }),
        "manifest" => Record::Manifest(Manifest {
            id,
            time_ms,
            holder: own("holder"),
            list: own("list"),
            epoch: number("epoch"),
            version: number("version"),
            key: value32(f, "key"),
            buckets: small("buckets"),
            capacity: small("capacity"),
            root: value32(f, "root"),
            note: value32(f, "note"),
        }),
        other => panic!("a kind unknown to this test: {other}"),
    }
}

#[test]
fn records_come_out_byte_for_byte() {
    for vector in vectors() {
        let records = vector["records"].as_array().unwrap();
        assert_eq!(records.len(), 4);
        for record in records {
            let encoded = bytes(record, "bytes");
            let expected = expected(text(record, "kind"), &record["fields"]);
            assert_eq!(
                String::from_utf8_lossy(&expected.to_bytes().unwrap()),
                String::from_utf8_lossy(&encoded)
            );
            assert_eq!(Record::parse(&encoded), Ok(expected));
            assert_eq!(leaf_hash(&encoded), hash(record, "leaf_hash"));
        }
    }
}

#[test]
fn openings_chain_by_the_leaf_hashes_of_the_records() {
    for vector in vectors() {
        let records = vector["records"].as_array().unwrap();
        let openings = vector["openings"].as_array().unwrap();
        for pair in openings.windows(2) {
            let before = usize::try_from(pair[0]["record"].as_u64().unwrap()).unwrap();
            assert_eq!(hash(&pair[1], "previous_leaf_hash"), leaf_hash(&bytes(&records[before], "bytes")));
        }
    }
}

#[test]
fn the_checkpoint_its_proofs_and_its_cosignature_come_out() {
    for vector in vectors() {
        let c = &vector["checkpoint"];
        let leaves: Vec<Hash> =
            vector["records"].as_array().unwrap().iter().map(|r| leaf_hash(&bytes(r, "bytes"))).collect();
        assert_eq!(root(&leaves), hash(c, "root"));

        let log =
            NoteSigner::new("coordinator/log", SigningKey::from_seed(&hash(c, "log_key_seed"))).unwrap();
        assert_eq!(*log.verifier().key(), key(c, "log_public_key"));
        let head = Checkpoint {
            origin: "coordinator/log".to_owned(),
            size: c["size"].as_u64().unwrap(),
            root: root(&leaves),
        };
        let signed = head.sign(&log).unwrap();
        assert_eq!(std::str::from_utf8(signed.note()).unwrap(), text(c, "note"));
        assert_eq!(VerifiedCheckpoint::open(text(c, "note").as_bytes(), log.verifier()), Ok(signed.clone()));

        let view = TreeView::from_leaves(&leaves).unwrap();
        assert_eq!(view.inclusion(0, 4).unwrap(), hashes(&c["inclusion_of_0"]));
        let proof = hashes(&c["consistency_2_to_4"]);
        assert_eq!(view.consistency(2, 4).unwrap(), proof);
        verify_consistency(2, &root(&leaves[..2]), 4, &head.root, &proof).unwrap();

        let seed = SigningKey::from_seed(&hash(c, "witness_key_seed"));
        let witness = CosignatureSigner::new(text(c, "witness_name"), seed).unwrap();
        let time_s = c["cosign_time"].as_u64().unwrap();
        let line = witness.cosign(&signed, time_s).unwrap();
        assert_eq!(line, text(c, "cosignature_line"));
        let note = attach_line(text(c, "note"), &line).unwrap();
        let verifier =
            CosignatureVerifier::new(text(c, "witness_name"), key(c, "witness_public_key")).unwrap();
        assert_eq!(verifier.verify(&Note::parse(note.as_bytes()).unwrap()).unwrap().time_s(), time_s);
    }
}

#[test]
fn a_logged_record_verifies_and_nothing_near_it_does() {
    for vector in vectors() {
        let c = &vector["checkpoint"];
        let log = NoteVerifier::new("coordinator/log", key(c, "log_public_key")).unwrap();
        let records: Vec<Vec<u8>> =
            vector["records"].as_array().unwrap().iter().map(|r| bytes(r, "bytes")).collect();
        let leaves: Vec<Hash> = records.iter().map(|r| leaf_hash(r)).collect();
        let view = TreeView::from_leaves(&leaves).unwrap();
        let logged = |index: usize| LoggedRecord {
            record: records[index].clone(),
            index: index as u64,
            inclusion: view.inclusion(index as u64, 4).unwrap(),
            checkpoint: text(c, "note").as_bytes().to_vec(),
        };
        let all: Vec<LoggedRecord> = (0..4).map(logged).collect();
        for (index, result) in verify_all(&all, &log).into_iter().enumerate() {
            let verified = result.unwrap();
            assert_eq!(verified, all[index].verify(&log).unwrap());
            assert_eq!((verified.index(), verified.leaf_hash()), (index as u64, &leaves[index]));
            assert_eq!(verified.record().to_bytes().unwrap(), records[index]);
            assert_eq!(verified.narrow::<Access>().is_ok(), index == 1);
        }

        let good = logged(1);
        let refused = |bad: LoggedRecord| assert!(bad.verify(&log).is_err());
        for at in 0..good.record.len() {
            let mut bad = good.clone();
            bad.record[at] ^= 1;
            refused(bad);
        }
        for at in 0..good.checkpoint.len() {
            let mut bad = good.clone();
            bad.checkpoint[at] ^= 1;
            refused(bad);
        }
        refused(LoggedRecord { index: 0, ..good.clone() });
        refused(LoggedRecord { index: 5, ..good.clone() });
        refused(LoggedRecord { inclusion: good.inclusion[1..].to_vec(), ..good.clone() });
        refused(LoggedRecord { inclusion: [good.inclusion.clone(), vec![[0; 32]]].concat(), ..good.clone() });
        let stranger = NoteVerifier::new("coordinator/log", key(c, "witness_public_key")).unwrap();
        assert!(matches!(good.verify(&stranger), Err(LoggedError::Checkpoint(_))));
        // One bad record among good ones spoils only itself.
        let mut mixed = all.clone();
        mixed[2].record.push(b'\n');
        let results = verify_all(&mixed, &log);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
    }
}

#[test]
fn a_malformed_leaf_of_a_genuine_log_is_no_record() {
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let record = b"tacit-log/v1\nkind rumor\n".to_vec();
    let head = Checkpoint { origin: "c/log".to_owned(), size: 1, root: leaf_hash(&record) };
    let checkpoint = head.sign(&log).unwrap().note().to_vec();
    let logged = LoggedRecord { record, index: 0, inclusion: Vec::new(), checkpoint };
    assert!(matches!(logged.verify(log.verifier()), Err(LoggedError::Record(_))));
}

#[test]
fn the_manifest_note_and_the_root_of_its_table_come_out() {
    for vector in vectors() {
        let m = &vector["manifest"];
        let signer =
            NoteSigner::new(text(m, "key_name"), SigningKey::from_seed(&hash(m, "key_seed"))).unwrap();
        assert_eq!(*signer.verifier().key(), key(m, "public_key"));
        assert_eq!(signer.sign(text(m, "text")).unwrap(), text(m, "note"));
        assert_eq!(signer.verifier().open(text(m, "note").as_bytes()), Ok(text(m, "text")));

        let table = &vector["table"];
        let buckets = hashes(&table["bucket_hashes"]);
        assert_eq!(root(&buckets), hash(table, "root"));
        assert_eq!(PerfectTree::new(&buckets).unwrap().root(), hash(table, "root"));
    }
}
