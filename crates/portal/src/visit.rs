//! One request of a browser: its id, language, session and form; and what goes wrong with it.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tacit_model::RequestId;
use tacit_store::StoreError;

use crate::{
    api::Trouble,
    form::Fields,
    language::Language,
    limits::Wait,
    person::{Login, NotFor, Scope, Who},
    session::{Place, Session},
    upload::Upload,
};

/// One request, as the handlers see it. In the extensions of every request that reaches one.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) id: RequestId,
    pub(crate) language: Language,
    pub(crate) session: Option<Session>,
    /// What the page's script is let in by.
    pub(crate) nonce: Arc<str>,
    /// The address without its language, with its query.
    pub(crate) rest: Arc<str>,
    pub(crate) query: Arc<Fields>,
    /// The fields of the form, when one was sent.
    pub(crate) form: Arc<Fields>,
    /// The file of the form, when one was chosen.
    pub(crate) file: Option<Arc<Upload>>,
    pub(crate) now: tacit_model::Millis,
}

impl Visit {
    /// Who logged in.
    pub(crate) fn login(&self) -> Result<&Login, Fault> {
        self.session.as_ref().and_then(|session| session.state.login.as_ref()).ok_or(Fault::LoggedOut)
    }

    /// Where what is kept for the session lies.
    pub(crate) fn place(&self) -> Result<Place, Fault> {
        self.session.as_ref().map(Session::place).ok_or(Fault::LoggedOut)
    }

    /// Whom the person acts for, if they may do that.
    pub(crate) fn who(&self, scope: Scope) -> Result<&Who, Fault> {
        Ok(self.login()?.may(scope, self.now)?)
    }

    /// An address of this desk in the language of the page.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.language.segment())
    }
}

/// Why a page is not shown. Rendered in one place, in the words of the page's language.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nobody is logged in.
    LoggedOut,
    /// The form is not of this session, or came from elsewhere.
    Forged,
    /// The login has no right to this.
    NotAllowed,
    /// The mandate's term is over.
    MandateOver,
    /// The mandate does not reach so far.
    MandateScope,
    /// There is no such page, or nothing that the person may see under it.
    NotFound,
    /// Another method.
    Method,
    /// The form is too large or cannot be read.
    Form,
    /// The login came to nothing; the person may try again.
    Login,
    /// Too often; the person may try again later.
    Limited(Wait),
    /// An interface behind the desk said why not.
    Trouble(Trouble),
    /// Ours.
    Internal,
}

impl Fault {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::LoggedOut => StatusCode::UNAUTHORIZED,
            Self::Forged | Self::NotAllowed | Self::MandateOver | Self::MandateScope | Self::Login => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Form => StatusCode::BAD_REQUEST,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Trouble(trouble) => trouble.status,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is asked for a page does not answer now.
    pub(crate) fn unavailable() -> Self {
        Self::Trouble(Trouble::new("unavailable", String::new()))
    }

    /// The key of its words: `problem-<key>` and `problem-<key>-next`.
    pub(crate) const fn key(&self) -> &'static str {
        match self {
            Self::LoggedOut => "logged-out",
            Self::Forged => "forged",
            Self::NotAllowed => "not-allowed",
            Self::MandateOver => "mandate-over",
            Self::MandateScope => "mandate-scope",
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Form => "form",
            Self::Login => "login",
            Self::Limited(_) => "limited",
            Self::Trouble(_) => "trouble",
            Self::Internal => "internal",
        }
    }
}

impl From<Wait> for Fault {
    fn from(wait: Wait) -> Self {
        Self::Limited(wait)
    }
}

impl From<NotFor> for Fault {
    fn from(why: NotFor) -> Self {
        match why {
            NotFor::Nobody => Self::NotAllowed,
            NotFor::Over => Self::MandateOver,
            NotFor::Scope => Self::MandateScope,
        }
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble.reason.as_str() {
            "not_found" => Self::NotFound,
            // The portal's token, not the person's doing.
            "unauthenticated" => Self::Internal,
            _ => Self::Trouble(trouble),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the portal's database");
        Self::Internal
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page cannot be written");
        Self::Internal
    }
}

impl IntoResponse for Fault {
    /// Without a body: the outermost layer knows the page's frame and writes it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
