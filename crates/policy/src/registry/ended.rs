//! Endings of agreements: either party ends one alone, with a signature that nobody else can make.
//!
//! The registry carries them, so that everybody obeys. A party's own node also obeys a file of its own, at once and
//! whatever the coordinator publishes: one signed ending per line.

use serde::{Deserialize, Serialize};
use tacit_model::{MemberId, Millis, Ulid};

use super::{
    Registry,
    entry::{Agreement, Entry},
    error::{At, RegistryError, RegistryProblem as Problem},
    signed::{Signed, parse_json},
    text,
};

/// What a party signs to end an agreement: this, then the exact body text of the entry.
pub const AGREEMENT_END_DOMAIN: &[u8] = b"tacit/v1/agreement-end";
/// Most endings of one file.
pub const MAX_ENDINGS: usize = 10_000;

/// The end of an agreement, declared by one of its parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementEnd {
    /// The agreement that ends.
    #[serde(with = "text::ulid")]
    pub agreement: Ulid,
    /// The party that ends it: its holder or its requester.
    pub member: MemberId,
    /// From when on it is not in force; an instant in the past means at once.
    #[serde(with = "text::rfc3339")]
    pub ended_at: Millis,
}

impl AgreementEnd {
    /// Lets `agreement` end no later than this.
    pub(super) fn apply(&self, agreement: &mut Agreement) {
        agreement.valid_until = agreement.valid_until.min(self.ended_at);
    }
}

/// The signed endings in a file, one per line, in JSON. Empty lines are skipped.
///
/// # Errors
/// [`RegistryError`] with the line that is no ending.
pub fn read_endings(text: &str) -> Result<Vec<Signed>, RegistryError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut endings = Vec::new();
    for (number, line) in lines {
        let path = format!("line {}", number + 1);
        super::check::count(endings.len() + 1, 0..=MAX_ENDINGS, &path)?;
        let signed: Signed = parse_json(line, &path)?;
        signed.ending(&path)?;
        endings.push(signed);
    }
    Ok(endings)
}

impl Signed {
    /// The ending in the body.
    ///
    /// # Errors
    /// [`RegistryError`] when it is another entry.
    pub fn ending(&self, path: &str) -> Result<AgreementEnd, RegistryError> {
        match self.entry(path)? {
            Entry::AgreementEnd(ending) => Ok(ending),
            _ => Err(Problem::Json { source: serde::de::Error::custom("it is no `agreement_end`") }).at(path),
        }
    }
}

impl Registry {
    /// This version as it stands after further endings, which its parties signed and it may not carry yet. Its hash
    /// stays that of the file. An ending of an agreement that is not in it changes nothing.
    ///
    /// # Errors
    /// [`RegistryError`] for the first ending that is not signed by a party of its agreement; nothing is applied then.
    pub fn ended_too(&self, endings: &[Signed]) -> Result<Self, RegistryError> {
        let mut registry = self.clone();
        for (i, signed) in endings.iter().enumerate() {
            let path = format!("endings[{i}]");
            let ending = signed.ending(&path)?;
            let Some(place) =
                registry.agreements.iter().position(|agreement| agreement.id == ending.agreement)
            else {
                continue;
            };
            party(&ending, &registry.agreements[place], &path)?;
            let member = registry
                .member(&ending.member)
                .ok_or_else(|| Problem::UnknownMember { id: ending.member.clone() })
                .at(format_args!("{path}.member"))?;
            // It may have been signed before a change of key.
            let key = signed.signatures.first().map(|line| line.key);
            let key = key.filter(|key| member.keys.leads_from(key)).unwrap_or(member.keys.signing);
            signed.verify(AGREEMENT_END_DOMAIN, &[(&member.id, key)], &path)?;
            ending.apply(&mut registry.agreements[place]);
            registry.endings.insert((ending.agreement, ending.member.clone()), ending);
        }
        Ok(registry)
    }
}

/// Only a party ends an agreement.
pub(super) fn party(ending: &AgreementEnd, agreement: &Agreement, path: &str) -> Result<(), RegistryError> {
    if [&agreement.holder, &agreement.requester].contains(&&ending.member) {
        return Ok(());
    }
    Err(Problem::NoParty { member: ending.member.clone() }).at(format_args!("{path}.member"))
}
