//! Letters between a member and the consent authorities, about one subject (docs/PROTOCOL.md, P190 to P193).
//!
//! The body is encrypted once under a fresh key, and the key wrapped for each recipient by HPKE (RFC 9180) base mode:
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
//!
//! ```text
//! content:  1 to 48 KiB, whatever the two sides agreed on
//! body:     signature(64) || u32 len || content, zero-padded to 4, 16 or 64 KiB
//! letter:   version(1) || u8 n || n × { lp(recipient) || enc(32) || wrapped key(48) } || key check(32) || body + tag(16)
//! ```
//!
//! The wrapped keys are bound to sender, member, pseudonym, all recipients and the key check; the body to sender, member,
//! pseudonym and every byte before it. The key check commits to the key: a sender cannot
//! make one letter say different things to different recipients, and who shows the key shows what everybody read.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_model::MemberId;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::{Reader, b3, length_u32, put_lp};
use crate::{BlindError, Hash};

/// HPKE info, and first bytes of what is bound and signed.
const CONTEXT: &[u8] = b"tacit/v1/letter";
/// First byte of every letter.
const VERSION: u8 = 1;
/// Sizes of a body in bytes.
pub const BODY_SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
/// Most bytes of a letter's content.
pub const MAX_CONTENT: usize = 48 << 10;
/// Most recipients of one letter.
pub const MAX_RECIPIENTS: usize = 16;
/// Most bytes of a sealed letter.
pub const MAX_LETTER: usize = 1 + 1 + MAX_RECIPIENTS * (2 + 63 + ENC + WRAPPED) + 32 + BODY_SIZES[2] + TAG;

const SIGNATURE: usize = 64;
const HEAD: usize = SIGNATURE + 4;
const KEY: usize = 32;
const ENC: usize = 32;
const TAG: usize = 16;
const WRAPPED: usize = KEY + TAG;

/// A member's public key for letters (X25519).
#[derive(Clone, PartialEq, Eq)]
pub struct LetterPublicKey(<X25519HkdfSha256 as Kem>::PublicKey);

impl LetterPublicKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`BlindError::Key`] if HPKE refuses them.
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        Deserializable::from_bytes(bytes).map(Self).map_err(|_| BlindError::Key)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

impl fmt::Debug for LetterPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterPublicKey(..)")
    }
}

/// A member's private key for letters (X25519), wiped on drop.
#[derive(Clone)]
pub struct LetterSecretKey(<X25519HkdfSha256 as Kem>::PrivateKey);

impl LetterSecretKey {
    /// DeriveKeyPair of RFC 9180 section 7.1.3 from 32 secret random bytes.
    #[must_use]
    pub fn derive(seed: &[u8; 32]) -> (Self, LetterPublicKey) {
        let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
        (Self(secret), LetterPublicKey(public))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> LetterPublicKey {
        LetterPublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }
}

impl fmt::Debug for LetterSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterSecretKey(..)")
    }
}

/// Between whom a letter goes, and about whom. `Debug` does not show the pseudonym.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// Who wrote it.
    pub sender: &'a MemberId,
    /// Whose pseudonym it is about: the sender, when the letter is to the subject.
    pub member: &'a MemberId,
    /// T.
    pub pseudonym: &'a [u8; 32],
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} about one of {})", self.sender, self.member)
    }
}

