//! A small federation on disk, and clients and servers that do not keep our rules.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::crypto::ring::default_provider;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tacit_identity::{
    CredentialError, CredentialFiles, Credentials, DevCa, IssuedLeaf, ListenerLimits, MtlsListener,
    MtlsStream, Role, SpiffeId, profile,
};
use tacit_model::{Clock as _, ManualClock, Millis};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const DAY_MS: u64 = 86_400_000;
/// 2030-01-01, so that nothing here passes by the machine's own clock.
const START: Millis = Millis(1_893_456_000_000);

/// A CA with its folder, in which every party keeps its files, and the one clock.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) ca: DevCa,
    pub(crate) clock: ManualClock,
}

/// A certificate chain and its key, for those who do not use [`Credentials`].
pub(crate) struct RawLeaf(pub(crate) CertificateDer<'static>, pub(crate) PrivateKeyDer<'static>);

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = DevCa::create("demo".parse().unwrap(), START).unwrap();
        ca.save(folder.path()).unwrap();
        Self { folder, ca, clock: ManualClock::new(START) }
    }

    pub(crate) fn id(&self, role: Role, member: &str) -> SpiffeId {
        SpiffeId::new(self.ca.federation().clone(), role, member.parse().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Issues a certificate and puts it where the party keeps it.
    pub(crate) fn issue(&self, id: &SpiffeId) -> IssuedLeaf {
        let leaf = self.ca.issue(id, self.clock.now()).unwrap();
        leaf.save(self.folder.path(), &stem(id)).unwrap();
        leaf
    }

    pub(crate) fn load(&self, id: &SpiffeId) -> Result<Credentials, CredentialError> {
        let files = CredentialFiles::in_folder(self.folder.path(), &stem(id));
        Credentials::load(files, Arc::new(self.clock.clone()))
    }

    pub(crate) fn party(&self, role: Role, member: &str) -> Credentials {
        let id = self.id(role, member);
        self.issue(&id);
        self.load(&id).unwrap()
    }

    pub(crate) fn revoke(&mut self, leaf: &IssuedLeaf) {
        self.ca.revoke(std::slice::from_ref(&leaf.serial), self.clock.now()).unwrap();
        self.ca.save_crl(&self.path(profile::CRL_FILE)).unwrap();
    }

    /// A leaf of this CA with any names.
    pub(crate) fn leaf_named(&self, dns: &str, uris: &[&str]) -> RawLeaf {
        let read = |name| std::fs::read_to_string(self.path(name)).unwrap();
        let ca_key = KeyPair::from_pem(&read(profile::AUTHORITY_KEY_FILE)).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&read(profile::AUTHORITY_FILE), ca_key).unwrap();
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        RawLeaf(certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let pem = self.ca.certificate_pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        roots
    }

    /// A client by the book of rustls, not by ours: it resumes, and checks neither URI nor revocation.
    pub(crate) fn raw_client(&self, leaf: Option<RawLeaf>, alpn: &[&[u8]]) -> ClientConfig {
        let time = Arc::new(Frozen(self.clock.clone()));
        let builder = ClientConfig::builder_with_details(Arc::new(default_provider()), time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match leaf {
            Some(RawLeaf(certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// A server that asks for no client certificate; it answers one connection. Returns its address.
    pub(crate) async fn raw_server(&self, leaf: RawLeaf) -> String {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.0], leaf.1)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            if let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
                let _ = tls.read_u8().await;
            }
        });
        address
    }
}

#[derive(Debug)]
struct Frozen(ManualClock);

impl TimeProvider for Frozen {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().0)))
    }
}

pub(crate) fn stem(id: &SpiffeId) -> String {
    format!("{}-{}", id.role, id.member)
}

/// The certificate and key in a party's files, for a raw client.
pub(crate) fn raw_leaf_of(leaf: &IssuedLeaf) -> RawLeaf {
    RawLeaf(
        CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap(),
        PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap(),
    )
}

pub(crate) async fn listen(credentials: &Credentials) -> (MtlsListener, String) {
    listen_within(credentials, ListenerLimits::default()).await
}

pub(crate) async fn listen_within(
    credentials: &Credentials,
    limits: ListenerLimits,
) -> (MtlsListener, String) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = MtlsListener::start(tcp, credentials.clone(), limits).unwrap();
    let address = listener.local_addr().to_string();
    (listener, address)
}

/// Sends a byte each way, which proves that both ends accepted the handshake.
pub(crate) async fn greet(a: &mut MtlsStream, b: &mut MtlsStream) {
    for (from, to) in [(0_u8, 1_u8), (1, 0)] {
        let (writer, reader) = if from < to { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
        writer.write_u8(from).await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(reader.read_u8().await.unwrap(), from);
    }
}

/// The handshake of a raw client.
pub(crate) async fn raw_connect(
    address: &str,
    config: &Arc<ClientConfig>,
    name: &SpiffeId,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.dns_name()).unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, tcp).await
}

/// How a raw client is refused: in its handshake, or in its first read, since in TLS 1.3 the client is done first.
pub(crate) async fn raw_refused(address: &str, config: &Arc<ClientConfig>, name: &SpiffeId) -> String {
    let refusal = async {
        let mut tls = raw_connect(address, config, name).await?;
        tls.read_u8().await
    };
    let refusal = tokio::time::timeout(Duration::from_secs(10), refusal).await;
    refusal.expect("the server neither answers nor refuses").unwrap_err().to_string()
}

/// No connection came out of the listener.
pub(crate) async fn assert_nobody(listener: &mut MtlsListener) {
    let next = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(next.is_err(), "somebody was let in");
}

/// The whole chain of reasons.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    if from.extension().is_some_and(|kind| kind == "key") {
        tacit_identity::write_private(to, &bytes).unwrap();
    } else {
        tacit_identity::write_public(to, &bytes).unwrap();
    }
}
