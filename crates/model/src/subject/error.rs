//! Why a typed text is not a code. Positions count the characters of the code from 1, as on the
//! document: spaces and hyphens that are removed are not counted.

use std::fmt;

use crate::Reason;

/// What is wrong with one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CharacterProblem {
    /// A control or invisible character, as copying from documents brings along.
    Invisible,
    /// A letter or digit of another script that may look like a plain one.
    OtherScript,
    /// Punctuation or another symbol.
    Symbol,
    /// A letter that the scheme leaves out because it is mistaken for a digit (I, O, S, V, Z).
    LetterNotUsed,
    /// A letter where only digits stand.
    DigitExpected,
    /// At the last place: neither a digit nor X.
    DigitOrXExpected,
    /// A small letter that is easily a digit, in a code that does not agree.
    LooksLikeDigit,
    /// No registration authority of GB 32100 has this character.
    UnknownAuthority,
    /// No category of GB 32100 has this character.
    UnknownCategory,
    /// No province has these digits.
    UnknownRegion,
}

impl fmt::Display for CharacterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invisible => "is invisible (a control or formatting character)",
            Self::OtherScript => "belongs to another script",
            Self::Symbol => "is neither a letter nor a digit",
            Self::LetterNotUsed => "is a letter that this scheme never uses",
            Self::DigitExpected => "must be a digit",
            Self::DigitOrXExpected => "must be a digit or X",
            Self::LooksLikeDigit => {
                "is a small letter that is easily mistaken for a digit; compare with the document"
            }
            Self::UnknownAuthority => "stands for no registration authority",
            Self::UnknownCategory => "stands for no category of organizations",
            Self::UnknownRegion => "does not fit any province",
        })
    }
}

/// The part of a date of birth that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatePart {
    /// Not 1800 to 2100.
    Year,
    /// Not 01 to 12.
    Month,
    /// Not a day of that month and year.
    Day,
}

impl fmt::Display for DatePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        })
    }
}

/// Why a text is no code of its scheme. Holds positions, lengths and kinds, never characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// No such scheme is built in or in the registry.
    #[error("this scheme is not known")]
    UnknownScheme,
    /// Nothing is left after spaces are removed.
    #[error("the code is empty")]
    Empty,
    /// Another length than the scheme's.
    #[error("expected {expected} characters, got {got}")]
    Length {
        /// The scheme's length.
        expected: u32,
        /// Characters given, spaces and hyphens not counted.
        got: u32,
    },
    /// Longer than any code of a registry-defined scheme.
    #[error("expected at most {max} characters, got {got}")]
    TooLong {
        /// The bound.
        max: u32,
        /// Characters given.
        got: u32,
    },
    /// CN-USCC: digits only, and 15 (or, before 2007, 13) of them.
    #[error(
        "{digits} digits: this is an old business registration number; expected a unified social credit code of 18 characters, got {digits}"
    )]
    OldBusinessRegistration {
        /// 15 or 13.
        digits: u32,
    },
    /// CN-RID: 15 digits whose century is not certain (order numbers 996 to 999 marked people
    /// over a hundred).
    #[error(
        "15 digits: this is an old resident number whose century is not certain; expected the resident number of 18 characters, got 15"
    )]
    OldResidentNumber,
    /// One character cannot be.
    #[error("character {position} {problem}")]
    IllegalCharacter {
        /// From 1.
        position: u32,
        /// In what way.
        problem: CharacterProblem,
    },
    /// The date of birth does not exist.
    #[error("the date is impossible: no such {part} (characters {first} to {last})")]
    ImpossibleDate {
        /// The part that cannot be.
        part: DatePart,
        /// Its first position, from 1.
        first: u32,
        /// Its last position.
        last: u32,
    },
    /// Everything may stand where it stands, but the check characters do not fit.
    #[error("the characters do not agree; compare with the document")]
    CheckFailed,
    /// Not what the registry's pattern for this scheme asks for.
    #[error("the code does not have the form that the registry defines for this scheme")]
    Pattern,
    /// Valid, but not in its normal form where only that form is accepted.
    #[error("the code is not in its normal form")]
    NotNormalized,
}

impl CodeError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownScheme => Reason::CodeSchemeUnknown,
            Self::Empty
            | Self::Length { .. }
            | Self::TooLong { .. }
            | Self::OldBusinessRegistration { .. }
            | Self::OldResidentNumber
            | Self::IllegalCharacter { .. }
            | Self::ImpossibleDate { .. }
            | Self::CheckFailed
            | Self::Pattern
            | Self::NotNormalized => Reason::CodeInvalid,
        }
    }

    /// The first position that is named, from 1; `None` when the error names none.
    #[must_use]
    pub fn position(&self) -> Option<u32> {
        match self {
            Self::IllegalCharacter { position, .. } => Some(*position),
            Self::ImpossibleDate { first, .. } => Some(*first),
            _ => None,
        }
    }
}

/// The error for the character at `index`, which counts from 0.
pub(super) fn illegal(index: usize, problem: CharacterProblem) -> CodeError {
    CodeError::IllegalCharacter { position: saturate(index.saturating_add(1)), problem }
}

/// A count for an error message.
pub(super) fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
