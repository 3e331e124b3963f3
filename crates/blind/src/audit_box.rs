//! The audit box (section 3): what exposes a requester that enrolled something else than it claims.
//!
//! HPKE (RFC 9180) base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, twice: to
//! auditors' key 1, and the result to auditors' key 2, held by different people.
//!
//! ```text
//! plaintext: lp(scheme) lp(code) z(32) lp(case) lp(officer), zero-padded to 512
//! inner: enc(32) || ciphertext(512 + 16), to key 1
//! box:   enc(32) || ciphertext(560 + 16), to key 2              608 bytes
//! ```

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::BlindError;
use crate::encoding::{Reader, put_lp};
use crate::group::{Point, SecretScalar};
use crate::subject::Subject;

/// HPKE info of both layers.
const INFO: &[u8] = b"tacit/v1/audit-box";
/// Bytes of the padded plaintext.
pub const PLAINTEXT_BYTES: usize = 512;
/// enc and authentication tag of one layer.
const LAYER_BYTES: usize = 32 + 16;
/// Bytes of a box.
pub const BOX_BYTES: usize = PLAINTEXT_BYTES + 2 * LAYER_BYTES;
/// Bytes of a box less its outer layer.
pub const INNER_BYTES: usize = PLAINTEXT_BYTES + LAYER_BYTES;

/// An auditors' public key (X25519).
#[derive(Clone, PartialEq, Eq)]
pub struct AuditorPublicKey(<X25519HkdfSha256 as Kem>::PublicKey);

impl AuditorPublicKey {
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

impl fmt::Debug for AuditorPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditorPublicKey(..)")
    }
}

/// An auditors' private key (X25519), wiped on drop.
#[derive(Clone)]
pub struct AuditorSecretKey(<X25519HkdfSha256 as Kem>::PrivateKey);

impl AuditorSecretKey {
    /// DeriveKeyPair of RFC 9180 section 7.1.3 from 32 secret random bytes.
    #[must_use]
    pub fn derive(seed: &[u8; 32]) -> (Self, AuditorPublicKey) {
        let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
        (Self(secret), AuditorPublicKey(public))
    }

    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`BlindError::Key`] if HPKE refuses them.
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        Deserializable::from_bytes(bytes).map(Self).map_err(|_| BlindError::Key)
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> AuditorPublicKey {
        AuditorPublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }
}

impl fmt::Debug for AuditorSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditorSecretKey(..)")
    }
}

/// The three points of one registration, which the box is sealed to as associated data.
#[derive(Debug, Clone, Copy)]
pub struct Registered<'a> {
    /// Ph.
    pub blinded_subject: &'a Point,
    /// Th.
    pub evaluated: &'a Point,
    /// T.
    pub pseudonym: &'a Point,
}

impl Registered<'_> {
    fn aad(&self) -> [u8; 96] {
        let mut aad = [0; 96];
        aad[..32].copy_from_slice(self.blinded_subject.as_bytes());
        aad[32..64].copy_from_slice(self.evaluated.as_bytes());
        aad[64..].copy_from_slice(self.pseudonym.as_bytes());
        aad
    }
}

/// What a requester writes into a box. Borrowed, so that nothing is copied before sealing.
#[derive(Clone, Copy)]
pub struct BoxContents<'a> {
    /// Scheme of the code.
    pub scheme: &'a str,
    /// Normalized code.
    pub code: &'a str,
    /// The blind z of the enrollment.
    pub z: &'a SecretScalar,
    /// Case number.
    pub case: &'a str,
    /// Who asked.
    pub officer: &'a str,
}

impl fmt::Debug for BoxContents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxContents(..)")
    }
}

