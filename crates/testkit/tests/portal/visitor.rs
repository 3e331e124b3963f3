//! A browser without a window: keeps cookies, sends forms with the page's secret, follows nothing by itself.

use std::{net::SocketAddr, path::Path};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tacit_identity::{WebConnector, install_default_provider, web_connector};

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    /// Where it sends the browser.
    pub(crate) fn to(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// The secret of the page's first form.
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once(r#"name="csrf" value=""#).expect("a form with a secret");
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A form as it is sent.
#[derive(Clone)]
pub(crate) struct Form {
    kind: &'static str,
    body: Bytes,
}

impl Form {
    /// Its fields in the order in which they are given, then a file.
    pub(crate) fn with_file<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>, file: &[u8]) -> Self {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part =
                format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let part = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"codes\"\r\n\r\n";
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        Self { kind: "multipart/form-data; boundary=edge", body: body.into() }
    }
}

/// Fields alone, as [`Visitor::encoded`] has them.
impl From<String> for Form {
    fn from(fields: String) -> Self {
        Self { kind: "application/x-www-form-urlencoded", body: fields.into() }
    }
}

/// A browser.
#[derive(Clone)]
pub(crate) struct Visitor {
    client: Client<WebConnector, Full<Bytes>>,
    scheme: &'static str,
    pub(crate) at: SocketAddr,
    pub(crate) cookie: Option<String>,
    pub(crate) origin: String,
}

impl Visitor {
    pub(crate) fn new(at: SocketAddr) -> Self {
        Self::by("http", at, None)
    }

    /// One that comes over TLS and knows these authorities.
    pub(crate) fn over_tls(at: SocketAddr, roots: &Path) -> Self {
        Self::by("https", at, Some(roots))
    }

    fn by(scheme: &'static str, at: SocketAddr, roots: Option<&Path>) -> Self {
        install_default_provider();
        let client = Client::builder(TokioExecutor::new()).build(web_connector(roots).unwrap());
        Self { client, scheme, at, cookie: None, origin: format!("{scheme}://{at}") }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        self.send(Method::POST, path, Some(Self::encoded(form.iter().copied()).into())).await
    }

    /// The fields of a form as they are sent.
    pub(crate) fn encoded<'f>(form: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
        let mut text = String::new();
        for (name, value) in form {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            text.push_str(&format!("{name}={value}&"));
        }
        text
    }

    /// A form with a file, its fields first as they are given.
    pub(crate) async fn upload(&mut self, path: &str, form: &[(&str, &str)], file: &[u8]) -> Page {
        self.send(Method::POST, path, Some(Form::with_file(form.iter().copied(), file))).await
    }

    /// One request. A form says where it comes from, unless that is empty.
    pub(crate) async fn send(&mut self, method: Method, path: &str, form: Option<Form>) -> Page {
        let mut request =
            Request::builder().method(method).uri(format!("{}://{}{path}", self.scheme, self.at));
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(form) = &form {
            request = request.header(header::CONTENT_TYPE, form.kind);
            if !self.origin.is_empty() {
                request = request.header(header::ORIGIN, &self.origin);
            }
        }
        let request = request.body(Full::new(form.map(|form| form.body).unwrap_or_default())).unwrap();
        let (parts, body) = self.answered(request).await;
        if let Some(set) = parts.headers.get(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        Page { status: parts.status, headers: parts.headers, text }
    }

    async fn answered(&self, request: Request<Full<Bytes>>) -> (http::response::Parts, Bytes) {
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }

    /// A file as it comes.
    pub(crate) async fn get_bytes(&self, path: &str) -> Bytes {
        let request = Request::builder().uri(format!("http://{}{path}", self.at));
        let request = request.header(header::COOKIE, self.cookie.as_deref().unwrap_or_default());
        let (parts, body) = self.answered(request.body(Full::default()).unwrap()).await;
        assert_eq!(parts.status, StatusCode::OK);
        body
    }

    /// Whether anything answers.
    pub(crate) async fn reaches(&self, path: &str) -> bool {
        let request = Request::builder().uri(format!("{}://{}{path}", self.scheme, self.at));
        self.client.request(request.body(Full::default()).unwrap()).await.is_ok()
    }

    /// Logs in as an account of the development login.
    pub(crate) async fn log_in(&mut self, account: &str) {
        let page = self.get("/en/login").await;
        let page = self.post("/en/login", &[("csrf", &page.csrf()), ("account", account)]).await;
        assert_eq!((page.status, page.to()), (StatusCode::SEE_OTHER, "/en/"), "{}", page.text);
    }
}
