//! The registry of schemes: three built in, others by a pattern (protocol section 1).

use std::{collections::BTreeMap, sync::Arc};

use jiff::civil::Date;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    birth,
    clean::{Changes, Cleaned, Kind, Normalization, kind},
    code::{SchemeName, SubjectCode},
    error::{CharacterProblem, CodeError, illegal, saturate},
    lei, rid, uscc,
};
use crate::{LABEL_MAX, log_safe::is_invisible};

/// Longest pattern of a registry-defined scheme, in bytes.
const PATTERN_MAX: usize = 256;

/// Bound on the compiled pattern, in bytes; `\d{64}` with all scripts' digits fits, repetitions
/// of repetitions do not.
const COMPILED_MAX: usize = 1 << 20;

/// Longest code of a registry-defined scheme, in characters.
const CODE_MAX: usize = 64;

/// A code and what was done to the typed text to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The verified code.
    pub subject: SubjectCode,
    /// Every change, to be shown to whoever typed it; empty when it was typed in normal form.
    pub changes: Vec<Normalization>,
}

/// How the registry defines an `X-` scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternRules {
    /// Regular expression (syntax of the `regex` crate, at most 256 bytes) for the whole code; it
    /// needs no anchors. Groups named `birth_year` (four digits; `birth_year_18`, `birth_year_19`
    /// and `birth_year_20`: two, of that century), `birth_month` and `birth_day` tell the date of
    /// birth; groups have no other names.
    pub pattern: String,
    /// Changes that are made, and stated, before the pattern is tried. Without any, the code is
    /// taken exactly as typed. `upgraded15` is not possible here.
    #[serde(default)]
    pub normalize: Vec<Normalization>,
}

/// Why a scheme cannot be defined; the registry's author is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The name is not `X-` and then a name like a member's.
    #[error("a scheme of the registry is named X-<name>, and <name> matches [a-z0-9][a-z0-9-]{{0,62}}")]
    Name,
    /// Defined before.
    #[error("the scheme is defined twice")]
    Duplicate,
    /// Longer than 256 bytes.
    #[error("the pattern has {got} bytes, at most 256 are allowed")]
    PatternTooLong {
        /// Bytes given.
        got: usize,
    },
    /// Compiles to more than the bound.
    #[error("the pattern is too complex")]
    PatternTooComplex,
    /// Not a regular expression.
    #[error("the pattern is not a valid regular expression: {0}")]
    Pattern(String),
    /// It would accept nothing at all as a code.
    #[error("the pattern accepts the empty text")]
    PatternEmpty,
    /// A group has a name, and it is none of those that tell a date of birth.
    #[error(
        "a group of the pattern is named birth_year, birth_year_18, birth_year_19, birth_year_20, birth_month, birth_day, or not at all"
    )]
    Group,
    /// Groups for a part of the date of birth only.
    #[error(
        "the groups of the pattern name a part of the date of birth only; year, month and day belong together"
    )]
    BirthIncomplete,
    /// `upgraded15` belongs to CN-RID alone.
    #[error("upgraded15 is possible only for CN-RID")]
    Normalization,
}

#[derive(Clone, Debug)]
struct Pattern {
    name: Arc<str>,
    regex: Regex,
    allowed: u8,
    tells_birth: bool,
}

/// The schemes that are known. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Schemes {
    registry: Arc<BTreeMap<Arc<str>, Pattern>>,
}

impl Schemes {
    /// `CN-USCC`, `CN-RID` and `LEI`.
    #[must_use]
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Adds a scheme of the registry.
    ///
    /// # Errors
    /// [`SchemeError`] when name or pattern are not acceptable; nothing is changed then.
    pub fn define(&mut self, name: &str, rules: &PatternRules) -> Result<(), SchemeError> {
        if !is_registry_name(name) {
            return Err(SchemeError::Name);
        }
        if self.registry.contains_key(name) {
            return Err(SchemeError::Duplicate);
        }
        if rules.normalize.contains(&Normalization::Upgraded15) {
            return Err(SchemeError::Normalization);
        }
        let regex = compile(&rules.pattern)?;
        let allowed = rules.normalize.iter().fold(0, |bits, change| bits | change.bit());
        let name: Arc<str> = name.into();
        let pattern = Pattern { name: name.clone(), tells_birth: birth::is_told(&regex)?, regex, allowed };
        Arc::make_mut(&mut self.registry).insert(name, pattern);
        Ok(())
    }

    /// Whether `scheme` is known.
    #[must_use]
    pub fn contains(&self, scheme: &str) -> bool {
        matches!(scheme, "CN-USCC" | "CN-RID" | "LEI") || self.registry.contains_key(scheme)
    }

