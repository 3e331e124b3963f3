//! `tacit audit signals`: what requesters do that is out of the ordinary.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::json;
use tacit_client::{Found, Seen, Usual, What, is_odd, stated, unusual};
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, Millis};

use super::{Desk, Who};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// Most records of one counting.
const RANGE_MAX: u64 = 1_000_000;

/// Arguments of `audit signals`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// From this record on; the last 1,000,000 without it.
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// Up to this record, it not included; the newest that is cosigned without it.
    #[arg(long, value_name = "INDEX")]
    until: Option<u64>,
    /// From how many checks on a subject counts as repeated.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    repeats: u32,
    /// Where the offices are, for odd hours: outside 7 to 19.
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    zone: String,
    /// From which share on of refused checks, or checks at odd hours, in percent.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100))]
    share: u64,
    /// From how many lists about one subject.
    #[arg(long, default_value_t = 8)]
    lists: u64,
    /// How many subjects are usual for a requester, instead of what its agreements in force state together.
    #[arg(long)]
    usual: Option<u64>,
    /// Keep what is out of the ordinary as findings.
    #[arg(long)]
    save: bool,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let zone = TimeZone::get(&arguments.zone)
        .map_err(|error| Failure::usage("there is no such time zone").why(error))?;
    let desk = Desk::open(context, &arguments.who).await?;
    let checkpoint = desk.checkpoint(context).await?;
    let until = arguments.until.unwrap_or(checkpoint.size()).min(checkpoint.size());
    let from = arguments.from.unwrap_or(until.saturating_sub(RANGE_MAX)).min(until);
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    desk.records(&checkpoint, from..until, |entry| {
        let (requester, refused, time) = match &entry.record {
            Ok(Record::Access(it)) => (&it.requester, false, it.time_ms),
            Ok(Record::Refused(it)) => (&it.requester, true, it.time_ms),
            _ => return Ok(true),
        };
        let it = seen.entry(requester.clone()).or_default();
        it.checks += 1;
        it.refused += u64::from(refused);
        it.odd += u64::from(is_odd(Millis(time), &zone));
        Ok(true)
    })
    .await?;
    let counted = desk.auditor.signals(from, until, arguments.repeats).await?;
    let now = context.clock.now();
    let limits = Usual { repeats: arguments.repeats, lists: arguments.lists, share: arguments.share };
    let (mut told, mut rows, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for it in &counted {
        let seen = seen.get(&it.requester).copied().unwrap_or_default();
        let usual = arguments.usual.or_else(|| stated(desk.auditor.registry(), &it.requester, now));
        let signals = unusual(Some(it), seen, usual, &limits);
        if arguments.save {
            found.extend(signals.iter().map(|what| Found::counted(*what, &it.requester, from, until)));
        }
        let words: Vec<&str> = signals.iter().map(|what| what.code()).collect();
        told.push(json!({
            "requester": it.requester, "checks": seen.checks, "refused": seen.refused, "odd_hours": seen.odd,
            "subjects": it.subjects, "usual": usual, "erased": it.erased, "most_of_one": it.most_of_one,
            "repeated": it.repeated, "most_lists": it.most_lists, "enrolled": it.enrolled,
            "without_consent": it.without_consent, "signals": words,
        }));
        let mut row: Vec<String> = vec![it.requester.clone()];
        let numbers = [seen.checks, seen.refused, seen.odd, it.subjects, it.most_of_one, it.most_lists];
        row.extend(numbers.map(|number| number.to_string()));
        row.push(words.join(" "));
        rows.push(row);
    }
    // Whom the coordinator leaves out of its counts.
    for (requester, seen) in &seen {
        if !counted.iter().any(|it| it.requester == *requester) {
            found.push(Found::counted(What::Uncounted { of: seen.checks }, requester, from, until));
        }
    }
    desk.keep(now, &found)?;
    context.output.result(&json!({ "from": from, "until": until, "requesters": told }), || {
        let head = ["requester", "checks", "refused", "odd", "subjects", "most", "lists", "signals"];
        let mut all = vec![head.map(str::to_owned).to_vec()];
        all.extend(rows);
        columns(&all)
    })?;
    Ok(Exit::Done)
}
