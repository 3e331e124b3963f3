//! What a certificate says about its owner, and how a handler learns who is calling.

use tacit_model::Millis;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::spiffe::{Federation, SpiffeError, SpiffeId};

/// Who is on the other end of a connection, as its verified leaf certificate says.
///
/// tonic puts it into the extensions of every request that came through an
/// [`MtlsListener`](crate::MtlsListener); [`peer`] takes it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The one URI of the certificate.
    pub spiffe: SpiffeId,
    /// SHA-256 of the DER-encoded SubjectPublicKeyInfo: `cnf` in docs/PROTOCOL.md, sections 4 to 6.
    pub spki_sha256: [u8; 32],
    /// End of the certificate's validity.
    pub not_after: Millis,
}

/// A request that did not come through an mTLS listener. This is our own fault: a service was wired to the
/// wrong socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request carries no verified peer")]
pub struct MissingPeer;

/// Why a certificate that chains to the CA still names nobody we can talk to. The peer is at fault.
///
/// Nothing that the certificate says is repeated unless it parsed as a SPIFFE id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are not one DER-encoded certificate with readable names.
    #[error("the certificate cannot be parsed")]
    Unreadable,
    /// There must be exactly one URI among the subject alternative names.
    #[error("the certificate has {count} URI names, exactly one is wanted")]
    UriCount {
        /// How many there are.
        count: usize,
    },
    /// The URI is not the SPIFFE id of a party.
    #[error("the URI of the certificate names no party: {0}")]
    NotAParty(SpiffeError),
    /// The party belongs to another federation.
    #[error("{found} is not of the federation {expected}")]
    OtherFederation {
        /// Who showed the certificate.
        found: SpiffeId,
        /// The federation that was wanted.
        expected: Federation,
    },
    /// Somebody else answered.
    #[error("{found} answered, {expected} was wanted")]
    OtherParty {
        /// Who showed the certificate.
        found: SpiffeId,
        /// Who was wanted.
        expected: SpiffeId,
    },
}

impl PeerIdentity {
    /// Reads the identity from a leaf certificate. Whether the certificate can be trusted is another question,
    /// which the TLS verifiers answer.
    pub(crate) fn of_leaf(der: &[u8]) -> Result<Self, IdentityError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Unreadable)?;
        if !rest.is_empty() {
            return Err(IdentityError::Unreadable);
        }
        let uri = only_uri(&certificate)?;
        let spiffe: SpiffeId = uri.parse().map_err(IdentityError::NotAParty)?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self {
            spiffe,
            spki_sha256: sha256(certificate.public_key().raw),
            not_after: Millis(u64::try_from(not_after).unwrap_or(0).saturating_mul(1000)),
        })
    }

    /// Refuses a party of another federation.
    pub(crate) fn in_federation(self, expected: &Federation) -> Result<Self, IdentityError> {
        if self.spiffe.federation == *expected {
            Ok(self)
        } else {
            Err(IdentityError::OtherFederation { found: self.spiffe, expected: expected.clone() })
        }
    }

    /// Refuses every party but one; the URIs are compared byte for byte.
    pub(crate) fn exactly(self, expected: &SpiffeId) -> Result<Self, IdentityError> {
        if self.spiffe.to_string() == expected.to_string() {
            Ok(self)
        } else {
            Err(IdentityError::OtherParty { found: self.spiffe, expected: expected.clone() })
        }
    }
}

/// The only URI among the subject alternative names, verbatim.
pub(crate) fn only_uri<'a>(certificate: &X509Certificate<'a>) -> Result<&'a str, IdentityError> {
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Unreadable)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(IdentityError::Unreadable);
    }
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.count()) {
        (Some(uri), 0) => Ok(uri),
        (first, more) => Err(IdentityError::UriCount { count: usize::from(first.is_some()) + more }),
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    out
}

/// Who sent this request.
///
/// # Errors
/// [`MissingPeer`] when the request did not come through an [`MtlsListener`](crate::MtlsListener).
pub fn peer<T>(request: &tonic::Request<T>) -> Result<&PeerIdentity, MissingPeer> {
    request.extensions().get().ok_or(MissingPeer)
}

/// Who sent the request with these extensions, for layers below the gRPC handlers.
///
/// # Errors
/// [`MissingPeer`] as for [`peer`].
pub fn peer_in(extensions: &http::Extensions) -> Result<&PeerIdentity, MissingPeer> {
    extensions.get().ok_or(MissingPeer)
}
