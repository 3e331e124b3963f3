//! `tacit-consent/v1`: one field per line, one spelling per value.

use std::{
    fmt::{self, Display, Write},
    str::{FromStr, Split},
};

use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Ulid, parse_ulid};

use crate::{
    duration::Frequency,
    keys::{decode, encode},
};

/// Largest consent in bytes; 64 lists and 64 purposes with the longest names fit.
pub const MAX_CONSENT_BYTES: usize = 16 * 1024;

/// Most lists, and most purposes, of one consent.
const MAX_NAMES: usize = 64;

const HEADING: &str = "tacit-consent/v1";

/// What a subject allowed: who may ask, which lists, for which purposes, how long and how often.
///
/// Debug leaves the pseudonym out: beside the requester's name it would be a subject in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id; what a check names as its basis.
    pub id: Ulid,
    /// The authority at which the subject logged in, and which signs.
    pub authority: MemberId,
    /// Who may ask.
    pub requester: MemberId,
    /// The subject's pseudonym T for this requester (a ristretto255 encoding, checked by who computes with it).
    pub pseudonym: [u8; 32],
    /// The pseudonym epoch of T.
    pub epoch: u32,
    /// Lists that may be asked, 1 to 64, each once.
    pub lists: Vec<ListId>,
    /// Purposes for which may be asked, 1 to 64, each once.
    pub purposes: Vec<PurposeCode>,
    /// From when.
    pub not_before: Millis,
    /// Until when; this instant is outside.
    pub expires: Millis,
    /// How often.
    pub frequency: Frequency,
    /// Hash of the notice that the subject was shown.
    pub notice: [u8; 32],
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent")
            .field("id", &self.id)
            .field("authority", &self.authority)
            .field("requester", &self.requester)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no consent. The authority that wrote or signed them is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// Longer than [`MAX_CONSENT_BYTES`].
    #[error("a consent has at most {MAX_CONSENT_BYTES} bytes")]
    TooLarge,
    /// Not UTF-8 with the heading `tacit-consent/v1` and LF after every line.
    #[error("a consent is UTF-8 text that starts with `{HEADING}`, with LF after every line")]
    Heading,
    /// A field is missing or not in its place.
    #[error("expected the line `{0} ...` here")]
    Missing(&'static str),
    /// A field's value is not what it must be, or not in its one spelling.
    #[error("the value of `{0}` is not in its one allowed form")]
    Value(&'static str),
    /// Fewer than 1 or more than 64 names, or one of them twice.
    #[error("`{0}` takes 1 to {MAX_NAMES} different names")]
    Names(&'static str),
    /// It expires before it begins.
    #[error("the consent expires before it begins")]
    Period,
    /// Something follows the last field.
    #[error("nothing may follow the line `notice`")]
    Trailing,
    /// The signature does not verify under the authority's key.
    #[error("the signature is not the authority's over these bytes")]
    Signature,
}

impl Consent {
    /// The exact bytes that are signed, hashed and kept.
    ///
    /// # Errors
    /// [`ConsentError`] when the fields are out of their bounds.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ConsentError> {
        self.check()?;
        let lines = [
            ("id", self.id.to_string()),
            ("authority", self.authority.to_string()),
            ("requester", self.requester.to_string()),
            ("pseudonym", encode(&self.pseudonym)),
            ("epoch", self.epoch.to_string()),
            ("lists", join(&self.lists)),
            ("purposes", join(&self.purposes)),
            ("not-before", self.not_before.to_rfc3339()),
            ("expires", self.expires.to_rfc3339()),
            ("frequency", self.frequency.to_string()),
            ("notice", encode(&self.notice)),
        ];
        write_lines(HEADING, &lines)
    }

    /// Reads the text; accepts only what [`Consent::to_bytes`] writes.
    ///
    /// # Errors
    /// [`ConsentError`] names the line at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConsentError> {
        use ConsentError::Value;
        let mut lines = Lines::after(HEADING, bytes)?.ok_or(ConsentError::Heading)?;
        let mut field = |name| lines.field(name);
        let consent = Self {
            id: parse_ulid(field("id")?).ok_or(Value("id"))?,
            authority: field("authority")?.parse().map_err(|_| Value("authority"))?,
            requester: field("requester")?.parse().map_err(|_| Value("requester"))?,
            pseudonym: decode(field("pseudonym")?).ok_or(Value("pseudonym"))?,
            epoch: decimal(field("epoch")?).ok_or(Value("epoch"))?,
            lists: names("lists", field("lists")?)?,
            purposes: names("purposes", field("purposes")?)?,
            not_before: field("not-before")?.parse().map_err(|_| Value("not-before"))?,
            expires: field("expires")?.parse().map_err(|_| Value("expires"))?,
            frequency: field("frequency")?.parse().map_err(|_| Value("frequency"))?,
            notice: decode(field("notice")?).ok_or(Value("notice"))?,
        };
        if !lines.are_over() {
            return Err(ConsentError::Trailing);
        }
        consent.check()?;
        Ok(consent)
    }

    /// Whether `next` is this consent confirmed again: the same terms with a later `expires`, and perhaps a new notice.
    ///
    /// # Errors
    /// [`NotRenewed`] names the first term that differs.
    pub fn renewed_by(&self, next: &Self) -> Result<(), NotRenewed> {
        for (fits, name) in [
            (next.id == self.id, "id"),
            (next.authority == self.authority, "authority"),
            (next.requester == self.requester, "requester"),
            (next.pseudonym == self.pseudonym, "pseudonym"),
            (next.epoch == self.epoch, "epoch"),
            (next.lists == self.lists, "lists"),
            (next.purposes == self.purposes, "purposes"),
            (next.not_before == self.not_before, "not-before"),
            (next.expires > self.expires, "expires"),
            (next.frequency == self.frequency, "frequency"),
        ] {
            if !fits {
                return Err(NotRenewed(name));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConsentError> {
        check_terms(&self.lists, &self.purposes, self.not_before, self.expires)
    }
}

/// A text that does not renew a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not renew the consent: only `expires` may be later, and `notice` another")]
pub struct NotRenewed(pub &'static str);

/// A consent whose signature has been checked, with its exact bytes. Debug leaves the pseudonym out.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedConsent {
    consent: Consent,
    bytes: Vec<u8>,
    signature: [u8; 64],
}

impl fmt::Debug for SignedConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignedConsent").field(&self.consent).finish()
    }
}

impl SignedConsent {
    /// Signs `consent` as its authority.
    ///
    /// # Errors
    /// As [`Consent::to_bytes`].
    pub fn sign(consent: Consent, key: &SigningKey) -> Result<Self, ConsentError> {
        let bytes = consent.to_bytes()?;
        let signature = key.sign(&consent_message(&bytes));
        Ok(Self { consent, bytes, signature })
    }

    /// Checks what came from outside. `key` gives the pinned signing key of the authority that the text names, `None`
    /// for a name that is no authority here.
    ///
    /// # Errors
    /// [`ConsentError`]: the text is malformed, or not signed by the authority it names.
    pub fn verify(
        bytes: Vec<u8>,
        signature: [u8; 64],
        key: impl FnOnce(&MemberId) -> Option<VerifyingKey>,
    ) -> Result<Self, ConsentError> {
        let consent = Consent::parse(&bytes)?;
        let key = key(&consent.authority).ok_or(ConsentError::Signature)?;
        key.verify(&consent_message(&bytes), &signature).map_err(|_| ConsentError::Signature)?;
        Ok(Self { consent, bytes, signature })
    }

    /// The consent.
    #[must_use]
    pub fn consent(&self) -> &Consent {
        &self.consent
    }

    /// The exact bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The authority's Ed25519 signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// What is signed: `"tacit/v1/consent" || bytes`.
#[must_use]
pub fn consent_message(bytes: &[u8]) -> Vec<u8> {
    [b"tacit/v1/consent", bytes].concat()
}

/// `terms` of a consent record: `b3("tacit v1 consent terms", salt || consent bytes)`.
#[must_use]
pub fn consent_terms(salt: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new_derive_key("tacit v1 consent terms").update(salt).update(bytes).finalize().as_bytes()
}

/// `notice` of a consent: `b3("tacit v1 consent notice", text)` of what the subject was shown.
#[must_use]
pub fn consent_notice(text: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new_derive_key("tacit v1 consent notice").update(text).finalize().as_bytes()
}

/// A text of one field per line after its heading.
pub(super) fn write_lines(heading: &str, lines: &[(&str, String)]) -> Result<Vec<u8>, ConsentError> {
    let mut out = format!("{heading}\n");
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name} {value}");
    }
    if out.len() > MAX_CONSENT_BYTES { Err(ConsentError::TooLarge) } else { Ok(out.into_bytes()) }
}

