//! Each part of a measure, tried.

use serde::Deserialize;
use serde_json::json;
use tacit_federation::{
    drafts,
    found::{DEFAULT_BASE_PORT, FoundError, Founded, Overrides, Ports, found},
    sample::{Sample, SampleAgreement},
};
use tacit_model::{Basis, ListId, MemberId, Millis, PurposeCode, Ulid, entropy::seeded_rng};
use tacit_policy::{
    Asked, Consent, ConsentState, ConsentStatus, ConsentView, Counters, Frequency, Question, Refusal,
    Registry, RegistryError, RegistryProblem, Span, Unit, decide,
    registry::{
        entry::{CrossContext, Entry, LegalBasis, Measure as Consequence, MemberKind, Purpose, Quotas},
        signed::Signed,
    },
};

/// Who keeps the list of defaulters.
const COURT: &str = "court";
/// Who asks in the place of a requester of the other kind.
const PUBLIC: &str = "city";
const PRIVATE: &str = "lender";
/// The act of the measures that have no law of their own.
pub(crate) const MEMORANDUM: &str = "joint-memorandum-2016";
/// The pseudonym of the subject that is asked about.
const PSEUDONYM: [u8; 32] = [7; 32];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Memorandum {
    measure: Vec<Measure>,
}

/// A measure of the memorandum.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    pub(crate) number: u16,
    pub(crate) measure: String,
    pub(crate) kind: String,
    pub(crate) context: String,
    pub(crate) part: Vec<Part>,
}

/// One thing that a measure does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// In words, when the measure does several.
    pub(crate) what: Option<String>,
    pub(crate) kind: String,
    /// For which purpose the list would be asked.
    pub(crate) purpose: Option<PurposeCode>,
}

pub(crate) fn measures() -> Vec<Measure> {
    toml::from_str::<Memorandum>(include_str!("measures.toml")).unwrap().measure
}

pub(crate) fn sample() -> Sample {
    Sample::named("defaulters").unwrap()
}

/// How a question is asked.
pub(crate) struct Way {
    pub(crate) public: bool,
    pub(crate) consent: bool,
}

pub(crate) const WAYS: [Way; 4] = [
    Way { public: true, consent: false },
    Way { public: true, consent: true },
    Way { public: false, consent: false },
    Way { public: false, consent: true },
];

/// What becomes of a part of a measure.
pub(crate) enum Fate {
    /// The registry has no words for what it would be.
    Inexpressible(RegistryError),
    /// No registry takes an agreement for it.
    Refused { terms: Box<SampleAgreement>, error: RegistryError },
    /// There can be an agreement for it; each question is decided, in the four [`WAYS`].
    Decided { terms: Box<SampleAgreement>, outcomes: [Result<(), Refusal>; 4] },
}

/// The sample and the fate of every part.
pub(crate) struct Trials {
    pub(crate) sample: Sample,
    registry: Registry,
    fates: Vec<(Measure, Part, Fate)>,
}

fn now() -> Millis {
    "2026-11-21T22:29:03.223Z".parse().unwrap()
}

fn founded(sample: &Sample) -> Result<Founded, FoundError> {
    let temporary = tempfile::tempdir().unwrap();
    let ports = Ports::from_base(sample, DEFAULT_BASE_PORT).unwrap();
    found(temporary.path(), sample, &ports, Overrides::default(), now(), &mut seeded_rng([7; 32]))
}

