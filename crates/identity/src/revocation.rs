//! Serial numbers and revocation lists of the development CA (RFC 5280, section 5).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, PublicKeyData, RevokedCertParams, SerialNumber,
    SigningKey,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use tacit_model::Millis;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use crate::ca::{CaError, profile, seconds_after, seconds_backdated};
use crate::peer::sha256;

/// Bytes of a serial number that we make.
const SERIAL_BYTES: usize = 16;
/// Longest serial number that a CA may make (RFC 5280, section 4.1.2.2).
const SERIAL_MAX_BYTES: usize = 20;

/// Serial number of a certificate: 1 to 20 bytes, big-endian, without leading zeros. Displayed in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// The serial number of the first certificate in a PEM file's bytes.
    ///
    /// # Errors
    /// [`CaError::Content`] when there is none.
    pub fn of_pem(pem: &[u8]) -> Result<Self, CaError> {
        let missing = || CaError::Content { file: "the given file", wanted: "certificate" };
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| missing())?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| missing())?;
        Self::from_bytes(certificate.raw_serial())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CaError> {
        let start = bytes.iter().position(|byte| *byte != 0).ok_or(CaError::Serial)?;
        let bytes = &bytes[start..];
        if bytes.len() > SERIAL_MAX_BYTES { Err(CaError::Serial) } else { Ok(Self(bytes.to_vec())) }
    }

    /// First 16 bytes of the hash of the public key, made positive and of fixed length by the two top bits.
    pub(crate) fn of_key(key: &impl PublicKeyData) -> Self {
        let mut bytes = sha256(&key.subject_public_key_info())[..SERIAL_BYTES].to_vec();
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        Self(bytes)
    }

    /// As rcgen wants it.
    pub(crate) fn to_rcgen(&self) -> SerialNumber {
        SerialNumber::from_slice(&self.0)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = CaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&hex::decode(text.replace(':', "")).map_err(|_| CaError::Serial)?)
    }
}

/// Signs a revocation list, PEM.
pub(crate) fn sign_crl(
    issuer: &Issuer<'static, impl SigningKey>,
    number: u64,
    revoked: &BTreeMap<Serial, Millis>,
    now: Millis,
) -> Result<String, CaError> {
    let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let revoked_certs = revoked
        .iter()
        .map(|(serial, when)| {
            Ok(RevokedCertParams {
                serial_number: serial.to_rcgen(),
                revocation_time: at(seconds_after(*when, 0)?),
                reason_code: None,
                invalidity_date: None,
            })
        })
        .collect::<Result<_, CaError>>()?;
    let list = CertificateRevocationListParams {
        this_update: at(seconds_backdated(now)?),
        next_update: at(seconds_after(now, profile::CRL_DAYS)?),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.pem()?)
}

/// Number and revoked serials of a revocation list of ours.
pub(crate) fn parse_crl(pem: &str) -> Result<(u64, BTreeMap<Serial, Millis>), CaError> {
    let missing = || CaError::Content { file: profile::CRL_FILE, wanted: "revocation list with a number" };
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).map_err(|_| missing())?;
    let (_, list) = CertificateRevocationList::from_der(&der).map_err(|_| missing())?;
    let number = list.crl_number().and_then(|number| u64::try_from(number).ok()).ok_or_else(missing)?;
    let revoked = list
        .iter_revoked_certificates()
        .map(|entry| {
            let when = u64::try_from(entry.revocation_date.timestamp()).unwrap_or(0);
            Ok((Serial::from_bytes(entry.raw_serial())?, Millis(when.saturating_mul(1000))))
        })
        .collect::<Result<_, CaError>>()?;
    Ok((number, revoked))
}
