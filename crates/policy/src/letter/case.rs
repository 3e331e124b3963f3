//! An objection from its arrival to its end, as the body that decides keeps it.
//!
//! ```text
//! Open ── decide ──▶ Decided ── appeal ──▶ Decided, appealed ── review ──▶ Reviewed
//!                       └──────────────────── review ──────────────────────▶
//! ```
//! Days are those of the list's time zone. A deadline that passed changes nothing by itself: it is shown.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tacit_model::{ListId, Ulid};

use super::{
    APPEAL_DAYS, CORRECT_DAYS, DECIDE_DAYS, Level, Outcome, Whom, last_day,
    text::{day, maybe_day},
};
use crate::registry::text::ulid;

/// A case of a deciding body. `Debug` does not show whom it is about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The thread of its letters.
    #[serde(with = "ulid")]
    pub id: Ulid,
    /// Whether this body listed, or reviews.
    pub level: Level,
    /// The list.
    pub list: ListId,
    /// Whom it is about.
    pub subject: Whom,
    /// The day on which the objection, or the appeal, arrived.
    #[serde(with = "day")]
    pub received_on: Date,
    /// How far it is.
    pub stage: Stage,
}

/// How far a case is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stage {
    /// Nothing is decided.
    Open,
    /// This body decided.
    Decided {
        /// What.
        first: Ruling,
        /// The day on which an appeal was written.
        #[serde(with = "maybe_day")]
        appealed_on: Option<Date>,
    },
    /// The other body decided too.
    Reviewed {
        /// The first decision.
        first: Ruling,
        /// The second one, which counts.
        review: Ruling,
    },
}

/// What was decided, and whether the list says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// The letter that says so.
    #[serde(with = "ulid")]
    pub letter: Ulid,
    /// What was decided.
    pub outcome: Outcome,
    /// The day.
    #[serde(with = "day")]
    pub decided_on: Date,
    /// The day from which the record is as decided; the day of the decision when the listing stands.
    #[serde(with = "maybe_day")]
    pub carried_out_on: Option<Date>,
}

/// A step that a case does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Each body decides once.
    #[error("this was decided already; a body decides once")]
    Decided,
    /// An appeal before the first decision.
    #[error("nothing was decided yet that could be appealed")]
    NotDecided,
    /// A second appeal, or a second review by the same body.
    #[error("this was appealed already; the same body does not review twice")]
    Appealed,
    /// The other body decided already.
    #[error("this was reviewed already; the second decision is the last one")]
    Reviewed,
    /// An appeal against what the subject wanted.
    #[error("the listing was annulled; there is nothing to appeal")]
    Annulled,
    /// An appeal too late.
    #[error("the time to appeal ended on {0}")]
    Late(Date),
}

/// What somebody has to do by a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// This body decides.
    Decide,
    /// The reviewing body decides.
    Review,
    /// The list says what was decided.
    Correct,
}

impl Duty {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Review => "review",
            Self::Correct => "correct",
        }
    }
}

/// A duty with its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub duty: Duty,
    /// The last day on which it is in time.
    pub by: Date,
}

impl Due {
    /// Whether the day has passed.
    #[must_use]
    pub fn is_overdue(&self, today: Date) -> bool {
        today > self.by
    }
}

impl Ruling {
    /// The last day on which an appeal against it is written in time.
    #[must_use]
    pub fn appeal_until(&self) -> Date {
        last_day(self.decided_on, APPEAL_DAYS)
    }

    /// The last day on which it is carried out in time.
    #[must_use]
    pub fn correct_by(&self) -> Date {
        last_day(self.decided_on, CORRECT_DAYS)
    }

    /// Days from the decision until the record was as decided, or until today when it is not.
    #[must_use]
    pub fn days_to_correction(&self, today: Date) -> i32 {
        (self.carried_out_on.unwrap_or(today) - self.decided_on).get_days()
    }

    fn correction_due(&self) -> Option<Due> {
        self.carried_out_on.is_none().then(|| Due { duty: Duty::Correct, by: self.correct_by() })
    }
}

