//! A member whose clock is off answers no permit.

use tacit_model::{Clock as _, Millis, Reason};
use tacit_witness::Witness;

use crate::support::*;

const HOUR: u64 = 3_600_000;
const JUMPS: [u64; 2] = [HOUR, 48 * HOUR];

async fn present(world: &World, witness: &Witness, history: &History, index: u64) -> Result<u64, Reason> {
    let size = history.size();
    let permits = [history.logged(index, size)];
    let checked = witness.check_permits(history.checkpoint(size).note(), &permits, &world.peer).await?;
    checked.into_iter().next().unwrap().map(|permit| permit.index())
}

/// The clock of the member is wrong by so much.
fn wrong(right: Millis, forward: bool, ms: u64) -> Millis {
    if forward { right.plus_ms(ms) } else { right.minus_ms(ms) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_clock_jumps_answers_nothing_until_it_is_right_again() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(20);
    world.bring(&witness, &history, 0, 20).await;
    let right = world.clock.now();
    for ms in JUMPS {
        for forward in [true, false] {
            assert_eq!(present(&world, &witness, &history, 0).await, Ok(0));
            world.clock.jump_to(wrong(right, forward, ms));
            assert_eq!(present(&world, &witness, &history, 0).await, Err(Reason::ClockOff));
            assert_eq!(witness.right_time(), None);
            // What others cosigned since changes nothing in that.
            world.script.send_cosigned(history.cosigned(20, right)).await;
            assert_eq!(present(&world, &witness, &history, 0).await, Err(Reason::ClockOff));
            world.clock.jump_to(right);
        }
    }
    assert_eq!(present(&world, &witness, &history, 0).await, Ok(0));
    // Another's clock alone is a matter of that one.
    world.clock.jump_to(right.plus_ms(20_000));
    assert_eq!(present(&world, &witness, &history, 0).await, Ok(0), "clocks may differ a little");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_started_with_a_wrong_clock_answers_nothing_until_it_is_right() {
    for ms in JUMPS {
        for forward in [true, false] {
            let world = World::new().await;
            let witness = world.witness().await;
            let history = world.permits(20);
            world.bring(&witness, &history, 0, 20).await;
            let right = world.clock.now();
            drop(witness);
            world.clock.jump_to(wrong(right, forward, ms));
            let witness = world.witness().await;
            world.script.wait_opened(2).await;
            world.script.send(history.message(20, 20)).await;
            world.script.send_cosigned(history.cosigned(20, right)).await;
            let mut refused = Ok(0);
            for _ in 0..200 {
                refused = present(&world, &witness, &history, 0).await;
                if refused == Err(Reason::ClockOff) {
                    break;
                }
                assert_eq!(refused, Err(Reason::QuorumStale), "forward {forward}, {ms} ms");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!(refused, Err(Reason::ClockOff), "forward {forward}, {ms} ms");
            world.clock.jump_to(right);
            assert_eq!(present(&world, &witness, &history, 0).await, Ok(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_over_by_the_time_that_others_have_reached() {
    // Permit n was made n seconds after the start and lives for sixty.
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(40);
    world.bring(&witness, &history, 0, 40).await;
    world.clock.advance_ms(70_000);
    // Set back by less than what makes it off: what is over stays over, also for who has accepted nothing yet.
    world.clock.jump_to(start_time().plus_ms(20_000));
    for index in [0, 5, 10] {
        assert_eq!(present(&world, &witness, &history, index).await, Err(Reason::PermitExpired));
    }
    assert_eq!(present(&world, &witness, &history, 11).await, Ok(11));
}
