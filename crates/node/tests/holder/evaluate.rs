//! Answers: once per permit, for the right query, with one proof per list.

use tacit_blind::Hash;
use tacit_ledger::record::{Access, ListAt};
use tacit_model::Reason;

use super::support::asker::{Asker, Blind, item};
use super::support::registry::Terms;
use super::support::{DAY_MS, LIST, World, codes};

/// A world with a sealed list of some codes.
async fn sealed(terms: Terms, count: usize) -> (World, Vec<String>) {
    let world = World::with(terms).await;
    let codes = codes(count, 1);
    world.import_codes(&codes).await;
    world.tick().await;
    (world, codes)
}

fn one(world: &World, asker: &Asker, blind: &Blind) -> (bytes::Bytes, Vec<tacit_wire::common::LoggedRecord>) {
    world.permits(vec![world.access(asker, blind.hash())])
}

#[tokio::test]
async fn the_same_permit_and_query_get_the_same_answer_until_the_permit_expires() {
    let (mut world, codes) = sealed(Terms::default(), 5).await;
    let mut asker = world.asker("procurement");
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = one(&world, &asker, &blind);
    let blinds = std::slice::from_ref(&blind);
    let first = asker.present(checkpoint.clone(), permits.clone(), blinds).await.unwrap();
    let second = asker.present(checkpoint.clone(), permits.clone(), blinds).await.unwrap();
    assert_eq!(first.lists[0].evaluated, second.lists[0].evaluated);
    assert!(world.look_up(blinds, &second)[0].is_some());
    // Nor is it forgotten when the node restarts, or counted twice.
    world.restart().await;
    let mut asker = world.asker("procurement");
    let third = asker.present(checkpoint.clone(), permits.clone(), blinds).await.unwrap();
    assert_eq!(first.lists[0].evaluated, third.lists[0].evaluated);
    assert_eq!(world.count("SELECT answers FROM answer_count").await, 1);
    world.clock.advance_ms(60_000);
    let late = asker.present(checkpoint, permits, blinds).await.unwrap();
    assert_eq!(late.items[0].refusal.as_ref().unwrap().reason, Reason::PermitExpired.as_str());
    assert!(late.lists.is_empty());
}

#[tokio::test]
async fn the_same_record_id_with_another_query_is_refused() {
    let (world, codes) = sealed(Terms::default(), 5).await;
    let mut asker = world.asker("procurement");
    let (one, other) = (Blind::of(&codes[0]), Blind::of(&codes[1]));
    let first = world.access(&asker, one.hash());
    let second = Access { query: other.hash(), ..first.clone() };
    let (checkpoint, permits) = world.permits(vec![first, second]);
    let blinds = [one, other];
    // In one call, and in the next one.
    let together = asker.present(checkpoint.clone(), permits.clone(), &blinds).await.unwrap();
    assert_eq!(together.items[0].refusal, None);
    assert_eq!(together.items[1].refusal.as_ref().unwrap().reason, Reason::PermitUsed.as_str());
    let later = asker.present(checkpoint, permits[1..].to_vec(), &blinds[1..]).await.unwrap();
    assert_eq!(later.items[0].refusal.as_ref().unwrap().reason, Reason::PermitUsed.as_str());
}

#[tokio::test]
async fn a_batch_gets_one_proof_per_list_over_its_accepted_items_in_order() {
    let (world, codes) = sealed(Terms::default(), 400).await;
    let mut asker = world.asker("procurement");
    let asked: Vec<String> = codes[..300].iter().cloned().chain(super::support::codes(724, 2)).collect();
    let blinds: Vec<Blind> = asked.iter().map(|code| Blind::of(code)).collect();
    let records = blinds.iter().map(|blind| world.access(&asker, blind.hash())).collect();
    let (checkpoint, permits) = world.permits(records);
    let mut items: Vec<_> = permits
        .iter()
        .zip(&blinds)
        .map(|(permit, blind)| item(permit.clone(), blind.query.as_bytes()))
        .collect();
    // Two bad ones among them change nothing for the others.
    items[17].blinded_query = bytes::Bytes::from_static(&[1, 2, 3]);
    items[900].blinded_query = bytes::Bytes::copy_from_slice(blinds[0].query.as_bytes());
    let response = asker.evaluate(checkpoint, items).await.unwrap();
    let refused: Vec<(usize, &str)> = response
        .items
        .iter()
        .enumerate()
        .filter_map(|(place, status)| Some((place, status.refusal.as_ref()?.reason.as_str())))
        .collect();
    assert_eq!(refused, [(17, Reason::Malformed.as_str()), (900, Reason::QueryMismatch.as_str())]);
    let accepted: Vec<Blind> = blinds
        .into_iter()
        .enumerate()
        .filter(|(place, _)| ![17, 900].contains(place))
        .map(|(_, b)| b)
        .collect();
    let answers = world.look_up(&accepted, &response);
    let found: Vec<bool> = answers.iter().map(Option::is_some).collect();
    assert_eq!(found, [vec![true; 299], vec![false; 723]].concat());
    assert_eq!(world.count("SELECT COUNT(*) FROM used_permit").await, 1_022);
}

