//! Time as the product writes it: whole milliseconds since 1970, UTC.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Timestamp, fmt::temporal::DateTimePrinter, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Always three digits of seconds and `Z`: records must be the same bytes everywhere.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// The last moment that RFC 3339 can write here, 9999-12-30T22:00:00.000Z; later ones print as it.
const LAST_PRINTABLE_MS: i64 = 253_402_207_200_000;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Arithmetic saturates: a hostile
/// value far in the future must not wrap into the past.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// The text is not a time of the one accepted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2026-11-21T22:29:03.223Z, with milliseconds and Z, from 1970 on")]
pub struct TimeError;

impl Millis {
    /// From whole seconds since 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// RFC 3339 in UTC with exactly three digits of seconds: `2026-11-21T22:29:03.223Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let ms = self.to_i64().min(LAST_PRINTABLE_MS);
        let mut out = String::with_capacity(24);
        // The bound above keeps it inside what jiff can hold, and a String takes every write.
        if let Ok(timestamp) = Timestamp::from_millisecond(ms) {
            let _ = PRINTER.print_timestamp(&timestamp, &mut out);
        }
        out
    }

    /// For a BIGINT column; saturates at `i64::MAX`, 292 million years from now.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// From a BIGINT column; `None` before 1970.
    #[must_use]
    pub fn from_i64(ms: i64) -> Option<Self> {
        u64::try_from(ms).ok().map(Self)
    }

    /// `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// `ms` milliseconds earlier, not before 1970.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// `span` later; parts of a millisecond are dropped.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        self.plus_ms(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Milliseconds between the two, in either order.
    #[must_use]
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Time left until `later`; zero when it has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.since(self))
    }

    /// Whole UTC days since 1970-01-01.
    #[must_use]
    pub const fn utc_day(self) -> u64 {
        self.0 / 86_400_000
    }

    /// When its UTC day began.
    #[must_use]
    pub const fn utc_midnight(self) -> Self {
        Self(self.utc_day() * 86_400_000)
    }

    /// When the next UTC day begins.
    #[must_use]
    pub const fn next_utc_midnight(self) -> Self {
        Self(self.utc_day().saturating_add(1).saturating_mul(86_400_000))
    }

    /// Whole minutes since 1970-01-01.
    #[must_use]
    pub const fn utc_minute(self) -> u64 {
        self.0 / 60_000
    }

    /// When the next minute begins.
    #[must_use]
    pub const fn next_utc_minute(self) -> Self {
        Self(self.utc_minute().saturating_add(1).saturating_mul(60_000))
    }

    /// The year in UTC; times after 9999 are of that year.
    #[must_use]
    pub fn utc_year(self) -> u16 {
        let ms = self.to_i64().min(LAST_PRINTABLE_MS);
        let year = Timestamp::from_millisecond(ms).map_or(0, |at| at.to_zoned(TimeZone::UTC).year());
        u16::try_from(year).unwrap_or_default()
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_rfc3339())
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Millis({} = {})", self.0, self.to_rfc3339())
    }
}

impl FromStr for Millis {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let timestamp: Timestamp = text.parse().map_err(|_| TimeError)?;
        let time = Self::from_i64(timestamp.as_millisecond()).ok_or(TimeError)?;
        // One spelling only: what comes back must be what was signed.
        if time.to_rfc3339() == text { Ok(time) } else { Err(TimeError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_ends_at_midnight_utc() {
        for (text, year) in [
            ("1970-01-01T00:00:00.000Z", 1970),
            ("2026-12-31T23:59:59.999Z", 2026),
            ("2027-01-01T00:00:00.000Z", 2027),
            ("2028-12-31T23:59:59.999Z", 2028),
        ] {
            assert_eq!(text.parse::<Millis>().unwrap().utc_year(), year);
        }
        assert_eq!(Millis(u64::MAX).utc_year(), 9999);
    }

    #[test]
    fn a_time_has_one_spelling() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_300_143_223, "2026-11-21T22:29:03.223Z"),
            (1_795_300_143_000, "2026-11-21T22:29:03.000Z"),
            (951_782_400_100, "2000-02-29T00:00:00.100Z"),
        ] {
            assert_eq!(Millis(ms).to_rfc3339(), text);
            assert_eq!(text.parse(), Ok(Millis(ms)));
        }
        for bad in [
            "",
            "2026-11-21T22:29:03Z",
            "2026-11-21T22:29:03.22Z",
            "2026-11-21T22:29:03.2231Z",
            "2026-11-21t22:29:03.223z",
            "2026-11-21 22:29:03.223Z",
            "2026-11-21T22:29:03.223+00:00",
            "2026-11-21T23:59:60.000Z",
            "2026-02-29T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-11-21T22:29:03.223Z ",
        ] {
            assert_eq!(bad.parse::<Millis>(), Err(TimeError), "{bad}");
        }
    }

    #[test]
    fn a_hostile_time_neither_wraps_nor_panics() {
        assert_eq!(Millis(u64::MAX).plus_ms(1), Millis(u64::MAX));
        assert_eq!(Millis(5).minus_ms(6), Millis(0));
        assert_eq!(Millis(5).since(Millis(6)), 0);
        assert_eq!(Millis(5).distance(Millis(6)), 1);
        assert_eq!(Millis(u64::MAX).to_rfc3339(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Millis(u64::MAX).to_i64(), i64::MAX);
        assert_eq!(Millis(1).plus(Duration::MAX), Millis(u64::MAX));
    }
}
