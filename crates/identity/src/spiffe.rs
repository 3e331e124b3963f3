//! Names of parties: `spiffe://<federation>/<role>/<member>` (SPIFFE-ID, sections 2.1 and 2.2).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tacit_model::MemberId;

/// Suffix of the DNS name in every certificate. `.internal` is reserved for private use by ICANN, so the name
/// can never be resolved to somebody else's machine.
const DNS_SUFFIX: &str = "tacit.internal";

/// Longest federation name in bytes, so that the DNS name of any member fits in the 253 bytes of RFC 1035.
const FEDERATION_MAX_BYTES: usize = 128;

/// Longest DNS label in bytes (RFC 1035, section 2.3.4).
const LABEL_MAX_BYTES: usize = 63;

/// Why a text is not the name of a party. The text itself is not repeated: it may come from a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// The text does not start with `spiffe://`.
    #[error("not a SPIFFE id: it does not start with spiffe://")]
    Scheme,
    /// The path is not exactly `/<role>/<member>`.
    #[error("the path of the SPIFFE id is not /<role>/<member>")]
    Path,
    /// The federation is not a lower-case DNS name of at most 128 bytes.
    #[error("the federation is not a lower-case DNS name of at most 128 bytes")]
    Federation,
    /// The role is none of the five that exist.
    #[error("the role is not one of coordinator, custodian, node, authority, auditor")]
    Role,
    /// The member name does not match `[a-z0-9][a-z0-9-]{0,62}`.
    #[error("the member name does not match [a-z0-9][a-z0-9-]{{0,62}}")]
    Member,
}

/// What a party does in the federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps the registry and the log, and authorizes.
    Coordinator,
    /// Keeps the pseudonym keys and mirrors the sealed lists.
    Custodian,
    /// An agency: holder and requester.
    Node,
    /// A consent authority: the subject portal.
    Authority,
    /// Reads the log.
    Auditor,
}

impl Role {
    /// Every role, in the order in which they are documented.
    pub const ALL: [Self; 5] =
        [Self::Coordinator, Self::Custodian, Self::Node, Self::Authority, Self::Auditor];

    /// The word that stands in the SPIFFE id.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Custodian => "custodian",
            Self::Node => "node",
            Self::Authority => "authority",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(SpiffeError::Role)
    }
}

/// The name of a federation: the SPIFFE trust domain. A lower-case DNS name of at most 128 bytes, its labels
/// neither starting nor ending with a hyphen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Federation(Arc<str>);

impl Federation {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `spiffe://<federation>`: the id that stands in the certificate of the federation's CA.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("spiffe://{self}")
    }
}

impl fmt::Display for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Federation {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label_ok = |label: &str| {
            (1..=LABEL_MAX_BYTES).contains(&label.len())
                && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= FEDERATION_MAX_BYTES && text.split('.').all(label_ok) {
            Ok(Self(text.into()))
        } else {
            Err(SpiffeError::Federation)
        }
    }
}

impl TryFrom<String> for Federation {
    type Error = SpiffeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Federation> for String {
    fn from(federation: Federation) -> Self {
        federation.to_string()
    }
}

/// The name of a party, `spiffe://<federation>/<role>/<member>`.
///
/// Only one text parses to a given value, so comparing values and comparing the bytes of the URI are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    /// The trust domain.
    pub federation: Federation,
    /// What the party does.
    pub role: Role,
    /// Who it is.
    pub member: MemberId,
}

impl SpiffeId {
    /// The id of `member` acting as `role` in `federation`.
    #[must_use]
    pub fn new(federation: Federation, role: Role, member: MemberId) -> Self {
        Self { federation, role, member }
    }

    /// The DNS name beside the URI, `<member>.<role>.<federation>.tacit.internal`. It is there because webpki
    /// verifies servers by DNS name; it is never resolved.
    ///
    /// A member name may end in a hyphen and a DNS label may not: then the first label is `h` and the first 31
    /// bytes of the SHA-256 of the member name, in hexadecimal. That loses nothing, since the URI decides.
    #[must_use]
    pub fn dns_name(&self) -> String {
        let member = self.member.to_string();
        let label = if member.ends_with('-') {
            let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, member.as_bytes()));
            format!("h{}", &digest[..LABEL_MAX_BYTES - 1])
        } else {
            member
        };
        format!("{label}.{}.{}.{DNS_SUFFIX}", self.role, self.federation)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.federation, self.role, self.member)
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("spiffe://").ok_or(SpiffeError::Scheme)?;
        let mut parts = rest.split('/');
        let (Some(federation), Some(role), Some(member), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SpiffeError::Path);
        };
        Ok(Self {
            federation: federation.parse()?,
            role: role.parse()?,
            member: member.parse().map_err(|_| SpiffeError::Member)?,
        })
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = SpiffeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_exactly_one_spelling() {
        let text = "spiffe://demo.example/node/tax";
        let id: SpiffeId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!((id.role, &*id.member, id.federation.as_str()), (Role::Node, "tax", "demo.example"));
        for (wrong, why) in [
            ("SPIFFE://demo/node/tax", SpiffeError::Scheme),
            ("https://demo/node/tax", SpiffeError::Scheme),
            ("spiffe://demo/node", SpiffeError::Path),
            ("spiffe://demo/node/tax/", SpiffeError::Path),
            ("spiffe://demo/node/tax/x", SpiffeError::Path),
            ("spiffe://Demo/node/tax", SpiffeError::Federation),
            ("spiffe://demo:1/node/tax", SpiffeError::Federation),
            ("spiffe://-demo/node/tax", SpiffeError::Federation),
            ("spiffe:///node/tax", SpiffeError::Federation),
            ("spiffe://demo/Node/tax", SpiffeError::Role),
            ("spiffe://demo/holder/tax", SpiffeError::Role),
            ("spiffe://demo/node/Tax", SpiffeError::Member),
            ("spiffe://demo/node/tax%41", SpiffeError::Member),
            ("spiffe://demo/node/tax?x", SpiffeError::Member),
            ("spiffe://demo/node/", SpiffeError::Member),
        ] {
            assert_eq!(wrong.parse::<SpiffeId>().unwrap_err(), why, "{wrong}");
        }
    }

    #[test]
    fn every_legal_member_has_a_legal_dns_name() {
        let long = "a".repeat(63);
        let dashed = format!("{}-", "a".repeat(62));
        let federation = format!("{}.{}", "f".repeat(63), "g".repeat(63));
        for member in ["tax", "0", "a-", long.as_str(), dashed.as_str()] {
            let id = SpiffeId::new(federation.parse().unwrap(), Role::Coordinator, member.parse().unwrap());
            let name = id.dns_name();
            assert!(rustls_pki_types::DnsName::try_from(name.as_str()).is_ok(), "{name}");
        }
    }
}
