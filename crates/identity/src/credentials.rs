//! Certificate, key, CA bundle and revocation list of one party, loaded together and swapped together.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use futures::task::AtomicWaker;
use rustls::client::WebPkiServerVerifier;
use rustls::server::VerifierBuilderError;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tacit_model::{Clock, MemberId, Millis};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use crate::files::{FileError, read_private, read_public};
use crate::peer::{IdentityError, PeerIdentity};
use crate::spiffe::SpiffeId;
use crate::tls::{self, ExactServer, FederationClients, Reason, TlsClock};

/// Where the four files of a party are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFiles {
    /// The leaf certificate, then any intermediates, PEM.
    pub certificate: PathBuf,
    /// The leaf's private key, PEM; mode 0600.
    pub key: PathBuf,
    /// The CA certificates that are trusted, PEM.
    pub authority: PathBuf,
    /// Revocation lists, at least one for every CA that may stand in a chain, PEM.
    pub crl: PathBuf,
}

impl CredentialFiles {
    /// `<stem>.pem`, `<stem>.key`, `ca.pem` and `crl.pem` in one folder.
    #[must_use]
    pub fn in_folder(folder: &Path, stem: &str) -> Self {
        Self {
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}.key")),
            authority: folder.join(crate::profile::AUTHORITY_FILE),
            crl: folder.join(crate::profile::CRL_FILE),
        }
    }
}

/// The files cannot be used. Whoever installed them is at fault; nothing was swapped.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read, or a key can be read by others.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file does not hold what it should.
    #[error("{} holds no {wanted}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The key is not of a usable kind, or belongs to another certificate.
    #[error("the key in {} cannot be used with the certificate: {source}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The CA bundle or the revocation lists cannot be used.
    #[error("the CA certificates or revocation lists cannot be used: {0}")]
    Trust(#[from] VerifierBuilderError),
    /// The own certificate names no party.
    #[error("{}: {source}", path.display())]
    Identity {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong with its names.
        source: IdentityError,
    },
    /// The own certificate would be refused by every peer: expired, revoked, of another CA, of a wrong purpose,
    /// or the revocation list has expired.
    #[error("peers would refuse {}: {}", path.display(), Reason(source))]
    Refused {
        /// The certificate file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// A reload found the certificate of another party.
    #[error("the certificate is now of {found}, this process runs as {current}")]
    IdentityChanged {
        /// Who this process is.
        current: SpiffeId,
        /// Whom the new certificate names.
        found: SpiffeId,
    },
    /// A reload found an older revocation list than the one in use, which would forget revocations.
    #[error("{} is older than the revocation list in use", path.display())]
    RevocationRolledBack {
        /// The file with the list.
        path: PathBuf,
    },
    /// rustls refused the configuration; a fault of ours.
    #[error("TLS configuration: {0}")]
    Configuration(rustls::Error),
}

/// What the credentials in use say about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// The own name, `cnf`, and end of validity.
    pub own: PeerIdentity,
    /// The earliest `nextUpdate` of the revocation lists; after it every connection is refused.
    pub crl_next_update: Millis,
    /// How often the files were loaded, from 1.
    pub generation: u64,
}

/// One loaded set of files; never changed, only replaced.
pub(crate) struct Snapshot {
    pub(crate) status: CredentialStatus,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) clients: Arc<FederationClients>,
    servers: Arc<WebPkiServerVerifier>,
    own: Arc<SingleCertAndKey>,
    /// Issuer and number of every revocation list, both as DER bytes.
    crl_numbers: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Inner {
    files: CredentialFiles,
    clock: Arc<TlsClock>,
    spiffe: SpiffeId,
    current: RwLock<Arc<Snapshot>>,
    /// Copy of the current snapshot's generation, which open connections look at on every read.
    generation: AtomicU64,
    /// One reload at a time.
    reloading: Mutex<()>,
    /// Members whose connections were ended, in that order; their number is looked at on every read.
    removed: RwLock<Vec<MemberId>>,
    removals: AtomicUsize,
    /// Tasks of open connections, to be woken by a reload.
    watchers: Mutex<Vec<Weak<AtomicWaker>>>,
}

/// The credentials of this party: a cheap handle on the set of files in use, shared by its listeners and
/// channels. Each new connection uses the set that is current when it is made.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.status()).finish()
    }
}

