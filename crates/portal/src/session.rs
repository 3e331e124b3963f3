//! Sessions of browsers: who logged in at a desk, until when.
//!
//! ```text
//! cookie: token (32 random bytes) ─┬─ b3 "tacit v1 portal session"      ─▶ row key
//!                                  └─ b3 "tacit v1 portal session seal" ─▶ key of the sealed row
//! ```
//! Whoever reads the table, or a copy of it, can neither use a session nor tell whose it is. A session has a new token
//! from the moment of its login, ends on the server at logout, and ends by itself after a time without use and after
//! a longest time whatever happens.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use cookie::{Cookie, SameSite};
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use tacit_client::{Kind, Vault};
use tacit_model::{Clock, Millis, entropy::os_rng};
use tacit_store::{Db, StoreError};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{desks::DeskName, person::Login, store::sessions};

/// A use is noted when the last one noted is older, so that a page costs no write.
const NOTE_USE_MS: u64 = 30_000;
/// How long a browser may be on its way through a login.
const LOGIN_MS: u64 = 15 * 60_000;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A session that was not used for so long has ended, in minutes.
    pub idle_minutes: u32,
    /// A session ends so long after its login, in minutes.
    pub longest_minutes: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { idle_minutes: 20, longest_minutes: 8 * 60 }
    }
}

/// What the server keeps of a session.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// What every form of this session carries.
    pub(crate) csrf: String,
    began: Millis,
    used: Millis,
    /// The way through a login that is under way.
    pub(crate) pending: Option<crate::login::Pending>,
    /// Who logged in.
    pub(crate) login: Option<Login>,
}

/// A session that holds now.
#[derive(Clone)]
pub(crate) struct Session {
    token: Token,
    pub(crate) state: State,
}

impl Session {
    /// Where what is kept for this session lies; it lets nobody in.
    pub(crate) fn place(&self) -> Place {
        Place(self.token.key())
    }
}

/// A session by the key of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place([u8; 32]);

/// The secret in the cookie.
#[derive(Clone)]
struct Token(Zeroizing<[u8; 32]>);

impl Token {
    fn new() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        os_rng().fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    fn key(&self) -> [u8; 32] {
        blake3::derive_key("tacit v1 portal session", self.0.as_ref())
    }

    fn vault(&self) -> Vault {
        Vault::new(&Zeroizing::new(blake3::derive_key("tacit v1 portal session seal", self.0.as_ref())))
    }
}

/// The sessions of one desk. Clones share everything.
#[derive(Clone)]
pub(crate) struct Sessions {
    db: Db,
    desk: DeskName,
    config: SessionConfig,
    clock: Arc<dyn Clock>,
    /// Changes whenever somebody logs out.
    ended: watch::Sender<()>,
}

impl Sessions {
    pub(crate) fn new(db: Db, desk: DeskName, config: SessionConfig, clock: Arc<dyn Clock>) -> Self {
        Self { db, desk, config, clock, ended: watch::Sender::new(()) }
    }

    /// Whether the session of a place has not ended.
    pub(crate) async fn holds(&self, place: &Place) -> Result<bool, StoreError> {
        let (desk, now) = (self.desk.as_str(), self.clock.now());
        Ok(sessions::get(&mut *self.db.read().await?, &place.0, desk, now).await?.is_some())
    }

    /// Changes whenever somebody logs out: whoever keeps something for a session looks again then.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// The session of the cookies that a browser sent, if it holds.
    pub(crate) async fn of(&self, cookies: &str) -> Result<Option<Session>, StoreError> {
        let Some(token) = self.token(cookies) else { return Ok(None) };
        let (key, now) = (token.key(), self.clock.now());
        let sealed = sessions::get(&mut *self.db.read().await?, &key, self.desk.as_str(), now).await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = token.vault().open(Kind::Session, &key, &sealed).ok();
        let state = opened.and_then(|plain| serde_json::from_slice::<State>(&plain).ok());
        // A row that does not open was changed: nobody is logged in by it.
        let Some(state) = state else { return Ok(None) };
        let mut session = Session { token, state };
        if now.0.saturating_sub(session.state.used.0) >= NOTE_USE_MS {
            session.state.used = now;
            if !self.keep(&session).await? {
                return Ok(None);
            }
        }
        Ok(Some(session))
    }

    /// A session in which nobody has logged in yet.
    pub(crate) async fn begin(&self) -> Result<Session, StoreError> {
        let now = self.clock.now();
        let state = State { csrf: secret(), began: now, used: now, pending: None, login: None };
        let session = Session { token: Token::new(), state };
        self.put(&session).await?;
        Ok(session)
    }

    /// Writes what changed; false when the session has ended meanwhile.
    pub(crate) async fn keep(&self, session: &Session) -> Result<bool, StoreError> {
        let (key, sealed) = sealed(session);
        sessions::update(&mut *self.db.write().await?, &key, self.until(&session.state), &sealed).await
    }

    /// Somebody logged in: another token, another form secret, and the old session ends.
    pub(crate) async fn renew(&self, old: Session, login: Login) -> Result<Session, StoreError> {
        let now = self.clock.now();
        let state = State { csrf: secret(), began: now, used: now, pending: None, login: Some(login) };
        let session = Session { token: Token::new(), state };
        sessions::delete(&mut *self.db.write().await?, &old.token.key()).await?;
        self.ended.send_replace(());
        self.put(&session).await?;
        Ok(session)
    }