impl Envelope<'_> {
    /// What the sender signs: "tacit/v1/letter" || lp(sender) || lp(member) || T || u32 len || content.
    fn signed(&self, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, BlindError> {
        let length = CONTEXT.len() + 4 + self.sender.len() + self.member.len() + 32 + 4 + content.len();
        let mut message = Zeroizing::new(Vec::with_capacity(length));
        self.put(&mut message)?;
        message.extend_from_slice(&length_u32("a letter", content)?);
        message.extend_from_slice(content);
        Ok(message)
    }

    /// Signs a content as the sender: always the same signature, which is in every sealing of it.
    ///
    /// # Errors
    /// [`BlindError::TooLong`].
    pub fn sign(&self, content: &[u8], signing: &SigningKey) -> Result<[u8; SIGNATURE], BlindError> {
        Ok(signing.sign(&self.signed(content)?))
    }

    /// Whether the sender signed this content: for a letter that is enclosed in another.
    ///
    /// # Errors
    /// [`LetterFault::Signature`].
    pub fn verify(
        &self,
        content: &[u8],
        signature: &[u8; SIGNATURE],
        sender: &VerifyingKey,
    ) -> Result<(), LetterFault> {
        sender.verify(&self.signed(content)?, signature).map_err(|_| LetterFault::Signature)
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), BlindError> {
        out.extend_from_slice(CONTEXT);
        put_lp(out, "a sender", self.sender.as_bytes())?;
        put_lp(out, "a member", self.member.as_bytes())?;
        out.extend_from_slice(self.pseudonym);
        Ok(())
    }

    /// What a wrapped key is bound to: the envelope, u8 n, lp(recipient) of each, the key check; then the one recipient.
    fn wraps<'r>(
        &self,
        recipients: impl ExactSizeIterator<Item = &'r str>,
        check: &Hash,
    ) -> Result<Vec<u8>, BlindError> {
        let mut bytes = Vec::with_capacity(512);
        self.put(&mut bytes)?;
        bytes.push(count(recipients.len())?);
        for recipient in recipients {
            put_lp(&mut bytes, "a recipient", recipient.as_bytes())?;
        }
        bytes.extend_from_slice(check);
        Ok(bytes)
    }

    /// What the body is bound to: the envelope, and the letter's bytes before it.
    fn body_bound(&self, head: &[u8]) -> Result<Vec<u8>, BlindError> {
        let mut bytes = Vec::with_capacity(512 + head.len());
        self.put(&mut bytes)?;
        bytes.extend_from_slice(head);
        Ok(bytes)
    }
}

fn count(recipients: usize) -> Result<u8, BlindError> {
    match u8::try_from(recipients) {
        Ok(0) => Err(BlindError::Empty { what: "recipients" }),
        Ok(count) if recipients <= MAX_RECIPIENTS => Ok(count),
        _ => Err(BlindError::TooMany { what: "recipients", limit: MAX_RECIPIENTS, found: recipients }),
    }
}

/// The hash by which records name a letter.
#[must_use]
pub fn letter_hash(sealed: &[u8]) -> Hash {
    b3("tacit v1 letter", &[sealed])
}

fn key_check(key: &[u8; KEY]) -> Hash {
    b3("tacit v1 letter key", &[key])
}

/// Signs and seals a letter.
///
/// # Errors
/// [`BlindError::Empty`], [`BlindError::TooLong`] for no content or more than [`MAX_CONTENT`];
/// [`BlindError::TooMany`], [`BlindError::Repeated`] for recipients; [`BlindError::Key`] for an unfit key.
pub fn seal(
    envelope: &Envelope<'_>,
    content: &[u8],
    signing: &SigningKey,
    recipients: &[(&MemberId, &LetterPublicKey)],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, BlindError> {
    let body = body(envelope, content, signing)?;
    let mut key = Zeroizing::new([0; KEY]);
    rng.fill_bytes(key.as_mut());
    let check = key_check(&key);
    let bound = envelope.wraps(recipients.iter().map(|(id, _)| id.as_str()), &check)?;
    let mut sealed = Vec::with_capacity(MAX_LETTER);
    sealed.extend_from_slice(&[VERSION, count(recipients.len())?]);
    for (place, (id, public)) in recipients.iter().enumerate() {
        if recipients.iter().take(place).any(|(other, _)| other == id) {
            return Err(BlindError::Repeated { what: "recipient" });
        }
        let (enc, wrapped) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &public.0,
                CONTEXT,
                key.as_ref(),
                &wrap_bound(&bound, id.as_str())?,
                rng,
            )
            .map_err(|_| BlindError::Key)?;
        put_lp(&mut sealed, "a recipient", id.as_bytes())?;
        sealed.extend_from_slice(&enc.to_bytes());
        sealed.extend_from_slice(&wrapped);
    }
    sealed.extend_from_slice(&check);
    let body = encrypt(&key, &envelope.body_bound(&sealed)?, body)?;
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// What the wrapped key of one of the recipients is bound to.
fn wrap_bound(bound: &[u8], recipient: &str) -> Result<Vec<u8>, BlindError> {
    let mut bytes = bound.to_vec();
    put_lp(&mut bytes, "a recipient", recipient.as_bytes())?;
    Ok(bytes)
}

/// The padded plaintext.
fn body(
    envelope: &Envelope<'_>,
    content: &[u8],
    signing: &SigningKey,
) -> Result<Zeroizing<Vec<u8>>, BlindError> {
    if content.is_empty() {
        return Err(BlindError::Empty { what: "content" });
    }
    let fits = |size: &&usize| content.len() + HEAD <= **size && content.len() <= MAX_CONTENT;
    let size = BODY_SIZES.iter().find(fits);
    let size = *size.ok_or(BlindError::TooLong { what: "a letter", limit: MAX_CONTENT })?;
    let signature = envelope.sign(content, signing)?;
    // Full capacity at once, the tag too: growing would leave copies behind that nobody wipes.
    let mut body = Zeroizing::new(Vec::with_capacity(size + TAG));
    body.extend_from_slice(&signature);
    body.extend_from_slice(&length_u32("a letter", content)?);
    body.extend_from_slice(content);
    body.resize(size, 0);
    Ok(body)
}

fn cipher(key: &[u8; KEY]) -> LessSafeKey {
    #[expect(
        clippy::expect_used,
        reason = "the only failure is a key length other than 32, and the type is 32 bytes"
    )]
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("a 32-byte key");
    LessSafeKey::new(key)
}

