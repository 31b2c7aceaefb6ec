//! From what the service knows of sessions to their bodies, and the bodies of passwords. They are our own: what they do not know is refused
//! by name.

use keywright_core::{
    authorize::FRESH,
    sessions::{SessionRow, SessionSecret},
};
use keywright_protocol::{
    Time,
    sessions::{SessionBody, SessionSecretBody},
};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A session that has just been given a secret.
pub(crate) fn session_secret(session: &SessionSecret, now: Time) -> SessionSecretBody {
    SessionSecretBody { session_token: Zeroizing::new(session.secret.reveal().to_owned()), expires_in: session.expires_at.as_seconds() - now.as_seconds() }
}

/// Whether it is the session that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Other,
}

/// A session.
pub(crate) fn session(row: SessionRow, which: Which) -> SessionBody {
    SessionBody {
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
