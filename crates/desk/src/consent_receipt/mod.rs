//! A consent and everything that became of it as one JSON-LD document, with the field names of ISO/IEC TS 27560 and terms of
//! the Data Privacy Vocabulary (DPV), and what proves it.
//!
//! What a person or a program reads in the document is written anew from what its proof proves, and compared: a
//! document that says anything else does not hold.

mod proof;

use serde_json::{Value, json};
use tacit_client::{ConsentProof, ConsentProofError, ProvenConsent};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{ListId, MemberId, PurposeCode, Ulid};
use tacit_policy::{ConsentState, Frequency, Registry};

/// Why a document does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsentReceiptError {
    /// Not such a document.
    #[error("it is no consent receipt with its proof")]
    Malformed,
    /// The proof.
    #[error(transparent)]
    Proof(#[from] ConsentProofError),
    /// A field says something else.
    #[error("`{0}` is not what its proof proves under this registry")]
    Differs(String),
}

/// The document of a proof that holds, and what it proves.
///
/// # Errors
/// [`ConsentReceiptError::Proof`]: nothing that does not hold is written.
pub fn write(
    proof: &ConsentProof,
    log: &NoteVerifier,
    registry: &Registry,
) -> Result<(Value, ProvenConsent), ConsentReceiptError> {
    let proven = proof.verify(log, registry)?;
    let mut document = describe(&proven, registry)?;
    document["proof"] = proof::write(proof);
    Ok((document, proven))
}

/// What a document proves.
///
/// # Errors
/// [`ConsentReceiptError`] when it does not hold.
pub fn verify(
    bytes: &[u8],
    log: &NoteVerifier,
    registry: &Registry,
) -> Result<ProvenConsent, ConsentReceiptError> {
    let malformed = || ConsentReceiptError::Malformed;
    let mut said: Value = serde_json::from_slice(bytes).map_err(|_| malformed())?;
    let proof = said.as_object_mut().and_then(|said| said.remove("proof")).ok_or_else(malformed)?;
    let proven = proof::read(&proof).ok_or_else(malformed)?.verify(log, registry)?;
    let due = describe(&proven, registry)?;
    let mut names = due.as_object().into_iter().chain(said.as_object()).flat_map(|map| map.keys());
    match names.find(|name| due.get(*name) != said.get(*name)) {
        Some(name) => Err(ConsentReceiptError::Differs(name.clone())),
        None => Ok(proven),
    }
}

/// The consent that it is about.
#[must_use]
pub fn id_of(proven: &ProvenConsent) -> Option<Ulid> {
    let consent = proven.consent.as_ref().map(|consent| consent.id);
    consent.or_else(|| proven.request.as_ref().map(|request| request.id))
}

/// What a consent and a request for one both say.
struct Terms<'a> {
    id: Ulid,
    authority: &'a MemberId,
    requester: &'a MemberId,
    pseudonym: &'a [u8; 32],
    epoch: u32,
    lists: &'a [ListId],
    purposes: &'a [PurposeCode],
    not_before: String,
    expires: String,
    frequency: Frequency,
    notice: Option<String>,
}

fn terms(proven: &ProvenConsent) -> Option<Terms<'_>> {
    if let Some(it) = &proven.consent {
        return Some(Terms {
            id: it.id,
            authority: &it.authority,
            requester: &it.requester,
            pseudonym: &it.pseudonym,
            epoch: it.epoch,
            lists: &it.lists,
            purposes: &it.purposes,
            not_before: it.not_before.to_rfc3339(),
            expires: it.expires.to_rfc3339(),
            frequency: it.frequency,
            notice: Some(hex::encode(it.notice)),
        });
    }
    let it = proven.request.as_ref()?;
    Some(Terms {
        id: it.id,
        authority: &it.authority,
        requester: &it.requester,
        pseudonym: &it.pseudonym,
        epoch: it.epoch,
        lists: &it.lists,
        purposes: &it.purposes,
        not_before: it.not_before.to_rfc3339(),
        expires: it.expires.to_rfc3339(),
        frequency: it.frequency,
        notice: None,
    })
}

