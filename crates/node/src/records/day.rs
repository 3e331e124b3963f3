//! Days as the holder keeps them: the number of days since 1970-01-01, 0 for "not stated".

use jiff::{Timestamp, civil::Date, tz::TimeZone};
pub use tacit_desk::words::format_day;
use tacit_model::Millis;

/// Reads `YYYY-MM-DD`, a day from 1970-01-02 on that exists; `None` for anything else.
pub fn parse_day(text: &str) -> Option<u32> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i16, |n, b| b.is_ascii_digit().then(|| n * 10 + i16::from(b - b'0')))
    };
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    day_of(date).filter(|day| *day > 0)
}

/// A day as a date of the calendar; one beyond its end is its last one.
pub(crate) fn date(day: u32) -> Date {
    format_day(day.max(1)).parse().unwrap_or(Date::MAX)
}

/// The day it is at `now` in this time zone.
pub(crate) fn today(now: Millis, zone: &TimeZone) -> u32 {
    let timestamp = Timestamp::from_millisecond(now.to_i64()).unwrap_or(Timestamp::MAX);
    day_of(timestamp.to_zoned(zone.clone()).date()).unwrap_or(0)
}

/// The first day on which who was born on this one is 18. After 29 February that is 1 March, for 18 years later there is
/// no such day.
pub(crate) fn of_age(born: Date) -> u32 {
    let year = born.year().saturating_add(18);
    let birthday = Date::new(year, born.month(), born.day()).or_else(|_| Date::new(year, 3, 1));
    // Who was of age before 1970 was so on every day that a record can name.
    birthday.ok().and_then(day_of).unwrap_or(0)
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil).
fn day_of(date: Date) -> Option<u32> {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    u32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_spelling_and_must_exist() {
        for (text, day) in
            [("1970-01-02", 1), ("2000-02-29", 11_016), ("2026-11-21", 20_778), ("9999-12-31", 2_932_896)]
        {
            assert_eq!(parse_day(text), Some(day), "{text}");
            assert_eq!(format_day(day), text);
        }
        for bad in [
            "",
            "1970-01-01",
            "1969-12-31",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-1",
            "20261121",
            "2026/11/21",
            "21.11.2026",
            "2026-11-2x",
            "２０２６-11-21",
            " 2026-11-21",
            "2026-11-21 ",
        ] {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
        assert_eq!(format_day(0), "");
        assert_eq!(format_day(0x00ff_ffff), "9999-12-31");
    }

    #[test]
    fn the_day_begins_at_midnight_of_the_list() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let time = |text: &str| text.parse::<Millis>().unwrap();
        assert_eq!(today(time("2026-11-21T15:59:59.999Z"), &shanghai), 20_778);
        assert_eq!(today(time("2026-11-21T16:00:00.000Z"), &shanghai), 20_779);
        assert_eq!(today(time("2026-11-21T16:00:00.000Z"), &TimeZone::UTC), 20_778);
    }
}
