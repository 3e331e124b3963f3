//! One walk through every page and form of a desk, taken from its own table of routes: as a stranger, as somebody without
//! the right, as somebody else, with forged forms and changed cookies. What the table has and the walk cannot fill in
//! ends it, so that no page is left out.

use std::collections::HashSet;

use http::{Method, StatusCode, header};
use tacit_portal::{Guard, Guarded};

use crate::{
    dressed,
    visitor::{Form, Page, Visitor},
};

/// How one route is walked through.
pub(crate) struct Filling {
    /// Its address, with things of the insider's own where the table has braces.
    pub(crate) at: String,
    /// The same with things that there are not, when it names any that are one person's.
    pub(crate) nothing: Option<String>,
    /// What its form carries beside the secret; as a good form does.
    pub(crate) form: Vec<(&'static str, String)>,
    /// The file that its form carries, where it takes one.
    pub(crate) file: String,
    /// Whether the interface behind the desk has it for nobody here: then the insider too is refused, in other words.
    pub(crate) behind: bool,
}

impl Filling {
    pub(crate) fn of(at: impl Into<String>) -> Self {
        Self { at: at.into(), nothing: None, form: Vec::new(), file: String::new(), behind: false }
    }

    pub(crate) fn or(mut self, nothing: impl Into<String>) -> Self {
        self.nothing = Some(nothing.into());
        self
    }

    pub(crate) fn form(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.form.push((name, value.into()));
        self
    }

    pub(crate) fn file(mut self, file: String) -> Self {
        self.file = file;
        self
    }

