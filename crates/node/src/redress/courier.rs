//! The courier of a running node: collects letters, sends those that wait, and looks at what time has ended.

use std::time::Duration;

use tacit_client::{ClientError, LetterDraft, ReceivedLetter, Requester};
use tacit_model::SubjectCode;
use tacit_policy::letter::{Letter, Whom};

use super::{Redress, RedressError, outbox::OnItsWay};
use crate::{config::CourierConfig, store::redress as store};

/// Rounds from one look for letters to the next.
const COLLECT_EVERY: u32 = 3;
/// Rounds from one look at all cases to the next: what time ends, it ends at midnight.
const PASS_EVERY: u32 = 15;
/// Pauses after a round that failed.
const RETRY: u32 = 10;
/// Who writes, in the audit boxes of subjects that a letter enrolls.
const OFFICER: &str = "redress";

/// Carries letters for one node. Made once, run as a task.
#[derive(Debug, Clone)]
pub struct Courier {
    redress: Redress,
    requester: Requester,
    /// From one round to the next.
    every: Duration,
}

/// Why a round was broken off; it is done again.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Redress(#[from] RedressError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Courier {
    /// Carries what `redress` writes and is sent, through `requester`.
    #[must_use]
    pub fn new(redress: Redress, requester: Requester, config: CourierConfig) -> Self {
        Self { redress, requester, every: Duration::from_millis(config.every_ms) }
    }

    /// Works for ever.
    pub async fn run(self) {
        let mut rounds: u32 = 0;
        loop {
            let (collects, passes) =
                (rounds.is_multiple_of(COLLECT_EVERY), rounds.is_multiple_of(PASS_EVERY));
            rounds = rounds.wrapping_add(1);
            let redress = self.redress.under(self.requester.registry());
            let wait = match self.round(&redress, collects, passes).await {
                Ok(()) => self.every,
                Err(error) => {
                    metrics::counter!("tacit_redress_rounds_failed_total").increment(1);
                    tracing::warn!(%error, "letters were not carried; they wait for the next round");
                    self.every * RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn round(&self, redress: &Redress, collects: bool, passes: bool) -> Result<(), RoundError> {
        // One that fails does not keep the others from being done.
        let collected = if collects { self.collect(redress).await } else { Ok(()) };
        redress.tell_removals().await?;
        let sent = self.send(redress).await;
        if passes {
            redress.pass().await?;
        }
        collected.and(sent)
    }

    async fn collect(&self, redress: &Redress) -> Result<(), RoundError> {
        loop {
            let cursor = store::cursor(&mut *redress.db.read().await.map_err(RedressError::from)?).await;
            let page = self.requester.letters_from(cursor.map_err(RedressError::from)?).await?;
            if page.letters.is_empty() {
                return Ok(());
            }
            for letter in &page.letters {
                let own = self.is_own(redress, letter).await?;
                redress.take(letter, own).await?;
            }
            let mut conn = redress.db.write().await.map_err(RedressError::from)?;
            store::set_cursor(&mut conn, page.next).await.map_err(RedressError::from)?;
        }
    }

    /// Whether a letter is addressed by the own pseudonym of the subject that it names. A subject that was never written
    /// to is enrolled for that: the answer needs it too.
    async fn is_own(&self, redress: &Redress, letter: &ReceivedLetter) -> Result<bool, RoundError> {
        let read = letter.opened.as_ref().ok().and_then(|it| Letter::parse(it.content()).ok());
        let Some(read) = read else { return Ok(false) };
        let Some(code) = code(redress, &read.subject) else { return Ok(false) };
        let pseudonym = &letter.letter.pseudonym;
        if self.requester.is_own_pseudonym(&code, pseudonym).await? {
            return Ok(true);
        }
        let case = read.thread.to_string();
        Ok(self.requester.own_pseudonym(&case, OFFICER, &code).await? == *pseudonym)
    }

    async fn send(&self, redress: &Redress) -> Result<(), RoundError> {
        let mut outcome = Ok(());
        for letter in redress.on_their_way().await? {
            // A subject or quota that refuses one letter does not keep back the others.
            if let Err(error) = self.send_one(redress, letter).await {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn send_one(&self, redress: &Redress, on_its_way: OnItsWay) -> Result<(), RoundError> {
        let OnItsWay { key, letter, content, sealed } = on_its_way;
        let sealed = match sealed {
            Some(sealed) => sealed,
            None => {
                let code = code(redress, &letter.subject).ok_or(RedressError::Row)?;
                let (case, officer) = (letter.thread.to_string(), OFFICER.to_owned());
                let draft = LetterDraft { content, case, officer };
                let sealed = self.requester.seal_letter(&draft, &code).await?;
                redress.sealed(&key, &sealed).await?;
                sealed
            }
        };
        let sent = self.requester.post_letter(&sealed).await?;
        Ok(redress.logged(&key, &sent).await?)
    }
}

fn code(redress: &Redress, subject: &Whom) -> Option<SubjectCode> {
    redress.registry.schemes().parse_exact(&subject.scheme, &subject.code).ok()
}
