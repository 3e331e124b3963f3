//! Uses of a person's data, in the shape of Estonia's data tracker (Andmejälgija): `logtime`, `action` and `receiver`
//! are its fields; what the log knows beside them follows. The words are for the person whom it is about.

use serde::Serialize;
use tacit_ledger::record::Record;
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Ulid, parse_ulid};
use tacit_policy::{Consent, ConsentRequest, Registry};
use utoipa::ToSchema;

use crate::{
    measure::{self, MeasureSaid},
    sealed::{Chain, Entry, Opening},
};

/// What a withdrawal does not undo.
const WITHDRAWN: &str = "From this record on no check under the consent can follow. Answers that were given before stay with \
    whoever got them, permits that were out ended within 60 seconds, and the records of checks before it stay in this log.";
/// What stands beside a letter that does not open.
const UNREADABLE: &str = "The letter cannot be read here: it is sealed to others, was altered, or is not signed by its sender. Ask \
    the sender.";
/// What an erasure does not undo.
const ERASED: &str = "What opened the records before this one was destroyed. They stay in the log and say nothing of whom; \
    what they said is not known here any more.";

/// One use of the person's data, or one change of what is allowed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// When, RFC 3339: the time of the record.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(crate) logtime: String,
    /// What happened, in words.
    pub(crate) action: String,
    /// Member that asked, that the consent is for, or that wrote or was written to.
    pub(crate) receiver: String,
    /// Its name in words.
    pub(crate) receiver_name: String,
    /// Member whose lists were asked; empty for consents and erasures.
    pub(crate) infosystem: String,
    /// Lists that were asked.
    pub(crate) lists: Vec<Named>,
    /// Purpose code and words; none for consents and erasures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Named)]
    pub(crate) purpose: Option<Named>,
    /// `permitted`, `refused`, `consent_<state>`, `letter_to_person`, `letter_to_member`, `erased`, `measure_registered` or
    /// `measure_lifted`.
    pub(crate) outcome: String,
    /// The word that the receiver got for a refusal; empty otherwise.
    pub(crate) reason: String,
    /// The exact reason of a refusal; empty otherwise.
    pub(crate) exact_reason: String,
    /// Rules that decided.
    pub(crate) rules: Vec<String>,
    /// What the receiver named as its ground: `agreement:<ULID>` or `consent:<ULID>`.
    pub(crate) basis: String,
    /// The law that the agreement rests on; none when no agreement allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = LegalBasis)]
    pub(crate) legal_basis: Option<LegalBasis>,
    /// What the agreement allows the receiver to do with an answer, in words; empty when no agreement is known.
    pub(crate) restrictions: String,
    /// The same as numbers; none when no agreement is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Limits)]
    pub(crate) limits: Option<Limits>,
    /// The consent that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ConsentSaid)]
    pub(crate) consent: Option<ConsentSaid>,
    /// The measure that was registered or lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = MeasureSaid)]
    pub(crate) measure: Option<MeasureSaid>,
    /// What else to know about it, in words; empty for most.
    pub(crate) note: String,
    /// The record.
    pub(crate) record: RecordAt,
    /// `verified`, or what was wrong when the chain was read last.
    pub(crate) proof: String,
    #[serde(skip)]
    pub(crate) at: Millis,
}

/// A name with its words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Named {
    /// Id or code.
    pub(crate) id: String,
    /// In words, as the registry has them today.
    pub(crate) title: String,
}

/// The law that an agreement rests on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LegalBasis {
    /// Agreement, a ULID.
    pub(crate) agreement: String,
    /// Where it is written.
    pub(crate) citation: String,
}

/// What the agreement allows at most.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = UseLimits)]
pub(crate) struct Limits {
    /// How often a day the receiver may ask about one person.
    pub(crate) checks_of_a_person_per_day: u64,
    /// Whether it may ask with the person's consent only.
    pub(crate) consent_required: bool,
}

