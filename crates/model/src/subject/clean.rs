//! From typed text to plain capitals and digits. Every change is stated.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::error::{CharacterProblem, CodeError, illegal, saturate};
use crate::log_safe::is_invisible;

/// A change that was made to what was typed. Shown to whoever typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Full-width letters or digits became plain ones.
    FullWidth,
    /// Small letters became capitals.
    UpperCased,
    /// Spaces, also in front and behind, were removed.
    SpacesRemoved,
    /// Hyphens and dashes were removed.
    HyphensRemoved,
    /// A resident number of 15 digits got its century and check character.
    Upgraded15,
}

impl Normalization {
    /// All changes, in the order in which they are stated.
    pub const ALL: [Self; 5] =
        [Self::FullWidth, Self::UpperCased, Self::SpacesRemoved, Self::HyphensRemoved, Self::Upgraded15];

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FullWidth => "full-width characters were changed to plain ones",
            Self::UpperCased => "small letters were changed to capitals",
            Self::SpacesRemoved => "spaces were removed",
            Self::HyphensRemoved => "hyphens were removed",
            Self::Upgraded15 => "the old number of 15 digits was written with 18 characters",
        })
    }
}

/// A set of changes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes(pub(super) u8);

impl Changes {
    pub(super) fn add(&mut self, change: Normalization) {
        self.0 |= change.bit();
    }

    pub(super) fn contains(self, change: Normalization) -> bool {
        self.0 & change.bit() != 0
    }

    /// In stated order; no allocation when nothing was changed.
    pub(super) fn to_vec(self) -> Vec<Normalization> {
        Normalization::ALL.into_iter().filter(|change| self.contains(*change)).collect()
    }
}

/// What one typed character is.
pub(super) enum Kind {
    Space,
    Hyphen,
    /// Full-width letter or digit, with its plain form.
    Wide(char),
    Other(char),
}

pub(super) fn kind(c: char) -> Kind {
    match c {
        // A tab comes from a spreadsheet. Other controls are refused.
        '\t' => Kind::Space,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => Kind::Hyphen,
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            Kind::Wide(char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c))
        }
        _ if c.is_whitespace() && !c.is_control() && !is_invisible(c) => Kind::Space,
        _ => Kind::Other(c),
    }
}

/// What is wrong with a character that no built-in scheme has.
fn problem(c: char) -> CharacterProblem {
    if c.is_control() || is_invisible(c) {
        CharacterProblem::Invisible
    } else if c.is_alphanumeric() {
        CharacterProblem::OtherScript
    } else {
        CharacterProblem::Symbol
    }
}

/// Longest code of a built-in scheme.
const ROOM: usize = 20;

/// Stands for the one illegal character that was noted.
const HOLE: u8 = b'?';

/// Typed text as plain capitals and digits, on the stack, wiped when dropped.
pub(super) struct Cleaned {
    plain: [u8; ROOM],
    /// Characters of the code; only the first `ROOM` are kept.
    count: usize,
    pub(super) changes: Changes,
    /// The first character that no scheme has.
    foreign: Option<(usize, CharacterProblem)>,
    /// The first small `l` or `o`, which may have been a digit.
    pub(super) looks_like_digit: Option<usize>,
}

impl Cleaned {
    pub(super) fn new(typed: &str) -> Self {
        let mut cleaned = Self {
            plain: [HOLE; ROOM],
            count: 0,
            changes: Changes::default(),
            foreign: None,
            looks_like_digit: None,
        };
        // Line breaks around a pasted code are space; one inside it would join two codes.
        let line = typed.trim_matches(['\r', '\n']);
        if line.len() != typed.len() {
            cleaned.changes.add(Normalization::SpacesRemoved);
        }
        line.chars().for_each(|c| cleaned.push(c));
        cleaned
    }

    fn push(&mut self, c: char) {
        let c = match kind(c) {
            Kind::Space => return self.changes.add(Normalization::SpacesRemoved),
            Kind::Hyphen => return self.changes.add(Normalization::HyphensRemoved),
            Kind::Wide(plain) => {
                self.changes.add(Normalization::FullWidth);
                plain
            }
            Kind::Other(c) => c,
        };
        let index = self.count;
        self.count += 1;
        if c.is_ascii_lowercase() {
            self.changes.add(Normalization::UpperCased);
            if matches!(c, 'l' | 'o') {
                self.looks_like_digit.get_or_insert(index);
            }
        }
        let plain = match u8::try_from(c) {
            Ok(byte) if byte.is_ascii_alphanumeric() => byte.to_ascii_uppercase(),
            _ => {
                let found = problem(c);
                // An invisible character is what explains a wrong length, so it is never crowded out.
                let explains = found == CharacterProblem::Invisible
                    && !matches!(self.foreign, Some((_, CharacterProblem::Invisible)));
                if self.foreign.is_none() || explains {
                    self.foreign = Some((index, found));
                }
                HOLE
            }
        };
        if let Some(slot) = self.plain.get_mut(index) {
            *slot = plain;
        }
    }

    /// The code when it has `N` characters.
    pub(super) fn exactly<const N: usize>(&self) -> Result<&[u8; N], CodeError> {
        if let Some((index, CharacterProblem::Invisible)) = self.foreign {
            return Err(illegal(index, CharacterProblem::Invisible));
        }
        if self.count == 0 {
            return Err(CodeError::Empty);
        }
        let length = CodeError::Length { expected: saturate(N), got: saturate(self.count) };
        if self.count != N {
            return Err(length);
        }
        self.plain.first_chunk::<N>().ok_or(length)
    }

    /// The number of digits when the whole code is nothing but digits.
    pub(super) fn digits_only(&self) -> Option<u32> {
        let kept = self.plain.get(..self.count)?;
        (self.count > 0 && kept.iter().all(u8::is_ascii_digit)).then(|| saturate(self.count))
    }

    /// The error for the character at `index` that `otherwise` describes, or what is known of it
    /// from the typed text.
    pub(super) fn illegal(&self, index: usize, otherwise: CharacterProblem) -> CodeError {
        match self.foreign {
            Some((at, found)) if at == index => illegal(at, found),
            _ => illegal(index, otherwise),
        }
    }

    /// The error when the check characters do not fit. A small letter that may have been a digit
    /// is then the more useful thing to say.
    pub(super) fn disagree(&self) -> CodeError {
        match self.looks_like_digit {
            Some(index) => illegal(index, CharacterProblem::LooksLikeDigit),
            None => CodeError::CheckFailed,
        }
    }
}

impl Drop for Cleaned {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}
