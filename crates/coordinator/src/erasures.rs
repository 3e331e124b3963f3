//! The journal of erasures: a file beside the database that no backup of the database holds.
//!
//! ```text
//! Erase ─▶ a line here, on disk ─▶ commit: key destroyed, record in the log
//! start ─▶ lines whose record the log does not have ─▶ destroyed again
//!             ─▶ witnesses have seen the log ─▶ logged, under the same record id, before anything else
//! ```
//!
//! A database that is put back from a backup has the keys that were destroyed since. The journal tells which, so they
//! are destroyed again before anything is served. It holds a hash of each pseudonym, no pseudonym; only who has the
//! database can tell which is meant.
//!
//! Text: `tacit-erasures/v1`, then a line per erasure: `<record id> <authority> <ground> <hex, 64 digits>`. A last line
//! without its line feed was never acknowledged and is no line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rand_core::CryptoRng;
use tacit_ledger::record::{ERASURE_GROUNDS, Record};
use tacit_model::{MemberId, Ulid, parse_ulid};
use tacit_store::{Conn, Db, StoreError};
use tokio::sync::OnceCell;

use crate::{
    append::{Again, EraseJob, Write},
    store::{chains, subjects::Number},
    writer::Writer,
};

/// First line of the journal, without its line feed.
const HEADER: &str = "tacit-erasures/v1";

/// Why there is no journal to work with.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not a journal of erasures, or was changed by another hand.
    #[error("{}: line {line} is not of a journal of erasures", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
}

/// An erasure that was asked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Id of its record. Its time is when it was asked for.
    pub(crate) id: Ulid,
    /// Authority that asked.
    pub(crate) authority: MemberId,
    /// Why, one of the ledger's grounds.
    pub(crate) ground: String,
    /// [`hash`] of the pseudonym.
    pub(crate) pseudonym: [u8; 32],
}

/// The open journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

/// What the journal knows a pseudonym by.
pub(crate) fn hash(pseudonym: &[u8; 32]) -> [u8; 32] {
    tacit_blind::encoding::b3("tacit v1 erasure journal", &[pseudonym])
}

impl Journal {
    /// Opens the journal, or begins one; tells what is in it. Blocking.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        let trouble = |source| JournalError::File { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(trouble)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(trouble)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let entries =
            parse(&bytes[..whole]).map_err(|line| JournalError::Malformed { path: path.to_owned(), line })?;
        // A line that was cut off by a crash must not become the beginning of the next one.
        file.set_len(whole as u64).map_err(trouble)?;
        file.seek(SeekFrom::End(0)).map_err(trouble)?;
        if whole == 0 {
            file.write_all(format!("{HEADER}\n").as_bytes()).map_err(trouble)?;
            file.sync_all().map_err(trouble)?;
            // The name of a new file is on disk when its folder is.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all()).map_err(trouble)?;
        }
        Ok((Self { path: path.to_owned(), file: Arc::new(Mutex::new(file)) }, entries))
    }

    /// Adds an erasure; it is on disk afterwards.
    pub(crate) async fn add(&self, entry: &Entry) -> Result<(), JournalError> {
        let line = to_line(entry);
        let file = self.file.clone();
        // The task ends early only when the process does.
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let end = file.stream_position()?;
            let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
            if written.is_err() {
                // Half a line would spoil the next one.
                file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)))?;
            }
            written
        });
        let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|source| JournalError::File { path: self.path.clone(), source })
    }
}

fn to_line(entry: &Entry) -> String {
    use std::fmt::Write as _;
    let mut line = format!("{} {} {} ", entry.id, entry.authority, entry.ground);
    for byte in entry.pseudonym {
        // Writing to a String cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

/// The entries of a journal, or the number of the line that is none.
fn parse(bytes: &[u8]) -> Result<Vec<Entry>, usize> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| 1_usize)?;
    let mut lines = text.lines().zip(1..);
    if lines.next().is_none_or(|(line, _)| line != HEADER) {
        return Err(1);
    }
    lines.map(|(line, number)| from_line(line).ok_or(number)).collect()
}

fn from_line(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let id = parse_ulid(words.next()?)?;
    let authority = words.next()?.parse().ok()?;
    let ground = words.next().filter(|ground| ERASURE_GROUNDS.contains(ground))?.to_owned();
    let hex = words.next().filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut pseudonym = [0; 32];
    for (place, byte) in pseudonym.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    words.next().is_none().then_some(Entry { id, authority, ground, pseudonym })
}

/// Erasures that the database lost, done again, but not logged yet: a log that was put back from a backup must not
/// grow before its witnesses have seen it.
#[derive(Default)]
pub(crate) struct Due {
    jobs: Vec<EraseJob>,
    logged: OnceCell<()>,
}

impl Due {
    /// Logs them, once. Nothing else is appended before that.
    pub(crate) async fn log(&self, writer: &Writer) -> Result<(), StoreError> {
        let log = || async {
            for job in &self.jobs {
                writer.log(Write::Erase(Box::new(job.clone()))).await?;
            }
            Ok(())
        };
        self.logged.get_or_try_init(log).await.copied()
    }
}

