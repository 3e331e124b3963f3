//! A coordinator decides nothing by a clock that its witnesses do not confirm.

use std::sync::Arc;

use tacit_blind::enroll::Enrolled;
use tacit_model::{Basis, Clock as _, ManualClock, Millis, Reason};
use tacit_policy::{Consent, ConsentState};
use tacit_wire::coordinator::publish_manifest_response;

use crate::{consents::Portal, support::*};

const HOUR: u64 = 3_600_000;
const JUMPS: [u64; 2] = [HOUR, 48 * HOUR];

/// A coordinator with a clock of its own over the log of the world, and its witnesses.
async fn with_clock(world: &World, clock: &ManualClock, witnesses: &[&'static str]) -> Running {
    let mut deps = world.deps();
    deps.clock = Arc::new(clock.clone());
    let running = world.try_start_with(deps).await.unwrap();
    world.witness(&running, witnesses).await;
    running
}

/// A world with a log.
async fn with_log() -> World {
    let world = World::new();
    world.start_with_lists().await.stop().await;
    world
}

/// Asks, and says why there was no decision.
async fn ask(requester: &mut Requester, of: &Enrolled) -> Result<(), Reason> {
    let check = requester.check(LISTS[0], COURT, of);
    let request = requester.request(&[check]);
    match requester.authorization().authorize(request).await {
        Ok(response) => {
            let words = words(&taken_up(response.into_inner().outcome.unwrap()));
            assert_eq!(words, [Ok(())]);
            Ok(())
        }
        Err(status) => Err(tacit_wire::reason_of(&status).unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_coordinator_whose_clock_jumps_decides_nothing_until_it_is_right_again() {
    let world = with_log().await;
    let clock = ManualClock::new(world.now());
    let running = with_clock(&world, &clock, &WITNESSES[..2]).await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let portal = Portal::new(&world, &running).await;
    let consent = portal.consent(1, &enrolled[0].pseudonym());
    portal.put(&consent).await.unwrap();
    let mut number = 1;
    for ms in JUMPS {
        for forward in [true, false] {
            assert_eq!(ask(&mut requester, &enrolled[0]).await, Ok(()));
            let before = entries(&world, &running).await.len();
            let right = clock.now();
            clock.jump_to(if forward { right.plus_ms(ms) } else { right.minus_ms(ms) });
            assert_eq!(ask(&mut requester, &enrolled[0]).await, Err(Reason::ClockOff));
            assert_eq!(entries(&world, &running).await.len(), before);
            // Time alone cures nothing.
            world.clock.advance_ms(2_000);
            clock.advance_ms(2_000);
            assert_eq!(ask(&mut requester, &enrolled[0]).await, Err(Reason::ClockOff));
            clock.jump_to(world.now());
            number += 1;
            let state = if number % 2 == 0 { ConsentState::Paused } else { ConsentState::Resumed };
            portal.change(1, state, number).await.unwrap();
        }
    }
    let newest = entries(&world, &running).await.last().unwrap().time_ms();
    assert!(newest <= world.now().0, "no record is dated by a clock that was off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_coordinator_started_with_a_wrong_clock_decides_nothing() {
    // Behind by more than five minutes it does not start at all.
    for ms in [60_000, HOUR, 48 * HOUR] {
        let world = with_log().await;
        let clock = ManualClock::new(world.now().plus_ms(ms));
        let running = with_clock(&world, &clock, &WITNESSES[..2]).await;
        let manifest = sign_manifest(&manifest(LISTS[0], LIST_EPOCH, 2));
        let channel = world.channel(&running, tacit_identity::Role::Node, "court").await;
        let mut log = tacit_wire::coordinator::log_service_client::LogServiceClient::new(channel);
        let request =
            tacit_wire::coordinator::PublishManifestRequest { manifest: manifest.into_bytes().into() };
        let refused = log.publish_manifest(request.clone()).await.unwrap_err();
        assert_eq!(tacit_wire::reason_of(&refused), Some(Reason::ClockOff), "{ms}");
        clock.jump_to(world.now());
        let outcome = log.publish_manifest(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(matches!(outcome, publish_manifest_response::Outcome::Logged(_)), "{outcome:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_was_dated_ahead_waits_until_it_is_that_late() {
    let world = World::new();
    let ahead = ManualClock::new(world.now().plus_ms(20_000));
    let mut deps = world.deps();
    deps.clock = Arc::new(ahead);
    let running = world.try_start_with(deps).await.unwrap();
    world.publish(&running, &manifest(LISTS[0], LIST_EPOCH, 1)).await;
    running.stop().await;
    let running = world.start().await;
    let outcome = world.publish(&running, &manifest(LISTS[0], LIST_EPOCH, 2)).await;
    let publish_manifest_response::Outcome::Refusal(refusal) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.reason, Reason::ClockOff.as_str());
    world.clock.advance_ms(5_000);
    let outcome = world.publish(&running, &manifest(LISTS[0], LIST_EPOCH, 2)).await;
    assert!(matches!(outcome, publish_manifest_response::Outcome::Logged(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consent_that_ran_out_does_not_come_back_with_an_earlier_clock() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let portal = Portal::new(&world, &running).await;
    let consent = portal.consent(1, &enrolled[0].pseudonym());
    portal.put(&Consent { expires: now().plus_ms(10_000), ..consent }).await.unwrap();
    let basis = Basis::Consent(ulid(1));
    assert_eq!(requester.ask_by(LISTS[0], basis, &enrolled[0]).await, Ok(()));
    world.clock.set(now().plus_ms(20_000));
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    world.clock.set(Millis(now().0 + 5_000));
    let refused = requester.ask_by(LISTS[0], basis, &enrolled[0]).await;
    assert_eq!(refused, Err(Reason::ConsentRequired.as_str().to_owned()));
}
