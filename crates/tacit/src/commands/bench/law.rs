//! The law of a federation of real size: 99 members, 3,441 categories, 51 agreements, 226 acts. How long a role needs to
//! read and check its registry, how long the longest decision takes, and the memory of both.

use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Basis, Clock, ListId, MemberId, Millis, PurposeCode, Ulid};
use tacit_policy::{
    Asked, Counters, Ed25519Key, Pins, Question, Registry, RegistryError, Span, Unit, decide,
    registry::{builder::RegistryBuilder, entry::*, signed::Signer},
};

use super::BenchError;
use super::figure::{Figure, Floor};
use super::measure::{Contest, Effort, forget_peak, peak_memory_mb};

const FEDERATION: &str = "bench.example";
/// Holders, and as many requesters; with coordinator, custodian and a portal 99 members.
const PAIRS: u32 = 48;
const AGREEMENTS: u32 = 51;
const CATEGORIES: u16 = 3_441;
const ACTS: u32 = 226;
/// What one check may ask a holder at most, and each holder here has.
const LISTS: usize = 16;
/// The measures of the memorandum of 2016, each a purpose.
const PURPOSES: usize = 32;

/// Two rules of the federation's own, which the measured question passes.
const RULES: [(&str, &str); 2] = [
    (
        "private-members-one-list",
        "forbid (principal, action == Action::\"ask\", resource)
         when { principal.kind != \"public\" && context.lists > 1 };",
    ),
    (
        "restrictions-by-statute",
        "forbid (principal, action == Action::\"ask\", resource)
         when { resource.adverse && context.agreement.restricts }
         unless { context.agreement.rank == \"statute\" || context.consent };",
    ),
];

/// Measures all of it.
pub(super) fn run(effort: Effort, clock: &dyn Clock, figures: &mut Vec<Figure>) -> Result<(), BenchError> {
    let federation = Made::new(clock.now())?;
    forget_peak();
    let before = peak_memory_mb();
    let registry = federation.read()?;
    let memory = peak_memory_mb().zip(before).map(|(peak, before)| (peak - before).max(0.0));
    federation.is_of_real_size(&registry)?;

    let signed = federation.signatures;
    let key = SigningKey::from_seed(&[1; 32]);
    let (message, public) = (vec![b'x'; 600], key.verifying_key());
    let signature = key.sign(&message);
    let question = federation.question()?;
    let rates = effort.race(&mut [
        Contest::new(1, || federation.read().map(|_| ())),
        Contest::new(signed, || {
            for _ in 0..signed {
                public
                    .verify(&message, &signature)
                    .map_err(|_| BenchError::Wrong("a signature does not verify"))?;
            }
            Ok(())
        }),
        Contest::new(100, || {
            for _ in 0..100 {
                let asked = decide(&question.ask(), &registry, None, &Counters::default(), federation.now);
                asked.map_err(|_| BenchError::Wrong("what an agreement allows is refused"))?;
            }
            Ok(())
        }),
    ])?;
    let [reads, verifications, decisions] = rates[..] else {
        return Err(BenchError::Wrong("three contests have another number of rates"));
    };
    let raw = Figure::new("raw.ed25519", "signatures verified, one core", verifications, "1/s");
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let least = signed as f64 / verifications;
    figures.push(raw);
    figures.push(
        Figure::new("law.start", "a registry of real size read and checked", 1.0 / reads, "s")
            .share(least * reads, "raw.ed25519")
            .floor(Floor::AtMost(2.0)),
    );
    figures.push(
        Figure::new(
            "law.decision",
            "the longest decision: 16 lists, the federation's own rules",
            1e6 / decisions,
            "us",
        )
        .floor(Floor::AtMost(100.0)),
    );
    if let Some(memory) = memory {
        figures.push(Figure::new(
            "law.memory",
            "most memory while it is read, beside the file",
            memory,
            "MB",
        ));
    }
    Ok(())
}

/// A federation as a file.
struct Made {
    bytes: Vec<u8>,
    pins: Pins,
    signatures: usize,
    now: Millis,
}

/// The question that is decided.
struct Asking {
    requester: MemberId,
    holder: MemberId,
    lists: Vec<ListId>,
    purpose: PurposeCode,
    agreement: Ulid,
}

impl Asking {
    fn ask(&self) -> Question<'_> {
        let asked = Asked {
            requester: &self.requester,
            holder: &self.holder,
            lists: self.lists.iter().collect(),
            purpose: &self.purpose,
        };
        Question { asked, basis: Basis::Agreement(self.agreement), pseudonym: &[7; 32], carried: &[] }
    }
}

fn name<T: std::str::FromStr>(text: &str) -> Result<T, BenchError> {
    text.parse().map_err(|_| BenchError::Wrong("a name that this program made is none"))
}

fn key(of: &str) -> SigningKey {
    SigningKey::from_seed(blake3::hash(of.as_bytes()).as_bytes())
}

fn public(of: &str) -> Ed25519Key {
    Ed25519Key(key(of).verifying_key())
}

fn lists_of(holder: u32) -> impl Iterator<Item = String> {
    (0..LISTS).map(move |place| format!("holder-{holder}/list-{place}"))
}

impl Made {
    fn new(now: Millis) -> Result<Self, BenchError> {
        let mut entries: Vec<(Entry, Vec<String>)> = Vec::new();
        let by = |name: &str| vec![name.to_owned()];
        for (name, role) in
            [("coordinator", Role::Coordinator), ("custodian", Role::Custodian), ("portal", Role::Authority)]
        {
            entries.push((member(name, role)?, by(name)));
        }
        for number in 0..PAIRS {
            let (holder, requester) = (format!("holder-{number}"), format!("requester-{number}"));
            entries.push((member(&holder, Role::Holder)?, by(&holder)));
            entries.push((member(&requester, Role::Requester)?, by(&requester)));
            for id in lists_of(number) {
                entries.push((list(&id)?, by(&holder)));
            }
        }
        let hub = || by("coordinator");
        entries.extend((0..ACTS).map(|number| (act(number), hub())));
        entries.extend((0..CATEGORIES).map(|code| (category(code), hub())));
        for number in 0..PURPOSES {
            entries.push((purpose(number)?, hub()));
        }
        for (id, policy) in RULES {
            let rule = FederationRule { id: id.to_owned(), title: id.to_owned(), policy: policy.to_owned() };
            entries.push((Entry::Rule(rule), hub()));
        }
        for number in 0..AGREEMENTS {
            let (holder, requester) = parties(number);
            let (holder, requester) = (format!("holder-{holder}"), format!("requester-{requester}"));
            entries.push((agreement(number, &holder, &requester, now)?, vec![holder, requester]));
        }
        let signatures: usize = entries.iter().map(|(_, signers)| signers.len()).sum();
        let mut builder = RegistryBuilder::new(FEDERATION, 1, now, name("coordinator")?, name("custodian")?);
        for (entry, signers) in &entries {
            let keys: Result<Vec<(MemberId, SigningKey)>, BenchError> =
                signers.iter().map(|signer| Ok((name(signer)?, key(signer)))).collect();
            let keys = keys?;
            let signers: Vec<Signer<'_>> = keys.iter().map(|(id, key)| Signer { id, key }).collect();
            builder = builder.entry(entry, &signers).map_err(made)?;
        }
        let bytes = builder.finish(&key("coordinator")).map_err(made)?;
        let pins = Pins {
            federation: FEDERATION.to_owned(),
            coordinator_key: key("coordinator").verifying_key(),
            custodian_key: key("custodian").verifying_key(),
            members: [(name("portal")?, key("portal").verifying_key())].into(),
        };
        Ok(Self { bytes, pins, signatures: signatures + 1, now })
    }

    fn read(&self) -> Result<Registry, BenchError> {
        Registry::parse(&self.bytes, &self.pins).map_err(made)
    }

    fn is_of_real_size(&self, registry: &Registry) -> Result<(), BenchError> {
        let sizes = [
            (registry.members().count(), 99),
            (registry.categories().count(), usize::from(CATEGORIES)),
            (registry.agreements().count(), 51),
            (registry.acts().count(), 226),
        ];
        match sizes.iter().all(|(is, should)| is == should) {
            true => Ok(()),
            false => Err(BenchError::Wrong("the registry is not of real size")),
        }
    }

    /// The last agreement's: all lists of its holder, its last purpose.
    fn question(&self) -> Result<Asking, BenchError> {
        let number = AGREEMENTS - 1;
        let (holder, requester) = parties(number);
        let lists: Result<Vec<ListId>, BenchError> = lists_of(holder).map(|id| name(&id)).collect();
        Ok(Asking {
            requester: name(&format!("requester-{requester}"))?,
            holder: name(&format!("holder-{holder}"))?,
            lists: lists?,
            purpose: name(&format!("measure-{}", PURPOSES - 1))?,
            agreement: agreement_id(number),
        })
    }
}

fn made(error: RegistryError) -> BenchError {
    BenchError::Answer(error.to_string())
}

/// Holder and requester of an agreement: the last few are second ones of the same holders.
fn parties(number: u32) -> (u32, u32) {
    (number % PAIRS, (number + number / PAIRS) % PAIRS)
}

fn agreement_id(number: u32) -> Ulid {
    Ulid::from_parts(1, u128::from(number))
}

fn member(id: &str, role: Role) -> Result<Entry, BenchError> {
    let mut keys = MemberKeys::signing(public(id));
    match role {
        Role::Holder => {
            keys.manifest = Some(public(&format!("{id}/manifest")));
            keys.witness = Some(public(&format!("{id}/witness")));
        }
        Role::Custodian => keys.witness = Some(public(&format!("{id}/witness"))),
        Role::Coordinator => keys.log = Some(public(&format!("{id}/log"))),
        Role::Requester | Role::Authority | Role::Auditor => {}
    }
    Ok(Entry::Member(Member {
        id: name(id)?,
        title: format!("Member {id}"),
        kind: MemberKind::Public,
        roles: vec![role],
        endpoint: Some(format!("https://{id}.example:7443")),
        keys,
        pseudonym_epoch: Some(1),
    }))
}

fn list(id: &str) -> Result<Entry, BenchError> {
    Ok(Entry::List(List {
        id: name(id)?,
        title: format!("List {id}"),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis::new("act-1", "Art. 1"),
        origin_context: "justice".to_owned(),
        adverse: true,
        what_listing_means: "A final decision was not carried out, and the time to do so is over.".to_owned(),
        retention_days: 730,
        time_zone: "Asia/Shanghai".to_owned(),
        objection_contact: "Objections desk".to_owned(),
        notice_days: 10,
        contested: Contested::Flag,
        status_texts: vec![StatusText { status: 1, text: "Listed.".to_owned() }],
        review_body: None,
    }))
}

fn act(number: u32) -> Entry {
    Entry::Act(Act {
        id: format!("act-{number}"),
        title: format!("Act number {number} of the catalogue of measures against breaches of trust"),
        rank: Rank::Statute,
        issued_by: "Parliament".to_owned(),
        published: format!("No. {number} of 2020"),
    })
}

fn category(code: u16) -> Entry {
    Entry::Category(Category {
        code,
        title: format!("Item {code} of the catalogue of public credit information"),
        information: InformationType::AdministrativeManagement,
        origin_context: "justice".to_owned(),
        adverse: true,
        legal_basis: LegalBasis::new(&format!("act-{}", u32::from(code) % ACTS), "Art. 7"),
        notice_days: 10,
        contested: Contested::Withhold,
        retention_days: 730,
    })
}

fn purpose(number: usize) -> Result<Entry, BenchError> {
    Ok(Entry::Purpose(Purpose {
        code: name(&format!("measure-{number}"))?,
        title: format!("Measure {number} of the memorandum"),
        context: "enforcement".to_owned(),
        dpv: "dpv:VendorSelectionAssessment".to_owned(),
        basic_service: false,
    }))
}

fn agreement(number: u32, holder: &str, requester: &str, now: Millis) -> Result<Entry, BenchError> {
    let lists: Result<Vec<ListId>, BenchError> = lists_of(parties(number).0).map(|id| name(&id)).collect();
    let purposes: Result<Vec<PurposeCode>, BenchError> =
        (0..PURPOSES).map(|purpose| name(&format!("measure-{purpose}"))).collect();
    Ok(Entry::Agreement(Box::new(Agreement {
        id: agreement_id(number),
        holder: name(holder)?,
        requester: name(requester)?,
        holder_key: public(holder),
        requester_key: public(requester),
        lists: lists?,
        purposes: purposes?,
        purpose_context: "enforcement".to_owned(),
        legal_basis: LegalBasis::new("act-2", "Art. 18"),
        consent_required: false,
        cross_context: Some(CrossContext {
            act: "act-3".to_owned(),
            citation: "Art. 22".to_owned(),
            proportionality: "Only final decisions, only applicants.".to_owned(),
        }),
        measures: vec![Measure { title: "Refusal".to_owned(), restricts: true, legal_basis: None }],
        quotas: Quotas {
            checks_per_day: 10_000,
            checks_per_minute: None,
            per_subject_per_day: 10,
            new_subjects_per_day: 1_000,
        },
        max_lists_per_check: 16,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: now.minus_ms(1_000),
        valid_until: now.plus_ms(86_400_000),
        size: None,
    })))
}
