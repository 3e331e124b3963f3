//! The words that every other crate speaks: names of members, lists and purposes, subject codes
//! and the schemes that check them, time, entropy, reason codes, request ids, and what may be
//! written to a log.
//!
//! This crate parses and prints. It does no input or output, knows no protocol and no database,
//! and decides nothing. The only two places of the product that read the clock of the machine and
//! its source of randomness are here, in [`clock`] and [`entropy`]; everything else takes them as
//! arguments.
//!
//! A code typed by a person becomes a [`SubjectCode`] only through [`Schemes::parse`], which
//! verifies the check characters and *states* every change it made to what was typed.

mod basis;
pub mod clock;
pub mod entropy;
pub mod generate;
mod ids;
mod log_safe;
mod millis;
mod reason;
mod request_id;
mod subject;
pub mod told;

pub use basis::{Basis, BasisError, new_ulid, parse_ulid};
pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{LABEL_MAX, LabelError, ListId, ListIdError, MemberId, PurposeCode};
pub use log_safe::{LogSafe, LogText, Loggable};
pub use millis::{Millis, TimeError};
pub use reason::{Fault, Reason, UnknownReason};
pub use request_id::{RequestId, RequestIdError};
pub use subject::{
    CharacterProblem, CodeError, DatePart, Normalization, Parsed, PatternRules, SchemeError, Schemes,
    SubjectCode,
};
pub use ulid::Ulid;
