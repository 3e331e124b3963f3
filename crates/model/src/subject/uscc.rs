//! CN-USCC: the unified social credit code of GB 32100-2015 (with amendment 1 of 2016).
//!
//! ```text
//! 9 1 350100 M000100Y4 3
//! | | region organization check (mod 31)
//! | category          `-- its own check character (GB 11714) is the ninth
//! registration authority
//! ```
//! The organization part's own check character is not verified: real, valid codes exist whose
//! inner one is wrong, and the outer one covers all 17 characters anyway.

use super::{
    clean::Cleaned,
    code::{SchemeName, SubjectCode},
    error::{CharacterProblem, CodeError},
};

/// GB 32100-2015 table 3: ten digits and the letters without I, O, S, V and Z.
pub(crate) const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

const LENGTH: usize = 18;

/// Weights 3^i mod 31, GB 32100-2015 table 2.
const WEIGHTS: [u32; LENGTH - 1] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

const NONE: u8 = u8::MAX;

/// Value of each byte in [`ALPHABET`], [`NONE`] where it has none.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut i = 0u8;
    while (i as usize) < ALPHABET.len() {
        values[ALPHABET[i as usize] as usize] = i;
        i += 1;
    }
    values
};

/// Registration authorities: 1 establishment offices (government bodies, public institutions),
/// 2 foreign affairs, 3 judicial administration, 4 culture, 5 civil affairs (associations,
/// foundations, village and residents' committees), 6 tourism, 7 religious affairs, 8 trade
/// unions, 9 market regulation (companies, sole proprietors, cooperatives), A armed forces,
/// N agriculture (village collectives), Y others.
fn is_authority(byte: u8) -> bool {
    matches!(byte, b'1'..=b'9' | b'A' | b'N' | b'Y')
}

/// Every category published so far, under each authority, is a digit from 1 to 9. They are not
/// tied to the authority: amendments add categories, and the check character guards typing.
fn is_category(byte: u8) -> bool {
    matches!(byte, b'1'..=b'9')
}

/// The check character of the first 17 characters; `None` when one is not in the alphabet.
pub(crate) fn check_character(body: &[u8; LENGTH - 1]) -> Option<u8> {
    let mut sum = 0u32;
    for (byte, weight) in body.iter().zip(WEIGHTS) {
        let value = VALUES[usize::from(*byte)];
        if value == NONE {
            return None;
        }
        sum += u32::from(value) * weight;
    }
    // The second `% 31` matters: a sum that divides gives 31 - 0, and its check character is 0.
    let check = (31 - sum % 31) % 31;
    ALPHABET.get(usize::try_from(check).ok()?).copied()
}

/// The first character that cannot stand where it stands, and why.
fn misplaced(code: &[u8; LENGTH]) -> Option<(usize, CharacterProblem)> {
    code.iter().enumerate().find_map(|(index, &byte)| {
        let in_alphabet = VALUES[usize::from(byte)] != NONE;
        let problem = match index {
            _ if byte.is_ascii_alphabetic() && !in_alphabet => CharacterProblem::LetterNotUsed,
            _ if !in_alphabet => CharacterProblem::Symbol,
            0 if !is_authority(byte) => CharacterProblem::UnknownAuthority,
            1 if !is_category(byte) => CharacterProblem::UnknownCategory,
            2..8 if !byte.is_ascii_digit() => CharacterProblem::DigitExpected,
            _ => return None,
        };
        Some((index, problem))
    })
}

fn agrees(code: &[u8; LENGTH]) -> bool {
    code.split_first_chunk().is_some_and(|(body, check)| check_character(body) == check.first().copied())
}

/// Already in its normal form and valid.
pub(super) fn parse_plain(typed: &str) -> Option<SubjectCode> {
    let code: &[u8; LENGTH] = typed.as_bytes().try_into().ok()?;
    (misplaced(code).is_none() && agrees(code)).then(|| SubjectCode::verified(SchemeName::CnUscc, typed))
}

pub(super) fn parse_cleaned(cleaned: &Cleaned) -> Result<SubjectCode, CodeError> {
    if let Some(digits @ (13 | 15)) = cleaned.digits_only() {
        return Err(CodeError::OldBusinessRegistration { digits });
    }
    let code = cleaned.exactly::<LENGTH>()?;
    if let Some((index, problem)) = misplaced(code) {
        return Err(cleaned.illegal(index, problem));
    }
    match std::str::from_utf8(code) {
        Ok(text) if agrees(code) => Ok(SubjectCode::verified(SchemeName::CnUscc, text)),
        _ => Err(cleaned.disagree()),
    }
}