/// The lines of such a text, in their order.
pub(super) struct Lines<'t>(Split<'t, char>);

impl<'t> Lines<'t> {
    /// Those after the heading; `None` when it is another one or the text is not UTF-8.
    pub(super) fn after(heading: &str, bytes: &'t [u8]) -> Result<Option<Self>, ConsentError> {
        if bytes.len() > MAX_CONSENT_BYTES {
            return Err(ConsentError::TooLarge);
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
        let mut lines = text.split('\n');
        Ok((lines.next() == Some(heading)).then_some(Self(lines)))
    }

    /// The value of the next line, which has this name.
    pub(super) fn field(&mut self, name: &'static str) -> Result<&'t str, ConsentError> {
        let value = self.0.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.ok_or(ConsentError::Missing(name))
    }

    /// Whether nothing follows: after the last LF there is exactly one empty piece.
    pub(super) fn are_over(mut self) -> bool {
        self.0.next() == Some("") && self.0.next().is_none()
    }
}

pub(super) fn join<T: Display>(names: &[T]) -> String {
    names.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn names<T: FromStr + PartialEq>(field: &'static str, text: &str) -> Result<Vec<T>, ConsentError> {
    // One more than allowed is enough to see that there are too many.
    let names =
        text.split(' ').take(MAX_NAMES + 1).map(|name| name.parse().map_err(|_| ConsentError::Value(field)));
    names.collect()
}

/// What must hold of the terms of a consent, given or asked for.
pub(super) fn check_terms(
    lists: &[ListId],
    purposes: &[PurposeCode],
    not_before: Millis,
    expires: Millis,
) -> Result<(), ConsentError> {
    check_names("lists", lists)?;
    check_names("purposes", purposes)?;
    if not_before < expires { Ok(()) } else { Err(ConsentError::Period) }
}

fn check_names<T: PartialEq>(field: &'static str, names: &[T]) -> Result<(), ConsentError> {
    let repeated = names.iter().enumerate().any(|(i, name)| names.iter().take(i).any(|other| other == name));
    if (1..=MAX_NAMES).contains(&names.len()) && !repeated { Ok(()) } else { Err(ConsentError::Names(field)) }
}

pub(super) fn decimal(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}
