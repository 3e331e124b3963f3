//! Sections `seal`, `table` and `manifest`.

use sha2::{Digest, Sha256};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::{NoteSigner, NoteVerifier};

use super::evaluating::list_key;
use super::values::Node;
use super::{Mismatch, Run};
use crate::table::{
    ENTRY_BYTES, Label, Layout, Manifest, SealContext, SealedEntry, SignedManifest, TableTree, Tag,
    check_bucket, manifest_key_name, verify_bucket,
};

/// The sealing context of the first evaluation and the output of its subject.
fn sealing(file: &Node<'_>) -> Result<([u8; 64], SealContext), Mismatch> {
    let list = file.get("evaluate")?.at(0)?;
    let key = list_key(&list)?;
    Ok((list.get("output")?.array()?, SealContext::new(key.list_id(), key.epoch())))
}

pub(super) fn seal(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("seal")?;
    let (out, context) = sealing(file)?;
    let keys = context.entry_keys(&out);
    run.check("seal.tag", || section.get("tag")?.is(&keys.tag().0));
    run.check("seal.key", || section.get("key")?.is(keys.expose_key()));
    let label_bytes = section.get("label")?.array()?;
    let label = Label::decode(&label_bytes).map_err(Mismatch::other)?;
    run.check("seal.label", || section.get("label")?.is(&label.encode()));
    let entry: SealedEntry = section.get("entry")?.array()?;
    run.check("seal.entry", || {
        section.get("entry")?.is(&context.seal_with_nonce(&keys, &label, section.get("nonce")?.array()?))
    });
    run.check("seal.entry opened", || {
        let opened = context.open(&keys, &entry).map_err(Mismatch::other)?;
        section.get("label")?.is(&opened.encode())
    });
    for at in [0, 16, 28, ENTRY_BYTES - 1] {
        run.refuse(format!("seal.entry with byte {at} changed"), || {
            let mut entry = entry;
            entry[at] ^= 1;
            Ok(context.open(&keys, &entry))
        });
    }
    run.check("seal.bucket", || {
        let layout = Layout::new(section.get("bucket_bits")?.number()?, 128).map_err(Mismatch::other)?;
        let bucket: u32 = section.get("bucket")?.number()?;
        section.get("bucket")?.compare(layout.bucket_of(&keys.tag()) == bucket)
    });
    Ok(())
}

/// The file's `filler_rule`: `SHA-256("tacit bytes " || seed || "/filler<b>-<j>-a") || same with -b`, the top
/// bits of the first byte set to the bucket number.
fn filler(layout: Layout, seed: &str, bucket: u32, j: usize) -> SealedEntry {
    let half = |part: &str| Sha256::digest(format!("tacit bytes {seed}/filler{bucket}-{j}-{part}"));
    let mut entry = [0; ENTRY_BYTES];
    entry[..32].copy_from_slice(&half("a"));
    entry[32..].copy_from_slice(&half("b"));
    // Tables of vectors have at most 2^8 buckets, so the number fits the first byte.
    let bits = u32::from(layout.bits());
    let mask = 0xff_u32.checked_shr(bits).unwrap_or(0);
    let top = bucket.checked_shl(8 - bits.min(8)).unwrap_or(0);
    entry[0] = ((u32::from(entry[0]) & mask) | top).to_be_bytes()[3];
    entry
}

fn layout_of(section: &Node<'_>) -> Result<Layout, Mismatch> {
    Layout::new(section.get("bucket_bits")?.number()?, section.get("capacity")?.number()?)
        .map_err(Mismatch::other)
}

fn buckets_of(file: &Node<'_>) -> Result<Vec<Vec<u8>>, Mismatch> {
    let section = file.get("table")?;
    let (layout, seed) = (layout_of(&section)?, file.get("seed")?.text()?);
    let mut buckets = vec![Vec::new(); layout.buckets() as usize];
    for entry in section.get("entries")?.elements()? {
        let entry: SealedEntry = entry.array()?;
        buckets[layout.bucket_of(&Tag::of(&entry)) as usize].push(entry);
    }
    let filled = (0..).zip(buckets).map(|(number, mut entries)| {
        let missing = (layout.capacity() as usize).saturating_sub(entries.len());
        entries.extend((0..missing).map(|j| filler(layout, seed, number, j)));
        entries.sort_unstable();
        entries.concat()
    });
    Ok(filled.collect())
}

