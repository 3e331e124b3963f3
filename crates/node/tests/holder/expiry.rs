//! A listing ends at midnight where its list is kept, sealed or not, without anybody doing anything.

use tacit_model::Millis;
use tacit_node::records::*;

use super::support::registry::Terms;
use super::support::{DAY_MS, LIST, World, codes, list, row, row_with};

/// The day after `NOW` begins in Shanghai, eight hours before it does in UTC.
const MIDNIGHT: Millis = Millis(1_795_363_200_000);
/// Its number: 2026-11-23.
const LAST: u32 = 20_780;

/// A court in Shanghai whose first listing ends at [`MIDNIGHT`] and whose second goes on.
async fn shanghai(seed: u8) -> (World, Vec<String>) {
    let change_list = |list: &mut tacit_policy::registry::entry::List| {
        list.time_zone = "Asia/Shanghai".to_owned();
    };
    let mut world = World::with(Terms { change_list, ..Terms::default() }).await;
    // No epoch ends meanwhile: nothing is sealed anew but for a change.
    world.config.epoch_ms = 30 * DAY_MS;
    world.restart().await;
    assert_eq!(MIDNIGHT.to_rfc3339(), "2026-11-22T16:00:00.000Z");
    assert_eq!(format_day(LAST), "2026-11-23");
    let codes = codes(2, seed);
    let rows = [row_with(&codes[0], LAST - 500, LAST - 400, LAST), row(&codes[1])];
    assert_eq!(world.import(&rows.concat()).await.imported, 2);
    (world, codes)
}

async fn answers(world: &World, codes: &[String]) -> [bool; 2] {
    let mut asker = world.asker("procurement");
    let found = world.ask(&mut asker, &[&codes[0], &codes[1]]).await;
    [found[0].is_some(), found[1].is_some()]
}

/// Time passes until then, and the witnesses' word of it, which comes every 20 ms, has come.
async fn time_is(world: &World, now: Millis) {
    world.clock.set(now);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
}

async fn sealed_records(world: &World) -> u64 {
    world.records().counts(&list()).await.unwrap().sealed.unwrap().records
}

async fn standing(world: &World, code: &str) -> Standing {
    world.records().show(&list(), code).await.unwrap().unwrap().standing
}

#[tokio::test]
async fn a_listing_that_ended_before_the_first_seal_is_never_sealed() {
    let (world, codes) = shanghai(31).await;
    time_is(&world, MIDNIGHT.minus_ms(1)).await;
    assert!(matches!(standing(&world, &codes[0]).await, Standing::Listed { until: LAST, .. }));
    time_is(&world, MIDNIGHT).await;
    assert_eq!(standing(&world, &codes[0]).await, Standing::Expired);
    world.tick_after(0).await;
    assert_eq!(sealed_records(&world).await, 1);
    assert_eq!(answers(&world, &codes).await, [false, true]);

    // A millisecond earlier it was the day before, and both were sealed.
    let (world, codes) = shanghai(31).await;
    time_is(&world, MIDNIGHT.minus_ms(1)).await;
    world.tick_after(0).await;
    assert_eq!(sealed_records(&world).await, 2);
    assert_eq!(answers(&world, &codes).await, [true, true]);
}

#[tokio::test]
async fn in_a_sealed_list_a_listing_ends_at_local_midnight_before_the_list_is_sealed_again() {
    let (world, codes) = shanghai(32).await;
    world.tick().await;
    let versions = world.log.versions(LIST);
    time_is(&world, MIDNIGHT.minus_ms(1)).await;
    assert_eq!(answers(&world, &codes).await, [true, true]);
    time_is(&world, MIDNIGHT).await;
    assert_eq!(answers(&world, &codes).await, [false, true]);
    // The entry is still there, in the version that was sealed the day before.
    assert_eq!((sealed_records(&world).await, world.log.versions(LIST)), (2, versions.clone()));
    assert_eq!(standing(&world, &codes[0]).await, Standing::Expired);
    // Nobody did anything, and the next tick takes it out.
    world.tick().await;
    assert_eq!(sealed_records(&world).await, 1);
    assert_eq!(world.log.versions(LIST).len(), versions.len() + 1);
    assert_eq!(answers(&world, &codes).await, [false, true]);
    let record = world.records().show(&list(), &codes[0]).await.unwrap().unwrap();
    assert_eq!((record.state(), record.history.len()), (RecordState::Active, 0));
}
