//! The registry versions of a running coordinator: which one is in force, and how the next one takes its place.
//!
//! ```text
//! operator ─▶ registry_offer ─▶ may follow? ─▶ record `registry` in the log, still without effect
//!                  │ no: refused, with the reason        │ a quorum of the version in force cosigned it
//!                  ▼                                     ▼
//!            what is in force stays               it counts: in force, for every replica
//! ```
//!
//! A recovery version, which only removes members, goes the same way with other witnesses: those who remain.
//!
//! Everything stands in the database, so that replicas share it and a crash loses none of it. A decision is made by the
//! version in force in the same transaction, and its record names that version.

mod next;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use tacit_identity::Credentials;
use tacit_ledger::ed25519::VerifyingKey;
use tacit_model::{MemberId, Millis};
use tacit_policy::{Pins, Registry};
use tacit_store::{Db, StoreError};
use tokio::sync::watch;

pub(crate) use self::next::follow;
use crate::store::registries::{self, StoredRegistry};

/// How often offers, and what other replicas did, are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How long requests are taken that were signed with the key before a change of key, after it came into force: a
/// requester learns of its own change a little later.
const OLD_KEY_MS: u64 = 10_000;

/// A version in force.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) registry: Arc<Registry>,
    pub(crate) bytes: Bytes,
    /// Since when.
    since: Millis,
    /// Whether it is in the database.
    stored: bool,
    /// The version before, as long as this process knows it.
    before: Option<Arc<Registry>>,
}

impl InForce {
    /// The keys that a request of `requester` may be signed with at `now`.
    pub(crate) fn signing_keys(&self, requester: &MemberId, now: Millis) -> Vec<VerifyingKey> {
        let Some(member) = self.registry.member(requester) else { return Vec::new() };
        let mut keys = vec![member.keys.signing.0];
        let before = self.before.as_ref().filter(|_| now.since(self.since) < OLD_KEY_MS);
        let old = before.and_then(|before| before.member(requester)).map(|before| before.keys.signing);
        keys.extend(
            old.filter(|old| *old != member.keys.signing && member.keys.leads_from(old)).map(|old| old.0),
        );
        keys
    }
}

/// The version in force, for all who decide.
pub(crate) struct Versions {
    in_force: RwLock<Arc<InForce>>,
    pins: Pins,
    changed: watch::Sender<()>,
    seen: Mutex<Seen>,
}

/// Versions that are not in force, as far as they were looked at.
#[derive(Default)]
struct Seen {
    /// The good one that was read last.
    last: Option<Arc<Registry>>,
    /// Hashes of offers that are no recovery versions.
    ordinary: BTreeSet<[u8; 32]>,
}

impl std::fmt::Debug for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Versions").field("number", &self.registry().number()).finish_non_exhaustive()
    }
}

impl Versions {
    /// From the version in force in the database, or the first one ever.
    pub(crate) fn new(registry: Arc<Registry>, bytes: Bytes, pins: Pins) -> Self {
        let in_force = InForce { registry, bytes, since: Millis(0), stored: false, before: None };
        Self {
            in_force: RwLock::new(Arc::new(in_force)),
            pins,
            changed: watch::channel(()).0,
            seen: Mutex::default(),
        }
    }

    /// The version in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The registry in force.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.in_force().registry)
    }

    /// Told after every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Begins with what is in force in the database, whatever file was given.
    pub(crate) fn start(&self, stored: Option<StoredRegistry>) -> Result<(), StoreError> {
        let Some(stored) = stored else { return Ok(()) };
        let registry = Registry::parse(&stored.bytes, &self.pins).map_err(|error| {
            tracing::error!(%error, "the registry in force cannot be read by these pins");
            StoreError::corrupt(
                "registry_version",
                "bytes",
                stored.logged.number,
                "are no registry by these pins",
            )
        })?;
        let in_force = InForce {
            registry: Arc::new(registry),
            bytes: stored.bytes.into(),
            since: stored.logged.counted.unwrap_or_default(),
            stored: true,
            before: None,
        };
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        Ok(())
    }

    /// Puts a stored version in force here, unless it is already, or a newer one is.
    pub(crate) fn adopt(&self, stored: StoredRegistry) -> Result<bool, StoreError> {
        let StoredRegistry { logged, bytes, cosigned: _ } = stored;
        let known = self.in_force();
        let is_same = known.registry.hash() == logged.hash;
        if known.registry.number() > logged.number || (is_same && known.stored) {
            return Ok(false);
        }
        let registry = if is_same {
            Arc::clone(&known.registry)
        } else {
            let parsed = Registry::parse(&bytes, &self.pins);
            Arc::new(parsed.map_err(|error| {
                tracing::error!(%error, number = logged.number, "the registry in force cannot be read");
                StoreError::corrupt(
                    "registry_version",
                    "bytes",
                    logged.number,
                    "are no registry by these pins",
                )
            })?)
        };
        metrics::gauge!("tacit_coordinator_registry_number").set(logged.number as f64);
        let in_force = InForce {
            registry,
            bytes: bytes.into(),
            since: logged.counted.unwrap_or_default(),
            stored: true,
            before: (!is_same).then(|| Arc::clone(&known.registry)),
        };
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        self.changed.send_replace(());
        Ok(!is_same)
    }

    /// Takes over what is in force in the database.
    pub(crate) async fn refresh(&self, db: &Db) -> Result<bool, StoreError> {
        let stored = registries::in_force(&mut *db.read().await?).await?;
        stored.map_or(Ok(false), |stored| self.adopt(stored))
    }

    /// Ends the connections of members that a new version does not have any more, until the server ends.
    pub(crate) async fn expel(self: Arc<Self>, credentials: Credentials, mut closing: watch::Receiver<bool>) {
        let mut changed = self.subscribe();
        let mut known: BTreeSet<MemberId> = names(&self.registry());
        loop {
            let now = names(&self.registry());
            let gone: Vec<MemberId> = known.difference(&now).cloned().collect();
            if !gone.is_empty() {
                tracing::warn!(members = ?gone, "removed from the registry: their connections end");
                credentials.end_connections(&gone);
            }
            known = now;
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                changed = changed.changed() => if changed.is_err() { return },
            }
        }
    }
}

fn names(registry: &Registry) -> BTreeSet<MemberId> {
    registry.members().map(|member| member.id.clone()).collect()
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
