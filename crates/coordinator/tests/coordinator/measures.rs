//! Measures at the coordinator: what is stored is what was recorded.

use sqlx::{Any, AssertSqlSafe, Encode, Type};
use tacit_coordinator::StartError;
use tacit_identity::Role;
use tacit_ledger::record::Record;
use tacit_policy::registry::entry::Measure;
use tacit_store::StoreError;
use tacit_wire::coordinator::{
    LiftMeasureRequest, RegisterMeasureRequest, lift_measure_response,
    measure_service_client::MeasureServiceClient, register_measure_response,
};

use crate::support::*;

/// Changes a column of a measure behind the coordinator's back.
async fn set<'v>(world: &World, id: &str, column: &str, value: impl Encode<'v, Any> + Type<Any> + Send + 'v) {
    let db = world.db().await;
    let mut conn = db.write().await.unwrap();
    let sql = format!("UPDATE measure SET {column} = $1 WHERE id = $2");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(value).bind(id.to_owned()).execute(&mut *conn).await;
    assert_eq!(done.map_err(StoreError::from).unwrap().rows_affected(), 1, "{column}");
    drop(conn);
    db.close().await;
}

async fn does_not_start(world: &World, column: &str, id: &str) {
    let error = world.try_start().await.err().unwrap();
    assert!(matches!(&error, StartError::Store(StoreError::Corrupt { .. })), "{error}");
    let said = format!("corrupt data in measure.{column} (row {id}): ");
    assert!(error.to_string().starts_with(&said), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_does_not_start_over_a_measure_whose_columns_are_not_what_its_records_say() {
    let world = World::with(|draft| {
        let title = "Exclusion from the tender".to_owned();
        draft.agreements.get_mut(&COURT).unwrap().measures =
            vec![Measure { title, restricts: true, legal_basis: None }];
    });
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let answer = records(&requester.authorize(&[check]).await).remove(0).into_record().id().to_owned();
    let pseudonym = enrolled[0].pseudonym().to_vec();
    let channel = world.channel(&running, Role::Node, "procurement").await;
    let mut client = MeasureServiceClient::new(channel);
    let request = RegisterMeasureRequest {
        answer: answer.clone(),
        pseudonym: pseudonym.clone().into(),
        list: LISTS[0].to_owned(),
        measure: 1,
        until_ms: 0,
        decider: "head of the office".to_owned(),
        salt_details: vec![1; 32].into(),
    };
    let registered = client.register_measure(request).await.unwrap().into_inner().outcome.unwrap();
    let register_measure_response::Outcome::Logged(logged) = registered else { panic!("{registered:?}") };
    let record = verified(logged.record.as_ref().unwrap(), &logged.checkpoint);
    let index = i64::try_from(record.index()).unwrap();
    let Record::Measure(record) = record.into_record() else { panic!() };
    let id = record.id.as_str();
    let request = LiftMeasureRequest {
        measure_id: id.to_owned(),
        decider: "the deputy".to_owned(),
        salt_details: vec![2; 32].into(),
    };
    let lifted = client.lift_measure(request).await.unwrap().into_inner().outcome.unwrap();
    let lift_measure_response::Outcome::Logged(lifted) = lifted else { panic!("{lifted:?}") };
    let lifted =
        i64::try_from(verified(lifted.record.as_ref().unwrap(), &lifted.checkpoint).index()).unwrap();
    running.stop().await;

    let mut other = answer.clone();
    other.replace_range(25.., if answer.ends_with('1') { "2" } else { "1" });
    for (column, changed, recorded) in [
        ("requester", "tax", "procurement"),
        ("answer", &other, &answer),
        ("list", LISTS[1], LISTS[0]),
        ("agreement", &other, &record.agreement),
        ("words", "Exclusion from the tendes", "Exclusion from the tender"),
    ] {
        set(&world, id, column, changed.to_owned()).await;
        does_not_start(&world, column, id).await;
        set(&world, id, column, recorded.to_owned()).await;
    }
    let mut flipped = pseudonym.clone();
    flipped[16] ^= 1;
    for (column, changed, recorded) in
        [("pseudonym", flipped, pseudonym), ("details", vec![7; 32], record.details.to_vec())]
    {
        set(&world, id, column, changed).await;
        does_not_start(&world, column, id).await;
        set(&world, id, column, recorded).await;
    }
    for (column, changed, recorded) in [
        ("number", 2_i64, Some(1_i64)),
        ("until_ms", 2_000_000_000_000, None),
        ("log_index", lifted, Some(index)),
        ("lifted_index", index, Some(lifted)),
    ] {
        set(&world, id, column, changed).await;
        does_not_start(&world, column, id).await;
        set(&world, id, column, recorded).await;
    }
    set(&world, id, "id", other.as_str()).await;
    does_not_start(&world, "id", &other).await;
    set(&world, &other, "id", id).await;
    world.start().await.stop().await;
}
