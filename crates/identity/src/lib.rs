//! Who is on the other end of a connection, proven by mutual TLS.
//!
//! ```text
//!  CredentialFiles ──load──▶ Credentials ──┬─▶ MtlsListener ─▶ MtlsStream ─▶ tonic Server ─▶ peer(&request)
//!  (certificate, key,          │  ▲        └─▶ channel / dial ─▶ MtlsStream ─▶ tonic Channel
//!   CA bundle, CRL)         reload()
//! ```
//!
//! A party is named by a [`SpiffeId`], `spiffe://<federation>/<role>/<member>`, which stands as the only URI
//! in its certificate and is compared byte for byte; the common name is never read. Connections are TLS 1.3
//! only, both ends show a certificate, revocation lists are required and their expiry is enforced, and a
//! session is never resumed, because resumption skips the check of the client certificate.
//!
//! What this crate does *not* do: it does not decide what a role may ask for. Handlers do that, with the
//! [`PeerIdentity`] that [`peer`] gives them.
//!
//! The TLS provider is ring, handed explicitly to every configuration made here. Call
//! [`install_default_provider`] first in `main` for the libraries that look for a process default.

mod ca;
mod channel;
mod credentials;
mod files;
mod listener;
mod peer;
mod request_id;
mod revocation;
mod server;
mod spiffe;
mod stream;
mod tls;
mod web;
mod web_certificate;
mod wire;

pub use ca::{CaError, CertificateRequest, Certified, DevCa, IssuedLeaf, profile};
pub use channel::{ConnectError, EndpointError, channel, connect, dial};
pub use credentials::{CredentialError, CredentialFiles, CredentialStatus, Credentials};
pub use files::{FileError, read_private, write_private, write_public};
pub use listener::{ListenerLimits, MtlsListener};
pub use peer::{IdentityError, MissingPeer, PeerIdentity, peer, peer_in};
pub use request_id::{RequestIdLayer, RequestIdService};
pub use revocation::Serial;
pub use server::{ServerLimits, tune_server, tune_server_with};
pub use spiffe::{Federation, Role, SpiffeError, SpiffeId};
pub use stream::{ConnectionEnded, MtlsStream};
pub use tls::install_default_provider;
pub use web::{WebConnector, WebRootsError, web_connector};
pub use web_certificate::{WebCertificate, WebCertificateError, WebCertificateFiles};
pub use wire::WireBytes;
