//! What is asked for, and what is told.

use tacit_model::{ListId, Millis, PurposeCode, Ulid};

use super::{Asked, MeasureState, Opened, RecordAt};

/// A measure to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureWanted {
    /// Record of the question whose answer it rests on.
    pub record: Ulid,
    /// The list whose answer it rests on; not needed when one alone named the subject.
    pub list: Option<ListId>,
    /// Its place among the measures of the agreement, from 1.
    pub measure: u32,
    /// When it ends by itself; this instant is outside.
    pub until: Option<Millis>,
    /// Who decided, a role or a person; 1 to 200 bytes.
    pub decider: String,
}

/// A measure as it is told: not about whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMeasure {
    /// How far it is.
    pub state: MeasureState,
    /// Whether it should have been lifted before now.
    pub overdue: bool,
    /// Record of the question whose answer it rests on.
    pub answer: Ulid,
    /// The list.
    pub list: ListId,
    /// For what was asked.
    pub purpose: PurposeCode,
    /// The agency's case number.
    pub case: String,
    /// The agreement that names it.
    pub agreement: Ulid,
    /// Its place there, from 1.
    pub number: u32,
    /// In the agreement's words.
    pub words: String,
    /// Who decided.
    pub decider: String,
    /// When it ends by itself.
    pub until: Option<Millis>,
    /// The record that registered it.
    pub registered: Option<RecordAt>,
    /// What became of it when the list was asked again.
    pub asked: Option<Asked>,
    /// When the list is asked again.
    pub ask_again: Option<Millis>,
    /// By when it has to be lifted.
    pub lift_by: Option<Millis>,
    /// The record that lifted it.
    pub lifted: Option<RecordAt>,
}

/// Measures in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeasurePage {
    /// The measures.
    pub measures: Vec<KnownMeasure>,
    /// Where the page that follows begins; none when there is none.
    pub next: Option<Ulid>,
}

impl KnownMeasure {
    pub(super) fn of(Opened { row, kept }: &Opened, now: Millis) -> Self {
        let open = row.state.is_open();
        // What nobody looked at since its end came is over all the same.
        let over = open && kept.registered.is_some() && kept.until.is_some_and(|until| until <= now);
        let state = if over { MeasureState::Ended } else { row.state };
        let asks = matches!(state, MeasureState::Standing | MeasureState::Unconfirmed);
        let lift_by = row.lift_by.filter(|_| state.is_open());
        Self {
            state,
            overdue: lift_by.is_some_and(|by| by < now),
            answer: kept.answer,
            list: kept.list.clone(),
            purpose: kept.purpose.clone(),
            case: kept.case.clone(),
            agreement: kept.agreement,
            number: kept.number,
            words: kept.words.clone(),
            decider: kept.decider.clone(),
            until: kept.until,
            registered: kept.registered,
            asked: kept.asked,
            ask_again: row.next.filter(|_| asks),
            lift_by,
            lifted: kept.lifting.as_ref().and_then(|lifting| lifting.record),
        }
    }
}
