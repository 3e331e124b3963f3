//! A small federation: a court and a customs office that hold lists, a procurement office that asks, a bank and a guild
//! that may ask only with consent, a portal, an auditor, coordinator and custodian.

use std::collections::BTreeMap;

use tacit_ledger::ed25519::SigningKey;
use tacit_model::{ListId, MemberId, Millis, PatternRules, PurposeCode, Ulid};
use tacit_policy::{
    Consent, ConsentState, ConsentStatus, Ed25519Key, Frequency, Pins, PublicKey, Registry, Span, Unit,
    registry::{
        builder::RegistryBuilder,
        entry::*,
        signed::{Signed, Signer, sign_entry},
    },
};

pub(crate) const NOW: &str = "2026-11-21T22:29:03.223Z";
pub(crate) const PSEUDONYM: [u8; 32] = [7; 32];

pub(crate) fn id(name: &str) -> MemberId {
    name.parse().unwrap()
}

pub(crate) fn list_id(name: &str) -> ListId {
    name.parse().unwrap()
}

pub(crate) fn code(name: &str) -> PurposeCode {
    name.parse().unwrap()
}

pub(crate) fn at(time: &str) -> Millis {
    time.parse().unwrap()
}

pub(crate) fn now() -> Millis {
    at(NOW)
}

pub(crate) fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(now().0, u128::from(n))
}

/// The key of a use of a member: a seed from its name.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(blake3::hash(name.as_bytes()).as_bytes())
}

pub(crate) fn public(name: &str) -> Ed25519Key {
    Ed25519Key(key(name).verifying_key())
}

pub(crate) fn member(name: &str, kind: MemberKind, roles: &[Role]) -> Member {
    let mut keys = MemberKeys::signing(public(name));
    for role in roles {
        match role {
            Role::Holder => keys.manifest = Some(public(&format!("{name}/manifest"))),
            Role::Coordinator => keys.log = Some(public(&format!("{name}/log"))),
            Role::Auditor => keys.boxes = vec![PublicKey([1; 32]), PublicKey([2; 32])],
            _ => {}
        }
    }
    Member {
        id: id(name),
        title: format!("The {name}"),
        kind,
        roles: roles.to_vec(),
        endpoint: Some(format!("https://{name}.example:7443")),
        keys,
        pseudonym_epoch: Some(3),
    }
}

pub(crate) fn list(name: &str, adverse: bool, origin: &str) -> List {
    List {
        id: list_id(name),
        title: format!("List {name}"),
        scheme: "CN-USCC".to_owned(),
        legal_basis: LegalBasis::new("procedure-law", "Art. 255"),
        origin_context: origin.to_owned(),
        adverse,
        what_listing_means: "A final judgment has not been carried out.".to_owned(),
        retention_days: 730,
        time_zone: "Asia/Shanghai".to_owned(),
        objection_contact: "Enforcement desk, room 12".to_owned(),
        notice_days: 10,
        contested: Contested::Flag,
        status_texts: vec![StatusText { status: 1, text: "listed".to_owned() }],
        review_body: None,
    }
}

pub(crate) fn act(name: &str, rank: Rank) -> Act {
    Act {
        id: name.to_owned(),
        title: format!("Act {name}"),
        rank,
        issued_by: "Parliament".to_owned(),
        published: "No. 1 of 2020".to_owned(),
    }
}

pub(crate) fn category(code: u16) -> Category {
    Category {
        code,
        title: format!("Category {code}"),
        information: InformationType::JudgmentsAndEnforcement,
        origin_context: "justice".to_owned(),
        adverse: true,
        legal_basis: LegalBasis::new("procedure-law", "Art. 255"),
        notice_days: 10,
        contested: Contested::Flag,
        retention_days: 730,
    }
}

