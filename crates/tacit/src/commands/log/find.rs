//! One record, by its index or by its id.

use std::str::FromStr;

use tacit_client::{ClientError, Entry};
use tacit_model::{Reason, Ulid};

use super::remote::Remote;
use crate::exit::Failure;

/// How far the time of a record may be from the time in its id, in milliseconds.
const APART_MS: u64 = 600_000;

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Which {
    /// By leaf index.
    Index(u64),
    /// By the ULID on its `id` line.
    Id(Ulid),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        text.parse().map(Self::Id).map_err(|_| "neither an index nor the id of a record (a ULID)".to_owned())
    }
}

/// The record among the first `size`.
pub(in crate::commands) async fn find(remote: &Remote, which: Which, size: u64) -> Result<Entry, Failure> {
    match which {
        Which::Index(index) if index < size => remote.entry(index).await,
        Which::Index(index) => Err(none(format!("record {index}"), size)),
        Which::Id(id) => {
            // Records stand in the order of their times, and an id begins with the time at which it was made.
            let about = first_since(remote, size, id.timestamp_ms().saturating_sub(APART_MS)).await?;
            let until = id.timestamp_ms().saturating_add(APART_MS);
            if let Some(entry) = scan(remote, id, about..size, until).await? {
                return Ok(entry);
            }
            let found = scan(remote, id, 0..size, u64::MAX).await?;
            found.ok_or_else(|| none(format!("record {id}"), size))
        }
    }
}

fn none(what: String, size: u64) -> Failure {
    Failure::trouble(format!("there is no {what}"))
        .why(format!("the log has {size} records"))
        .reason(Reason::NotFound)
}

/// The first of `size` records that is not older.
async fn first_since(remote: &Remote, size: u64, time_ms: u64) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        // What is malformed has no time; then everything is searched in the end.
        let found = remote.entry(middle).await?.record.map_or(0, |record| record.time_ms());
        if found < time_ms { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Why reading ends before its end.
enum Ended {
    Found(Box<Entry>),
    Past,
    Failed(ClientError),
}

impl From<ClientError> for Ended {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

/// Looks for an id, up to the first record that is newer than `until_ms`.
async fn scan(
    remote: &Remote,
    id: Ulid,
    range: std::ops::Range<u64>,
    until_ms: u64,
) -> Result<Option<Entry>, Failure> {
    let id = id.to_string();
    let look = |entry: Entry| match &entry.record {
        Ok(record) if record.id() == id => Err(Ended::Found(Box::new(entry))),
        Ok(record) if record.time_ms() > until_ms => Err(Ended::Past),
        Ok(_) | Err(_) => Ok(()),
    };
    match remote.reader.entries(range.start, range.end.saturating_sub(range.start), look).await {
        Err(Ended::Found(entry)) => Ok(Some(*entry)),
        Ok(()) | Err(Ended::Past) => Ok(None),
        Err(Ended::Failed(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_by_index_or_id() {
        assert_eq!("0".parse(), Ok(Which::Index(0)));
        let id = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
        assert_eq!(id.parse(), Ok(Which::Id(id.parse().unwrap())));
        for text in ["", "-1", "1.5", "01KAM2V7Q3"] {
            assert!(text.parse::<Which>().is_err(), "{text}");
        }
    }
}
