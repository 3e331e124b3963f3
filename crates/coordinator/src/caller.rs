//! Who is calling, and what their role may do: the first line of every method.

use std::{collections::HashMap, sync::Mutex};

use tacit_identity::{PeerIdentity, Role, peer};
use tacit_ledger::{ed25519::VerifyingKey, note::NoteVerifier};
use tacit_model::{ListId, MemberId, Millis, Reason};
use tacit_policy::Registry;
use tonic::{Request, Status};

/// The authenticated caller, if its certificate's role is one of `roles` and the registry knows it in
/// that role.
pub(crate) fn caller<T>(
    request: &Request<T>,
    registry: &Registry,
    roles: &[Role],
) -> Result<PeerIdentity, Status> {
    let peer = peer(request).map_err(|_| tacit_wire::trouble(Reason::Unauthenticated, request.metadata()))?;
    let known = registry.member(&peer.spiffe.member).is_some_and(|member| plays(member, peer.spiffe.role));
    if !known || !roles.contains(&peer.spiffe.role) {
        metrics::counter!("tacit_coordinator_wrong_role_total").increment(1);
        return Err(tacit_wire::trouble(Reason::WrongRole, request.metadata()));
    }
    Ok(peer.clone())
}

/// Whether the registry has this member in the role that its certificate names.
fn plays(member: &tacit_policy::registry::entry::Member, role: Role) -> bool {
    use tacit_policy::registry::entry::Role as Registered;
    match role {
        Role::Coordinator => member.has(Registered::Coordinator),
        Role::Custodian => member.has(Registered::Custodian),
        Role::Node => member.has(Registered::Holder) || member.has(Registered::Requester),
        Role::Authority => member.has(Registered::Authority),
        Role::Auditor => member.has(Registered::Auditor),
    }
}

/// A member's signing key from the registry.
pub(crate) fn signing_key(registry: &Registry, member: &MemberId) -> Option<VerifyingKey> {
    registry.member(member).map(|member| member.keys.signing.0)
}

/// The key that manifests of a list are signed with.
pub(crate) fn manifest_verifier(registry: &Registry, list: &ListId) -> Option<NoteVerifier> {
    registry.list(list)?;
    let key = registry.member(&list.holder_id())?.keys.manifest?;
    NoteVerifier::new(&tacit_blind::table::manifest_key_name(list), key.0).ok()
}

/// Counts what is refused, per requester and minute, so that a flood is cut off: of bad proofs before it costs
/// arithmetic, of refusals before they fill the log.
#[derive(Debug, Default)]
pub(crate) struct PerMinute(Mutex<HashMap<MemberId, (u64, u64)>>);

impl PerMinute {
    /// Adds to the count of this minute.
    pub(crate) fn add(&self, requester: &MemberId, refused: u64, now: Millis) {
        if refused > 0 {
            let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let entry = counts.entry(requester.clone()).or_default();
            let minute = now.utc_minute();
            *entry = (minute, if entry.0 == minute { entry.1.saturating_add(refused) } else { refused });
        }
    }

    /// Whether this minute's count has passed the limit.
    pub(crate) fn over(&self, requester: &MemberId, limit: u64, now: Millis) -> bool {
        let counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        counts.get(requester).is_some_and(|(minute, refused)| *minute == now.utc_minute() && *refused > limit)
    }
}
