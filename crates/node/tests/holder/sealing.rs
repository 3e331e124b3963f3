//! Sealing, ticks, epochs: what becomes of records at the mirror and in the log.

use std::time::Duration;

use tacit_blind::table::Day;
use tacit_node::records::*;

use super::support::asker::Blind;
use super::support::registry::Terms;
use super::support::{DAY_MS, LIST, TICK_MS, World, codes, list, options, row_with};

const EPOCH: u64 = 20_778;

#[tokio::test]
async fn a_list_is_sealed_mirrored_logged_and_answered() {
    let world = World::new().await;
    let codes = codes(300, 1);
    world.import_codes(&codes[..200]).await;
    world.tick().await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1)]);
    let served = world.mirror.served(LIST, EPOCH).unwrap();
    assert_eq!((served.manifest.version, served.manifest.layout.buckets()), (1, 4));
    assert_eq!(served.manifest.until.0, (EPOCH + 1) * DAY_MS);
    let mut asker = world.asker("procurement");
    let asked: Vec<&str> = codes.iter().map(String::as_str).collect();
    let answers = world.ask(&mut asker, &asked).await;
    let listed: Vec<bool> = answers.iter().map(Option::is_some).collect();
    assert_eq!(listed, [vec![true; 200], vec![false; 100]].concat());
    let label = answers[7].clone().unwrap();
    let record = world.records().show(&list(), asked[7]).await.unwrap().unwrap();
    assert_eq!((label.status, label.flags, label.category), (STATUS_LISTED, 0, 1));
    assert_eq!(record.reference, format!("{:016x}", u64::from_be_bytes(label.reference)));
    assert_eq!(label.listed_on, parse_day("2024-03-20").and_then(|day| Day::new(day).ok()));
    let counts = world.records().counts(&list()).await.unwrap();
    let sealed = counts.sealed.unwrap();
    assert_eq!((sealed.epoch, sealed.version, sealed.records, sealed.pending), (EPOCH, 1, 200, 0));
    let held = world.court().holder.held_lists().await.unwrap();
    assert_eq!((held[0].list_id.as_str(), held[0].records, held[0].buckets), (LIST, 200, 4));
    assert_eq!(held[1].epoch, 0);
}

#[tokio::test]
async fn no_version_is_published_when_nothing_changed() {
    let world = World::new().await;
    world.tick().await;
    assert!(world.log.versions(LIST).is_empty());
    world.import_codes(&codes(10, 2)).await;
    for _ in 0..4 {
        world.tick().await;
    }
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1)]);
}

#[tokio::test]
async fn changes_are_published_on_the_tick_with_cover() {
    let world = World::new().await;
    let codes = codes(5_003, 3);
    world.import_codes(&codes[..5_000]).await;
    world.tick().await;
    let before = world.mirror.served(LIST, EPOCH).unwrap();
    assert_eq!(before.manifest.layout.buckets(), 64);
    let removed = &codes[10];
    world.records().remove(&list(), removed, RemovalReason::Fulfilled, "clerk-7").await.unwrap();
    world.import_codes(&codes[5_000..]).await;
    assert!(world.is_listed(removed).await);
    assert!(!world.is_listed(&codes[5_000]).await);
    world.tick().await;
    // Two changes may share a bucket: then the second one takes one more tick.
    world.tick().await;
    world.tick().await;
    assert!(!world.is_listed(removed).await);
    for code in &codes[5_000..] {
        assert!(world.is_listed(code).await);
    }
    let after = world.mirror.served(LIST, EPOCH).unwrap();
    let rewritten = before.buckets.iter().zip(&after.buckets).filter(|(old, new)| old != new).count();
    assert!(rewritten >= 32, "{rewritten}");
    assert_eq!(world.records().counts(&list()).await.unwrap().sealed.unwrap().records, 5_002);
}

#[tokio::test]
async fn a_second_change_of_one_bucket_waits_for_the_next_tick() {
    let world = World::new().await;
    let codes = codes(50, 4);
    world.import_codes(&codes).await;
    world.tick().await;
    // One bucket: every change is of the same one.
    for code in &codes[..3] {
        world.records().remove(&list(), code, RemovalReason::Corrected, "clerk-7").await.unwrap();
    }
    let pending = async || world.records().counts(&list()).await.unwrap().sealed.unwrap().pending;
    assert_eq!(pending().await, 3);
    for left in [2, 1, 0] {
        world.tick().await;
        assert_eq!(pending().await, left);
    }
    assert_eq!(world.log.versions(LIST).len(), 4);
    let mut gone = 0;
    for code in &codes[..3] {
        assert!(!world.records().show(&list(), code).await.unwrap().unwrap().pending);
        gone += usize::from(!world.is_listed(code).await);
    }
    assert_eq!(gone, 3);
    world.tick().await;
    assert_eq!(world.log.versions(LIST).len(), 4);
}

