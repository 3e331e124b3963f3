//! What an auditor can find, in words that the command line and the desk share. They name no code, no case and no
//! officer: those stay with whoever opened them.

use serde::{Deserialize, Serialize};
use tacit_blind::audit_box::BoxFinding;

/// What is wrong, or out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum What {
    /// An audit box cannot be read.
    BoxUnreadable,
    /// Another subject was enrolled than the box names.
    OtherSubject,
    /// The pseudonym is not that of the subject in the box.
    OtherPseudonym,
    /// The case of an enrollment is not among the case files.
    BoxCaseUnlisted,
    /// Case evidence that does not open the record.
    CaseFalse,
    /// The case of a check is not among the case files.
    CaseUnlisted,
    /// A demand was not answered in time.
    Overdue,
    /// A code that nobody has was asked about.
    HoneyAsked {
        /// Leaf index of the check.
        index: u64,
    },
    /// A code that nobody has was enrolled.
    HoneyEnrolled,
    /// More subjects than usual.
    Sweep {
        /// How many.
        count: u64,
        /// How many are usual.
        of: u64,
    },
    /// Many refused checks.
    Refused {
        /// How many.
        count: u64,
        /// Of how many checks.
        of: u64,
    },
    /// Many checks at odd hours.
    OddHours {
        /// How many.
        count: u64,
        /// Of how many checks.
        of: u64,
    },
    /// Many lists about one subject.
    Breadth {
        /// How many.
        count: u64,
        /// From how many on it is unusual.
        of: u64,
    },
    /// Subjects asked about again and again.
    Repeats {
        /// How many subjects.
        count: u64,
        /// At least so many times each.
        of: u64,
    },
    /// The coordinator counts other checks than the log has.
    Miscounted {
        /// The coordinator's count.
        count: u64,
        /// That of the log.
        of: u64,
    },
    /// The coordinator counts none at all.
    Uncounted {
        /// The count of the log.
        of: u64,
    },
    /// More subjects are registered than were evaluated.
    Unevaluated {
        /// Registered.
        count: u64,
        /// Evaluated.
        of: u64,
    },
    /// The log fails verification.
    LogFails,
}

impl What {
    /// One of each kind, with these numbers: for whoever has words for all of them.
    #[must_use]
    pub const fn each(count: u64, of: u64) -> [Self; 18] {
        [
            Self::BoxUnreadable,
            Self::OtherSubject,
            Self::OtherPseudonym,
            Self::BoxCaseUnlisted,
            Self::CaseFalse,
            Self::CaseUnlisted,
            Self::Overdue,
            Self::HoneyAsked { index: count },
            Self::HoneyEnrolled,
            Self::Sweep { count, of },
            Self::Refused { count, of },
            Self::OddHours { count, of },
            Self::Breadth { count, of },
            Self::Repeats { count, of },
            Self::Miscounted { count, of },
            Self::Uncounted { of },
            Self::Unevaluated { count, of },
            Self::LogFails,
        ]
    }

    /// What this finding about a box is.
    #[must_use]
    pub fn of_box(finding: BoxFinding) -> Self {
        match finding {
            BoxFinding::Unreadable => Self::BoxUnreadable,
            BoxFinding::OtherSubject => Self::OtherSubject,
            BoxFinding::OtherPseudonym => Self::OtherPseudonym,
        }
    }

