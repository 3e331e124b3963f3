//! Which checkpoints the witnesses are asked to cosign.

use std::{sync::Arc, time::Duration};

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Millis;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::{ROUNDS, Round, Witnesses};

/// The least time between two marked checkpoints.
const BETWEEN: Duration = Duration::from_millis(100);

/// When nothing was appended for this long, by the clock in milliseconds, the newest checkpoint is cosigned again.
pub(super) const IDLE_MS: u64 = 60_000;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A head of the log on its way to the witnesses.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) checkpoint: VerifiedCheckpoint,
    /// Whether to cosign it.
    pub(crate) cosign: bool,
}

/// What was marked last.
struct Marked {
    size: u64,
    at: Instant,
    clock: Millis,
}

impl Witnesses {
    /// Every head from now on, in order, each once or, when it is to be cosigned again, once more. Who is more than
    /// 1024 behind misses some.
    pub(crate) fn heads(&self) -> broadcast::Receiver<Head> {
        self.heads.subscribe()
    }

    /// Asks the witnesses to cosign the newest checkpoint soon.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Marks checkpoints, until the end.
    pub(crate) async fn mark(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let mut news = self.log.subscribe();
        let mut marked = Marked { size: 0, at: Instant::now(), clock: Millis(0) };
        let (mut wanted, mut sent) = (true, 0);
        loop {
            let newest = self.log.head();
            let is_due = wanted || newest.size() > marked.size;
            // While nobody wants anything only the clock is looked at.
            let until = if is_due { marked.at + BETWEEN } else { Instant::now() + LOOK };
            let (head, cosign) = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                head = news.recv() => match head {
                    Ok(head) => (head, marked.at.elapsed() >= BETWEEN),
                    Err(broadcast::error::RecvError::Lagged(_)) => (self.log.head(), false),
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = self.wanted.notified() => {
                    wanted = true;
                    continue;
                }
                () = tokio::time::sleep_until(until) => {
                    let idle = self.clock.now().0.abs_diff(marked.clock.0) >= IDLE_MS;
                    if !is_due && !idle {
                        continue;
                    }
                    (self.log.head(), true)
                }
            };
            // What was sent before it came as news is no news.
            if head.size() < sent || (head.size() == sent && !cosign) {
                continue;
            }
            sent = head.size();
            // There is nothing to cosign in an empty log.
            let cosign = cosign && sent > 0;
            if cosign || sent == 0 {
                wanted = false;
            }
            if cosign {
                marked = Marked { size: head.size(), at: Instant::now(), clock: self.clock.now() };
                self.begin_round(&head);
            }
            // Nobody following is no error.
            let _ = self.heads.send(Head { checkpoint: head, cosign });
        }
    }

    /// Cosignatures of this checkpoint are collected, anew if there are some.
    fn begin_round(&self, checkpoint: &VerifiedCheckpoint) {
        let round =
            Round { checkpoint: checkpoint.clone(), asked: self.clock.steady(), lines: Default::default() };
        let mut rounds = self.rounds();
        rounds.insert(checkpoint.size(), round);
        while rounds.len() > ROUNDS {
            rounds.pop_first();
        }
    }
}
