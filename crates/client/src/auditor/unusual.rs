//! What is out of the ordinary about a requester: by what the auditor counted in the log, and what the coordinator told.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tacit_model::{MemberId, Millis};
use tacit_policy::Registry;

use super::Signals;
use super::found::What;

/// Office hours: from the first, before the second.
const OFFICE: std::ops::Range<i8> = 7..19;
/// Checks below which a share says nothing.
const FEW: u64 = 20;

/// What the records say about a requester.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its checks.
    pub checks: u64,
    /// Of these, the refused ones.
    pub refused: u64,
    /// Of these, those at odd hours.
    pub odd: u64,
}

/// From when on something is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// From how many checks on a subject counts as repeated.
    pub repeats: u32,
    /// From how many lists about one subject.
    pub lists: u64,
    /// From which share on of refused checks, or checks at odd hours, in percent.
    pub share: u64,
}

impl Default for Usual {
    fn default() -> Self {
        Self { repeats: 10, lists: 8, share: 50 }
    }
}

/// Whether a moment is outside office hours in this zone.
#[must_use]
pub fn is_odd(at: Millis, zone: &TimeZone) -> bool {
    let at = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.is_some_and(|at| !OFFICE.contains(&zone.to_datetime(at).hour()))
}

/// How many subjects a requester's agreements in force state together; none when none states it.
#[must_use]
pub fn stated(registry: &Registry, requester: &str, now: Millis) -> Option<u64> {
    let member: MemberId = requester.parse().ok()?;
    let agreements = registry.agreements().filter(|it| it.requester == member && it.in_force(now));
    agreements.filter_map(|it| it.size).reduce(u64::saturating_add)
}

/// What is unusual about a requester. Without the coordinator's counts it leaves the requester out.
#[must_use]
pub fn unusual(told: Option<&Signals>, seen: Seen, subjects: Option<u64>, usual: &Usual) -> Vec<What> {
    let mut found = Vec::new();
    let Seen { checks, refused, odd } = seen;
    if let Some((told, of)) = told.zip(subjects).filter(|(told, usual)| told.subjects > *usual) {
        found.push(What::Sweep { count: told.subjects, of });
    }
    let much = |part: u64| checks >= FEW && part.saturating_mul(100) >= usual.share.saturating_mul(checks);
    if much(refused) {
        found.push(What::Refused { count: refused, of: checks });
    }
    if much(odd) {
        found.push(What::OddHours { count: odd, of: checks });
    }
    let Some(told) = told else {
        found.push(What::Uncounted { of: checks });
        return found;
    };
    if told.most_lists >= usual.lists {
        found.push(What::Breadth { count: told.most_lists, of: usual.lists });
    }
    if told.repeated > 0 {
        found.push(What::Repeats { count: told.repeated, of: u64::from(usual.repeats) });
    }
    if told.checks != checks {
        found.push(What::Miscounted { count: told.checks, of: checks });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_hours_are_those_of_the_place() {
        let odd = |text: &str, zone: &TimeZone| is_odd(text.parse::<Millis>().unwrap(), zone);
        let (utc, beijing) = (TimeZone::UTC, TimeZone::get("Asia/Shanghai").unwrap());
        assert!(odd("2026-11-21T22:30:00.000Z", &utc) && odd("2026-11-21T22:30:00.000Z", &beijing));
        assert!(!odd("2026-11-21T08:00:00.000Z", &utc) && !odd("2026-11-21T08:00:00.000Z", &beijing));
        assert!(odd("2026-11-21T18:00:00.000Z", &beijing) && !odd("2026-11-21T18:00:00.000Z", &utc));
        // Seven is office time, nineteen is not.
        assert!(!odd("2026-11-21T07:00:00.000Z", &utc) && odd("2026-11-21T06:59:59.999Z", &utc));
        assert!(odd("2026-11-21T19:00:00.000Z", &utc));
    }

    #[test]
    fn what_two_count_differently_is_unusual_and_what_they_agree_on_is_not() {
        let seen = Seen { checks: 30, refused: 2, odd: 1 };
        let told = Signals {
            requester: "procurement".to_owned(),
            checks: 30,
            subjects: 20,
            erased: 0,
            most_of_one: 3,
            repeated: 0,
            most_lists: 2,
            enrolled: 20,
            without_consent: 0,
        };
        let words = |told: Option<&Signals>, seen: Seen| {
            let found = unusual(told, seen, Some(20), &Usual::default());
            found.into_iter().map(What::code).collect::<Vec<_>>()
        };
        assert_eq!(words(Some(&told), seen), [""; 0]);
        let many = Seen { checks: 30, refused: 15, odd: 30 };
        let wide = Signals { subjects: 21, repeated: 1, most_lists: 8, checks: 29, ..told };
        assert_eq!(
            words(Some(&wide), many),
            ["sweep", "refused", "odd-hours", "breadth", "repeats", "miscounted"]
        );
        assert_eq!(words(None, seen), ["uncounted"]);
        // A few checks say nothing of a share.
        assert_eq!(words(None, Seen { checks: 19, refused: 19, odd: 19 }), ["uncounted"]);
    }
}
