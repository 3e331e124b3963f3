//! From the words of a request to a question: every term is looked up before anything leaves the agency.

use std::{collections::BTreeMap, fmt};

use tacit_client::Question;
use tacit_model::{ListId, Parsed, PurposeCode, Reason};
use tacit_policy::Registry;

use super::problem::Problem;

/// Most lists of one holder in a question (protocol section 4).
const LISTS_OF_HOLDER: usize = 16;
/// Most holders in a question (protocol section 4).
const HOLDERS: usize = 64;
/// Longest case number or officer, in bytes: they must fit into the audit box.
const WORDS_MAX: usize = 200;
/// Longest code as typed, in bytes.
pub(super) const TYPED_MAX: usize = 200;

/// A question as it arrived, from JSON or protobuf. An empty field is a missing one.
#[derive(Default)]
pub(super) struct RawQuestion {
    /// Lists, `<holder>/<name>`.
    pub(super) lists: Vec<String>,
    /// Purpose code.
    pub(super) purpose: String,
    /// Case number.
    pub(super) case_number: String,
    /// Officer.
    pub(super) officer: String,
    /// Identifier scheme, or nothing for the one that the lists name.
    pub(super) scheme: String,
}

/// A question whose lists and purpose exist, with case and officer stated. Only [`RawQuestion::check`] makes one.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) question: Question,
    /// The identifier scheme that all its lists name.
    scheme: String,
}

impl fmt::Debug for Checked {
    // Case and officer are for the audit box, not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("lists", &self.question.lists)
            .field("purpose", &self.question.purpose)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

impl Checked {
    /// The identifier scheme that all its lists name.
    pub(super) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Reads a code as typed. The [`Problem`] has the words of [`tacit_model::CodeError`] and the position; never the
    /// code.
    pub(super) fn read_code(&self, typed: &str, registry: &Registry) -> Result<Parsed, Problem> {
        if typed.len() > TYPED_MAX {
            return Err(Problem::of_field(Reason::CodeInvalid, "code", "The code has more than 200 bytes."));
        }
        registry.schemes().parse(&self.scheme, typed).map_err(|error| Problem::from(&error))
    }
}

impl RawQuestion {
    /// Checks every field against the registry; the [`Problem`] names the field. Whether the question is *permitted*
    /// is decided elsewhere, and goes on record.
    pub(super) fn check(self, registry: &Registry) -> Result<Checked, Problem> {
        let case_number = words(self.case_number, "case_number", Reason::CaseRequired)?;
        if self.purpose.trim().is_empty() {
            return Err(Problem::of_field(
                Reason::PurposeRequired,
                "purpose",
                Reason::PurposeRequired.meaning(),
            ));
        }
        let officer = words(self.officer, "officer", Reason::Malformed)?;
        let purpose = purpose(&self.purpose, "purpose", registry)?;
        let lists = lists(&self.lists)?;
        let scheme = scheme(&self.scheme, &lists, registry)?;
        Ok(Checked { question: Question { lists, purpose, case: case_number, officer }, scheme })
    }
}

/// A text for people: present, at most 200 bytes, without control characters.
pub(super) fn words(text: String, field: &'static str, missing: Reason) -> Result<String, Problem> {
    if text.trim().is_empty() {
        let message = if missing == Reason::Malformed {
            "The officer who asks was not given."
        } else {
            missing.meaning()
        };
        return Err(Problem::of_field(missing, field, message));
    }
    if text.len() > WORDS_MAX {
        return Err(Problem::of_field(Reason::Malformed, field, "The field has more than 200 bytes."));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::of_field(Reason::Malformed, field, "The field holds a control character."));
    }
    Ok(text)
}

pub(super) fn purpose(text: &str, field: &'static str, registry: &Registry) -> Result<PurposeCode, Problem> {
    let code: PurposeCode = text.parse().map_err(|_| {
        Problem::of_field(Reason::Malformed, field, "A purpose code matches [a-z0-9][a-z0-9-]{0,62}.")
    })?;
    if registry.purpose(&code).is_none() {
        return Err(Problem::of_field(Reason::UnknownPurpose, field, Reason::UnknownPurpose.meaning()));
    }
    Ok(code)
}

pub(super) fn lists(texts: &[String]) -> Result<Vec<ListId>, Problem> {
    if texts.is_empty() {
        return Err(Problem::of_field(Reason::Malformed, "lists", "No list was given."));
    }
    if texts.len() > HOLDERS * LISTS_OF_HOLDER {
        return Err(Problem::of_field(Reason::TooMany, "lists", "A question asks 1,024 lists at most."));
    }
    let mut lists: Vec<ListId> = Vec::with_capacity(texts.len());
    let mut of_holder = BTreeMap::<String, usize>::new();
    for (index, text) in texts.iter().enumerate() {
        let field = format!("lists[{index}]");
        let id: ListId = text.parse().map_err(|_| {
            Problem::of_field(
                Reason::Malformed,
                field.clone(),
                "A list id is written <holder>/<name>, in small letters.",
            )
        })?;
        if lists.contains(&id) {
            return Err(Problem::of_field(
                Reason::Malformed,
                field,
                format!("The list {id} is named twice."),
            ));
        }
        let count = of_holder.entry(id.holder().to_owned()).or_default();
        *count += 1;
        if *count > LISTS_OF_HOLDER {
            return Err(Problem::of_field(
                Reason::TooMany,
                field,
                "A question asks 16 lists of one holder at most.",
            ));
        }
        lists.push(id);
    }
    if of_holder.len() > HOLDERS {
        return Err(Problem::of_field(Reason::TooMany, "lists", "A question asks 64 holders at most."));
    }
    Ok(lists)
}

/// The one scheme that all lists name, and that the caller meant.
pub(super) fn scheme(wanted: &str, lists: &[ListId], registry: &Registry) -> Result<String, Problem> {
    if !wanted.is_empty() && !registry.schemes().contains(wanted) {
        let reason = Reason::CodeSchemeUnknown;
        return Err(Problem::of_field(reason, "scheme", reason.meaning()));
    }
    let mut scheme = wanted;
    for (index, id) in lists.iter().enumerate() {
        let list = registry.list(id).ok_or_else(|| {
            Problem::of_field(Reason::UnknownList, format!("lists[{index}]"), Reason::UnknownList.meaning())
        })?;
        if scheme.is_empty() {
            scheme = &list.scheme;
        } else if scheme != list.scheme {
            let message = if wanted.is_empty() {
                format!(
                    "The list {id} holds codes of another scheme than the first list; ask them one by one."
                )
            } else {
                format!("The list {id} holds codes of the scheme {}.", list.scheme)
            };
            return Err(Problem::of_field(Reason::CodeNotThisScheme, "scheme", message));
        }
    }
    Ok(scheme.to_owned())
}
