//! RFC 9497 appendix A: the vectors of our suite and mode; those of other suites are not ours to run.

use super::values::Node;
use super::{Mismatch, Run};
use crate::group::{Point, SecretScalar};
use crate::oprf::{self, DleqProof, FinalizeItem, VoprfKey};

pub(super) fn run(run: &mut Run, file: &Node<'_>) {
    run.section("rfc9497", |run| {
        for suite in file.elements()? {
            let ours = suite.get("identifier")?.text()? == "ristretto255-SHA512"
                && suite.get("mode")?.number::<u8>()? == 1;
            if ours {
                of_suite(run, &suite)?;
            }
        }
        Ok(())
    });
}

fn of_suite(run: &mut Run, suite: &Node<'_>) -> Result<(), Mismatch> {
    let key = VoprfKey::derive(&suite.get("seed")?.array()?, &suite.get("keyInfo")?.bytes()?)?;
    run.check("rfc9497.skSm", || suite.get("skSm")?.is(key.secret().expose_bytes().as_ref()));
    run.check("rfc9497.pkSm", || suite.get("pkSm")?.is(key.public().as_bytes()));
    run.check("rfc9497.groupDST", || {
        suite.get("groupDST")?.is(&[b"HashToGroup-".as_slice(), oprf::CONTEXT].concat())
    });
    for (i, vector) in suite.get("vectors")?.elements()?.iter().enumerate() {
        of_vector(run, &format!("rfc9497.{}", i + 1), vector, &key)?;
    }
    Ok(())
}

/// Batches are written as comma-separated hexadecimal values.
fn list(node: &Node<'_>) -> Result<Vec<Vec<u8>>, Mismatch> {
    node.text()?
        .split(',')
        .map(|part| hex::decode(part).map_err(|_| Mismatch::Form { path: "a batch".to_owned() }))
        .collect()
}

fn arrays<const N: usize>(node: &Node<'_>) -> Result<Vec<[u8; N]>, Mismatch> {
    list(node)?
        .into_iter()
        .map(|bytes| bytes.try_into().map_err(|_| Mismatch::Form { path: "a batch".to_owned() }))
        .collect()
}

fn of_vector(run: &mut Run, name: &str, vector: &Node<'_>, key: &VoprfKey) -> Result<(), Mismatch> {
    let inputs = list(&vector.get("Input")?)?;
    let blinds =
        arrays(&vector.get("Blind")?)?.iter().map(SecretScalar::decode).collect::<Result<Vec<_>, _>>()?;
    let queries: Vec<Point> = inputs
        .iter()
        .zip(&blinds)
        .map(|(input, blind)| Point::from_product(oprf::hash_to_group(input) * blind.0))
        .collect();
    let expected_queries: Vec<[u8; 32]> = arrays(&vector.get("BlindedElement")?)?;
    run.check(format!("{name}.BlindedElement"), || {
        vector.compare(queries.iter().map(Point::as_bytes).eq(&expected_queries))
    });

    let evaluated = key.evaluate_batch(&queries);
    let expected: Vec<[u8; 32]> = arrays(&vector.get("EvaluationElement")?)?;
    run.check(format!("{name}.EvaluationElement"), || vector.compare(evaluated == expected));

    let nonce = SecretScalar::decode(&vector.get("Proof")?.get("r")?.array()?)?;
    run.check(format!("{name}.Proof"), || {
        let proof = oprf::prove_with_nonce(key, &queries, &evaluated, &nonce)?;
        vector.get("Proof")?.get("proof")?.is(&proof.encode())
    });
    let points = Point::decode_all(&expected)?;
    let proof = DleqProof::decode(&vector.get("Proof")?.get("proof")?.array()?)?;
    run.check(format!("{name}.VerifyProof"), || Ok(oprf::verify(key.public(), &queries, &points, &proof)?));
    run.refuse(format!("{name}.VerifyProof under another key"), || {
        Ok(oprf::verify(&Point::generator(), &queries, &points, &proof))
    });

    let outputs: Vec<[u8; 64]> = arrays(&vector.get("Output")?)?;
    run.check(format!("{name}.Output"), || {
        let items: Vec<FinalizeItem<'_>> = inputs
            .iter()
            .zip(&blinds)
            .zip(&points)
            .map(|((input, blind), evaluated)| FinalizeItem { input, blind, evaluated })
            .collect();
        vector.compare(oprf::finalize_batch(&items)? == outputs)
    });
    run.check(format!("{name}.Evaluate without blinding"), || {
        vector.compare(key.outputs(&inputs)? == outputs)
    });
    Ok(())
}
