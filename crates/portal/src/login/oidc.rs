//! OpenID Connect: authorization code with PKCE, a nonce, and the issuer letter by letter.
//!
//! The provider's discovery document and keys are fetched when somebody logs in and the last ones are older than some
//! minutes, or an ID token names a key that is not among them: keys that were rotated are known, and a provider that is
//! down keeps the desk from starting no more than it keeps people from logging in.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreIdTokenVerifier,
        CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tacit_identity::{FileError, WebRootsError, read_private};
use tacit_model::{Clock, Millis};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{OidcConfig, Pending};
use crate::{
    person::{Claims, Login},
    session::secret,
    web::{Web, WebError, is_loopback},
};

/// How long a discovery document and the provider's keys are used.
const FRESH: Duration = Duration::from_secs(300);

/// Every claim that the standard does not name.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Others(HashMap<String, Value>);
impl AdditionalClaims for Others {}

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Client = openidconnect::Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a provider cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcStartError {
    /// The issuer.
    #[error("login.issuer has to be an https URL, or an http one on this machine")]
    Issuer,
    /// The secret.
    #[error("login.client_secret: {0}")]
    Secret(FileError),
    /// The certificate authorities.
    #[error("login.roots: {0}")]
    Roots(#[from] WebRootsError),
    /// The desk's own address.
    #[error("origin: {0}")]
    Origin(url::ParseError),
}

/// Why somebody is not logged in. The text is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginFailed {
    /// The provider does not answer as it should.
    #[error("the identity provider cannot be used: {0}")]
    Provider(String),
    /// What came back is not what was sent for, or not from the provider.
    #[error("the identity provider's answer is refused: {0}")]
    Answer(String),
    /// The person said no there, or the provider did.
    #[error("the identity provider did not log the person in: {0}")]
    Declined(String),
    /// The claims let nobody use this desk.
    #[error("the account has no right to use this desk")]
    NoRight,
}

/// An identity provider, for one desk.
pub(crate) struct Oidc {
    config: OidcConfig,
    issuer: IssuerUrl,
    secret: Option<Zeroizing<String>>,
    redirect: RedirectUrl,
    home: PostLogoutRedirectUrl,
    web: Web,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<(Millis, Arc<Known>)>>,
}

/// What is known of the provider.
struct Known {
    client: Client,
    end_session: Option<url::Url>,
    /// Where forms may lead: what the browser is told.
    origin: String,
}

impl Oidc {
    pub(crate) fn new(
        config: &OidcConfig,
        origin: &url::Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OidcStartError> {
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|_| OidcStartError::Issuer)?;
        let (scheme, local) = (issuer.url().scheme(), is_loopback(issuer.url()));
        if scheme != "https" && !(scheme == "http" && local) {
            return Err(OidcStartError::Issuer);
        }
        let secret = config.client_secret.as_deref().map(read_private).transpose();
        let secret = secret.map_err(OidcStartError::Secret)?;
        let secret = secret.map(|bytes| Zeroizing::new(String::from_utf8_lossy(&bytes).trim().to_owned()));
        let own = |path| origin.join(path).map_err(OidcStartError::Origin);
        Ok(Self {
            issuer,
            secret,
            redirect: RedirectUrl::from_url(own("/login/callback")?),
            home: PostLogoutRedirectUrl::from_url(own("/")?),
            web: Web::new(config.roots.as_deref())?,
            config: config.clone(),
            clock,
            known: Mutex::new(None),
        })
    }

    /// Whether people can be sent there.
    pub(crate) async fn ready(&self) -> Result<(), LoginFailed> {
        self.known().await.map(|_| ())
    }

    /// Where the browser is sent to log in, and what has to come back.
    pub(crate) async fn begin(
        &self,
        to: String,
        language: &'static str,
    ) -> Result<(url::Url, Pending), LoginFailed> {
        let known = self.known().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = known.client.authorize_url(
            AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
            || CsrfToken::new(secret()),
            || Nonce::new(secret()),
        );
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let pending = Pending {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            to,
            language: language.to_owned(),
        };
        Ok((url, pending))
    }

