//! Consents: given, used, withdrawn.

use std::time::Duration;

use tacit_client::Grant;
use tacit_model::Reason;
use tacit_policy::{ConsentState, Frequency, Unit};

use crate::support::{World, codes, question, subjects, words};

pub(crate) fn grant(world: &World) -> Grant {
    Grant {
        requester: "procurement".parse().unwrap(),
        lists: vec!["customs/importers".parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        not_before: world.now(),
        expires: world.now().plus_ms(86_400_000),
        frequency: Frequency::new(10, Unit::Day).unwrap(),
        notice: [3; 32],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_opens_a_list_until_it_is_withdrawn() {
    let world = World::new().await;
    let all = codes(3, 50);
    world.seal("customs/importers", 1, &all);
    let requester = world.requester();
    let follower = tokio::spawn(requester.clone().follow_consents());
    let lists = question(&["customs/importers"]);
    let ask = async || requester.check_batch(&lists, subjects(&all)).await;
    assert_eq!(words(&ask().await[0]), ["consent_required"]);

    let authority = world.authority();
    let given = authority.grant(grant(&world), &all[0]).await.unwrap();
    assert_eq!((given.state, given.number), (ConsentState::Given, 1));
    let outcomes = ask().await;
    assert_eq!(words(&outcomes[0]), ["listed"]);
    assert_eq!(words(&outcomes[1]), ["consent_required"], "another subject's consent does not count");

    let paused = authority.change(given.id, ConsentState::Paused).await.unwrap();
    assert_eq!(paused.number, 2);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(words(&ask().await[0]), ["consent_required"]);
    authority.change(given.id, ConsentState::Resumed).await.unwrap();
    assert_eq!(words(&ask().await[0]), ["listed"]);

    let withdrawn = authority.withdraw(given.id).await.unwrap();
    assert!(withdrawn.record.index > given.record.index);
    assert_eq!(words(&ask().await[0]), ["consent_required"]);
    let again = authority.change(given.id, ConsentState::Resumed).await.unwrap_err();
    assert_eq!(again.reason(), Reason::ConsentDead);
    assert_eq!(authority.show(given.id).await.unwrap().state, ConsentState::Withdrawn);
    follower.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_given_before_the_first_question_is_known_from_enrollment() {
    let world = World::new().await;
    let all = codes(2, 51);
    world.seal("customs/importers", 1, &all[..1]);
    let authority = world.authority();
    for code in &all {
        authority.grant(grant(&world), code).await.unwrap();
    }
    let outcomes = world.requester().check_batch(&question(&["customs/importers"]), subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["listed"]);
    assert_eq!(words(&outcomes[1]), ["not listed"]);
    assert_eq!(world.hub.kinds("refused"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_and_the_requester_agree_on_the_pseudonym_and_a_second_look_is_free() {
    let world = World::new().await;
    let all = codes(5, 52);
    world.seal("court/defaulters", 1, &all);
    let authority = world.authority();
    let requester = "procurement".parse().unwrap();
    let pseudonyms = authority.pseudonyms(&requester, &all).await.unwrap();
    let counted = world.keeper.with(|state| state.known.len());
    assert_eq!(authority.pseudonyms(&requester, &all).await.unwrap(), pseudonyms);
    assert_eq!(world.keeper.with(|state| state.known.len()), counted);
    world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let registered = world.hub.with(|state| state.pseudonyms.clone());
    assert!(pseudonyms.iter().all(|it| registered.contains_key(&it.pseudonym)));
    assert!(authority.pseudonyms(&"nobody".parse().unwrap(), &all).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_another_change_is_refused() {
    let world = World::new().await;
    let all = codes(1, 53);
    let authority = world.authority();
    let given = authority.grant(grant(&world), &all[0]).await.unwrap();
    world.faults.plan("other state", 1);
    let error = authority.withdraw(given.id).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PermitNotLogged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_consent_is_found_even_when_nobody_tells_of_the_old_ones_end() {
    let world = World::new().await;
    let all = codes(1, 54);
    world.seal("customs/importers", 1, &all);
    let (requester, authority) = (world.requester(), world.authority());
    let lists = question(&["customs/importers"]);
    let ask = async || words(&requester.check_batch(&lists, subjects(&all)).await[0]);
    let first = authority.grant(grant(&world), &all[0]).await.unwrap();
    assert_eq!(ask().await, ["listed"]);
    authority.withdraw(first.id).await.unwrap();
    authority.grant(grant(&world), &all[0]).await.unwrap();
    assert_eq!(ask().await, ["consent_required"], "the requester believes in the old one");
    assert_eq!(ask().await, ["listed"]);
}
