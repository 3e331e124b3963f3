//! What the witnesses stand behind, and a log that stands behind its witnesses.

use std::time::Duration;

use tacit_coordinator::{Coordinator, StartError};
use tacit_identity::Role;
use tacit_ledger::{
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    note::NoteSigner,
    quorum::CosignedCheckpoint,
};
use tacit_model::Reason;
use tacit_wire::coordinator::{
    self as pb, log_service_client::LogServiceClient, witness_response::Message as Hear,
};

use crate::support::*;

/// What a quorum stands behind now.
async fn cosigned(world: &World, running: &Running) -> Option<CosignedCheckpoint> {
    let channel = world.channel(running, Role::Auditor, "audit-office").await;
    let response = LogServiceClient::new(channel).get_checkpoint(pb::GetCheckpointRequest {}).await.unwrap();
    let note = response.into_inner().cosigned;
    let now_s = world.now().0 / 1000;
    (!note.is_empty()).then(|| world.registry.witnesses().unwrap().open(&note, &log_key(), now_s).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_is_more_than_half_of_the_holders_and_the_custodian() {
    let world = World::new();
    let running = world.start_with_lists().await;
    assert_eq!(cosigned(&world, &running).await, None);
    world.witness(&running, &["court"]).await;
    // Nobody else's line counts, nor one for what was never asked, nor a false one.
    let channel = world.channel(&running, Role::Node, "tax").await;
    let mut stranger = Stream::open(channel, None).await.unwrap();
    let asked = loop {
        let message = stranger.checkpoint().await;
        if message.cosign {
            break VerifiedCheckpoint::open(&message.checkpoint, &log_key()).unwrap();
        }
    };
    let time_s = world.now().0 / 1000;
    stranger.say(asked.size(), cosign("customs", &asked, time_s));
    stranger.say(asked.size(), cosign("tax", &asked, time_s));
    let channel = world.channel(&running, Role::Node, "customs").await;
    let customs = Stream::open(channel, None).await.unwrap();
    customs.say(asked.size(), cosign("court", &asked, time_s));
    customs.say(1, cosign("customs", &asked, time_s));
    customs.say(asked.size(), "not a line".to_owned());
    assert_eq!(cosigned(&world, &running).await, None);
    world.witness(&running, &["custodian"]).await;
    let found = cosigned(&world, &running).await.unwrap();
    assert_eq!((found.checkpoint().size(), found.time_s()), (4, time_s));
    assert_eq!(found.witnesses(), ["custodian/witness", "court/witness"].map(str::to_owned));
    // Followers hear of it.
    loop {
        if let Hear::Cosigned(heard) = stranger.hear().await.unwrap() {
            let heard = VerifiedCheckpoint::open(&heard.checkpoint, &log_key()).unwrap();
            assert_eq!(heard.checkpoint(), found.checkpoint().checkpoint());
            break;
        }
    }
    // It survives a restart.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    running.stop().await;
    let running = world.try_start().await.unwrap();
    assert_eq!(cosigned(&world, &running).await.unwrap().checkpoint(), found.checkpoint());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_log_is_cosigned_again() {
    let world = World::new();
    let running = world.start_with_lists().await;
    world.witness(&running, &WITNESSES).await;
    let first = cosigned(&world, &running).await.unwrap();
    world.clock.advance_ms(61_000);
    for _ in 0..100 {
        let found = cosigned(&world, &running).await.unwrap();
        assert_eq!(found.checkpoint().checkpoint(), first.checkpoint().checkpoint());
        if found.time_s() == first.time_s() + 61 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was cosigned again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_coordinator_is_sealed() {
    let world = World::new();
    let url = world.url();
    let Some(database) = url.strip_prefix("sqlite:") else {
        eprintln!("SKIPPED: what stands in a file is put back, and PostgreSQL has none");
        return;
    };
    let running = world.start_with_lists().await;
    running.stop().await;
    let backup = world.folder.path().join("backup.db");
    std::fs::copy(database, &backup).unwrap();
    let running = world.start().await;
    for version in [2, 3] {
        world.publish(&running, &manifest(LISTS[0], LIST_EPOCH, version)).await;
    }
    let channel = world.channel(&running, Role::Custodian, "custodian").await;
    let seen = LogServiceClient::new(channel).get_checkpoint(pb::GetCheckpointRequest {}).await.unwrap();
    let seen = VerifiedCheckpoint::open(&seen.into_inner().checkpoint, &log_key()).unwrap();
    assert_eq!(seen.size(), 6);
    running.stop().await;
    // Somebody puts the old copy back.
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", database));
    }
    std::fs::copy(&backup, database).unwrap();
    let running = world.try_start().await.unwrap();
    // One witness that shows what the log itself signed is enough.
    let channel = world.channel(&running, Role::Custodian, "custodian").await;
    let status = Stream::open(channel, Some(&seen)).await.err().unwrap();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogSealed));
    let note = sign_manifest(&manifest(LISTS[0], LIST_EPOCH, 2));
    let channel = world.channel(&running, Role::Node, "court").await;
    let request = pb::PublishManifestRequest { manifest: note.into_bytes().into() };
    let status = LogServiceClient::new(channel).publish_manifest(request).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogSealed));
    // What is there can be read, and nothing was added to it.
    assert_eq!(entries(&world, &running).await.len(), 4);
    running.stop().await;
    // It stays so.
    assert!(matches!(Coordinator::start(world.deps()).await, Err(StartError::Sealed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_beside_the_one_that_was_witnessed_is_sealed_too() {
    let world = World::new();
    let running = world.start_with_lists().await;
    // Signed by the log's own key, of a size that it has.
    let signer = NoteSigner::new("coordinator/log", key("coordinator/log")).unwrap();
    let other = Checkpoint { origin: "coordinator/log".to_owned(), size: 3, root: [7; 32] };
    let other = other.sign(&signer).unwrap();
    let channel = world.channel(&running, Role::Node, "court").await;
    let status = Stream::open(channel, Some(&other)).await.err().unwrap();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogSealed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_nothing_is_appended_before_a_quorum_confirmed_the_log() {
    let world = World::new();
    world.start_with_lists().await.stop().await;
    let running = world.try_start().await.unwrap();
    let second = manifest(LISTS[0], LIST_EPOCH, 2);
    let early = tokio::time::timeout(Duration::from_secs(2), world.publish(&running, &second)).await;
    assert!(early.is_err(), "it waits");
    world.witness(&running, &WITNESSES[1..]).await;
    let outcome = world.publish(&running, &second).await;
    assert!(matches!(outcome, pb::publish_manifest_response::Outcome::Logged(_)), "{outcome:?}");
}
