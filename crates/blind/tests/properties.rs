//! What must hold for all inputs.

#![expect(clippy::unwrap_used, reason = "helpers of tests: clippy exempts only the test functions")]

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_blind::check::{CheckContext, CheckItem, ListEpoch};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::{DleqProof, FinalizeItem, VoprfKey, finalize, finalize_batch};
use tacit_model::Millis;

fn point(seed: u64) -> Point {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SecretScalar::random(&mut ChaCha20Rng::from_seed(bytes)).public()
}

fn context() -> impl Strategy<Value = CheckContext> {
    let name = "[a-z0-9][a-z0-9-]{0,20}";
    let items = proptest::collection::btree_map(
        name,
        proptest::collection::btree_map(name, any::<u64>(), 1..4),
        1..4,
    );
    (name, name, any::<[u8; 32]>(), any::<[u8; 16]>(), any::<u64>(), name, any::<[u8; 32]>(), items).prop_map(
        |(coordinator, requester, cnf, nonce, timestamp, purpose, matter, items)| CheckContext {
            coordinator: coordinator.parse().unwrap(),
            requester: requester.parse().unwrap(),
            cnf,
            nonce,
            timestamp: Millis(timestamp),
            purpose: purpose.parse().unwrap(),
            basis: "agreement:01KAQ7Z3J5X8M2N4P6R8T0V2W4".parse().unwrap(),
            matter,
            items: (0..)
                .zip(items)
                .map(|(i, (holder, lists))| CheckItem {
                    lists: lists
                        .into_iter()
                        .map(|(list, epoch)| ListEpoch {
                            list: format!("{holder}/{list}").parse().unwrap(),
                            epoch,
                        })
                        .collect(),
                    holder: holder.parse().unwrap(),
                    query: point(i),
                })
                .collect(),
        },
    )
}

proptest! {
    #[test]
    fn contexts_survive_the_round_trip(context in context()) {
        let bytes = context.encode().unwrap();
        prop_assert_eq!(CheckContext::parse(&bytes).unwrap(), context);
    }

    #[test]
    fn random_bytes_never_panic_a_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = CheckContext::parse(&bytes);
        let _ = CheckContext::parse(&[b"tacit/v1/check".as_slice(), &bytes].concat());
        let _ = Point::decode_slice(&bytes);
        let _ = DleqProof::decode_slice(&bytes);
    }

    #[test]
    fn batched_and_single_arithmetic_agree(seed in any::<[u8; 32]>(), count in 1_usize..20) {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let key = VoprfKey::from_secret(SecretScalar::random(&mut rng));
        let inputs: Vec<String> = (0..count).map(|i| format!("input {i}")).collect();
        let direct = key.outputs(&inputs).unwrap();
        let subjects: Vec<tacit_blind::subject::Subject> = inputs
            .iter()
            .map(|code| tacit_blind::subject::Subject::from_parts("X-TEST", code).unwrap())
            .collect();
        let blinded = tacit_blind::enroll::blind_subjects(&subjects, &mut rng);
        let queries: Vec<Point> = blinded.iter().map(|b| *b.blinded_subject()).collect();
        let (evaluated, proof) = key.evaluate_with_proof(&queries, &mut rng).unwrap();
        let points = Point::decode_all(&evaluated).unwrap();
        prop_assert_eq!(tacit_blind::oprf::verify(key.public(), &queries, &points, &proof), Ok(()));
        let inputs: Vec<&[u8]> = subjects.iter().map(|s| s.expose_input()).collect();
        let expected = key.outputs(&inputs).unwrap();
        prop_assert_ne!(&expected, &direct);
        let items: Vec<FinalizeItem<'_>> = blinded
            .iter()
            .zip(&points)
            .zip(&inputs)
            .map(|((b, evaluated), input)| FinalizeItem { input, blind: b.z(), evaluated })
            .collect();
        prop_assert_eq!(&finalize_batch(&items).unwrap(), &expected);
        for (item, expected) in items.iter().zip(&expected) {
            prop_assert_eq!(&finalize(item.input, item.blind, item.evaluated).unwrap(), expected);
        }
    }
}
