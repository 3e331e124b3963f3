//! What is kept of measures, as the storage sees it.

use tacit_model::{Millis, Ulid};
use tacit_policy::letter::Letter;

use crate::store::{Sealed, Stored};
use crate::vault::RowKey;

/// How far a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeasureState {
    /// About to be registered, or registered: the coordinator's answer is not known.
    Sent,
    /// The coordinator refused it.
    Refused,
    /// Registered, and the answer it rests on is still kept.
    Standing,
    /// Registered; the answer is too old, and asking again gave none.
    Unconfirmed,
    /// Registered; asked again, the list does not name the subject any more, so it has to be lifted.
    Due,
    /// About to be lifted, or lifted: the coordinator's answer is not known.
    Lifting,
    /// Lifted.
    Lifted,
    /// Over by itself, at the time that was stated with it.
    Ended,
}

impl MeasureState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::Refused,
        Self::Standing,
        Self::Unconfirmed,
        Self::Due,
        Self::Lifting,
        Self::Lifted,
        Self::Ended,
    ];

    /// The word of interfaces and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Standing => "standing",
            Self::Unconfirmed => "unconfirmed",
            Self::Due => "due",
            Self::Lifting => "lifting",
            Self::Lifted => "lifted",
            Self::Ended => "ended",
        }
    }

    /// Whether the subject is still under it, as far as is known.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Refused | Self::Lifted | Self::Ended)
    }
}

/// A measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureRow {
    /// Keyed hash of answer, list and place in the agreement.
    pub key: RowKey,
    /// Rises by one with each change.
    pub version: u64,
    /// When it was made here; rows are listed in this order. Different for each.
    pub made: Ulid,
    /// The record that registered it, once that is known.
    pub id: Option<Ulid>,
    /// How far it is.
    pub state: MeasureState,
    /// When something is to be done about it.
    pub next: Option<Millis>,
    /// By when it has to be lifted.
    pub lift_by: Option<Millis>,
    /// Everything else.
    pub sealed: Sealed,
}

/// How many measures are how far. Those that are overdue are due too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeasureCounts {
    /// Confirmed by an answer that is still kept.
    pub standing: u64,
    /// Not confirmed any more, and asking again gave no answer.
    pub unconfirmed: u64,
    /// To be lifted.
    pub due: u64,
    /// To be lifted, and the time for that is over.
    pub overdue: u64,
}

/// The storage of measures. Every method is one transaction and returns after it is durable.
pub trait MeasureStore: Send + Sync + 'static {
    /// Inserts a measure, and returns the row that stands under its key: its own, or one that was there before.
    fn insert(&self, row: MeasureRow) -> Stored<'_, MeasureRow>;

    /// Replaces the row of the version before, and sends the letter that says so; false, and nothing happens, when that
    /// is not the newest any more.
    fn update(&self, row: MeasureRow, letter: Option<Letter>) -> Stored<'_, bool>;

    /// The measure of a key.
    fn by_key(&self, key: RowKey) -> Stored<'_, Option<MeasureRow>>;

    /// The measure that a record registered.
    fn by_id(&self, id: Ulid) -> Stored<'_, Option<MeasureRow>>;

    /// Measures whose time has come at `now`, the most urgent first, at most `limit`.
    fn next(&self, now: Millis, limit: u32) -> Stored<'_, Vec<MeasureRow>>;

    /// Measures made after `after`, ascending, those that are over only when `all`; at most `limit`.
    fn list(&self, all: bool, after: Ulid, limit: u32) -> Stored<'_, Vec<MeasureRow>>;

    /// How many are how far at `now`.
    fn counts(&self, now: Millis) -> Stored<'_, MeasureCounts>;
}
