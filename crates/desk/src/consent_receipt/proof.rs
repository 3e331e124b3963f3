//! The proof of a consent as JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tacit_client::{ChangeProof, ConsentProof};

const PROOF: &str = "tacit-consent-proof/v1";

/// Most hashes of an inclusion proof.
const MAX_PATH: usize = 64;

/// The proof as JSON. Texts stand as they were signed, bytes are base64.
pub(super) fn write(proof: &ConsentProof) -> Value {
    // Once each: most changes are proven under the same one.
    let mut checkpoints: Vec<&[u8]> = proof.changes.iter().map(|change| change.checkpoint.as_ref()).collect();
    checkpoints.sort_unstable();
    checkpoints.dedup();
    let changes = proof.changes.iter().map(|change| {
        json!({
            "checkpoint": checkpoints.iter().position(|it| **it == change.checkpoint),
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
        "checkpoints": checkpoints.iter().map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
    })
}

/// Reads what [`write`] writes.
pub(super) fn read(value: &Value) -> Option<ConsentProof> {
    let value = Fields(value.as_object()?);
    if value.text("type")? != PROOF {
        return None;
    }
    let texts = value.0.get("checkpoints")?.as_array()?.iter().map(Value::as_str);
    let checkpoints: Vec<Bytes> = texts.map(|it| Some(it?.to_owned().into())).collect::<Option<_>>()?;
    let changes = value.0.get("changes")?.as_array()?.iter().map(|it| change(it, &checkpoints));
    Some(ConsentProof { changes: changes.collect::<Option<_>>()? })
}

fn change(value: &Value, checkpoints: &[Bytes]) -> Option<ChangeProof> {
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
        checkpoint: checkpoints.get(usize::try_from(value.number("checkpoint")?).ok()?)?.clone(),
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
