//! Around every request of a desk.
//!
//! ```text
//! request ─▶ request id, language ─▶ session ─▶ form: origin, secret ─▶ guard ─▶ handler ─▶ page, or the fault in words
//!                                                                                    └▶ headers that every answer has
//! ```

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
};
use subtle::ConstantTimeEq as _;
use tacit_desk::http::Peer;
use tacit_model::{LogSafe, LogText, RequestId, entropy::os_rng};
use tokio::sync::Semaphore;

use crate::{
    desk::{Desk, LoginWith},
    form::Fields,
    frame::{Frame, page},
    journal::{Act, Entry, Outcome},
    language::Language,
    limits::Limit,
    routes::{self, Guard, Guarded, Pages, Route},
    session::secret,
    time, upload,
    visit::{Fault, Visit},
};

/// Largest form, in bytes.
const FORM_MAX: usize = 256 << 10;
/// Longest id or list that is written down of what was done for another, in characters, and most of them.
const ABOUT_MAX: usize = 120;
const ABOUT_COUNT: usize = 20;
/// Longest time for a page.
const PAGE_TIME: Duration = Duration::from_secs(70);
/// Most files at one time that are on their way in; the next one waits.
const UPLOADS: usize = 4;

/// A desk with what its pages are made of.
pub(crate) struct App<D> {
    pub(crate) desk: Desk,
    pub(crate) of: D,
    table: Arc<[Guarded]>,
    /// One permit per file in memory that a browser sends.
    uploads: Arc<Semaphore>,
}

/// What handlers get.
pub(crate) type Shared<D> = Arc<App<D>>;

/// The pages of a desk with everything around them.
pub(crate) fn pages<D: Send + Sync + 'static>(desk: Desk, of: D, routes: Vec<Route<Shared<D>>>) -> Pages {
    let (router, table) = routes::split(routes);
    let uploads = Arc::new(Semaphore::new(UPLOADS));
    let app = Arc::new(App { desk, of, table: Arc::clone(&table), uploads });
    let router = router.layer(middleware::from_fn_with_state(Arc::clone(&app), envelope)).with_state(app);
    Pages { router, table }
}

/// The outermost layer.
async fn envelope<D: Send + Sync + 'static>(
    State(app): State<Shared<D>>,
    request: Request,
    next: Next,
) -> Response {
    let route = routes::found(&app.table, request.method(), request.uri().path());
    let (path, method) = (route.path, request.method().clone());
    let (mut visit, mut request) = arrived(&app.desk, request);
    let at = request.uri().path().to_owned();
    if ![Method::GET, Method::HEAD].contains(&method) {
        // Forms are no pages: the link to the other language leads to one.
        let page = routes::page_above(&app.table, &at);
        let rest = page.strip_prefix(&visit.path("")).unwrap_or_default();
        visit.rest = if rest.is_empty() { "/".into() } else { rest.into() };
    }
    let admitted = tokio::time::timeout(PAGE_TIME, admit(&app, &mut visit, &mut request, route)).await;
    // A form that does not come in time is one that cannot be read.
    let mut admitted = admitted.unwrap_or(Err(Fault::Form));
    let acted = match noted(&app.desk, &visit, route, &at, admitted.as_ref().err()).await {
        Ok(acted) => acted,
        Err(fault) => {
            admitted = admitted.and(Err(fault));
            None
        }
    };
    let mut response = match admitted {
        Ok(()) => {
            request.extensions_mut().insert(visit.clone());
            let answered = tokio::time::timeout(PAGE_TIME, next.run(request)).await;
            answered.unwrap_or_else(|_| Fault::Internal.into_response())
        }
        Err(fault) => fault.into_response(),
    };
    let fault = response.extensions_mut().remove::<Fault>();
    if let Some((journal, entry)) = app.desk.journal.as_ref().zip(acted) {
        let outcome = match &fault {
            None => Outcome::Done,
            Some(fault) => Outcome::Failed(fault.key().to_owned()),
        };
        // That it was begun is written down, and the trouble is in the log.
        let _ = journal.end(entry, outcome).await;
    }
    if let Some(fault) = fault {
        let account = visit.login().map_or("", |login| login.account.as_str());
        tracing::info!(
            request_id = %LogSafe::new(&visit.id),
            desk = %app.desk.name,
            account = %LogText::new(account),
            path,
            fault = fault.key(),
            "refused"
        );
        response = told(&app.desk, &visit, &method, &fault);
    }
    finish(&app.desk, &visit, &mut response).await;
    tracing::info!(
        request_id = %LogSafe::new(&visit.id),
        desk = %app.desk.name,
        path,
        status = response.status().as_u16(),
        "page"
    );
    response
}

