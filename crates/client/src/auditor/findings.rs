//! What was found, with what became of it: one file of the auditor's own, a finding a line. The command line and the desk
//! write it under a lock, each change whole or not at all, so that neither loses what the other wrote.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tacit_identity::{FileError, read_private, write_private};
use tacit_model::entropy::os_rng;
use tacit_model::{Millis, Reason, new_ulid};

use super::found::{Found, What};

/// How far a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// Nobody has said anything to it.
    Open,
    /// Its requester has explained it.
    Answered,
    /// It is settled.
    Closed,
}

impl FindingStatus {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Open, Self::Answered, Self::Closed];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Closed => "closed",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What was found. It names no code, no case and no officer: those stay with whoever opened them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// ULID.
    pub id: String,
    /// When it was found.
    pub found: String,
    /// One word: alias, case, overdue, honey, signal, coverage, log.
    pub kind: String,
    /// Whom it is about.
    pub member: String,
    /// ULID or index of the record that shows it, or the range that was counted; empty without one.
    pub record: String,
    /// In words.
    pub text: String,
    /// What exactly; none in files from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<What>,
    /// How far it is.
    pub status: FindingStatus,
    /// What was said to it, each with its time.
    #[serde(default)]
    pub said: Vec<(String, FindingStatus, String)>,
}

/// Findings cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of it.
    #[error("{}, line {line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// What keeps two writers apart.
    #[error("{} cannot be locked: {source}", path.display())]
    Lock {
        /// The file of the lock.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No finding has this id.
    #[error("there is no such finding")]
    Unknown,
}

impl FindingsError {
    /// The stable code that interfaces carry.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unknown => Reason::NotFound,
            _ => Reason::Internal,
        }
    }
}

/// The findings of an auditor. Everything here blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    path: PathBuf,
}

impl Findings {
    /// Those of the auditor that keeps its checkpoint here: `<checkpoint>.findings.jsonl`.
    #[must_use]
    pub fn beside(checkpoint: &Path) -> Self {
        Self { path: with_end(checkpoint, ".findings.jsonl") }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// [`FindingsError::File`], [`FindingsError::Line`].
    pub fn all(&self) -> Result<Vec<Finding>, FindingsError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let bytes = read_private(&self.path)?;
        let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let read = |(place, line): (usize, &[u8])| {
            serde_json::from_slice(line).map_err(|source| self.line(place + 1, source))
        };
        lines.map(read).collect()
    }

    /// Keeps findings, each once: the same kind about the same member and record is the same finding. How many are new.
    ///
    /// # Errors
    /// [`FindingsError`]; then none is kept.
    pub fn keep(&self, now: Millis, found: &[Found]) -> Result<usize, FindingsError> {
        if found.is_empty() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        let mut all = self.all()?;
        let before = all.len();
        for it in found {
            let kind = it.what.kind();
            let known =
                |old: &Finding| old.kind == kind && old.member == it.member && old.record == it.record;
            if all.iter().any(known) {
                continue;
            }
            all.push(Finding {
                id: new_ulid(now, &mut os_rng()).to_string(),
                found: now.to_rfc3339(),
                kind: kind.to_owned(),
                member: it.member.clone(),
                record: it.record.clone(),
                text: it.text.clone(),
                what: Some(it.what),
                status: FindingStatus::Open,
                said: Vec::new(),
            });
        }
        let new = all.len() - before;
        if new > 0 {
            self.write(&all)?;
        }
        Ok(new)
    }

    /// Says what became of a finding.
    ///
    /// # Errors
    /// [`FindingsError::Unknown`]; the file.
    pub fn set(
        &self,
        now: Millis,
        id: &str,
        status: FindingStatus,
        note: &str,
    ) -> Result<Finding, FindingsError> {
        let _lock = self.lock()?;
        let mut all = self.all()?;
        let finding = all.iter_mut().find(|it| it.id == id).ok_or(FindingsError::Unknown)?;
        finding.status = status;
        finding.said.push((now.to_rfc3339(), status, note.to_owned()));
        let changed = finding.clone();
        self.write(&all)?;
        Ok(changed)
    }