    pub(crate) fn refused_behind(mut self) -> Self {
        self.behind = true;
        self
    }
}

/// A desk with people in it.
pub(crate) trait Walked {
    /// Its table.
    fn routes(&self) -> &[Guarded];
    fn visitor(&self) -> Visitor;
    /// How a route is filled in; none for one that this scene does not know.
    fn filling(&self, route: &Guarded) -> Option<Filling>;
    /// Somebody logged in with every right; what the fillings name is theirs.
    async fn insider(&self) -> Visitor;
    /// Somebody logged in with every right, to whom nothing of it belongs.
    async fn other(&self) -> Option<Visitor>;
    /// People who are logged in and lack what this guard asks for, with what the page says to them.
    async fn unfit(&self, guard: Guard) -> Vec<(Visitor, &'static str)>;
    /// Accounts that may not use the desk at all.
    fn refused(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Words that stand on the insider's pages and that nobody else may read.
    fn told_to_none_else(&self) -> Vec<String>;
    /// What would be otherwise if anything had been changed.
    async fn state(&self, insider: &mut Visitor) -> Vec<String>;
    /// Changes something, to show that the state tells.
    async fn change(&self, insider: &mut Visitor);
}

/// What every answer of the walk is held against.
struct Watch {
    ids: HashSet<String>,
    secrets: Vec<String>,
}

impl Watch {
    fn dressed(&mut self, method: &Method, route: &Guarded, page: &Page) {
        dressed(page);
        let at = format!("{method} {}: {}", route.path, page.status);
        let get = |name| page.headers.get(name).map(|value| value.to_str().unwrap());
        assert!(self.ids.insert(get("x-request-id").unwrap().to_owned()), "{at}: a request id twice");
        // Parts of the program are kept, everything else is not, errors neither.
        let kept = route.path.starts_with("/assets/") && page.status == StatusCode::OK;
        let rule = if kept { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(get("cache-control"), Some(rule), "{at}");
        // Cookies are set where one logs in and taken away where one logs out.
        let sets = route.path.ends_with("/login") || route.path.ends_with("/logout");
        assert!(sets || !page.headers.contains_key(header::SET_COOKIE), "{at}: sets a cookie");
        assert!(page.headers.get_all(header::SET_COOKIE).iter().count() <= 1, "{at}");
        let html = get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        assert!(
            !html || *method == Method::HEAD || page.text.contains("<html lang=\""),
            "{at}: a page without its language"
        );
        for header in ["server", "x-powered-by", "access-control-allow-origin"] {
            assert_eq!(get(header), None, "{at}");
        }
    }

    /// Refused, in the portal's own words, with nothing of the insider's.
    fn refused(&mut self, method: &Method, route: &Guarded, page: &Page, status: StatusCode, why: &str) {
        self.dressed(method, route, page);
        assert_eq!(page.status, status, "{method} {}: {why}: {}", route.path, page.text);
        for secret in &self.secrets {
            assert!(!page.text.contains(secret), "{method} {}: {why}: {secret:?} is told", route.path);
            assert!(!page.to().contains(secret), "{method} {}: {why}: {secret:?} is told", route.path);
        }
    }

    /// What a stranger gets: sent to the login page, or told that nobody is logged in.
    fn stranger(&mut self, method: &Method, route: &Guarded, page: &Page, why: &str) {
        if [Method::GET, Method::HEAD].contains(method) {
            self.refused(method, route, page, StatusCode::SEE_OTHER, why);
            assert!(page.to().contains("/login?to="), "{}: {why}: {}", route.path, page.to());
            assert!(page.text.is_empty(), "{}: {why}: {}", route.path, page.text);
        } else {
            self.refused(method, route, page, StatusCode::UNAUTHORIZED, why);
        }
    }
}

/// The page without what differs from one to the next by itself.
pub(crate) fn masked(page: &Page) -> String {
    let mut text = page.text.clone();
    if let Some(id) = page.headers.get("x-request-id") {
        text = text.replace(id.to_str().unwrap(), "ID");
    }
    for begins in ["nonce=\"", "name=\"csrf\" value=\""] {
        let mut parts = text.split(begins);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out.push_str(begins);
            out.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
        }
        text = out;
    }
    // Times of the day, `10:32`, and the second of `10:32:05`.
    let text: Vec<char> = text.chars().collect();
    let digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let colon = |at: usize| text.get(at) == Some(&':');
    let timed = |at: usize| {
        digit(at)
            && ((digit(at + 1) && colon(at + 2))
                || (at > 0 && digit(at - 1) && colon(at + 1))
                || (at > 0 && colon(at - 1))
                || (at > 1 && digit(at - 1) && colon(at - 2)))
    };
    (0..text.len()).map(|at| if timed(at) { '#' } else { text[at] }).collect()
}

fn fields<'f>(filling: &'f Filling, secret: Option<&'f str>) -> Vec<(&'f str, &'f str)> {
    let pairs = filling.form.iter().map(|(name, value)| (*name, value.as_str()));
    secret.map(|secret| ("csrf", secret)).into_iter().chain(pairs).collect()
}

/// The form as a page sends it.
fn form(route: &Guarded, filling: &Filling, secret: Option<&str>) -> Form {
    let fields = fields(filling, secret);
    if route.file {
        Form::with_file(fields, filling.file.as_bytes())
    } else {
        Visitor::encoded(fields).into()
    }
}

/// The form in every way in which it may be sent: one that takes a file may come without.
fn forms(route: &Guarded, filling: &Filling, secret: Option<&str>) -> Vec<Form> {
    let bare = route.file.then(|| Visitor::encoded(fields(filling, secret)).into());
    bare.into_iter().chain([form(route, filling, secret)]).collect()
}

/// Walks.
pub(crate) async fn walk(scene: &impl Walked) {
    let fillings: Vec<(&Guarded, Filling)> = scene
        .routes()
        .iter()
        .map(|route| {
            let filling = scene.filling(route);
            let missing = || panic!("{} {} has no filling: is it guarded?", route.method, route.path);
            (route, filling.unwrap_or_else(missing))
        })
        .collect();
    let mut watch = Watch { ids: HashSet::new(), secrets: scene.told_to_none_else() };
    let mut me = scene.insider().await;
    for secret in &watch.secrets {
        let mut told = false;
        for (_, filling) in fillings.iter().filter(|(route, _)| route.method == Method::GET) {
            told |= me.get(&filling.at).await.text.contains(secret);
        }
        assert!(told, "{secret:?} stands on no page, so looking for it shows nothing");
    }
    let before = scene.state(&mut me).await;

    strangers(scene, &fillings, &mut watch).await;
    forged(scene, &fillings, &mut watch, &mut me).await;
    tampered(&fillings, &mut watch, &me).await;
    unfit(scene, &fillings, &mut watch).await;
    others(scene, &fillings, &mut watch).await;
    reads(&fillings, &mut watch, &mut me).await;

    assert_eq!(scene.state(&mut me).await, before, "something was changed");
    scene.change(&mut me).await;
    assert_ne!(scene.state(&mut me).await, before, "the state does not tell of changes");
}

/// Not logged in: by every method, in both languages, and after a login that the desk refused.
async fn strangers(scene: &impl Walked, fillings: &[(&Guarded, Filling)], watch: &mut Watch) {
    let mut stranger = scene.visitor();
    let mut rejected = Vec::new();
    for account in scene.refused() {
        let mut visitor = scene.visitor();
        let csrf = visitor.get("/en/login").await.csrf();
        let page = visitor.post("/en/login", &[("csrf", &csrf), ("account", account)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{account}: {}", page.text);
        rejected.push(visitor);
    }
    for (route, filling) in fillings {
        let chinese = filling.at.replacen("/en/", "/zh/", 1);
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let reads = [Method::GET, Method::HEAD].contains(&method);
            let body = (!reads).then(|| form(route, filling, Some("x")));
            for at in [&filling.at, &chinese] {
                let page = stranger.send(method.clone(), at, body.clone()).await;
                if route.guard != Guard::Open {
                    watch.stranger(&method, route, &page, "a stranger");
                } else if reads {
                    watch.dressed(&method, route, &page);
                    let well = page.status.is_success() || page.status.is_redirection();
                    assert!(well || page.status.is_client_error(), "{at}: {}", page.status);
                    assert!(watch.secrets.iter().all(|secret| !page.text.contains(secret)), "{at}");
                } else {
                    // The login form too comes from a page of this desk.
                    watch.refused(&method, route, &page, StatusCode::FORBIDDEN, "a stranger's form");
                }
                stranger.cookie = None;
            }
        }
        for visitor in rejected.iter_mut().filter(|_| route.guard != Guard::Open) {
            let body = (route.method == Method::POST).then(|| form(route, filling, Some("x")));
            let page = visitor.send(route.method.clone(), &filling.at, body).await;
            watch.stranger(&route.method, route, &page, "an account that may not use the desk");
        }
    }
}

/// Forms without the secret, with one that was made up, with another session's, and from elsewhere.
async fn forged(scene: &impl Walked, fillings: &[(&Guarded, Filling)], watch: &mut Watch, me: &mut Visitor) {
    let own = me.get("/en/").await.csrf();
    let mut neighbor = scene.insider().await;
    let theirs = neighbor.get("/en/").await.csrf();
    assert_ne!(own, theirs);
    let cut = own[..own.len() - 1].to_owned();
    let home = me.origin.clone();
    for (route, filling) in fillings.iter().filter(|(route, _)| route.method == Method::POST) {
        for secret in [None, Some("x"), Some(&*theirs), Some(&*cut)] {
            for form in forms(route, filling, secret) {
                let page = me.send(Method::POST, &filling.at, Some(form)).await;
                watch.refused(&Method::POST, route, &page, StatusCode::FORBIDDEN, "a forged secret");
                assert!(page.text.contains("This form cannot be accepted"), "{}", page.text);
            }
        }
        // The right secret in the address is none.
        let at = format!("{}?csrf={own}", filling.at);
        for form in forms(route, filling, None) {
            let page = me.send(Method::POST, &at, Some(form)).await;
            watch.refused(&Method::POST, route, &page, StatusCode::FORBIDDEN, "the secret in the address");
        }
        for origin in ["", "null", "https://evil.example", &home.replacen("http:", "https:", 1)] {
            me.origin = origin.to_owned();
            for form in forms(route, filling, Some(&own)) {
                let page = me.send(Method::POST, &filling.at, Some(form)).await;
                watch.refused(&Method::POST, route, &page, StatusCode::FORBIDDEN, "from elsewhere");
            }
        }
        me.origin = home.clone();
    }
}

/// Cookies that were changed, cut, doubled, or renamed open nothing.
async fn tampered(fillings: &[(&Guarded, Filling)], watch: &mut Watch, me: &Visitor) {
    let cookie = me.cookie.clone().unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let other = |at: usize| if value.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = |at: usize| format!("{name}={}{}{}", &value[..at], other(at), &value[at + 1..]);
    let elsewhere = name.replacen("tacit-", "tacit-x", 1);
    let cookies = [
        changed(0),
        changed(value.len() / 2),
        format!("{name}={}", &value[..value.len() - 2]),
        format!("{name}={value}AAAA"),
        format!("{cookie}; {cookie}"),
        format!("{elsewhere}={value}"),
        format!("{}={value}", name.trim_start_matches("__Host-")),
    ];
    for (route, filling) in fillings.iter().filter(|(route, _)| route.guard != Guard::Open) {
        for cookie in &cookies {
            let mut thief = me.clone();
            thief.cookie = Some(cookie.clone());
            let body = (route.method == Method::POST).then(|| form(route, filling, Some("x")));
            let page = thief.send(route.method.clone(), &filling.at, body).await;
            watch.stranger(&route.method, route, &page, "a changed cookie");
        }
    }
}

/// Logged in, without the right.
async fn unfit(scene: &impl Walked, fillings: &[(&Guarded, Filling)], watch: &mut Watch) {
    let mut guards: Vec<Guard> = Vec::new();
    for (route, _) in fillings {
        if ![Guard::Open, Guard::Login].contains(&route.guard) && !guards.contains(&route.guard) {
            guards.push(route.guard);
        }
    }
    for guard in guards {
        let mut unfit = scene.unfit(guard).await;
        assert!(!unfit.is_empty(), "{guard:?}: nobody shows that it refuses");
        for (visitor, words) in &mut unfit {
            let secret = visitor.get("/en/").await.csrf();
            for (route, filling) in fillings.iter().filter(|(route, _)| route.guard == guard) {
                let body = (route.method == Method::POST).then(|| form(route, filling, Some(&secret)));
                let page = visitor.send(route.method.clone(), &filling.at, body).await;
                watch.refused(&route.method, route, &page, StatusCode::FORBIDDEN, words);
                assert!(page.text.contains(*words), "{}: {}", route.path, page.text);
            }
        }
    }
}

/// What is another person's is as what there is not: the same answer, letter by letter.
async fn others(scene: &impl Walked, fillings: &[(&Guarded, Filling)], watch: &mut Watch) {
    let Some(mut other) = scene.other().await else { return };
    let secret = other.get("/en/").await.csrf();
    for (route, filling) in fillings {
        let body = (route.method == Method::POST).then(|| form(route, filling, Some(&secret)));
        let Some(nothing) = &filling.nothing else { continue };
        let theirs = other.send(route.method.clone(), &filling.at, body.clone()).await;
        watch.refused(&route.method, route, &theirs, StatusCode::NOT_FOUND, "another person's");
        let none = other.send(route.method.clone(), nothing, body).await;
        watch.refused(&route.method, route, &none, StatusCode::NOT_FOUND, "nobody's");
        // Each page names what it was asked for in its address.
        let mut page = masked(&theirs);
        for (own, other) in filling.at.split('/').zip(nothing.split('/')).filter(|(own, other)| own != other)
        {
            page = page.replace(own, other);
        }
        assert_eq!(page, masked(&none), "{}", route.path);
    }
}

/// The insider reads everything, and sends every form as a GET: pages are shown, and nothing is done.
async fn reads(fillings: &[(&Guarded, Filling)], watch: &mut Watch, me: &mut Visitor) {
    let secret = me.get("/en/").await.csrf();
    let pages: Vec<&str> = fillings
        .iter()
        .filter(|(route, _)| route.method == Method::GET)
        .map(|(_, filling)| filling.at.as_str())
        .collect();
    for (route, filling) in fillings {
        if route.method == Method::POST {
            let at = format!("{}?{}", filling.at, Visitor::encoded(fields(filling, Some(&secret))));
            for method in [Method::GET, Method::HEAD] {
                let page = me.send(method.clone(), &at, None).await;
                watch.dressed(&method, route, &page);
                let twin = pages.contains(&filling.at.as_str());
                let fits = page.status.is_success() || page.status.is_redirection();
                let right =
                    if twin { fits || filling.behind } else { page.status == StatusCode::METHOD_NOT_ALLOWED };
                assert!(right, "{at}: {}", page.status);
            }
            continue;
        }
        let page = me.get(&filling.at).await;
        watch.dressed(&Method::GET, route, &page);
        let fits = page.status.is_success() || page.status.is_redirection();
        let behind = filling.behind && page.status == StatusCode::FORBIDDEN;
        assert!(fits || behind || route.guard == Guard::Open, "{}: {}", filling.at, page.text);
        // What is no name of anything is not found, and breaks nothing.
        for place in 0..route.path.matches('{').count() {
            for junk in ["%FF", "%00", "%2e%2e%2f", "%27%22%3E", &"x".repeat(3000)] {
                let at = replaced(route.path, &filling.at, place, junk);
                let page = me.get(&at).await;
                watch.dressed(&Method::GET, route, &page);
                assert!(!page.status.is_server_error(), "{at}: {}", page.text);
            }
        }
    }
}

/// The address with other text in one of its places.
fn replaced(path: &str, at: &str, place: usize, junk: &str) -> String {
    let mut braces = 0;
    let parts = path.split('/').zip(at.split('?').next().unwrap_or_default().split('/'));
    let parts = parts.map(|(own, given)| {
        braces += usize::from(own.starts_with('{'));
        if own.starts_with('{') && braces == place + 1 { junk } else { given }
    });
    parts.collect::<Vec<_>>().join("/")
}
