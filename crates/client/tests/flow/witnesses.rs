//! What the log's witnesses do not stand behind is not relied on.

use crate::support::{World, codes, question, subjects, words};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fresh_quorum_nothing_is_asked() {
    let world = World::new().await;
    let all = codes(3, 70);
    world.seal("court/defaulters", 1, &all[..1]);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    assert_eq!(outcomes.iter().flat_map(words).collect::<Vec<_>>(), ["listed", "not listed", "not listed"]);
    // Ten minutes later one of three witnesses is left.
    let records = world.hub.kinds("access");
    world.faults.plan("witnesses are away", u32::MAX);
    world.clock.advance_ms(601_000);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    let words: Vec<String> = outcomes.iter().flat_map(words).collect();
    assert!(words.iter().all(|word| word.ends_with("quorum_stale")), "{words:?}");
    assert_eq!(world.hub.kinds("access"), records, "nothing was authorized");
    // They come back.
    world.faults.plan("witnesses are away", 0);
    let outcomes = requester.check_batch(&lists, subjects(&all[..1])).await;
    assert_eq!(outcomes.iter().flat_map(crate::support::words).collect::<Vec<_>>(), ["listed"]);
}
