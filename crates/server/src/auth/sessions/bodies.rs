//! Bodies of sign-in. They are our own: what they do not know is refused by name.

use keywright_core::{
    authorize::FRESH,
    sessions::{SessionRow, SessionSecret},
};
use keywright_protocol::{OrganizationId, SessionId, Time, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignInBody {
    /// His address.
    pub(crate) email: String,
    /// His password.
    #[schema(value_type = String)]
    pub(crate) password: Zeroizing<String>,
    /// GUID of the organization to work in; without it the first of his.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) organization_id: Option<String>,
    /// A password to have from now on: at least 12 characters. Needed for a one-time password; ends all other sessions.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false)]
    pub(crate) new_password: Option<Zeroizing<String>>,
}

/// A session that has just been given a secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionSecretBody {
    /// Shown once. Send it in the `Authorization` header of the identity API and of the routes of sessions.
    #[schema(value_type = String)]
    session_token: Zeroizing<String>,
    /// Seconds until it ends at the latest. It ends sooner if it is not used for 12 hours.
    expires_in: i64,
}

impl SessionSecretBody {
    pub(crate) fn new(session: &SessionSecret, now: Time) -> Self {
        Self { session_token: Zeroizing::new(session.secret.reveal().to_owned()), expires_in: session.expires_at.as_seconds() - now.as_seconds() }
    }
}

/// Whether it is the session that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Other,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionBody {
    /// Its id, which opens nothing.
    id: SessionId,
    /// Who signed in.
    user_id: UserId,
    /// His address.
    email: String,
    /// His name.
    name: String,
    /// The organization it is in; null if there is none.
    organization_id: Option<OrganizationId>,
    /// When he signed in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Until when it may do what needs a fresh session.
    #[schema(value_type = String, format = DateTime)]
    fresh_until: Time,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    used_at: Time,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// Where he signed in from; empty if that is not known.
    address: String,
    /// With what.
    user_agent: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionBody {
    pub(crate) fn new(row: SessionRow, which: Which) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            email: row.email,
            name: row.name,
            organization_id: row.organization_id,
            created_at: row.created_at,
            fresh_until: row.confirmed_at.plus(FRESH),
            used_at: row.used_at,
            expires_at: row.expires_at,
            address: row.address,
            user_agent: row.user_agent,
            current: which == Which::Current,
        }
    }
}

/// Where to go on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SwitchBody {
    /// GUID of an organization of one's own, or of a sub-organization that one inherits.
    pub(crate) organization_id: String,
}

/// The password once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmBody {
    /// The present one.
    #[schema(value_type = String)]
    pub(crate) password: Zeroizing<String>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// The present one.
    #[schema(value_type = String)]
    pub(crate) current_password: Zeroizing<String>,
    /// The one to have from now on: at least 12 characters.
    #[schema(value_type = String)]
    pub(crate) new_password: Zeroizing<String>,
}

/// Who has forgotten his password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetRequestBody {
    /// His address.
    pub(crate) email: String,
}

/// A password chosen by a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetBody {
    /// The secret of the link, as it stands in the mail.
    #[schema(value_type = String)]
    pub(crate) token: Zeroizing<String>,
    /// At least 12 characters.
    #[schema(value_type = String)]
    pub(crate) new_password: Zeroizing<String>,
}

/// What was done, in a sentence.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentenceBody {
    /// The sentence.
    pub(crate) message: String,
}
