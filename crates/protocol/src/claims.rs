//! What an access token says (RFC 7519 and RFC 9068, with the claims that the contract's clients read).

use crate::{
    ids::{KeyId, OrganizationId},
    secret::KeyKind,
    status::StatusClaim,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The `typ` header of an access token (RFC 9068, section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The `typ` header of the signed catalog document.
pub const CATALOG_TYPE: &str = "keywright-catalog+jwt";
/// The `typ` header of an identity token.
pub const IDENTITY_TOKEN_TYPE: &str = "identity+jwt";
/// An access token is never longer, in bytes.
pub const MAX_ISSUED_TOKEN_BYTES: usize = 2 * 1024;
/// `scope` stands in a token only up to this many bytes.
pub const MAX_SCOPE_BYTES: usize = 1024;

/// The permissions that custom roles of one holder in one organization name at one audience have together at most so many bytes, as they stand
/// in a token: quoted, with commas between. With them a token is within [`MAX_ISSUED_TOKEN_BYTES`], by an RSA key too.
pub const MAX_CUSTOM_PERMISSIONS_BYTES: usize = 512;

/// The claims of an access token. Every member is required but `scope`, `permissions` and `keyVersion`.
///
/// `scope`, when it stands there, is the whole truth about what the token may do for its audience; otherwise it is what the catalog makes of
/// `roles`, and `permissions` besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessClaims<'a> {
    /// The issuer's public URL (RFC 7519, section 4.1.1).
    pub iss: Cow<'a, str>,
    /// The user's id for a Personal Access Key, the key's id for an API Key.
    pub sub: Cow<'a, str>,
    /// The one API this token is for.
    pub aud: Cow<'a, str>,
    /// Not valid from this second on.
    pub exp: i64,
    /// Not valid before this second.
    pub nbf: i64,
    /// Issued at this second.
    pub iat: i64,
    /// Unique per token.
    pub jti: Cow<'a, str>,
    /// The key that was exchanged (RFC 9068, section 2.2).
    #[serde(rename = "client_id")]
    pub client_id: Cow<'a, str>,
    /// Role keys in the organization the token is for: those of the catalog.
    pub roles: Vec<Cow<'a, str>>,
    /// Permissions that roles of the organization's own add to these, where there is no `scope`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub permissions: Vec<Cow<'a, str>>,
    /// Permissions, separated by single spaces (RFC 8693, section 4.2).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<Cow<'a, str>>,
    /// The organization the token is for.
    pub current_organization_id: OrganizationId,
    /// The organization the key lives in.
    pub organization_id: OrganizationId,
    /// The user's address, or the generated identity of an API Key.
    pub email: Cow<'a, str>,
    /// The key that was exchanged.
    pub key_id: KeyId,
    /// What kind of key it is.
    #[serde(deserialize_with = "crate::form::name")]
    pub key_kind: KeyKind,
    /// Which of the key's secrets was exchanged, counted from 1; of a session, when the password was given that its secret came with, in
    /// milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key_version: Option<i64>,
    /// Where it stands whether the token was taken back.
    #[serde(deserialize_with = "crate::form::object")]
    pub status: StatusClaim<'a>,
}

/// The claims of an identity token: what a gateway says to what stands behind it of whoever it let through. It is no access token: it says who,
/// and opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityClaims {
    /// The issuer's public URL.
    pub iss: String,
    /// The user's id, or the API Key's.
    pub sub: String,
    /// For whom it is: what stands behind the gateway.
    pub aud: String,
    /// Not valid from this second on.
    pub exp: i64,
    /// Not valid before this second.
    pub nbf: i64,
    /// Issued at this second.
    pub iat: i64,
    /// Unique per token.
    pub jti: String,
    /// The user's address, or the generated identity of an API Key.
    pub email: String,
    /// The organization that he acts for.
    pub current_organization_id: OrganizationId,
    /// The organization the key lives in.
    pub organization_id: OrganizationId,
    /// Role keys there.
    pub roles: Vec<String>,
    /// The key; for a session its id.
    pub key_id: KeyId,
    /// What kind of key it is.
    #[serde(deserialize_with = "crate::form::name")]
    pub key_kind: KeyKind,
}
