//! Follows the log: every few seconds, from where it stopped.

use std::{io, path::Path, sync::Arc, time::Duration};

use tacit_client::{ClientError, Entry, Found, LogFinding};
use tacit_desk::http::stopped;
use tacit_identity::write_public;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, note::NoteVerifier};
use tacit_model::{Clock, Millis};
use tokio::sync::watch;

use super::{Head, LogCopy};
use crate::auditor::ends::{End, Ends};

/// How often the log is looked at.
const EVERY: Duration = Duration::from_secs(3);
/// Records that are taken up at a time.
const AT_ONCE: usize = 1024;

/// Why a look gave nothing new.
enum Stop {
    /// It may go better next time.
    Trouble(String),
    /// The log cannot be what it says it is.
    Fails(String),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            // What was signed before is no part of what is signed now, or two histories are signed.
            ClientError::Log(_) | ClientError::Inconsistent(_) => Self::Fails(error.to_string()),
            _ => Self::Trouble(error.to_string()),
        }
    }
}

/// Follows the log until it is told to stop, or the log fails.
pub(in crate::auditor) async fn follow(
    copy: LogCopy,
    ends: Ends,
    clock: Arc<dyn Clock>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let looked = tokio::select! {
            looked = look(&copy, &ends, &*clock) => looked,
            () = stopped(&mut stopping) => return,
        };
        let now = clock.now();
        if told(&copy, looked, now) {
            keep(&copy, now).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

/// Writes down what came of a look. True: it was the last one.
fn told(copy: &LogCopy, looked: Result<(), Stop>, at: Millis) -> bool {
    let mut now = copy.change();
    now.look.at = Some(at);
    now.look.trouble = None;
    match looked {
        Ok(()) => false,
        Err(Stop::Trouble(why)) => {
            tracing::warn!(why, "the log is not followed");
            now.look.trouble = Some(why);
            false
        }
        Err(Stop::Fails(why)) => {
            tracing::error!(why, "ALARM: the log fails verification");
            now.fails = Some(why);
            true
        }
    }
}

/// That the log fails is a finding like others.
async fn keep(copy: &LogCopy, at: Millis) {
    let Some(end) = copy.end() else { return };
    let found = {
        let now = copy.now();
        let why = now.fails.as_deref().unwrap_or_default();
        Found::log_fails(end.auditor.registry().coordinator().as_str(), now.size(), why)
    };
    let kept = tokio::task::spawn_blocking(move || end.findings().keep(at, &[found])).await;
    let why = match kept {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(%why, "the failure of the log is not among the findings");
}

/// One look: up to the newest checkpoint that a quorum stands behind.
async fn look(copy: &LogCopy, ends: &Ends, clock: &dyn Clock) -> Result<(), Stop> {
    let end = match copy.end() {
        Some(end) if !is_old(copy, &end) => end,
        _ => {
            let end = Arc::new(ends.make().await.map_err(Stop::Trouble)?);
            copy.set_end(Arc::clone(&end));
            end
        }
    };
    let witnesses = end.auditor.registry().witnesses();
    let witnesses = witnesses.map_err(|error| Stop::Trouble(error.to_string()))?;
    let before = copy.now().head.as_ref().map(|head| head.checkpoint.clone());
    let newest = match &before {
        Some(before) => end.log.extends(before).await?,
        None => end.log.checkpoint().await?,
    };
    copy.change().look.newest = newest.size();
    let cosigned = end.log.cosigned(&witnesses, clock.now().0 / 1000).await?;
    let size = cosigned.checkpoint().size();
    if before.as_ref().is_some_and(|before| before.size() > size) {
        return Ok(());
    }
    read(copy, &end, size).await?;
    let kept = kept(&end.checkpoint, &end.log_key)?;
    let root = |size| copy.now().tree.root(size).map_err(|error| Stop::Fails(error.to_string()));
    if root(size)? != *cosigned.checkpoint().root() {
        return Err(Stop::Fails(LogFinding::OtherRoot { size }.to_string()));
    }
    if let Some(kept) = &kept
        && kept.size() <= size
        && root(kept.size())? != *kept.root()
    {
        let why = format!("the first {} records are not those that were verified before", kept.size());
        return Err(Stop::Fails(why));
    }
    if kept.is_none_or(|kept| kept.size() < size) {
        let note = cosigned.checkpoint().bare(&end.log_key);
        write_public(&end.checkpoint, note.note()).map_err(|error| Stop::Trouble(error.to_string()))?;
    }
    let head = Head {
        signed: Millis(cosigned.time_s().saturating_mul(1000)),
        witnesses: cosigned.witnesses().to_vec(),
        all: witnesses.iter().map(|it| it.name().to_owned()).collect(),
        quorum: witnesses.quorum(),
        checkpoint: cosigned.checkpoint().clone(),
    };
    let mut now = copy.change();
    now.verified(head);
    now.look.reading = None;
    Ok(())
}

/// Whether the log has a newer registry than the one in use.
fn is_old(copy: &LogCopy, end: &End) -> bool {
    let now = copy.now();
    now.rows().registry() > end.auditor.registry().number()
}

/// Reads on to this size. What was read stays when the connection breaks.
async fn read(copy: &LogCopy, end: &End, size: u64) -> Result<(), Stop> {
    let from = copy.now().read();
    copy.change().look.reading = Some(size);
    let mut waiting: Vec<Entry> = Vec::with_capacity(AT_ONCE);
    let each = |entry: Entry| -> Result<(), Stop> {
        waiting.push(entry);
        if waiting.len() == AT_ONCE { take(copy, &mut waiting) } else { Ok(()) }
    };
    let read = end.log.entries(from, size.saturating_sub(from), each).await;
    take(copy, &mut waiting)?;
    read
}

fn take(copy: &LogCopy, waiting: &mut Vec<Entry>) -> Result<(), Stop> {
    let mut now = copy.change();
    for entry in waiting.drain(..) {
        let malformed = |problem| LogFinding::Malformed { index: entry.index, problem };
        let record = entry.record.map_err(|problem| Stop::Fails(malformed(problem).to_string()))?;
        now.push(&entry.bytes, record.time_ms()).map_err(|error| Stop::Fails(error.to_string()))?;
    }
    Ok(())
}

/// The checkpoint that was verified before this start, by this program or by the command line.
fn kept(path: &Path, key: &NoteVerifier) -> Result<Option<VerifiedCheckpoint>, Stop> {
    match std::fs::read(path) {
        Ok(note) => VerifiedCheckpoint::open(&note, key)
            .map(Some)
            .map_err(|error| Stop::Trouble(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Stop::Trouble(format!("{}: {error}", path.display()))),
    }
}