    fn write(&self, all: &[Finding]) -> Result<(), FindingsError> {
        let mut bytes = Vec::new();
        for (place, finding) in all.iter().enumerate() {
            serde_json::to_writer(&mut bytes, finding).map_err(|source| self.line(place + 1, source))?;
            bytes.push(b'\n');
        }
        Ok(write_private(&self.path, &bytes)?)
    }

    /// Held until it is dropped. A file of its own: that of the findings is replaced by every change.
    fn lock(&self) -> Result<File, FindingsError> {
        let path = with_end(&self.path, ".lock");
        let locked = || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|source| FindingsError::Lock { path: path.clone(), source })
    }

    fn line(&self, line: usize, source: serde_json::Error) -> FindingsError {
        FindingsError::Line { path: self.path.clone(), line, source }
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_300_143_223);

    fn alias(record: &str) -> Found {
        Found::new(What::OtherSubject, "procurement", record)
    }

    #[test]
    fn a_finding_is_kept_once_and_goes_its_way_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let findings = Findings::beside(&folder.path().join("a.checkpoint"));
        assert!(findings.path().ends_with("a.checkpoint.findings.jsonl"));
        assert_eq!(findings.all().unwrap(), []);
        assert_eq!(findings.keep(NOW, &[alias("R1")]).unwrap(), 1);
        assert_eq!(findings.keep(NOW, &[alias("R1"), alias("R2"), alias("R2")]).unwrap(), 1);
        let id = findings.all().unwrap()[0].id.clone();
        findings.set(NOW, &id, FindingStatus::Answered, "explained").unwrap();
        let changed = findings.set(NOW, &id, FindingStatus::Closed, "").unwrap();
        assert!(matches!(
            findings.set(NOW, "nothing", FindingStatus::Closed, ""),
            Err(FindingsError::Unknown)
        ));
        let all = findings.all().unwrap();
        assert_eq!((all.len(), &all[0]), (2, &changed));
        assert_eq!((all[0].status, all[0].said.len()), (FindingStatus::Closed, 2));
        assert_eq!((all[1].status, all[1].what), (FindingStatus::Open, Some(What::OtherSubject)));
    }

    #[test]
    fn two_who_write_at_once_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let findings = Findings::beside(&folder.path().join("a.checkpoint"));
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let findings = findings.clone();
                scope.spawn(move || {
                    for record in 0..25 {
                        findings.keep(NOW, &[alias(&format!("{writer}-{record}"))]).unwrap();
                    }
                });
            }
        });
        assert_eq!(findings.all().unwrap().len(), 100);
    }

    #[test]
    fn a_file_from_before_is_read_and_a_line_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let findings = Findings::beside(&folder.path().join("a.checkpoint"));
        let old = "{\"id\":\"01KAM2V7Q3ZJ6V6T1V8M3W9R5C\",\"found\":\"2026-11-21T02:32:09.481Z\",\"kind\":\"case\",\
            \"member\":\"tax\",\"record\":\"R\",\"text\":\"t\",\"status\":\"open\",\"said\":[]}\n";
        write_private(findings.path(), old.as_bytes()).unwrap();
        assert_eq!(findings.keep(NOW, &[alias("R1")]).unwrap(), 1);
        let all = findings.all().unwrap();
        assert_eq!((all.len(), all[0].what), (2, None));
        write_private(findings.path(), format!("{old}{{}}\n").as_bytes()).unwrap();
        assert!(matches!(findings.all(), Err(FindingsError::Line { line: 2, .. })));
        // Nothing of a file that cannot be read is written over.
        assert!(findings.keep(NOW, &[alias("R2")]).is_err());
        assert!(std::fs::read_to_string(findings.path()).unwrap().ends_with("{}\n"));
    }

    #[test]
    fn every_finding_is_written_and_read_under_its_word() {
        for what in What::each(3, 4) {
            let value = serde_json::to_value(what).unwrap();
            assert_eq!(value["code"], what.code());
            assert_eq!(serde_json::from_value::<What>(value).unwrap(), what);
            assert!(!what.text("tax").is_empty());
        }
    }
}
