//! What stands in a registry: members, acts, lists, purposes, schemes, categories, rules, agreements, pseudonym keys.
//!
//! These are the shapes of the document, written and read as JSON with exactly these field names. A value of one of
//! these types proves nothing by itself; it is a fact when a [`Registry`](super::Registry) hands it out.

use std::fmt;

use serde::{Deserialize, Serialize};
use tacit_model::{ListId, MemberId, PatternRules, PurposeCode};

pub use super::agreement::{Agreement, CrossContext, Measure, Quotas};
use super::{ended::AgreementEnd, keychange::KeyChange};
use crate::keys::{Ed25519Key, PublicKey};

/// One entry. In JSON the kind is the only key: `{"list": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A member, signed by itself.
    Member(Member),
    /// A legal act that others cite, signed by the coordinator.
    Act(Act),
    /// A list, signed by its holder.
    List(List),
    /// A purpose of the federation, signed by the coordinator.
    Purpose(Purpose),
    /// An identifier scheme of the federation, signed by the coordinator.
    Scheme(Scheme),
    /// A category of the federation's catalogue, signed by the coordinator.
    Category(Category),
    /// A rule of the federation's own, signed by the coordinator.
    Rule(FederationRule),
    /// An agreement, signed by holder and requester.
    Agreement(Box<Agreement>),
    /// The public pseudonym key of one requester and epoch, signed by the custodian.
    PseudonymKey(PseudonymKey),
    /// The end of an agreement, signed by the party that ends it.
    AgreementEnd(AgreementEnd),
}

/// What a member is before the law. Only public bodies can be covered by an agreement without consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// An organ of the state, or a body that acts under public law.
    Public,
    /// A company or person under private law: never without consent.
    Private,
    /// An industry or professional association: never without consent.
    Association,
}

impl MemberKind {
    /// Whether its questions need the subject's consent whatever an agreement says.
    #[must_use]
    pub fn needs_consent(self) -> bool {
        self != Self::Public
    }
}

/// What a member does in the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps lists and answers blinded questions about them.
    Holder,
    /// Asks.
    Requester,
    /// Consent authority: the subjects' portal.
    Authority,
    /// Reads the log and, two together, opens audit boxes.
    Auditor,
    /// Keeps the pseudonym keys and mirrors the sealed lists.
    Custodian,
    /// Keeps the registry and the log, authorizes checks.
    Coordinator,
}

impl Role {
    /// The word used in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Requester => "requester",
            Self::Authority => "authority",
            Self::Auditor => "auditor",
            Self::Custodian => "custodian",
            Self::Coordinator => "coordinator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A member of the federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name, also in its certificate.
    pub id: MemberId,
    /// Its name in words, 1 to 200 characters.
    pub title: String,
    /// What it is before the law.
    pub kind: MemberKind,
    /// What it does here, 1 to 6 different roles.
    pub roles: Vec<Role>,
    /// `https://host:port` where it is reached; needed by holder, custodian and coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its public keys, one per use.
    pub keys: MemberKeys,
    /// Its current pseudonym epoch (protocol section 2); needed by requesters, and by holders that send letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudonym_epoch: Option<u32>,
}

impl Member {
    /// Whether it has this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// A member's public keys, separate by use. No key may appear twice in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberKeys {
    /// Ed25519: registry entries, agreements, authorize requests; for an authority also consents.
    pub signing: Ed25519Key,
    /// Its earlier signing keys, the first one first, each with its signature over the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<KeyChange>,
    /// Ed25519: list manifests, key name `<member>/manifest`; needed by holders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Ed25519Key>,
    /// Ed25519: cosignatures on checkpoints, key name `<member>/witness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Ed25519Key>,
    /// Ed25519: the log's checkpoints, key name `<member>/log`; needed by the coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Ed25519Key>,
    /// X25519: audit boxes, for auditors only. The box keys of all auditors together, in order of member name, are
    /// exactly two: one body with two officers, or two bodies with one each.
    #[serde(default, rename = "box", skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<PublicKey>,
    /// X25519: letters are sealed to it; for authorities, holders and requesters. Who has none gets no letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<PublicKey>,
}

