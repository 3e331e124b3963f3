//! The agreement between a holder and a requester, as an entry of the registry.

use serde::{Deserialize, Serialize};
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Ulid};

use super::{entry::LegalBasis, text};
use crate::{duration::Span, keys::Ed25519Key};

/// Something the answer may lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// In words, 1 to 500 characters.
    pub title: String,
    /// Whether it takes something away or refuses something: then a memorandum is not law enough.
    pub restricts: bool,
    /// The law it rests on, where it is not the agreement's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
}

/// How much may be asked under an agreement. Days and minutes are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Checks a day, 1 to 1,000,000,000. A check that asks one holder several lists counts once.
    pub checks_per_day: u64,
    /// Checks a minute, 1 to 1,000,000 and no more than a day's; without it only the day counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_per_minute: Option<u64>,
    /// Checks a day about one subject, 1 to 1,000,000.
    pub per_subject_per_day: u64,
    /// Subjects that may be enrolled a day, 0 to 1,000,000,000.
    pub new_subjects_per_day: u64,
}

/// What allows the use of a list outside the context it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossContext {
    /// The act that allows it, by its [`Act::id`](super::entry::Act::id); no memorandum.
    pub act: String,
    /// Where in the act, 1 to 1000 characters.
    pub citation: String,
    /// Why it is proportionate, 1 to 4000 characters.
    pub proportionality: String,
}

/// What a holder lets a requester ask. Without one nothing is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Its id.
    #[serde(with = "text::ulid")]
    pub id: Ulid,
    /// Who answers.
    pub holder: MemberId,
    /// Who asks.
    pub requester: MemberId,
    /// The holder's first signing key, which the requester pins by signing.
    pub holder_key: Ed25519Key,
    /// The requester's first signing key, which the holder pins by signing.
    pub requester_key: Ed25519Key,
    /// Lists of the holder, 1 to 64, each once.
    pub lists: Vec<ListId>,
    /// Purposes, 1 to 256, each once, all of `purpose_context`.
    pub purposes: Vec<PurposeCode>,
    /// The context in which answers are used.
    pub purpose_context: String,
    /// The law under which is asked.
    pub legal_basis: LegalBasis,
    /// Whether each check needs the subject's consent. A private member or an association needs it anyway.
    pub consent_required: bool,
    /// Needed when a list comes from another context than `purpose_context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_context: Option<CrossContext>,
    /// What the answer may lead to, up to 64.
    pub measures: Vec<Measure>,
    /// How much may be asked.
    pub quotas: Quotas,
    /// Lists of this holder in one check, 1 to 16.
    pub max_lists_per_check: u8,
    /// How long the requester may keep an answer before it asks again.
    pub data_life: Span,
    /// From when it is in force.
    #[serde(with = "text::rfc3339")]
    pub valid_from: Millis,
    /// Until when it is in force; this instant is outside.
    #[serde(with = "text::rfc3339")]
    pub valid_until: Millis,
    /// Stated number of subjects the requester will ask about. A statement that auditors compare, not a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Agreement {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn in_force(&self, now: Millis) -> bool {
        self.valid_from <= now && now < self.valid_until
    }

    /// Whether it covers this list.
    #[must_use]
    pub fn covers_list(&self, list: &ListId) -> bool {
        self.lists.contains(list)
    }

    /// The measure at this place, from 1.
    #[must_use]
    pub fn measure(&self, number: u32) -> Option<&Measure> {
        self.measures.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The law of one of its measures: the measure's own, or else the agreement's.
    #[must_use]
    pub fn basis_of<'a>(&'a self, measure: &'a Measure) -> &'a LegalBasis {
        measure.legal_basis.as_ref().unwrap_or(&self.legal_basis)
    }

    /// Whether it covers this purpose.
    #[must_use]
    pub fn covers_purpose(&self, purpose: &PurposeCode) -> bool {
        self.purposes.contains(purpose)
    }
}