/// A consent whose state changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ConsentChange)]
pub(crate) struct ConsentSaid {
    /// Its id, a ULID.
    pub(crate) id: String,
    /// Who signed it.
    pub(crate) authority: String,
    /// The state.
    pub(crate) state: String,
    /// Number of the change, from 1.
    pub(crate) number: u64,
    /// Lists that it is about.
    pub(crate) lists: Vec<String>,
    /// Purposes that it is about.
    pub(crate) purposes: Vec<String>,
    /// Until when, RFC 3339.
    #[schema(format = DateTime, example = "2027-11-21T00:00:00.000Z")]
    pub(crate) expires: String,
}

/// Where a record stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecordAt {
    /// Record id, a ULID.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(crate) id: String,
    /// Leaf index in the log.
    pub(crate) index: u64,
    /// Its place among the records of this receiver about the person, from 0.
    pub(crate) sequence: u64,
}

/// Whether [`tell`] has something to say about a stored record.
pub(crate) fn is_told(record: &Record, opening: &Opening) -> bool {
    match (record, opening) {
        (Record::Consent(_), Opening::Consent { text, .. }) => Terms::parse(text).is_some(),
        (Record::Measure(_), opening) => matches!(opening, Opening::Measure { .. }),
        (Record::Access(_) | Record::Refused(_) | Record::Consent(_), _) => true,
        (Record::Notice(_) | Record::Erasure(_), _) => true,
        // None of these is in a chain.
        (Record::Manifest(_) | Record::Registry(_) | Record::Enrollment(_) | Record::Audit(_), _) => false,
        (Record::BoxOpened(_) | Record::Demand(_) | Record::Export(_), _) => false,
    }
}

/// What a stored record says; none when it is of no kind that is about a person.
pub(crate) fn tell(chain: &Chain, entry: &Entry, registry: &Registry) -> Option<Usage> {
    let record = Record::parse(entry.record.as_bytes()).ok()?;
    if !is_told(&record, &entry.opening) {
        return None;
    }
    let mut usage = Usage {
        logtime: Millis(record.time_ms()).to_rfc3339(),
        action: String::new(),
        receiver: chain.requester.to_string(),
        receiver_name: registry.member_title(&chain.requester).to_owned(),
        infosystem: String::new(),
        lists: Vec::new(),
        purpose: None,
        outcome: String::new(),
        reason: String::new(),
        exact_reason: String::new(),
        rules: Vec::new(),
        basis: String::new(),
        legal_basis: None,
        restrictions: String::new(),
        limits: None,
        consent: None,
        measure: None,
        note: String::new(),
        record: RecordAt { id: record.id().to_owned(), index: entry.index, sequence: entry.sequence },
        proof: chain.proof(),
        at: Millis(record.time_ms()),
    };
    if let Opening::Check { exact, rules, agreement, basis } = &entry.opening {
        (usage.exact_reason, usage.rules, usage.basis) = (exact.clone(), rules.clone(), basis.clone());
        let agreement = parse_ulid(agreement).and_then(|id| registry.agreement(id));
        if let Some(agreement) = agreement {
            let citation = registry.law(&agreement.legal_basis);
            usage.legal_basis = Some(LegalBasis { agreement: agreement.id.to_string(), citation });
            usage.limits = Some(Limits {
                checks_of_a_person_per_day: agreement.quotas.per_subject_per_day,
                consent_required: agreement.consent_required,
            });
            usage.restrictions = restrictions(agreement);
        }
    }
    match &record {
        Record::Access(it) => {
            usage.action = "permitted to ask whether the person is on a list".to_owned();
            usage.outcome = "permitted".to_owned();
            usage.infosystem.clone_from(&it.holder);
            usage.lists = it.lists.iter().map(|at| list(registry, &at.list)).collect();
            usage.purpose = Some(purpose(registry, &it.purpose));
        }
        Record::Refused(it) => {
            usage.action = "tried to ask whether the person is on a list, and was refused".to_owned();
            usage.outcome = "refused".to_owned();
            usage.reason.clone_from(&it.reason);
            usage.infosystem.clone_from(&it.holder);
            usage.lists = it.lists.iter().map(|id| list(registry, id)).collect();
            usage.purpose = Some(purpose(registry, &it.purpose));
            usage.note =
                "The receiver heard the reason only; nothing about the person was answered.".to_owned();
        }
        Record::Consent(it) => {
            usage.action = match it.state.as_str() {
                "requested" => "asked the person for a consent".to_owned(),
                state => format!("a consent for the receiver is {state} now"),
            };
            usage.outcome = format!("consent_{}", it.state);
            if let Opening::Consent { text, number, .. } = &entry.opening {
                let terms = Terms::parse(text)?;
                usage.lists = terms.lists.iter().map(|id| list(registry, id)).collect();
                usage.consent = Some(terms.said(&it.state, *number));
            }
            if it.state == "withdrawn" {
                usage.note = WITHDRAWN.to_owned();
            }
        }
        Record::Notice(it) => {
            if it.sender == it.member {
                usage.outcome = "letter_to_person".to_owned();
                usage.action = format!("{} wrote a letter to the person", it.sender);
                if matches!(entry.opening, Opening::Notice { key: None, .. }) {
                    usage.note = UNREADABLE.to_owned();
                }
            } else {
                usage.outcome = "letter_to_member".to_owned();
                usage.action = format!("{} wrote a letter to {} about the person", it.sender, it.member);
            }
        }
        Record::Erasure(it) => {
            usage.action = format!("{} records were erased by {}: {}", it.openings, it.authority, it.ground);
            usage.outcome = "erased".to_owned();
            usage.note = ERASED.to_owned();
        }
        Record::Measure(it) => measure::tell(&mut usage, it, &entry.opening, registry)?,
        Record::Manifest(_) | Record::Registry(_) | Record::Enrollment(_) | Record::Audit(_) => return None,
        Record::BoxOpened(_) | Record::Demand(_) | Record::Export(_) => return None,
    }
    Some(usage)
}

