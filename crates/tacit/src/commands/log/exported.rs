//! An export with proofs (`FILE.jsonl`), verified without a network: every line for itself, under the log's key.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tacit_ledger::{checkpoint::VerifiedCheckpoint, merkle::leaf_hash, note::NoteVerifier, record::Record};
use tacit_model::Reason;

use super::{keys, words};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// A line of an export.
#[derive(Deserialize)]
struct Line {
    index: u64,
    /// The record, byte for byte.
    text: String,
    inclusion: Vec<String>,
    checkpoint: String,
    /// What the record says, once more, field by field.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Verifies each line: that the record is in the log, and that its fields are those of the record.
pub(super) fn file(context: &Context, path: &Path, vkey: Option<&str>) -> Result<Exit, Failure> {
    let Some(vkey) = vkey else {
        return Err(Failure::usage("an export is verified with the log's key").next("add --vkey KEY"));
    };
    let key = keys::log_key(vkey)?;
    let unread = |error| Failure::trouble(format!("{} cannot be read", path.display())).why(error);
    let (mut count, mut first, mut last, mut head) = (0_u64, None, 0, None);
    for line in BufReader::new(File::open(path).map_err(unread)?).lines() {
        let line = line.map_err(unread)?;
        count += 1;
        let read = verified(&line, &key, &mut head).map_err(|why| wrong(count, why))?;
        if first.is_some() && read <= last {
            return Err(wrong(count, "the records do not ascend".to_owned()));
        }
        first.get_or_insert(read);
        last = read;
    }
    let (Some(first), Some(head)) = (first, head) else {
        return Err(Failure::trouble("the file has no records").reason(Reason::NotFound));
    };
    let root = hex::encode(head.root());
    context.output.result(
        &json!({
            "verified": true, "records": count, "first": first, "last": last, "log": key.name(),
            "vkey": key.to_string(), "size": head.size(), "root": root,
        }),
        || {
            format!(
                "Proven: {count} records, {first} to {last}, of the first {} of {}, under the signed root {root}\n  \
                 The log's key signed that root. It does not say that nothing was left out of the file.",
                head.size(),
                key.name()
            )
        },
    )?;
    Ok(Exit::Done)
}

/// The index of a line that holds. The newest checkpoint of those before is in `head`; most lines have the same.
fn verified(line: &str, key: &NoteVerifier, head: &mut Option<VerifiedCheckpoint>) -> Result<u64, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let known = head.take().filter(|head| head.note() == line.checkpoint.as_bytes());
    let head = head.insert(match known {
        Some(known) => known,
        None => {
            VerifiedCheckpoint::open(line.checkpoint.as_bytes(), key).map_err(|error| error.to_string())?
        }
    });
    let hash = |text: &String| {
        let bytes = BASE64.decode(text).ok()?;
        <[u8; 32]>::try_from(bytes.as_slice()).ok()
    };
    let path: Option<Vec<[u8; 32]>> = line.inclusion.iter().map(hash).collect();
    let path = path.ok_or("the proof is in another form")?;
    let record = line.text.as_bytes();
    head.verify_inclusion(&leaf_hash(record), line.index, &path).map_err(|error| error.to_string())?;
    Record::parse(record).map_err(|error| format!("it is no record: {error}"))?;
    let own = words::fields(record).into_iter().map(|(name, text)| (name.to_owned(), json!(text)));
    if own.collect::<Map<String, Value>>() != line.fields {
        return Err("its fields are not those of the record".to_owned());
    }
    Ok(line.index)
}

fn wrong(line: u64, why: String) -> Failure {
    Failure::trouble(format!("line {line} is NOT proven"))
        .why(why)
        .reason(Reason::LogInconsistent)
        .next("see that file and key belong together, byte for byte")
}