impl Credentials {
    /// Loads the files and proves that they fit together: the key belongs to the certificate, the certificate
    /// names a party, and by our own rules a peer would accept it now. Reads files, blocking.
    ///
    /// # Errors
    /// [`CredentialError`], each naming its file.
    pub fn load(files: CredentialFiles, clock: Arc<dyn Clock>) -> Result<Self, CredentialError> {
        let clock = Arc::new(TlsClock(clock));
        let snapshot = Snapshot::load(&files, &clock, 1)?;
        Ok(Self(Arc::new(Inner {
            files,
            clock,
            spiffe: snapshot.status.own.spiffe.clone(),
            generation: AtomicU64::new(snapshot.status.generation),
            current: RwLock::new(Arc::new(snapshot)),
            reloading: Mutex::new(()),
            removed: RwLock::default(),
            removals: AtomicUsize::new(0),
            watchers: Mutex::new(Vec::new()),
        })))
    }

    /// Loads the files again and swaps them in if they are good; otherwise the last good ones stay. Reads files,
    /// blocking.
    ///
    /// Listeners go on and use the new set from the next connection on. Open connections are looked at again: one
    /// whose peer is now refused ends, and so does one that *we* opened with a key that is no longer ours,
    /// because a request is bound to the key of its connection (`cnf`) and [`Self::cnf`] has changed.
    ///
    /// # Errors
    /// [`CredentialError`] as for [`Self::load`], and when the name changed or the revocation list is older.
    pub fn reload(&self) -> Result<CredentialStatus, CredentialError> {
        let _one_at_a_time = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot();
        let generation = current.status.generation.saturating_add(1);
        let snapshot = Snapshot::load(&self.0.files, &self.0.clock, generation)?;
        if snapshot.status.own.spiffe != self.0.spiffe {
            return Err(CredentialError::IdentityChanged {
                current: self.0.spiffe.clone(),
                found: snapshot.status.own.spiffe,
            });
        }
        if snapshot.is_rolled_back_from(&current) {
            return Err(CredentialError::RevocationRolledBack { path: self.0.files.crl.clone() });
        }
        let status = snapshot.status.clone();
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        self.0.generation.store(generation, Ordering::Release);
        self.wake();
        Ok(status)
    }

    /// Who we are.
    #[must_use]
    pub fn spiffe(&self) -> &SpiffeId {
        &self.0.spiffe
    }

    /// SHA-256 of our own SubjectPublicKeyInfo, to be put into `ctx` (docs/PROTOCOL.md, section 4).
    #[must_use]
    pub fn cnf(&self) -> [u8; 32] {
        self.snapshot().status.own.spki_sha256
    }

    /// What is in use: for `doctor`, metrics and logs.
    #[must_use]
    pub fn status(&self) -> CredentialStatus {
        self.snapshot().status.clone()
    }

    /// Ends every open connection with these members, to them and from them. New ones are not affected: whether a
    /// member is still one is asked with each call.
    pub fn end_connections(&self, members: &[MemberId]) {
        let count = {
            let mut removed = self.0.removed.write().unwrap_or_else(PoisonError::into_inner);
            removed.extend_from_slice(members);
            removed.len()
        };
        self.0.removals.store(count, Ordering::Release);
        self.wake();
    }

    /// Lets every open connection look again.
    fn wake(&self) {
        for watcher in self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(waker) = watcher.upgrade() {
                waker.wake();
            }
        }
    }

    /// How often connections of a member were ended.
    pub(crate) fn removals(&self) -> usize {
        self.0.removals.load(Ordering::Acquire)
    }

    /// Whether the connections of this member were ended after the first `known` times.
    pub(crate) fn was_removed(&self, known: usize, member: &MemberId) -> bool {
        let removed = self.0.removed.read().unwrap_or_else(PoisonError::into_inner);
        removed.iter().skip(known).any(|removed| removed == member)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn clock(&self) -> &TlsClock {
        &self.0.clock
    }

    /// A waker that the next reload wakes, for as long as somebody holds it.
    pub(crate) fn watcher(&self) -> Arc<AtomicWaker> {
        let waker = Arc::new(AtomicWaker::new());
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|other| other.strong_count() > 0);
        watchers.push(Arc::downgrade(&waker));
        waker
    }

    /// The configuration for connecting to `expected` with this snapshot.
    pub(crate) fn client_config(
        &self,
        snapshot: &Snapshot,
        expected: &SpiffeId,
    ) -> Result<ClientConfig, rustls::Error> {
        tls::client_config(
            snapshot.server_verifier(expected),
            Arc::clone(&snapshot.own),
            Arc::clone(&self.0.clock),
            tls::provider(),
        )
    }
}