/// What a consent, or a request for one, is about.
struct Terms {
    id: Ulid,
    authority: MemberId,
    lists: Vec<ListId>,
    purposes: Vec<PurposeCode>,
    expires: Millis,
}

impl Terms {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(Consent { id, authority, lists, purposes, expires, .. }) = Consent::parse(text.as_bytes()) {
            return Some(Self { id, authority, lists, purposes, expires });
        }
        let ConsentRequest { id, authority, lists, purposes, expires, .. } =
            ConsentRequest::parse(text.as_bytes()).ok()?;
        Some(Self { id, authority, lists, purposes, expires })
    }

    fn said(&self, state: &str, number: u64) -> ConsentSaid {
        ConsentSaid {
            id: self.id.to_string(),
            authority: self.authority.to_string(),
            state: state.to_owned(),
            number,
            lists: self.lists.iter().map(ToString::to_string).collect(),
            purposes: self.purposes.iter().map(ToString::to_string).collect(),
            expires: self.expires.to_rfc3339(),
        }
    }
}

fn restrictions(agreement: &tacit_policy::registry::entry::Agreement) -> String {
    let quota = agreement.quotas.per_subject_per_day;
    let consent = if agreement.consent_required { "; only with the person's consent" } else { "" };
    format!("for the stated purpose alone, {quota} checks of one person a day at most{consent}")
}

pub(crate) fn member(registry: &Registry, id: &MemberId) -> Named {
    Named { id: id.to_string(), title: registry.member_title(id).to_owned() }
}

pub(crate) fn list(registry: &Registry, id: &str) -> Named {
    let known = id.parse::<ListId>().ok().and_then(|id| registry.list(&id));
    let title = known.map_or_else(|| id.to_owned(), |list| list.title.clone());
    Named { id: id.to_owned(), title }
}

pub(crate) fn purpose(registry: &Registry, code: &str) -> Named {
    let known = code.parse().ok().and_then(|code| registry.purpose(&code));
    let title = known.map_or_else(|| code.to_owned(), |purpose| purpose.title.clone());
    Named { id: code.to_owned(), title }
}