impl MemberKeys {
    /// Keys of a member that only signs.
    #[must_use]
    pub fn signing(signing: Ed25519Key) -> Self {
        Self {
            signing,
            changes: Vec::new(),
            manifest: None,
            witness: None,
            log: None,
            boxes: Vec::new(),
            letters: None,
        }
    }

    /// The bytes of all keys with the name of their field.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, [u8; 32])> {
        [
            ("signing", Some(self.signing)),
            ("manifest", self.manifest),
            ("witness", self.witness),
            ("log", self.log),
        ]
        .into_iter()
        .filter_map(|(name, key)| key.map(|key| (name, key.0.to_bytes())))
        .chain(self.boxes.iter().map(|key| ("box", key.0)))
        .chain(self.letters.map(|key| ("letters", key.0)))
        .chain(self.changes.iter().map(|change| ("changes", change.key.0.to_bytes())))
    }
}

/// How strong a legal basis is, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// An act of parliament.
    Statute,
    /// A regulation made under a statute.
    Regulation,
    /// An order of an authority.
    Order,
    /// A memorandum between agencies: no measure that restricts may rest on it.
    Memorandum,
}

impl Rank {
    /// The word used in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statute => "statute",
            Self::Regulation => "regulation",
            Self::Order => "order",
            Self::Memorandum => "memorandum",
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A legal act. Its rank stands here and nowhere else, so that nobody who cites a memorandum can call it a statute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// By what name entries cite it (a name).
    pub id: String,
    /// Its title, 1 to 500 characters.
    pub title: String,
    /// How strong it is.
    pub rank: Rank,
    /// Who issued it, 1 to 200 characters.
    pub issued_by: String,
    /// Where it is published: number, date, gazette; 1 to 1000 characters.
    pub published: String,
}

/// The law that something rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// DPV term, e.g. `eu-gdpr:A6-1-e-official-authority`, 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// The act, by its [`Act::id`]; it says how strong the basis is.
    pub act: String,
    /// Where in the act it is written, and what further acts say, 1 to 1000 characters.
    pub citation: String,
}

impl LegalBasis {
    /// A place in an act.
    #[must_use]
    pub fn new(act: &str, citation: &str) -> Self {
        Self { basis: None, act: act.to_owned(), citation: citation.to_owned() }
    }
}

/// What a contested record answers until the objection is decided, the milder first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contested {
    /// Answered as listed, with the flag that it is contested.
    Flag,
    /// Not answered as listed (stay during appeal).
    Withhold,
}

/// The words for one status byte of a label (protocol section 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusText {
    /// The label's status byte.
    pub status: u8,
    /// What it means, 1 to 500 characters.
    pub text: String,
}

/// A list of one holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// `<holder>/<name>`.
    pub id: ListId,
    /// Its name in words, 1 to 200 characters.
    pub title: String,
    /// The one identifier scheme of its codes: `CN-USCC`, `CN-RID`, `LEI`, or a registered `X-` scheme.
    pub scheme: String,
    /// The law under which it is kept.
    pub legal_basis: LegalBasis,
    /// Where its records come from: `justice`, `tax`, `customs`, `procurement`, ... (a name).
    pub origin_context: String,
    /// True for a blacklist, false for a favorable list.
    pub adverse: bool,
    /// What being listed means, in words for everyone, 1 to 2000 characters.
    pub what_listing_means: String,
    /// Longest time a record may stay, 1 to 36,525 days.
    pub retention_days: u32,
    /// IANA time zone in which the list's days begin, e.g. `Asia/Shanghai`.
    pub time_zone: String,
    /// Where to object, 1 to 500 characters.
    pub objection_contact: String,
    /// Days between notice and effect, 0 to 365.
    pub notice_days: u16,
    /// What a contested record answers.
    pub contested: Contested,
    /// The words for each status byte in use, up to 256, each status once.
    pub status_texts: Vec<StatusText>,
    /// Who decides at the second level about an objection: another holder than its own, which letters reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_body: Option<MemberId>,
}