#[tokio::test]
async fn new_labels_are_published_together_even_in_one_bucket() {
    let world = World::new().await;
    let codes = codes(40, 5);
    world.import_codes(&codes).await;
    world.tick().await;
    for code in &codes {
        world.records().set_contested(&list(), code, true, "desk-1").await.unwrap();
    }
    world.tick().await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH, 2)]);
    let mut asker = world.asker("procurement");
    let asked: Vec<&str> = codes.iter().map(String::as_str).collect();
    let answers = world.ask(&mut asker, &asked).await;
    assert!(answers.iter().all(|label| label.as_ref().unwrap().flags == FLAG_CONTESTED));
}

#[tokio::test]
async fn a_bucket_overflow_grows_all_buckets_and_checks_under_way_are_answered() {
    let world = World::new().await;
    let codes = codes(90 + 78, 6);
    world.import_codes(&codes[..90]).await;
    world.tick().await;
    let before = world.mirror.served(LIST, EPOCH).unwrap();
    assert_eq!((before.manifest.layout.buckets(), before.manifest.layout.capacity()), (1, 160));
    // 70 additions fit, one per tick; the last ones do not.
    let mut asker = world.asker("procurement");
    let mut under_way = Vec::new();
    for some in codes[90..].chunks(6) {
        world.import_codes(some).await;
        for _ in some {
            let blind = Blind::of(&codes[3]);
            let record = world.access(&asker, blind.hash());
            under_way.push((world.permits(vec![record]), blind));
            world.tick_after(100).await;
        }
    }
    let after = world.mirror.served(LIST, EPOCH).unwrap();
    assert_eq!((after.manifest.layout.buckets(), after.manifest.layout.capacity()), (1, 208));
    assert_eq!(after.manifest.key, before.manifest.key);
    assert_eq!(after.manifest.version, 1 + 70 + 1 + 6, "one version grew, and took all that waited");
    let asked: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert!(world.ask(&mut asker, &asked).await.iter().all(Option::is_some));
    // The permit from before the overflow is answered, and found in the grown table.
    let ((checkpoint, permits), blind) = under_way.swap_remove(70);
    let response = asker.present(checkpoint, permits, std::slice::from_ref(&blind)).await.unwrap();
    assert_eq!(response.items[0].refusal, None);
    assert!(world.look_up(&[blind], &response)[0].is_some());
    // The grown table took the old one's place: nothing is left of that.
    world.tick().await;
    assert_eq!(world.count("SELECT COUNT(*) FROM sealed_table").await, 1);
}

#[tokio::test]
async fn too_many_changes_for_ticks_seal_the_list_anew() {
    let world = World::new().await;
    let codes = codes(10_000, 7);
    world.records().request_seal(&list(), "clerk-7").await.unwrap();
    world.tick().await;
    assert_eq!(world.mirror.served(LIST, EPOCH).unwrap().manifest.layout.buckets(), 1);
    world.import_codes(&codes).await;
    world.tick().await;
    // A new epoch in the same period, with a layout that fits.
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH + 1, 1)]);
    assert_eq!(world.mirror.served(LIST, EPOCH + 1).unwrap().manifest.layout.buckets(), 128);
    assert!(world.is_listed(&codes[9_999]).await);
    // While the epoch before is still answered, the list is not sealed anew again.
    let more = super::support::codes(400, 8);
    world.import_codes(&more[..257]).await;
    world.tick().await;
    assert_eq!(world.log.versions(LIST).last(), Some(&(EPOCH + 1, 2)));
}