impl BoxContents<'_> {
    fn plaintext(&self) -> Result<Zeroizing<Vec<u8>>, BlindError> {
        // Full capacity at once: growing would leave copies behind that nobody wipes.
        let length = 32 + 8 + self.scheme.len() + self.code.len() + self.case.len() + self.officer.len();
        if length > PLAINTEXT_BYTES {
            return Err(BlindError::TooLong { what: "the contents of an audit box", limit: PLAINTEXT_BYTES });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(PLAINTEXT_BYTES));
        put_lp(&mut bytes, "a scheme", self.scheme.as_bytes())?;
        put_lp(&mut bytes, "a code", self.code.as_bytes())?;
        bytes.extend_from_slice(self.z.expose_bytes().as_ref());
        put_lp(&mut bytes, "a case", self.case.as_bytes())?;
        put_lp(&mut bytes, "an officer", self.officer.as_bytes())?;
        bytes.resize(PLAINTEXT_BYTES, 0);
        Ok(bytes)
    }
}

/// Seals a box of [`BOX_BYTES`] bytes to key 1, then key 2.
///
/// # Errors
/// [`BlindError::TooLong`] if the contents need more than 512 bytes; [`BlindError::Key`] if a key is unfit.
pub fn seal(
    contents: &BoxContents<'_>,
    registered: &Registered<'_>,
    keys: (&AuditorPublicKey, &AuditorPublicKey),
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, BlindError> {
    let aad = registered.aad();
    let inner = seal_layer(INFO, &contents.plaintext()?, &aad, keys.0, rng)?;
    seal_layer(INFO, &inner, &aad, keys.1, rng)
}

pub(crate) fn seal_layer(
    info: &[u8],
    plaintext: &[u8],
    aad: &[u8],
    key: &AuditorPublicKey,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, BlindError> {
    let (enc, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key.0,
            info,
            plaintext,
            aad,
            rng,
        )
        .map_err(|_| BlindError::Key)?;
    let mut bytes = Vec::with_capacity(plaintext.len() + LAYER_BYTES);
    bytes.extend_from_slice(&enc.to_bytes());
    bytes.extend_from_slice(&ciphertext);
    Ok(bytes)
}

/// An opened box: what the requester claimed. Wiped on drop, never printed.
pub struct OpenedBox {
    scheme: Zeroizing<String>,
    code: Zeroizing<String>,
    z: SecretScalar,
    case: String,
    officer: String,
}

impl OpenedBox {
    /// Scheme of the code.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The code that the requester claims to have enrolled.
    #[must_use]
    pub fn expose_code(&self) -> &str {
        &self.code
    }

    /// Case number.
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }

    /// Who asked.
    #[must_use]
    pub fn officer(&self) -> &str {
        &self.officer
    }
}

impl Drop for OpenedBox {
    fn drop(&mut self) {
        self.case.zeroize();
        self.officer.zeroize();
    }
}

impl fmt::Debug for OpenedBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedBox(..)")
    }
}

/// What an auditor finds wrong with a registration. Each of them names a requester that lied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BoxFinding {
    /// The box does not open, or its plaintext has no sound form.
    #[error("the audit box cannot be read")]
    Unreadable,
    /// `Ph = z · HashToGroup(input)` does not hold: another subject was enrolled.
    #[error("what was enrolled is not the subject named in the box")]
    OtherSubject,
    /// `Th = z · T` does not hold: the pseudonym is not that of the subject.
    #[error("the pseudonym is not that of the subject named in the box")]
    OtherPseudonym,
}

/// Opens a box with both private keys and reads the claim, without judging it: see [`check_opened`].
///
/// # Errors
/// [`BoxFinding::Unreadable`].
pub fn open(
    sealed: &[u8],
    registered: &Registered<'_>,
    keys: (&AuditorSecretKey, &AuditorSecretKey),
) -> Result<OpenedBox, BoxFinding> {
    if sealed.len() != BOX_BYTES {
        return Err(BoxFinding::Unreadable);
    }
    let aad = registered.aad();
    let inner = open_layer(INFO, sealed, &aad, keys.1)?;
    let plaintext = open_layer(INFO, &inner, &aad, keys.0)?;
    parse(&plaintext).map_err(|_| BoxFinding::Unreadable)
}