    /// Its word; in the file of findings too.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BoxUnreadable => "box-unreadable",
            Self::OtherSubject => "other-subject",
            Self::OtherPseudonym => "other-pseudonym",
            Self::BoxCaseUnlisted => "box-case-unlisted",
            Self::CaseFalse => "case-false",
            Self::CaseUnlisted => "case-unlisted",
            Self::Overdue => "overdue",
            Self::HoneyAsked { .. } => "honey-asked",
            Self::HoneyEnrolled => "honey-enrolled",
            Self::Sweep { .. } => "sweep",
            Self::Refused { .. } => "refused",
            Self::OddHours { .. } => "odd-hours",
            Self::Breadth { .. } => "breadth",
            Self::Repeats { .. } => "repeats",
            Self::Miscounted { .. } => "miscounted",
            Self::Uncounted { .. } => "uncounted",
            Self::Unevaluated { .. } => "unevaluated",
            Self::LogFails => "log-fails",
        }
    }

    /// The kind of findings that it belongs to.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::BoxUnreadable | Self::OtherSubject | Self::OtherPseudonym => "alias",
            Self::BoxCaseUnlisted | Self::CaseFalse | Self::CaseUnlisted => "case",
            Self::Overdue => "overdue",
            Self::HoneyAsked { .. } | Self::HoneyEnrolled => "honey",
            Self::Sweep { .. }
            | Self::Refused { .. }
            | Self::OddHours { .. }
            | Self::Breadth { .. }
            | Self::Repeats { .. }
            | Self::Miscounted { .. } => "signal",
            Self::Uncounted { .. } | Self::Unevaluated { .. } => "coverage",
            Self::LogFails => "log",
        }
    }

    /// Its two numbers: how many, and of or against how many; 0 where it has none.
    #[must_use]
    pub const fn numbers(self) -> (u64, u64) {
        match self {
            Self::HoneyAsked { index } => (index, 0),
            Self::Sweep { count, of }
            | Self::Refused { count, of }
            | Self::OddHours { count, of }
            | Self::Breadth { count, of }
            | Self::Repeats { count, of }
            | Self::Miscounted { count, of }
            | Self::Unevaluated { count, of } => (count, of),
            Self::Uncounted { of } => (0, of),
            _ => (0, 0),
        }
    }

    /// In words, about this member.
    #[must_use]
    pub fn text(self, member: &str) -> String {
        let alias = |finding: BoxFinding| format!("alias enrollment: {finding}");
        match self {
            Self::BoxUnreadable => alias(BoxFinding::Unreadable),
            Self::OtherSubject => alias(BoxFinding::OtherSubject),
            Self::OtherPseudonym => alias(BoxFinding::OtherPseudonym),
            Self::BoxCaseUnlisted => {
                "the case of the enrollment is not among the requester's case files".to_owned()
            }
            Self::CaseFalse => "the case evidence is not that of the check".to_owned(),
            Self::CaseUnlisted => "the case number is not among the requester's case files".to_owned(),
            Self::Overdue => "the requester did not answer a demand in time".to_owned(),
            Self::HoneyAsked { index } => {
                format!("{member} asked about a code that nobody has: record {index}")
            }
            Self::HoneyEnrolled => format!("{member} enrolled a code that nobody has"),
            Self::Sweep { count, of } => format!("{count} subjects, {of} are usual"),
            Self::Refused { count, of } => format!("{count} of {of} checks were refused"),
            Self::OddHours { count, of } => format!("{count} of {of} checks at odd hours"),
            Self::Breadth { count, .. } => format!("{count} lists about one subject"),
            Self::Repeats { count, of } => format!("{count} subjects at least {of} times each"),
            Self::Miscounted { count, of } => {
                format!("the coordinator counts {count} checks, the log has {of}")
            }
            Self::Uncounted { of } => format!("the coordinator counts no checks of it, the log has {of}"),
            Self::Unevaluated { count, of } => {
                format!("{member} registered {count} subjects, {of} were evaluated")
            }
            Self::LogFails => "the log fails verification".to_owned(),
        }
    }
}

/// A finding that is to be kept: what, about whom, by which record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub what: What,
    /// About whom.
    pub member: String,
    /// ULID or index of the record that shows it, or the range that was counted; empty without one.
    pub record: String,
    /// In words.
    pub text: String,
}

impl Found {
    /// By a record of the log.
    #[must_use]
    pub fn new(what: What, member: &str, record: &str) -> Self {
        let text = what.text(member);
        Self { what, member: member.to_owned(), record: record.to_owned(), text }
    }

    /// By counting the records `from..until`. What is found again in the same range is the same finding.
    #[must_use]
    pub fn counted(what: What, member: &str, from: u64, until: u64) -> Self {
        let record = match what {
            What::Unevaluated { .. } => String::new(),
            What::Uncounted { .. } => format!("{from}-{until}"),
            _ => format!("{from}-{until} {}", what.code()),
        };
        Self::new(what, member, &record)
    }

    /// The log fails verification beyond this size.
    #[must_use]
    pub fn log_fails(member: &str, size: u64, why: &str) -> Self {
        let found = Self::new(What::LogFails, member, &format!("size {size}"));
        Self { text: format!("{}: {why}", found.text), ..found }
    }
}
