//! What the authority says about a person, as far as the pages show it.

use serde::{Deserialize, Serialize};

use crate::{language::Language, person::Who};

/// Whom a call is about.
#[derive(Serialize)]
pub(crate) struct About<'w> {
    scheme: &'w str,
    code: &'w str,
}

impl<'w> From<&'w Who> for About<'w> {
    fn from(who: &'w Who) -> Self {
        Self { scheme: &who.scheme, code: &who.code }
    }
}

/// A name with its words.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) title: String,
}

/// The law that an agreement rests on.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct LegalBasis {
    pub(crate) citation: String,
}

/// Where a record stands.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct RecordAt {
    pub(crate) id: String,
    pub(crate) index: u64,
}

/// One use of the person's data, or one change of what is allowed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Usage {
    pub(crate) logtime: String,
    pub(crate) action: String,
    pub(crate) receiver: String,
    pub(crate) receiver_name: String,
    pub(crate) lists: Vec<Named>,
    #[serde(default)]
    pub(crate) purpose: Option<Named>,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) legal_basis: Option<LegalBasis>,
    pub(crate) basis: String,
    pub(crate) restrictions: String,
    pub(crate) note: String,
    pub(crate) record: RecordAt,
    pub(crate) proof: String,
}

impl Usage {
    /// What happened, in one sentence.
    pub(crate) fn sentence(&self, language: Language) -> String {
        let lists: Vec<&str> = self.lists.iter().map(|list| list.title.as_str()).collect();
        let lists = lists.join(language.comma());
        let purpose = self.purpose.as_ref().map_or("", |purpose| purpose.title.as_str());
        let key = format!("outcome-{}", self.outcome.replace('_', "-"));
        let values = [
            ("agency", self.receiver_name.as_str().into()),
            ("lists", lists.into()),
            ("purpose", purpose.into()),
        ];
        match language.find(&key) {
            Some(_) => language.with(&key, &values),
            None => self.action.clone(),
        }
    }

    /// Whether what is shown was proven when the log was read.
    pub(crate) fn is_verified(&self) -> bool {
        self.proof == "verified"
    }

    pub(crate) fn is_question(&self) -> bool {
        matches!(self.outcome.as_str(), "permitted" | "refused")
    }
}

/// How fresh an answer is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Freshness {
    pub(crate) as_of: Option<String>,
    pub(crate) not_read_yet: Vec<String>,
    pub(crate) findings: Vec<String>,
    pub(crate) next_reading: Option<String>,
}

/// A page of uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Usages {
    pub(crate) usage: Vec<Usage>,
    pub(crate) total: usize,
    #[serde(flatten)]
    pub(crate) freshness: Freshness,
}
