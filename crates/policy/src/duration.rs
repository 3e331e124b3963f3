//! Spans and frequencies in the words of the Account Aggregator caps: `DataLife{unit, value}`, `Frequency{unit, value}`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tacit_model::Millis;

/// A unit of time.
///
/// In milliseconds a month is 31 days and a year is 366: a window that is rolled back from now by that much covers the
/// longest calendar month or year, so no calendar month ever holds more uses than `N MONTH` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Unit {
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 31 days.
    Month,
    /// 366 days.
    Year,
}

impl Unit {
    /// Length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        const HOUR: u64 = 60 * 60 * 1000;
        match self {
            Self::Hour => HOUR,
            Self::Day => 24 * HOUR,
            Self::Week => 7 * 24 * HOUR,
            Self::Month => 31 * 24 * HOUR,
            Self::Year => 366 * 24 * HOUR,
        }
    }

    /// The word used in documents and consents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }
}

impl FromStr for Unit {
    type Err = FrequencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year]
            .into_iter()
            .find(|unit| unit.as_str() == text)
            .ok_or(FrequencyError::Unit)
    }
}

/// A length of time: `value` units, value 1 to [`MAX_VALUE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// How many units.
    pub value: u32,
    /// The unit.
    pub unit: Unit,
}

impl Span {
    /// Length in milliseconds, with months of 31 and years of 366 days.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::from(self.value).saturating_mul(self.unit.millis())
    }
}

/// Largest value of a span or frequency.
pub const MAX_VALUE: u32 = 1_000_000;

/// At most `value` uses in any window of one `unit` that ends now; written `4 MONTH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequency {
    value: u32,
    unit: Unit,
}

impl Frequency {
    /// `value` uses a unit, value 1 to [`MAX_VALUE`].
    ///
    /// # Errors
    /// [`FrequencyError::Value`] when out of range: it is the author's mistake.
    pub fn new(value: u32, unit: Unit) -> Result<Self, FrequencyError> {
        if (1..=MAX_VALUE).contains(&value) { Ok(Self { value, unit }) } else { Err(FrequencyError::Value) }
    }

    /// Uses allowed in one window.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    /// The unit that is the window.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// Start of the window that ends at `now`: uses at this instant or later count.
    #[must_use]
    pub fn window_start(self, now: Millis) -> Millis {
        Millis(now.0.saturating_sub(self.unit.millis()))
    }

    /// Whether one more use is allowed after `uses` in the window.
    #[must_use]
    pub fn allows(self, uses: u64) -> bool {
        uses < u64::from(self.value)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.value, self.unit.as_str())
    }
}

impl FromStr for Frequency {
    type Err = FrequencyError;

    /// Strict: `<value> <UNIT>`, decimal without leading zeros, one space.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (value, unit) = text.split_once(' ').ok_or(FrequencyError::Form)?;
        let number: u32 = value.parse().map_err(|_| FrequencyError::Value)?;
        if number.to_string() != value {
            return Err(FrequencyError::Value);
        }
        Self::new(number, unit.parse()?)
    }
}

/// A frequency that cannot be read. The one at fault is who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrequencyError {
    /// Not `<value> <UNIT>`.
    #[error("write a frequency as number, space, unit, for example `4 MONTH`")]
    Form,
    /// The number is out of range or has leading zeros.
    #[error("the number of uses is 1 to {MAX_VALUE}, without leading zeros")]
    Value,
    /// No such unit.
    #[error("the unit is HOUR, DAY, WEEK, MONTH or YEAR")]
    Unit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_has_one_spelling() {
        assert_eq!("4 MONTH".parse::<Frequency>().unwrap().to_string(), "4 MONTH");
        for bad in [
            "",
            "4",
            "4MONTH",
            "04 MONTH",
            "+4 MONTH",
            "4  MONTH",
            "4 month",
            "4 MONTH ",
            "0 DAY",
            "1000001 DAY",
            "-1 DAY",
            "4 MONTHS",
        ] {
            assert!(bad.parse::<Frequency>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_rolling_month_is_never_shorter_than_a_calendar_month() {
        let frequency = Frequency::new(1, Unit::Month).unwrap();
        let last_of_january: Millis = "2026-01-31T23:59:59.999Z".parse().unwrap();
        let first_of_january: Millis = "2026-01-01T00:00:00.000Z".parse().unwrap();
        assert!(frequency.window_start(last_of_january) <= first_of_january);
        assert_eq!(frequency.window_start(Millis(5)), Millis(0));
        assert!(frequency.allows(0) && !frequency.allows(1));
    }
}
