//! Calls of a JSON API of ours: the authority's, or a node's gateway. What is wrong comes back as a problem with its
//! stable reason, which the pages put into words.

use std::fmt;

use axum::body::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tacit_desk::tokens::token_of;
use tacit_identity::FileError;
use tacit_model::RequestId;

use crate::web::{Lines, Web, WebError, is_loopback};

const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";

/// Where a JSON API is, and what lets the portal in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiAt {
    /// `http://127.0.0.1:PORT`: interfaces listen on their own machine alone.
    pub url: url::Url,
    /// File with lines `name:token`, mode 0600.
    pub tokens: std::path::PathBuf,
    /// Name of the line that is the portal's.
    pub application: String,
}

/// Why an API cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiStartError {
    /// The file of tokens.
    #[error("api.tokens: {0}")]
    Tokens(#[from] FileError),
    /// It has no such line.
    #[error("api.tokens: no line of the file begins with {0:?}")]
    NoToken(String),
    /// Another machine, or not HTTP.
    #[error(
        "api.url has to be http://127.0.0.1:PORT or http://[::1]:PORT: codes would be sent to it in the open"
    )]
    NotLoopback,
}

/// A JSON API. `Debug` shows no token.
#[derive(Clone)]
pub(crate) struct Api {
    web: Web,
    base: url::Url,
    bearer: HeaderValue,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What an API said of a call that it did not carry out.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trouble {
    /// Stable reason code.
    pub(crate) reason: String,
    /// What happened, in English.
    pub(crate) message: String,
    /// The field of the request at fault.
    #[serde(default)]
    pub(crate) field: Option<String>,
    /// The character of the code at fault, from 1.
    #[serde(default)]
    pub(crate) position: Option<u64>,
    /// When more of a quota becomes available, RFC 3339.
    #[serde(default)]
    pub(crate) resets_at: Option<String>,
    /// HTTP status.
    #[serde(skip, default = "unavailable")]
    pub(crate) status: StatusCode,
}

fn unavailable() -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

impl Trouble {
    pub(crate) fn new(reason: &str, message: String) -> Self {
        let reason = reason.to_owned();
        Self { reason, message, field: None, position: None, resets_at: None, status: unavailable() }
    }
}

impl Api {
    pub(crate) fn new(web: Web, at: &ApiAt) -> Result<Self, ApiStartError> {
        if at.url.scheme() != "http" || !is_loopback(&at.url) {
            return Err(ApiStartError::NotLoopback);
        }
        let token = token_of(&at.tokens, &at.application)?;
        let bearer = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {}", *token)).ok());
        let mut bearer = bearer.ok_or_else(|| ApiStartError::NoToken(at.application.clone()))?;
        bearer.set_sensitive(true);
        Ok(Self { web, base: at.url.clone(), bearer })
    }

    /// Reads.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str, id: &RequestId) -> Result<A, Trouble> {
        self.call(self.request(Method::GET, path, JSON, Vec::new(), id)?).await
    }

    /// Sends a body, reads the answer.
    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        id: &RequestId,
    ) -> Result<A, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| Trouble::new("internal", error.to_string()))?;
        self.call(self.request(Method::POST, path, JSON, body, id)?).await
    }

    /// Sends JSON Lines, reads one answer.
    pub(crate) async fn post_lines<A: DeserializeOwned>(
        &self,
        path: &str,
        lines: Vec<u8>,
        id: &RequestId,
    ) -> Result<A, Trouble> {
        self.call(self.request(Method::POST, path, JSON_LINES, lines, id)?).await
    }

    /// Sends JSON Lines, reads JSON Lines as they come.
    pub(crate) async fn exchange(
        &self,
        path: &str,
        lines: Vec<u8>,
        id: &RequestId,
    ) -> Result<Lines, Trouble> {
        let request = self.request(Method::POST, path, JSON_LINES, lines, id)?;
        let answered = self.web.lines(request).await.map_err(|error| self.silent(&error))?;
        answered.map_err(|response| refused(&response))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
        id: &RequestId,
    ) -> Result<Request<Vec<u8>>, Trouble> {
        let broken = |what: String| Trouble::new("unavailable", what);
        let url = self.base.join(path).map_err(|error| broken(error.to_string()))?;
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, &self.bearer)
            .header(header::CONTENT_TYPE, kind)
            .header("x-request-id", id.as_str())
            .body(body)
            .map_err(|error| broken(error.to_string()))
    }

    async fn call<A: DeserializeOwned>(&self, request: Request<Vec<u8>>) -> Result<A, Trouble> {
        let path = request.uri().path().to_owned();
        let response = self.web.call(request).await.map_err(|error| self.silent(&error))?;
        if response.status().is_success() {
            return serde_json::from_slice(response.body()).map_err(|error| unreadable(&error, &path));
        }
        Err(refused(&response))
    }

    /// It does not answer, or no more.
    pub(crate) fn silent(&self, error: &WebError) -> Trouble {
        let reason = if matches!(error, WebError::Slow) { "deadline" } else { "unavailable" };
        tracing::warn!(%error, api = %self.base, "an interface of ours does not answer");
        Trouble::new(reason, error.to_string())
    }
}

/// What it answered cannot be understood.
pub(crate) fn unreadable(error: &serde_json::Error, path: &str) -> Trouble {
    tracing::error!(%error, path, "an answer of an interface of ours cannot be read");
    Trouble::new("internal", "The answer cannot be read.".to_owned())
}

fn refused(response: &Response<Bytes>) -> Trouble {
    let status = response.status();
    let trouble = serde_json::from_slice(response.body())
        .unwrap_or_else(|_| Trouble::new("unavailable", format!("The interface answered {status}.")));
    Trouble { status, ..trouble }
}
