//! Sections `bind` and `consent`.

use tacit_ledger::ed25519::{SigningKey, VerifyingKey};

use super::enrolling::{Names, enrollment_of, weights};
use super::values::Node;
use super::{Mismatch, Run};
use crate::BlindError;
use crate::check::{self, CheckContext, CheckItem, ListEpoch};
use crate::group::{Point, SecretScalar};
use crate::{commit, oprf};

/// The Ed25519 key of a section from its 32-byte seed (RFC 8032).
fn signer(section: &Node<'_>) -> Result<SigningKey, Mismatch> {
    Ok(SigningKey::from_seed(&section.get("signing_key_seed")?.array()?))
}

/// The check of the file, built from its parts.
fn context_of(file: &Node<'_>) -> Result<CheckContext, Mismatch> {
    let section = file.get("bind")?;
    let names = Names::of(file)?;
    let mut items = Vec::new();
    for item in section.get("items")?.elements()? {
        let mut lists = Vec::new();
        for list in item.get("lists")?.elements()? {
            lists.push(ListEpoch { list: list.at(0)?.parsed()?, epoch: list.at(1)?.number()? });
        }
        items.push(CheckItem {
            holder: item.get("holder")?.parsed()?,
            lists,
            query: Point::decode(&item.get("blinded_query")?.array()?)?,
        });
    }
    Ok(CheckContext {
        coordinator: names.coordinator,
        requester: names.requester,
        cnf: section.get("cnf")?.array()?,
        nonce: section.get("nonce")?.array()?,
        timestamp: tacit_model::Millis(section.get("timestamp_ms")?.number()?),
        purpose: section.get("purpose")?.parsed()?,
        basis: section.get("basis")?.parsed()?,
        matter: section.get("matter")?.array()?,
        items,
    })
}

pub(super) fn bind(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("bind")?;
    let enrollment = enrollment_of(file)?;
    let (subject, pseudonym) = (enrollment.blinded_subject(), enrollment.pseudonym().encode());
    run.check("bind.matter", || {
        section.get("matter")?.is(&commit::matter(
            &section.get("salt_matter")?.array()?,
            section.get("case")?.text()?,
            section.get("officer")?.text()?,
        )?)
    });
    let context = context_of(file)?;
    let bytes = section.get("context")?.bytes()?;
    run.check("bind.context", || section.get("context")?.is(&context.encode()?));
    run.check("bind.context parsed", || {
        section.get("context")?.compare(CheckContext::parse(&bytes)? == context)
    });
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        run.refuse(format!("bind.context cut to {cut} bytes"), || Ok(CheckContext::parse(&bytes[..cut])));
    }
    run.refuse("bind.context with a byte more", || {
        Ok(CheckContext::parse(&[bytes.as_slice(), &[0]].concat()))
    });

    let blinds = section
        .get("w")?
        .elements()?
        .iter()
        .map(|w| Ok(SecretScalar::decode(&w.array()?)?))
        .collect::<Result<Vec<_>, Mismatch>>()?;
    for (i, (w, item)) in blinds.iter().zip(section.get("items")?.elements()?).enumerate() {
        run.check(format!("bind.items[{i}].blinded_query"), || {
            item.get("blinded_query")?.is(subject.mul(w).as_bytes())
        });
    }

    let proof: [u8; 64] = section.get("proof")?.array()?;
    let commitment = oprf::split(&proof).0;
    let c = check::challenge(&bytes, &pseudonym, subject.as_bytes(), &commitment)?;
    run.check("bind.challenge", || section.get("challenge")?.is(&c.encode()));
    run.check("bind.proof", || {
        let nonce = SecretScalar::decode(&section.get("proof_nonce")?.array()?)?;
        let commitment = subject.mul(&nonce);
        section.get("proof")?.is(&check::respond(c, commitment.as_bytes(), &nonce, &blinds))
    });
    let verify = |bytes: &[u8], proof: &[u8; 64]| {
        check::verify_binding(bytes, &pseudonym, subject, proof, &mut weights())
    };
    run.check("bind.proof verified", || Ok(verify(&bytes, &proof).map(drop)?));
    for (name, invalid) in section.get("invalid_proofs")?.members()? {
        let invalid = invalid.array()?;
        run.refuse(format!("bind.invalid_proofs.{name}"), || Ok(verify(&bytes, &invalid)));
    }
    run.refuse("bind.proof with a query of another subject", || {
        let mut other = context.clone();
        let query = Point::decode(&section.get("other_subject_query")?.array()?)?;
        other.items.iter_mut().for_each(|item| {
            if item.query == context.items[0].query {
                item.query = query;
            }
        });
        Ok(verify(&other.encode()?, &proof))
    });
    run.refuse("bind.proof under another pseudonym", || {
        let other = Point::generator().encode();
        Ok(check::verify_binding(&bytes, &other, subject, &proof, &mut weights()))
    });
    authorize(run, &section, &bytes, &proof, verify)
}