/// The key is used for this one body, so the nonce is zero.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn encrypt(key: &[u8; KEY], bound: &[u8], mut body: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, BlindError> {
    let sealed = cipher(key).seal_in_place_append_tag(nonce(), Aad::from(bound), &mut *body);
    sealed.map_err(|_| BlindError::Key)?;
    Ok(std::mem::take(&mut *body))
}

/// Why a letter is nobody's letter. Its record stays, and says that there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LetterFault {
    /// The bytes have not the form of a letter.
    #[error("the letter has not the form of one")]
    Form,
    /// It is sealed to others.
    #[error("the letter is sealed to others")]
    Recipient,
    /// It does not open: altered, or made for another sender, member, pseudonym or key.
    #[error("the letter does not open")]
    Sealed,
    /// It opens, and its sender did not sign what is in it.
    #[error("the letter is not signed by its sender")]
    Signature,
}

impl From<BlindError> for LetterFault {
    fn from(_: BlindError) -> Self {
        Self::Form
    }
}

/// A letter that was opened: what its sender signed. Wiped on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedLetter {
    content: Zeroizing<Vec<u8>>,
    signature: [u8; SIGNATURE],
    key: Zeroizing<[u8; KEY]>,
}

impl OpenedLetter {
    /// What is in it.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The sender's signature over envelope and content.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The key of this one letter: who has it and the sealed bytes can show what the letter says ([`open_with`]).
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for OpenedLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedLetter(..)")
    }
}

/// A sealed letter, taken apart.
struct Parts<'a> {
    recipients: Vec<Wrapped<'a>>,
    check: Hash,
    /// Everything before the body.
    head: &'a [u8],
    body: &'a [u8],
}

/// A key wrapped for one recipient.
struct Wrapped<'a> {
    recipient: &'a str,
    enc: [u8; ENC],
    key: &'a [u8],
}

fn parts(sealed: &[u8]) -> Result<Parts<'_>, LetterFault> {
    let mut reader = Reader::new(sealed);
    if reader.u8("version")? != VERSION {
        return Err(LetterFault::Form);
    }
    let count = usize::from(reader.u8("recipients")?);
    if !(1..=MAX_RECIPIENTS).contains(&count) {
        return Err(LetterFault::Form);
    }
    let mut recipients: Vec<Wrapped<'_>> = Vec::with_capacity(count);
    for _ in 0..count {
        let recipient = std::str::from_utf8(reader.lp("recipient")?).map_err(|_| LetterFault::Form)?;
        if recipient.parse::<MemberId>().is_err() || recipients.iter().any(|it| it.recipient == recipient) {
            return Err(LetterFault::Form);
        }
        recipients.push(Wrapped { recipient, enc: reader.array("enc")?, key: reader.take("key", WRAPPED)? });
    }
    let check = reader.array("key check")?;
    let body = reader.rest();
    if !BODY_SIZES.iter().any(|size| size + TAG == body.len()) {
        return Err(LetterFault::Form);
    }
    let head = sealed.get(..sealed.len() - body.len()).ok_or(LetterFault::Form)?;
    Ok(Parts { recipients, check, head, body })
}

