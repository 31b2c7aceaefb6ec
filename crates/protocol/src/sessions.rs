//! Bodies of sign-in and of what one does with a session. What is sent and not known is refused by name.

use crate::{
    ids::{OrganizationId, SessionId, UserId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What an access token of a session is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionTokenBody {
    /// The API, by its audience in the catalog, or the issuer; absent: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub resource: Option<String>,
}

/// Who signs in.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignInBody {
    /// His address.
    pub email: String,
    /// His password.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: Zeroizing<String>,
    /// GUID of the organization to work in; without it the first of his.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub organization_id: Option<String>,
    /// A password to have from now on: at least 12 characters. Needed for a one-time password; ends all other sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required = false))]
    pub new_password: Option<Zeroizing<String>>,
    /// For an account with a second factor: the six digits that the authenticator app shows, or a recovery code. Nobody looks at it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, required = false))]
    pub code: Option<Zeroizing<String>>,
}

/// A session that has just been given a secret.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionSecretBody {
    /// Shown once. Send it in the `Authorization` header of the identity API and of the routes of sessions.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub session_token: Zeroizing<String>,
    /// Seconds until it ends at the latest. It ends sooner if it is not used for 12 hours.
    pub expires_in: i64,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    /// Its id, which opens nothing.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// His address.
    pub email: String,
    /// His name.
    pub name: String,
    /// The organization it is in; null if there is none.
    pub organization_id: Option<OrganizationId>,
    /// When he signed in.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// Until when it may do what needs a fresh session.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub fresh_until: Time,
    /// When it was last used, to the minute.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub used_at: Time,
    /// When it ends at the latest.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Time,
    /// Where he signed in from; empty if that is not known.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchBody {
    /// GUID of an organization of one's own, or of a sub-organization that one inherits.
    pub organization_id: String,
}

/// The password once more.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// The present one.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: Zeroizing<String>,
}

/// What was done, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SentenceBody {
    /// The sentence.
    pub message: String,
}
