//! Sealed tables: received, changed by ticks, served once logged, forgotten when over.

use tacit_blind::table::Layout;
use tacit_model::Reason;
use tacit_wire::custodian::put_table_request::Part;
use tacit_wire::custodian::{BucketChange, PutTableRequest, TableHeader};

use crate::fetch::{fetch, fetch_and_verify};
use crate::support::table::{Table, activate, activate_logged, put_changes, put_table, sign, status};
use crate::support::{World, eventually};

const LIST: &str = "court/defaulters";
const BUCKETS: &str = "SELECT COUNT(*) FROM bucket";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_served_after_its_manifest_is_logged_and_follows_its_ticks() {
    let mut world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut table = Table::new(LIST, 100, 3, 128);
    assert_eq!(put_table(&court, table.parts(3)).await, None);
    assert_eq!(status(&court, LIST).await, [(100, 0, 1)]);
    // Sent again it is known, and served only once its record is in the log.
    assert_eq!(put_table(&court, table.parts(8)).await, None);
    let permit = world.permit(&asker, &[(LIST, 100, 1)]);
    assert_eq!(fetch(&world, &asker, &[permit], &[(LIST, 100, &[0])]).await.err(), Some(Reason::Unavailable));
    assert_eq!(activate(&world, &court, &table.signed()).await, None);
    assert_eq!(activate(&world, &court, &table.signed()).await, None);
    assert_eq!(status(&court, LIST).await, [(100, 1, 0)]);
    fetch_and_verify(&world, &asker, &table, &[0, 3, 7]).await;
    for _ in 0..3 {
        table.publish_tick(&world, &court).await;
        fetch_and_verify(&world, &asker, &table, &[0, 7]).await;
    }
    assert_eq!(status(&court, LIST).await, [(100, 4, 0)]);
    world.restart().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    fetch_and_verify(&world, &asker, &table, &[1, 2, 5]).await;
    table.publish_tick(&world, &court).await;
    fetch_and_verify(&world, &asker, &table, &[0, 1, 2, 3, 4, 5, 6, 7]).await;
    // What was replaced is removed when nobody can be reading it.
    assert_eq!(world.count(BUCKETS).await, 5 * 8);
    world.clock.advance_ms(131_000);
    eventually("replaced buckets are removed", async || world.count(BUCKETS).await == 8).await;
    fetch_and_verify(&world, &asker, &table, &[0, 1, 2, 3, 4, 5, 6, 7]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_does_not_fit_its_manifest_is_rejected() {
    let world = World::new().await;
    let court = world.node("court");
    let table = Table::new(LIST, 100, 2, 128);
    let rejected = Some(Reason::TableRejected);

    let mut wrong_root = table.manifest.clone();
    wrong_root.root = [9; 32];
    let header = TableHeader { manifest: sign(wrong_root).note().to_owned().into() };
    let mut parts = table.parts(4);
    parts[0] = PutTableRequest { part: Some(Part::Header(header)) };
    assert_eq!(put_table(&court, parts).await, rejected);

    let mut tampered = table.parts(1);
    tamper(&mut tampered[2], |bytes| bytes[20] ^= 1);
    assert_eq!(put_table(&court, tampered).await, rejected);

    let mut unordered = table.parts(1);
    tamper(&mut unordered[2], |bytes| {
        let (one, two) = bytes.split_at_mut(64);
        one.swap_with_slice(&mut two[..64]);
    });
    assert_eq!(put_table(&court, unordered).await, rejected);

    let mut short = table.parts(1);
    short.pop();
    assert_eq!(put_table(&court, short).await, rejected);

    let mut ragged = table.parts(1);
    tamper(&mut ragged[1], |bytes| bytes.truncate(100));
    assert_eq!(put_table(&court, ragged).await, rejected);

    let mut swapped = table.parts(1);
    swapped.swap(1, 2);
    assert_eq!(put_table(&court, swapped).await, Some(Reason::Malformed));
    assert_eq!(put_table(&court, table.parts(1)[1..].to_vec()).await, Some(Reason::Malformed));
    assert_eq!(put_table(&court, Vec::new()).await, Some(Reason::Malformed));
    assert_eq!(status(&court, LIST).await, []);
    assert_eq!(put_table(&court, table.parts(1)).await, None);
    assert!(world.count(BUCKETS).await > 4);
    eventually("nothing is half received", async || {
        world.count("SELECT COUNT(*) FROM table_version WHERE state = 'receiving'").await == 0
    })
    .await;
    world.clock.advance_ms(131_000);
    eventually("rejected uploads are removed", async || world.count(BUCKETS).await == 4).await;
    assert_eq!(activate(&world, &court, &table.signed()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_leaves_nothing_and_can_begin_again() {
    let world = World::new().await;
    let court = world.node("court");
    let table = Table::new(LIST, 100, 2, 128);
    let (sender, parts) = futures::channel::mpsc::unbounded();
    for part in &table.parts(1)[..3] {
        sender.unbounded_send(part.clone()).unwrap();
    }
    let mut client = court.mirror();
    let upload = tokio::spawn(async move { client.put_table(parts).await.map(drop) });
    eventually("some buckets have arrived", async || world.count(BUCKETS).await == 2).await;
    upload.abort();
    let left = "SELECT COUNT(*) FROM table_version WHERE state = 'receiving'";
    eventually("the upload is given up", async || world.count(left).await == 0).await;
    world.clock.advance_ms(131_000);
    eventually("its buckets are removed", async || world.count(BUCKETS).await == 0).await;
    table.publish(&world, &court).await;
    drop(sender);
}

fn tamper(request: &mut PutTableRequest, change: impl FnOnce(&mut Vec<u8>)) {
    let Some(Part::Chunk(chunk)) = &mut request.part else { panic!("a chunk") };
    let mut bytes = chunk.buckets.to_vec();
    change(&mut bytes);
    chunk.buckets = bytes.into();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_with_tiny_buckets_or_by_another_hand_is_refused() {
    let world = World::new().await;
    let (court, customs) = (world.node("court"), world.node("customs"));
    let table = Table::new(LIST, 100, 2, 128);
    let signed = table.signed();
    // The text says 64 entries where the least is 128; no signature can make that a manifest.
    let tiny = signed.note().replace("\n128\n", "\n64\n");
    let header = |note: String| {
        vec![PutTableRequest { part: Some(Part::Header(TableHeader { manifest: note.into() })) }]
    };
    assert_eq!(put_table(&court, header(tiny)).await, Some(Reason::SignatureInvalid));
    let text = table.manifest.to_text().replace("\n128\n", "\n64\n");
    let signer = tacit_ledger::note::NoteSigner::new(
        "court/manifest",
        crate::support::registry::key("court/manifest"),
    );
    assert_eq!(
        put_table(&court, header(signer.unwrap().sign(&text).unwrap())).await,
        Some(Reason::ManifestRejected)
    );
    // Another holder cannot send it, nor sign for it.
    assert_eq!(put_table(&customs, table.parts(4)).await, Some(Reason::SignatureInvalid));
    let mut foreign = Table::new("customs/importers", 100, 2, 128);
    assert_eq!(put_table(&court, foreign.parts(4)).await, Some(Reason::SignatureInvalid));
    let unknown = Table::new("court/nowhere", 100, 2, 128);
    assert_eq!(put_table(&court, unknown.parts(4)).await, Some(Reason::UnknownList));
    // A logged manifest is activated by its own holder only.
    foreign.publish(&world, &customs).await;
    let changes = foreign.tick(4);
    assert_eq!(put_changes(&customs, changes).await, None);
    let logged = world.log_manifest(&foreign.signed());
    assert_eq!(activate_logged(&world, &court, logged.clone()).await, Some(Reason::NotPermitted));
    assert_eq!(activate_logged(&world, &customs, logged).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_break_the_tick_rule_are_rejected() {
    let world = World::new().await;
    let court = world.node("court");
    let mut table = Table::new(LIST, 100, 3, 128);
    assert_eq!(put_changes(&court, Table::new(LIST, 100, 3, 128).tick(8)).await, Some(Reason::ListNotReady));
    table.publish(&world, &court).await;
    let rejected = Some(Reason::TableRejected);

    // Without cover.
    assert_eq!(put_changes(&court, Table::new(LIST, 100, 3, 128).tick(7)).await, rejected);
    // A bucket that did not change.
    let mut same = Table::new(LIST, 100, 3, 128);
    let old = same.buckets[3].clone();
    let mut changes = same.tick(8);
    changes.changes[3].entries = bytes::Bytes::copy_from_slice(old.entries());
    assert_eq!(put_changes(&court, changes).await, rejected);
    // Two ticks in one.
    let mut hasty = Table::new(LIST, 100, 3, 128);
    hasty.tick(8);
    hasty.manifest.version = 1;
    assert_eq!(put_changes(&court, hasty.tick(8)).await, rejected);
    // A root that is not that of the changes.
    let mut lying = Table::new(LIST, 100, 3, 128);
    let mut changes = lying.tick(8);
    lying.manifest.root = [1; 32];
    changes.manifest = lying.signed().note().to_owned().into();
    assert_eq!(put_changes(&court, changes).await, rejected);
    // Numbers twice, out of order, beyond the table.
    let wrongs: [fn(&mut Vec<BucketChange>); 3] =
        [|c| c[1].bucket = 0, |c| c.swap(0, 1), |c| c[7].bucket = 8];
    for wrong in wrongs {
        let mut changes = Table::new(LIST, 100, 3, 128).tick(8);
        wrong(&mut changes.changes);
        assert_eq!(put_changes(&court, changes).await, Some(Reason::Malformed));
    }
    // A version further on, another shape, another key.
    let mut later = Table::new(LIST, 100, 3, 128);
    later.manifest.version = 2;
    assert_eq!(put_changes(&court, later.tick(8)).await, Some(Reason::VersionOld));
    let mut other_key = Table::new(LIST, 100, 3, 128);
    other_key.manifest.key = [6; 32];
    assert_eq!(put_changes(&court, other_key.tick(8)).await, Some(Reason::ManifestRejected));
    assert_eq!(
        put_changes(&court, Table::new(LIST, 100, 4, 128).tick(16)).await,
        Some(Reason::ManifestRejected)
    );

    assert_eq!(status(&court, LIST).await, [(100, 1, 0)]);
    table.publish_tick(&world, &court).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_staged_manifest_that_was_logged_is_served() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut table = Table::new(LIST, 100, 3, 128);
    assert_eq!(activate(&world, &court, &table.signed()).await, Some(Reason::NotFound));
    table.publish(&world, &court).await;
    // Two versions 2: the one that is staged last is not the one that is logged.
    let mut twin = Table::new(LIST, 100, 3, 128);
    let mut other = twin.tick(8);
    twin.manifest.until = twin.manifest.until.plus_ms(1);
    other.manifest = twin.signed().note().to_owned().into();
    let changes = table.tick(8);
    assert_eq!(put_changes(&court, changes.clone()).await, None);
    assert_eq!(put_changes(&court, other).await, None);
    assert_eq!(activate(&world, &court, &table.signed()).await, Some(Reason::ManifestRejected));
    assert_eq!(put_changes(&court, changes).await, None);
    assert_eq!(activate(&world, &court, &table.signed()).await, None);
    assert_eq!(activate(&world, &court, &twin.signed()).await, Some(Reason::ManifestRejected));
    fetch_and_verify(&world, &asker, &table, &[4]).await;
    // A manifest that no log has.
    let changes = table.tick(8);
    assert_eq!(put_changes(&court, changes).await, None);
    let mut forged = world.log_manifest(&table.signed());
    forged.record = forged.record.iter().rev().copied().collect::<Vec<u8>>().into();
    let (checkpoint, _) = world.log.prove(&[]);
    let request = tacit_wire::custodian::ActivateRequest { record: Some(forged), checkpoint };
    let refusal = court.mirror().activate(request).await.unwrap().into_inner().refusal;
    assert_eq!(crate::support::table::reason(refusal), Some(Reason::PermitNotLogged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overflow_is_a_larger_table_of_the_next_version() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let table = Table::new(LIST, 100, 3, 128);
    table.publish(&world, &court).await;
    let mut same = Table::new(LIST, 100, 3, 128);
    same.manifest.version = 2;
    assert_eq!(put_table(&court, same.parts(8)).await, Some(Reason::ManifestRejected));
    let mut grown = Table::new(LIST, 100, 3, 192);
    grown.manifest.version = 2;
    grown.publish(&world, &court).await;
    fetch_and_verify(&world, &asker, &grown, &[1, 6]).await;
    grown.publish_tick(&world, &court).await;
    fetch_and_verify(&world, &asker, &grown, &[1, 6]).await;
    assert_eq!(put_table(&court, table.parts(8)).await, Some(Reason::VersionOld));
    assert_eq!(grown.manifest.layout, Layout::new(3, 192).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_epoch_before_is_served_through_the_overlap_and_then_forgotten() {
    let mut world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut old = Table::new(LIST, 100, 3, 128);
    old.publish(&world, &court).await;
    let new = Table::new(LIST, 101, 3, 128);
    new.publish(&world, &court).await;
    old.publish_tick(&world, &court).await;
    fetch_and_verify(&world, &asker, &old, &[2]).await;
    fetch_and_verify(&world, &asker, &new, &[2]).await;
    world.clock.advance_ms(139_000);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    fetch_and_verify(&world, &asker, &old, &[3]).await;
    world.clock.advance_ms(2_000);
    eventually("the old epoch is over", async || status(&court, LIST).await == [(101, 1, 0)]).await;
    let permit = world.permit(&asker, &[(LIST, 100, 2)]);
    assert_eq!(fetch(&world, &asker, &[permit], &[(LIST, 100, &[0])]).await.err(), Some(Reason::EpochOver));
    assert_eq!(put_table(&court, old.parts(8)).await, Some(Reason::EpochOver));
    world.restart().await;
    let court = world.node("court");
    assert_eq!(status(&court, LIST).await, [(101, 1, 0)]);
    // A third epoch, and the first is gone for good.
    world.clock.advance_ms(200_000);
    Table::new(LIST, 102, 3, 128).publish(&world, &court).await;
    assert_eq!(status(&court, LIST).await, [(101, 1, 0), (102, 1, 0)]);
    eventually("the bytes of the first are removed", async || world.count(BUCKETS).await == 16).await;
}
