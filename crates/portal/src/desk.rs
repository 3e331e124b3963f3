//! What every desk is made of, whatever its pages are: sessions, a login, and how it is reached.

use std::{net::SocketAddr, sync::Arc};

use jiff::tz::TimeZone;
use tacit_identity::WebCertificate;
use tacit_model::Clock;
use tacit_store::Db;

use crate::{
    StartError,
    config::DeskConfig,
    desks::DeskName,
    journal::Journal,
    limits::Limits,
    login::{LoginConfig, development::Development, oidc::Oidc},
    session::Sessions,
    web::is_loopback,
};

/// How people log in.
pub(crate) enum LoginWith {
    Oidc(Box<Oidc>),
    Development(Box<Development>),
}

/// A desk without its pages.
pub(crate) struct Desk {
    pub(crate) name: DeskName,
    pub(crate) sessions: Sessions,
    pub(crate) login: LoginWith,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zone: TimeZone,
    /// As browsers send it: `https://desk.example.org`.
    pub(crate) origin: String,
    /// Where what is done for another is written down, where that can be.
    pub(crate) journal: Option<Journal>,
    /// For its own listener.
    pub(crate) certificate: Option<WebCertificate>,
}

impl Desk {
    pub(crate) fn new(
        name: DeskName,
        config: &DeskConfig,
        db: Db,
        clock: Arc<dyn Clock>,
        at: SocketAddr,
    ) -> Result<Self, StartError> {
        let wrong = |why: String| StartError::Desk { desk: name, why };
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let local = url::Url::parse(&format!("{scheme}://{at}")).map_err(|error| wrong(error.to_string()))?;
        let origin = config.origin.clone().unwrap_or_else(|| local.clone());
        let own = origin == local || origin.scheme() == "https";
        if !own
            || origin.path() != "/"
            || origin.query().is_some()
            || at.ip().is_unspecified() && origin == local
        {
            return Err(wrong(
                "origin has to be https://HOST[:PORT], or the loopback address itself".to_owned(),
            ));
        }
        let certificate = config.tls.clone().map(|files| {
            let host = origin.host_str().unwrap_or_default().trim_matches(['[', ']']);
            WebCertificate::load(files, host, Arc::clone(&clock))
        });
        let certificate = certificate.transpose().map_err(|error| wrong(format!("tls: {error}")))?;
        let login = match &config.login {
            LoginConfig::Oidc(oidc) => {
                let oidc = Oidc::new(oidc, &origin, Arc::clone(&clock));
                LoginWith::Oidc(Box::new(oidc.map_err(|error| wrong(error.to_string()))?))
            }
            LoginConfig::Development(_) if origin != local || !is_loopback(&origin) => {
                let why = "login.kind = \"development\" lets anybody in as anybody: it is for the loopback address alone, \
                    without an origin";
                return Err(wrong(why.to_owned()));
            }
            LoginConfig::Development(development) => {
                let loaded = Development::load(development);
                LoginWith::Development(Box::new(loaded.map_err(|error| wrong(error.to_string()))?))
            }
        };
        let zone = TimeZone::get(&config.time_zone).map_err(|error| wrong(format!("time_zone: {error}")))?;
        let sessions = Sessions::new(db, name, config.session, Arc::clone(&clock));
        let limits = Limits::new(&config.limits);
        let origin = origin.origin().ascii_serialization();
        Ok(Self { name, sessions, login, limits, clock, zone, origin, journal: None, certificate })
    }

    pub(crate) fn is_development(&self) -> bool {
        matches!(self.login, LoginWith::Development(_))
    }
}

#[cfg(test)]
mod tests {
    use tacit_model::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_development_login_is_refused_on_any_address_but_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("accounts.json");
        std::fs::write(&accounts, "[]").unwrap();
        let db =
            crate::store::open(&format!("sqlite:{}", folder.path().join("web.db").display())).await.unwrap();
        let at: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let config = |origin: Option<&str>| -> DeskConfig {
            serde_json::from_value(serde_json::json!({
                "http": at, "origin": origin, "login": { "kind": "development", "accounts": accounts },
                "api": { "url": "http://127.0.0.1:1", "tokens": "t", "application": "desks" },
            }))
            .unwrap()
        };
        let made = |origin| {
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(tacit_model::Millis(0)));
            Desk::new(DeskName::Subject, &config(origin), db.clone(), clock, at)
        };
        assert!(made(None).unwrap().is_development());
        assert!(made(Some("http://127.0.0.1:8080")).is_ok());
        for elsewhere in ["https://desk.example.org", "http://desk.example.org", "http://127.0.0.1:8081"] {
            assert!(made(Some(elsewhere)).is_err(), "{elsewhere}");
        }
    }
}
