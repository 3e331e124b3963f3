//! A node obeys the newest registry while it runs: its lists, agreements, witnesses, its own keys, and who is gone.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use tacit_client::Requester;
use tacit_identity::Credentials;
use tacit_model::MemberId;
use tacit_node::holder::Holder;
use tacit_policy::Registry;

use crate::{registry::RegistrySource, run::signing_key};

/// How often the coordinator is asked for a newer version.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often the file of own endings is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What keeps a node at the newest version.
pub(super) struct Follower {
    pub(super) source: RegistrySource,
    pub(super) member: MemberId,
    /// The file of the own signing key.
    pub(super) signing: PathBuf,
    pub(super) credentials: Credentials,
    pub(super) in_use: Arc<Registry>,
}

impl Follower {
    /// Takes newer versions over, and own endings of agreements, for ever: run it as a task.
    pub(super) async fn run(mut self, holder: Option<Holder>, requester: Option<Requester>) {
        let mut asked: Option<tokio::time::Instant> = None;
        let mut endings = self.source.endings();
        let mut stale = true;
        loop {
            let read = self.source.endings();
            stale |= std::mem::replace(&mut endings, read) != endings;
            if asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
                match self.source.refresh().await {
                    Ok(registry) => stale |= registry.hash() != self.in_use.hash(),
                    Err(error) if error.may_pass() => {
                        tracing::warn!(%error, reason = %error.reason(), "the registry is not renewed");
                    }
                    Err(error) => {
                        tracing::error!(%error, reason = %error.reason(), "ALARM: a registry is refused; the old one stays in use");
                    }
                }
                asked = Some(tokio::time::Instant::now());
            }
            if stale && let Some(registry) = self.source.in_use() {
                self.take_over(registry, holder.as_ref(), requester.as_ref()).await;
                stale = false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn take_over(
        &mut self,
        registry: Arc<Registry>,
        holder: Option<&Holder>,
        requester: Option<&Requester>,
    ) {
        tracing::info!(number = registry.number(), endings = registry.endings().count(), "registry in use");
        if let Some(holder) = holder {
            holder.set_registry(Arc::clone(&registry));
            match registry.witnesses() {
                Ok(witnesses) => holder.witness().set_witnesses(witnesses).await,
                Err(error) => tracing::error!(%error, "the quorum is counted as before"),
            }
        }
        if let Some(requester) = requester {
            self.change_key(&registry, requester);
            requester.set_registry(Arc::clone(&registry));
        }
        let gone: Vec<MemberId> = names(&self.in_use).difference(&names(&registry)).cloned().collect();
        if !gone.is_empty() {
            tracing::warn!(members = ?gone, "removed from the registry: their connections end");
            self.credentials.end_connections(&gone);
        }
        self.in_use = registry;
    }

    /// Signs with the own new key once the registry shows it.
    fn change_key(&self, registry: &Registry, requester: &Requester) {
        let shown = |registry: &Registry| registry.member(&self.member).map(|own| own.keys.signing);
        let Some(key) = shown(registry).filter(|key| shown(&self.in_use) != Some(*key)) else { return };
        match signing_key(&self.signing, key) {
            Ok(Some(signing)) => {
                tracing::info!(member = %self.member, "the own signing key changed");
                requester.set_signing(signing);
            }
            Ok(None) => tracing::error!(
                file = %self.signing.display(),
                "the registry shows a signing key of this member that is in neither FILE nor FILE.next"
            ),
            Err(error) => tracing::error!(%error, "the own new signing key cannot be read"),
        }
    }
}

fn names(registry: &Registry) -> BTreeSet<MemberId> {
    registry.members().map(|member| member.id.clone()).collect()
}
