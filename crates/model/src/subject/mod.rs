//! Subject codes: the schemes, their check characters, and what is done to typed text first.
//!
//! ```text
//! typed text --clean--> plain characters + stated changes --scheme--> SubjectCode
//!                                                             |
//!                                     position, kind, or "the characters do not agree"
//! ```
//! No error holds any part of the code, and none proposes another one: a corrected code could be
//! another subject's.

mod birth;
mod clean;
mod code;
mod error;
pub(crate) mod lei;
pub(crate) mod rid;
mod schemes;
pub(crate) mod uscc;

pub use clean::Normalization;
pub use code::SubjectCode;
pub use error::{CharacterProblem, CodeError, DatePart};
pub use schemes::{Parsed, PatternRules, SchemeError, Schemes};
