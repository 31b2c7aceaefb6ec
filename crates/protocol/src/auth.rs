//! Bodies of the auth API.

use crate::ids::OrganizationId;
use serde::{Deserialize, Serialize};

/// The sentence that clients look for in `error` when an organization id is not a GUID.
pub const GUID_SENTENCE: &str = "organizationId must be a valid GUID";

/// What a successful exchange answers (RFC 6749, section 5.1). There is no refresh token: exchange the key again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// The signed access token. Send it in the `Authorization` header.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the token expires.
    pub expires_in: i64,
}

/// Who the holder of an access token is (OpenID Connect Core 1.0, section 5.3.2, and what the contract's clients read).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserInfo {
    /// The token's subject.
    pub sub: String,
    /// The person's address, or the generated identity of an API Key.
    pub email: String,
    /// The person's name, or the API Key's.
    pub name: String,
    /// The same as `email`.
    pub preferred_username: String,
    /// The organization the token is for.
    #[serde(rename = "currentOrganizationId")]
    pub current_organization_id: OrganizationId,
}
