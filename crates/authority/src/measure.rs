//! Measures as the person is told of them: what was done on an answer, who decided, by which law, whether it stands.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use tacit_ledger::record::{MEASURE_STATES, Measure, Record};
use tacit_model::{MemberId, Millis, Ulid, parse_ulid};
use tacit_policy::{
    Registry,
    letter::{Body, Letter},
};
use utoipa::ToSchema;

use crate::{
    sealed::{Entry, Opening},
    usage::{self, LegalBasis, Usage},
};

/// Said with each registration.
const CONTEST: &str = "An answer is not a decision: whoever is named here decided, and answers for it. Contest the measure \
    with the receiver, and the listing with the body named under `objections`.";

/// A measure that a receiver registered or lifted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Measure)]
pub(crate) struct MeasureSaid {
    /// The record that registered it, a ULID.
    pub(crate) id: String,
    /// What it is, in the words of the agreement that names it.
    pub(crate) words: String,
    /// Whether it takes something away or refuses something.
    pub(crate) restricts: bool,
    /// Who decided, a role or a person, as the receiver names them.
    pub(crate) decider: String,
    /// Record of the question whose answer it rests on.
    pub(crate) answer: String,
    /// When it ends by itself, RFC 3339; absent when nobody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub(crate) until: Option<String>,
    /// `standing`, `lifted` or `ended`, as far as was read.
    pub(crate) state: &'static str,
    /// Whom to write to when the listing is wrong.
    pub(crate) objections: String,
    #[serde(skip)]
    until_ms: Option<u64>,
}

/// Fills in what a record of a measure says; none when its opening is of another kind.
pub(crate) fn tell(
    usage: &mut Usage,
    record: &Measure,
    opening: &Opening,
    registry: &Registry,
) -> Option<()> {
    let Opening::Measure { list, decider, words, .. } = opening else { return None };
    let registers = record.state == MEASURE_STATES[0];
    usage.action = match registers {
        true => format!("took a measure on an answer: {words}"),
        false => format!("lifted a measure: {words}"),
    };
    usage.outcome = format!("measure_{}", record.state);
    usage.infosystem = list.split('/').next().unwrap_or_default().to_owned();
    usage.lists = vec![usage::list(registry, list)];
    let agreement = parse_ulid(&record.agreement).and_then(|id| registry.agreement(id));
    let named = agreement.and_then(|agreement| agreement.measure(record.measure));
    usage.legal_basis = agreement.map(|agreement| {
        let basis = named.map_or(&agreement.legal_basis, |measure| agreement.basis_of(measure));
        LegalBasis { agreement: record.agreement.clone(), citation: registry.law(basis) }
    });
    usage.basis = format!("agreement:{}", record.agreement);
    if registers {
        usage.note = CONTEST.to_owned();
    }
    let known = list.parse().ok().and_then(|id| registry.list(&id));
    usage.measure = Some(MeasureSaid {
        id: record.registered.clone(),
        words: words.clone(),
        restricts: named.is_some_and(|it| it.restricts),
        decider: decider.clone(),
        answer: record.answer.clone(),
        until: record.until_ms.map(|until| Millis(until).to_rfc3339()),
        state: if registers { "standing" } else { "lifted" },
        objections: known.map(|list| list.objection_contact.clone()).unwrap_or_default(),
        until_ms: record.until_ms,
    });
    Some(())
}

/// Measures that records of a user's chains tell of, and whether they were lifted: by requester and by the record that
/// registered each.
pub(crate) struct Registered(HashMap<(String, String), Known>);

struct Known {
    list: String,
    lifted: bool,
}

impl Registered {
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut known: HashMap<_, Known> = HashMap::new();
        for entry in entries {
            let Ok(Record::Measure(it)) = Record::parse(entry.record.as_bytes()) else { continue };
            let Opening::Measure { list, .. } = &entry.opening else { continue };
            let lifts = it.state != MEASURE_STATES[0];
            let found = known.entry((it.requester, it.registered));
            found.or_insert_with(|| Known { list: list.clone(), lifted: false }).lifted |= lifts;
        }
        Self(known)
    }

    /// Why a letter about a measure counts for nothing: its sender registered or lifted none such.
    pub(crate) fn fault(&self, letter: &Letter, sender: &MemberId) -> Option<&'static str> {
        let known = |measure: &Ulid| self.0.get(&(sender.to_string(), measure.to_string()));
        let of_list = |found: &&Known| found.list == **letter.body.list();
        match &letter.body {
            Body::AdverseAction(it) => known(&it.measure)
                .filter(of_list)
                .is_none()
                .then_some("the letter is about a measure that its sender did not register"),
            Body::MeasureLifted(it) => known(&it.measure)
                .filter(of_list)
                .is_none_or(|found| !found.lifted)
                .then_some("the letter is about a measure that its sender did not lift"),
            _ => None,
        }
    }
}

/// Says of a registration what became of the measure since.
pub(crate) fn settle(usage: &mut Usage, lifted: &HashSet<String>, now: Millis) {
    if let Some(measure) = &mut usage.measure {
        if lifted.contains(&measure.id) {
            measure.state = "lifted";
        } else if measure.until_ms.is_some_and(|until| until <= now.0) {
            measure.state = "ended";
        }
    }
}
