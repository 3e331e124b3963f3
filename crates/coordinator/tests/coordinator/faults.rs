//! A commit that fails leaves nothing behind, and everything goes on when the fault is gone.

use sqlx::Connection;
use tacit_model::{Basis, Reason};
use tacit_store::{Conn, Dialect, StoreError};

use crate::{consents::Portal, support::*};

/// Changes the schema beside the running coordinator, so that commits fail in their middle.
async fn schema(world: &World, text: &'static str) {
    let mut conn = Conn::connect(&world.url()).await.map_err(StoreError::from).unwrap();
    if Dialect::of(&conn) == Dialect::Sqlite {
        sqlx::raw_sql("PRAGMA legacy_alter_table = ON").execute(&mut conn).await.unwrap();
    }
    sqlx::raw_sql(text).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_failed_used_nothing_up_and_the_same_request_is_answered_afterwards() {
    let world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.per_subject_per_day = 2;
    });
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let portal = Portal::new(&world, &running).await;
    let enrolled = requester.enroll(0, 1).await;
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    let before = entries(&world, &running).await;
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let request = requester.request(&[check]);
    // Each time the commit gets further before it fails.
    for (broken, mended) in [
        ("ALTER TABLE used_once RENAME TO gone", "ALTER TABLE gone RENAME TO used_once"),
        ("ALTER TABLE opening RENAME TO gone", "ALTER TABLE gone RENAME TO opening"),
        ("ALTER TABLE request RENAME TO gone", "ALTER TABLE gone RENAME TO request"),
        ("ALTER TABLE log_tile RENAME TO gone", "ALTER TABLE gone RENAME TO log_tile"),
    ] {
        schema(&world, broken).await;
        let status = requester.authorization().authorize(request.clone()).await.unwrap_err();
        assert_eq!(tacit_wire::reason_of(&status), Some(Reason::Unavailable), "{broken}");
        assert!(!status.message().contains("gone"), "{}", status.message());
        schema(&world, mended).await;
        assert_eq!(entries(&world, &running).await, before, "{broken}");
    }
    // A consent is not given half either.
    schema(&world, "ALTER TABLE opening RENAME TO gone").await;
    let consent = portal.consent(9, enrolled[0].pseudonym());
    let failed = tokio::spawn({
        let portal = Portal::new(&world, &running).await;
        let consent = consent.clone();
        async move { portal.put(&consent).await.map(|_| ()) }
    });
    assert!(failed.await.is_err(), "trouble is no answer");
    schema(&world, "ALTER TABLE gone RENAME TO opening").await;
    let basis = Basis::Consent(ulid(9));
    assert!(requester.ask_by(LISTS[2], basis, &enrolled[0]).await.is_err());
    portal.put(&consent).await.unwrap();
    requester.ask_by(LISTS[2], basis, &enrolled[0]).await.unwrap();
    // The nonce, the query and the quota are as if nothing had been.
    assert_eq!(words(&taken_up(requester.send(request).await)), [Ok(())]);
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Err("quota_subject".to_owned()));
    running.stop().await;
    world.start().await.stop().await;
}