impl Snapshot {
    fn load(
        files: &CredentialFiles,
        clock: &Arc<TlsClock>,
        generation: u64,
    ) -> Result<Self, CredentialError> {
        let provider = tls::provider();
        let chain: Vec<CertificateDer<'static>> =
            pem_items(&read_public(&files.certificate)?, &files.certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&read_private(&files.key)?)
            .map_err(|_| CredentialError::Content { path: files.key.clone(), wanted: "private key" })?;
        let mut roots = RootCertStore::empty();
        for root in pem_items(&read_public(&files.authority)?, &files.authority, "certificate")? {
            roots.add(root).map_err(|_| CredentialError::Content {
                path: files.authority.clone(),
                wanted: "usable CA certificate",
            })?;
        }
        let roots = Arc::new(roots);
        // An empty list of lists would switch revocation off, so `pem_items` refuses it.
        let crls: Vec<CertificateRevocationListDer<'static>> =
            pem_items(&read_public(&files.crl)?, &files.crl, "revocation list")?;
        let (crl_numbers, crl_next_update) = read_crls(&crls, &files.crl)?;

        let own = CertifiedKey::from_der(chain.clone(), key, &provider)
            .map_err(|source| CredentialError::Key { path: files.key.clone(), source })?;
        let own = Arc::new(SingleCertAndKey::from(own));
        let named = chain.first().map_or(Err(IdentityError::Unreadable), |leaf| PeerIdentity::of_leaf(leaf));
        let identity =
            named.map_err(|source| CredentialError::Identity { path: files.certificate.clone(), source })?;

        let federation = identity.spiffe.federation.clone();
        let clients = Arc::new(FederationClients::new(
            Arc::clone(&roots),
            crls.clone(),
            federation,
            Arc::clone(&provider),
        )?);
        let servers = tls::servers(roots, crls, Arc::clone(&provider))?;
        let server = tls::server_config(Arc::clone(&clients), Arc::clone(&own), Arc::clone(clock), provider)
            .map_err(CredentialError::Configuration)?;
        let snapshot = Self {
            status: CredentialStatus { own: identity, crl_next_update, generation },
            server: Arc::new(server),
            clients,
            servers,
            own,
            crl_numbers,
        };
        // Both ends of TLS ask for different key usages, so both are tried.
        let now = clock.now();
        let me = &snapshot.status.own.spiffe;
        snapshot
            .clients
            .identify(&chain, now)
            .and_then(|_| snapshot.server_verifier(me).identify(&chain, now))
            .map_err(|source| CredentialError::Refused { path: files.certificate.clone(), source })?;
        Ok(snapshot)
    }

    pub(crate) fn server_verifier(&self, expected: &SpiffeId) -> ExactServer {
        ExactServer::new(Arc::clone(&self.servers), expected.clone())
    }

    /// Whether some revocation list has a lower number than the one of the same issuer in `older`.
    fn is_rolled_back_from(&self, older: &Self) -> bool {
        older.crl_numbers.iter().any(|(issuer, before)| {
            self.crl_numbers
                .iter()
                .filter(|(other, _)| other == issuer)
                .any(|(_, now)| (now.len(), now) < (before.len(), before))
        })
    }
}

/// Every item of one kind in a PEM file, at least one.
pub(crate) fn pem_items<T: PemObject>(
    bytes: &[u8],
    path: &Path,
    wanted: &'static str,
) -> Result<Vec<T>, CredentialError> {
    let items: Vec<T> = T::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| CredentialError::Content { path: path.to_owned(), wanted })?;
    if items.is_empty() {
        return Err(CredentialError::Content { path: path.to_owned(), wanted });
    }
    Ok(items)
}

/// Issuer and number of every list, and the earliest `nextUpdate`.
#[expect(clippy::type_complexity, reason = "used once, right above")]
fn read_crls(
    crls: &[CertificateRevocationListDer<'_>],
    path: &Path,
) -> Result<(Vec<(Vec<u8>, Vec<u8>)>, Millis), CredentialError> {
    let wrong = |wanted| CredentialError::Content { path: path.to_owned(), wanted };
    let mut numbers = Vec::with_capacity(crls.len());
    let mut earliest = Millis(u64::MAX);
    for der in crls {
        let (_, list) =
            CertificateRevocationList::from_der(der).map_err(|_| wrong("readable revocation list"))?;
        let number = list.crl_number().ok_or_else(|| wrong("revocation list with a number"))?;
        let next = list.next_update().ok_or_else(|| wrong("revocation list with nextUpdate"))?;
        let next = u64::try_from(next.timestamp()).unwrap_or(0).saturating_mul(1000);
        earliest = earliest.min(Millis(next));
        numbers.push((list.issuer().as_raw().to_vec(), number.to_bytes_be()));
    }
    Ok((numbers, earliest))
}
