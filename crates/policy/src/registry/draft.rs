//! The next version before the coordinator signs it: entries come in from their owners, others are taken out.

use tacit_ledger::ed25519::SigningKey;
use tacit_model::{ListId, MemberId, Millis, Ulid};

use super::{
    Body,
    builder::{RegistryBuilder, sort_key},
    entry::Entry,
    error::{At, RegistryError, RegistryProblem as Problem},
    recovery::{Recovery, stands_on},
    signed::{Signed, parse_json},
};

/// A version that nobody has signed yet.
#[derive(Debug)]
pub struct Draft(Body);

/// What adding an entry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Added,
    /// It stands in the place of an earlier one.
    Replaced,
}

impl Draft {
    /// The version after a signed one, with the same entries. The file is read, not checked.
    ///
    /// # Errors
    /// [`RegistryError`] when it is no registry.
    pub fn after(file: &[u8]) -> Result<Self, RegistryError> {
        let outer: Signed = parse_json(utf8(file)?, "")?;
        let mut body: Body = parse_json(&outer.body, "")?;
        body.number = body.number.saturating_add(1);
        body.recovery = None;
        Ok(Self(body))
    }

    /// The recovery version of this number after a signed one: without these members. The file is read, not checked.
    /// What was taken out, in words.
    ///
    /// # Errors
    /// [`RegistryError`] when it is no registry.
    pub fn recover(
        file: &[u8],
        number: u64,
        members: &[MemberId],
    ) -> Result<(Self, Vec<String>), RegistryError> {
        let mut draft = Self::after(file)?;
        let mut removed = members.to_vec();
        removed.sort_unstable();
        removed.dedup();
        let mut gone = Vec::new();
        for member in &removed {
            gone.extend(draft.remove_member(member)?);
        }
        draft.0.number = number;
        draft.0.recovery = Some(Recovery { after: super::registry_hash(file), removed });
        Ok((draft, gone))
    }

    /// A draft from its file.
    ///
    /// # Errors
    /// [`RegistryError`] when it is none.
    pub fn read(file: &[u8]) -> Result<Self, RegistryError> {
        Ok(Self(parse_json(utf8(file)?, "")?))
    }

    /// The file of the draft.
    ///
    /// # Errors
    /// [`RegistryError`], a fault of ours.
    pub fn to_file(&self) -> Result<Vec<u8>, RegistryError> {
        let text = serde_json::to_string_pretty(&self.0).map_err(|source| Problem::Json { source });
        Ok((text.at("draft")? + "\n").into_bytes())
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Its federation.
    #[must_use]
    pub fn federation(&self) -> &str {
        &self.0.federation
    }

    /// Every entry with its signatures.
    ///
    /// # Errors
    /// [`RegistryError`] when one is none.
    pub fn entries(&self) -> Result<Vec<(Entry, &Signed)>, RegistryError> {
        let entries = self.0.entries.iter().enumerate();
        entries.map(|(i, signed)| Ok((signed.entry(&format!("entries[{i}]"))?, signed))).collect()
    }

    /// Puts an entry in, in the place of the one about the same thing.
    ///
    /// # Errors
    /// [`RegistryError`] when it is none.
    pub fn put(&mut self, signed: Signed) -> Result<Put, RegistryError> {
        let key = sort_key(&signed.entry("entry")?);
        for (i, known) in self.0.entries.iter_mut().enumerate() {
            if sort_key(&known.entry(&format!("entries[{i}]"))?) == key {
                *known = signed;
                return Ok(Put::Replaced);
            }
        }
        self.0.entries.push(signed);
        Ok(Put::Added)
    }

    /// Takes a member out with everything that cannot stand without it: its lists, its agreements and their endings,
    /// its pseudonym keys. Agreements of others that name one of its lists cannot be: they are its own. What was taken
    /// out, in words.
    ///
    /// # Errors
    /// [`RegistryError`] when an entry is none.
    pub fn remove_member(&mut self, id: &MemberId) -> Result<Vec<String>, RegistryError> {
        let agreements = self.entries()?.into_iter().filter_map(|(entry, _)| match entry {
            Entry::Agreement(it) => Some((it.id, *it)),
            _ => None,
        });
        let agreements = agreements.collect();
        self.remove(|entry| stands_on(entry, &agreements).contains(id))
    }

    /// Takes an agreement out, with its ending. What was taken out, in words.
    ///
    /// # Errors
    /// [`RegistryError`] when an entry is none.
    pub fn remove_agreement(&mut self, id: Ulid) -> Result<Vec<String>, RegistryError> {
        self.remove(|entry| match entry {
            Entry::Agreement(it) => it.id == id,
            Entry::AgreementEnd(it) => it.agreement == id,
            _ => false,
        })
    }

    /// Takes a list out. What was taken out, in words; agreements that name it must be taken out too.
    ///
    /// # Errors
    /// [`RegistryError`] when an entry is none.
    pub fn remove_list(&mut self, id: &ListId) -> Result<Vec<String>, RegistryError> {
        self.remove(|entry| matches!(entry, Entry::List(it) if it.id == *id))
    }

    fn remove(&mut self, gone: impl Fn(&Entry) -> bool) -> Result<Vec<String>, RegistryError> {
        let mut removed = Vec::new();
        let mut kept = Vec::with_capacity(self.0.entries.len());
        for (i, signed) in std::mem::take(&mut self.0.entries).into_iter().enumerate() {
            let entry = signed.entry(&format!("entries[{i}]"))?;
            if gone(&entry) { removed.push(name(&entry)) } else { kept.push(signed) }
        }
        self.0.entries = kept;
        Ok(removed)
    }

    /// The version, issued at `now` and signed by the coordinator.
    ///
    /// # Errors
    /// [`RegistryError`] when an entry is none. Whether the version is good is for
    /// [`Registry::parse`](super::Registry::parse).
    pub fn finish(self, now: Millis, coordinator_key: &SigningKey) -> Result<Vec<u8>, RegistryError> {
        let Body { federation, number, issued_at: _, coordinator, custodian, recovery, entries } = self.0;
        let builder =
            RegistryBuilder::new(&federation, number, now, coordinator, custodian).recovery(recovery);
        entries.into_iter().fold(builder, RegistryBuilder::signed).finish(coordinator_key)
    }
}

impl Signed {
    /// Signed entries from a file: one, or an array of them.
    ///
    /// # Errors
    /// [`RegistryError`] when there is none.
    pub fn read(file: &[u8]) -> Result<Vec<Self>, RegistryError> {
        let text = utf8(file)?;
        let entries = if text.trim_start().starts_with('[') {
            parse_json::<Vec<Self>>(text, "entries")?
        } else {
            vec![parse_json(text, "entry")?]
        };
        for (i, signed) in entries.iter().enumerate() {
            signed.entry(&format!("entries[{i}]"))?;
        }
        Ok(entries)
    }