pub(crate) fn purpose(name: &str, context: &str, basic_service: bool) -> Purpose {
    Purpose {
        code: code(name),
        title: format!("Purpose {name}"),
        context: context.to_owned(),
        dpv: "dpv:VendorSelectionAssessment".to_owned(),
        basic_service,
    }
}

pub(crate) fn agreement(
    n: u64,
    requester: &str,
    lists: &[&str],
    purposes: &[&str],
    context: &str,
) -> Agreement {
    let lists: Vec<ListId> = lists.iter().copied().map(list_id).collect();
    let holder = lists[0].holder_id();
    Agreement {
        id: ulid(n),
        holder_key: public(&holder),
        holder,
        requester: id(requester),
        requester_key: public(requester),
        lists,
        purposes: purposes.iter().copied().map(code).collect(),
        purpose_context: context.to_owned(),
        legal_basis: LegalBasis {
            basis: Some("eu-gdpr:A6-1-e-official-authority".to_owned()),
            act: "procurement-regulation".to_owned(),
            citation: "Art. 18".to_owned(),
        },
        consent_required: false,
        cross_context: Some(CrossContext {
            act: "procurement-regulation".to_owned(),
            citation: "Art. 22".to_owned(),
            proportionality: "Only final judgments, only bidders.".to_owned(),
        }),
        measures: vec![Measure {
            title: "exclusion from one tender".to_owned(),
            restricts: true,
            legal_basis: None,
        }],
        quotas: Quotas {
            checks_per_day: 1000,
            checks_per_minute: None,
            per_subject_per_day: 3,
            new_subjects_per_day: 500,
        },
        max_lists_per_check: 2,
        data_life: Span { value: 30, unit: Unit::Day },
        valid_from: at("2026-01-01T00:00:00.000Z"),
        valid_until: at("2028-01-01T00:00:00.000Z"),
        size: Some(20_000),
    }
}

/// All entries, unsigned. Tests change one and sign again.
pub(crate) fn entries() -> Vec<Entry> {
    use MemberKind::{Association, Private, Public};
    let mut entries: Vec<Entry> = [
        member("coordinator", Public, &[Role::Coordinator]),
        member("custodian", Public, &[Role::Custodian]),
        member("court", Public, &[Role::Holder]),
        member("customs", Public, &[Role::Holder, Role::Requester]),
        member("procurement", Public, &[Role::Requester]),
        member("bank", Private, &[Role::Requester]),
        member("guild", Association, &[Role::Requester]),
        member("portal", Public, &[Role::Authority]),
        member("audit-office", Public, &[Role::Auditor]),
    ]
    .map(Entry::Member)
    .into();
    entries.extend(
        [
            list("court/judgment-defaulters", true, "justice"),
            list("court/model-mediators", false, "justice"),
            list("customs/debarred-importers", true, "customs"),
        ]
        .map(Entry::List),
    );
    entries.extend(
        [
            purpose("eligibility", "procurement", false),
            purpose("water-supply", "procurement", true),
            purpose("debt-collection", "finance", false),
            purpose(SUBJECT_ACCESS, "subject-rights", false),
        ]
        .map(Entry::Purpose),
    );
    entries.push(Entry::Scheme(Scheme {
        name: "X-permit".to_owned(),
        title: "Permit number".to_owned(),
        rules: PatternRules { pattern: "P[0-9]{6}".to_owned(), normalize: Vec::new() },
    }));
    entries.push(Entry::Category(category(301)));
    entries.push(Entry::Rule(FederationRule {
        id: "no-favors-with-water".to_owned(),
        title: "Favorable lists are not asked for basic services.".to_owned(),
        policy: "forbid (principal, action == Action::\"ask\", resource)\n\
                 when { context.purpose.basic_service && !resource.adverse };"
            .to_owned(),
    }));
    entries.extend(
        [
            act("procedure-law", Rank::Statute),
            act("procurement-regulation", Rank::Regulation),
            act("joint-memorandum", Rank::Memorandum),
        ]
        .map(Entry::Act),
    );
    let both = ["court/judgment-defaulters", "court/model-mediators"];
    let mut importers =
        agreement(2, "procurement", &["customs/debarred-importers"], &["eligibility"], "procurement");
    importers.consent_required = true;
    importers.quotas.checks_per_minute = Some(100);
    entries.extend(
        [
            agreement(1, "procurement", &both, &["eligibility", "water-supply"], "procurement"),
            importers,
            agreement(3, "bank", &both, &["eligibility"], "procurement"),
            agreement(4, "guild", &both, &["eligibility"], "procurement"),
            agreement(5, "portal", &both, &[SUBJECT_ACCESS], "subject-rights"),
        ]
        .map(|agreement| Entry::Agreement(Box::new(agreement))),
    );
    entries.push(Entry::PseudonymKey(PseudonymKey {
        requester: id("procurement"),
        epoch: 3,
        public_key: PublicKey([9; 32]),
    }));
    entries
}

