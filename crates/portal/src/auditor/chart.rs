//! Checks per day as bars of an SVG without a view box: places in percent, heights in pixels, so that the text keeps its
//! size on a small screen.

use jiff::{civil::Date, tz::TimeZone};
use tacit_model::Millis;

use super::copy::Rows;
use crate::{language::Language, time};

/// Days on the chart.
const DAYS: usize = 14;
/// Where the plot begins and ends, in pixels from above.
const TOP: u64 = 20;
const FLOOR: u64 = 180;
/// Where the plot begins, and how wide a day is, in hundredths of a percent.
const LEFT: usize = 1000;
const SLOT: usize = 9000 / DAYS;

/// What was decided on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: Date,
    pub(super) permitted: u64,
    pub(super) refused: u64,
}

/// A bar.
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: u64,
    pub(super) height: u64,
}

/// A day on the chart.
pub(super) struct Column {
    pub(super) label: String,
    /// Whether its label may go on a small screen.
    pub(super) minor: bool,
    pub(super) middle: String,
    pub(super) permitted: Bar,
    pub(super) refused: Bar,
    pub(super) day: Day,
}

/// The chart.
pub(super) struct Chart {
    pub(super) columns: Vec<Column>,
    /// Numbers on the axis, with their heights.
    pub(super) grid: Vec<(u64, u64)>,
    /// The day with most checks, and how many.
    pub(super) most: Option<(String, u64)>,
}

/// What was decided on each of the last days.
pub(super) fn days(rows: &Rows, now: Millis, zone: &TimeZone) -> Vec<Day> {
    let date = |at: Millis| {
        let at = jiff::Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
        Some(zone.to_datetime(at).date())
    };
    let Some(last) = date(now) else { return Vec::new() };
    let back = |days: usize| last.checked_sub(jiff::Span::new().days(i64::try_from(days).ok()?)).ok();
    let dates: Vec<Date> = (0..DAYS).rev().filter_map(back).collect();
    let begins = |date: &Date| date.to_zoned(zone.clone()).ok().map(|at| at.timestamp().as_millisecond());
    let starts: Vec<u64> = dates.iter().filter_map(begins).filter_map(|at| u64::try_from(at).ok()).collect();
    let mut days: Vec<Day> = dates.into_iter().map(|date| Day { date, permitted: 0, refused: 0 }).collect();
    for (time, [permitted, refused]) in rows.quarters(Millis(starts.first().copied().unwrap_or_default())) {
        let place = starts.partition_point(|start| *start <= time.0).saturating_sub(1);
        let Some(day) = days.get_mut(place) else { continue };
        day.permitted += permitted;
        day.refused += refused;
    }
    days
}

/// The chart of these days.
pub(super) fn chart(days: &[Day], language: Language) -> Chart {
    let most = days.iter().map(|day| day.permitted.max(day.refused)).max().unwrap_or(0);
    let top = round_up(most);
    let height = |count: u64| count * (FLOOR - TOP) / top;
    let percent = |hundredths: usize| format!("{}.{:02}%", hundredths / 100, hundredths % 100);
    let bar =
        |place: usize, count: u64| Bar { x: percent(place), y: FLOOR - height(count), height: height(count) };
    let label = |date: Date| match language {
        Language::English => date.strftime("%-d %b").to_string(),
        Language::Chinese => date.strftime("%-m/%-d").to_string(),
    };
    let columns = days.iter().enumerate().map(|(place, day)| {
        let left = LEFT + place * SLOT;
        Column {
            label: label(day.date),
            minor: !(days.len() - 1 - place).is_multiple_of(4),
            middle: percent(left + SLOT / 2),
            permitted: bar(left + SLOT / 10, day.permitted),
            refused: bar(left + SLOT / 2, day.refused),
            day: *day,
        }
    });
    let busiest = days.iter().max_by_key(|day| day.permitted + day.refused);
    let busiest =
        busiest.map(|day| (time::day(&day.date.to_string(), language), day.permitted + day.refused));
    Chart {
        columns: columns.collect(),
        grid: [0, top / 2, top].map(|count| (FLOOR - height(count), count)).to_vec(),
        most: busiest.filter(|(_, count)| *count > 0),
    }
}

/// The next even number with one digit that is not zero: 2, 4, 6, 8, 10, 20, ...
fn round_up(most: u64) -> u64 {
    let mut step = 2;
    while step < 1_000_000_000_000_000_000 {
        for times in [1, 2, 3, 4] {
            if most <= step * times {
                return step * times;
            }
        }
        if most <= step * 5 {
            return step * 5;
        }
        step *= 10;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_counts_on_the_day_of_the_desk_s_zone_and_no_bar_leaves_the_chart() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = |text: &str| text.parse::<Millis>().unwrap();
        let mut rows = Rows::default();
        for (time, kind) in [
            ("2026-11-20T16:00:00.000Z", "access"),
            ("2026-11-20T15:59:59.999Z", "refused"),
            ("2026-11-21T02:00:00.000Z", "access"),
            ("2026-11-21T02:00:00.000Z", "manifest"),
            ("2020-01-01T00:00:00.000Z", "access"),
            ("2026-11-21T03:00:00.000Z", "access"),
        ] {
            rows.push(format!("tacit-log/v1\nkind {kind}\n").as_bytes(), at(time).0);
        }
        // The last one is not verified yet.
        rows.verified(5);
        rows.verified(5);
        let days = days(&rows, at("2026-11-21T04:00:00.000Z"), &zone);
        assert_eq!(days.len(), DAYS);
        let last = |back: usize| (days[DAYS - 1 - back].permitted, days[DAYS - 1 - back].refused);
        assert_eq!((last(0), last(1), last(2)), ((2, 0), (0, 1), (0, 0)));
        let chart = chart(&days, Language::English);
        assert_eq!(chart.most, Some(("21 November 2026".to_owned(), 2)));
        for column in &chart.columns {
            for bar in [&column.permitted, &column.refused] {
                assert!(bar.y >= TOP && bar.y + bar.height == FLOOR);
            }
        }
        assert_eq!(chart.columns[DAYS - 1].permitted.height, FLOOR - TOP);
        for (most, top) in
            [(0, 2), (2, 2), (3, 4), (9, 10), (11, 20), (99, 100), (101, 200), (999_999, 1_000_000)]
        {
            assert_eq!(round_up(most), top, "{most}");
        }
    }
}
