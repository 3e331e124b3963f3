//! What the node says, as far as the pages show it.

use serde::Deserialize;

use crate::language::Language;

/// The lists that the agency may ask.
#[derive(Debug, Deserialize)]
pub(super) struct Lists {
    pub(super) lists: Vec<List>,
}

impl Lists {
    /// Lists in words; those that may not be asked any more by their ids.
    pub(super) fn titles(&self, ids: &[String], language: Language) -> String {
        let title = |id: &String| self.lists.iter().find(|list| list.list == *id).map(|list| &list.title);
        in_words(ids, title, language)
    }

    /// Purposes in words, likewise.
    pub(super) fn purposes(&self, ids: &[String], language: Language) -> String {
        let all = self.lists.iter().flat_map(|list| &list.purposes);
        let title = |id: &String| all.clone().find(|it| it.purpose == *id).map(|purpose| &purpose.title);
        in_words(ids, title, language)
    }
}

fn in_words<'t>(
    ids: &'t [String],
    title: impl Fn(&'t String) -> Option<&'t String>,
    language: Language,
) -> String {
    let words = ids.iter().map(|id| title(id).unwrap_or(id).as_str());
    words.collect::<Vec<_>>().join(language.comma())
}

/// A list that may be asked.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) list: String,
    pub(super) title: String,
    pub(super) holder_title: String,
    pub(super) scheme: String,
    pub(super) purposes: Vec<Purpose>,
    pub(super) measures: Vec<Measure>,
}

/// A purpose for which a list may be asked.
#[derive(Debug, Deserialize)]
pub(super) struct Purpose {
    pub(super) purpose: String,
    pub(super) title: String,
    pub(super) consent_required: bool,
}

/// A measure that an agreement allows.
#[derive(Debug, Deserialize)]
pub(super) struct Measure {
    pub(super) agreement: String,
    pub(super) measure: u32,
    pub(super) title: String,
    pub(super) legal_basis: String,
    pub(super) restricts: bool,
}

/// Where a record stands.
#[derive(Debug, Deserialize)]
pub(super) struct RecordAt {
    pub(super) id: String,
    pub(super) index: u64,
}

/// The answer to one question. Without `Debug`: the code is in it.
#[derive(Deserialize)]
pub(super) struct Told {
    /// The code as it was read, when that is not what was typed.
    #[serde(default)]
    pub(super) read_as: Option<String>,
    pub(super) normalized: Vec<Change>,
    pub(super) answers: Vec<Answer>,
    pub(super) terms: Vec<Terms>,
}

/// A change that was made to the code as typed.
#[derive(Deserialize)]
pub(super) struct Change {
    pub(super) change: String,
}

/// The answer of one list.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) answer: String,
    #[serde(default)]
    pub(super) listing: Option<Listing>,
    #[serde(default)]
    pub(super) problem: Option<crate::api::Trouble>,
    #[serde(default)]
    pub(super) as_of: Option<String>,
    #[serde(default)]
    pub(super) record: Option<RecordAt>,
}

/// What a list says about a listed subject.
#[derive(Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) status_text: Option<String>,
    #[serde(default)]
    pub(super) category_title: Option<String>,
    #[serde(default)]
    pub(super) listed_on: Option<String>,
    #[serde(default)]
    pub(super) expires_on: Option<String>,
    pub(super) contested: bool,
    pub(super) reference: String,
}

/// What goes with an answer.
#[derive(Deserialize)]
pub(super) struct Terms {
    pub(super) legal_basis: String,
    pub(super) usable_until: String,
    pub(super) objection_contact: String,
    pub(super) measures: Vec<Measure>,
}
