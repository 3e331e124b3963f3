//! Answers in plain words, beside the machine's fields. They say what was found, when, and what it does not say.

use std::fmt::Write as _;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tacit_blind::table::{Day, Label};
use tacit_client::{Answer, ListAnswer};
use tacit_model::Millis;
use tacit_policy::{Registry, registry::entry::List};

/// 9999-12-31, the last day of the calendar; a label could carry later ones.
const LAST: i32 = 2_932_896;

/// The label's flag bit of a contested listing.
pub const FLAG_CONTESTED: u8 = 0x01;

/// Writes a day as `YYYY-MM-DD`; empty for 0.
#[must_use]
pub fn format_day(day: u32) -> String {
    if day == 0 {
        return String::new();
    }
    let day = i32::try_from(day).unwrap_or(LAST).min(LAST);
    let date = Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(day));
    date.unwrap_or(Date::MAX).to_string()
}

/// Stands under every set of answers.
pub const NOTICE: &str = "An answer is not a decision.";

/// One sentence or two about what a list answered.
#[must_use]
pub fn of_answer(answer: &ListAnswer, registry: &Registry) -> String {
    let list = registry.list(&answer.list);
    let title = list.map_or(answer.list.as_str(), |list| &list.title);
    let as_of = answer.as_of.map(|time| as_of(time, list.map_or("UTC", |list| &list.time_zone)));
    let as_of = as_of.map(|text| format!(" as of {text}")).unwrap_or_default();
    match &answer.answer {
        Answer::NotListed => {
            format!("Not on the list *{title}*{as_of}. This says nothing about other lists.")
        }
        Answer::Listed(label) => {
            format!("On the list *{title}*{as_of}: {}", of_label(label, list, registry))
        }
        Answer::Refused(refusal) => {
            let reason = refusal.reason.outward();
            format!("The list *{title}* gave no answer. {} {}", reason.meaning(), reason.advice())
        }
    }
}

fn of_label(label: &Label, list: Option<&List>, registry: &Registry) -> String {
    let mut text = match registry.category(label.category) {
        Some(category) => category.title.clone(),
        None => format!("category {}", label.category),
    };
    if let Some(day) = label.listed_on {
        let _ = write!(text, ", listed on {}", day_in_words(day));
    }
    match label.expires_on {
        Some(day) => {
            let _ = write!(text, ", until {}", day_in_words(day));
        }
        None => text.push_str(", without a stated end"),
    }
    text.push('.');
    if is_contested(label) {
        text.push_str(" The record is contested.");
    }
    for more in
        [status_text(label, list), list.map(|list| list.what_listing_means.as_str())].into_iter().flatten()
    {
        text.push(' ');
        text.push_str(more);
    }
    text
}

/// The list's words for the status of a label.
#[must_use]
pub fn status_text<'r>(label: &Label, list: Option<&'r List>) -> Option<&'r str> {
    let texts = &list?.status_texts;
    texts.iter().find(|text| text.status == label.status).map(|text| text.text.as_str())
}

/// Whether the label says that the record is contested.
#[must_use]
pub fn is_contested(label: &Label) -> bool {
    label.flags & FLAG_CONTESTED != 0
}

/// The holder's reference to its record, 16 hexadecimal digits.
#[must_use]
pub fn reference(label: &Label) -> String {
    format!("{:016x}", u64::from_be_bytes(label.reference))
}

/// `YYYY-MM-DD` in the list's time zone.
#[must_use]
pub fn iso_day(day: Day) -> String {
    format_day(day.number())
}

/// `21 Nov 2026, 10:32 (Asia/Shanghai)`: the time of day in the list's time zone, which is named.
fn as_of(time: Millis, zone: &str) -> String {
    let (zone, name) = match TimeZone::get(zone) {
        Ok(found) => (found, zone),
        Err(_) => (TimeZone::UTC, "UTC"),
    };
    let timestamp = Timestamp::from_millisecond(time.to_i64()).unwrap_or(Timestamp::MAX);
    format!("{} ({name})", timestamp.to_zoned(zone).strftime("%-d %b %Y, %H:%M"))
}

/// `21 Nov 2026`.
fn day_in_words(day: Day) -> String {
    let iso = iso_day(day);
    iso.parse::<Date>().map_or(iso, |date| date.strftime("%-d %b %Y").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_answer_names_its_zone() {
        let time: Millis = "2026-11-21T02:32:59.999Z".parse().unwrap();
        assert_eq!(as_of(time, "Asia/Shanghai"), "21 Nov 2026, 10:32 (Asia/Shanghai)");
        assert_eq!(as_of(time, "No/Where"), "21 Nov 2026, 02:32 (UTC)");
        assert_eq!(day_in_words(Day::new(20_513).unwrap()), "1 Mar 2026");
    }
}
