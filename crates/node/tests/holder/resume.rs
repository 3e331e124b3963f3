//! Crashes and outages: every step of a publication is resumed from the database.

use tacit_node::records::RemovalReason;

use super::support::asker::Blind;
use super::support::{LIST, World, codes, list};

const EPOCH: u64 = 20_778;

#[tokio::test]
async fn a_publication_broken_off_at_any_step_is_finished_after_a_restart() {
    for fault in
        ["before table", "after table", "before log", "after log", "before activate", "after activate"]
    {
        let mut world = World::new().await;
        let codes = codes(10, 1);
        world.import_codes(&codes).await;
        world.faults.fail(fault);
        assert!(world.court().holder.tick().await.is_err(), "{fault}");
        world.restart().await;
        world.tick().await;
        assert_eq!(world.log.versions(LIST), [(EPOCH, 1)], "{fault}");
        assert!(world.is_listed(&codes[0]).await, "{fault}");
    }
}

#[tokio::test]
async fn changes_broken_off_at_any_step_are_finished_after_a_restart() {
    for fault in
        ["before changes", "after changes", "before log", "after log", "before activate", "after activate"]
    {
        let mut world = World::new().await;
        let codes = codes(300, 2);
        world.import_codes(&codes).await;
        world.tick().await;
        world.records().remove(&list(), &codes[0], RemovalReason::Annulled, "clerk-7").await.unwrap();
        world.faults.fail(fault);
        assert!(world.court().holder.tick().await.is_err(), "{fault}");
        world.restart().await;
        // Meanwhile another change came: it takes the version after the one that is resumed.
        world.records().remove(&list(), &codes[1], RemovalReason::Annulled, "clerk-7").await.unwrap();
        world.tick().await;
        assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH, 2), (EPOCH, 3)], "{fault}");
        assert!(!world.is_listed(&codes[0]).await, "{fault}");
        assert!(!world.is_listed(&codes[1]).await, "{fault}");
        assert!(world.is_listed(&codes[2]).await, "{fault}");
    }
}

#[tokio::test]
async fn a_version_that_the_coordinator_has_logged_is_answered_before_the_holder_has_heard_of_it() {
    let world = World::new().await;
    let codes = codes(10, 3);
    world.import_codes(&codes).await;
    world.faults.fail("after log");
    assert!(world.court().holder.tick().await.is_err());
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1)]);
    let mut asker = world.asker("procurement");
    let blind = Blind::of(&codes[0]);
    let record = world.access(&asker, blind.hash());
    let (checkpoint, permits) = world.permits(vec![record]);
    let response = asker.present(checkpoint, permits, &[blind]).await.unwrap();
    assert_eq!(response.items[0].refusal, None);
}

#[tokio::test]
async fn a_custodian_that_missed_versions_gets_the_whole_table() {
    let world = World::new().await;
    let codes = codes(200, 4);
    world.import_codes(&codes).await;
    world.tick().await;
    world.mirror.lose_all();
    world.records().remove(&list(), &codes[0], RemovalReason::Annulled, "clerk-7").await.unwrap();
    world.tick().await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH, 2)]);
    assert_eq!(world.mirror.served(LIST, EPOCH).unwrap().manifest.version, 2);
    assert!(!world.is_listed(&codes[0]).await);
    assert!(world.is_listed(&codes[1]).await);
}

#[tokio::test]
async fn an_epoch_that_was_not_completed_leaves_nothing_behind() {
    let mut world = World::new().await;
    let codes = codes(10, 5);
    world.import_codes(&codes).await;
    {
        // What a crash in the middle of sealing leaves.
        let mut conn = world.court().db.write().await.unwrap();
        for sql in [
            "INSERT INTO list_epoch (list_no, epoch, seed, from_ms, until_ms, rules) \
             VALUES (1, 20778, $1, 1, 2, $1)",
            "INSERT INTO sealed_table (list_no, epoch, buckets, capacity, state, applied_seq, records) \
             VALUES (1, 20778, 1, 128, 'building', 0, 0)",
            "INSERT INTO table_bucket (table_id, number, version, fillers, leaf, refs, entries) \
             VALUES (1, 0, 1, 0, $1, $1, $1)",
        ] {
            let query = sqlx::query(sql);
            let query = if sql.contains("$1") { query.bind([7_u8; 32].as_slice()) } else { query };
            query.execute(&mut *conn).await.unwrap();
        }
    }
    world.restart().await;
    world.tick().await;
    world.tick().await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1)]);
    assert!(world.is_listed(&codes[0]).await);
    assert_eq!(world.count("SELECT COUNT(*) FROM sealed_table").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM table_bucket").await, 1);
}

#[tokio::test]
async fn an_epoch_that_others_refuse_is_given_up_for_the_next_one() {
    let mut world = World::new().await;
    let codes = codes(10, 6);
    world.import_codes(&codes).await;
    world.tick().await;
    {
        // An older backup was restored: the version that is made next is another one than the one in the log.
        let mut conn = world.court().db.write().await.unwrap();
        sqlx::query("DELETE FROM table_version").execute(&mut *conn).await.unwrap();
        sqlx::query("DELETE FROM list_epoch").execute(&mut *conn).await.unwrap();
    }
    world.restart().await;
    for _ in 0..3 {
        // Refused under the number that is taken, then sealed under the next.
        world.clock.advance_ms(1_000);
        drop(world.court().holder.tick().await);
    }
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH + 1, 1)]);
    assert!(world.is_listed(&codes[0]).await);
}