    /// The file of signed entries, as [`Signed::read`] reads it.
    ///
    /// # Errors
    /// [`RegistryError`], a fault of ours.
    pub fn to_file(entries: &[Self]) -> Result<Vec<u8>, RegistryError> {
        let text = match entries {
            [one] => serde_json::to_string_pretty(one),
            many => serde_json::to_string_pretty(many),
        };
        Ok((text.map_err(|source| Problem::Json { source }).at("file")? + "\n").into_bytes())
    }

    /// One entry on one line, as files of endings have it.
    ///
    /// # Errors
    /// [`RegistryError`], a fault of ours.
    pub fn to_line(&self) -> Result<String, RegistryError> {
        serde_json::to_string(self).map_err(|source| Problem::Json { source }).at("line")
    }

    /// `b3("tacit v1 joining member", u32 length of the body || body || SHA-256 of the SPKI of its certificate
    /// request)`: what a joining member and the coordinator's operator compare.
    #[must_use]
    pub fn joining_hash(&self, spki_sha256: &[u8; 32]) -> [u8; 32] {
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let data = [&length, self.body.as_bytes(), spki_sha256].concat();
        blake3::derive_key("tacit v1 joining member", &data)
    }

    /// The same entry with `signer`'s signature in the place of its earlier one, for a changed key.
    ///
    /// # Errors
    /// [`RegistryError`] when the body is not an entry.
    pub fn sign_again(mut self, signer: super::signed::Signer<'_>) -> Result<Self, RegistryError> {
        let place = self.signatures.iter().position(|line| line.signer == *signer.id);
        self = self.sign(signer)?;
        if let Some(place) = place {
            self.signatures.swap_remove(place);
        }
        Ok(self)
    }
}

/// An entry in few words: its kind and its id.
#[must_use]
pub fn name(entry: &Entry) -> String {
    match entry {
        Entry::Member(it) => format!("member {}", it.id),
        Entry::Act(it) => format!("act {}", it.id),
        Entry::List(it) => format!("list {}", it.id),
        Entry::Purpose(it) => format!("purpose {}", it.code),
        Entry::Scheme(it) => format!("scheme {}", it.name),
        Entry::Category(it) => format!("category {}", it.code),
        Entry::Rule(it) => format!("rule {}", it.id),
        Entry::Agreement(it) => format!("agreement {} ({} to {})", it.id, it.holder, it.requester),
        Entry::PseudonymKey(it) => format!("pseudonym key of {}, epoch {}", it.requester, it.epoch),
        Entry::AgreementEnd(it) => format!("end of agreement {} by {}", it.agreement, it.member),
    }
}

fn utf8(file: &[u8]) -> Result<&str, RegistryError> {
    if file.len() > super::MAX_REGISTRY_BYTES {
        let (bytes, max) = (file.len(), super::MAX_REGISTRY_BYTES);
        return Err(Problem::TooLarge { bytes, max }).at("file");
    }
    let problem = || Problem::Json { source: serde::de::Error::custom("not UTF-8 text") };
    std::str::from_utf8(file).map_err(|_| problem()).at("file")
}