pub(super) fn table(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("table")?;
    let layout = layout_of(&section)?;
    let buckets = buckets_of(file)?;
    let mut leaves = Vec::with_capacity(buckets.len());
    for (number, bucket) in (0..).zip(&buckets) {
        leaves.push(check_bucket(layout, number, bucket).map_err(Mismatch::other)?);
    }
    for (i, leaf) in leaves.iter().enumerate() {
        run.check(format!("table.bucket_hashes[{i}]"), || section.get("bucket_hashes")?.at(i)?.is(leaf));
    }
    let tree = TableTree::new(&leaves).map_err(Mismatch::other)?;
    run.check("table.root", || section.get("root")?.is(&tree.root()));
    run.refuse("table.bucket under another number", || Ok(check_bucket(layout, 1, &buckets[0])));
    run.refuse("table.bucket without its last entry", || {
        Ok(check_bucket(layout, 0, &buckets[0][..buckets[0].len() - ENTRY_BYTES]))
    });
    run.refuse("table.bucket with two entries swapped", || {
        let mut bucket = buckets[0].clone();
        let (first, second) = bucket.split_at_mut(ENTRY_BYTES);
        first.swap_with_slice(&mut second[..ENTRY_BYTES]);
        Ok(check_bucket(layout, 0, &bucket))
    });
    if !file.has("manifest") {
        return Ok(());
    }
    let manifest = Manifest::parse(file.get("manifest")?.get("text")?.text()?).map_err(Mismatch::other)?;
    for number in 0..layout.buckets() {
        let path = tree.path(number).map_err(Mismatch::other)?;
        run.check(format!("table.bucket {number} under the manifest"), || {
            verify_bucket(&manifest, number, &buckets[number as usize], &path)
                .map(drop)
                .map_err(Mismatch::other)
        });
        run.refuse(format!("table.bucket {number} with a byte changed"), || {
            let mut bucket = buckets[number as usize].clone();
            *bucket.last_mut().ok_or(Mismatch::Accepted)? ^= 1;
            Ok(verify_bucket(&manifest, number, &bucket, &path).map(drop))
        });
    }
    Ok(())
}

pub(super) fn manifest(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("manifest")?;
    let text = section.get("text")?.text()?;
    let manifest = Manifest::parse(text).map_err(Mismatch::other)?;
    run.check("manifest.text", || section.get("text")?.is_text(&manifest.to_text()));
    let name = section.get("key_name")?.text()?;
    run.check("manifest.key_name", || section.get("key_name")?.is_text(&manifest_key_name(&manifest.list)));
    let key = SigningKey::from_seed(&section.get("key_seed")?.array()?);
    let public = key.verifying_key();
    run.check("manifest.public_key", || section.get("public_key")?.is(public.as_bytes()));
    let signer = NoteSigner::new(name, key).map_err(Mismatch::other)?;
    let verifier = NoteVerifier::new(name, public).map_err(Mismatch::other)?;
    let note = section.get("note")?.text()?;
    run.check("manifest.note", || {
        let signed = manifest.clone().sign(&signer).map_err(Mismatch::other)?;
        section.get("note")?.is_text(signed.note())
    });
    run.check("manifest.note_hash", || {
        let signed = SignedManifest::verify(note, &verifier).map_err(Mismatch::other)?;
        section.get("note_hash")?.is(&signed.note_hash())?;
        section.get("note_hash")?.is(&crate::commit::manifest_note(note.as_bytes()))
    });
    run.refuse("manifest.note with another root", || {
        let root = text.lines().nth(7).unwrap_or_default();
        let other = note.replacen(root, &root.chars().rev().collect::<String>(), 1);
        Ok(SignedManifest::verify(&other, &verifier))
    });
    run.refuse("manifest.text without its last line end", || Ok(Manifest::parse(text.trim_end())));
    Ok(())
}