/// What is known of a request before anything is looked up.
fn arrived(desk: &Desk, request: Request) -> (Visit, Request) {
    let now = desk.clock.now();
    let path = request.uri().path();
    let (segment, rest) =
        path[1.min(path.len())..].split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let (language, rest) = match Language::of_segment(segment) {
        Some(language) => (language, format!("/{rest}")),
        None => {
            let wanted = request.headers().get(header::ACCEPT_LANGUAGE);
            let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or_default();
            (Language::accepted(wanted), "/".to_owned())
        }
    };
    let query = request.uri().query().unwrap_or_default();
    let rest = if query.is_empty() { rest } else { format!("{rest}?{query}") };
    let visit = Visit {
        id: RequestId::accept_or_generate(None, now, &mut os_rng()),
        language,
        session: None,
        nonce: secret().into(),
        rest: rest.into(),
        query: Arc::new(Fields::parse(query.as_bytes())),
        form: Arc::default(),
        file: None,
        now,
    };
    (visit, request)
}

/// Whether the request may go on to its handler.
async fn admit<D>(
    app: &App<D>,
    visit: &mut Visit,
    request: &mut Request,
    route: &Guarded,
) -> Result<(), Fault> {
    let desk = &app.desk;
    if route.limit == Some(Limit::Login) {
        let peer = request.extensions().get().map(|Peer(peer)| *peer);
        desk.limits.login(desk.limits.client(peer, request.headers()), visit.now)?;
    }
    let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    visit.session = desk.sessions.of(&cookies).await?;
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    // A change comes from a page of this desk, by its form, in its session.
    if !reads && !same_origin(desk, request.headers()) {
        return Err(Fault::Forged);
    }
    let logged_in = visit.session.as_ref().is_some_and(|session| session.state.login.is_some());
    if route.guard != Guard::Open && !logged_in {
        return Err(Fault::LoggedOut);
    }
    if !reads {
        let session = visit.session.as_ref().ok_or(Fault::Forged)?;
        let own = |shown: &str| bool::from(shown.as_bytes().ct_eq(session.state.csrf.as_bytes()));
        if route.file && upload::is_one(request.headers()) {
            // Nothing of a file is read before its form has shown the secret.
            let (form, file) = upload::read(request, own, &app.uploads).await?;
            visit.form = Arc::new(form);
            visit.file = file.map(Arc::new);
        } else {
            visit.form = Arc::new(form(request).await?);
            if !own(visit.form.get("csrf").unwrap_or_default()) {
                return Err(Fault::Forged);
            }
        }
    }
    match route.guard {
        Guard::For(scope) => {
            visit.who(scope)?;
        }
        Guard::Decides if !visit.login()?.decides => return Err(Fault::NotAllowed),
        Guard::Open | Guard::Login | Guard::Decides => {}
    }
    if !routes::is_text(request.uri().path()) {
        return Err(Fault::NotFound);
    }
    match route.limit {
        Some(Limit::Lookup) => desk.limits.lookup(visit.login()?.mark, visit.now)?,
        Some(Limit::Checks) => {
            desk.limits.checks(visit.login()?.mark, visit.form.all("list").len().max(1), visit.now)?;
        }
        Some(Limit::Login) | None => {}
    }
    Ok(())
}