/// A purpose for which lists may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Its code; `subject-access` is kept for authorities (see [`SUBJECT_ACCESS`]).
    pub code: PurposeCode,
    /// Its name in words, 1 to 200 characters.
    pub title: String,
    /// The context in which the answer is used (a name, as in [`List::origin_context`]).
    pub context: String,
    /// DPV IRI or prefixed term, e.g. `dpv:VendorSelectionAssessment`, 1 to 200 characters.
    pub dpv: String,
    /// Whether it is about a basic service (water, heat, school, treatment, ...): no adverse list may be asked for it.
    pub basic_service: bool,
}

/// The purpose under which an authority asks lists for a subject about themself (protocol section 8).
pub const SUBJECT_ACCESS: &str = "subject-access";

/// An identifier scheme of the federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// `X-<name>`.
    pub name: String,
    /// Its name in words, 1 to 200 characters.
    pub title: String,
    /// What its codes look like and how they are normalized.
    pub rules: PatternRules,
}

/// What a category is about: the twelve types of public credit information, and nothing beside them. Religion,
/// ethnicity, political opinion, biometrics, health and family have no word here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InformationType {
    /// Registration and its changes.
    Registration,
    /// Judgments and their enforcement.
    JudgmentsAndEnforcement,
    /// Licences, penalties and other administrative management.
    AdministrativeManagement,
    /// Professional titles and positions.
    TitlesAndPositions,
    /// Lists of irregular operation.
    IrregularOperation,
    /// Lists of the seriously untrustworthy.
    SeriouslyUntrustworthy,
    /// Performance of contracts.
    ContractPerformance,
    /// Pledges of credit and whether they were kept.
    Pledges,
    /// Results of assessments by public bodies.
    Assessments,
    /// Obedience to court orders and to law.
    Compliance,
    /// Honors and commendations.
    Honors,
    /// What the subject handed in itself.
    VoluntaryInformation,
}

impl InformationType {
    /// All types, in the order of the catalogue they come from.
    pub const ALL: [Self; 12] = [
        Self::Registration,
        Self::JudgmentsAndEnforcement,
        Self::AdministrativeManagement,
        Self::TitlesAndPositions,
        Self::IrregularOperation,
        Self::SeriouslyUntrustworthy,
        Self::ContractPerformance,
        Self::Pledges,
        Self::Assessments,
        Self::Compliance,
        Self::Honors,
        Self::VoluntaryInformation,
    ];
}

/// A category of the federation's catalogue, as it stands in labels. A record is under the stricter rule of its list
/// and its category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// The label's category.
    pub code: u16,
    /// Its name in words, 1 to 200 characters.
    pub title: String,
    /// What it is about.
    #[serde(rename = "type")]
    pub information: InformationType,
    /// Where its records come from; they stand on lists of this context only.
    pub origin_context: String,
    /// True when it counts against the subject; such records stand on adverse lists only, others on favorable ones.
    pub adverse: bool,
    /// The law under which it is recorded.
    pub legal_basis: LegalBasis,
    /// Least days between notice and effect, 0 to 365.
    pub notice_days: u16,
    /// What a contested record of it answers.
    pub contested: Contested,
    /// Longest time a record of it may stay, 1 to 36,525 days.
    pub retention_days: u32,
}

impl Category {
    /// Whether its records may stand on this list.
    #[must_use]
    pub fn fits(&self, list: &List) -> bool {
        self.adverse == list.adverse && self.origin_context == list.origin_context
    }
}

/// A rule of the federation's own, beside the built-in ones: it can only forbid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationRule {
    /// Its name, told in the record's opening when it forbids (a name).
    pub id: String,
    /// What it says, for people, 1 to 500 characters.
    pub title: String,
    /// One `forbid` policy of Cedar 4 under the schema of docs/rules.cedarschema, up to 8,000 characters; lines end
    /// in LF.
    pub policy: String,
}

/// The public key `pkD_A` of one requester and pseudonym epoch (protocol section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PseudonymKey {
    /// The requester it is for.
    pub requester: MemberId,
    /// Its pseudonym epoch.
    pub epoch: u32,
    /// ristretto255 point (RFC 9496); checked by who uses it.
    pub public_key: PublicKey,
}