#[tokio::test]
async fn the_next_epoch_is_prepared_answered_beside_the_old_one_and_the_old_seed_is_erased() {
    let mut world = World::new().await;
    world.config.epoch_ms = 3_600_000;
    world.restart().await;
    let codes = codes(30, 9);
    world.import_codes(&codes[..20]).await;
    world.tick().await;
    let first = world.log.newest(LIST).unwrap().manifest().clone();
    assert_eq!(first.epoch, 1_795_300_143_223 / 3_600_000);
    let seed = seed_of(&world, first.epoch).await.unwrap();
    assert!(holds(&world, &seed));
    // Five minutes before its beginning the next epoch is sealed and sent, and not yet logged.
    world.clock.set(first.until.minus_ms(290_000));
    world.court().holder.tick().await.unwrap();
    for _ in 0..200 {
        if world.mirror.staged(LIST, first.epoch + 1).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.court().holder.tick().await.unwrap();
    }
    assert_eq!(world.mirror.staged(LIST, first.epoch + 1), Some(1));
    assert_eq!(world.log.versions(LIST).len(), 1);
    // A change between the two: of both tables.
    world.records().remove(&list(), &codes[0], RemovalReason::Annulled, "clerk-7").await.unwrap();
    world.tick().await;
    assert_eq!(world.log.newest(LIST).unwrap().manifest().version, 2);
    let mut asker = world.asker("procurement");
    let blind = Blind::of(&codes[1]);
    world.clock.set(first.until.minus_ms(1));
    let record = world.access(&asker, blind.hash());
    let (checkpoint, permits) = world.permits(vec![record]);
    world.clock.set(first.until);
    world.court().holder.tick().await.unwrap();
    let second = world.log.newest(LIST).unwrap().manifest().clone();
    assert_eq!((second.epoch, second.version, second.from), (first.epoch + 1, 2, first.until));
    assert_ne!(second.key, first.key);
    assert!(!world.is_listed(&codes[0]).await, "the removal came along");
    let response = asker.present(checkpoint, permits, std::slice::from_ref(&blind)).await.unwrap();
    assert_eq!(response.lists[0].epoch, first.epoch);
    assert!(world.look_up(&[blind], &response)[0].is_some());
    // In the overlap a change is published in both.
    world.import_codes(&codes[20..21]).await;
    world.tick().await;
    let served = |epoch| world.mirror.served(LIST, epoch).unwrap().manifest.version;
    assert_eq!((served(first.epoch), served(second.epoch)), (3, 3));
    world.clock.set(first.until.plus_ms(70_000));
    world.court().holder.tick().await.unwrap();
    assert_eq!(seed_of(&world, first.epoch).await, None);
    assert!(!holds(&world, &seed), "the seed is nowhere in the files");
    assert!(world.is_listed(&codes[20]).await);
    world.tick().await;
    assert_eq!(world.count("SELECT COUNT(DISTINCT table_id) FROM table_bucket").await, 1);
}

async fn seed_of(world: &World, epoch: u64) -> Option<Vec<u8>> {
    use sqlx::Row as _;
    let mut conn = world.court().db.read().await.unwrap();
    let sql = "SELECT seed FROM list_epoch WHERE epoch = $1";
    let row = sqlx::query(sql).bind(i64::try_from(epoch).unwrap()).fetch_one(&mut *conn).await.unwrap();
    row.get(0)
}

/// Whether the database holds these bytes anywhere.
fn holds(world: &World, bytes: &[u8]) -> bool {
    let contents = tacit_store::conformance::contents(world.folder.path(), "court");
    contents.windows(bytes.len()).any(|window| window == bytes)
}

#[tokio::test]
async fn a_node_that_slept_over_the_end_of_an_epoch_seals_the_next_one_at_once() {
    let world = World::new().await;
    let codes = codes(5, 10);
    world.import_codes(&codes).await;
    world.tick().await;
    world.tick_after(3 * DAY_MS).await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH + 3, 1)]);
    assert!(world.is_listed(&codes[0]).await);
}

#[tokio::test]
async fn days_begin_and_end_listings_without_anyone_doing_anything() {
    let mut world = World::with(Terms { change_list: |list| list.notice_days = 3, ..Terms::default() }).await;
    world.config.epoch_ms = 30 * DAY_MS;
    world.restart().await;
    let today = world.today();
    let codes = codes(3, 11);
    let rows = [
        row_with(&codes[0], today - 2, today - 2, 0),
        row_with(&codes[1], today - 100, today - 100, today + 1),
        row_with(&codes[2], 0, 0, 0),
    ];
    world.import(&rows.concat()).await;
    world.tick().await;
    let listed = async || {
        let mut asker = world.asker("procurement");
        let asked: Vec<&str> = codes.iter().map(String::as_str).collect();
        world.ask(&mut asker, &asked).await.iter().map(Option::is_some).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [false, true, false]);
    assert_eq!(world.records().counts(&list()).await.unwrap().sealed.unwrap().records, 1);
    // The next day one listing begins and another one ends.
    world.tick_after(DAY_MS).await;
    world.tick().await;
    assert_eq!(listed().await, [true, false, false]);
    assert_eq!(world.log.newest(LIST).unwrap().manifest().version, 3);
    assert_eq!(world.records().counts(&list()).await.unwrap().sealed.unwrap().records, 1);
    let record = world.records().show(&list(), &codes[2]).await.unwrap().unwrap();
    assert_eq!(record.standing, Standing::NotNotified);
}

