//! The change to a new pseudonym epoch (P41), as a requester goes through it.

use crate::support::registry::{EPOCH, registry_in};
use crate::support::{World, codes, question, subjects, words};

#[tokio::test(flavor = "multi_thread")]
async fn subjects_are_carried_into_a_new_epoch_with_their_next_question() {
    let world = World::new().await;
    let all = codes(5, 21);
    world.seal("court/defaulters", 1, &all[..1]);
    world.seal("customs/importers", 1, &all[..1]);
    let requester = world.requester();
    let both = ["court/defaulters", "customs/importers"];
    let authority = world.authority();
    let given = authority.grant(crate::authority::grant(&world), &all[0]).await.unwrap();
    let outcomes = requester.check_batch(&question(&both[..1]), subjects(&all[..4])).await;
    assert_eq!(words(&outcomes[0]), ["listed"]);
    let by_consent = requester.check_batch(&question(&both[1..]), subjects(&all[..2])).await;
    assert_eq!([words(&by_consent[0]), words(&by_consent[1])], [["listed"], ["consent_required"]]);
    let known = world.keeper.with(|state| state.known.len());

    requester.set_registry(registry_in(EPOCH + 1));
    let plan = requester.plan(&question(&both[..1]), futures::stream::iter(all.clone())).await.unwrap();
    assert_eq!(plan.new_subjects, 1, "four are known from the epoch before");
    // Who was known before costs nothing, who is new costs one.
    world.keeper.with(|state| state.quota = 1);
    let outcomes = requester.check_batch(&question(&both[..1]), subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["listed"]);
    assert!(outcomes[1..].iter().all(|outcome| words(outcome) == ["not listed"]));
    assert_eq!(world.keeper.with(|state| (state.known.len(), state.quota)), (known + 1, 0));
    assert_eq!(world.hub.with(|hub| (hub.pseudonyms.len(), hub.carried.len())), (9, 4));
    // The consent of the epoch before is found and named under the new pseudonym, until it is withdrawn.
    let by_consent = requester.check_batch(&question(&both[1..]), subjects(&all[..2])).await;
    assert_eq!([words(&by_consent[0]), words(&by_consent[1])], [["listed"], ["consent_required"]]);
    authority.withdraw(given.id).await.unwrap();
    let by_consent = requester.check_batch(&question(&both[1..]), subjects(&all[..1])).await;
    assert_eq!(words(&by_consent[0]), ["consent_required"]);

    // Into the epoch after, over an interruption: what was begun goes on with its carry.
    requester.set_registry(registry_in(EPOCH + 2));
    world.keeper.with(|state| state.quota = 0);
    world.faults.plan("before register", 100);
    let outcomes = requester.check_batch(&question(&both[..1]), subjects(&all[..2])).await;
    assert!(words(&outcomes[0])[0] != "listed", "{:?}", words(&outcomes[0]));
    world.faults.plan("before register", 0);
    let outcomes = requester.check_batch(&question(&both[..1]), subjects(&all[..2])).await;
    assert_eq!(words(&outcomes[0]), ["listed"]);
    assert_eq!(world.hub.with(|hub| hub.carried.len()), 6);
}