/// The members that a letter is sealed to, as it says; nothing of that is proven.
///
/// # Errors
/// [`LetterFault::Form`].
pub fn recipients(sealed: &[u8]) -> Result<Vec<MemberId>, LetterFault> {
    let named = parts(sealed)?.recipients.into_iter().map(|it| it.recipient.parse());
    named.collect::<Result<_, _>>().map_err(|_| LetterFault::Form)
}

/// Opens a letter as one of its recipients, and verifies that its sender signed it.
///
/// # Errors
/// [`LetterFault`].
pub fn open(
    sealed: &[u8],
    envelope: &Envelope<'_>,
    recipient: &MemberId,
    secret: &LetterSecretKey,
    sender: &VerifyingKey,
) -> Result<OpenedLetter, LetterFault> {
    let parts = parts(sealed)?;
    let bound = envelope.wraps(parts.recipients.iter().map(|it| it.recipient), &parts.check)?;
    let own = parts.recipients.iter().find(|it| it.recipient == recipient.as_str());
    let own = own.ok_or(LetterFault::Recipient)?;
    let enc = Deserializable::from_bytes(&own.enc).map_err(|_| LetterFault::Form)?;
    let unwrapped = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.0,
        &enc,
        CONTEXT,
        own.key,
        &wrap_bound(&bound, own.recipient)?,
    );
    let unwrapped = Zeroizing::new(unwrapped.map_err(|_| LetterFault::Sealed)?);
    let mut key = Zeroizing::new([0; KEY]);
    if unwrapped.len() != KEY {
        return Err(LetterFault::Sealed);
    }
    key.copy_from_slice(&unwrapped);
    decrypt(&parts, &key, envelope, sender)
}

/// Opens a letter with its own key, as [`OpenedLetter::key`] gave it: for whom a recipient shows it to.
///
/// # Errors
/// [`LetterFault`].
pub fn open_with(
    sealed: &[u8],
    envelope: &Envelope<'_>,
    key: &[u8; 32],
    sender: &VerifyingKey,
) -> Result<OpenedLetter, LetterFault> {
    decrypt(&parts(sealed)?, key, envelope, sender)
}

fn decrypt(
    parts: &Parts<'_>,
    key: &[u8; KEY],
    envelope: &Envelope<'_>,
    sender: &VerifyingKey,
) -> Result<OpenedLetter, LetterFault> {
    if key_check(key) != parts.check {
        return Err(LetterFault::Sealed);
    }
    let bound = envelope.body_bound(parts.head)?;
    let mut body = Zeroizing::new(parts.body.to_vec());
    let plain = cipher(key).open_in_place(nonce(), Aad::from(bound), &mut body);
    let plain = plain.map_err(|_| LetterFault::Sealed)?;
    let mut reader = Reader::new(plain);
    let signature = reader.array("signature")?;
    let length =
        usize::try_from(u32::from_be_bytes(reader.array("length")?)).map_err(|_| LetterFault::Form)?;
    let content = reader.take("content", length)?;
    let whole = (1..=MAX_CONTENT).contains(&length) && reader.rest().iter().all(|byte| *byte == 0);
    let size = BODY_SIZES.iter().find(|size| length + HEAD <= **size);
    if !whole || size != Some(&plain.len()) {
        return Err(LetterFault::Form);
    }
    envelope.verify(content, &signature, sender)?;
    Ok(OpenedLetter { content: Zeroizing::new(content.to_vec()), signature, key: Zeroizing::new(*key) })
}

#[cfg(test)]
mod tests;
