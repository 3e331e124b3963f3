//! `tacit-consent-request/v1`: what a requester asks a subject for, in the manner of the consent that may follow it.

use std::fmt;

use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Ulid, parse_ulid};

use super::text::{Consent, ConsentError, Lines, check_terms, decimal, join, names, write_lines};
use crate::{
    duration::Frequency,
    keys::{decode, encode},
};

/// How long a request stands at most, in milliseconds: 30 days.
pub const REQUEST_STANDS_MS: u64 = 30 * 24 * 60 * 60 * 1000;

const HEADING: &str = "tacit-consent-request/v1";

/// What a requester asks a subject for: a consent with these terms, or with narrower ones.
///
/// Debug leaves the pseudonym out: beside the requester's name it would be a subject in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentRequest {
    /// Its id, and that of the consent that may follow it.
    pub id: Ulid,
    /// The authority at which the subject is expected.
    pub authority: MemberId,
    /// Who asks.
    pub requester: MemberId,
    /// The subject's pseudonym T for this requester (a ristretto255 encoding, checked by who computes with it).
    pub pseudonym: [u8; 32],
    /// The pseudonym epoch of T.
    pub epoch: u32,
    /// Lists that would be asked, 1 to 64, each once.
    pub lists: Vec<ListId>,
    /// Purposes for which would be asked, 1 to 64, each once.
    pub purposes: Vec<PurposeCode>,
    /// From when.
    pub not_before: Millis,
    /// Until when; this instant is outside.
    pub expires: Millis,
    /// How often at most.
    pub frequency: Frequency,
}

impl fmt::Debug for ConsentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentRequest")
            .field("id", &self.id)
            .field("authority", &self.authority)
            .field("requester", &self.requester)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no request for consent. The requester that wrote or signed them is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not UTF-8 with the heading `tacit-consent-request/v1` and LF after every line.
    #[error("a request for consent is UTF-8 text that starts with `{HEADING}`, with LF after every line")]
    Heading,
    /// A line, or its value.
    #[error(transparent)]
    Terms(#[from] ConsentError),
    /// Something follows the last field.
    #[error("nothing may follow the line `frequency`")]
    Trailing,
    /// The signature does not verify under the requester's key.
    #[error("the signature is not the requester's over these bytes")]
    Signature,
}

impl ConsentRequest {
    /// The exact bytes that are signed, hashed and kept.
    ///
    /// # Errors
    /// [`RequestError`] when the fields are out of their bounds.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RequestError> {
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
        ];
        Ok(write_lines(HEADING, &lines)?)
    }

    /// Reads the text; accepts only what [`ConsentRequest::to_bytes`] writes.
    ///
    /// # Errors
    /// [`RequestError`] names the line at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        use ConsentError::Value;
        let mut lines = Lines::after(HEADING, bytes)?.ok_or(RequestError::Heading)?;
        let mut field = |name| lines.field(name);
        let request = Self {
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
        };
        if !lines.are_over() {
            return Err(RequestError::Trailing);
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), ConsentError> {
        check_terms(&self.lists, &self.purposes, self.not_before, self.expires)
    }

    /// Until when a request that was recorded at `requested` stands; this instant is outside.
    #[must_use]
    pub fn stands_until(&self, requested: Millis) -> Millis {
        requested.plus_ms(REQUEST_STANDS_MS).min(self.expires)
    }

    /// Whether `consent` gives what was asked for, or less of it.
    ///
    /// # Errors
    /// [`NotAsked`] names the first term that goes beyond the request.
    pub fn allows(&self, consent: &Consent) -> Result<(), NotAsked> {
        for (same, name) in [
            (consent.id == self.id, "id"),
            (consent.authority == self.authority, "authority"),
            (consent.requester == self.requester, "requester"),
            (consent.pseudonym == self.pseudonym, "pseudonym"),
            (consent.epoch == self.epoch, "epoch"),
            (consent.lists.iter().all(|list| self.lists.contains(list)), "lists"),
            (consent.purposes.iter().all(|purpose| self.purposes.contains(purpose)), "purposes"),
            (consent.not_before >= self.not_before, "not-before"),
            (consent.expires <= self.expires, "expires"),
            (is_no_more_often(consent.frequency, self.frequency), "frequency"),
        ] {
            if !same {
                return Err(NotAsked(name));
            }
        }
        Ok(())
    }
}

