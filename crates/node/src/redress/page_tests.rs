//! The queue, page by page.

use std::sync::Arc;

use tacit_model::{ManualClock, Millis, Ulid};
use tacit_policy::letter::Level;

use super::{Redress, testing};
use crate::gateway::testing::{NOW, codes, registry};

const LIST: &str = "court/defaulters";

async fn all(redress: &Redress, over: bool, limit: u32) -> Vec<Ulid> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = redress.page(Level::First, over, after, limit).await.unwrap().unwrap();
        assert!(page.cases.len() <= limit as usize);
        found.extend(page.cases.iter().map(|view| view.case.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn cases_come_in_the_order_of_their_beginning_and_each_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let now: Millis = NOW.parse().unwrap();
    let redress =
        testing::redress(folder.path(), Arc::new(registry()), "court", &ManualClock::new(now)).await;
    assert_eq!(all(&redress, true, 3).await, []);
    let mut begun = Vec::new();
    for (number, code) in codes(7).iter().enumerate() {
        // Two of them begin in the same millisecond, and two are over.
        let at = now.plus_ms(number as u64 / 2 * 1000);
        begun.push(redress.begun(Level::First, LIST, code, at, number % 3 == 2).await);
    }
    redress.begun(Level::Review, LIST, &codes(1)[0], now, false).await;
    assert_eq!(redress.on_the_way().await.unwrap(), 8);

    let whole = all(&redress, true, 100).await;
    let mut sorted = (whole.clone(), begun.clone());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1);
    for (place, pair) in [(0, &begun[0..2]), (2, &begun[2..4]), (4, &begun[4..6]), (6, &begun[6..])] {
        assert!(pair.iter().all(|id| whole[place..place + pair.len()].contains(id)), "{place}");
    }
    for limit in 1..=7 {
        assert_eq!(all(&redress, true, limit).await, whole, "{limit}");
    }
    let open: Vec<Ulid> = whole.iter().copied().filter(|id| *id != begun[2] && *id != begun[5]).collect();
    assert_eq!(all(&redress, false, 2).await, open);
    // The place of a case that is over meanwhile stays good; one that never was is none.
    let after = redress.page(Level::First, false, Some(begun[2]), 100).await.unwrap().unwrap();
    let behind = whole.iter().position(|id| *id == begun[2]).unwrap();
    assert!(
        after.cases.iter().all(|view| whole[behind..].contains(&view.case.id)) && !after.cases.is_empty()
    );
    assert!(redress.page(Level::First, true, Some(Ulid(7)), 2).await.unwrap().is_none());
    // A case of one level is no place in the queue of the other.
    assert!(redress.page(Level::Review, true, Some(begun[0]), 2).await.unwrap().is_none());
}
