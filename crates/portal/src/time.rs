//! Times and days as people read them, in the desk's time zone and the page's language.

use jiff::{RoundMode, Timestamp, Unit, Zoned, ZonedRound, civil::Date, tz::TimeZone};
use tacit_model::Millis;

use crate::language::Language;

/// `21 November 2026, 10:32`; what is no time stays as it is.
pub(crate) fn minute(rfc3339: &str, zone: &TimeZone, language: Language) -> String {
    let Some(at) = zoned(rfc3339, zone) else { return rfc3339.to_owned() };
    let pattern = match language {
        Language::English => "%-d %B %Y, %H:%M",
        Language::Chinese => "%Y年%-m月%-d日 %H:%M",
    };
    at.strftime(pattern).to_string()
}

/// The minute that begins at or after a time: of what is about to happen.
pub(crate) fn next_minute(rfc3339: &str, zone: &TimeZone, language: Language) -> String {
    let up = ZonedRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    match zoned(rfc3339, zone).and_then(|at| at.round(up).ok()) {
        Some(at) => minute(&at.timestamp().to_string(), zone, language),
        None => rfc3339.to_owned(),
    }
}

/// A time with seconds and the zone.
pub(crate) fn exact(rfc3339: &str, zone: &TimeZone, language: Language) -> String {
    let Some(at) = zoned(rfc3339, zone) else { return rfc3339.to_owned() };
    let pattern = match language {
        Language::English => "%-d %B %Y, %H:%M:%S (UTC%:z)",
        Language::Chinese => "%Y年%-m月%-d日 %H:%M:%S（UTC%:z）",
    };
    at.strftime(pattern).to_string()
}

/// `21 November 2026` of `2026-11-21`.
pub(crate) fn day(iso: &str, language: Language) -> String {
    let Ok(day) = iso.parse::<Date>() else { return iso.to_owned() };
    let pattern = match language {
        Language::English => "%-d %B %Y",
        Language::Chinese => "%Y年%-m月%-d日",
    };
    day.strftime(pattern).to_string()
}

/// The day in a zone, `2026-11-21`.
pub(crate) fn day_in(at: Millis, zone: &TimeZone) -> String {
    zoned(&at.to_rfc3339(), zone).map(|at| at.date().to_string()).unwrap_or_default()
}

/// The beginning of a day in a zone, as the interfaces read times.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> Option<String> {
    let start = day.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
    Some(Millis::from_i64(start)?.to_rfc3339())
}

fn zoned(rfc3339: &str, zone: &TimeZone) -> Option<Zoned> {
    Some(rfc3339.parse::<Timestamp>().ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_desk_s_zone_and_the_page_s_language() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = "2026-11-21T02:32:09.481Z";
        assert_eq!(minute(at, &zone, Language::English), "21 November 2026, 10:32");
        assert_eq!(minute(at, &zone, Language::Chinese), "2026年11月21日 10:32");
        assert_eq!(next_minute(at, &zone, Language::English), "21 November 2026, 10:33");
        assert_eq!(
            next_minute("2026-11-21T02:32:00.000Z", &zone, Language::English),
            "21 November 2026, 10:32"
        );
        assert_eq!(exact(at, &zone, Language::English), "21 November 2026, 10:32:09 (UTC+08:00)");
        assert_eq!(exact(at, &zone, Language::Chinese), "2026年11月21日 10:32:09（UTC+08:00）");
        assert_eq!(day("2026-03-01", Language::Chinese), "2026年3月1日");
        assert_eq!(day("soon", Language::English), "soon");
        let start = start_of("2026-11-21".parse().unwrap(), &zone);
        assert_eq!(start.as_deref(), Some("2026-11-20T16:00:00.000Z"));
    }
}
