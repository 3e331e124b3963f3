//! Which records are wanted.

use tacit_ledger::record::Record;
use tacit_model::{ListId, MemberId, Millis, PurposeCode};

use crate::exit::Failure;

/// Which records; what is not named does not matter.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Filter {
    /// Of these kinds, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kind: Vec<String>,
    /// That name this member in any place.
    #[arg(long)]
    member: Option<MemberId>,
    /// Asked by this requester, or about it.
    #[arg(long)]
    requester: Option<MemberId>,
    /// That this holder was asked, or wrote.
    #[arg(long)]
    holder: Option<MemberId>,
    /// About this list.
    #[arg(long, value_name = "HOLDER/NAME")]
    list: Option<ListId>,
    /// For this purpose.
    #[arg(long)]
    purpose: Option<PurposeCode>,
    /// Checks that were `permitted` or `refused`, or refused with this word.
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// From this time on, as in 2026-11-21T22:29:03.223Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Millis>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Millis>,
}

/// What a record names, by its lines.
struct Named<'a>(Vec<(&'a str, &'a str)>);

impl Named<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(field, text)| *field == name && *text == value)
    }

    fn asks(&self, list: &str) -> bool {
        let of = |text: &str| text.split(' ').any(|at| at.split('@').next() == Some(list));
        self.0.iter().any(|(field, text)| match *field {
            "lists" => of(text),
            "list" => *text == list,
            _ => false,
        })
    }
}

/// Fields that hold the name of a member.
const MEMBERS: &[&str] = &["requester", "holder", "authority", "custodian", "reader", "auditor", "second"];

impl Filter {
    /// Refuses a kind that does not exist.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.kind.iter().all(|kind| Record::KINDS.contains(&kind.as_str())) {
            return Ok(());
        }
        Err(Failure::usage("there is no such kind of records")
            .next(format!("use one of {}", Record::KINDS.join(", "))))
    }

    /// Whether a record is wanted.
    pub(super) fn takes(&self, record: &Record, bytes: &[u8]) -> bool {
        let named = Named(super::super::log::words::fields(bytes));
        let time = Millis(record.time_ms());
        (self.kind.is_empty() || self.kind.iter().any(|kind| kind == record.kind()))
            && self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
            && self.member.as_ref().is_none_or(|it| MEMBERS.iter().any(|field| named.has(field, it.as_str())))
            && self.requester.as_ref().is_none_or(|it| named.has("requester", it.as_str()))
            && self.holder.as_ref().is_none_or(|it| named.has("holder", it.as_str()))
            && self.list.as_ref().is_none_or(|it| named.asks(it.as_str()))
            && self.purpose.as_ref().is_none_or(|it| named.has("purpose", it.as_str()))
            && self.outcome.as_deref().is_none_or(|word| match (word, record) {
                ("permitted", Record::Access(_)) | ("refused", Record::Refused(_)) => true,
                (word, Record::Refused(it)) => it.reason == word,
                _ => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> (Record, Vec<u8>) {
        let record = Record::from(tacit_ledger::record::Refused {
            id: "01KAQ8A1B2C3D4E5F6G7H8J9K1".to_owned(),
            time_ms: 1_795_300_143_223,
            requester: "procurement".to_owned(),
            holder: "court".to_owned(),
            lists: vec!["court/a".to_owned(), "court/b".to_owned()],
            purpose: "screening".to_owned(),
            registry: [1; 32],
            reason: "quota_checks".to_owned(),
            matter: [2; 32],
            subject: [3; 32],
            evidence: [4; 32],
        });
        let bytes = record.to_bytes().unwrap();
        (record, bytes)
    }

    #[test]
    fn each_part_of_a_filter_takes_what_it_names_and_nothing_else() {
        let (record, bytes) = refused();
        let takes = |filter: Filter| filter.takes(&record, &bytes);
        let none = Filter::default;
        assert!(takes(none()));
        assert!(takes(Filter { kind: vec!["refused".into()], ..none() }));
        assert!(!takes(Filter { kind: vec!["access".into()], ..none() }));
        assert!(takes(Filter { member: Some("court".parse().unwrap()), ..none() }));
        assert!(!takes(Filter { member: Some("tax".parse().unwrap()), ..none() }));
        assert!(!takes(Filter { requester: Some("court".parse().unwrap()), ..none() }));
        assert!(takes(Filter { holder: Some("court".parse().unwrap()), ..none() }));
        assert!(takes(Filter { list: Some("court/b".parse().unwrap()), ..none() }));
        assert!(!takes(Filter { list: Some("court/c".parse().unwrap()), ..none() }));
        assert!(!takes(Filter { purpose: Some("other".parse().unwrap()), ..none() }));
        for (word, taken) in [("refused", true), ("quota_checks", true), ("permitted", false), ("x", false)] {
            assert_eq!(takes(Filter { outcome: Some(word.into()), ..none() }), taken, "{word}");
        }
        let time = Millis(record.time_ms());
        assert!(takes(Filter { since: Some(time), ..none() }));
        assert!(!takes(Filter { until: Some(time), ..none() }));
        assert!(Filter { kind: vec!["nothing".into()], ..none() }.check().is_err());
    }
}
