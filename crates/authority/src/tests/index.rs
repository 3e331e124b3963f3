//! What is remembered of users' records tells the same as the store, nothing that was erased, and has its bound.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    index::{IDLE_MS, Index},
    usage,
    users::Kept,
};

/// What a person is told of, newest first, from every record that is stored: id and time.
fn told(kept: &[Kept]) -> Vec<(String, Millis)> {
    let registry = registry::registry();
    let of_chain = |(chain, entries): &Kept| {
        entries.iter().filter_map(|entry| usage::tell(chain, entry, &registry)).collect::<Vec<_>>()
    };
    let mut usages: Vec<_> = kept.iter().flat_map(of_chain).collect();
    usages.sort_by_key(|usage| std::cmp::Reverse((usage.at, usage.record.index)));
    usages.dedup_by_key(|usage| usage.record.index);
    usages.into_iter().map(|usage| (usage.record.id, usage.at)).collect()
}

fn records(kept: &[Kept]) -> Vec<(&MemberId, Vec<(u64, &str)>)> {
    kept.iter()
        .map(|(chain, entries)| {
            let entries = entries.iter().map(|entry| (entry.sequence, entry.record.as_str()));
            (&chain.requester, entries.collect())
        })
        .collect()
}

impl World {
    /// What is stored about a user, which is what is remembered.
    pub(super) async fn kept(&self, code: &SubjectCode) -> Vec<Kept> {
        let user = self.users.rows.user(code);
        let kept = self.users.kept(&user).await.unwrap();
        let overview = self.users.overview(&user, self.clock.now()).await.unwrap();
        let remembered: Vec<_> =
            overview.told().iter().map(|fact| (fact.id.unwrap().to_string(), fact.at)).collect();
        assert_eq!(remembered, told(&kept));
        let opened = self.users.open(&overview, |_| true).await.unwrap();
        assert_eq!(records(&opened), records(&kept));
        kept
    }
}

#[tokio::test]
async fn what_was_erased_is_not_told_even_to_who_asked_before() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let about = pseudonym(&member("tax"), &codes[0]);
    world.hub.with(|hub| hub.records.insert(about, 5));
    world.read(1).await;
    world.kept(&codes[0]).await;
    world.hub.with(|hub| hub.records.insert(about, 9));
    world.read(2).await;
    world.kept(&codes[0]).await;
    let user = world.users.rows.user(&codes[0]);
    let before = world.users.overview(&user, NOW).await.unwrap();
    assert_eq!(before.told().len(), 9);

    world.hub.with(|hub| (hub.records.insert(about, 11), hub.erased.insert(about, 9)));
    world.read(3).await;
    let opened = world.users.open(&before, |_| true).await.unwrap();
    assert!(opened.iter().all(|(_, entries)| entries.is_empty()), "{opened:?}");
    let kept = world.kept(&codes[0]).await;
    assert_eq!(kept.iter().map(|(_, entries)| entries.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn what_is_remembered_has_its_bound_and_ends_when_nobody_asks() {
    let mut world = World::new().await;
    world.users.index = Index::with_room(10);
    let codes = world.enroll(3).await;
    for (code, count) in codes.iter().zip([4, 6, 11]) {
        world.hub.with(|hub| hub.records.insert(pseudonym(&member("tax"), code), count));
    }
    world.read(1).await;
    let asks = async |code: &SubjectCode| {
        world.clock.advance_ms(1);
        world.kept(code).await;
        world.users.index.size()
    };
    assert_eq!(asks(&codes[0]).await, (1, 4));
    assert_eq!(asks(&codes[1]).await, (2, 10));
    assert_eq!(asks(&codes[1]).await, (2, 10), "nothing is counted twice");
    // Who has more than there is room for is told all the same, and nobody else is forgotten for it.
    assert_eq!(asks(&codes[2]).await, (2, 10));
    // One record more: who was asked about longest ago makes room.
    world.hub.with(|hub| hub.records.insert(pseudonym(&member("tax"), &codes[1]), 7));
    world.read(2).await;
    assert_eq!(asks(&codes[1]).await, (1, 7));
    world.users.index.forget_idle(world.clock.now().plus_ms(IDLE_MS));
    assert_eq!(world.users.index.size(), (1, 7));
    world.users.index.forget_idle(world.clock.now().plus_ms(IDLE_MS + 1));
    assert_eq!(world.users.index.size(), (0, 0));
}

#[tokio::test]
async fn with_ten_thousand_records_a_page_takes_a_fraction_of_opening_them() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    world.hub.with(|hub| hub.records.insert(pseudonym(&member("tax"), &codes[0]), 10_000));
    world.read(1).await;
    let user = world.users.rows.user(&codes[0]);
    let began = Instant::now();
    assert_eq!(world.users.kept(&user).await.unwrap().iter().map(|(_, it)| it.len()).sum::<usize>(), 10_000);
    let all = began.elapsed();
    let mut pages: Vec<Duration> = Vec::new();
    for page in 0..21 {
        let began = Instant::now();
        let overview = world.users.overview(&user, NOW).await.unwrap();
        let told = overview.told();
        assert_eq!(told.len(), 10_000);
        let page: HashSet<u64> = told.iter().skip(page * 50).take(50).map(|fact| fact.index).collect();
        let opened = world.users.open(&overview, |fact| page.contains(&fact.index)).await.unwrap();
        assert_eq!(opened.iter().map(|(_, it)| it.len()).sum::<usize>(), 50);
        pages.push(began.elapsed());
    }
    let first = pages.remove(0);
    pages.sort_unstable();
    let (median, slow) = (pages[10], pages[18]);
    println!("all {all:?}, first page {first:?}, then {median:?}, 95th of 100 {slow:?}");
    assert!(median * 4 < all, "{median:?} of {all:?}");
}
