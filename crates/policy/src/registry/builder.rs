//! Writing a registry: for the founding of a federation, and for tests.

use tacit_model::{MemberId, Millis};

use super::{
    Body,
    entry::Entry,
    error::RegistryError,
    recovery::Recovery,
    signed::{REGISTRY_DOMAIN, Signed, Signer, sign_entry},
};

/// Collects signed entries and writes them as the coordinator.
///
/// The output is deterministic: the same entries with the same keys give the same bytes, in whatever order they were
/// added. It is not checked here; read it back with [`Registry::parse`](super::Registry::parse).
#[derive(Debug)]
pub struct RegistryBuilder {
    body: Body,
}

impl RegistryBuilder {
    /// An empty registry. `number` rises by one from version to version, from 1.
    #[must_use]
    pub fn new(
        federation: &str,
        number: u64,
        issued_at: Millis,
        coordinator: MemberId,
        custodian: MemberId,
    ) -> Self {
        let federation = federation.to_owned();
        Self {
            body: Body {
                federation,
                number,
                issued_at,
                coordinator,
                custodian,
                recovery: None,
                entries: Vec::new(),
            },
        }
    }

    /// Makes it a recovery version.
    #[must_use]
    pub fn recovery(mut self, recovery: Option<Recovery>) -> Self {
        self.body.recovery = recovery;
        self
    }

    /// Adds an entry that its owners signed elsewhere.
    #[must_use]
    pub fn signed(mut self, entry: Signed) -> Self {
        self.body.entries.push(entry);
        self
    }

    /// Signs and adds an entry. `signers` are its owners: the member itself, a list's holder, the coordinator for
    /// purposes, schemes and categories, holder then requester for an agreement, the custodian for a pseudonym key.
    ///
    /// # Errors
    /// [`RegistryError`] when a field is out of its bounds: the author's mistake.
    pub fn entry(self, entry: &Entry, signers: &[Signer<'_>]) -> Result<Self, RegistryError> {
        Ok(self.signed(sign_entry(entry, signers)?))
    }

    /// The bytes of the file, signed by the coordinator.
    ///
    /// # Errors
    /// [`RegistryError`] when an added entry is not one.
    pub fn finish(
        mut self,
        coordinator_key: &tacit_ledger::ed25519::SigningKey,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut keyed = Vec::with_capacity(self.body.entries.len());
        for entry in self.body.entries {
            keyed.push((sort_key(&entry.entry("draft")?), entry));
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        self.body.entries = keyed.into_iter().map(|(_, entry)| entry).collect();
        let signer = Signer { id: &self.body.coordinator, key: coordinator_key };
        Signed::of(&self.body)?.sign_as(REGISTRY_DOMAIN, signer).to_registry_file()
    }
}

/// Members, acts, lists, purposes, schemes, categories, rules, agreements, pseudonym keys, endings; each ascending by
/// id.
pub(super) fn sort_key(entry: &Entry) -> (u8, String) {
    match entry {
        Entry::Member(it) => (0, it.id.to_string()),
        Entry::Act(it) => (1, it.id.clone()),
        Entry::List(it) => (2, it.id.to_string()),
        Entry::Purpose(it) => (3, it.code.to_string()),
        Entry::Scheme(it) => (4, it.name.clone()),
        Entry::Category(it) => (5, format!("{:05}", it.code)),
        Entry::Rule(it) => (6, it.id.clone()),
        Entry::Agreement(it) => (7, it.id.to_string()),
        Entry::PseudonymKey(it) => (8, format!("{}/{:010}", it.requester, it.epoch)),
        Entry::AgreementEnd(it) => (9, format!("{}/{}", it.agreement, it.member)),
    }
}
