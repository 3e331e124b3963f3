//! Sections `records`, `openings` and `checkpoint`.

use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::{CosignatureSigner, CosignatureVerifier};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::merkle;
use tacit_ledger::note::{NoteSigner, NoteVerifier};
use tacit_ledger::record::Record;

use super::enrolling::enrollment_of;
use super::values::Node;
use super::{Mismatch, Run};
use crate::{Hash, commit};

pub(super) fn records(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    for (i, node) in file.get("records")?.elements()?.iter().enumerate() {
        let bytes = node.get("bytes")?.bytes()?;
        run.check(format!("records[{i}].bytes"), || {
            let record = Record::parse(&bytes).map_err(Mismatch::other)?;
            node.get("kind")?.is_text(record.kind())?;
            node.get("bytes")?.is(&record.to_bytes().map_err(Mismatch::other)?)
        });
        run.check(format!("records[{i}].fields"), || fields(node, &bytes));
        run.check(format!("records[{i}].leaf_hash"), || {
            node.get("leaf_hash")?.is(&merkle::leaf_hash(&bytes))
        });
        run.refuse(format!("records[{i}] with a line more"), || {
            Ok(Record::parse(&[bytes.as_slice(), b"more x\n"].concat()))
        });
        run.refuse(format!("records[{i}] without its last line end"), || {
            Ok(Record::parse(&bytes[..bytes.len() - 1]))
        });
    }
    Ok(())
}

/// The lines are `kind` and exactly the fields named in the file.
fn fields(node: &Node<'_>, bytes: &[u8]) -> Result<(), Mismatch> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let fields = node.get("fields")?.members()?;
    for (name, value) in &fields {
        let line = format!("{name} {}", value.plain()?);
        value.compare(text.lines().any(|l| l == line))?;
    }
    node.get("fields")?.compare(text.lines().count() == fields.len() + 2)
}

/// The value of a field of the i-th record, decoded from base64.
fn committed(file: &Node<'_>, record: usize, field: &str) -> Result<Vec<u8>, Mismatch> {
    use base64::Engine as _;
    let text = file.get("records")?.at(record)?.get("fields")?.get(field)?.plain()?;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(Mismatch::other)
}

pub(super) fn openings(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let enrollment = enrollment_of(file)?;
    let (enroll, bind) = (file.get("enroll")?, file.get("bind")?);
    for (i, opening) in file.get("openings")?.elements()?.iter().enumerate() {
        let record: usize = opening.get("record")?.number()?;
        run.check(format!("openings[{i}].subject"), || {
            let computed = commit::subject(
                &opening.get("salt_subject")?.array()?,
                enrollment.pseudonym().as_bytes(),
                opening.get("sequence")?.number()?,
                &opening.get("previous_leaf_hash")?.array()?,
            );
            opening.compare(committed(file, record, "subject")? == computed)
        });
        if opening.has("salt_evidence") {
            run.check(format!("openings[{i}].evidence"), || {
                let computed = commit::evidence(
                    &opening.get("salt_evidence")?.array()?,
                    &commit::Evidence {
                        pseudonym: enrollment.pseudonym().as_bytes(),
                        blinded_subject: enrollment.blinded_subject().as_bytes(),
                        context: &bind.get("context")?.bytes()?,
                        proof: &bind.get("proof")?.array()?,
                        register_hash: &enroll.get("register_hash")?.array()?,
                        signature: &bind.get("signature")?.array()?,
                    },
                )?;
                opening.compare(committed(file, record, "evidence")? == computed)
            });
        }
    }
    for (i, node) in file.get("records")?.elements()?.iter().enumerate() {
        if node.get("kind")?.text()? == "access" {
            run.check(format!("records[{i}].query"), || {
                let holder = node.get("fields")?.get("holder")?.text()?;
                for item in bind.get("items")?.elements()? {
                    if item.get("holder")?.text()? == holder {
                        let query = commit::blinded_query(&item.get("blinded_query")?.array()?);
                        return node.compare(committed(file, i, "query")? == query);
                    }
                }
                node.compare(false)
            });
        }
    }
    Ok(())
}

