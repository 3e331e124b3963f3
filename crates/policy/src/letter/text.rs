//! Words of people in letters, bounded so that an appeal with what it encloses is still one letter.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Most characters, and most bytes once enclosed in another letter, of each text.
pub mod limits {
    /// An objection.
    pub const OBJECTION: (usize, usize) = (8_000, 25_000);
    /// Reasons of a decision.
    pub const REASONS: (usize, usize) = (4_000, 13_000);
    /// What a decision corrects.
    pub const CORRECTED: (usize, usize) = (500, 2_000);
    /// An appeal.
    pub const APPEAL: (usize, usize) = (2_000, 6_500);
    /// The name or office of who decides.
    pub const BY: (usize, usize) = (200, 800);
    /// A short text of a list or record.
    pub const SHORT: (usize, usize) = (1_000, 4_000);
    /// A long text of a list.
    pub const LONG: (usize, usize) = (2_000, 8_000);
}

/// Words of people. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterText(String);

/// A text that cannot stand in a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("the text is empty")]
    Empty,
    /// Too many characters, or too many bytes once it is enclosed in another letter.
    #[error("the text has more than {max} characters, or too many that take much room")]
    TooLong {
        /// Most characters.
        max: usize,
    },
    /// Characters that control a terminal or turn the direction of text.
    #[error("the text has control characters other than line breaks and tabs")]
    Control,
}

impl LetterText {
    /// Takes a text within one of the [`limits`].
    ///
    /// # Errors
    /// [`TextError`].
    pub fn new(text: &str, limit: (usize, usize)) -> Result<Self, TextError> {
        let text = Self(text.to_owned());
        text.check(limit).map(|()| text)
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is within one of the [`limits`].
    ///
    /// # Errors
    /// [`TextError`].
    pub fn check(&self, (characters, bytes): (usize, usize)) -> Result<(), TextError> {
        if self.0.trim().is_empty() {
            return Err(TextError::Empty);
        }
        let hidden = |c: char| {
            (c.is_control() && c != '\n' && c != '\t')
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if self.0.chars().any(hidden) {
            return Err(TextError::Control);
        }
        // A quote or line break is two bytes in a letter, and three or four in a letter that encloses it.
        let enclosed: usize = self
            .0
            .chars()
            .map(|c| match c {
                '"' | '\\' => 4,
                '\n' | '\t' => 3,
                other => other.len_utf8(),
            })
            .sum();
        if self.0.chars().count() > characters || enclosed > bytes {
            return Err(TextError::TooLong { max: characters });
        }
        Ok(())
    }
}

impl fmt::Debug for LetterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterText(..)")
    }
}

impl FromStr for LetterText {
    type Err = TextError;

    /// A short text.
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text, limits::SHORT)
    }
}

/// A calendar day as `YYYY-MM-DD`, in exactly this spelling.
pub(super) mod day {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::letter) fn serialize<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub(in crate::letter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
        day.ok_or_else(|| Error::custom("expected a day such as 2026-11-21"))
    }
}

/// A day that need not be stated.
pub(super) mod maybe_day {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Day(#[serde(with = "super::day")] Date);

    pub(in crate::letter) fn serialize<S: Serializer>(
        day: &Option<Date>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        day.map(Day).serialize(serializer)
    }

    pub(in crate::letter) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Date>, D::Error> {
        Ok(Option::<Day>::deserialize(deserializer)?.map(|day| day.0))
    }
}
