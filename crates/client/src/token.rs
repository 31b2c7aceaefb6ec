//! From long-lived keys to access tokens, and what becomes of these.

use crate::{Authorized, Client, ClientError, client::Repeat};
use keywright_protocol::{
    KeyKind, OrganizationId,
    auth::TokenResponse,
    oauth::{self, Introspection, OAuthTokenResponse, ServerMetadata},
    paths, secret,
};
use reqwest::Method;
use std::time::Duration;

/// To what a token is narrowed; by default to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Another organization than the key's own: one within its reach.
    pub organization: Option<OrganizationId>,
    /// Another audience than the catalog's default: one of the catalog, or the issuer.
    pub audience: Option<String>,
    /// Ids of permissions, and no others; empty for all that there are.
    pub scope: Vec<String>,
    /// The token lives so long at most, in whole seconds.
    pub expires_in: Option<Duration>,
}

impl Client {
    /// Exchanges what is secret for an access token (RFC 8693): a Personal Access Key, an API Key by its secret alone, or an access token
    /// to be narrowed. What it is shows in its shape.
    ///
    /// # Errors
    /// [`ClientError`]: 400 `invalid_request` with a `reason` such as `key_expired` for what does not authenticate; `invalid_scope` and
    /// `invalid_target` for what cannot be had.
    pub async fn exchange(&self, subject: &str, wanted: &Wanted) -> Result<OAuthTokenResponse, ClientError> {
        let kind = match secret::recognize(subject) {
            Some(KeyKind::PersonalAccessKey) => oauth::PERSONAL_ACCESS_KEY,
            Some(KeyKind::ApiKey) => oauth::API_KEY,
            // Sessions and operator keys are nobody's subject; the server says so.
            Some(KeyKind::Session | KeyKind::OperatorKey) | None => oauth::ACCESS_TOKEN,
        };
        let given = [("grant_type", oauth::TOKEN_EXCHANGE), ("subject_token", subject), ("subject_token_type", kind)];
        self.oauth_token(&given, wanted).await
    }

    /// An access token for an API Key as a client of its own (RFC 6749, section 4.4): by its id or its name, and its secret.
    ///
    /// # Errors
    /// [`ClientError`]: 401 `invalid_client` with a `reason` for what does not authenticate, else as [`Client::exchange`].
    pub async fn client_credentials(&self, id: &str, secret: &str, wanted: &Wanted) -> Result<OAuthTokenResponse, ClientError> {
        let given = [("grant_type", oauth::CLIENT_CREDENTIALS), ("client_id", id), ("client_secret", secret)];
        self.oauth_token(&given, wanted).await
    }

    async fn oauth_token(&self, given: &[(&str, &str)], wanted: &Wanted) -> Result<OAuthTokenResponse, ClientError> {
        let (organization, scope) = (wanted.organization.map(|id| id.to_string()), wanted.scope.join(" "));
        let expires_in = wanted.expires_in.map(|life| life.as_secs().to_string());
        let narrowing = [
            ("organization_id", organization.as_deref()),
            ("audience", wanted.audience.as_deref()),
            ("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty())),
            ("expires_in", expires_in.as_deref()),
        ];
        let mut form = given.to_vec();
        form.extend(narrowing.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        self.call(self.request(Method::POST, paths::OAUTH_TOKEN, &[]).form(&form), Repeat::Once).await
    }

    /// Takes back what is sent (RFC 7009): an access token with all others of its generation, or a key for ever. Having it is enough; what
    /// is not known, or taken back already, is no error.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke(&self, token: &str) -> Result<(), ClientError> {
        self.call_unread(self.request(Method::POST, paths::OAUTH_REVOKE, &[]).form(&[("token", token)]), Repeat::Once).await
    }

    /// Where everything is, and how the server calls itself in tokens (RFC 8414).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn metadata(&self) -> Result<ServerMetadata, ClientError> {
        self.call(self.request(Method::GET, paths::OAUTH_METADATA, &[]), Repeat::Once).await
    }

    /// Exchanges a Personal Access Key as clients did before there was [`Client::exchange`]: for its own organization or for a
    /// sub-organization of it.
    ///
    /// # Errors
    /// [`ClientError`]: 401 with a code such as `key_expired` for a key that does not authenticate, 403 where it may do nothing.
    pub async fn exchange_personal_access_key(&self, key: &str, organization: Option<OrganizationId>) -> Result<TokenResponse, ClientError> {
        self.exchange_at(paths::TOKEN_V3, &[("personalAccessKey", key)], ("subOrganization", organization)).await
    }

    /// The same for an API Key by its name and its secret, for its own organization or for one that its roles cover.
    ///
    /// # Errors
    /// As [`Client::exchange_personal_access_key`].
    pub async fn exchange_api_key(&self, name: &str, secret: &str, organization: Option<OrganizationId>) -> Result<TokenResponse, ClientError> {
        self.exchange_at(paths::API_KEY_TOKEN, &[("name", name), ("secret", secret)], ("organizationId", organization)).await
    }

    async fn exchange_at(
        &self,
        path: &str,
        credential: &[(&str, &str)],
        (field, organization): (&str, Option<OrganizationId>),
    ) -> Result<TokenResponse, ClientError> {
        let organization = organization.map(|id| id.to_string());
        let mut form = credential.to_vec();
        form.extend(organization.as_deref().map(|id| (field, id)));
        self.call(self.request(Method::POST, path, &[]).form(&form), Repeat::Once).await
    }
}

impl Authorized {
    /// Whether a token or a key is good at this moment, and what it may do (RFC 7662): about one's own root and what hangs under it. Of
    /// anything else it says that it is not active.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn introspect(&self, token: &str) -> Result<Introspection, ClientError> {
        self.client().call(self.request(Method::POST, paths::OAUTH_INTROSPECT, &[]).form(&[("token", token)]), Repeat::Once).await
    }
}
