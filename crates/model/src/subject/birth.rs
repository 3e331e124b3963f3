//! Dates of birth that codes tell: the resident number does, and a pattern of the registry by the names of its groups.

use jiff::civil::Date;
use regex::{Captures, Match, Regex};

use super::{
    error::{CodeError, DatePart, saturate},
    schemes::SchemeError,
};

/// Groups for the year: one of four digits, and of two digits one for each century.
const YEARS: [(&str, i16); 4] =
    [("birth_year", 0), ("birth_year_18", 1800), ("birth_year_19", 1900), ("birth_year_20", 2000)];
const MONTH: &str = "birth_month";
const DAY: &str = "birth_day";

/// The part of a date of birth that cannot be.
pub(super) fn impossible(year: i16, month: i16, day: i16) -> Option<DatePart> {
    if !(1800..=2100).contains(&year) {
        Some(DatePart::Year)
    } else if date(year, month, 1).is_none() {
        Some(DatePart::Month)
    } else if date(year, month, day).is_none() {
        Some(DatePart::Day)
    } else {
        None
    }
}

/// The date, if there is such a day.
pub(super) fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Whether the groups of a pattern tell a date of birth. A group of any other name is refused, so that none is
/// misspelt and tells nothing.
pub(super) fn is_told(pattern: &Regex) -> Result<bool, SchemeError> {
    let (mut year, mut month, mut day) = (false, false, false);
    for name in pattern.capture_names().flatten() {
        match name {
            MONTH => month = true,
            DAY => day = true,
            _ if YEARS.iter().any(|(known, _)| *known == name) => year = true,
            _ => return Err(SchemeError::Group),
        }
    }
    match (year, month, day) {
        (true, true, true) => Ok(true),
        (false, false, false) => Ok(false),
        _ => Err(SchemeError::BirthIncomplete),
    }
}

/// The date of birth in a code of a pattern that tells one; `None` when the code is of a form without it.
pub(super) fn told(pattern: &Regex, code: &str) -> Result<Option<Date>, CodeError> {
    let found = pattern.captures(code).ok_or(CodeError::Pattern)?;
    let (month, day) = (found.name(MONTH), found.name(DAY));
    match (year(&found)?, month, day) {
        (None, None, None) => Ok(None),
        (Some((year, century)), Some(month), Some(day)) => {
            let digits = if century == 0 { 4 } else { 2 };
            let whole = century + number(year.as_str(), digits)?;
            let (in_month, on_day) = (number(month.as_str(), 2)?, number(day.as_str(), 2)?);
            match impossible(whole, in_month, on_day) {
                None => Ok(date(whole, in_month, on_day)),
                Some(part) => Err(at(code, part, [year, month, day])),
            }
        }
        _ => Err(CodeError::Pattern),
    }
}

/// The group that has the year, and its century; an error when several have.
fn year<'c>(found: &Captures<'c>) -> Result<Option<(Match<'c>, i16)>, CodeError> {
    let mut years = YEARS.iter().filter_map(|(name, century)| Some((found.name(name)?, *century)));
    let year = years.next();
    if years.next().is_some() { Err(CodeError::Pattern) } else { Ok(year) }
}

/// A number of exactly so many plain digits.
fn number(text: &str, digits: usize) -> Result<i16, CodeError> {
    let is_plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().map_err(|_| CodeError::Pattern) } else { Err(CodeError::Pattern) }
}

fn at(code: &str, part: DatePart, [year, month, day]: [Match<'_>; 3]) -> CodeError {
    let group = match part {
        DatePart::Year => year,
        DatePart::Month => month,
        DatePart::Day => day,
    };
    let before = code.get(..group.start()).map_or(0, |before| before.chars().count());
    CodeError::ImpossibleDate { part, first: saturate(before + 1), last: saturate(before + group.len()) }
}
