//! A permit that is good here: the proof type that an answer demands.

use tacit_identity::PeerIdentity;
use tacit_ledger::{
    logged::VerifiedRecord,
    record::{Access, MAX_PERMIT_MS},
};
use tacit_model::{Millis, Reason};

use crate::Ground;

/// How far the coordinator's clock may be ahead of ours, in milliseconds.
const AHEAD_MS: u64 = 5_000;

/// A permit whose record is in the witnessed log, made for the peer that presents it, and in time.
/// Whether it is for this holder, list, version and query is the holder's to check; and nothing is answered to it before
/// its [`Ground`] is durable.
#[derive(Debug, Clone)]
pub struct GoodPermit {
    access: VerifiedRecord<Access>,
    ground: Ground,
}

impl GoodPermit {
    /// `now` by the clock here, and what is `reached` at the least, which is no earlier.
    pub(crate) fn check(
        record: VerifiedRecord,
        ground: &Ground,
        peer: &PeerIdentity,
        (now, reached): (Millis, Millis),
        newest_accepted: Millis,
    ) -> Result<Self, Reason> {
        let access: VerifiedRecord<Access> = record.narrow().map_err(|_| Reason::PermitNotLogged)?;
        let fields = access.record();
        if fields.requester != *peer.spiffe.member {
            return Err(Reason::PermitForOther);
        }
        if fields.cnf != peer.spki_sha256 {
            return Err(Reason::CertificateMismatch);
        }
        let (time, expires) = (fields.time_ms, fields.expires_ms);
        if expires > time.saturating_add(MAX_PERMIT_MS) {
            return Err(Reason::Malformed);
        }
        if now.0.saturating_add(AHEAD_MS) < time {
            return Err(Reason::PermitNotYetValid);
        }
        // Against a clock that was set back: time never runs behind what was told, or accepted before.
        if reached.0 >= expires || expires < newest_accepted.0 {
            return Err(Reason::PermitExpired);
        }
        Ok(Self { access, ground: ground.clone() })
    }

    /// The access record.
    pub fn access(&self) -> &Access {
        self.access.record()
    }

    /// The checkpoint it is good under.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Leaf index of the record in the log.
    pub fn index(&self) -> u64 {
        self.access.index()
    }

    /// When the coordinator recorded it.
    pub fn time(&self) -> Millis {
        Millis(self.access().time_ms)
    }

    /// When it ends.
    pub fn expires(&self) -> Millis {
        Millis(self.access().expires_ms)
    }
}