impl Trials {
    pub(crate) fn run() -> Self {
        let sample = sample();
        let registry = founded(&sample).unwrap().registry;
        let mut trials = Self { sample, registry, fates: Vec::new() };
        // First what the registry says to each agreement, then one federation in which all that it takes are in force.
        let mut agreed = trials.sample.clone();
        let mut tried = Vec::new();
        for measure in measures() {
            for part in measure.part.clone() {
                let terms = part.purpose.as_ref().map(|purpose| {
                    [true, false].map(|public| trials.terms(&measure, &part, purpose, public))
                });
                let errors = terms.as_ref().map(|both| both.each_ref().map(|terms| trials.refused(terms)));
                if let (Some(both), Some([None, None])) = (&terms, &errors) {
                    let others = both.iter().filter(|it| !trials.has(it)).cloned();
                    agreed.agreement.extend(others);
                }
                tried.push((measure.clone(), part, terms, errors));
            }
        }
        let agreed = founded(&agreed).unwrap().registry;
        for (measure, part, terms, errors) in tried {
            let fate = match (terms, errors) {
                (Some([terms, _]), Some([Some(error), Some(other)])) => {
                    assert_eq!(error.to_string(), other.to_string(), "it does not matter who asks");
                    Fate::Refused { terms: Box::new(terms), error }
                }
                (Some([public, private]), Some([None, None])) => {
                    let outcomes = WAYS.map(|way| {
                        let terms = if way.public { &public } else { &private };
                        // What stands in the sample is decided by the sample as it is founded.
                        let registry = if trials.has(terms) { &trials.registry } else { &agreed };
                        decided(registry, terms, part.purpose.as_ref().unwrap(), way.consent)
                    });
                    Fate::Decided { terms: Box::new(public), outcomes }
                }
                (None, None) => Fate::Inexpressible(unsayable(&measure)),
                _ => panic!("{}: one may agree and the other may not", measure.number),
            };
            trials.fates.push((measure, part, fate));
        }
        trials
    }

    /// Every part with what becomes of it, in the order of the memorandum.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Measure, &Part, &Fate)> {
        self.fates.iter().map(|(measure, part, fate)| (measure, part, fate))
    }

    /// Founds the sample with one more agreement.
    pub(crate) fn found_with(&self, terms: &SampleAgreement) -> Result<Founded, FoundError> {
        let mut sample = self.sample.clone();
        sample.agreement.push(terms.clone());
        founded(&sample)
    }

    /// What the registry says when the memorandum is cited as what allows the use in another context.
    pub(crate) fn cite_memorandum(&self, terms: &SampleAgreement) -> RegistryError {
        let cross_context = CrossContext {
            act: MEMORANDUM.to_owned(),
            citation: terms.legal_basis.citation.clone(),
            proportionality: "The memorandum says so.".to_owned(),
        };
        let terms = SampleAgreement { cross_context: Some(cross_context), ..terms.clone() };
        self.refused(&terms).unwrap()
    }

    /// What `tacit agreement draft` and `tacit agreement sign` say to these terms.
    fn refused(&self, terms: &SampleAgreement) -> Option<RegistryError> {
        let draft = drafts::agreement_of(terms.clone(), &self.registry, now(), &mut seeded_rng([8; 32]));
        self.registry.try_agreement(&draft.unwrap()).err()
    }

    /// Whether the sample has an agreement of these parties for these purposes.
    fn has(&self, terms: &SampleAgreement) -> bool {
        let parties = (&terms.holder, &terms.requester, &terms.purposes);
        self.sample.agreement.iter().any(|it| (&it.holder, &it.requester, &it.purposes) == parties)
    }

    fn is_public(&self, id: &MemberId) -> bool {
        self.sample.member.iter().any(|it| it.id == *id && it.kind == MemberKind::Public)
    }

    /// The terms under which the court would be asked: those of the sample, where it has an agreement, for its own
    /// requester or for one of the other kind; or else those that the memorandum alone gives.
    fn terms(&self, measure: &Measure, part: &Part, purpose: &PurposeCode, public: bool) -> SampleAgreement {
        let requester: MemberId = if public { PUBLIC } else { PRIVATE }.parse().unwrap();
        let ours = self.sample.agreement.iter();
        let ours = ours.filter(|it| *it.holder == *COURT && it.purposes.contains(purpose));
        match (ours.clone().find(|it| self.is_public(&it.requester) == public), ours.clone().next()) {
            (Some(own), _) => own.clone(),
            (None, Some(other)) => SampleAgreement { requester, ..other.clone() },
            (None, None) => by_memorandum(measure, part, purpose, requester),
        }
    }
}

