//! From a line of text to a record: every problem has a name, and none of the names shows a code.

use std::collections::HashMap;

use tacit_model::{CodeError, Normalization, Reason, Schemes, SubjectCode};

use super::csv::{Broken, Fields, LINE_MAX};
use super::day::parse_day;
use super::rules::{Facts, ListRules, RecordState};

/// Longest text of a field in characters.
pub(super) const FIELD_MAX: usize = 200;

/// A column of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the columns' own")]
pub enum Column {
    Code,
    Category,
    DecisionRef,
    DecidedOn,
    NotifiedOn,
    EffectiveOn,
    ExpiresOn,
    Contested,
    FactFindingBody,
    ListingBody,
    ConsentedOn,
}

impl Column {
    const ALL: [Self; 11] = [
        Self::Code,
        Self::Category,
        Self::DecisionRef,
        Self::DecidedOn,
        Self::NotifiedOn,
        Self::EffectiveOn,
        Self::ExpiresOn,
        Self::Contested,
        Self::FactFindingBody,
        Self::ListingBody,
        Self::ConsentedOn,
    ];

    /// Whether a file may go without.
    fn is_optional(self) -> bool {
        matches!(self, Self::Contested | Self::FactFindingBody | Self::ListingBody | Self::ConsentedOn)
    }

    /// The name in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Category => "category",
            Self::DecisionRef => "decision_ref",
            Self::DecidedOn => "decided_on",
            Self::NotifiedOn => "notified_on",
            Self::EffectiveOn => "effective_on",
            Self::ExpiresOn => "expires_on",
            Self::Contested => "contested",
            Self::FactFindingBody => "fact_finding_body",
            Self::ListingBody => "listing_body",
            Self::ConsentedOn => "consented_on",
        }
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a row was not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Longer than any row may be.
    #[error("the line is longer than {LINE_MAX} bytes")]
    LineTooLong,
    /// Not text.
    #[error("the line is not UTF-8 text")]
    NotUtf8,
    /// A quoted field does not end on its line.
    #[error("a quote is not closed on this line")]
    OpenQuote,
    /// Text between a closing quote and the next comma.
    #[error("text follows a closing quote")]
    AfterQuote,
    /// Not as many fields as the header has.
    #[error("expected {expected} columns, got {got}")]
    Columns {
        /// Columns of the header.
        expected: usize,
        /// Fields of the row.
        got: usize,
    },
    /// A field that must be given is empty.
    #[error("{column} is empty")]
    Empty {
        /// The column.
        column: Column,
    },
    /// A field is too long.
    #[error("{column} is longer than {FIELD_MAX} characters")]
    TooLong {
        /// The column.
        column: Column,
    },
    /// A field has a control character.
    #[error("{column} has a control character")]
    Control {
        /// The column.
        column: Column,
    },
    /// The code is not valid in the list's scheme.
    #[error("code: {0}")]
    Code(CodeError),
    /// Not a number from 0 to 65535.
    #[error("category is not a number from 0 to 65535")]
    Category,
    /// Not in the registry's catalogue.
    #[error("category {0} is not in the registry's catalogue")]
    UnknownCategory(u16),
    /// In the catalogue, but not for this list.
    #[error(
        "category {0} is not one of this list: its records come from another context, or count the other way"
    )]
    OtherCategory(u16),
    /// Not a day.
    #[error("{column} is not a day of the calendar, written YYYY-MM-DD, after 1970-01-01")]
    Date {
        /// The column.
        column: Column,
    },
    /// Neither yes nor no.
    #[error("contested is neither yes nor no")]
    Contested,
    /// It ends before it begins.
    #[error("expires_on is not after {earlier}")]
    Order {
        /// The column that says when it begins.
        earlier: Column,
    },
    /// An adverse record of a person who was under 18.
    #[error("on the day of {column} the person was under 18; nothing adverse is kept about people under 18")]
    UnderAge {
        /// The first column that names such a day.
        column: Column,
    },
    /// A consent to stand on an adverse list.
    #[error("consented_on is for favorable lists: nobody consents to an adverse one, it is notified")]
    ConsentToAdverse,
    /// The subject stands in the file twice; the first row counts.
    #[error("the same subject stands in line {first_line}")]
    Repeated {
        /// Where it stands first.
        first_line: u64,
    },
}

