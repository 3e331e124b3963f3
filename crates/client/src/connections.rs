//! Channels to the other parties, and the certificate that questions are bound to.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use tacit_identity::{Credentials, Role, SpiffeId};
use tacit_model::{MemberId, Reason};
use tacit_policy::Registry;
use tonic::transport::Channel;

use crate::error::{ClientError, Party};

/// Largest message taken from another party, in bytes.
pub(crate) const MAX_MESSAGE: usize = 96 << 20;

/// Channels to the coordinator, the custodian and every holder that is asked.
pub struct Connections {
    coordinator: Channel,
    custodian: Channel,
    own: Own,
    /// By member: the endpoint it was made for, and the channel. Given ones have no endpoint and stay.
    holders: Mutex<HashMap<MemberId, (Option<String>, Channel)>>,
}

enum Own {
    Credentials(Credentials),
    Fixed([u8; 32]),
}

impl Connections {
    /// Coordinator and custodian as given; holders are connected at their first question, at the endpoint that the
    /// registry names.
    #[must_use]
    pub fn new(credentials: Credentials, coordinator: Channel, custodian: Channel) -> Self {
        Self { coordinator, custodian, own: Own::Credentials(credentials), holders: Mutex::default() }
    }

    /// Channels that were made elsewhere, for a requester whose certificate has this hash of its
    /// SubjectPublicKeyInfo. No holder is connected but those of [`Connections::with_holder`].
    #[must_use]
    pub fn fixed(cnf: [u8; 32], coordinator: Channel, custodian: Channel) -> Self {
        Self { coordinator, custodian, own: Own::Fixed(cnf), holders: Mutex::default() }
    }

    /// Reaches this holder by this channel, whatever the registry says.
    #[must_use]
    pub fn with_holder(self, holder: MemberId, channel: Channel) -> Self {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).insert(holder, (None, channel));
        self
    }

    /// The coordinator.
    #[must_use]
    pub fn coordinator(&self) -> Channel {
        self.coordinator.clone()
    }

    /// The custodian.
    #[must_use]
    pub fn custodian(&self) -> Channel {
        self.custodian.clone()
    }

    /// SHA-256 of our own SubjectPublicKeyInfo, as it is now.
    #[must_use]
    pub fn cnf(&self) -> [u8; 32] {
        match &self.own {
            Own::Credentials(credentials) => credentials.cnf(),
            Own::Fixed(cnf) => *cnf,
        }
    }

    /// A holder, by the registry's endpoint.
    pub(crate) fn holder(&self, registry: &Registry, holder: &MemberId) -> Result<Channel, ClientError> {
        let unreachable =
            || ClientError::NoAnswer { party: Party::Holder(holder.clone()), reason: Reason::Unavailable };
        let endpoint = registry.member(holder).and_then(|member| member.endpoint.clone());
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_for, channel)) = holders.get(holder)
            && (made_for.is_none() || *made_for == endpoint)
        {
            return Ok(channel.clone());
        }
        let Own::Credentials(credentials) = &self.own else { return Err(unreachable()) };
        let endpoint = endpoint.ok_or_else(unreachable)?;
        let expected = SpiffeId::new(credentials.spiffe().federation.clone(), Role::Node, holder.clone());
        let channel = tacit_identity::channel(&endpoint, expected, credentials.clone()).map_err(|error| {
            tracing::error!(%holder, %error, "the registry's endpoint cannot be used");
            unreachable()
        })?;
        holders.insert(holder.clone(), (Some(endpoint), channel.clone()));
        Ok(channel)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections(..)")
    }
}
