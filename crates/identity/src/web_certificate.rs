//! The accepting end for browsers: TLS 1.3 under a certificate that they know. Who they are is found out later.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;
use tacit_model::{Clock, Millis};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::credentials::{CredentialError, pem_items};
use crate::files::{read_private, read_public};
use crate::tls::{self, TlsClock};

/// Where the certificate of a web server is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebCertificateFiles {
    /// The leaf certificate, then any intermediates, PEM.
    pub certificate: PathBuf,
    /// The leaf's private key, PEM; mode 0600.
    pub key: PathBuf,
}

/// The files cannot be used. Nothing was swapped.
#[derive(Debug, thiserror::Error)]
pub enum WebCertificateError {
    /// A file cannot be read, does not hold what it should, or the two do not belong together.
    #[error(transparent)]
    Files(#[from] CredentialError),
    /// Browsers would refuse it for its name.
    #[error("the certificate in {} is not for {host}", path.display())]
    OtherName {
        /// The certificate file.
        path: PathBuf,
        /// What browsers call the server.
        host: String,
    },
    /// Browsers would refuse it for its time.
    #[error("the certificate in {} holds from {from} until {until}, and not now", path.display())]
    OutOfTime {
        /// The certificate file.
        path: PathBuf,
        /// When it begins.
        from: Millis,
        /// When it ends.
        until: Millis,
    },
}

struct Inner {
    files: WebCertificateFiles,
    host: String,
    clock: Arc<TlsClock>,
    current: RwLock<Arc<ServerConfig>>,
}

/// The certificate of a web server. Clones share it; each new connection uses what was loaded last.
#[derive(Clone)]
pub struct WebCertificate(Arc<Inner>);

impl fmt::Debug for WebCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebCertificate").field("host", &self.0.host).finish_non_exhaustive()
    }
}

impl WebCertificate {
    /// Loads the files and proves what a browser would look at: the key belongs to the certificate, which is for this host
    /// and holds now. Who signed it is not looked at. Reads files, blocking.
    ///
    /// # Errors
    /// [`WebCertificateError`], each naming its file.
    pub fn load(
        files: WebCertificateFiles,
        host: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebCertificateError> {
        let clock = Arc::new(TlsClock(clock));
        let (config, _) = read(&files, host, &clock)?;
        let current = RwLock::new(Arc::new(config));
        Ok(Self(Arc::new(Inner { files, host: host.to_owned(), clock, current })))
    }

    /// Loads the files again and uses them from the next connection on; otherwise the last good ones stay. Says until when
    /// the certificate holds. Reads files, blocking.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reload(&self) -> Result<Millis, WebCertificateError> {
        let (config, until) = read(&self.0.files, &self.0.host, &self.0.clock)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(until)
    }

    /// The handshake of one connection. How long it may take is for the caller to say.
    ///
    /// # Errors
    /// The browser and we have nothing in common, or it went away.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let current = Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(current).accept(tcp).await
    }
}

fn read(
    files: &WebCertificateFiles,
    host: &str,
    clock: &Arc<TlsClock>,
) -> Result<(ServerConfig, Millis), WebCertificateError> {
    let path = &files.certificate;
    let wrong = |wanted| CredentialError::Content { path: path.clone(), wanted };
    let chain: Vec<CertificateDer<'static>> =
        pem_items(&read_public(path).map_err(CredentialError::File)?, path, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&read_private(&files.key).map_err(CredentialError::File)?)
        .map_err(|_| CredentialError::Content { path: files.key.clone(), wanted: "private key" })?;
    let leaf = chain.first().ok_or_else(|| wrong("certificate"))?;
    let other_name = || WebCertificateError::OtherName { path: path.clone(), host: host.to_owned() };
    let name = ServerName::try_from(host).map_err(|_| other_name())?;
    let parsed = ParsedCertificate::try_from(leaf).map_err(|_| wrong("readable certificate"))?;
    verify_server_name(&parsed, &name).map_err(|_| other_name())?;
    let (_, decoded) = X509Certificate::from_der(leaf).map_err(|_| wrong("readable certificate"))?;
    let millis = |seconds: i64| Millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let validity = decoded.validity();
    let (from, until) = (millis(validity.not_before.timestamp()), millis(validity.not_after.timestamp()));
    let now = clock.0.now();
    if now < from || now > until {
        return Err(WebCertificateError::OutOfTime { path: path.clone(), from, until });
    }
    let provider = tls::provider();
    let own = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|source| CredentialError::Key { path: files.key.clone(), source })?;
    let builder = ServerConfig::builder_with_details(provider, Arc::<TlsClock>::clone(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(CredentialError::Configuration)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok((config, until))
}
