//! What members write by hand before they sign it: agreements and lists, as TOML.

use rand_core::CryptoRng;
use tacit_model::{MemberId, Millis, new_ulid};
use tacit_policy::{
    Ed25519Key, Registry, RegistryError,
    registry::{
        entry::{Agreement, Entry, List},
        signed::Signed,
    },
};

pub use crate::sample::SampleAgreement as Terms;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A draft cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The text is not what is asked for; wildcards are no names.
    #[error("the terms cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// A party is no member.
    #[error("there is no member `{0}` in the registry; it has to join first")]
    UnknownMember(MemberId),
    /// The terms break a rule.
    #[error(transparent)]
    Rule(#[from] RegistryError),
}

/// An unsigned agreement from its terms, under a fresh id: from the beginning of today (UTC) for `valid_days`, between
/// the first keys of both parties.
///
/// # Errors
/// [`DraftError`].
pub fn agreement(
    text: &str,
    registry: &Registry,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Result<Signed, DraftError> {
    agreement_of(toml::from_str(text)?, registry, now, rng)
}

/// The same, from terms that were read.
///
/// # Errors
/// [`DraftError`].
pub fn agreement_of(
    terms: Terms,
    registry: &Registry,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Result<Signed, DraftError> {
    let key = |id: &MemberId| -> Result<Ed25519Key, DraftError> {
        let member = registry.member(id).ok_or_else(|| DraftError::UnknownMember(id.clone()))?;
        Ok(member.keys.first())
    };
    let valid_from = Millis(now.0 - now.0 % DAY_MS);
    let agreement = Agreement {
        id: new_ulid(now, rng),
        holder_key: key(&terms.holder)?,
        requester_key: key(&terms.requester)?,
        holder: terms.holder,
        requester: terms.requester,
        lists: terms.lists,
        purposes: terms.purposes,
        purpose_context: terms.purpose_context,
        legal_basis: terms.legal_basis,
        consent_required: terms.consent_required,
        cross_context: terms.cross_context,
        measures: terms.measures,
        quotas: terms.quotas,
        max_lists_per_check: terms.max_lists_per_check,
        data_life: terms.data_life,
        valid_from,
        valid_until: Millis(valid_from.0.saturating_add(u64::from(terms.valid_days).saturating_mul(DAY_MS))),
        size: terms.size,
    };
    Ok(Signed::draft(&Entry::Agreement(Box::new(agreement)))?)
}

/// An unsigned list entry.
///
/// # Errors
/// [`DraftError`].
pub fn list(text: &str) -> Result<(List, Signed), DraftError> {
    let list: List = toml::from_str(text)?;
    let signed = Signed::draft(&Entry::List(list.clone()))?;
    Ok((list, signed))
}
