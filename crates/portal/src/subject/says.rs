//! What the authority says about a person, as far as the pages show it.

use serde::{Deserialize, Serialize};

use tacit_policy::registry::entry::SUBJECT_ACCESS;

use crate::{frame::Frame, language::Language, person::Who};

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

/// What the agreement allows at most.
#[derive(Debug, Clone, Deserialize)]
struct Limits {
    checks_of_a_person_per_day: u64,
    consent_required: bool,
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
    #[serde(default)]
    limits: Option<Limits>,
    pub(crate) note: String,
    pub(crate) record: RecordAt,
    pub(crate) proof: String,
}

impl Usage {
    /// What happened, in one sentence.
    pub(crate) fn sentence(&self, language: Language) -> String {
        let lists = language.names(self.lists.iter().map(|list| list.title.as_str()));
        let purpose = self.purpose.as_ref().map_or("", |purpose| purpose.title.as_str());
        let own = if self.is_own() { "-own" } else { "" };
        let key = format!("outcome-{}{own}", self.outcome.replace('_', "-"));
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

    /// Whether it is the person's own look.
    pub(crate) fn is_own(&self) -> bool {
        self.purpose.as_ref().is_some_and(|purpose| purpose.id == SUBJECT_ACCESS)
    }

    /// What the receiver may do with the answer.
    pub(crate) fn may_use(&self, frame: &Frame) -> Option<String> {
        let limits = self.limits.as_ref().filter(|_| self.outcome == "permitted" && !self.is_own())?;
        let mut said = vec![frame.with("entry-may-use", "count", limits.checks_of_a_person_per_day)];
        said.extend(limits.consent_required.then(|| frame.say("entry-may-use-consent")));
        Some(frame.joined(&said))
    }

    /// What else to know about it, in the page's language where there are words for it.
    pub(crate) fn noted(&self, frame: &Frame) -> Option<String> {
        let key = format!("note-{}", self.outcome.replace('_', "-"));
        let words = || frame.language.find(&key).unwrap_or_else(|| self.note.clone());
        (!self.note.is_empty()).then(words)
    }

    /// Whether what is shown was proven when the log was read.
    pub(crate) fn is_verified(&self) -> bool {
        self.proof == "verified"
    }
}

/// How fresh an answer is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Freshness {
    pub(crate) as_of: Option<String>,
    pub(crate) not_read_yet_names: Vec<String>,
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
