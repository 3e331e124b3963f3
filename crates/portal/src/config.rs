//! The portal's part of its configuration file: one table per desk that is switched on.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use tacit_identity::WebCertificateFiles;

use crate::{api::ApiAt, limits::LimitConfig, login::LoginConfig, session::SessionConfig};

/// What every desk has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    /// Where the desk listens: on loopback, behind whatever ends TLS for it, or anywhere with `tls`.
    pub http: SocketAddr,
    /// How browsers reach it, `https://HOST[:PORT]`; without it, the address above.
    pub origin: Option<url::Url>,
    /// The certificate under which the desk itself speaks TLS 1.3.
    pub tls: Option<WebCertificateFiles>,
    /// How people log in.
    pub login: LoginConfig,
    /// How long sessions last.
    #[serde(default)]
    pub session: SessionConfig,
    /// How often something may be done.
    #[serde(default)]
    pub limits: LimitConfig,
    /// IANA name of the time zone in which times are shown.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The JSON API behind the desk: the authority's for subjects, the node's for officers.
    pub api: Option<ApiAt>,
    /// Who the auditor desk is at the coordinator: an auditor's configuration.
    pub auditor: Option<PathBuf>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl DeskConfig {
    /// Makes relative paths start elsewhere.
    pub fn resolve(&mut self, resolve: impl Fn(&mut PathBuf)) {
        self.api.iter_mut().map(|api| &mut api.tokens).chain(&mut self.auditor).for_each(&resolve);
        self.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key]).for_each(&resolve);
        match &mut self.login {
            LoginConfig::Oidc(oidc) => {
                oidc.client_secret.iter_mut().chain(&mut oidc.roots).for_each(&resolve);
            }
            LoginConfig::Development(development) => resolve(&mut development.accounts),
        }
    }

    /// Whether a claim has to say that somebody may use the desk.
    pub(crate) fn names_role(&self) -> bool {
        match &self.login {
            LoginConfig::Oidc(oidc) => oidc.claims.role.is_some(),
            LoginConfig::Development(development) => development.claims.role.is_some(),
        }
    }
}
