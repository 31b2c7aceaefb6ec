//! Words of the OAuth 2.0 family: grant types, kinds of tokens, what introspection answers, and the documents by which programs find
//! their way.

use crate::{
    ids::{KeyId, OrganizationId},
    secret::KeyKind,
};
use serde::{Deserialize, Serialize};

/// An API Key as a client of its own (RFC 6749, section 4.4).
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// Something for a token (RFC 8693, section 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// An access token (RFC 8693, section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Any JWT (RFC 8693, section 3); access tokens are.
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// A Personal Access Key as a subject token.
pub const PERSONAL_ACCESS_KEY: &str = "urn:keywright:params:oauth:token-type:personal-access-key";
/// The secret of an API Key as a subject token.
pub const API_KEY: &str = "urn:keywright:params:oauth:token-type:api-key";

/// What the token endpoint answers (RFC 6749, section 5.1; RFC 8693, section 2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OAuthTokenResponse {
    /// The signed access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// What it may do: ids of permissions, with spaces between them. Absent if they are too many for a token to name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// With a token exchange: what kind of token this is, always an access token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued_token_type: Option<String>,
}

/// What introspection answers (RFC 7662, section 2.2). Of what is not active, that alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Introspection {
    /// Whether it is good at this moment, and whoever asks may know about it.
    pub active: bool,
    /// What it may do: ids of permissions, with spaces between them. All of them, also where a token names roles.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_id: Option<String>,
    /// The person's address, or the generated identity of an API Key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub username: Option<String>,
    /// `Bearer` for an access token; absent for a key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_type: Option<String>,
    /// When it expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iat: Option<i64>,
    /// When it began to be valid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nbf: Option<i64>,
    /// The user's id, or the API Key's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sub: Option<String>,
    /// The API that it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aud: Option<String>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iss: Option<String>,
    /// The token's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jti: Option<String>,
    /// Role keys.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub roles: Option<Vec<String>>,
    /// The organization it is for.
    #[serde(rename = "currentOrganizationId", skip_serializing_if = "Option::is_none", default)]
    pub current_organization_id: Option<OrganizationId>,
    /// The organization the key lives in.
    #[serde(rename = "organizationId", skip_serializing_if = "Option::is_none", default)]
    pub organization_id: Option<OrganizationId>,
    /// The key.
    #[serde(rename = "keyId", skip_serializing_if = "Option::is_none", default)]
    pub key_id: Option<KeyId>,
    /// Its kind.
    #[serde(rename = "keyKind", skip_serializing_if = "Option::is_none", default)]
    pub key_kind: Option<KeyKind>,
}

/// Metadata of the authorization server (RFC 8414, section 2), with what OpenID Connect Discovery adds and is true here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerMetadata {
    /// The issuer.
    pub issuer: String,
    /// Where tokens are made.
    pub token_endpoint: String,
    /// The public keys.
    pub jwks_uri: String,
    /// Where tokens are asked about.
    pub introspection_endpoint: String,
    /// Where they are taken back.
    pub revocation_endpoint: String,
    /// Who holds one.
    pub userinfo_endpoint: String,
    /// How tokens are got.
    pub grant_types_supported: Vec<String>,
    /// None: nobody is sent here with a browser.
    pub response_types_supported: Vec<String>,
    /// How clients say who they are there.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// And where they ask.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// And where they take back; `none`, since whoever has a token may.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// Every permission of the catalog.
    pub scopes_supported: Vec<String>,
    /// The API documentation.
    pub service_documentation: String,
    /// OpenID Connect: `sub` is the same for everybody.
    pub subject_types_supported: Vec<String>,
    /// OpenID Connect: none, there are no ID tokens.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Claims of access tokens.
    pub claims_supported: Vec<String>,
}

/// Metadata of a protected resource (RFC 9728, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceMetadata {
    /// The audience of its tokens.
    pub resource: String,
    /// Whose tokens it takes.
    pub authorization_servers: Vec<String>,
    /// The public keys of that issuer.
    pub jwks_uri: String,
    /// Its permissions.
    pub scopes_supported: Vec<String>,
    /// Where tokens are sent: in a header.
    pub bearer_methods_supported: Vec<String>,
    /// Its documentation.
    pub resource_documentation: String,
}
