//! The words of the document, and its proof as JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use tacit_client::{ChangeProof, ConsentProof, ProvenConsent};
use tacit_model::{ListId, MemberId, PurposeCode, Ulid};
use tacit_policy::{ConsentState, Frequency, Registry};

use crate::exit::Failure;

const PROOF: &str = "tacit-consent-proof/v1";

/// Most hashes of an inclusion proof.
const MAX_PATH: usize = 64;

/// The consent that it is about.
pub(super) fn id_of(proven: &ProvenConsent) -> Option<Ulid> {
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
pub(super) fn describe(proven: &ProvenConsent, registry: &Registry) -> Result<Value, Failure> {
    let terms = terms(proven).ok_or_else(|| Failure::internal("a proof without terms"))?;
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

/// The proof as JSON. Texts stand as they were signed, bytes are base64.
pub(super) fn proof_value(proof: &ConsentProof) -> Value {
    let changes = proof.changes.iter().map(|change| {
        json!({
            "state": change.state.as_str(),
            "number": change.number,
            "text": String::from_utf8_lossy(&change.text),
            "text_signature": BASE64.encode(change.text_signature),
            "state_signature": change.state_signature.map(|it| BASE64.encode(it)),
            "record": String::from_utf8_lossy(&change.record),
            "index": change.index,
            "path": change.path.iter().map(|it| BASE64.encode(it)).collect::<Vec<_>>(),
            "salt_terms": BASE64.encode(change.salt_terms),
            "salt": BASE64.encode(change.salt),
            "sequence": change.sequence,
            "previous": BASE64.encode(change.previous),
        })
    });
    json!({
        "type": PROOF,
        "checkpoint": String::from_utf8_lossy(&proof.checkpoint),
        "changes": changes.collect::<Vec<_>>(),
    })
}

/// Reads what [`proof_value`] writes.
pub(super) fn proof_of(value: &Value) -> Option<ConsentProof> {
    let value = Fields(value.as_object()?);
    if value.text("type")? != PROOF {
        return None;
    }
    let changes = value.0.get("changes")?.as_array()?.iter().map(change).collect::<Option<Vec<_>>>()?;
    Some(ConsentProof { checkpoint: value.text("checkpoint")?.to_owned().into(), changes })
}

fn change(value: &Value) -> Option<ChangeProof> {
    let value = Fields(value.as_object()?);
    let path = value.0.get("path")?.as_array().filter(|path| path.len() <= MAX_PATH)?;
    Some(ChangeProof {
        state: value.text("state")?.parse().ok()?,
        number: value.number("number")?,
        text: value.text("text")?.to_owned().into(),
        text_signature: value.bytes("text_signature")?,
        state_signature: match value.0.get("state_signature")? {
            Value::Null => None,
            it => Some(bytes(it)?),
        },
        record: value.text("record")?.to_owned().into(),
        index: value.number("index")?,
        path: path.iter().map(bytes).collect::<Option<_>>()?,
        salt_terms: value.bytes("salt_terms")?,
        salt: value.bytes("salt")?,
        sequence: value.number("sequence")?,
        previous: value.bytes("previous")?,
    })
}

struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    fn bytes<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        bytes(self.0.get(name)?)
    }
}

fn bytes<const N: usize>(value: &Value) -> Option<[u8; N]> {
    BASE64.decode(value.as_str()?).ok()?.try_into().ok()
}
