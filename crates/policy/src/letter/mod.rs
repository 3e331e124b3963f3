//! What stands in a letter between a member and a subject (docs/PROTOCOL.md, P200 to P202), and the terms of review.
//!
//! ```text
//! {"type":"tacit-letter/v1","id":ULID,"thread":ULID,"written":TIME,"subject":{"scheme","code"},"body":{"kind",...}}
//! ```
//!
//! A letter has one spelling: what is not exactly the bytes that [`Letter::to_bytes`] writes is refused. How letters are
//! sealed, signed and carried is no matter of this module; [`Enclosed`] is a letter of somebody else inside one, with
//! what proves its author.

mod body;
mod case;
mod text;

use std::fmt;

use jiff::{Timestamp, civil::Date, tz::TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use tacit_model::{Millis, Ulid};

use crate::registry::text::{rfc3339, ulid};

pub use body::{
    AdverseAction, Appeal, Body, Decision, Enclosed, Level, ListingConsent, ListingNotice, MeasureLifted,
    Misdirected, Objection, ObjectionReceived, Outcome, Removal, RemovalReason, ReviewDecision,
    UnknownOutcome, UnknownRemovalReason, UntilDecided, WayToAppeal,
};
pub use case::{Case, CaseError, Due, Duty, Ruling, Stage};
pub use text::{LetterText, TextError, limits};

/// Days in which an objection is decided, and days in which an appeal is decided by the other body.
pub const DECIDE_DAYS: u16 = 15;
/// Days after a decision in which an appeal may be written.
pub const APPEAL_DAYS: u16 = 15;
/// Days after a decision in which the list says what was decided.
pub const CORRECT_DAYS: u16 = 3;

/// Most bytes of a letter's content.
pub const CONTENT_MAX: usize = 48 << 10;

/// A letter's content. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    #[serde(rename = "type")]
    form: Form,
    /// The letter's own id; a receiver takes each id once.
    #[serde(with = "ulid")]
    pub id: Ulid,
    /// The id of the letter that the matter began with: the case.
    #[serde(with = "ulid")]
    pub thread: Ulid,
    /// When it was written, by its author's clock.
    #[serde(with = "rfc3339")]
    pub written: Millis,
    /// Whom it is about.
    pub subject: Whom,
    /// What it says.
    pub body: Body,
}

/// Whom a letter is about: a code in its normal form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whom {
    /// Identifier scheme.
    pub scheme: String,
    /// The code, normalized.
    pub code: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    #[serde(rename = "tacit-letter/v1")]
    V1,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({} {})", self.id, self.body.kind())
    }
}

impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whom(..)")
    }
}

/// The bytes are no letter that this version knows. Never shows what stands in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// No JSON of this form, an unknown kind or field, or a value out of its bounds.
    #[error("this is no letter of a form that this version knows")]
    Form,
    /// It says the same with other bytes than the one spelling.
    #[error("this letter is not written in its one spelling")]
    Spelling,
    /// More than 48 KiB.
    #[error("a letter has at most 49152 bytes")]
    TooLong,
}

impl Letter {
    /// A new letter; without a thread it begins one.
    #[must_use]
    pub fn new(id: Ulid, thread: Option<Ulid>, written: Millis, subject: Whom, body: Body) -> Self {
        Self { form: Form::V1, id, thread: thread.unwrap_or(id), written, subject, body }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`LetterError::TooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, LetterError> {
        let bytes = serde_json::to_vec(self).map_err(|_| LetterError::Form)?;
        if bytes.len() > CONTENT_MAX {
            return Err(LetterError::TooLong);
        }
        Ok(bytes)
    }

    /// Reads a letter.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LetterError> {
        if bytes.len() > CONTENT_MAX {
            return Err(LetterError::TooLong);
        }
        let letter: Self = serde_json::from_slice(bytes).map_err(|_| LetterError::Form)?;
        letter.body.check().ok_or(LetterError::Form)?;
        let named = |text: &str, max| !text.is_empty() && text.len() <= max;
        if !named(&letter.subject.scheme, 64) || !named(&letter.subject.code, 200) {
            return Err(LetterError::Form);
        }
        if letter.to_bytes()? == bytes { Ok(letter) } else { Err(LetterError::Spelling) }
    }
}

/// The day it is at a moment in a list's time zone; `None` for a zone that is not known.
#[must_use]
pub fn day_in(zone: &str, at: Millis) -> Option<Date> {
    let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
    let at = Timestamp::from_millisecond(at.to_i64()).unwrap_or(Timestamp::MAX);
    Some(at.to_zoned(zone).date())
}

/// The last day of a term of this many days that begins after `day`.
#[must_use]
pub fn last_day(day: Date, days: u16) -> Date {
    day.saturating_add(jiff::Span::new().days(i32::from(days)))
}

#[cfg(test)]
mod tests;
