//! Where the parties of a new federation listen.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tacit_model::MemberId;
use tacit_portal::DeskName;

use crate::sample::{Sample, SampleMember};

/// A service that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// For the federation, mutual TLS.
    Federation,
    /// A node's gateway, gRPC.
    GatewayGrpc,
    /// A node's gateway, JSON.
    GatewayHttp,
    /// An authority's interface for its portal, JSON.
    Api,
    /// The web desk that is a client of this member.
    Desk,
    /// Metrics.
    Metrics,
}

/// Addresses of every service, all on 127.0.0.1.
#[derive(Debug, Clone)]
pub struct Ports(BTreeMap<(MemberId, Service), SocketAddr>);

/// The sample has more nodes than there are ports above the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ports of this federation do not fit between the base port and 65535; take a lower base port")]
pub struct TooManyPorts;

impl Ports {
    /// Ports that people can remember: coordinator at `base` + 1, custodian + 2, nodes at + 11, + 21, + 31, ...
    /// and authorities after them, with an interface (JSON) at + 3.
    /// Behind a node's port come its gateway (gRPC, then JSON) and its metrics. The web desks of subjects, officers and
    /// auditors are at + 5, + 6 and + 7.
    ///
    /// # Errors
    /// [`TooManyPorts`].
    pub fn from_base(sample: &Sample, base: u16) -> Result<Self, TooManyPorts> {
        let mut places = BTreeMap::new();
        let mut put = |id: &MemberId, service, offset: usize| {
            let port = u16::try_from(usize::from(base) + offset).map_err(|_| TooManyPorts)?;
            places.insert((id.clone(), service), loopback(port));
            Ok::<(), TooManyPorts>(())
        };
        for (role, at) in bodies() {
            if let Some(member) = sample.first(role) {
                put(&member.id, Service::Federation, at)?;
                put(&member.id, Service::Metrics, at + 2)?;
            }
        }
        for (number, node) in sample.nodes().enumerate() {
            let at = 10 * (number + 1);
            put(&node.id, Service::Federation, at + 1)?;
            put(&node.id, Service::GatewayGrpc, at + 2)?;
            put(&node.id, Service::GatewayHttp, at + 3)?;
            put(&node.id, Service::Metrics, at + 4)?;
        }
        for (number, authority) in (sample.nodes().count()..).zip(sample.authorities()) {
            let at = 10 * (number + 1);
            put(&authority.id, Service::Api, at + 3)?;
            put(&authority.id, Service::Metrics, at + 4)?;
        }
        Self(places).with_desks(sample, |number| {
            let port = u16::try_from(usize::from(base) + 5 + number).map_err(|_| TooManyPorts)?;
            Ok(loopback(port))
        })
    }

    /// Addresses that somebody else chose, by calling `choose` for each service.
    ///
    /// # Errors
    /// What `choose` says.
    pub fn chosen<E>(
        sample: &Sample,
        mut choose: impl FnMut(&MemberId, Service) -> Result<SocketAddr, E>,
    ) -> Result<Self, E> {
        let mut places = BTreeMap::new();
        for (role, _) in bodies() {
            if let Some(member) = sample.first(role) {
                places.insert(
                    (member.id.clone(), Service::Federation),
                    choose(&member.id, Service::Federation)?,
                );
            }
        }
        for node in sample.nodes() {
            for service in [Service::Federation, Service::GatewayGrpc, Service::GatewayHttp] {
                places.insert((node.id.clone(), service), choose(&node.id, service)?);
            }
        }
        for authority in sample.authorities() {
            places.insert((authority.id.clone(), Service::Api), choose(&authority.id, Service::Api)?);
        }
        Ok(Self(places))
    }

    /// The same with addresses for web desks: of subjects (0), officers (1) and auditors (2), as far as the sample has
    /// somebody whose clients they are. Without it a federation is founded without desks.
    ///
    /// # Errors
    /// What `choose` says.
    pub fn with_desks<E>(
        mut self,
        sample: &Sample,
        mut choose: impl FnMut(usize) -> Result<SocketAddr, E>,
    ) -> Result<Self, E> {
        for (number, (_, member)) in desks(sample).into_iter().enumerate() {
            if let Some(member) = member {
                self.0.insert((member.id.clone(), Service::Desk), choose(number)?);
            }
        }
        Ok(self)
    }

    /// Where a member's service listens.
    #[must_use]
    pub fn get(&self, member: &MemberId, service: Service) -> Option<SocketAddr> {
        self.0.get(&(member.clone(), service)).copied()
    }
}

/// The web desks, and the member whose client each is.
pub(super) fn desks(sample: &Sample) -> [(DeskName, Option<&SampleMember>); 3] {
    use tacit_policy::registry::entry::Role;
    [
        (DeskName::Subject, sample.first(Role::Authority)),
        // Who only asks, before who also answers.
        (
            DeskName::Officer,
            sample
                .member
                .iter()
                .find(|it| it.has(Role::Requester) && !it.has(Role::Holder))
                .or_else(|| sample.first(Role::Requester)),
        ),
        (DeskName::Auditor, sample.first(Role::Auditor)),
    ]
}

fn bodies() -> [(tacit_policy::registry::entry::Role, usize); 2] {
    use tacit_policy::registry::entry::Role;
    [(Role::Coordinator, 1), (Role::Custodian, 2)]
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_the_documented_ones_and_all_different() {
        let sample = Sample::named("procurement").unwrap();
        let ports = Ports::from_base(&sample, 7400).unwrap();
        let at = |member: &str, service| ports.get(&member.parse().unwrap(), service).map(|it| it.port());
        assert_eq!(at("coordinator", Service::Federation), Some(7401));
        assert_eq!(at("custodian", Service::Federation), Some(7402));
        assert_eq!(at("court", Service::Federation), Some(7411));
        assert_eq!(at("tax", Service::GatewayGrpc), Some(7422));
        assert_eq!(at("procurement", Service::GatewayHttp), Some(7433));
        assert_eq!(at("portal", Service::Federation), None);
        assert_eq!(at("portal", Service::Api), Some(7443));
        assert_eq!(at("portal", Service::Desk), Some(7405));
        assert_eq!(at("auditor-a", Service::Desk), Some(7407));
        let mut all: Vec<_> = ports.0.values().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Ports::from_base(&sample, 65_530).unwrap_err(), TooManyPorts);
    }
}
