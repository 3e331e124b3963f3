//! One figure, and the table of all of them.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// What a figure has to reach on two cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Floor {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
    /// Its ratio to the raw limit.
    RatioAtLeast(f64),
}

/// A figure beside the raw limit of the same run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    /// 1 means that nothing is lost: figure over limit, or limit over figure where less is better.
    pub(super) value: f64,
    /// The figure that is the limit, by name.
    pub(super) of: &'static str,
}

/// What one measure found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    /// Stable name, snake_case with dots.
    pub(super) name: &'static str,
    /// What was measured, in a few words.
    pub(super) what: &'static str,
    /// The figure, in `unit`.
    pub(super) value: f64,
    /// `1/s`, `us`, `ms`, `s`, `MB`, `bytes`.
    pub(super) unit: &'static str,
    /// How near it comes to what the machine can do.
    pub(super) ratio: Option<Ratio>,
    /// What it has to reach.
    pub(super) floor: Option<Floor>,
    /// Whether it does; absent without a floor.
    pub(super) met: Option<bool>,
}

impl Figure {
    pub(super) fn new(name: &'static str, what: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, what, value, unit, ratio: None, floor: None, met: None }
    }

    /// As a share of a limit.
    pub(super) fn of(self, limit: &Self) -> Self {
        let value = self.value / limit.value;
        self.share(value, limit.name)
    }

    /// With the share of a limit that was computed elsewhere.
    pub(super) fn share(mut self, value: f64, of: &'static str) -> Self {
        if value.is_finite() {
            self.ratio = Some(Ratio { value, of });
        }
        self
    }

    pub(super) fn floor(mut self, floor: Floor) -> Self {
        self.met = Some(match floor {
            Floor::AtLeast(least) => self.value >= least,
            Floor::AtMost(most) => self.value <= most,
            Floor::RatioAtLeast(least) => self.ratio.is_some_and(|ratio| ratio.value >= least),
        });
        self.floor = Some(floor);
        self
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {}", number(*least)),
            Self::AtMost(most) => write!(f, "at most {}", number(*most)),
            Self::RatioAtLeast(least) => write!(f, "ratio at least {least}"),
        }
    }
}

/// Thousands with commas, small numbers with as many digits as they need.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

const HEAD: [&str; 5] = ["measure", "figure", "unit", "of the raw limit", "floor on 2 cores"];

fn row(figure: &Figure) -> [String; 5] {
    let ratio = figure.ratio.map_or(String::new(), |ratio| format!("{:.2} of {}", ratio.value, ratio.of));
    let floor = match (figure.floor, figure.met) {
        (Some(floor), Some(true)) => format!("{floor}: met"),
        (Some(floor), _) => format!("{floor}: MISSED"),
        (None, _) => String::new(),
    };
    [format!("{}  {}", figure.name, figure.what), number(figure.value), figure.unit.to_owned(), ratio, floor]
}

/// The figures as a table for people.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [name, value, unit, ratio, _] = widths;
    let mut out = String::new();
    for [what, figure, of_unit, share, floor] in rows {
        let line = format!("{what:<name$}  {figure:>value$}  {of_unit:<unit$}  {share:<ratio$}  {floor}");
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_people() {
        let shown = [0.0, 0.0123, 0.5, 4.25, 12.34, 999.6, 1000.0, 78_123.4, 1_234_567.0].map(number);
        assert_eq!(shown, ["0", "0.012", "0.50", "4.25", "12.3", "1,000", "1,000", "78,123", "1,234,567"]);
    }

    #[test]
    fn a_missed_floor_stands_out() {
        let limit = Figure::new("raw.x", "x", 100.0, "1/s");
        let met = Figure::new("x", "x", 80.0, "1/s").of(&limit).floor(Floor::RatioAtLeast(0.7));
        let missed = Figure::new("y", "y", 6.0, "ms").floor(Floor::AtMost(5.0));
        assert_eq!((met.met, missed.met), (Some(true), Some(false)));
        let shown = table(&[limit, met, missed]);
        assert!(shown.contains("0.80 of raw.x") && shown.contains("at most 5: MISSED"), "{shown}");
    }
}
