//! Searching the files of every party for what must not be there.
//!
//! A text is looked for as it is, in small letters, in UTF-16, in hexadecimal, in base64 at every alignment, and as its
//! SHA-256 and BLAKE3 digest; bytes as they are, in hexadecimal and in base64.
//!
//! The search runs in a process of its own: closing a database file in the process that serves from it would drop
//! SQLite's locks (POSIX, fcntl: any close of a file releases all of the process's locks on it).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use crate::exit::{Exit, Failure};

/// Bytes read at one time.
const PIECE: usize = 4 << 20;

/// What is looked for, in all its forms. Stays in memory and in a pipe.
#[derive(Serialize, Deserialize)]
pub(super) struct Needle(Vec<Vec<u8>>);

impl Needle {
    /// A text.
    pub(super) fn text(text: &str) -> Self {
        let mut forms = in_writing(text.as_bytes());
        forms.push(text.to_lowercase().into_bytes());
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        let sha256 = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        forms.extend(in_writing(sha256.as_ref()));
        forms.extend(in_writing(blake3::hash(text.as_bytes()).as_bytes()));
        Self(forms)
    }

    /// Bytes.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self(in_writing(bytes))
    }
}

/// Bytes as they are, in hexadecimal, in base64.
fn in_writing(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms =
        vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        let text = BASE64.encode(&padded).into_bytes();
        // Only the characters that the neighbors cannot change.
        let (first, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        forms.push(text[first..end].to_vec());
    }
    forms
}

/// What is to be searched.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    /// Files of each party.
    pub(super) files: BTreeMap<String, Vec<PathBuf>>,
    /// What is looked for, by name.
    pub(super) needles: BTreeMap<String, Needle>,
}

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    /// Parties in whose files each thing was found.
    pub(super) found: BTreeMap<String, Vec<String>>,
    /// Bytes that were searched.
    pub(super) bytes: u64,
}

impl Found {
    /// Whether `needle` was found with `party`.
    pub(super) fn has(&self, needle: &str, party: &str) -> bool {
        self.found.get(needle).is_some_and(|parties| parties.iter().any(|it| it == party))
    }
}

/// Files of a party in the federation's folder: its database with everything beside it.
pub(super) fn files_of(folder: &Path, party: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join("data"))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_its =
            name.to_str().and_then(|name| name.strip_prefix(party)).is_some_and(|rest| rest.starts_with('.'));
        if is_its && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Searches in another process of this program.
pub(super) async fn elsewhere(job: &Job) -> Result<Found, Failure> {
    let failed = |why: String| Failure::trouble("the files could not be searched").why(why);
    let job = serde_json::to_vec(job).map_err(Failure::internal)?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["demo", "--search"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&job).await?;
    }
    let done = child.wait_with_output().await?;
    if !done.status.success() {
        return Err(failed(done.status.to_string()));
    }
    serde_json::from_slice(&done.stdout).map_err(|error| failed(error.to_string()))
}

/// The other process: a job on standard input, what was found on standard output.
pub(super) fn serve() -> Result<Exit, Failure> {
    let job: Job = serde_json::from_reader(io::stdin().lock()).map_err(Failure::internal)?;
    let found = search(&job)?;
    let text = serde_json::to_vec(&found).map_err(Failure::internal)?;
    io::stdout().lock().write_all(&text)?;
    Ok(Exit::Done)
}

fn search(job: &Job) -> io::Result<Found> {
    let finders: Vec<(&str, Finder<'_>)> = job
        .needles
        .iter()
        .flat_map(|(name, needle)| needle.0.iter().map(|form| (name.as_str(), Finder::new(form))))
        .collect();
    let longest = finders.iter().map(|(_, finder)| finder.needle().len()).max().unwrap_or(1);
    let mut all = Found::default();
    for (party, files) in &job.files {
        let mut missing: Vec<&(&str, Finder<'_>)> = finders.iter().collect();
        for file in files {
            all.bytes += each_piece(file, longest, |piece| {
                let mut found = Vec::new();
                missing.retain(|(name, finder)| {
                    let here = finder.find(piece).is_some();
                    if here {
                        found.push(*name);
                    }
                    !here
                });
                missing.retain(|(name, _)| !found.contains(name));
                for name in found {
                    let parties = all.found.entry(name.to_owned()).or_default();
                    if !parties.contains(party) {
                        parties.push(party.clone());
                    }
                }
            })?;
        }
    }
    Ok(all)
}

/// Reads a file in pieces that overlap by less than `longest` bytes. A file that is gone by now has nothing in it.
fn each_piece(path: &Path, longest: usize, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let overlap = longest.saturating_sub(1);
    let mut buffer = Vec::with_capacity(PIECE + overlap);
    let mut total = 0;
    loop {
        let kept = buffer.len().min(overlap);
        buffer.drain(..buffer.len() - kept);
        let read = Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut buffer)?;
        if read == 0 {
            return Ok(total);
        }
        total += read as u64;
        each(&buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(content: &[u8], needle: Needle) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let job = Job {
            files: BTreeMap::from([("party".to_owned(), vec![path, folder.path().join("gone")])]),
            needles: BTreeMap::from([("it".to_owned(), needle)]),
        };
        let found = search(&job).unwrap();
        assert_eq!(found.bytes, content.len() as u64);
        found.has("it", "party")
    }

    #[test]
    fn a_text_is_found_in_every_form_it_could_be_kept_in() {
        const CODE: &str = "91350211M000100Y43";
        let utf16: Vec<u8> = CODE.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let digest = blake3::hash(CODE.as_bytes());
        for form in [
            CODE.as_bytes().to_vec(),
            CODE.to_lowercase().into_bytes(),
            utf16,
            hex::encode(CODE).into_bytes(),
            BASE64.encode(CODE).into_bytes(),
            BASE64.encode(format!("x{CODE}y")).into_bytes(),
            BASE64.encode(format!("xy{CODE}")).into_bytes(),
            digest.as_bytes().to_vec(),
            hex::encode(digest.as_bytes()).into_bytes(),
        ] {
            let mut content = vec![7; 1000];
            content.extend_from_slice(&form);
            content.extend([9; 1000]);
            assert!(found_in(&content, Needle::text(CODE)), "{}", String::from_utf8_lossy(&form));
        }
        assert!(!found_in(b"91350211M000100Y44 and nothing else", Needle::text(CODE)));
        assert!(!found_in(b"", Needle::text(CODE)));
    }

    #[test]
    fn what_lies_across_two_pieces_is_found() {
        let mut content = vec![0; PIECE - 3];
        content.extend_from_slice(b"straddling");
        content.extend(vec![0; 100]);
        assert!(found_in(&content, Needle::bytes(b"straddling")));
    }
}