    /// Who came back with a code.
    pub(crate) async fn finish(&self, pending: Pending, code: String) -> Result<Login, LoginFailed> {
        let known = self.known().await?;
        let refused = |what: &dyn std::fmt::Display| LoginFailed::Answer(what.to_string());
        let exchange = known.client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|error| LoginFailed::Provider(error.to_string()))?;
        let tokens = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier))
            .request_async(&self.web)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::Request(error) => LoginFailed::Provider(error.to_string()),
                openidconnect::RequestTokenError::ServerResponse(said) => refused(said.error()),
                // Not its text: a token may stand in it.
                _ => LoginFailed::Answer("the token response cannot be read".to_owned()),
            })?;
        let id_token = tokens.id_token().ok_or_else(|| refused(&"no ID token"))?;
        let nonce = Nonce::new(pending.nonce);
        // Providers change their keys when they like.
        let unknown = matches!(
            id_token.claims(&self.verifier(&known), &nonce),
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        let known = if unknown { self.renewed(&known).await? } else { known };
        let verifier = self.verifier(&known);
        let claims = id_token.claims(&verifier, &nonce).map_err(|error| refused(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let found = openidconnect::AccessTokenHash::from_token(
                tokens.access_token(),
                id_token.signing_alg().map_err(|error| refused(&error))?,
                id_token.signing_key(&verifier).map_err(|error| refused(&error))?,
            );
            if found.map_err(|error| refused(&error))? != *expected {
                return Err(refused(&"the access token is not the ID token's"));
            }
        }
        let account = claims.subject().to_string();
        // The claims as they were signed, standard ones among them.
        let all: Claims = match serde_json::to_value(claims) {
            Ok(Value::Object(all)) => all,
            _ => return Err(refused(&"the claims cannot be read")),
        };
        let login = Login::of(account, &all, &self.config.claims).ok_or(LoginFailed::NoRight)?;
        Ok(Login { id_token: Some(id_token.to_string()), ..login })
    }

    /// Where the browser is sent to end the session at the provider too.
    pub(crate) async fn end(&self, login: &Login) -> Option<url::Url> {
        let known = self.known().await.ok()?;
        let mut url = known.end_session.clone()?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.config.client_id);
            query.append_pair("post_logout_redirect_uri", self.home.as_str());
            if let Some(token) = &login.id_token {
                query.append_pair("id_token_hint", token);
            }
        }
        Some(url)
    }

    /// The provider's origin, once it is known: logging in and out leads there.
    pub(crate) async fn origin(&self) -> Option<String> {
        self.known.lock().await.as_ref().map(|(_, known)| known.origin.clone())
    }

    async fn known(&self) -> Result<Arc<Known>, LoginFailed> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some((at, known)) = known.as_ref()
            && now.0.saturating_sub(at.0) < FRESH.as_millis().try_into().unwrap_or(u64::MAX)
        {
            return Ok(Arc::clone(known));
        }
        match self.discover().await {
            Ok(found) => {
                let found = Arc::new(found);
                *known = Some((now, Arc::clone(&found)));
                Ok(found)
            }
            // The last document is better than none; its keys still have to verify.
            Err(error) => match known.as_ref() {
                Some((_, known)) => Ok(Arc::clone(known)),
                None => Err(error),
            },
        }
    }

    /// What verifies ID tokens, by the desk's clock.
    fn verifier<'k>(&self, known: &'k Known) -> CoreIdTokenVerifier<'k> {
        let clock = Arc::clone(&self.clock);
        known.client.id_token_verifier().set_time_fn(move || instant(clock.now()))
    }

    /// What the provider says now, when it signs with a key that was not among those it had.
    async fn renewed(&self, old: &Arc<Known>) -> Result<Arc<Known>, LoginFailed> {
        let mut known = self.known.lock().await;
        if let Some((_, newer)) = known.as_ref().filter(|(_, newer)| !Arc::ptr_eq(newer, old)) {
            return Ok(Arc::clone(newer));
        }
        let found = Arc::new(self.discover().await?);
        *known = Some((self.clock.now(), Arc::clone(&found)));
        Ok(found)
    }

    async fn discover(&self) -> Result<Known, LoginFailed> {
        // The issuer in the document has to be the one that was asked for.
        let metadata = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &self.web)
            .await
            .map_err(|error| LoginFailed::Provider(error.to_string()))?;
        let end_session = metadata.additional_metadata().end_session_endpoint.clone();
        let origin = metadata.authorization_endpoint().url().origin().ascii_serialization();
        let client = Client::from_provider_metadata(
            metadata,
            ClientId::new(self.config.client_id.clone()),
            self.secret.as_ref().map(|secret| ClientSecret::new(secret.to_string())),
        )
        .set_redirect_uri(self.redirect.clone());
        Ok(Known { client, end_session: end_session.map(|url| url.url().clone()), origin })
    }
}

/// Calls with bounds, and without following anybody elsewhere.
impl<'c> AsyncHttpClient<'c> for Web {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, WebError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async { Ok(Web::call(self, request).await?.map(|body| body.to_vec())) })
    }
}

fn instant(at: Millis) -> chrono::DateTime<chrono::Utc> {
    let millis = i64::try_from(at.0).ok().and_then(chrono::DateTime::from_timestamp_millis);
    millis.unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC)
}
