//! Samples: federations as data, from which `tacit init` founds a real one.
//!
//! A sample names members, lists, purposes, categories and agreements; it has no keys, no addresses and no
//! dates. Lists, purposes, schemes and categories are written as the registry writes them.

use serde::Deserialize;
use tacit_identity::Federation;
use tacit_model::{ListId, MemberId, PurposeCode};
use tacit_policy::{
    Span,
    registry::entry::{
        Act, Category, CrossContext, FederationRule, LegalBasis, List, Measure, MemberKind, Purpose, Quotas,
        Role, Scheme,
    },
};

/// The samples that come with the program: name and text.
const SAMPLES: &[(&str, &str)] = &[
    ("procurement", include_str!("../../samples/procurement.toml")),
    ("credit-reference", include_str!("../../samples/credit-reference.toml")),
    ("defaulters", include_str!("../../samples/defaulters.toml")),
    ("minimal", include_str!("../../samples/minimal.toml")),
];

/// Auditors that an audit box is sealed to.
const BOX_KEYS: usize = 2;

/// The sample that is used when none is named.
pub const DEFAULT: &str = "procurement";

/// A federation to be founded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// One line for people: what it shows.
    pub title: String,
    /// The federation's name.
    pub federation: Federation,
    /// Its members: exactly one coordinator, one custodian; at least two auditors when anybody asks.
    pub member: Vec<SampleMember>,
    /// Legal acts that the others cite.
    #[serde(default)]
    pub act: Vec<Act>,
    /// Lists.
    #[serde(default)]
    pub list: Vec<List>,
    /// Purposes.
    #[serde(default)]
    pub purpose: Vec<Purpose>,
    /// Identifier schemes beside the built-in ones.
    #[serde(default)]
    pub scheme: Vec<Scheme>,
    /// The catalogue of categories.
    #[serde(default)]
    pub category: Vec<Category>,
    /// Rules of the federation's own.
    #[serde(default)]
    pub rule: Vec<FederationRule>,
    /// Agreements.
    #[serde(default)]
    pub agreement: Vec<SampleAgreement>,
}

/// A member: what the registry says but for keys and addresses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleMember {
    /// Its name.
    pub id: MemberId,
    /// Its name in words.
    pub title: String,
    /// What it is before the law.
    pub kind: MemberKind,
    /// What it does.
    pub roles: Vec<Role>,
}

impl SampleMember {
    /// Whether it has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it runs a node.
    #[must_use]
    pub fn is_node(&self) -> bool {
        self.has(Role::Holder) || self.has(Role::Requester)
    }
}

/// An agreement: what the registry says but for id, keys and dates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleAgreement {
    /// Who answers.
    pub holder: MemberId,
    /// Who asks.
    pub requester: MemberId,
    /// Lists of the holder.
    pub lists: Vec<ListId>,
    /// Purposes, all of `purpose_context`.
    pub purposes: Vec<PurposeCode>,
    /// The context in which answers are used.
    pub purpose_context: String,
    /// The law under which is asked.
    pub legal_basis: LegalBasis,
    /// Whether each check needs the subject's consent.
    #[serde(default)]
    pub consent_required: bool,
    /// Needed when a list comes from another context.
    pub cross_context: Option<CrossContext>,
    /// What the answer may lead to.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// How much may be asked.
    pub quotas: Quotas,
    /// Lists of this holder in one check.
    pub max_lists_per_check: u8,
    /// How long an answer may be kept.
    pub data_life: Span,
    /// For how many days from the founding it is in force.
    pub valid_days: u32,
    /// Stated number of subjects.
    pub size: Option<u64>,
}

/// A sample cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// No sample has this name.
    #[error("there is no sample of this name; there are: {}", names().collect::<Vec<_>>().join(", "))]
    Unknown,
    /// The text is not a sample.
    #[error("the sample cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// Its members do not make a federation.
    #[error("the sample needs {0}")]
    Members(&'static str),
}

/// The names of the samples.
pub fn names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|(name, _)| *name)
}

impl Sample {
    /// Whether a question under this agreement needs the subject's consent: it says so, or no public body asks.
    #[must_use]
    pub fn needs_consent(&self, agreement: &SampleAgreement) -> bool {
        let requester = self.member.iter().find(|it| it.id == agreement.requester);
        agreement.consent_required || requester.is_none_or(|it| it.kind.needs_consent())
    }

