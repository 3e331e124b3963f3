//! An agreement on trial: what it would allow and what would be refused, before anybody has to obey it.

use tacit_model::{ListId, MemberId, Millis, PurposeCode};

use super::{
    Registry,
    cross::Loaded,
    entry::{Agreement, Entry},
    error::{At, RegistryError, RegistryProblem as Problem},
    signed::{AGREEMENT_DOMAIN, Signed},
};
use crate::decide::{Asked, Refusal, holder_decide};

/// An agreement whose terms fit the registry it was tried with. Nothing is said about its signatures but by
/// [`Trial::signed_by`]; and it is in force nowhere.
#[derive(Debug)]
pub struct Trial {
    registry: Registry,
    agreement: Agreement,
    signed_by: Vec<MemberId>,
}

impl Registry {
    /// Tries an agreement, signed or not, with this version.
    ///
    /// # Errors
    /// [`RegistryError`]: a field is out of its bounds, it names what this version does not have, a rule of registries
    /// refuses it, or a signature on it does not verify.
    pub fn try_agreement(&self, signed: &Signed) -> Result<Trial, RegistryError> {
        let entry = signed.entry("agreement")?;
        let Entry::Agreement(agreement) = &entry else {
            return Err(Problem::Json { source: serde::de::Error::custom("it is no `agreement`") })
                .at("agreement");
        };
        let loaded = Loaded {
            members: self.members.clone(),
            acts: self.acts.clone(),
            lists: self.lists.clone(),
            purposes: self.purposes.clone(),
            categories: self.categories.clone(),
            schemes: self.schemes.clone(),
            ..Loaded::default()
        };
        loaded.references(&entry, "agreement")?;
        let parties = [&agreement.holder, &agreement.requester];
        let signers: Vec<&MemberId> = signed.signers().collect();
        if signers.len() > 2 || !parties.iter().zip(&signers).all(|(party, signer)| party == signer) {
            let found = signers.iter().take(8).map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
            let needed = parties.map(|id| id.as_str()).join(", ");
            return Err(Problem::Signers { found, needed }).at("agreement.signatures");
        }
        let keys: Vec<_> =
            signers.iter().filter_map(|id| Some((*id, self.member(id)?.keys.signing))).collect();
        signed.verify(AGREEMENT_DOMAIN, &keys, "agreement")?;
        let signed_by = signers.into_iter().cloned().collect();
        let agreement = Agreement::clone(agreement);
        Ok(Trial { registry: self.with_agreement(agreement.clone()), agreement, signed_by })
    }

    fn with_agreement(&self, agreement: Agreement) -> Self {
        let mut registry = self.clone();
        registry.agreements.retain(|known| known.id != agreement.id);
        registry.agreements.push(agreement);
        registry.agreements.sort_by_key(|agreement| agreement.id);
        registry.pairs.clear();
        for (i, agreement) in registry.agreements.iter().enumerate() {
            let holders = registry.pairs.entry(agreement.requester.clone()).or_default();
            holders.entry(agreement.holder.clone()).or_default().push(i);
        }
        registry
    }
}

impl Trial {
    /// The agreement.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Whose signatures are on it and verify: nobody, the holder, or the holder and the requester.
    #[must_use]
    pub fn signed_by(&self) -> &[MemberId] {
        &self.signed_by
    }

    /// Whether each check needs the subject's consent: because the agreement says so, or because the requester is no
    /// public body.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.registry.needs_consent(&self.agreement)
    }

    /// What the holder would say to a question about one list for one purpose at `now`, by all its agreements with this
    /// requester and this one.
    ///
    /// # Errors
    /// [`Refusal`] with the rule that refuses.
    pub fn judge(&self, list: &ListId, purpose: &PurposeCode, now: Millis) -> Result<(), Refusal> {
        let Agreement { requester, holder, .. } = &self.agreement;
        let asked = Asked { requester, holder, lists: vec![list], purpose };
        holder_decide(&asked, &self.registry, now).map(drop)
    }
}