/// The document without its proof.
fn describe(proven: &ProvenConsent, registry: &Registry) -> Result<Value, ConsentProofError> {
    let terms = terms(proven).ok_or(ConsentProofError::Empty)?;
    let party = |member: &MemberId, kind: &str| {
        json!({
            "@type": kind,
            "party_id": member,
            "party_name": registry.member(member).map(|member| member.title.as_str()),
        })
    };
    let events: Vec<Value> = proven
        .events
        .iter()
        .map(|event| {
            json!({
                "event_type": event.state.as_str(),
                "event_state": status(event.state),
                "event_time": event.time.to_rfc3339(),
                "entity_id": if event.number == 0 { terms.requester } else { terms.authority },
                "event_number": event.number,
                "log_record_id": event.record.id.to_string(),
                "log_index": event.record.index,
            })
        })
        .collect();
    let purposes: Vec<Value> = terms.purposes.iter().map(|code| purpose(code, registry)).collect();
    let lists: Vec<Value> = terms.lists.iter().map(|list| information(list, registry)).collect();
    let state = proven.events.last().map(|event| event.state);
    Ok(json!({
        "@context": context(),
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": ["https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"],
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": terms.id.to_string(),
        "pii_principal_id": format!(
            "urn:tacit:pseudonym:{}:{}:{}", terms.requester, terms.epoch, hex::encode(terms.pseudonym)
        ),
        "pii_controllers": [party(terms.requester, "dpv:DataController")],
        "authority": party(terms.authority, "dpv:Representative"),
        "privacy_notice": { "@type": "dpv:ConsentNotice", "notice_hash": terms.notice },
        "language": "en",
        "purposes": purposes,
        "lawful_basis": "eu-gdpr:A6-1-a",
        "pii_information": lists,
        "recipient_third_parties": [],
        "validity_duration": { "consentStart": terms.not_before, "consentExpiry": terms.expires },
        "frequency": { "unit": terms.frequency.unit().as_str(), "value": terms.frequency.value() },
        "withdrawal_method": format!("at the consent authority `{}`, at any time and at no cost", terms.authority),
        "consent_status": state.map(status),
        "events": events,
    }))
}

fn context() -> Value {
    json!([{
        "@vocab": "https://w3id.org/tacit/terms#",
        "dpv": "https://w3id.org/dpv#",
        "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
        "dct": "http://purl.org/dc/terms/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "record_id": "dct:identifier",
        "pii_principal_id": "dpv:hasDataSubject",
        "pii_controllers": "dpv:hasDataController",
        "authority": "dpv:isIndicatedBy",
        "privacy_notice": "dpv:hasNotice",
        "language": "dct:language",
        "purposes": "dpv:hasPurpose",
        "lawful_basis": { "@id": "dpv:hasLegalBasis", "@type": "@id" },
        "pii_information": "dpv:hasPersonalData",
        "recipient_third_parties": "dpv:hasRecipientThirdParty",
        "validity_duration": "dpv:hasDuration",
        "frequency": "dpv:hasFrequency",
        "withdrawal_method": "dpv:hasWithdrawalMethod",
        "consent_status": { "@id": "dpv:hasConsentStatus", "@type": "@id" },
        "events": "dct:provenance",
        "event_state": { "@id": "dpv:hasConsentStatus", "@type": "@id" },
        "event_time": { "@id": "dct:date", "@type": "xsd:dateTime" },
        "entity_id": "dpv:hasEntity"
    }])
}

/// The status of DPV. It has none for a pause: a consent that was given and does not allow now.
fn status(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Requested => "dpv:ConsentRequested",
        ConsentState::Given | ConsentState::Resumed => "dpv:ConsentGiven",
        ConsentState::Renewed => "dpv:RenewedConsentGiven",
        ConsentState::Refused => "dpv:ConsentRefused",
        ConsentState::Paused => "dpv:ConsentStatusInvalidForProcessing",
        ConsentState::Withdrawn => "dpv:ConsentWithdrawn",
        ConsentState::Expired => "dpv:ConsentExpired",
    }
}

fn purpose(code: &PurposeCode, registry: &Registry) -> Value {
    let known = registry.purpose(code);
    json!({
        "@type": known.map_or("dpv:Purpose", |purpose| purpose.dpv.as_str()),
        "purpose": code,
        "purpose_description": known.map(|purpose| purpose.title.as_str()),
        "lawful_basis": "eu-gdpr:A6-1-a",
    })
}

fn information(id: &ListId, registry: &Registry) -> Value {
    let list = registry.list(id);
    json!({
        "@type": "dpv:PersonalData",
        "pii_type": id,
        "pii_description": list.map(|list| list.title.as_str()),
        "storage_holder": id.holder(),
        "pii_attributes": ["listed or not", "category", "listed_on", "expires_on", "contested"],
    })
}
