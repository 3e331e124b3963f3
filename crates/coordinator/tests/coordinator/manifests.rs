//! Manifests: one note per version, one key per epoch, each in its order; and which epochs are asked.

use tacit_ledger::record::Record;
use tacit_model::Basis;
use tacit_wire::coordinator::{
    get_manifest_response::Outcome as Found, publish_manifest_response::Outcome as Published,
};

use crate::support::*;

fn word(outcome: &Published) -> &str {
    match outcome {
        Published::Logged(_) => "logged",
        Published::Refusal(refusal) => &refusal.reason,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_come_in_order_and_epochs_begin_with_the_first() {
    let world = World::new();
    let running = world.start().await;
    let list = LISTS[0];
    for (epoch, version, due) in [
        (10, 2, "manifest_rejected"),
        (10, 0, "manifest_rejected"),
        (0, 1, "manifest_rejected"),
        (u64::MAX, 1, "manifest_rejected"),
        (10, 1, "logged"),
        (10, 2, "logged"),
        (10, 4, "manifest_rejected"),
        (10, 3, "logged"),
        (9, 1, "manifest_rejected"),
        (12, 2, "manifest_rejected"),
        (12, 1, "logged"),
        // In the overlap changes go to both epochs.
        (10, 4, "logged"),
        (12, 2, "logged"),
        (11, 1, "manifest_rejected"),
        (13, 1, "logged"),
        (10, 5, "manifest_rejected"),
    ] {
        let outcome = world.publish(&running, &manifest(list, epoch, version)).await;
        assert_eq!(word(&outcome), due, "epoch {epoch}, version {version}");
    }
    let Found::Manifest(found) = world.get_manifest(&running, list, 0, 0).await else { panic!() };
    assert_eq!(found.manifest, sign_manifest(&manifest(list, 13, 1)).as_bytes());
    let Found::Manifest(found) = world.get_manifest(&running, list, 10, 0).await else { panic!() };
    assert_eq!(found.manifest, sign_manifest(&manifest(list, 10, 4)).as_bytes());
    let Found::Manifest(found) = world.get_manifest(&running, list, 10, 2).await else { panic!() };
    let record = verified(found.record.as_ref().unwrap(), &found.checkpoint);
    let Record::Manifest(record) = record.record() else { panic!() };
    assert_eq!((record.epoch, record.version), (10, 2));
    for (asked, epoch, version, due) in [
        (list, 13, 2, "list_not_ready"),
        (list, 14, 0, "list_not_ready"),
        (LISTS[1], 0, 0, "list_not_ready"),
        ("court/nothing", 0, 0, "unknown_list"),
        ("nothing", 0, 0, "unknown_list"),
    ] {
        let Found::Refusal(refusal) = world.get_manifest(&running, asked, epoch, version).await else {
            panic!("{asked} {epoch}.{version}")
        };
        assert_eq!(refusal.reason, due);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_given_again_with_the_same_record() {
    let world = World::new();
    let running = world.start().await;
    let first = manifest(LISTS[0], 10, 1);
    let Published::Logged(logged) = world.publish(&running, &first).await else { panic!() };
    world.publish(&running, &manifest(LISTS[0], 10, 2)).await;
    let Published::Logged(again) = world.publish(&running, &first).await else { panic!() };
    let (record, same) = (logged.record.unwrap(), again.record.unwrap());
    assert_eq!((record.index, &record.record), (same.index, &same.record));
    verified(&same, &again.checkpoint);
    assert_eq!(count(&world, &running, "manifest").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_manifests_of_one_version_and_a_second_key_are_kept_as_evidence() {
    let world = World::new();
    let running = world.start().await;
    for version in 1..=2 {
        world.publish(&running, &manifest(LISTS[0], 10, version)).await;
    }
    let mut other_root = manifest(LISTS[0], 10, 1);
    other_root.root = [0xee; 32];
    let mut other_key = manifest(LISTS[0], 10, 3);
    other_key.key = [0xee; 32];
    for second in [&other_root, &other_key] {
        assert_eq!(word(&world.publish(&running, second).await), "manifest_rejected");
    }
    let db = world.db().await;
    let mut conn = db.read().await.unwrap();
    let rows = sqlx::query("SELECT version, note FROM manifest_conflict ORDER BY version");
    let rows = rows.fetch_all(&mut *conn).await.unwrap();
    let kept: Vec<(i64, Vec<u8>)> =
        rows.iter().map(|row| (sqlx::Row::get(row, 0), sqlx::Row::get(row, 1))).collect();
    let note = |manifest| sign_manifest(manifest).into_bytes();
    assert_eq!(kept, [(1, note(&other_root)), (3, note(&other_key))]);
    // The right next version is still taken.
    assert_eq!(word(&world.publish(&running, &manifest(LISTS[0], 10, 3)).await), "logged");
    assert_eq!(count(&world, &running, "manifest").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_speaks_for_its_own_lists_alone() {
    let world = World::new();
    let running = world.start().await;
    let of_court = sign_manifest(&manifest(LISTS[0], 10, 1));
    assert_eq!(word(&world.publish_as(&running, "customs", of_court.clone()).await), "wrong_role");
    // The court's own list, signed with the customs office's key.
    let signer = tacit_ledger::note::NoteSigner::new("customs/manifest", key("customs/manifest")).unwrap();
    let forged = signer.sign(&manifest(LISTS[0], 10, 1).to_text()).unwrap();
    assert_eq!(word(&world.publish_as(&running, "court", forged).await), "manifest_rejected");
    let unknown = sign_manifest(&manifest("court/nothing", 10, 1));
    assert_eq!(word(&world.publish_as(&running, "court", unknown).await), "unknown_list");
    let changed = of_court.replacen("\n1\n", "\n2\n", 1);
    assert_eq!(word(&world.publish_as(&running, "court", changed).await), "manifest_rejected");
    for bytes in [String::new(), "tacit-manifest/v1".to_owned(), "\n".repeat(20)] {
        assert_eq!(word(&world.publish_as(&running, "court", bytes).await), "manifest_rejected");
    }
    let huge = format!("{of_court}{}", "x".repeat(70_000));
    assert_eq!(word(&world.publish_as(&running, "court", huge).await), "too_large");
    assert_eq!(count(&world, &running, "manifest").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_epoch_is_asked_for_a_moment_and_no_longer() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let refused = || Err("epoch_not_current".to_owned());
    for (after, old, new) in [(0, Ok(()), Ok(())), (10_000, Ok(()), Ok(())), (1, refused(), Ok(()))] {
        if after == 0 {
            assert_eq!(
                word(&world.publish(&running, &manifest(LISTS[0], LIST_EPOCH + 1, 1)).await),
                "logged"
            );
        }
        requester.now = world.clock.advance_ms(after);
        for (epoch, due) in [
            (LIST_EPOCH - 1, refused()),
            (LIST_EPOCH, old.clone()),
            (LIST_EPOCH + 1, new),
            (LIST_EPOCH + 2, refused()),
        ] {
            let mut draft = requester.draft_of(&[LISTS[0]], Basis::Agreement(ulid(COURT)));
            draft.items[0].lists[0].epoch = epoch;
            let checks = requester.prove(vec![(draft, &enrolled[0])]);
            assert_eq!(words(&requester.authorize(&checks).await), [due], "epoch {epoch}");
        }
    }
    // Two epochs on, the first is over, grace or not.
    world.publish(&running, &manifest(LISTS[0], LIST_EPOCH + 2, 1)).await;
    let mut draft = requester.draft_of(&[LISTS[0]], Basis::Agreement(ulid(COURT)));
    draft.items[0].lists[0].epoch = LIST_EPOCH;
    let checks = requester.prove(vec![(draft, &enrolled[0])]);
    assert_eq!(words(&requester.authorize(&checks).await), [refused()]);
}
