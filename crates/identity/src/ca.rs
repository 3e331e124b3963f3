//! The development CA: enough of one to run a federation on one machine, by the rules of
//! `certs/profile/development-ca.toml`.
//!
//! Keys come from the operating system through ring, which takes no other source of randomness. Serial numbers
//! are taken from the hash of the fresh public key, so a serial can be found from the `cnf` of a log record.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tacit_model::Millis;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::files::{FileError, read_private, read_public, write_private, write_public};
use crate::peer::{IdentityError, PeerIdentity, only_uri, sha256};
use crate::revocation::{Serial, parse_crl, sign_crl};
use crate::spiffe::{Federation, SpiffeError, SpiffeId};

/// The numbers of the development profile. `certs/profile/development-ca.toml` says the same, and a test
/// compares the two.
pub mod profile {
    /// Validity of the CA certificate: five years.
    pub const AUTHORITY_DAYS: u64 = 5 * 365;
    /// Validity of a leaf certificate.
    pub const LEAF_DAYS: u64 = 90;
    /// Time from `thisUpdate` to `nextUpdate` of a revocation list.
    pub const CRL_DAYS: u64 = 90;
    /// Certificates and lists are valid from this long before they are made, for clocks that are a little slow.
    pub const BACKDATE_SECONDS: u64 = 3600;
    /// Name of the CA certificate in the folder of the CA.
    pub const AUTHORITY_FILE: &str = "ca.pem";
    /// Name of the CA's private key in the folder of the CA.
    pub const AUTHORITY_KEY_FILE: &str = "ca.key";
    /// Name of the revocation list in the folder of the CA.
    pub const CRL_FILE: &str = "crl.pem";
}

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// 9900-01-01, far enough from the last date that X.509 can write (RFC 5280, section 4.1.2.5).
const LATEST_SECONDS: u64 = 250_246_022_400;

/// The development CA could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file of the CA could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// rcgen refused; a fault of ours.
    #[error("cannot make the certificate or list: {0}")]
    Make(#[from] rcgen::Error),
    /// A file of the CA does not hold what its name says.
    #[error("{file} in the folder of the CA holds no {wanted}")]
    Content {
        /// Name of the file.
        file: &'static str,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The key in `ca.key` is not the one in `ca.pem`.
    #[error("ca.key does not belong to ca.pem")]
    KeyMismatch,
    /// Not a certificate request (PKCS #10), or its signature is not by the key in it.
    #[error("the certificate request cannot be used: {0}")]
    Request(rcgen::Error),
    /// The CA certificate does not say which federation it is for.
    #[error("the CA certificate names no federation: {0}")]
    NoFederation(#[from] IdentityError),
    /// The id is of another federation than the CA.
    #[error("{id} is not of the federation {federation}")]
    OtherFederation {
        /// For whom a certificate was asked.
        id: SpiffeId,
        /// The federation of the CA.
        federation: Federation,
    },
    /// The time is after the year 9900, which X.509 cannot write.
    #[error("the time is out of range for a certificate")]
    TimeOutOfRange,
    /// The text is not a serial number: 1 to 20 bytes in hexadecimal.
    #[error("not a serial number: 2 to 40 hexadecimal digits are wanted")]
    Serial,
}

/// A certificate and its private key, fresh from the CA. The key is wiped when dropped and shown by no Debug.
pub struct IssuedLeaf {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS #8 in PEM.
    pub key_pem: Zeroizing<String>,
    /// Serial number, for revocation.
    pub serial: Serial,
    /// Who it names and its `cnf`.
    pub identity: PeerIdentity,
}

impl fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedLeaf")
            .field("serial", &self.serial)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl IssuedLeaf {
    /// Writes `<stem>.pem` (mode 0644) and `<stem>.key` (mode 0600) into `folder`.
    ///
    /// # Errors
    /// [`CaError::File`] when they cannot be written.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<(), CaError> {
        write_private(&folder.join(format!("{stem}.key")), self.key_pem.as_bytes())?;
        write_public(&folder.join(format!("{stem}.pem")), self.certificate_pem.as_bytes())?;
        Ok(())
    }
}

/// A certificate for a key that somebody else made.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Serial number, for revocation.
    pub serial: Serial,
    /// Who it names and its `cnf`.
    pub identity: PeerIdentity,
}

/// A private key and the request for its certificate, made where the key stays. The key is wiped when dropped and shown
/// by no Debug.
pub struct CertificateRequest {
    /// The request (PKCS #10, RFC 2986), PEM.
    pub request_pem: String,
    /// The private key, PKCS #8 in PEM.
    pub key_pem: Zeroizing<String>,
    /// SHA-256 of the public key (SPKI): what will be `cnf`.
    pub spki_sha256: [u8; 32],
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest").finish_non_exhaustive()
    }
}

