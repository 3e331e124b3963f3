//! The one form of time in records: RFC 3339, milliseconds, `Z` - `2026-11-21T22:29:03.223Z`.
//!
//! Times are `u64` milliseconds since 1970-01-01T00:00:00Z; calendar arithmetic is that of the proleptic
//! Gregorian calendar without leap seconds (day numbers after Howard Hinnant, "chrono-compatible
//! low-level date algorithms").

const DAY_MS: u64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z: four digits of year and no more.
const MAX_MS: u64 = 253_402_300_799_999;
const LENGTH: usize = "2026-11-21T22:29:03.223Z".len();

/// Writes a time; none after the year 9999.
pub(crate) fn format(ms: u64) -> Option<String> {
    if ms > MAX_MS {
        return None;
    }
    let (year, month, day) = date_of(ms / DAY_MS);
    let rest = ms % DAY_MS;
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Reads a time in exactly that form.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != LENGTH {
        return None;
    }
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_u64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let (second, milli) = (number(17, 19)?, number(20, 23)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_of(year, month, day);
    // An impossible day, such as 30 February, comes back as another one.
    if date_of(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli)
}

/// Days from 1970-01-01 to a date not before it. The year begins in March, so leap days come last.
fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_469
}

/// The inverse of [`days_of`].
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_calendar_reads_back() {
        for days in 0..=MAX_MS / DAY_MS {
            let ms = days * DAY_MS + days % DAY_MS;
            let text = format(ms).unwrap();
            assert_eq!(parse(&text), Some(ms), "{text}");
        }
        assert_eq!(format(MAX_MS).unwrap(), "9999-12-31T23:59:59.999Z");
        assert_eq!(format(MAX_MS + 1), None);
    }

    #[test]
    fn known_times_are_right() {
        assert_eq!(parse("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(parse("2026-11-21T22:29:03.123Z"), Some(1_795_300_143_123));
        assert_eq!(parse("2000-02-29T23:59:59.999Z"), Some(951_868_799_999));
    }

    #[test]
    fn every_other_form_of_a_time_is_refused() {
        for text in [
            "2026-11-21T22:29:03Z",
            "2026-11-21T22:29:03.1234Z",
            "2026-11-21t22:29:03.123Z",
            "2026-11-21T22:29:03.123z",
            "2026-11-21 22:29:03.123Z",
            "2026-11-21T22:29:03,123Z",
            "2026-11-21T22:29:03.123+00:00",
            "2026-11-31T22:29:03.123Z",
            "2026-02-29T22:29:03.123Z",
            "2100-02-29T00:00:00.000Z",
            "2026-00-21T22:29:03.123Z",
            "2026-13-21T22:29:03.123Z",
            "2026-11-00T22:29:03.123Z",
            "1970-01-00T00:00:00.000Z",
            "2026-01-32T22:29:03.123Z",
            "2026-11-21T24:00:00.000Z",
            "2026-11-21T22:60:03.123Z",
            "2026-11-21T22:29:60.123Z",
            "1969-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00.000Z",
            "+026-11-21T22:29:03.123Z",
            "2026-11-21T22:29:03.12\u{661}",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