impl RowProblem {
    /// The stable reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::LineTooLong
            | Self::NotUtf8
            | Self::OpenQuote
            | Self::AfterQuote
            | Self::Columns { .. }
            | Self::Empty { .. }
            | Self::TooLong { .. }
            | Self::Control { .. }
            | Self::Category
            | Self::UnknownCategory(_)
            | Self::OtherCategory(_)
            | Self::ConsentToAdverse
            | Self::Contested => Reason::RowMalformed,
            Self::Code(error) => error.reason(),
            Self::Date { .. } | Self::Order { .. } => Reason::DateInvalid,
            Self::UnderAge { .. } => Reason::SubjectUnderAge,
            Self::Repeated { .. } => Reason::SubjectRepeated,
        }
    }
}

impl From<Broken> for RowProblem {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::TooLong => Self::LineTooLong,
            Broken::NotUtf8 => Self::NotUtf8,
            Broken::OpenQuote => Self::OpenQuote,
            Broken::AfterQuote => Self::AfterQuote,
        }
    }
}

/// Why no row of a file can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The file is empty.
    #[error("the file is empty; its first line must name the columns")]
    Empty,
    /// The first line is not a row of fields.
    #[error("the first line must name the columns: {0}")]
    Unreadable(RowProblem),
    /// A name that is not a column.
    #[error(
        "column {position} of the header is not known; the columns are code, category, decision_ref, decided_on, \
        notified_on, effective_on, expires_on and, if wanted, contested, fact_finding_body, listing_body, consented_on"
    )]
    Unknown {
        /// Its position, from 1.
        position: usize,
    },
    /// A column twice.
    #[error("the header names {0} twice")]
    Twice(Column),
    /// A column that must be there.
    #[error("the header does not name {0}")]
    Missing(Column),
}

/// A row that can be a record.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) subject: SubjectCode,
    pub(super) facts: Facts,
    pub(super) changes: Vec<Normalization>,
}

/// Which of the columns that may be missing a file has. Without one, what is kept stays as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated {
    pub(super) contested: bool,
    pub(super) fact_finding_body: bool,
    pub(super) listing_body: bool,
    pub(super) consented_on: bool,
}

/// Reads the rows of one file.
pub(super) struct RowReader {
    /// Where each column stands.
    places: [Option<usize>; Column::ALL.len()],
    count: usize,
    schemes: Schemes,
    scheme: String,
    /// The catalogue, and whether a record of this list may be of that category.
    categories: HashMap<u16, bool>,
    rules: ListRules,
    fields: Fields,
}

impl RowReader {
    /// Reads the header.
    pub(super) fn new(
        header: Option<Result<&str, Broken>>,
        schemes: Schemes,
        scheme: String,
        categories: HashMap<u16, bool>,
        rules: ListRules,
    ) -> Result<Self, HeaderProblem> {
        let line =
            header.ok_or(HeaderProblem::Empty)?.map_err(|broken| HeaderProblem::Unreadable(broken.into()))?;
        let mut fields = Fields::default();
        fields.split(line).map_err(|broken| HeaderProblem::Unreadable(broken.into()))?;
        let mut places = [None; Column::ALL.len()];
        for position in 0..fields.len() {
            let name = fields.get(position).trim();
            let column = Column::ALL.into_iter().find(|column| column.as_str() == name);
            let column = column.ok_or(HeaderProblem::Unknown { position: position + 1 })?;
            if places[column as usize].replace(position).is_some() {
                return Err(HeaderProblem::Twice(column));
            }
        }
        let missing = Column::ALL
            .into_iter()
            .find(|column| !column.is_optional() && places[*column as usize].is_none());
        match missing {
            Some(column) => Err(HeaderProblem::Missing(column)),
            None => Ok(Self { places, count: fields.len(), schemes, scheme, categories, rules, fields }),
        }
    }

