//! The whole log, read by a stranger.

use tacit_client::{ClientError, LogFinding};

use crate::support::{World, codes, question, subjects};

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_log_verifies_over_a_broken_connection() {
    let world = World::new().await;
    let all = codes(40, 60);
    world.seal("court/defaulters", 1, &all);
    let reader = world.log_reader();
    let first = reader.checkpoint().await.unwrap();
    world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    world.faults.plan("during entries", 2);
    let mut last = (0, 0);
    let verified = reader.verify(|read, all| last = (read, all)).await.unwrap();
    assert_eq!((verified.size, last), (41, (41, 41)));
    assert_eq!((verified.kinds["access"], verified.kinds["manifest"]), (40, 1));
    assert_eq!(reader.extends(&first).await.unwrap().size(), 41);

    let mut seen = Vec::new();
    reader
        .entries(39, 2, |entry| {
            seen.push(entry.index);
            Ok::<_, ClientError>(())
        })
        .await
        .unwrap();
    assert_eq!(seen, [39, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_found() {
    let world = World::new().await;
    let all = codes(5, 61);
    world.seal("court/defaulters", 1, &all);
    world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let reader = world.log_reader();
    world.hub.with(|state| {
        let text = String::from_utf8(state.records[3].clone()).unwrap();
        state.records[3] = text.replace("purpose screening", "purpose research").into_bytes();
    });
    assert!(matches!(reader.verify(|_, _| ()).await, Err(LogFinding::OtherRoot { size: 6 })));
    world.hub.with(|state| state.records[3].truncate(100));
    assert!(matches!(reader.verify(|_, _| ()).await, Err(LogFinding::Malformed { index: 3, .. })));
}
