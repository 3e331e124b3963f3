//! Section `evaluate`: one evaluation per list.

use super::enrolling::subject_of;
use super::values::Node;
use super::{Mismatch, Run};
use crate::commit;
use crate::evaluate::{AskedQuery, PermittedQuery, verify_and_finalize};
use crate::group::{Point, SecretScalar};
use crate::oprf::{self, DleqProof, ListKey};

pub(super) fn evaluate(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    for (i, list) in file.get("evaluate")?.elements()?.iter().enumerate() {
        of_list(run, file, &format!("evaluate[{i}]"), list)?;
    }
    Ok(())
}

/// The list key of the i-th evaluation.
pub(super) fn list_key(list: &Node<'_>) -> Result<ListKey, Mismatch> {
    Ok(ListKey::derive(
        &list.get("seed")?.array()?,
        &list.get("list_id")?.parsed()?,
        list.get("epoch")?.number()?,
    )?)
}

fn of_list(run: &mut Run, file: &Node<'_>, name: &str, list: &Node<'_>) -> Result<(), Mismatch> {
    let key = list_key(list)?;
    run.check(format!("{name}.info"), || list.get("info")?.is(&ListKey::info(key.list_id(), key.epoch())?));
    run.check(format!("{name}.secret_key"), || {
        list.get("secret_key")?.is(key.key().secret().expose_bytes().as_ref())
    });
    run.check(format!("{name}.public_key"), || list.get("public_key")?.is(key.public().as_bytes()));

    let query_bytes: [u8; 32] = list.get("blinded_query")?.array()?;
    let permitted = PermittedQuery::open(&commit::blinded_query(&query_bytes), &query_bytes)?;
    let query = *permitted.query();
    run.refuse(format!("{name}.blinded_query that is not in the record"), || {
        Ok(PermittedQuery::open(&commit::blinded_query(&Point::generator().encode()), &query_bytes))
    });
    let evaluated = key.evaluate_batch(&[query]);
    run.check(format!("{name}.evaluated"), || list.get("evaluated")?.is(&evaluated[0]));
    run.check(format!("{name}.dleq_proof"), || {
        let nonce = SecretScalar::decode(&list.get("dleq_nonce")?.array()?)?;
        let proof = oprf::prove_with_nonce(key.key(), &[query], &evaluated, &nonce)?;
        list.get("dleq_proof")?.is(&proof.encode())
    });

    let subject = subject_of(file)?;
    let total_blind = SecretScalar::decode(&list.get("total_blind")?.array()?)?;
    run.check(format!("{name}.total_blind"), || {
        // w of the item that asked with this query, times z of the enrollment.
        let z = SecretScalar::decode(&file.get("enroll")?.get("z")?.array()?)?;
        let bind = file.get("bind")?;
        for (item, w) in bind.get("items")?.elements()?.iter().zip(bind.get("w")?.elements()?) {
            if item.get("blinded_query")?.array()? == query_bytes {
                let w = SecretScalar::decode(&w.array()?)?;
                return list.get("total_blind")?.is(w.product(&z).expose_bytes().as_ref());
            }
        }
        list.get("blinded_query")?.compare(false)
    });
    let proof = DleqProof::decode(&list.get("dleq_proof")?.array()?)?;
    let asked = [AskedQuery { input: subject.expose_input(), total_blind: &total_blind, query: &query }];
    run.check(format!("{name}.output"), || {
        list.get("output")?.is(verify_and_finalize(key.public(), &asked, &evaluated, &proof)?.as_flattened())
    });
    run.refuse(format!("{name}.dleq_proof under another key"), || {
        Ok(verify_and_finalize(&Point::generator(), &asked, &evaluated, &proof))
    });
    run.refuse(format!("{name}.dleq_proof over another evaluation"), || {
        Ok(verify_and_finalize(key.public(), &asked, &[Point::generator().encode()], &proof))
    });
    run.check(format!("{name}.output without blinding"), || {
        list.get("output")?.is(key.outputs_for_subjects(&[subject.expose_input()])?.as_flattened())
    });
    Ok(())
}