#[tokio::test]
async fn a_permit_about_two_lists_is_answered_for_each_in_order_of_appearance() {
    let (world, codes) = sealed(Terms::default(), 5).await;
    let second = "court/mediators".parse().unwrap();
    world.records().request_seal(&second, "clerk-7").await.unwrap();
    world.tick().await;
    let mut asker = world.asker("procurement");
    let manifest = world.log.newest("court/mediators").unwrap().manifest().clone();
    let mediators = ListAt { list: second.to_string(), epoch: manifest.epoch, version: manifest.version };
    let blinds = [Blind::of(&codes[0]), Blind::of(&codes[1])];
    let mut both = world.access(&asker, blinds[0].hash());
    both.lists.insert(0, mediators);
    let single = world.access(&asker, blinds[1].hash());
    let (checkpoint, permits) = world.permits(vec![both, single]);
    let response = asker.present(checkpoint, permits, &blinds).await.unwrap();
    let lists: Vec<(&str, usize)> =
        response.lists.iter().map(|list| (list.list_id.as_str(), list.evaluated.len() / 32)).collect();
    assert_eq!(lists, [("court/mediators", 1), (LIST, 2)]);
    assert_ne!(response.lists[0].evaluated[..32], response.lists[1].evaluated[..32]);
}

#[tokio::test]
async fn the_holders_own_quota_stops_what_the_coordinator_would_allow() {
    let (world, codes) = sealed(Terms { checks_per_day: 5, ..Terms::default() }, 10).await;
    let mut asker = world.asker("procurement");
    let blinds: Vec<Blind> = codes[..7].iter().map(|code| Blind::of(code)).collect();
    let records = blinds.iter().map(|blind| world.access(&asker, blind.hash())).collect();
    let (checkpoint, permits) = world.permits(records);
    let response = asker.present(checkpoint.clone(), permits.clone(), &blinds).await.unwrap();
    let refused = response.items[5].refusal.clone().unwrap();
    assert_eq!((refused.reason.as_str(), refused.remaining), (Reason::QuotaChecks.as_str(), 0));
    assert_eq!(refused.resets_at_ms, (u64::from(world.today()) + 1) * DAY_MS);
    assert_eq!(response.items.iter().filter(|status| status.refusal.is_none()).count(), 5);
    assert_eq!(world.look_up(&blinds[..5], &response).len(), 5);
    // What was answered is answered again; what was refused is still refused.
    let again = asker.present(checkpoint, permits, &blinds).await.unwrap();
    assert_eq!(again.items, response.items);
    // The next day counts anew.
    world.tick_after(DAY_MS).await;
    world.tick().await;
    assert!(world.is_listed(&codes[0]).await);
}

#[tokio::test]
async fn permits_are_forgotten_when_nothing_can_make_them_acceptable_again() {
    let (world, codes) = sealed(Terms::default(), 5).await;
    assert!(world.is_listed(&codes[0]).await);
    let used = async || world.count("SELECT COUNT(*) FROM used_permit").await;
    let prune = async || {
        // The ticks remove them; one round is enough.
        let holder = world.court().holder.clone();
        holder.run_ticks(std::future::ready(())).await;
    };
    world.clock.advance_ms(120_000);
    prune().await;
    assert_eq!(used().await, 1, "if the clock were set back, it could be presented again");
    assert!(world.is_listed(&codes[0]).await);
    prune().await;
    assert_eq!(used().await, 1, "the first one is gone, the second one is new");
    // The clock is set back: the witnesses say that it is off, and nothing is answered by it.
    world.clock.set(tacit_model::Millis(tacit_model::Clock::now(&world.clock).0 - 120_000));
    let mut asker = world.asker("procurement");
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = one(&world, &asker, &blind);
    let refused = asker.present(checkpoint, permits, &[blind]).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&refused), Some(Reason::ClockOff));
}

#[tokio::test]
async fn a_clock_set_back_over_a_restart_does_not_bring_old_permits_back() {
    let (mut world, codes) = sealed(Terms::default(), 5).await;
    assert!(world.is_listed(&codes[0]).await);
    world.clock.set(tacit_model::Millis(tacit_model::Clock::now(&world.clock).0 - 120_000));
    world.restart().await;
    let mut asker = world.asker("procurement");
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = one(&world, &asker, &blind);
    let response = asker.present(checkpoint, permits, &[blind]).await.unwrap();
    assert_eq!(response.items[0].refusal.as_ref().unwrap().reason, Reason::PermitExpired.as_str());
}

#[tokio::test]
async fn many_presenters_of_one_permit_get_one_answer_and_one_count() {
    let (world, codes) = sealed(Terms::default(), 5).await;
    let asker = world.asker("procurement");
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = one(&world, &asker, &blind);
    let query: Hash = *blind.query.as_bytes();
    let calls = (0..40).map(|_| {
        let (mut client, checkpoint, permit) = (asker.client.clone(), checkpoint.clone(), permits[0].clone());
        async move {
            let request =
                tacit_wire::holder::EvaluateRequest { checkpoint, items: vec![item(permit, &query)] };
            client.evaluate(request).await.unwrap().into_inner().lists[0].evaluated.clone()
        }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.array_windows().all(|[one, next]| one == next));
    assert_eq!(world.count("SELECT answers FROM answer_count").await, 1);
}
