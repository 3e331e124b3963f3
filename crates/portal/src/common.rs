//! The pages that every desk has: the way in and out, assets, whether it is alive.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Redirect, Response},
    routing,
};
use tacit_model::LogSafe;

use crate::{
    assets,
    desk::LoginWith,
    frame::{Frame, page},
    language::Language,
    limits::Limit,
    login::{development::Account, oidc::LoginFailed},
    person::Login,
    routes::{Guard, Route},
    serving::Shared,
    session::Session,
    visit::{Fault, Visit},
};

/// Their routes.
pub(crate) fn routes<D: Send + Sync + 'static>() -> Vec<Route<Shared<D>>> {
    vec![
        Route::get("/", Guard::Open, routing::get(to_language)),
        Route::get("/healthz", Guard::Open, routing::get(|| async { "ok" })),
        Route::get("/assets/{hash}/{name}", Guard::Open, routing::get(assets::serve)),
        Route::get("/{language}/login", Guard::Open, routing::get(login_page::<D>)).limited(Limit::Login),
        Route::post("/{language}/login", Guard::Open, routing::post(log_in::<D>)).limited(Limit::Login),
        Route::get("/login/callback", Guard::Open, routing::get(came_back::<D>)),
        Route::post("/{language}/logout", Guard::Login, routing::post(log_out::<D>)),
        Route::get("/{language}/goodbye", Guard::Open, routing::get(goodbye::<D>)),
    ]
}

async fn to_language(Extension(visit): Extension<Visit>) -> Redirect {
    Redirect::to(&visit.path("/"))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    /// Where the person wanted to go.
    to: String,
    accounts: Vec<Account>,
}

async fn login_page<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    Extension(mut visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let to = inside(visit.query.get("to"));
    if visit.login().is_ok() {
        return Ok(Redirect::to(&visit.path(&to)).into_response());
    }
    // The form needs a session, which says nothing of anybody yet.
    let session = match visit.session.take() {
        Some(session) => session,
        None => app.desk.sessions.begin().await?,
    };
    let cookie = app.desk.sessions.cookie(&session);
    visit.session = Some(session);
    let frame = Frame::new(&app.desk, &visit, visit.language.say("login-title"), "");
    let accounts = match &app.desk.login {
        LoginWith::Development(development) => development.accounts.clone(),
        // Asked now, so that the browser is told where the form may lead.
        LoginWith::Oidc(oidc) => {
            oidc.ready().await.map_err(|error| refused(&visit, &error))?;
            Vec::new()
        }
    };
    Ok(with_cookie(page(&LoginPage { frame, to, accounts })?, &cookie))
}

async fn log_in<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let mut session = visit.session.clone().ok_or(Fault::Forged)?;
    let to = inside(visit.form.get("to"));
    match &app.desk.login {
        LoginWith::Development(development) => {
            let account = visit.form.get("account").ok_or(Fault::Login)?;
            let login = development.login(account).ok_or(Fault::Login)?;
            logged_in(&app, session, login, &visit.path(&to)).await
        }
        LoginWith::Oidc(oidc) => {
            let began = oidc.begin(to, visit.language.segment()).await;
            let (url, pending) = began.map_err(|error| refused(&visit, &error))?;
            session.state.pending = Some(pending);
            if !app.desk.sessions.keep(&session).await? {
                return Err(Fault::Forged);
            }
            Ok(Redirect::to(url.as_str()).into_response())
        }
    }
}

async fn came_back<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let LoginWith::Oidc(oidc) = &app.desk.login else { return Err(Fault::NotFound) };
    // Without the session that began it, or with another state, somebody else began this login.
    let mut session = visit.session.clone().ok_or(Fault::Login)?;
    let pending = session.state.pending.take().ok_or(Fault::Login)?;
    // A state is good once, whatever comes of it.
    if !app.desk.sessions.keep(&session).await? || visit.query.get("state") != Some(pending.state.as_str()) {
        return Err(Fault::Login);
    }
    if let Some(error) = visit.query.get("error") {
        let short = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
        return Err(refused(&visit, &LoginFailed::Declined(short)));
    }
    let code = visit.query.get("code").ok_or(Fault::Login)?.to_owned();
    let language = Language::of_segment(&pending.language).unwrap_or(visit.language);
    let to = format!("/{}{}", language.segment(), pending.to);
    let login = oidc.finish(pending, code).await.map_err(|error| refused(&visit, &error))?;
    logged_in(&app, session, login, &to).await
}

async fn logged_in<D>(app: &Shared<D>, old: Session, login: Login, to: &str) -> Result<Response, Fault> {
    let session = app.desk.sessions.renew(old, login).await?;
    let cookie = app.desk.sessions.cookie(&session);
    Ok(with_cookie(Redirect::to(to).into_response(), &cookie))
}

async fn log_out<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let session = visit.session.as_ref().ok_or(Fault::LoggedOut)?;
    app.desk.sessions.end(session).await?;
    let there = match (&app.desk.login, &session.state.login) {
        (LoginWith::Oidc(oidc), Some(login)) => oidc.end(login).await,
        _ => None,
    };
    let to = there.map_or_else(|| visit.path("/goodbye"), |url| url.to_string());
    Ok(with_cookie(Redirect::to(&to).into_response(), &app.desk.sessions.no_cookie()))
}

#[derive(Template)]
#[template(path = "goodbye.html")]
struct GoodbyePage {
    frame: Frame,
}

async fn goodbye<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    // Who is still logged in is not told otherwise.
    if visit.login().is_ok() {
        return Ok(Redirect::to(&visit.path("/")).into_response());
    }
    let frame = Frame::new(&app.desk, &visit, visit.language.say("goodbye-title"), "");
    page(&GoodbyePage { frame })
}

fn refused(visit: &Visit, error: &LoginFailed) -> Fault {
    tracing::warn!(request_id = %LogSafe::new(&visit.id), error = %tacit_model::LogText::new(&error.to_string()), "a login came to nothing");
    match error {
        LoginFailed::NoRight => Fault::NotAllowed,
        LoginFailed::Provider(_) | LoginFailed::Answer(_) | LoginFailed::Declined(_) => Fault::Login,
    }
}

/// An address inside this desk, or its first page: nobody is sent elsewhere by a link that somebody made.
fn inside(to: Option<&str>) -> String {
    let good = |to: &&str| {
        to.starts_with('/')
            && !to.starts_with("//")
            && !to.contains(['\\', '\r', '\n'])
            && !to.starts_with("/login")
    };
    to.filter(good).unwrap_or("/").to_owned()
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_a_login() {
        for to in ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/login", "/a\r\nb"] {
            assert_eq!(inside(Some(to)), "/", "{to}");
        }
        assert_eq!(inside(Some("/asked?from=2026-11-01")), "/asked?from=2026-11-01");
    }
}
