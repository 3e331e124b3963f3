//! rustls configurations. Everything here is TLS 1.3, ring, both ends with a certificate, nothing resumed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, PeerMisbehaved,
    RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use tacit_model::Clock;

use crate::peer::{IdentityError, PeerIdentity};
use crate::spiffe::{Federation, SpiffeId};

/// The only application protocol: HTTP/2 (RFC 9113, section 3.2).
pub(crate) const ALPN: &[u8] = b"h2";

/// Makes ring the provider of this process for libraries that do not take one explicitly. Call it first in
/// `main`; calling it again does no harm.
pub fn install_default_provider() {
    // An error says only that a provider is installed already, and the graph holds no other than ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// ring.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The federation's clock, as rustls wants it.
pub(crate) struct TlsClock(pub(crate) Arc<dyn Clock>);

impl TlsClock {
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().0))
    }
}

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClock")
    }
}

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

/// Wraps our own reason so that it reaches the log whole; the peer sees only the alert `certificate_unknown`.
fn refused(error: IdentityError) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// Displays why TLS failed without the two wrappings that rustls puts around our own reasons (it would show them
/// as Debug) and without its word "peer", which is wrong for a certificate of our own.
pub(crate) struct Reason<'a>(pub(crate) &'a rustls::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(ours))) => ours.fmt(f),
            rustls::Error::InvalidCertificate(reason) => reason.fmt(f),
            other => other.fmt(f),
        }
    }
}

/// [`Reason`] for the error of a handshake, which tokio-rustls wraps once more.
pub(crate) struct IoReason<'a>(pub(crate) &'a std::io::Error);

impl fmt::Display for IoReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => Reason(tls).fmt(f),
            None => self.0.fmt(f),
        }
    }
}

/// Verifies clients: chain, validity, revocation, then the one URI, of our federation.
#[derive(Debug)]
pub(crate) struct FederationClients {
    webpki: Arc<dyn ClientCertVerifier>,
    federation: Federation,
}

impl FederationClients {
    /// `crls` must not be empty, since webpki then checks no revocation at all; the loader sees to it.
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        crls: Vec<CertificateRevocationListDer<'static>>,
        federation: Federation,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::server::VerifierBuilderError> {
        // Unknown status and the whole chain are refused and checked unless told otherwise.
        let webpki = WebPkiClientVerifier::builder_with_provider(roots, provider)
            .with_crls(crls)
            .enforce_revocation_expiration()
            .build()?;
        Ok(Self { webpki, federation })
    }

    /// The identity of a client with this chain, if it may connect now.
    pub(crate) fn identify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<PeerIdentity, rustls::Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.webpki.verify_client_cert(leaf, intermediates, now)?;
        self.name(leaf)
    }

    fn name(&self, leaf: &CertificateDer<'_>) -> Result<PeerIdentity, rustls::Error> {
        PeerIdentity::of_leaf(leaf).and_then(|peer| peer.in_federation(&self.federation)).map_err(refused)
    }
}

impl ClientCertVerifier for FederationClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.webpki.verify_client_cert(end_entity, intermediates, now)?;
        self.name(end_entity).map(|_| verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Verifies one server: chain, validity, revocation, DNS name, then the URI byte for byte.
#[derive(Debug)]
pub(crate) struct ExactServer {
    webpki: Arc<WebPkiServerVerifier>,
    expected: SpiffeId,
}

impl ExactServer {
    pub(crate) fn new(webpki: Arc<WebPkiServerVerifier>, expected: SpiffeId) -> Self {
        Self { webpki, expected }
    }

    /// The identity of a server with this chain, if it is the expected one and valid now.
    pub(crate) fn identify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<PeerIdentity, rustls::Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.webpki.verify_server_cert(leaf, intermediates, &server_name(&self.expected)?, &[], now)?;
        self.name(leaf)
    }

    fn name(&self, leaf: &CertificateDer<'_>) -> Result<PeerIdentity, rustls::Error> {
        PeerIdentity::of_leaf(leaf).and_then(|peer| peer.exactly(&self.expected)).map_err(refused)
    }
}

impl ServerCertVerifier for ExactServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        self.name(end_entity).map(|_| verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Verifies servers by chain, validity, revocation and DNS name; [`ExactServer`] adds the URI.
pub(crate) fn servers(
    roots: Arc<RootCertStore>,
    crls: Vec<CertificateRevocationListDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::server::VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(roots, provider)
        .with_crls(crls)
        .enforce_revocation_expiration()
        .build()
}

/// The DNS name under which webpki looks for this party.
pub(crate) fn server_name(id: &SpiffeId) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(id.dns_name()).map_err(|_| CertificateError::BadEncoding.into())
}

/// Configuration of the accepting end.
pub(crate) fn server_config(
    clients: Arc<FederationClients>,
    own: Arc<SingleCertAndKey>,
    clock: Arc<TlsClock>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(own);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the client's certificate, and with it revocation.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// Configuration of the connecting end, for one server.
pub(crate) fn client_config(
    server: ExactServer,
    own: Arc<SingleCertAndKey>,
    clock: Arc<TlsClock>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        // Stricter than the usual verifier, which it calls first.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(server))
        .with_client_cert_resolver(own);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}
