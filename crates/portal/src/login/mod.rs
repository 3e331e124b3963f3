//! How people log in: with an identity provider by OpenID Connect, or, on a machine of one's own, without one.

pub(crate) mod development;
pub(crate) mod oidc;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::person::ClaimNames;

/// How people log in at a desk.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum LoginConfig {
    /// With an identity provider.
    Oidc(OidcConfig),
    /// By choosing a name from a list: on loopback only, for trying out.
    Development(DevelopmentConfig),
}

/// An identity provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Its issuer identifier, as its discovery document and its tokens say it, letter by letter. `https`, or `http` on
    /// this machine.
    pub issuer: String,
    /// How the provider knows this desk.
    pub client_id: String,
    /// File with the secret that the provider knows the desk by, mode 0600; none for a public client.
    pub client_secret: Option<PathBuf>,
    /// Scopes to ask for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Certificate authorities of the provider, PEM; those of the machine without it.
    pub roots: Option<PathBuf>,
    /// What its claims mean.
    #[serde(default)]
    pub claims: ClaimNames,
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

/// Names to choose from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevelopmentConfig {
    /// File with the accounts, JSON: a list of objects with `account`, `title` and `claims`.
    pub accounts: PathBuf,
    /// What the claims mean.
    #[serde(default)]
    pub claims: ClaimNames,
}

/// A login that is under way, kept in the browser's session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// Where the person wanted to go.
    pub(crate) to: String,
    /// In which language the pages are.
    pub(crate) language: String,
}