    /// What the file says beside what every file does.
    pub(super) fn stated(&self) -> Stated {
        let has = |column: Column| self.places[column as usize].is_some();
        Stated {
            contested: has(Column::Contested),
            fact_finding_body: has(Column::FactFindingBody),
            listing_body: has(Column::ListingBody),
            consented_on: has(Column::ConsentedOn),
        }
    }

    /// Reads one line. Its number is the caller's to set.
    pub(super) fn read(&mut self, line: Result<&str, Broken>) -> Result<Row, RowProblem> {
        self.fields.split(line?)?;
        if self.fields.len() != self.count {
            return Err(RowProblem::Columns { expected: self.count, got: self.fields.len() });
        }
        let parsed = self.schemes.parse(&self.scheme, self.text(Column::Code)?).map_err(RowProblem::Code)?;
        let facts = Facts {
            category: self.category()?,
            decision_ref: self.given(Column::DecisionRef)?.to_owned(),
            decided_on: self
                .day(Column::DecidedOn)?
                .ok_or(RowProblem::Empty { column: Column::DecidedOn })?,
            notified_on: self.day(Column::NotifiedOn)?.unwrap_or(0),
            effective_on: self.day(Column::EffectiveOn)?.unwrap_or(0),
            expires_on: self.day(Column::ExpiresOn)?.unwrap_or(0),
            consented_on: self.day(Column::ConsentedOn)?.unwrap_or(0),
            state: self.state()?,
            fact_finding_body: self.text(Column::FactFindingBody)?.trim().to_owned(),
            listing_body: self.text(Column::ListingBody)?.trim().to_owned(),
        };
        if facts.expires_on > 0 {
            let days = [(Column::EffectiveOn, facts.effective_on), (Column::DecidedOn, facts.decided_on)];
            if let Some((earlier, _)) = days.into_iter().find(|(_, day)| facts.expires_on <= *day) {
                return Err(RowProblem::Order { earlier });
            }
        }
        if facts.consented_on > 0 && self.rules.is_adverse() {
            return Err(RowProblem::ConsentToAdverse);
        }
        match self.rules.under_age(parsed.subject.expose_code(), &facts) {
            Some(column) => Err(RowProblem::UnderAge { column }),
            None => Ok(Row { line: 0, subject: parsed.subject, facts, changes: parsed.changes }),
        }
    }

    /// A field's text within its bounds; empty when there is no such column.
    fn text(&self, column: Column) -> Result<&str, RowProblem> {
        let text = self.places[column as usize].map_or("", |place| self.fields.get(place));
        if text.len() > FIELD_MAX && text.chars().count() > FIELD_MAX {
            return Err(RowProblem::TooLong { column });
        }
        // What is wrong with a code is said by its scheme.
        if column != Column::Code && text.chars().any(char::is_control) {
            return Err(RowProblem::Control { column });
        }
        Ok(text)
    }

    fn given(&self, column: Column) -> Result<&str, RowProblem> {
        let text = self.text(column)?;
        if text.trim().is_empty() { Err(RowProblem::Empty { column }) } else { Ok(text) }
    }

    fn category(&self) -> Result<u16, RowProblem> {
        let text = self.given(Column::Category)?;
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RowProblem::Category);
        }
        let category = text.parse().map_err(|_| RowProblem::Category)?;
        match self.categories.get(&category) {
            Some(true) => Ok(category),
            Some(false) => Err(RowProblem::OtherCategory(category)),
            None => Err(RowProblem::UnknownCategory(category)),
        }
    }

    fn day(&self, column: Column) -> Result<Option<u32>, RowProblem> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        parse_day(text).map(Some).ok_or(RowProblem::Date { column })
    }

    fn state(&self) -> Result<RecordState, RowProblem> {
        match self.text(Column::Contested)? {
            "" | "no" | "false" | "0" => Ok(RecordState::Active),
            "yes" | "true" | "1" => Ok(RecordState::Contested),
            _ => Err(RowProblem::Contested),
        }
    }
}