/// An entry, signed by whom it must be.
pub(crate) fn signed(entry: &Entry) -> Signed {
    let signers: Vec<MemberId> = match entry {
        Entry::Member(it) => vec![it.id.clone()],
        Entry::List(it) => vec![it.id.holder_id()],
        Entry::Act(_) | Entry::Purpose(_) | Entry::Scheme(_) | Entry::Category(_) | Entry::Rule(_) => {
            vec![id("coordinator")]
        }
        Entry::Agreement(it) => vec![it.holder.clone(), it.requester.clone()],
        Entry::PseudonymKey(_) => vec![id("custodian")],
        Entry::AgreementEnd(it) => vec![it.member.clone()],
    };
    let keys: Vec<_> = signers.iter().map(|name| key(name)).collect();
    let signers: Vec<_> = signers.iter().zip(&keys).map(|(id, key)| Signer { id, key }).collect();
    sign_entry(entry, &signers).unwrap()
}

pub(crate) fn builder() -> RegistryBuilder {
    RegistryBuilder::new("example-federation", 1, now(), id("coordinator"), id("custodian"))
}

pub(crate) fn file(entries: &[Entry]) -> Vec<u8> {
    let builder = entries.iter().fold(builder(), |builder, entry| builder.signed(signed(entry)));
    builder.finish(&key("coordinator")).unwrap()
}

pub(crate) fn pins() -> Pins {
    let pin = |name: &str| (id(name), public(name).0);
    Pins {
        federation: "example-federation".to_owned(),
        coordinator_key: public("coordinator").0,
        custodian_key: public("custodian").0,
        members: BTreeMap::from([pin("portal"), pin("audit-office"), pin("court")]),
    }
}

pub(crate) fn registry() -> Registry {
    Registry::parse(&file(&entries()), &pins()).unwrap()
}

pub(crate) fn consent(requester: &str) -> Consent {
    Consent {
        id: ulid(900),
        authority: id("portal"),
        requester: id(requester),
        pseudonym: PSEUDONYM,
        epoch: 3,
        lists: vec![list_id("court/judgment-defaulters"), list_id("customs/debarred-importers")],
        purposes: vec![code("eligibility")],
        not_before: at("2026-11-21T00:00:00.000Z"),
        expires: at("2027-11-21T00:00:00.000Z"),
        frequency: Frequency::new(4, Unit::Month).unwrap(),
        notice: [5; 32],
    }
}

/// The status that `state` has after the usual changes.
pub(crate) fn status(state: ConsentState) -> ConsentStatus {
    match state {
        ConsentState::Requested => ConsentStatus::start(state, 0).unwrap(),
        ConsentState::Given => ConsentStatus::start(state, 1).unwrap(),
        ConsentState::Refused => status(ConsentState::Requested).apply(state, 1).unwrap(),
        ConsentState::Resumed => status(ConsentState::Paused).apply(state, 3).unwrap(),
        _ => status(ConsentState::Given).apply(state, 2).unwrap(),
    }
}