/// Removes the outer layer, sealed to key 2; [`open_inner`] is for whoever holds key 1. So the two key holders
/// need not put their keys into one process.
///
/// # Errors
/// [`BoxFinding::Unreadable`].
pub fn open_outer(
    sealed: &[u8],
    registered: &Registered<'_>,
    key_2: &AuditorSecretKey,
) -> Result<Zeroizing<Vec<u8>>, BoxFinding> {
    if sealed.len() != BOX_BYTES {
        return Err(BoxFinding::Unreadable);
    }
    open_layer(INFO, sealed, &registered.aad(), key_2)
}

/// Opens what [`open_outer`] gave.
///
/// # Errors
/// [`BoxFinding::Unreadable`].
pub fn open_inner(
    inner: &[u8],
    registered: &Registered<'_>,
    key_1: &AuditorSecretKey,
) -> Result<OpenedBox, BoxFinding> {
    let plaintext = open_layer(INFO, inner, &registered.aad(), key_1)?;
    parse(&plaintext).map_err(|_| BoxFinding::Unreadable)
}

pub(crate) fn open_layer(
    info: &[u8],
    sealed: &[u8],
    aad: &[u8],
    key: &AuditorSecretKey,
) -> Result<Zeroizing<Vec<u8>>, BoxFinding> {
    let (enc, ciphertext) = sealed.split_first_chunk::<32>().ok_or(BoxFinding::Unreadable)?;
    let enc = Deserializable::from_bytes(enc).map_err(|_| BoxFinding::Unreadable)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &key.0,
        &enc,
        info,
        ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| BoxFinding::Unreadable)
}

fn parse(plaintext: &[u8]) -> Result<OpenedBox, BlindError> {
    if plaintext.len() != PLAINTEXT_BYTES {
        return Err(BlindError::BoxUnreadable);
    }
    let mut reader = Reader::new(plaintext);
    let scheme = Zeroizing::new(reader.parsed::<String>("scheme")?);
    let code = Zeroizing::new(reader.parsed::<String>("code")?);
    let z = SecretScalar::decode(&Zeroizing::new(reader.array("z")?))?;
    let case = reader.parsed("case")?;
    let officer = reader.parsed("officer")?;
    if reader.rest().iter().any(|&byte| byte != 0) {
        return Err(BlindError::Trailing);
    }
    Ok(OpenedBox { scheme, code, z, case, officer })
}

