//! `tacit audit signals`: what requesters do that is out of the ordinary.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use tacit_client::Signals;
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, MemberId, Millis};
use tacit_policy::Registry;

use super::{Desk, Who};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// Most records of one counting.
const RANGE_MAX: u64 = 1_000_000;
/// Office hours: from the first, before the second.
const OFFICE: std::ops::Range<i8> = 7..19;
/// Checks below which a share says nothing.
const FEW: u64 = 20;

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

/// What the records say about a requester.
#[derive(Default)]
struct Seen {
    checks: u64,
    refused: u64,
    odd: u64,
}

/// How many subjects a requester's agreements in force state together; none when none states it.
fn stated(registry: &Registry, requester: &str, now: Millis) -> Option<u64> {
    let member: MemberId = requester.parse().ok()?;
    let agreements = registry.agreements().filter(|it| it.requester == member && it.in_force(now));
    agreements.filter_map(|it| it.size).reduce(u64::saturating_add)
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
        it.odd += u64::from(is_odd(time, &zone));
        Ok(true)
    })
    .await?;
    let counted = desk.auditor.signals(from, until, arguments.repeats).await?;
    let now = context.clock.now();
    let mut findings = desk.findings()?;
    let (mut told, mut rows) = (Vec::new(), Vec::new());
    for it in &counted {
        let none = Seen::default();
        let seen = seen.get(&it.requester).unwrap_or(&none);
        let usual = arguments.usual.or_else(|| stated(desk.auditor.registry(), &it.requester, now));
        let signals = signals(it, seen, usual, &arguments);
        if arguments.save {
            for (kind, text) in &signals {
                let range = format!("{from}-{until} {kind}");
                findings.add(now, "signal", &it.requester, &range, text.clone())?;
            }
        }
        let words: Vec<&str> = signals.iter().map(|(kind, _)| *kind).collect();
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
            let text = format!("the coordinator counts no checks of it, the log has {}", seen.checks);
            findings.add(now, "coverage", requester, &format!("{from}-{until}"), text)?;
        }
    }
    context.output.result(&json!({ "from": from, "until": until, "requesters": told }), || {
        let head = ["requester", "checks", "refused", "odd", "subjects", "most", "lists", "signals"];
        let mut all = vec![head.map(str::to_owned).to_vec()];
        all.extend(rows);
        columns(&all)
    })?;
    Ok(Exit::Done)
}

fn is_odd(time_ms: u64, zone: &TimeZone) -> bool {
    let at = i64::try_from(time_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.is_some_and(|at| !OFFICE.contains(&zone.to_datetime(at).hour()))
}

/// What is out of the ordinary: a word, and what it says.
fn signals(it: &Signals, seen: &Seen, usual: Option<u64>, limits: &Arguments) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(usual) = usual.filter(|usual| it.subjects > *usual) {
        found.push(("sweep", format!("{} subjects, {usual} are usual", it.subjects)));
    }
    let much = |part: u64| seen.checks >= FEW && part.saturating_mul(100) >= limits.share * seen.checks;
    if much(seen.refused) {
        found.push(("refused", format!("{} of {} checks were refused", seen.refused, seen.checks)));
    }
    if much(seen.odd) {
        found.push(("odd-hours", format!("{} of {} checks at odd hours", seen.odd, seen.checks)));
    }
    if it.most_lists >= limits.lists {
        found.push(("breadth", format!("{} lists about one subject", it.most_lists)));
    }
    if it.repeated > 0 {
        let text = format!("{} subjects at least {} times each", it.repeated, limits.repeats);
        found.push(("repeats", text));
    }
    if it.checks != seen.checks {
        let text = format!("the coordinator counts {} checks, the log has {}", it.checks, seen.checks);
        found.push(("miscounted", text));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_hours_are_those_of_the_place() {
        let at = |text: &str| text.parse::<Millis>().unwrap().0;
        let (utc, beijing) = (TimeZone::UTC, TimeZone::get("Asia/Shanghai").unwrap());
        let (night, day) = (at("2026-11-21T22:30:00.000Z"), at("2026-11-21T08:00:00.000Z"));
        assert!(is_odd(night, &utc) && is_odd(night, &beijing));
        assert!(!is_odd(day, &utc) && !is_odd(day, &beijing));
        assert!(
            is_odd(at("2026-11-21T18:00:00.000Z"), &beijing) && !is_odd(at("2026-11-21T18:00:00.000Z"), &utc)
        );
        // Seven is office time, nineteen is not.
        assert!(
            !is_odd(at("2026-11-21T07:00:00.000Z"), &utc) && is_odd(at("2026-11-21T06:59:59.999Z"), &utc)
        );
        assert!(is_odd(at("2026-11-21T19:00:00.000Z"), &utc));
    }
}
