//! Who calls, whether its role may, and how outcomes become answers.

use std::time::Instant;

use tacit_identity::{PeerIdentity, Role, peer};
use tacit_model::{MemberId, Reason};
use tacit_wire::common::Refusal;
use tacit_wire::{RequestIds, trouble};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::error::Stop;

/// A call from a peer whose role may make it. Every handler begins by making one.
pub(crate) struct Call {
    method: &'static str,
    peer: PeerIdentity,
    metadata: MetadataMap,
    begun: Instant,
}

impl Call {
    /// Refuses peers of other roles.
    pub(crate) fn of<T>(method: &'static str, request: &Request<T>, roles: &[Role]) -> Result<Self, Status> {
        let metadata = request.metadata();
        let peer = peer(request).map_err(|error| {
            tracing::error!(method, %error, "a call without a verified peer");
            trouble(Reason::Unauthenticated, metadata)
        })?;
        if !roles.contains(&peer.spiffe.role) {
            metrics::counter!("tacit_custodian_refused_total", "method" => method, "reason" => Reason::WrongRole.as_str())
                .increment(1);
            tracing::warn!(method, peer = %peer.spiffe, "refused: the role has no right to call this");
            return Err(trouble(Reason::WrongRole, metadata));
        }
        Ok(Self { method, peer: peer.clone(), metadata: metadata.clone(), begun: Instant::now() })
    }

    pub(crate) fn peer(&self) -> &PeerIdentity {
        &self.peer
    }

    pub(crate) fn member(&self) -> &MemberId {
        &self.peer.spiffe.member
    }

    pub(crate) fn role(&self) -> Role {
        self.peer.spiffe.role
    }

    /// Turns an outcome into a value for the answer or a status, counts it, and logs what is ours.
    pub(crate) fn settle<T>(&self, outcome: Result<T, Stop>) -> Result<Result<T, Refusal>, Status> {
        let (word, settled) = match outcome {
            Ok(value) => ("ok", Ok(Ok(value))),
            Err(Stop::Refused(refusal)) => {
                let reason: Option<Reason> = refusal.reason.parse().ok();
                tracing::info!(
                    method = self.method,
                    peer = %self.peer.spiffe,
                    request_id = self.request_id(),
                    reason = refusal.reason,
                    "refused"
                );
                (reason.as_ref().map_or("other", Reason::as_str), Ok(Err(refusal)))
            }
            Err(Stop::Trouble(reason)) => {
                tracing::warn!(
                    method = self.method,
                    peer = %self.peer.spiffe,
                    request_id = self.request_id(),
                    reason = reason.as_str(),
                    "not answered"
                );
                (reason.as_str(), Err(trouble(reason, &self.metadata)))
            }
            Err(Stop::Failed(error)) => {
                tracing::error!(method = self.method, peer = %self.peer.spiffe, request_id = self.request_id(), %error, "failed");
                (Reason::Internal.as_str(), Err(trouble(Reason::Internal, &self.metadata)))
            }
        };
        if word != "ok" {
            metrics::counter!("tacit_custodian_refused_total", "method" => self.method, "reason" => word)
                .increment(1);
        }
        metrics::histogram!("tacit_custodian_call_seconds", "method" => self.method)
            .record(self.begun.elapsed().as_secs_f64());
        settled
    }

    fn request_id(&self) -> &str {
        RequestIds::of(&self.metadata).unwrap_or("none")
    }
}
