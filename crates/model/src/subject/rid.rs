//! CN-RID: the resident number of GB 11643-1999, with the check character of ISO/IEC 7064
//! mod 11-2, and the number of 15 digits that came before it.
//!
//! ```text
//! 11010519491231002X      110105491231002
//! region date  ord check  region date ord   (year with two digits, no check character)
//! ```

use jiff::civil::Date;
use zeroize::Zeroizing;

use super::{
    birth,
    clean::Cleaned,
    code::{SchemeName, SubjectCode},
    error::{CharacterProblem, CodeError, DatePart},
};

const LENGTH: usize = 18;
const OLD_LENGTH: usize = 15;

/// 2^(17-i) mod 11, GB 11643-1999 section 4.2.3.
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// Check character for each weighted sum mod 11.
const CHECKS: &[u8; 11] = b"10X98765432";

/// First two digits: provinces by GB/T 2260; 71, 81, 82 and 83 for Taiwan, Hong Kong and Macao and
/// the residence permits of their residents; 9 and anything for foreign permanent residents.
fn is_province(tens: u8, ones: u8) -> bool {
    matches!(
        (tens, ones),
        (b'1', b'1'..=b'5')
            | (b'2', b'1'..=b'3')
            | (b'3', b'1'..=b'7')
            | (b'4', b'1'..=b'6')
            | (b'5', b'0'..=b'4')
            | (b'6', b'1'..=b'5')
            | (b'7', b'1')
            | (b'8', b'1'..=b'3')
            | (b'9', _)
    )
}

/// The check character of the first 17 characters, which must be digits.
pub(crate) fn check_character(body: &[u8; LENGTH - 1]) -> Option<u8> {
    let mut sum = 0u32;
    for (byte, weight) in body.iter().zip(WEIGHTS) {
        if !byte.is_ascii_digit() {
            return None;
        }
        sum += u32::from(byte - b'0') * weight;
    }
    CHECKS.get(usize::try_from(sum % 11).ok()?).copied()
}

fn number(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |n, byte| n * 10 + i16::from(byte.wrapping_sub(b'0').min(9)))
}

/// The part of the date that cannot be. `year` is already a whole year; `date` is MMDD.
fn impossible(year: i16, date: &[u8]) -> Option<DatePart> {
    let (month, day) = date.split_at_checked(2).unwrap_or((date, &[]));
    birth::impossible(year, number(month), number(day))
}

/// The date of birth in a number in its normal form.
pub(super) fn born_on(code: &str) -> Option<Date> {
    let code: &[u8; LENGTH] = code.as_bytes().try_into().ok()?;
    birth::date(number(&code[6..10]), number(&code[10..12]), number(&code[12..14]))
}

/// Where a date of birth stands: index of its first digit, digits of the year.
fn date_error(part: DatePart, start: u32, year_digits: u32) -> CodeError {
    let (first, last) = match part {
        DatePart::Year => (start + 1, start + year_digits),
        DatePart::Month => (start + year_digits + 1, start + year_digits + 2),
        DatePart::Day => (start + year_digits + 3, start + year_digits + 4),
    };
    CodeError::ImpossibleDate { part, first, last }
}

/// The first character that cannot stand where it stands; for both lengths.
fn misplaced(code: &[u8]) -> Option<(usize, CharacterProblem)> {
    let region_fits = |tens: u8, ones: u8| is_province(tens, ones);
    code.iter().enumerate().find_map(|(index, &byte)| match index {
        17 if !byte.is_ascii_digit() && byte != b'X' => Some((index, CharacterProblem::DigitOrXExpected)),
        0..17 if !byte.is_ascii_digit() => {
            let symbol = !byte.is_ascii_alphanumeric();
            Some((index, if symbol { CharacterProblem::Symbol } else { CharacterProblem::DigitExpected }))
        }
        0 if !(b'0'..=b'9').any(|ones| region_fits(byte, ones)) => Some((0, CharacterProblem::UnknownRegion)),
        1 if !code.first().is_some_and(|tens| region_fits(*tens, byte)) => {
            Some((1, CharacterProblem::UnknownRegion))
        }
        _ => None,
    })
}

fn agrees(code: &[u8; LENGTH]) -> bool {
    code.split_first_chunk().is_some_and(|(body, check)| check_character(body) == check.first().copied())
}

fn date_problem(code: &[u8; LENGTH]) -> Option<CodeError> {
    impossible(number(&code[6..10]), &code[10..14]).map(|part| date_error(part, 6, 4))
}

/// Already in its normal form and valid.
pub(super) fn parse_plain(typed: &str) -> Option<SubjectCode> {
    let code: &[u8; LENGTH] = typed.as_bytes().try_into().ok()?;
    (misplaced(code).is_none() && date_problem(code).is_none() && agrees(code))
        .then(|| SubjectCode::verified(SchemeName::CnRid, typed))
}

/// A parsed number; `true` when it was upgraded from 15 digits.
pub(super) fn parse_cleaned(cleaned: &Cleaned) -> Result<(SubjectCode, bool), CodeError> {
    if let Ok(old) = cleaned.exactly::<OLD_LENGTH>() {
        return upgrade(cleaned, old).map(|code| (code, true));
    }
    let code = cleaned.exactly::<LENGTH>()?;
    if let Some((index, problem)) = misplaced(code) {
        return Err(cleaned.illegal(index, problem));
    }
    if let Some(error) = date_problem(code) {
        return Err(error);
    }
    match std::str::from_utf8(code) {
        Ok(text) if agrees(code) => Ok((SubjectCode::verified(SchemeName::CnRid, text), false)),
        _ => Err(cleaned.disagree()),
    }
}

/// Numbers of 15 digits were given out until 1999, so the year is 19yy, except that the order
/// numbers 996 to 999 were kept for people who were over a hundred: those may be 18yy.
fn upgrade(cleaned: &Cleaned, old: &[u8; OLD_LENGTH]) -> Result<SubjectCode, CodeError> {
    if let Some((index, problem)) = misplaced(old) {
        return Err(cleaned.illegal(index, problem));
    }
    let centenarian = (996..=999).contains(&number(&old[12..15]));
    let nineteen = 1900 + number(&old[6..8]);
    if let Some(part) = impossible(nineteen, &old[8..12]) {
        // 1900 was no leap year and neither was 1800, so no other century could save the date.
        return Err(date_error(part, 6, 2));
    }
    if centenarian {
        return Err(CodeError::OldResidentNumber);
    }
    let mut code = Zeroizing::new([0u8; LENGTH]);
    code[..6].copy_from_slice(&old[..6]);
    code[6..8].copy_from_slice(b"19");
    code[8..17].copy_from_slice(&old[6..]);
    code[17] = code.first_chunk().and_then(check_character).ok_or(CodeError::CheckFailed)?;
    let text = std::str::from_utf8(code.as_slice()).map_err(|_| CodeError::CheckFailed)?;
    Ok(SubjectCode::verified(SchemeName::CnRid, text))
}
