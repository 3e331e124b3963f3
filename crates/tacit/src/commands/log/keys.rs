//! Verifier keys from the command line and from files.

use std::path::Path;

use tacit_ledger::{cosignature::CosignatureVerifier, note::NoteVerifier};

use crate::exit::{Exit, Failure};

/// The log's key: the text of a verifier key, or a file with one.
pub(super) fn log_key(given: &str) -> Result<NoteVerifier, Failure> {
    if let Ok(key) = NoteVerifier::parse(given) {
        return Ok(key);
    }
    let path = Path::new(given);
    if !path.is_file() {
        return Err(not_a_key(given, Exit::Usage));
    }
    let text = read_text(path)?;
    NoteVerifier::parse(text.trim_end()).map_err(|_| not_a_key(given, Exit::Usage))
}

/// The key in an exported folder.
pub(super) fn key_in(path: &Path) -> Result<NoteVerifier, Failure> {
    let text = read_text(path)?;
    NoteVerifier::parse(text.trim_end()).map_err(|_| not_a_key(&path.display().to_string(), Exit::Trouble))
}

/// The witnesses' keys in an exported folder, one a line; none when there is no such file.
pub(super) fn witness_keys(path: &Path) -> Result<Vec<CosignatureVerifier>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read_text(path)?;
    let parse = |line: &str| {
        CosignatureVerifier::parse(line).map_err(|_| not_a_key(&path.display().to_string(), Exit::Trouble))
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse).collect()
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::trouble(format!("{} cannot be read", path.display())).why(error))
}

fn not_a_key(given: &str, exit: Exit) -> Failure {
    Failure::new(exit, "not a verifier key")
        .why(given)
        .next("give NAME+ID+KEY in one line, or a file with it; an export has it in DIR/vkey")
}