/// Writes down what somebody does, or wants to do and may not, for another; what is not refused has its end written later.
async fn noted(
    desk: &Desk,
    visit: &Visit,
    route: &Guarded,
    path: &str,
    fault: Option<&Fault>,
) -> Result<Option<Entry>, Fault> {
    let (Some(journal), Guard::For(_), Ok(login)) = (&desk.journal, route.guard, visit.login()) else {
        return Ok(None);
    };
    let refused = match fault {
        None => false,
        Some(Fault::MandateOver | Fault::MandateScope | Fault::NotAllowed) => true,
        Some(_) => return Ok(None),
    };
    let mut about = route.named(path);
    about.extend(visit.form.all("list").into_iter().map(str::to_owned));
    about.iter_mut().for_each(|about| *about = about.chars().take(ABOUT_MAX).collect());
    about.truncate(ABOUT_COUNT);
    let act = Act::of(login, &login.acting, visit.now, route.word(), about);
    let Some((act, who)) = act.zip(login.for_whom()) else { return Ok(None) };
    let entry = journal.begin(&visit.id, who, act).await?;
    match fault.filter(|_| refused) {
        None => Ok(Some(entry)),
        Some(fault) => {
            journal.end(entry, Outcome::Refused(fault.key().to_owned())).await?;
            Ok(None)
        }
    }
}

/// Whether a form comes from a page of this desk, by the word of the browser.
fn same_origin(desk: &Desk, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.as_bytes() == desk.origin.as_bytes(),
        _ => false,
    }
}

async fn form(request: &mut Request) -> Result<Fields, Fault> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Fault::Form);
    }
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let body = to_bytes(body, FORM_MAX).await.map_err(|_| Fault::Form)?;
    Ok(Fields::parse(&body))
}

/// The page that says what went wrong.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    what: String,
    next: String,
    /// What the interface behind the desk said; for troubles alone.
    said: Option<String>,
    request_id: String,
}

fn told(desk: &Desk, visit: &Visit, method: &Method, fault: &Fault) -> Response {
    if matches!(fault, Fault::LoggedOut) && [Method::GET, Method::HEAD].contains(method) {
        return Redirect::to(&format!(
            "{}?{}",
            visit.path("/login"),
            Fields::default().with(&[("to", &visit.rest)])
        ))
        .into_response();
    }
    let language = visit.language;
    let (what, next) = (format!("problem-{}", fault.key()), format!("problem-{}-next", fault.key()));
    let said = match fault {
        Fault::Trouble(trouble) => {
            Some(language.reason(&trouble.reason).unwrap_or_else(|| trouble.message.clone()))
        }
        _ => None,
    };
    let what = language.say(&what);
    let again = match fault {
        Fault::Limited(wait) => wait.ms.div_ceil(1000).max(1),
        _ => 0,
    };
    let time = time::exact(&visit.now.plus_ms(again * 1000).to_rfc3339(), &desk.zone, language);
    let next = language.with(&next, &[("seconds", again.into()), ("time", time.into())]);
    let mut frame = Frame::new(desk, visit, what.clone(), "");
    frame.wrong = true;
    let template = ProblemPage { frame, what, next, said, request_id: visit.id.to_string() };
    let mut response = page(&template).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    *response.status_mut() = fault.status();
    if again > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, again.into());
    }
    response
}

/// The headers that every answer has.
async fn finish(desk: &Desk, visit: &Visit, response: &mut Response) {
    // Forms that log in or out lead to the identity provider, which browsers hold against `form-action`.
    let provider = match &desk.login {
        LoginWith::Oidc(oidc) => oidc.origin().await,
        LoginWith::Development(_) => None,
    };
    let provider = provider.map(|origin| format!(" {origin}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'{provider}; frame-ancestors 'none'; base-uri 'none'",
        visit.nonce
    );
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // Pages of this desk see each other's addresses, others see nothing; `no-referrer` would hide the origin of forms.
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    set(HeaderName::from_static("x-request-id"), visit.id.as_str());
    if desk.origin.starts_with("https:") {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    // Assets say themselves that they may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
