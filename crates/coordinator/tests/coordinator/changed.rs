//! Consents that are not stored as their authority signed them: a coordinator does not work on with them.

use std::time::Duration;

use sqlx::{Any, AssertSqlSafe, Encode, Type};
use tacit_coordinator::{ServeError, StartError};
use tacit_model::Ulid;
use tacit_policy::Consent;
use tacit_store::{Dialect, StoreError};

use crate::{consents::Portal, support::*};

/// A federation with two consents of `portal-two`, stopped.
async fn with_consents() -> (World, Consent) {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let portal = Portal::named(&world, &running, "portal-two").await;
    let enrolled = requester.enroll(0, 1).await;
    for n in [9, 10] {
        portal.put(&portal.consent(n, enrolled[0].pseudonym())).await.unwrap();
    }
    let consent = portal.consent(9, enrolled[0].pseudonym());
    running.stop().await;
    (world, consent)
}

/// Changes a column of a consent behind the coordinator's back.
async fn set<'v>(world: &World, id: Ulid, column: &str, value: impl Encode<'v, Any> + Type<Any> + Send + 'v) {
    let db = world.db().await;
    let mut conn = db.write().await.unwrap();
    let sql = format!("UPDATE consent SET {column} = $1 WHERE id = $2");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(value).bind(id.to_string()).execute(&mut *conn).await;
    assert_eq!(done.map_err(StoreError::from).unwrap().rows_affected(), 1, "{column}");
    drop(conn);
    db.close().await;
}

async fn does_not_start(world: &World, column: &str, row: Ulid) {
    let error = world.try_start().await.err().unwrap();
    assert!(matches!(&error, StartError::Store(StoreError::Corrupt { .. })), "{error}");
    let said = format!("corrupt data in consent.{column} (row {row}): ");
    assert!(error.to_string().starts_with(&said), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_does_not_start_over_a_consent_whose_columns_are_not_what_was_signed() {
    let (world, consent) = with_consents().await;
    let id = consent.id;
    for (column, changed, signed) in
        [("authority", "portal-twn", "portal-two"), ("requester", "prncurement", "procurement")]
    {
        set(&world, id, column, changed).await;
        does_not_start(&world, column, id).await;
        set(&world, id, column, signed).await;
    }
    let mut pseudonym = consent.pseudonym;
    pseudonym[16] ^= 1;
    set(&world, id, "pseudonym", pseudonym.to_vec()).await;
    does_not_start(&world, "pseudonym", id).await;
    set(&world, id, "pseudonym", consent.pseudonym.to_vec()).await;
    set(&world, id, "id", ulid(8).to_string()).await;
    does_not_start(&world, "id", ulid(8)).await;
    set(&world, ulid(8), "id", id.to_string()).await;
    set(&world, id, "state", "givdn").await;
    does_not_start(&world, "state", id).await;
    set(&world, id, "state", "given").await;
    world.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_does_not_start_over_a_consent_that_cannot_be_read() {
    if tacit_store::conformance::is_skipped(Dialect::Sqlite, "PostgreSQL's columns hold their type only") {
        return;
    }
    let (world, consent) = with_consents().await;
    let change = async |text: &'static str| {
        let db = world.db().await;
        sqlx::raw_sql(text).execute(&mut *db.write().await.unwrap()).await.map_err(StoreError::from).unwrap();
        db.close().await;
    };
    // No text, so that it is not found under its authority either.
    change("UPDATE consent SET authority = CAST(authority AS BLOB) WHERE id LIKE '%9'").await;
    does_not_start(&world, "authority", consent.id).await;
    change("UPDATE consent SET authority = CAST(X'ff6f' AS TEXT) WHERE id LIKE '%9'").await;
    let error = world.try_start().await.err().unwrap();
    assert_eq!(error.to_string(), "corrupt data in consent.* (row the first): cannot be read");
    change("UPDATE consent SET authority = 'portal-two' WHERE id LIKE '%9'").await;
    world.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_ends_over_a_consent_that_is_not_what_its_authority_signed() {
    let (world, consent) = with_consents().await;
    let id = consent.id;
    let text = consent.to_bytes().unwrap();
    let longer = Consent { expires: consent.expires.plus_ms(86_400_000), ..consent }.to_bytes().unwrap();
    let ends = async |column: &'static str| {
        let ended = world.try_start().await.unwrap().ended().await;
        let Err(ServeError::Store(error @ StoreError::Corrupt { .. })) = ended else { panic!("{ended:?}") };
        let said = format!("corrupt data in consent.{column} (row {id}): does not fit its signature");
        assert_eq!(error.to_string(), said);
    };
    set(&world, id, "text", longer).await;
    ends("text").await;
    set(&world, id, "text", text).await;
    set(&world, id, "state", "paused").await;
    ends("state").await;
    set(&world, id, "state", "given").await;
    set(&world, id, "number", 3_i64).await;
    ends("state").await;
    set(&world, id, "number", 1_i64).await;
    world.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replaced_key_signed_stays_signed_and_nothing_else_does() {
    let (first, consent) = with_consents().await;
    let change = |draft: &mut Draft| {
        draft.number = 2;
        draft.replaced = Some("portal-two");
    };
    let world = World { folder: first.folder, ca: first.ca, ..World::with(change) };
    let running = world.try_start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.stop().await;
    set(&world, consent.id, "state", "paused").await;
    let ended = world.try_start().await.unwrap().ended().await;
    assert!(matches!(&ended, Err(ServeError::Store(StoreError::Corrupt { .. }))), "{ended:?}");
}