/// Destroys again what the database got back: it is from a backup, or a crash came between the journal and the
/// commit. Before anything is served.
pub(crate) async fn destroy_again(
    db: &Db,
    mut entries: Vec<Entry>,
    rng: &mut impl CryptoRng,
) -> Result<Due, StoreError> {
    let mut lease = db.write().await?;
    let ids: Vec<Ulid> = entries.iter().map(|entry| entry.id).collect();
    let logged = chains::logged(&mut lease, &ids).await?;
    entries.retain(|entry| !logged.contains(&entry.id));
    if entries.is_empty() {
        return Ok(Due::default());
    }
    let mut jobs: Vec<EraseJob> = Vec::new();
    let mut after = Number(i64::MIN);
    loop {
        let page = chains::pseudonyms_after(&mut lease, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, pseudonym) in page {
            let name = hash(&pseudonym);
            let due: Vec<&Entry> = entries.iter().filter(|entry| entry.pseudonym == name).collect();
            // One record is enough: the newest that reaches back to what is there.
            let Some(entry) = due.iter().max_by_key(|entry| entry.id) else { continue };
            let mut conn = tacit_store::begin(&mut lease).await?;
            let openings = destroy(&mut conn, &pseudonym, entry.id, rng).await?;
            conn.commit().await?;
            if let Some(openings) = openings {
                let Entry { id, authority, ground, .. } = (*entry).clone();
                jobs.push(EraseJob { pseudonym, authority, ground, again: Some(Again { id, openings }) });
            }
        }
    }
    drop(lease);
    if !jobs.is_empty() {
        tracing::warn!(count = jobs.len(), "the database had lost erasures: they were done again");
        chains::wipe_traces(db).await?;
    }
    Ok(Due { jobs, logged: OnceCell::new() })
}

/// Destroys what opens a pseudonym's records from before an erasure; how many openings, none when there is no such
/// record.
async fn destroy(
    conn: &mut Conn,
    pseudonym: &[u8; 32],
    id: Ulid,
    rng: &mut impl CryptoRng,
) -> Result<Option<u64>, StoreError> {
    let Some((subject, chain)) = chains::head(conn, pseudonym).await? else { return Ok(None) };
    let walked = chains::walk(conn, subject, &chain).await?;
    // Nothing opens when it was destroyed at an earlier start, which ended before it was logged.
    let oldest = match walked.iter().rev().find(|walked| !walked.erasure) {
        Some(walked) => Some(walked.index),
        None if walked.is_empty() => chain.last_index,
        None => None,
    };
    let Some(oldest) = oldest else { return Ok(None) };
    let record = Record::parse(&chains::record(conn, oldest).await?)
        .map_err(|_| StoreError::corrupt("log_entry", "record", oldest, "is not a record"))?;
    // What came after the erasure that the journal names is not meant.
    if record.time_ms() > id.timestamp_ms() {
        return Ok(None);
    }
    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    chains::erase(conn, subject, &walked, &key).await?;
    Ok(Some(if walked.is_empty() { chain.sequence } else { walked.len() as u64 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Entry {
        Entry {
            id: Ulid::from_parts(n, 7),
            authority: "portal".parse().unwrap(),
            ground: "objection".to_owned(),
            pseudonym: hash(&[3; 32]),
        }
    }

    #[tokio::test]
    async fn a_journal_gives_back_what_was_added_and_drops_a_line_that_was_cut_off() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        let (journal, before) = Journal::open(&path).unwrap();
        assert!(before.is_empty());
        journal.add(&entry(1)).await.unwrap();
        journal.add(&entry(2)).await.unwrap();
        drop(journal);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("tacit-erasures/v1\n") && !text.contains("0303"), "{text}");
        for cut in 1..60 {
            std::fs::write(&path, &text[..text.len() - cut]).unwrap();
            let (journal, entries) = Journal::open(&path).unwrap();
            assert!(entries == [entry(1)], "{cut} bytes cut off");
            journal.add(&entry(3)).await.unwrap();
            let (_, entries) = Journal::open(&path).unwrap();
            assert!(entries == [entry(1), entry(3)], "{cut} bytes cut off");
        }
    }

    #[test]
    fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        let good = to_line(&entry(1));
        for (text, at) in [
            ("something else\n".to_owned(), 1),
            (format!("{HEADER}\n{good}because\n"), 3),
            (format!("{HEADER}\n{}", good.replace("objection", "because")), 2),
            (format!("{HEADER}\n{}", good.replace("portal", "Portal")), 2),
            (format!("{HEADER}\n{} \n", good.trim_end()), 2),
        ] {
            std::fs::write(&path, &text).unwrap();
            let error = Journal::open(&path).err().unwrap();
            assert!(matches!(error, JournalError::Malformed { line, .. } if line == at), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
