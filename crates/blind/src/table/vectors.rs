//! The sections `seal`, `table` and `manifest` of the published vectors, byte for byte.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::{NoteSigner, NoteVerifier};

use super::{
    Day, ENTRY_BYTES, Label, Layout, Lookup, Manifest, SealContext, SealedEntry, SignedManifest, TableTree,
    Tag, check_bucket, verify_bucket,
};

fn vectors() -> [Value; 2] {
    [
        include_str!("../../../../tests/vectors/protocol-v1-a.json"),
        include_str!("../../../../tests/vectors/protocol-v1-b.json"),
    ]
    .map(|text| serde_json::from_str(text).unwrap())
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap()
}

fn bytes<const N: usize>(hexadecimal: &str) -> [u8; N] {
    hex::decode(hexadecimal).unwrap().try_into().unwrap()
}

/// The VOPRF output and the context that the `seal` section is about.
fn sealing(vector: &Value) -> ([u8; 64], SealContext) {
    let evaluated = &vector["evaluate"][0];
    let context = SealContext::new(&text(evaluated, "list_id").parse().unwrap(), number(evaluated, "epoch"));
    (bytes(text(evaluated, "output")), context)
}

#[test]
fn entries_are_sealed_as_published() {
    for vector in vectors() {
        let seal = &vector["seal"];
        let (out, context) = sealing(&vector);
        let keys = context.entry_keys(&out);
        assert_eq!(keys.tag().0, bytes(text(seal, "tag")));
        assert_eq!(keys.expose_key(), &bytes(text(seal, "key")));
        let label_bytes = bytes(text(seal, "label"));
        let label = Label::decode(&label_bytes).unwrap();
        assert_eq!(label.encode(), label_bytes);
        let entry = context.seal_with_nonce(&keys, &label, bytes(text(seal, "nonce")));
        assert_eq!(hex::encode(entry), text(seal, "entry"));
        assert!(context.open(&keys, &entry) == Ok(label));
        let layout = Layout::new(u8::try_from(number(seal, "bucket_bits")).unwrap(), 128).unwrap();
        assert_eq!(u64::from(layout.bucket_of(&keys.tag())), number(seal, "bucket"));
    }
}

/// `filler j of bucket b = SHA-256("tacit bytes " || seed || "/filler<b>-<j>-a") || same with -b`.
fn filler(layout: Layout, seed: &str, bucket: u32, j: usize) -> SealedEntry {
    let half = |part: &str| Sha256::digest(format!("tacit bytes {seed}/filler{bucket}-{j}-{part}"));
    let mut entry = [0; ENTRY_BYTES];
    entry[..32].copy_from_slice(&half("a"));
    entry[32..].copy_from_slice(&half("b"));
    layout.move_into(bucket, &mut entry);
    entry
}

fn buckets(vector: &Value, layout: Layout) -> Vec<Vec<u8>> {
    let mut buckets = vec![Vec::new(); layout.buckets() as usize];
    for entry in vector["table"]["entries"].as_array().unwrap() {
        let entry: SealedEntry = bytes(entry.as_str().unwrap());
        buckets[layout.bucket_of(&Tag::of(&entry)) as usize].push(entry);
    }
    (0u32..)
        .zip(buckets)
        .map(|(number, mut entries)| {
            let fillers = (0..).map(|j| filler(layout, text(vector, "seed"), number, j));
            entries.extend(fillers.take(layout.capacity() as usize - entries.len()));
            entries.sort_unstable();
            entries.concat()
        })
        .collect()
}

#[test]
fn tables_hash_to_the_published_roots() {
    for vector in vectors() {
        let table = &vector["table"];
        let bits = u8::try_from(number(table, "bucket_bits")).unwrap();
        let layout = Layout::from_counts(1 << bits, number(table, "capacity")).unwrap();
        assert_eq!(layout.bits(), bits);
        let buckets = buckets(&vector, layout);
        let leaves: Vec<_> = (0u32..)
            .zip(&buckets)
            .map(|(number, bucket)| check_bucket(layout, number, bucket).unwrap())
            .collect();
        let published: Vec<&str> =
            table["bucket_hashes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
        assert_eq!(leaves.iter().map(hex::encode).collect::<Vec<String>>(), published);
        let tree = TableTree::new(&leaves).unwrap();
        assert_eq!(hex::encode(tree.root()), text(table, "root"));

        // The manifest of the vectors is of this table: the sealed subject is found in it.
        let manifest = Manifest::parse(text(&vector["manifest"], "text")).unwrap();
        assert_eq!((manifest.layout, manifest.root), (layout, tree.root()));
        let (out, context) = sealing(&vector);
        let home = layout.bucket_of(&context.entry_keys(&out).tag());
        let path = tree.path(home).unwrap();
        let bucket = verify_bucket(&manifest, home, &buckets[home as usize], &path).unwrap();
        let label = Label::decode(&bytes(text(&vector["seal"], "label"))).unwrap();
        let (before, after) = (Day::new(20_500).unwrap(), Day::new(30_000).unwrap());
        assert!(bucket.lookup(&out, before) == Ok(Lookup::Listed(label)));
        assert!(bucket.lookup(&out, after) == Ok(Lookup::NotListed));
    }
}

#[test]
fn manifests_are_signed_as_published() {
    for vector in vectors() {
        let published = &vector["manifest"];
        let manifest = Manifest::parse(text(published, "text")).unwrap();
        assert_eq!(manifest.to_text(), text(published, "text"));
        assert_eq!(hex::encode(manifest.key), text(&vector["evaluate"][0], "public_key"));
        let name = text(published, "key_name");
        let key = SigningKey::from_seed(&bytes(text(published, "key_seed")));
        assert_eq!(hex::encode(key.verifying_key().as_bytes()), text(published, "public_key"));
        let verifier = NoteVerifier::new(name, key.verifying_key()).unwrap();
        let signed = manifest.sign(&NoteSigner::new(name, key).unwrap()).unwrap();
        assert_eq!(signed.note(), text(published, "note"));
        assert_eq!(hex::encode(signed.note_hash()), text(published, "note_hash"));
        assert_eq!(SignedManifest::verify(text(published, "note"), &verifier).as_ref(), Ok(&signed));

        let records = vector["records"].as_array().unwrap();
        let logged = records.iter().find(|record| record["kind"] == "manifest").unwrap();
        let record = signed.to_record(
            text(&logged["fields"], "id").to_owned(),
            text(&logged["fields"], "time").parse().unwrap(),
        );
        assert_eq!(hex::encode(record.to_bytes().unwrap()), text(logged, "bytes"));
    }
}
