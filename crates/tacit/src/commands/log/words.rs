//! What records say: in a line for people, in JSON, and field by field as they are written.

use serde_json::{Map, Value, json};
use tacit_ledger::record::Record;
use tacit_model::Millis;

/// Fields that are numbers.
const NUMBERS: &[&str] =
    &["epoch", "version", "buckets", "capacity", "number", "count", "openings", "pseudonyms", "records"];
/// Field with several values, separated by a space.
const LISTS: &str = "lists";

/// The fields of a record as they are written, without the line that names the format.
pub(in crate::commands) fn fields(record: &[u8]) -> Vec<(&str, &str)> {
    let text = std::str::from_utf8(record).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| line.split_once(' ')).collect()
}

/// A record as JSON: its index, then every field by its name.
pub(in crate::commands) fn value(index: u64, record: &[u8]) -> Value {
    let mut all = Map::new();
    all.insert("index".to_owned(), json!(index));
    for (name, text) in fields(record) {
        let value = match text.parse::<u64>() {
            Ok(number) if NUMBERS.contains(&name) => json!(number),
            _ if name == LISTS => text.split(' ').collect(),
            _ => json!(text),
        };
        all.insert(name.to_owned(), value);
    }
    Value::Object(all)
}

/// A record in a line for people.
pub(in crate::commands) fn line(index: u64, record: &Record) -> String {
    let said = match record {
        Record::Access(it) => {
            let lists: Vec<_> =
                it.lists.iter().map(|at| format!("{}@{}.{}", at.list, at.epoch, at.version)).collect();
            format!("{} asks {} for {}", it.requester, lists.join(" "), it.purpose)
        }
        Record::Refused(it) => {
            format!("{} was refused {} for {}: {}", it.requester, it.lists.join(" "), it.purpose, it.reason)
        }
        Record::Consent(it) => format!("{}: a consent for {} is {}", it.authority, it.requester, it.state),
        Record::Manifest(it) => {
            format!(
                "{} publishes {} version {}.{}, {} buckets",
                it.holder, it.list, it.epoch, it.version, it.buckets
            )
        }
        Record::Registry(it) => format!("registry version {}", it.number),
        Record::Enrollment(it) => {
            format!("{} enrolled {} subjects with {}", it.requester, it.count, it.custodian)
        }
        Record::Audit(it) => {
            format!("{} reads what is on record about {} pseudonyms", it.reader, it.pseudonyms)
        }
        Record::Notice(it) if it.sender == it.member => format!("{} wrote a letter to a subject", it.sender),
        Record::Notice(it) => format!("{} wrote a letter to {} about a subject", it.sender, it.member),
        Record::Erasure(it) => {
            format!("{} had {} openings erased: {}", it.authority, it.openings, it.ground)
        }
        Record::BoxOpened(it) => {
            format!(
                "{} and {} open an audit box of {} for {}: {}",
                it.auditor, it.second, it.requester, it.about, it.step
            )
        }
        Record::Demand(it) => {
            let due = Millis(it.due_ms).to_rfc3339();
            format!("{} demands the case of {} from {} by {due}", it.auditor, it.about, it.requester)
        }
        Record::Export(it) => {
            format!(
                "{} exports {} records of {} to {} as {}",
                it.reader, it.records, it.from, it.until, it.form
            )
        }
        Record::Measure(it) => {
            let (requester, number, agreement) = (&it.requester, it.measure, &it.agreement);
            format!("{requester}: measure {number} of agreement {agreement} is {}", it.state)
        }
    };
    format!("{index:>8}  {}  {:<10}  {said}", Millis(record.time_ms()).to_rfc3339(), record.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_field_of_the_record_under_its_own_name() {
        let record =
            b"tacit-log/v1\nkind manifest\nid X\ntime T\nlists a/b@1.2 a/c@1.2\nepoch 3\nroot 77==\n";
        let due = json!({ "index": 5, "kind": "manifest", "id": "X", "time": "T",
                          "lists": ["a/b@1.2", "a/c@1.2"], "epoch": 3, "root": "77==" });
        assert_eq!(value(5, record), due);
        assert_eq!(fields(b"\xff"), []);
    }
}