#[tokio::test]
async fn a_changed_rule_of_the_registry_seals_the_list_anew() {
    let world = World::new().await;
    let codes = codes(4, 12);
    world.import_codes(&codes).await;
    world.tick().await;
    let stricter = Terms { change_list: |list| list.retention_days = 30, ..Terms::default() };
    world.court().holder.set_registry(super::support::registry::registry(&stricter));
    world.tick().await;
    assert_eq!(world.log.versions(LIST), [(EPOCH, 1), (EPOCH + 1, 1)]);
    assert!(!world.is_listed(&codes[0]).await);
}

#[tokio::test]
async fn a_request_of_the_command_line_is_published_and_answered() {
    let world = World::new().await;
    let code = &codes(1, 13)[0];
    let records = world.records();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let holder = world.court().holder.clone();
    let running = tokio::spawn(async move { holder.run_ticks(async { drop(stopped.await) }).await });
    // The tick is 10 s: what is quicker is due to the request.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let outcome = async |request| {
        for _ in 0..100 {
            match records.seal_outcome(request).await.unwrap().unwrap() {
                SealOutcome::Waiting => tokio::time::sleep(Duration::from_millis(50)).await,
                done => return done,
            }
        }
        panic!("never answered");
    };
    let empty = records.request_seal(&list(), "clerk-7").await.unwrap();
    assert_eq!(outcome(empty).await, SealOutcome::Published { epoch: EPOCH, version: 1 });
    world.import_codes(&[code]).await;
    let request = records.request_seal(&list(), "clerk-7").await.unwrap();
    assert_eq!(outcome(request).await, SealOutcome::Published { epoch: EPOCH, version: 2 });
    assert!(world.is_listed(code).await);
    world.faults.fail("before changes");
    records.remove(&list(), code, RemovalReason::Fulfilled, "clerk-7").await.unwrap();
    let request = records.request_seal(&list(), "clerk-7").await.unwrap();
    assert_eq!(outcome(request).await, SealOutcome::Failed(tacit_model::Reason::Unavailable));
    let request = records.request_seal(&list(), "clerk-7").await.unwrap();
    assert_eq!(outcome(request).await, SealOutcome::Published { epoch: EPOCH, version: 3 });
    assert_eq!(records.seal_outcome(999).await.unwrap(), None);
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn nothing_is_published_while_an_import_is_under_way() {
    let world = World::new().await;
    let codes = codes(6_000, 14);
    let (feed, rest) = std::sync::mpsc::channel::<Vec<u8>>();
    struct Slow(std::sync::mpsc::Receiver<Vec<u8>>, std::io::Cursor<Vec<u8>>);
    impl std::io::Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.1.position() == self.1.get_ref().len() as u64 {
                match self.0.recv() {
                    Ok(more) => self.1 = std::io::Cursor::new(more),
                    Err(_) => return Ok(0),
                }
            }
            self.1.read(into)
        }
    }
    let half = |codes: &[String]| {
        codes.iter().map(|code| super::support::row(code)).collect::<String>().into_bytes()
    };
    let first = [super::support::HEADER.as_bytes(), &half(&codes[..5_000])].concat();
    let records = world.records();
    let import = tokio::spawn(async move {
        let reader = Slow(rest, std::io::Cursor::new(first));
        records.import(reader, &list(), &options(), |_| ()).await.unwrap()
    });
    while world.records().counts(&list()).await.unwrap().active == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(world.records().counts(&list()).await.unwrap().importing);
    world.tick_after(1).await;
    assert!(world.log.versions(LIST).is_empty());
    feed.send(half(&codes[5_000..])).unwrap();
    drop(feed);
    assert_eq!(import.await.unwrap().imported, 6_000);
    world.tick_after(1).await;
    assert_eq!(world.records().counts(&list()).await.unwrap().sealed.unwrap().records, 6_000);
    // One whose process died blocks nothing for longer than its last beat.
    world.tick_after(TICK_MS).await;
}