fn hashes(node: &Node<'_>) -> Result<Vec<Hash>, Mismatch> {
    node.elements()?.iter().map(Node::array).collect()
}

pub(super) fn checkpoint(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("checkpoint")?;
    let leaves = file
        .get("records")?
        .elements()?
        .iter()
        .map(|node| Ok(merkle::leaf_hash(&node.get("bytes")?.bytes()?)))
        .collect::<Result<Vec<Hash>, Mismatch>>()?;
    let size: u64 = section.get("size")?.number()?;
    let root = merkle::root(&leaves);
    run.check("checkpoint.root", || section.get("root")?.is(&root));
    run.check("checkpoint.size", || section.get("size")?.compare(leaves.len() as u64 == size));

    let inclusion = hashes(&section.get("inclusion_of_0")?)?;
    run.check("checkpoint.inclusion_of_0", || {
        merkle::verify_inclusion(&leaves[0], 0, &inclusion, size, &root).map_err(Mismatch::other)
    });
    run.refuse("checkpoint.inclusion_of_0 at another place", || {
        Ok(merkle::verify_inclusion(&leaves[0], 1, &inclusion, size, &root))
    });
    let consistency = hashes(&section.get("consistency_2_to_4")?)?;
    let older = merkle::root(leaves.get(..2).unwrap_or_default());
    run.check("checkpoint.consistency_2_to_4", || {
        merkle::verify_consistency(2, &older, size, &root, &consistency).map_err(Mismatch::other)
    });
    run.refuse("checkpoint.consistency_2_to_4 from another root", || {
        Ok(merkle::verify_consistency(2, &leaves[0], size, &root, &consistency))
    });
    notes(run, &section, size, root)
}

fn notes(run: &mut Run, section: &Node<'_>, size: u64, root: Hash) -> Result<(), Mismatch> {
    let note = section.get("note")?.text()?;
    let origin = note.lines().next().unwrap_or_default();
    let key = SigningKey::from_seed(&section.get("log_key_seed")?.array()?);
    let public = key.verifying_key();
    run.check("checkpoint.log_public_key", || section.get("log_public_key")?.is(public.as_bytes()));
    let signer = NoteSigner::new(origin, key).map_err(Mismatch::other)?;
    let verifier = NoteVerifier::new(origin, public).map_err(Mismatch::other)?;
    run.check("checkpoint.note", || {
        let signed = Checkpoint { origin: origin.to_owned(), size, root }.sign(&signer);
        section.get("note")?.compare(signed.map_err(Mismatch::other)?.note() == note.as_bytes())
    });
    let verified = VerifiedCheckpoint::open(note.as_bytes(), &verifier).map_err(Mismatch::other)?;
    run.refuse("checkpoint.note with another size", || {
        let other = note.replacen(&format!("\n{size}\n"), "\n5\n", 1);
        Ok(VerifiedCheckpoint::open(other.as_bytes(), &verifier))
    });

    let name = section.get("witness_name")?.text()?;
    let key = SigningKey::from_seed(&section.get("witness_key_seed")?.array()?);
    let public = key.verifying_key();
    run.check("checkpoint.witness_public_key", || section.get("witness_public_key")?.is(public.as_bytes()));
    let witness = CosignatureSigner::new(name, key).map_err(Mismatch::other)?;
    let time: u64 = section.get("cosign_time")?.number()?;
    run.check("checkpoint.cosignature_line", || {
        section.get("cosignature_line")?.is_text(&witness.cosign(&verified, time).map_err(Mismatch::other)?)
    });
    run.check("checkpoint.cosignature verified", || {
        let verifier = CosignatureVerifier::new(name, public).map_err(Mismatch::other)?;
        let line = section.get("cosignature_line")?;
        let cosignature = verifier.verify_line(&verified, line.text()?).map_err(Mismatch::other)?;
        line.compare(cosignature.time_s() == time)
    });
    Ok(())
}
