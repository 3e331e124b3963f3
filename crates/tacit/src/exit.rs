//! How a command ends: exit codes, and failures that say what happened, why, and what to do next.

use std::{fmt, process::ExitCode};

use tacit_model::{Fault, LogText, Reason};

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: something went wrong.
    Trouble,
    /// 2: the command was not called as described.
    Usage,
    /// 3: a rule, an agreement, a consent or a quota says no.
    Refused,
    /// 4: a party cannot be reached.
    Unreachable,
}

impl Exit {
    /// The number.
    #[must_use]
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Trouble => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
        }
    }

    /// The code for a reason.
    #[must_use]
    pub(crate) fn of(reason: Reason) -> Self {
        match reason {
            Reason::Unavailable | Reason::Deadline | Reason::Overloaded => Self::Unreachable,
            _ if reason.fault() == Fault::Policy => Self::Refused,
            _ => Self::Trouble,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// The stable reason code, when there is one.
    pub(crate) reason: Option<Reason>,
    /// What happened, one sentence or phrase.
    pub(crate) what: String,
    /// Why, when that is known.
    pub(crate) why: Option<String>,
    /// What to do next.
    pub(crate) next: Option<String>,
    /// The id under which the parties logged the request.
    pub(crate) request_id: Option<Box<str>>,
    /// What else there is to say.
    pub(crate) notes: Box<[String]>,
}

impl Failure {
    /// A failure of this exit code.
    #[must_use]
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            reason: None,
            what: what.into(),
            why: None,
            next: None,
            request_id: None,
            notes: Box::default(),
        }
    }

    /// Something went wrong.
    #[must_use]
    pub(crate) fn trouble(what: impl Into<String>) -> Self {
        Self::new(Exit::Trouble, what)
    }

    /// The command was not called as described.
    #[must_use]
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// With the cause. Text from elsewhere is cleaned: it can neither forge a line nor show a code.
    #[must_use]
    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(LogText::new(&why.to_string()).to_string());
        self
    }

    /// With what to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// With a stable reason code; without words of its own it takes the reason's.
    #[must_use]
    pub(crate) fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self.why.get_or_insert_with(|| reason.meaning().to_owned());
        self.next.get_or_insert_with(|| reason.advice().to_owned());
        self
    }

    /// A gRPC status: trouble on the way to `party`.
    #[must_use]
    pub(crate) fn of_status(party: impl fmt::Display, status: &tonic::Status) -> Self {
        let reason = tacit_wire::reason_of(status);
        let unreachable = reason.is_none()
            && matches!(
                status.code(),
                tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled
            );
        let mut failure = match reason {
            Some(reason) => Self::refused(party, reason, status.message()),
            None if unreachable => Self::new(Exit::Unreachable, format!("{party} cannot be reached"))
                .why(status.message())
                .next("see that it runs, and that address and certificate are right: tacit doctor"),
            None => Self::trouble(format!("{party} did not do it")).why(status.message()),
        };
        let in_header = status.metadata().get(tacit_wire::REQUEST_ID).and_then(|id| id.to_str().ok());
        let in_details = tacit_wire::status::request_id_of(status).filter(|id| id != "none");
        failure.request_id = in_header.map(Into::into).or(in_details.map(Into::into));
        failure
    }

    /// A refusal as a value, by `party`.
    #[must_use]
    pub(crate) fn of_refusal(party: impl fmt::Display, refusal: &tacit_wire::common::Refusal) -> Self {
        match refusal.reason.parse() {
            Ok(reason) => Self::refused(party, reason, &refusal.message),
            // A word that this version does not know.
            Err(_) => Self::new(Exit::Refused, format!("{party} refused: {}", LogText::new(&refusal.reason)))
                .why(&refusal.message),
        }
    }

    /// A refusal by `party`, with the sentence that came with it. The advice is said once.
    #[must_use]
    pub(crate) fn refused(party: impl fmt::Display, reason: Reason, message: &str) -> Self {
        let failure = Self::new(Exit::of(reason), format!("{party} refused: {reason}"));
        let own = message.trim_end().trim_end_matches(reason.advice()).trim_end();
        if own.is_empty() { failure.reason(reason) } else { failure.why(own).reason(reason) }
    }

    /// Says one more thing about it, for people.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes = self.notes.into_iter().chain([note.into()]).collect();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  why: {why}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  do:  {next}")?;
        }
        for note in &*self.notes {
            write!(f, "\n  {note}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "\n  request id: {id}")?;
        }
        Ok(())
    }
}

impl From<tacit_federation::config::ConfigError> for Failure {
    fn from(error: tacit_federation::config::ConfigError) -> Self {
        Self { reason: Some(Reason::ConfigInvalid), ..Self::usage("the configuration cannot be used") }
            .why(error)
            .next("correct the key; docs/samples shows every file")
    }
}

impl From<tacit_federation::run::StartError> for Failure {
    fn from(error: tacit_federation::run::StartError) -> Self {
        match error {
            tacit_federation::run::StartError::Config(error) => error.into(),
            other => Self::trouble("the role does not start")
                .why(other)
                .next("correct what is named; tacit doctor checks a whole folder"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::trouble("input or output failed").why(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        for (exit, number) in [
            (Exit::Done, 0),
            (Exit::Trouble, 1),
            (Exit::Usage, 2),
            (Exit::Refused, 3),
            (Exit::Unreachable, 4),
        ] {
            assert_eq!(exit.number(), number);
        }
        assert_eq!(Exit::of(Reason::ConsentRequired), Exit::Refused);
        assert_eq!(Exit::of(Reason::QuotaNewSubjects), Exit::Refused);
        assert_eq!(Exit::of(Reason::Unavailable), Exit::Unreachable);
        assert_eq!(Exit::of(Reason::CodeInvalid), Exit::Trouble);
    }

    #[test]
    fn a_failure_says_what_why_what_next_and_the_request() {
        let status = tacit_wire::trouble(Reason::LogBehind, &tonic::metadata::MetadataMap::new());
        let mut failure = Failure::of_status("the coordinator", &status);
        failure.request_id = Some("01KAM2V7Q3ZJ6V6T1V8M3W9R5C".into());
        let text = failure.to_string();
        for part in ["the coordinator", "why: ", "do:  ", "request id: 01KAM2V7Q3ZJ6V6T1V8M3W9R5C"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(Failure::of_status("x", &tonic::Status::unavailable("down")).exit, Exit::Unreachable);
    }

    #[test]
    fn no_failure_shows_a_code() {
        let code = tacit_model::generate::generate_uscc(&mut tacit_model::entropy::seeded_rng([3; 32]));
        let failure = Failure::trouble("x").why(format!("no such thing as {code}\nexit 0"));
        assert!(!failure.to_string().contains(&code));
        assert_eq!(failure.to_string().lines().count(), 2);
    }
}
