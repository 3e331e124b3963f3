//! LEI: ISO 17442, 18 letters and digits and two check digits by ISO/IEC 7064 mod 97-10.

use super::{
    clean::Cleaned,
    code::{SchemeName, SubjectCode},
    error::{CharacterProblem, CodeError},
};

const LENGTH: usize = 20;

/// Remainder by 97 of the number that the characters spell, letters standing for 10 to 35.
/// Characters must be capitals or digits; others count as 0.
fn remainder(characters: &[u8]) -> u32 {
    characters.iter().fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => rest * 10 % 97,
    })
}

/// The two check digits of the first 18 characters (capitals and digits).
pub(crate) fn check_digits(body: &[u8; LENGTH - 2]) -> [u8; 2] {
    // 98 - (remainder of body followed by "00"): 2 to 98.
    let check = 98 - remainder(body) * 100 % 97;
    let digit = |value: u32| b'0' + u8::try_from(value % 10).unwrap_or(0);
    [digit(check / 10), digit(check)]
}

fn misplaced(code: &[u8; LENGTH]) -> Option<(usize, CharacterProblem)> {
    code.iter().enumerate().find_map(|(index, &byte)| match index {
        _ if !byte.is_ascii_digit() && !byte.is_ascii_uppercase() => Some((index, CharacterProblem::Symbol)),
        18.. if !byte.is_ascii_digit() => Some((index, CharacterProblem::DigitExpected)),
        _ => None,
    })
}

/// Compared with the digits that would be issued, so that 00, 01 and 99, which leave the same
/// remainder as 97, 98 and 02, do not pass.
fn agrees(code: &[u8; LENGTH]) -> bool {
    code.split_first_chunk().is_some_and(|(body, check)| check_digits(body) == check)
}

/// Already in its normal form and valid.
pub(super) fn parse_plain(typed: &str) -> Option<SubjectCode> {
    let code: &[u8; LENGTH] = typed.as_bytes().try_into().ok()?;
    (misplaced(code).is_none() && agrees(code)).then(|| SubjectCode::verified(SchemeName::Lei, typed))
}

pub(super) fn parse_cleaned(cleaned: &Cleaned) -> Result<SubjectCode, CodeError> {
    let code = cleaned.exactly::<LENGTH>()?;
    if let Some((index, problem)) = misplaced(code) {
        return Err(cleaned.illegal(index, problem));
    }
    match std::str::from_utf8(code) {
        Ok(text) if agrees(code) => Ok(SubjectCode::verified(SchemeName::Lei, text)),
        _ => Err(cleaned.disagree()),
    }
}
