//! Signed texts: what the registry and each of its entries are made of.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_path_to_error::Segment;
use tacit_ledger::ed25519;
use tacit_model::MemberId;

use super::{
    ended::AGREEMENT_END_DOMAIN,
    entry::Entry,
    error::{At, RegistryError, RegistryProblem as Problem},
};
use crate::keys::{Ed25519Key, Signature};

/// What is signed of a registry: this, then the exact body text.
pub const REGISTRY_DOMAIN: &[u8] = b"tacit/v1/registry";
/// What is signed of an entry other than an agreement: this, then the exact body text.
pub const ENTRY_DOMAIN: &[u8] = b"tacit/v1/registry-entry";
/// What holder and requester sign of an agreement: this, then the exact body text.
pub const AGREEMENT_DOMAIN: &[u8] = b"tacit/v1/agreement";

/// A text with signatures over exactly that text. Whether they verify, and whose they must be, is checked by
/// [`Registry::parse`](super::Registry::parse).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub(super) body: String,
    pub(super) signatures: Vec<SignatureLine>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureLine {
    pub(super) signer: MemberId,
    pub(super) key: Ed25519Key,
    pub(super) signature: Signature,
}

/// Who signs: a member's name and its signing key.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The member.
    pub id: &'a MemberId,
    /// Its Ed25519 signing key.
    pub key: &'a ed25519::SigningKey,
}

impl Signed {
    /// The exact text that is signed.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Who signed, in order. Nothing is said about whether the signatures verify.
    pub fn signers(&self) -> impl Iterator<Item = &MemberId> {
        self.signatures.iter().map(|line| &line.signer)
    }

    /// The entry as an unsigned draft.
    ///
    /// # Errors
    /// [`RegistryError`] when a field is out of its bounds: the author's mistake, told before anyone signs.
    pub fn draft(entry: &Entry) -> Result<Self, RegistryError> {
        super::check::entry(entry, "draft")?;
        Self::of(entry)
    }

    pub(super) fn of(document: &impl Serialize) -> Result<Self, RegistryError> {
        let body = serde_json::to_string(document).map_err(|source| Problem::Json { source }).at("draft")?;
        Ok(Self { body, signatures: Vec::new() })
    }

    /// The entry in the body, checked by itself.
    ///
    /// # Errors
    /// [`RegistryError`] when the body is not an entry within its bounds: whoever drafted it is at fault.
    pub fn entry(&self, path: &str) -> Result<Entry, RegistryError> {
        let entry = parse_json(&self.body, path)?;
        super::check::entry(&entry, path)?;
        Ok(entry)
    }

    /// Adds `signer`'s signature. Read [`Signed::entry`] before signing what another drafted.
    ///
    /// # Errors
    /// [`RegistryError`] when the body is not an entry.
    pub fn sign(self, signer: Signer<'_>) -> Result<Self, RegistryError> {
        let domain = domain(&self.entry("draft")?);
        Ok(self.sign_as(domain, signer))
    }

    pub(super) fn sign_as(mut self, domain: &[u8], signer: Signer<'_>) -> Self {
        let signature = signer.key.sign(&message(domain, &self.body));
        self.signatures.push(SignatureLine {
            signer: signer.id.clone(),
            key: Ed25519Key(signer.key.verifying_key()),
            signature: Signature(signature),
        });
        self
    }

    /// Adds `signer`'s signature before the one in this place.
    pub(super) fn sign_at(self, place: usize, domain: &[u8], signer: Signer<'_>) -> Self {
        let mut signed = self.sign_as(domain, signer);
        let place = place.min(signed.signatures.len() - 1);
        signed.signatures[place..].rotate_right(1);
        signed
    }

    /// The file of a registry.
    pub(super) fn to_registry_file(&self) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Self::of(self)?.body.into_bytes();
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Checks that exactly `needed` signed, in this order, and that every signature verifies.
    pub(super) fn verify(
        &self,
        domain: &[u8],
        needed: &[(&MemberId, Ed25519Key)],
        path: &str,
    ) -> Result<(), RegistryError> {
        self.verify_from(0, domain, needed, path)
    }

    /// [`Signed::verify`], for the signatures from this place on.
    pub(super) fn verify_from(
        &self,
        from: usize,
        domain: &[u8],
        needed: &[(&MemberId, Ed25519Key)],
        path: &str,
    ) -> Result<(), RegistryError> {
        if !self.signers().skip(from).eq(needed.iter().map(|(id, _)| *id)) {
            let found = self.signers().take(8).map(MemberId::as_str).collect::<Vec<_>>().join(", ");
            let needed = needed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Problem::Signers { found, needed }).at(format_args!("{path}.signatures"));
        }
        let lines = self.signatures.iter().enumerate().skip(from);
        lines.zip(needed).try_for_each(|((i, _), (_, key))| self.verify_line(i, domain, *key, path))
    }

    /// Checks the signature in this place, by this key.
    pub(super) fn verify_line(
        &self,
        place: usize,
        domain: &[u8],
        key: Ed25519Key,
        path: &str,
    ) -> Result<(), RegistryError> {
        let Some(line) = self.signatures.get(place) else { return Ok(()) };
        let signer = line.signer.clone();
        if line.key != key {
            return Err(Problem::KeyDiffers { signer }).at(format_args!("{path}.signatures[{place}].key"));
        }
        if key.0.verify(&message(domain, &self.body), &line.signature.0).is_err() {
            return Err(Problem::SignatureInvalid { signer })
                .at(format_args!("{path}.signatures[{place}].signature"));
        }
        Ok(())
    }
}

/// Drafts and signs an entry in one go, for who has all the keys (one machine, tests).
///
/// # Errors
/// As [`Signed::draft`].
pub fn sign_entry(entry: &Entry, signers: &[Signer<'_>]) -> Result<Signed, RegistryError> {
    let domain = domain(entry);
    Ok(signers.iter().fold(Signed::draft(entry)?, |signed, signer| signed.sign_as(domain, *signer)))
}

pub(super) fn domain(entry: &Entry) -> &'static [u8] {
    match entry {
        Entry::Agreement(_) => AGREEMENT_DOMAIN,
        Entry::AgreementEnd(_) => AGREEMENT_END_DOMAIN,
        Entry::Member(_)
        | Entry::Act(_)
        | Entry::List(_)
        | Entry::Purpose(_)
        | Entry::Scheme(_)
        | Entry::Category(_)
        | Entry::Rule(_)
        | Entry::PseudonymKey(_) => ENTRY_DOMAIN,
    }
}

fn message(domain: &[u8], body: &str) -> Vec<u8> {
    [domain, body.as_bytes()].concat()
}

/// JSON to a document, the error with its place. `path` is where `text` itself stands.
pub(super) fn parse_json<T: DeserializeOwned>(text: &str, path: &str) -> Result<T, RegistryError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let mut place = path.to_owned();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => place.push_str(&format!("[{index}]")),
                Segment::Map { key } => {
                    place.push_str(if place.is_empty() { "" } else { "." });
                    place.extend(key.chars().filter(|c| !c.is_control()).take(80));
                }
                // The kind of an entry says nothing that the place does not.
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let place = if place.is_empty() { "registry" } else { &place };
        RegistryError::new(place, Problem::Json { source: error.into_inner() })
    })?;
    json.end().map_err(|source| Problem::Json { source }).at(if path.is_empty() {
        "registry"
    } else {
        path
    })?;
    Ok(value)
}