impl Case {
    /// A case that begins.
    #[must_use]
    pub fn begin(id: Ulid, level: Level, list: ListId, subject: Whom, received_on: Date) -> Self {
        Self { id, level, list, subject, received_on, stage: Stage::Open }
    }

    /// The last day on which this body decides in time.
    #[must_use]
    pub fn decide_by(&self) -> Date {
        last_day(self.received_on, DECIDE_DAYS)
    }

    /// This body decides.
    ///
    /// # Errors
    /// [`CaseError::Decided`].
    pub fn decide(self, ruling: Ruling) -> Result<Self, CaseError> {
        match self.stage {
            Stage::Open => Ok(Self { stage: Stage::Decided { first: ruling, appealed_on: None }, ..self }),
            Stage::Decided { .. } | Stage::Reviewed { .. } => Err(CaseError::Decided),
        }
    }

    /// An appeal was written on this day.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn appeal(self, written_on: Date) -> Result<Self, CaseError> {
        match self.stage {
            Stage::Open => Err(CaseError::NotDecided),
            Stage::Reviewed { .. } => Err(CaseError::Reviewed),
            Stage::Decided { appealed_on: Some(_), .. } => Err(CaseError::Appealed),
            Stage::Decided { first, appealed_on: None } => {
                if first.outcome == Outcome::Annulled {
                    return Err(CaseError::Annulled);
                }
                if written_on > first.appeal_until() {
                    return Err(CaseError::Late(first.appeal_until()));
                }
                Ok(Self { stage: Stage::Decided { first, appealed_on: Some(written_on) }, ..self })
            }
        }
    }

    /// The reviewing body decided. The copy of the appeal may have been lost; its decision is not less valid for that.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn review(self, review: Ruling) -> Result<Self, CaseError> {
        match self.stage {
            Stage::Open => Err(CaseError::NotDecided),
            Stage::Reviewed { .. } => Err(CaseError::Reviewed),
            Stage::Decided { first, .. } => Ok(Self { stage: Stage::Reviewed { first, review }, ..self }),
        }
    }

    /// The record is as decided from this day on.
    #[must_use]
    pub fn carried_out(mut self, on: Date) -> Self {
        match &mut self.stage {
            Stage::Open => {}
            Stage::Decided { first: ruling, .. } | Stage::Reviewed { review: ruling, .. } => {
                ruling.carried_out_on.get_or_insert(on);
            }
        }
        self
    }

    /// The decision that counts now.
    #[must_use]
    pub fn ruling(&self) -> Option<&Ruling> {
        match &self.stage {
            Stage::Open => None,
            Stage::Decided { first, .. } => Some(first),
            Stage::Reviewed { review, .. } => Some(review),
        }
    }

    /// Whether the record is still contested by it: until the last decision is carried out, and the time to appeal is
    /// over where the list does not answer contested records (`stay`).
    #[must_use]
    pub fn contests(&self, today: Date, stay: bool) -> bool {
        match &self.stage {
            Stage::Open => true,
            Stage::Decided { appealed_on: Some(_), .. } => true,
            Stage::Decided { first, appealed_on: None } => {
                first.carried_out_on.is_none() || (stay && today <= first.appeal_until())
            }
            Stage::Reviewed { review, .. } => review.carried_out_on.is_none(),
        }
    }

    /// What has to be done next, and by when; nothing when it is at its end, or waits for the subject alone.
    #[must_use]
    pub fn due(&self) -> Option<Due> {
        match &self.stage {
            Stage::Open => Some(Due { duty: Duty::Decide, by: self.decide_by() }),
            Stage::Decided { first, appealed_on } => first
                .correction_due()
                .or_else(|| appealed_on.map(|on| Due { duty: Duty::Review, by: last_day(on, DECIDE_DAYS) })),
            Stage::Reviewed { review, .. } => review.correction_due(),
        }
    }

    /// The word for how far it is.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.stage {
            Stage::Open => "open",
            Stage::Decided { appealed_on: Some(_), .. } => "appealed",
            Stage::Decided { appealed_on: None, .. } => "decided",
            Stage::Reviewed { .. } => "reviewed",
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({} about {}, {})", self.id, self.list, self.word())
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage(..)")
    }
}
