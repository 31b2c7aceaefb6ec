//! Bodies of the second factor. They are our own: what they do not know is refused by name.

use keywright_core::second_factor::{SecondFactor, SetUp};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Where a second factor is in its life.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StateBody {
    /// None is asked for.
    Off,
    /// It was begun and waits for its first code; it is not asked for yet.
    Pending,
    /// It is asked for at each sign-in.
    On,
    /// It is asked for and was lost when a backup was restored: ask the operator to reset it.
    Lost,
}

/// How one's second factor stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecondFactorBody {
    /// Where it is in its life.
    state: StateBody,
    /// Since when it is on; null otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Until when a pending one may be confirmed; null otherwise.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirm_until: Option<Time>,
    /// How many recovery codes are not used; null as long as it is not on.
    recovery_codes_left: Option<usize>,
}

impl From<SecondFactor> for SecondFactorBody {
    fn from(found: SecondFactor) -> Self {
        let nothing = Self { state: StateBody::Off, since: None, confirm_until: None, recovery_codes_left: None };
        match found {
            SecondFactor::Off => nothing,
            SecondFactor::Pending { until } => Self { state: StateBody::Pending, confirm_until: Some(until), ..nothing },
            SecondFactor::On { since, recovery_codes_left } => {
                Self { state: StateBody::On, since: Some(since), recovery_codes_left: Some(recovery_codes_left), ..nothing }
            }
            SecondFactor::Lost => Self { state: StateBody::Lost, ..nothing },
        }
    }
}

/// What a device needs to make codes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetUpBody {
    /// The secret in base32, to be typed into an authenticator app. Shown once.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// The same as a URI, to be shown to a camera as a QR code. Shown once.
    #[schema(value_type = String)]
    uri: Zeroizing<String>,
    /// Until when it may be confirmed.
    #[schema(value_type = String, format = DateTime)]
    confirm_until: Time,
}

impl From<SetUp> for SetUpBody {
    fn from(set_up: SetUp) -> Self {
        Self { secret: set_up.secret, uri: set_up.uri, confirm_until: set_up.confirm_until }
    }
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    /// The six digits that the authenticator app shows, or a recovery code. Spaces, hyphens and case mean nothing.
    #[schema(value_type = String)]
    pub(crate) code: Zeroizing<String>,
}

/// Recovery codes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryCodesBody {
    /// Ten of them, shown once. Each signs in once in the place of the device.
    #[schema(value_type = Vec<String>)]
    pub(crate) recovery_codes: Vec<Zeroizing<String>>,
}