fn by_memorandum(
    measure: &Measure,
    part: &Part,
    purpose: &PurposeCode,
    requester: MemberId,
) -> SampleAgreement {
    let restricts = match part.kind.as_str() {
        "restriction" | "enforcement" => true,
        "review reference" | "strict review" | "supervision" => false,
        other => panic!("{}: {other}", measure.number),
    };
    SampleAgreement {
        holder: COURT.parse().unwrap(),
        requester,
        lists: vec!["court/judgment-defaulters".parse().unwrap()],
        purposes: vec![purpose.clone()],
        purpose_context: measure.context.clone(),
        legal_basis: LegalBasis::new(MEMORANDUM, &format!("Measure {}", measure.number)),
        consent_required: false,
        cross_context: None,
        measures: vec![Consequence {
            title: part.what.clone().unwrap_or_else(|| measure.measure.clone()),
            restricts,
            legal_basis: None,
        }],
        quotas: Quotas {
            checks_per_day: 100,
            checks_per_minute: None,
            per_subject_per_day: 5,
            new_subjects_per_day: 100,
        },
        max_lists_per_check: 1,
        data_life: Span { value: 7, unit: Unit::Day },
        valid_days: 365,
        size: None,
    }
}

/// What the coordinator decides about one question, with a consent that was given or without.
fn decided(
    registry: &Registry,
    terms: &SampleAgreement,
    purpose: &PurposeCode,
    consent: bool,
) -> Result<(), Refusal> {
    let (holder, requester, list): (_, _, &ListId) = (&terms.holder, &terms.requester, &terms.lists[0]);
    let agreement = registry.agreements_between(requester, holder).find(|it| it.covers_purpose(purpose));
    let agreement = agreement.unwrap().id;
    let given = Consent {
        id: Ulid::from_parts(now().0, 1),
        authority: "portal".parse().unwrap(),
        requester: requester.clone(),
        pseudonym: PSEUDONYM,
        epoch: 1,
        lists: vec![list.clone()],
        purposes: vec![purpose.clone()],
        not_before: now(),
        expires: now().plus_ms(86_400_000),
        frequency: Frequency::new(1, Unit::Day).unwrap(),
        notice: [5; 32],
    };
    let status = ConsentStatus::start(ConsentState::Given, 1).unwrap();
    let view = ConsentView { consent: &given, status };
    let basis = if consent { Basis::Consent(given.id) } else { Basis::Agreement(agreement) };
    let asked = Asked { requester, holder, lists: vec![list], purpose };
    let question = Question { asked, basis, pseudonym: &PSEUDONYM, carried: &[] };
    decide(&question, registry, Some(&view), &Counters::default(), now()).map(drop)
}

/// What the registry says to the nearest thing to a purpose that somebody could write for it.
fn unsayable(measure: &Measure) -> RegistryError {
    let purpose = Purpose {
        code: format!("measure-{}", measure.number).parse().unwrap(),
        title: measure.measure.clone(),
        context: measure.context.clone(),
        dpv: "dpv:LegalCompliance".to_owned(),
        basic_service: false,
    };
    let entry = Entry::Purpose(purpose);
    if let Err(error) = Signed::draft(&entry) {
        return error;
    }
    // An inquiry wants to know what a register says about a person, and not whether the person stands on a list. A
    // purpose is no place to say so, and nothing else is.
    let mut entry = serde_json::to_value(&entry).unwrap();
    entry["purpose"]["asks_for"] = json!(measure.measure);
    let file = json!({ "body": entry.to_string(), "signatures": [] }).to_string();
    Signed::read(file.as_bytes()).unwrap_err()
}

/// A short word for what the registry says.
pub(crate) fn word(problem: &RegistryProblem) -> &'static str {
    match problem {
        RegistryProblem::MemorandumAlone { .. } => "memorandum_alone",
        RegistryProblem::CrossContext { .. } => "cross_context",
        RegistryProblem::ForbiddenContext { .. } => "forbidden_context",
        RegistryProblem::Json { .. } => "no_such_field",
        other => panic!("not expected of a measure: {other}"),
    }
}