/// A consent that gives more than was asked for, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what was asked for, or goes beyond it")]
pub struct NotAsked(pub &'static str);

/// Whether no window of `asked` can ever hold more uses under `given` than `asked` allows.
fn is_no_more_often(given: Frequency, asked: Frequency) -> bool {
    // A use counts for its whole window, its last instant included: the next full number of uses is a window and a
    // millisecond later.
    let windows = asked.unit().millis() / (given.unit().millis() + 1) + 1;
    u64::from(given.value()).saturating_mul(windows) <= u64::from(asked.value())
}

/// A request whose signature has been checked, with its exact bytes. Debug leaves the pseudonym out.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    request: ConsentRequest,
    bytes: Vec<u8>,
    signature: [u8; 64],
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignedRequest").field(&self.request).finish()
    }
}

impl SignedRequest {
    /// Signs `request` as its requester.
    ///
    /// # Errors
    /// As [`ConsentRequest::to_bytes`].
    pub fn sign(request: ConsentRequest, key: &SigningKey) -> Result<Self, RequestError> {
        let bytes = request.to_bytes()?;
        let signature = key.sign(&request_message(&bytes));
        Ok(Self { request, bytes, signature })
    }

    /// Checks what came from outside. `key` gives the signing key of the requester that the text names, `None` for a
    /// name that asks nothing here.
    ///
    /// # Errors
    /// [`RequestError`]: the text is malformed, or not signed by the requester it names.
    pub fn verify(
        bytes: Vec<u8>,
        signature: [u8; 64],
        key: impl FnOnce(&MemberId) -> Option<VerifyingKey>,
    ) -> Result<Self, RequestError> {
        let request = ConsentRequest::parse(&bytes)?;
        let key = key(&request.requester).ok_or(RequestError::Signature)?;
        key.verify(&request_message(&bytes), &signature).map_err(|_| RequestError::Signature)?;
        Ok(Self { request, bytes, signature })
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &ConsentRequest {
        &self.request
    }

    /// The exact bytes that were signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The requester's Ed25519 signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// What is signed: `"tacit/v1/consent-request" || bytes`.
#[must_use]
pub fn request_message(bytes: &[u8]) -> Vec<u8> {
    [b"tacit/v1/consent-request", bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Unit;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[4; 32])
    }

    fn frequency(value: u32, unit: Unit) -> Frequency {
        Frequency::new(value, unit).unwrap()
    }

    fn request() -> ConsentRequest {
        ConsentRequest {
            id: parse_ulid("01KAQ8A1B2C3D4E5F6G7H8J9K3").unwrap(),
            authority: "portal".parse().unwrap(),
            requester: "procurement".parse().unwrap(),
            pseudonym: [9; 32],
            epoch: 1,
            lists: vec!["court/judgment-defaulters".parse().unwrap(), "tax/violations".parse().unwrap()],
            purposes: vec!["vendor-selection".parse().unwrap(), "eligibility".parse().unwrap()],
            not_before: "2026-11-22T00:00:00.000Z".parse().unwrap(),
            expires: "2027-11-22T00:00:00.000Z".parse().unwrap(),
            frequency: frequency(4, Unit::Month),
        }
    }

    fn consent() -> Consent {
        let it = request();
        Consent {
            id: it.id,
            authority: it.authority,
            requester: it.requester,
            pseudonym: it.pseudonym,
            epoch: it.epoch,
            lists: it.lists,
            purposes: it.purposes,
            not_before: it.not_before,
            expires: it.expires,
            frequency: it.frequency,
            notice: [5; 32],
        }
    }

    #[test]
    fn a_request_has_one_spelling_and_one_signer() {
        let signed = SignedRequest::sign(request(), &key()).unwrap();
        let text = String::from_utf8(signed.bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "tacit-consent-request/v1\nid 01KAQ8A1B2C3D4E5F6G7H8J9K3\nauthority portal\nrequester procurement\n\
             pseudonym CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\nepoch 1\n\
             lists court/judgment-defaulters tax/violations\npurposes vendor-selection eligibility\n\
             not-before 2026-11-22T00:00:00.000Z\nexpires 2027-11-22T00:00:00.000Z\nfrequency 4 MONTH\n"
        );
        assert_eq!(ConsentRequest::parse(signed.bytes()), Ok(request()));
        for (from, to) in [
            ("epoch 1", "epoch 01"),
            ("4 MONTH\n", "4 MONTH"),
            ("4 MONTH\n", "4 MONTH\n\n"),
            ("4 MONTH\n", "4 MONTH\nnotice x\n"),
            ("request/v1", "request/v2"),
            ("tax/violations", "court/judgment-defaulters"),
            ("2027-11-22", "2026-11-22"),
            ("authority portal\n", ""),
        ] {
            assert!(ConsentRequest::parse(text.replace(from, to).as_bytes()).is_err(), "{from} -> {to}");
        }
        let verify = |bytes: &[u8], by: SigningKey| {
            SignedRequest::verify(bytes.to_vec(), *signed.signature(), |_| Some(by.verifying_key()))
        };
        assert_eq!(verify(signed.bytes(), key()), Ok(signed.clone()));
        assert_eq!(verify(signed.bytes(), SigningKey::from_seed(&[5; 32])), Err(RequestError::Signature));
        let changed = text.replace("4 MONTH", "5 MONTH");
        assert_eq!(verify(changed.as_bytes(), key()), Err(RequestError::Signature));
        // A request is no consent, and the signature of one is none of the other.
        assert!(Consent::parse(signed.bytes()).is_err());
        assert_ne!(request_message(b"x"), super::super::text::consent_message(b"x"));
        assert!(!format!("{signed:?} {:?}", request()).contains("9, 9"));
    }

    #[test]
    fn a_consent_gives_what_was_asked_for_or_less() {
        let asked = request();
        assert_eq!(asked.allows(&consent()), Ok(()));
        let fewer = Consent {
            lists: vec![asked.lists[1].clone()],
            purposes: vec![asked.purposes[0].clone()],
            not_before: asked.not_before.plus_ms(1),
            expires: Millis(asked.expires.0 - 1),
            frequency: frequency(3, Unit::Month),
            ..consent()
        };
        assert_eq!(asked.allows(&fewer), Ok(()));
        type Change = fn(&mut Consent);
        let more: [(&str, Change); 10] = [
            ("id", |it| it.id = Ulid(1)),
            ("authority", |it| it.authority = "portal-two".parse().unwrap()),
            ("requester", |it| it.requester = "tax".parse().unwrap()),
            ("pseudonym", |it| it.pseudonym[0] ^= 1),
            ("epoch", |it| it.epoch = 2),
            ("lists", |it| it.lists.push("court/other".parse().unwrap())),
            ("purposes", |it| it.purposes[0] = "research".parse().unwrap()),
            ("not-before", |it| it.not_before = Millis(it.not_before.0 - 1)),
            ("expires", |it| it.expires = it.expires.plus_ms(1)),
            ("frequency", |it| it.frequency = frequency(5, Unit::Month)),
        ];
        for (name, change) in more {
            let mut consent = consent();
            change(&mut consent);
            assert_eq!(asked.allows(&consent), Err(NotAsked(name)));
        }
    }

    #[test]
    fn a_frequency_in_another_unit_never_allows_more_in_any_window() {
        for (given, asked, due) in [
            ((4, Unit::Month), (4, Unit::Month), true),
            ((4, Unit::Year), (4, Unit::Month), true),
            ((5, Unit::Year), (4, Unit::Month), false),
            // Five weeks begin within 31 days.
            ((1, Unit::Week), (4, Unit::Month), false),
            ((1, Unit::Week), (5, Unit::Month), true),
            ((1, Unit::Hour), (23, Unit::Day), false),
            ((1, Unit::Hour), (24, Unit::Day), true),
        ] {
            let is = is_no_more_often(frequency(given.0, given.1), frequency(asked.0, asked.1));
            assert_eq!(is, due, "{given:?} for {asked:?}");
        }
    }

    #[test]
    fn a_request_stands_for_thirty_days_or_until_what_it_asks_for_ends() {
        let asked = request();
        let day = 24 * 60 * 60 * 1000;
        assert_eq!(asked.stands_until(asked.not_before), asked.not_before.plus_ms(30 * day));
        assert_eq!(asked.stands_until(Millis(asked.expires.0 - day)), asked.expires);
    }
}
