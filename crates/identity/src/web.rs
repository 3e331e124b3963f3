//! Connections to web servers outside the federation: an identity provider, over TLS with the certificate authorities of
//! the machine or of a file; and to interfaces on this machine without it.

use std::path::Path;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// Connects over `https`, and over `http` where the caller allows that.
pub type WebConnector = HttpsConnector<HttpConnector>;

/// Why certificates of web servers cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum WebRootsError {
    /// The file cannot be read, or has no certificate.
    #[error("{file}: no certificate in PEM can be read: {why}")]
    File {
        /// The file.
        file: String,
        /// What was wrong.
        why: String,
    },
    /// The machine has none that can be used.
    #[error("the certificate authorities of this machine cannot be read: {0}")]
    System(std::io::Error),
}

/// A connector that trusts the authorities in a file, or else those of the machine. The provider of cryptography must be
/// installed.
///
/// # Errors
/// [`WebRootsError`].
pub fn web_connector(roots: Option<&Path>) -> Result<WebConnector, WebRootsError> {
    let builder = HttpsConnectorBuilder::new();
    let builder = match roots {
        None => builder.with_native_roots().map_err(WebRootsError::System)?,
        Some(file) => {
            let wrong = |why: String| WebRootsError::File { file: file.display().to_string(), why };
            let mut store = RootCertStore::empty();
            for found in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
                let found = found.map_err(|error| wrong(error.to_string()))?;
                store.add(found).map_err(|error| wrong(error.to_string()))?;
            }
            if store.is_empty() {
                return Err(wrong("the file has none".to_owned()));
            }
            builder
                .with_tls_config(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
        }
    };
    Ok(builder.https_or_http().enable_http1().build())
}