    /// Ends a session on the server.
    pub(crate) async fn end(&self, session: &Session) -> Result<(), StoreError> {
        sessions::delete(&mut *self.db.write().await?, &session.token.key()).await?;
        self.ended.send_replace(());
        Ok(())
    }

    /// Removes the sessions that ended by themselves.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        sessions::sweep(&mut *self.db.write().await?, self.clock.now()).await
    }

    /// The cookie of a session, for the headers of an answer.
    pub(crate) fn cookie(&self, session: &Session) -> String {
        let value = BASE64.encode(session.token.0.as_ref());
        self.build(value).build().to_string()
    }

    /// The header that takes the cookie away.
    pub(crate) fn no_cookie(&self) -> String {
        self.build(String::new()).max_age(cookie::time::Duration::ZERO).build().to_string()
    }

    fn build(&self, value: String) -> cookie::CookieBuilder<'static> {
        // `__Host-`: of this host alone, and only with Secure and Path=/.
        Cookie::build((self.name(), value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax)
    }

    fn name(&self) -> String {
        format!("__Host-tacit-{}", self.desk)
    }

    fn token(&self, cookies: &str) -> Option<Token> {
        let name = self.name();
        let mut found = Cookie::split_parse(cookies).flatten().filter(|cookie| cookie.name() == name);
        let (Some(cookie), None) = (found.next(), found.next()) else { return None };
        let bytes = Zeroizing::new(BASE64.decode(cookie.value()).ok()?);
        Some(Token(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    async fn put(&self, session: &Session) -> Result<(), StoreError> {
        let (key, sealed) = sealed(session);
        let until = self.until(&session.state);
        sessions::put(&mut *self.db.write().await?, &key, self.desk.as_str(), until, &sealed).await
    }

    /// When the session ends by itself.
    fn until(&self, state: &State) -> Millis {
        let minutes = |minutes: u32| u64::from(minutes) * 60_000;
        if state.login.is_none() {
            return Millis(state.began.0.saturating_add(LOGIN_MS));
        }
        let idle = state.used.0.saturating_add(minutes(self.config.idle_minutes) + NOTE_USE_MS);
        Millis(idle.min(state.began.0.saturating_add(minutes(self.config.longest_minutes))))
    }
}

fn sealed(session: &Session) -> ([u8; 32], Vec<u8>) {
    let key = session.token.key();
    // Strings, numbers and options: they always have a JSON text.
    let plain = Zeroizing::new(serde_json::to_vec(&session.state).unwrap_or_default());
    (key, session.token.vault().seal(Kind::Session, &key, &plain, &mut os_rng()))
}

/// 32 random bytes in text.
pub(crate) fn secret() -> String {
    let mut bytes = Zeroizing::new([0; 32]);
    os_rng().fill_bytes(bytes.as_mut());
    BASE64.encode(bytes.as_ref())
}

#[cfg(test)]
mod tests {
    use tacit_model::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_session_has_new_bytes_after_its_login_and_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.db");
        let db = crate::store::open(&format!("sqlite:{}", file.display())).await.unwrap();
        let clock = Arc::new(ManualClock::new(Millis(1_000_000)));
        let config = SessionConfig { idle_minutes: 20, longest_minutes: 60 };
        let of = |desk| Sessions::new(db.clone(), desk, config, clock.clone());
        let sessions = of(DeskName::Subject);
        let names = crate::person::ClaimNames::default();
        let claims = serde_json::json!({ "subject_scheme": "CN-ID", "subject_code": "11010519491231002X" });
        let login = Login::of("a1".to_owned(), claims.as_object().unwrap(), &names).unwrap();
        let cookie = |session: &Session| sessions.cookie(session).split(';').next().unwrap().to_owned();

        let before = sessions.begin().await.unwrap();
        let after = sessions.renew(before.clone(), login).await.unwrap();
        assert_ne!(cookie(&before), cookie(&after));
        assert_ne!(before.state.csrf, after.state.csrf);
        assert!(sessions.of(&cookie(&before)).await.unwrap().is_none(), "the old one has ended");
        assert!(sessions.of(&cookie(&after)).await.unwrap().is_some());
        // At another desk, or twice in one header, it is worth nothing.
        let elsewhere = cookie(&after).replace("subject", "auditor");
        assert!(of(DeskName::Auditor).of(&elsewhere).await.unwrap().is_none());
        assert!(sessions.of(&format!("{0}; {0}", cookie(&after))).await.unwrap().is_none());
        // The table says nothing of whom.
        db.settle().await.unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(18).any(|part| part == b"11010519491231002X"));
        }

        // Used again and again it lasts until its longest time, and not used it ends before.
        for _ in 0..5 {
            clock.advance_ms(11 * 60_000);
            assert!(sessions.of(&cookie(&after)).await.unwrap().is_some());
        }
        clock.advance_ms(6 * 60_000);
        assert!(sessions.of(&cookie(&after)).await.unwrap().is_none());
        let fresh = sessions.begin().await.unwrap();
        let fresh = sessions.renew(fresh, after.state.login.clone().unwrap()).await.unwrap();
        clock.advance_ms(22 * 60_000);
        assert!(sessions.of(&cookie(&fresh)).await.unwrap().is_none());
        assert_eq!(sessions.sweep().await.unwrap(), 2);
    }
}