    /// The names of all known schemes, built-in ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        ["CN-USCC", "CN-RID", "LEI"].into_iter().chain(self.registry.keys().map(|name| &**name))
    }

    /// The date of birth that a code in its normal form tells; `None` when codes of its scheme, or
    /// of its form, tell none.
    #[must_use]
    pub fn born_on(&self, scheme: &str, code: &str) -> Option<Date> {
        if scheme == "CN-RID" {
            return rid::born_on(code);
        }
        let pattern = self.registry.get(scheme).filter(|pattern| pattern.tells_birth)?;
        birth::told(&pattern.regex, code).ok()?
    }

    /// How codes of a scheme tell the date of birth, as a text that is another one when that
    /// changes; `None` when they do not.
    #[must_use]
    pub fn birth_rule(&self, scheme: &str) -> Option<&str> {
        if scheme == "CN-RID" {
            return Some("GB 11643");
        }
        Some(self.registry.get(scheme).filter(|pattern| pattern.tells_birth)?.regex.as_str())
    }

    /// Reads a code as a person typed it.
    ///
    /// # Errors
    /// [`CodeError`], which names the position or the kind of the problem and never the code.
    pub fn parse(&self, scheme: &str, typed: &str) -> Result<Parsed, CodeError> {
        // Most codes of a file are already in normal form: no copy, no second look.
        let plain = match scheme {
            "CN-USCC" => uscc::parse_plain(typed),
            "CN-RID" => rid::parse_plain(typed),
            "LEI" => lei::parse_plain(typed),
            _ => return self.parse_pattern(scheme, typed),
        };
        if let Some(subject) = plain {
            return Ok(Parsed { subject, changes: Vec::new() });
        }
        let mut cleaned = Cleaned::new(typed);
        let subject = match scheme {
            "CN-USCC" => uscc::parse_cleaned(&cleaned)?,
            "CN-RID" => {
                let (subject, upgraded) = rid::parse_cleaned(&cleaned)?;
                if upgraded {
                    cleaned.changes.add(Normalization::Upgraded15);
                }
                subject
            }
            _ => lei::parse_cleaned(&cleaned)?,
        };
        Ok(Parsed { subject, changes: cleaned.changes.to_vec() })
    }

    /// Reads a code that must already be in its normal form: from a database, or from another
    /// party.
    ///
    /// # Errors
    /// As [`Schemes::parse`], and [`CodeError::NotNormalized`].
    pub fn parse_exact(&self, scheme: &str, code: &str) -> Result<SubjectCode, CodeError> {
        let parsed = self.parse(scheme, code)?;
        if parsed.changes.is_empty() { Ok(parsed.subject) } else { Err(CodeError::NotNormalized) }
    }

    fn parse_pattern(&self, scheme: &str, typed: &str) -> Result<Parsed, CodeError> {
        let pattern = self.registry.get(scheme).ok_or(CodeError::UnknownScheme)?;
        // Bounds the work on hostile input; a code of 64 characters may be spread with spaces.
        if typed.len() > CODE_MAX * 16 {
            return Err(CodeError::TooLong { max: saturate(CODE_MAX), got: saturate(typed.chars().count()) });
        }
        let mut changes = Changes::default();
        // Never grows, so no copy of the code is left behind in freed memory.
        let mut plain = Zeroizing::new(String::with_capacity(typed.len()));
        let mut count = 0usize;
        for c in typed.chars() {
            let Some(c) = apply(c, pattern.allowed, &mut changes) else { continue };
            if c.is_control() || is_invisible(c) {
                return Err(illegal(count, CharacterProblem::Invisible));
            }
            plain.push(c);
            count += 1;
        }
        if count == 0 {
            return Err(CodeError::Empty);
        }
        if count > CODE_MAX {
            return Err(CodeError::TooLong { max: saturate(CODE_MAX), got: saturate(count) });
        }
        if !pattern.regex.is_match(&plain) {
            return Err(CodeError::Pattern);
        }
        if pattern.tells_birth {
            birth::told(&pattern.regex, &plain)?;
        }
        let scheme = SchemeName::Registry(pattern.name.clone());
        Ok(Parsed { subject: SubjectCode::verified(scheme, &plain), changes: changes.to_vec() })
    }
}

/// One character after the stated changes; `None` when one of them removes it.
fn apply(typed: char, allowed: u8, changes: &mut Changes) -> Option<char> {
    let may = |change: Normalization| allowed & change.bit() != 0;
    let c = match kind(typed) {
        Kind::Space if may(Normalization::SpacesRemoved) => {
            changes.add(Normalization::SpacesRemoved);
            return None;
        }
        Kind::Hyphen if may(Normalization::HyphensRemoved) => {
            changes.add(Normalization::HyphensRemoved);
            return None;
        }
        Kind::Wide(plain) if may(Normalization::FullWidth) => {
            changes.add(Normalization::FullWidth);
            plain
        }
        _ => typed,
    };
    if c.is_ascii_lowercase() && may(Normalization::UpperCased) {
        changes.add(Normalization::UpperCased);
        return Some(c.to_ascii_uppercase());
    }
    Some(c)
}

fn is_registry_name(name: &str) -> bool {
    name.strip_prefix("X-").is_some_and(|rest| {
        (1..=LABEL_MAX).contains(&rest.len())
            && !rest.starts_with('-')
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

fn compile(pattern: &str) -> Result<Regex, SchemeError> {
    if pattern.len() > PATTERN_MAX {
        return Err(SchemeError::PatternTooLong { got: pattern.len() });
    }
    let build = |text: &str| {
        RegexBuilder::new(text).size_limit(COMPILED_MAX).nest_limit(32).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => SchemeError::PatternTooComplex,
            other => SchemeError::Pattern(other.to_string()),
        })
    };
    // By itself first: `a)|(b` would compile between the anchors and escape from them.
    build(pattern)?;
    let regex = build(&format!(r"\A(?:{pattern})\z"))?;
    if regex.is_match("") {
        return Err(SchemeError::PatternEmpty);
    }
    Ok(regex)
}