fn authorize(
    run: &mut Run,
    section: &Node<'_>,
    bytes: &[u8],
    proof: &[u8; 64],
    verify: impl Fn(&[u8], &[u8; 64]) -> Result<CheckContext, BlindError>,
) -> Result<(), Mismatch> {
    let second = section.get("second_check")?;
    let (second_bytes, second_proof) = (second.get("context")?.bytes()?, second.get("proof")?.array()?);
    run.check("bind.second_check.proof verified", || Ok(verify(&second_bytes, &second_proof).map(drop)?));
    run.refuse("bind.second_check with the first proof", || Ok(verify(&second_bytes, proof)));
    let hashes = [check::check_hash(bytes, proof), check::check_hash(&second_bytes, &second_proof)];
    for (expected, hash) in section.get("authorized_check_hashes")?.elements()?.iter().zip(&hashes) {
        run.check("bind.authorized_check_hashes", || expected.is(hash));
    }
    let message = check::authorize_message(&hashes);
    run.check("bind.authorize_message", || section.get("authorize_message")?.is(&message));
    let key: [u8; 32] = section.get("signing_public_key")?.array()?;
    run.check("bind.signing_public_key", || {
        section.get("signing_public_key")?.is(signer(section)?.verifying_key().as_bytes())
    });
    run.check("bind.signature", || section.get("signature")?.is(signer(section)?.sign(&message).as_ref()));
    let signature: [u8; 64] = section.get("signature")?.array()?;
    run.check("bind.signature verified", || Ok(check::verify_signature(&key, &hashes, &signature)?));
    run.refuse("bind.signature over the checks in another order", || {
        Ok(check::verify_signature(&key, &[hashes[1], hashes[0]], &signature))
    });
    run.refuse("bind.signature over one check of two", || {
        Ok(check::verify_signature(&key, &hashes[..1], &signature))
    });
    Ok(())
}

pub(super) fn consent(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("consent")?;
    let bytes = section.get("bytes")?.bytes()?;
    let key: [u8; 32] = section.get("signing_public_key")?.array()?;
    let signer = signer(&section)?;
    run.check("consent.signing_public_key", || {
        section.get("signing_public_key")?.is(signer.verifying_key().as_bytes())
    });
    let message = commit::consent_message(&bytes);
    run.check("consent.signature", || section.get("signature")?.is(signer.sign(&message).as_ref()));
    let signature: [u8; 64] = section.get("signature")?.array()?;
    run.refuse("consent.signature without its prefix", || {
        let key = VerifyingKey::from_bytes(&key).map_err(Mismatch::other)?;
        Ok(key.verify(&bytes, &signature))
    });
    run.check("consent.terms", || {
        section.get("terms")?.is(&commit::consent_terms(&section.get("salt_terms")?.array()?, &bytes))
    });

    let change = section.get("state_change")?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let id = text.lines().find_map(|line| line.strip_prefix("id ")).unwrap_or_default();
    let message =
        commit::consent_state_message(id, change.get("state")?.text()?, change.get("number")?.number()?)?;
    run.check("consent.state_change.message", || change.get("message")?.is(&message));
    run.check("consent.state_change.signature", || {
        change.get("signature")?.is(signer.sign(&message).as_ref())
    });
    Ok(())
}