impl CertificateRequest {
    /// A fresh ECDSA P-256 key, and the request for a certificate that names `id`.
    ///
    /// # Errors
    /// [`CaError::Make`] when the operating system gives no randomness.
    pub fn new(id: &SpiffeId) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        Ok(Self {
            request_pem: named(id)?.serialize_request(&key)?.pem()?,
            spki_sha256: sha256(&key.subject_public_key_info()),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// SHA-256 of the public key (SPKI) in a request that another made.
    ///
    /// # Errors
    /// [`CaError::Request`] when it is none.
    pub fn spki_of(request_pem: &str) -> Result<[u8; 32], CaError> {
        let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(CaError::Request)?;
        Ok(sha256(&request.public_key.subject_public_key_info()))
    }
}

/// What names a party in a certificate.
fn named(id: &SpiffeId) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    // For people who read certificates; programs read the URI.
    params.distinguished_name = name(&[
        (DnType::OrganizationName, id.federation.as_str()),
        (DnType::OrganizationalUnitName, id.role.as_str()),
        (DnType::CommonName, &id.member),
    ]);
    params.subject_alt_names =
        vec![SanType::URI(id.to_string().try_into()?), SanType::DnsName(id.dns_name().try_into()?)];
    Ok(params)
}

/// The development CA of one federation, with its revocation list.
pub struct DevCa {
    federation: Federation,
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    crl_number: u64,
    /// Revoked serial numbers and when.
    revoked: BTreeMap<Serial, Millis>,
    crl_pem: String,
}

impl fmt::Debug for DevCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevCa")
            .field("federation", &self.federation)
            .field("crl_number", &self.crl_number)
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

impl DevCa {
    /// A new CA with an empty revocation list, number 1. `now` must be what the parties' clocks will say, since
    /// TLS is verified against it.
    ///
    /// # Errors
    /// [`CaError::TimeOutOfRange`], or [`CaError::Make`] when the operating system gives no randomness.
    pub fn create(federation: Federation, now: Millis) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, now, profile::AUTHORITY_DAYS)?;
        params.serial_number = Some(Serial::of_key(&key).to_rcgen());
        params.distinguished_name = name(&[
            (DnType::OrganizationName, federation.as_str()),
            (DnType::CommonName, "Tacit development CA"),
        ]);
        params.subject_alt_names = vec![SanType::URI(federation.uri().try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        let certificate_pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let crl_pem = sign_crl(&issuer, 1, &BTreeMap::new(), now)?;
        Ok(Self { federation, issuer, certificate_pem, crl_number: 1, revoked: BTreeMap::new(), crl_pem })
    }

    /// Reads a CA that [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`CaError::File`] (also when the key can be read by others), [`CaError::Content`],
    /// [`CaError::KeyMismatch`], [`CaError::NoFederation`].
    pub fn load(folder: &Path) -> Result<Self, CaError> {
        let content = |file, wanted| CaError::Content { file, wanted };
        let text = |file, bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| content(file, "PEM text"));

        let key_pem = read_private(&folder.join(profile::AUTHORITY_KEY_FILE))?;
        let key = std::str::from_utf8(&key_pem)
            .ok()
            .and_then(|pem| KeyPair::from_pem(pem).ok())
            .ok_or_else(|| content(profile::AUTHORITY_KEY_FILE, "PKCS #8 private key"))?;

        let certificate_pem =
            text(profile::AUTHORITY_FILE, read_public(&folder.join(profile::AUTHORITY_FILE))?)?;
        let no_certificate = || content(profile::AUTHORITY_FILE, "certificate");
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| no_certificate())?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| no_certificate())?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(CaError::KeyMismatch);
        }
        let federation = only_uri(&certificate)?
            .strip_prefix("spiffe://")
            .ok_or(SpiffeError::Scheme)
            .and_then(str::parse)
            .map_err(IdentityError::NotAParty)?;

        let crl_pem = text(profile::CRL_FILE, read_public(&folder.join(profile::CRL_FILE))?)?;
        let (crl_number, revoked) = parse_crl(&crl_pem)?;
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self { federation, issuer, certificate_pem, crl_number, revoked, crl_pem })
    }

    /// Writes `ca.pem` and `crl.pem` (mode 0644) and `ca.key` (mode 0600) into `folder`.
    ///
    /// # Errors
    /// [`CaError::File`] when they cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CaError> {
        let key_pem = Zeroizing::new(self.issuer.key().serialize_pem());
        write_private(&folder.join(profile::AUTHORITY_KEY_FILE), key_pem.as_bytes())?;
        write_public(&folder.join(profile::AUTHORITY_FILE), self.certificate_pem.as_bytes())?;
        self.save_crl(&folder.join(profile::CRL_FILE))
    }

    /// Writes the revocation list (mode 0644), for the CA's own folder or for one party's.
    ///
    /// # Errors
    /// [`CaError::File`] when it cannot be written.
    pub fn save_crl(&self, path: &Path) -> Result<(), CaError> {
        Ok(write_public(path, self.crl_pem.as_bytes())?)
    }

    /// The federation whose parties this CA names.
    #[must_use]
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The CA certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The current revocation list, PEM.
    #[must_use]
    pub fn crl_pem(&self) -> &str {
        &self.crl_pem
    }

    /// Number of the current revocation list; it only rises.
    #[must_use]
    pub fn crl_number(&self) -> u64 {
        self.crl_number
    }

    /// A fresh ECDSA P-256 key and a certificate for it, valid for [`profile::LEAF_DAYS`], for both ends of TLS.
    ///
    /// # Errors
    /// [`CaError::OtherFederation`], [`CaError::TimeOutOfRange`], [`CaError::Make`].
    pub fn issue(&self, id: &SpiffeId, now: Millis) -> Result<IssuedLeaf, CaError> {
        if id.federation != self.federation {
            return Err(CaError::OtherFederation { id: id.clone(), federation: self.federation.clone() });
        }
        let key = KeyPair::generate()?;
        let certified = self.certify(id, &key, now)?;
        Ok(IssuedLeaf {
            certificate_pem: certified.certificate_pem,
            key_pem: Zeroizing::new(key.serialize_pem()),
            serial: certified.serial,
            identity: certified.identity,
        })
    }

    /// A certificate for a key that its owner made: the request proves that it has the private half. Nothing else in
    /// the request counts; who is named is said by who asks for it here.
    ///
    /// # Errors
    /// As [`Self::issue`], and [`CaError::Request`] when it is no request, or not signed by its own key.
    pub fn sign_request(&self, id: &SpiffeId, request_pem: &str, now: Millis) -> Result<Certified, CaError> {
        let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(CaError::Request)?;
        self.certify(id, &request.public_key, now)
    }

    fn certify(&self, id: &SpiffeId, key: &impl PublicKeyData, now: Millis) -> Result<Certified, CaError> {
        if id.federation != self.federation {
            return Err(CaError::OtherFederation { id: id.clone(), federation: self.federation.clone() });
        }
        let serial = Serial::of_key(key);
        let mut params = named(id)?;
        set_validity(&mut params, now, profile::LEAF_DAYS)?;
        params.serial_number = Some(serial.to_rcgen());
        // Explicit, because rcgen writes the subject key identifier only beside basic constraints.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer)?;
        let identity = PeerIdentity {
            spiffe: id.clone(),
            spki_sha256: sha256(&key.subject_public_key_info()),
            not_after: Millis(seconds_after(now, profile::LEAF_DAYS)?.saturating_mul(1000)),
        };
        Ok(Certified { certificate_pem: certificate.pem(), serial, identity })
    }

    /// Issues the next revocation list with these serial numbers added; those already on it stay.
    ///
    /// # Errors
    /// [`CaError::TimeOutOfRange`], [`CaError::Make`]; then nothing has changed.
    pub fn revoke(&mut self, serials: &[Serial], now: Millis) -> Result<(), CaError> {
        let mut revoked = self.revoked.clone();
        for serial in serials {
            revoked.entry(serial.clone()).or_insert(now);
        }
        let number = self.crl_number.saturating_add(1);
        self.crl_pem = sign_crl(&self.issuer, number, &revoked, now)?;
        (self.crl_number, self.revoked) = (number, revoked);
        Ok(())
    }

    /// Issues the next revocation list with the same content and a new `nextUpdate`.
    ///
    /// # Errors
    /// As for [`Self::revoke`].
    pub fn renew_crl(&mut self, now: Millis) -> Result<(), CaError> {
        self.revoke(&[], now)
    }
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

/// Seconds since 1970 at `days` after `now`.
pub(crate) fn seconds_after(now: Millis, days: u64) -> Result<u64, CaError> {
    let seconds = (now.0 / 1000).saturating_add(days.saturating_mul(DAY_SECONDS));
    if seconds > LATEST_SECONDS { Err(CaError::TimeOutOfRange) } else { Ok(seconds) }
}

/// Seconds since 1970 from which what is made at `now` is valid.
pub(crate) fn seconds_backdated(now: Millis) -> Result<u64, CaError> {
    Ok(seconds_after(now, 0)?.saturating_sub(profile::BACKDATE_SECONDS))
}

fn set_validity(params: &mut CertificateParams, now: Millis, days: u64) -> Result<(), CaError> {
    let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = at(seconds_backdated(now)?);
    params.not_after = at(seconds_after(now, days)?);
    Ok(())
}