    /// The sample of this name.
    ///
    /// # Errors
    /// [`SampleError::Unknown`].
    pub fn named(name: &str) -> Result<Self, SampleError> {
        let (_, text) = SAMPLES.iter().find(|(known, _)| *known == name).ok_or(SampleError::Unknown)?;
        Self::parse(text)
    }

    /// Reads a sample.
    ///
    /// # Errors
    /// [`SampleError`].
    pub fn parse(text: &str) -> Result<Self, SampleError> {
        let sample: Self = toml::from_str(text)?;
        let count = |role| sample.member.iter().filter(|it| it.has(role)).count();
        if count(Role::Coordinator) != 1 {
            return Err(SampleError::Members("exactly one coordinator"));
        }
        if count(Role::Custodian) != 1 {
            return Err(SampleError::Members("exactly one custodian"));
        }
        if sample.asks() && count(Role::Auditor) < BOX_KEYS {
            // Every enrollment leaves an audit box, sealed to two different people.
            return Err(SampleError::Members(
                "at least two auditors, since it has requesters or authorities",
            ));
        }
        Ok(sample)
    }

    /// Consent authorities that are no nodes, in their order.
    pub fn authorities(&self) -> impl Iterator<Item = &SampleMember> {
        self.member.iter().filter(|member| member.has(Role::Authority) && !member.is_node())
    }

    /// The members that run a node, in the sample's order.
    pub fn nodes(&self) -> impl Iterator<Item = &SampleMember> {
        self.member.iter().filter(|it| it.is_node())
    }

    /// Whether any member can ask, and so enroll subjects.
    fn asks(&self) -> bool {
        self.member.iter().any(|it| it.has(Role::Requester) || it.has(Role::Authority))
    }

    /// Whether this member holds one of the two keys of the audit boxes: the first two auditors do, when there are two.
    #[must_use]
    pub fn holds_box_key(&self, member: &MemberId) -> bool {
        let auditors: Vec<_> = self.member.iter().filter(|it| it.has(Role::Auditor)).collect();
        auditors.len() >= BOX_KEYS && auditors.iter().take(BOX_KEYS).any(|it| it.id == *member)
    }

    /// The first member with a role. Coordinator and custodian are always there.
    #[must_use]
    pub fn first(&self, role: Role) -> Option<&SampleMember> {
        self.member.iter().find(|it| it.has(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_that_comes_with_the_program_can_be_read() {
        for name in names() {
            let sample = Sample::named(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(sample.nodes().count() > 0);
        }
        assert!(matches!(Sample::named("nothing"), Err(SampleError::Unknown)));
    }

    fn with_auditors(count: usize, roles: &[Role]) -> Result<Sample, SampleError> {
        let member = |id: &str, role: &str| {
            format!("[[member]]\nid = '{id}'\ntitle = 'x'\nkind = 'public'\nroles = ['{role}']\n")
        };
        let mut text = "title = 'x'\nfederation = 'a'\n".to_owned();
        let others = [Role::Coordinator, Role::Custodian, Role::Holder];
        text.extend(others.iter().chain(roles).map(|role| member(role.as_str(), role.as_str())));
        text.extend((0..count).map(|number| member(&format!("auditor-{number}"), "auditor")));
        Sample::parse(&text)
    }

    #[test]
    fn a_federation_that_asks_has_two_auditors_or_more_and_any_other_as_many_as_it_likes() {
        for count in 0..4 {
            let sample = with_auditors(count, &[]).unwrap();
            let holders = sample.member.iter().filter(|it| sample.holds_box_key(&it.id)).count();
            assert_eq!(holders, if count < 2 { 0 } else { 2 });
            assert_eq!(with_auditors(count, &[Role::Requester]).is_ok(), count >= 2);
            assert_eq!(with_auditors(count, &[Role::Authority]).is_ok(), count >= 2);
        }
    }

    #[test]
    fn a_sample_without_its_two_bodies_is_refused() {
        let text = "title = 'x'\nfederation = 'a'\nmember = []\n";
        assert!(matches!(Sample::parse(text), Err(SampleError::Members(_))));
        assert!(matches!(Sample::parse("titel = 'x'"), Err(SampleError::Form(_))));
    }
}