/// The auditor's two checks: `Ph = z·HashToGroup(input)` and `Th = z·T`.
///
/// The first exposes an alias P+G, the second an alias r·P whose box claims z·r.
///
/// # Errors
/// The finding.
pub fn check_opened(opened: &OpenedBox, registered: &Registered<'_>) -> Result<(), BoxFinding> {
    let subject = Subject::from_parts(&opened.scheme, &opened.code).map_err(|_| BoxFinding::Unreadable)?;
    if Point::from_product(subject.point() * opened.z.0) != *registered.blinded_subject {
        return Err(BoxFinding::OtherSubject);
    }
    if registered.pseudonym.mul(&opened.z) != *registered.evaluated {
        return Err(BoxFinding::OtherPseudonym);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const CODE: &str = "91350100M000100Y43";

    fn fixture() -> (ChaCha20Rng, Subject, SecretScalar, [Point; 3]) {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let subject = Subject::from_parts("CN-USCC", CODE).unwrap();
        let (z, k) = (SecretScalar::random(&mut rng), SecretScalar::random(&mut rng));
        let t = Point::from_product(subject.point() * k.0);
        let points = [Point::from_product(subject.point() * z.0), t.mul(&z), t];
        (rng, subject, z, points)
    }

    fn registered(points: &[Point; 3]) -> Registered<'_> {
        Registered { blinded_subject: &points[0], evaluated: &points[1], pseudonym: &points[2] }
    }

    #[test]
    fn both_auditors_together_read_what_was_claimed_and_neither_alone() {
        let (mut rng, _, z, points) = fixture();
        let (s1, p1) = AuditorSecretKey::derive(&[1; 32]);
        let (s2, p2) = AuditorSecretKey::derive(&[2; 32]);
        assert_eq!(s1.public(), p1);
        let contents = BoxContents { scheme: "CN-USCC", code: CODE, z: &z, case: "PROC-1", officer: "o-17" };
        let sealed = seal(&contents, &registered(&points), (&p1, &p2), &mut rng).unwrap();
        assert_eq!(sealed.len(), BOX_BYTES);
        let opened = open(&sealed, &registered(&points), (&s1, &s2)).unwrap();
        assert_eq!((opened.scheme(), opened.expose_code()), ("CN-USCC", CODE));
        assert_eq!((opened.case(), opened.officer()), ("PROC-1", "o-17"));
        check_opened(&opened, &registered(&points)).unwrap();
        assert!(!format!("{opened:?} {contents:?}").contains(CODE));

        for keys in [(&s1, &s1), (&s2, &s2), (&s2, &s1)] {
            assert_eq!(open(&sealed, &registered(&points), keys).unwrap_err(), BoxFinding::Unreadable);
        }
        let inner = open_outer(&sealed, &registered(&points), &s2).unwrap();
        assert_eq!(open_inner(&inner, &registered(&points), &s1).unwrap().expose_code(), CODE);
    }

    #[test]
    fn a_box_moved_to_another_registration_does_not_open() {
        let (mut rng, _, z, points) = fixture();
        let (s1, p1) = AuditorSecretKey::derive(&[1; 32]);
        let (s2, p2) = AuditorSecretKey::derive(&[2; 32]);
        let contents = BoxContents { scheme: "CN-USCC", code: CODE, z: &z, case: "c", officer: "o" };
        let mut sealed = seal(&contents, &registered(&points), (&p1, &p2), &mut rng).unwrap();
        let other = [points[1], points[0], points[2]];
        assert!(open(&sealed, &registered(&other), (&s1, &s2)).is_err());
        sealed[100] ^= 1;
        assert!(open(&sealed, &registered(&points), (&s1, &s2)).is_err());
        assert!(open(&sealed[..BOX_BYTES - 1], &registered(&points), (&s1, &s2)).is_err());
    }

    #[test]
    fn contents_beyond_512_bytes_are_refused_and_exactly_512_fit() {
        let (mut rng, _, z, points) = fixture();
        let (s1, p1) = AuditorSecretKey::derive(&[1; 32]);
        let (s2, p2) = AuditorSecretKey::derive(&[2; 32]);
        let room = PLAINTEXT_BYTES - 40 - "CN-USCC".len() - CODE.len();
        for (length, fits) in [(room, true), (room + 1, false)] {
            let case = "x".repeat(length);
            let contents = BoxContents { scheme: "CN-USCC", code: CODE, z: &z, case: &case, officer: "" };
            let sealed = seal(&contents, &registered(&points), (&p1, &p2), &mut rng);
            assert_eq!(sealed.is_ok(), fits);
            if let Ok(sealed) = sealed {
                assert_eq!(open(&sealed, &registered(&points), (&s1, &s2)).unwrap().case(), case);
            }
        }
    }

    #[test]
    fn padding_that_is_not_zero_is_a_finding() {
        let (_, _, z, _) = fixture();
        let contents = BoxContents { scheme: "LEI", code: "x", z: &z, case: "c", officer: "o" };
        let mut plaintext = contents.plaintext().unwrap();
        assert!(parse(&plaintext).is_ok());
        plaintext[511] = 1;
        assert_eq!(parse(&plaintext).unwrap_err(), BlindError::Trailing);
    }
}
