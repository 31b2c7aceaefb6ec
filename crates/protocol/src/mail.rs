//! Mail as `keywright admin outbox` shows it and as it is written: what it says, and what became of it.

use crate::{
    ids::{KeyId, OrganizationId},
    secret::KeyKind,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// A piece of mail that waits to be sent, or was given up. What it says may be a secret: whoever reads it can do what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailRow {
    /// To whom.
    pub recipient: String,
    /// Since when it waits.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again; `None` if it was given up.
    pub next_attempt_at: Option<Time>,
    /// When it was given up.
    pub failed_at: Option<Time>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub content: MailContent,
}

/// What a piece of mail says, and where its link's secret goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "content", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum MailContent {
    /// Somebody is invited.
    Invitation {
        /// The name of the organization.
        organization: String,
        /// Whose invitation it is, by his address; absent for a key's or the host's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invited_by: Option<String>,
        /// The secret of the link.
        token: String,
        /// When it stops working.
        expires_at: Time,
        /// Where it is accepted, by `POST`.
        accept_at: String,
    },
    /// Somebody forgot his password.
    PasswordReset {
        /// The secret of the link.
        token: String,
        /// When it stops working.
        expires_at: Time,
        /// Where the new password is set, by `POST`.
        confirm_at: String,
    },
    /// A key was made, or got another secret.
    NewKey {
        /// Which.
        key: MailKey,
        /// How.
        made: NewSecret,
        /// By whom, in words.
        made_by: String,
        /// From which address; empty if that is not known.
        address: String,
        /// When.
        at: Time,
        /// When it expires.
        expires_at: Time,
        /// Whether this is the last one for a while: further keys of this hour are not told of one by one.
        last_for_now: bool,
    },
    /// A key expires within a week.
    KeyExpiring {
        /// Which.
        key: MailKey,
        /// When.
        expires_at: Time,
    },
    /// A key was used from a network where it had not been used before.
    NewNetwork {
        /// Which.
        key: MailKey,
        /// From where.
        address: String,
        /// What the client calls itself; empty if it does not say.
        user_agent: String,
        /// When.
        at: Time,
        /// Whether this is the last one for a while: further networks of this hour are not told of one by one.
        last_for_now: bool,
    },
    /// Something happened to a second factor.
    SecondFactor {
        /// What.
        event: SecondFactorEvent,
        /// From which address; empty if that is not known.
        address: String,
        /// What the client calls itself; empty if it does not say.
        user_agent: String,
        /// When.
        at: Time,
    },
    /// It was given up, and what it said is of no use any more.
    OutOfDate,
    /// The row was altered in the database, or sealed by another key file.
    Unreadable,
}

/// A key that mail is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailKey {
    /// Its id.
    pub id: KeyId,
    /// Its kind.
    pub kind: KeyKind,
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// That organization's name.
    pub organization: String,
    /// Where it is seen and changed.
    pub manage_at: String,
}

/// How a secret came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewSecret {
    /// With its key.
    OfNewKey,
    /// In the place of another one.
    OfRotation,
}

/// What happened to a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum SecondFactorEvent {
    /// Its owner turned it on.
    TurnedOn,
    /// Its owner turned it off.
    TurnedOff,
    /// An administrator on the host turned it off.
    Reset,
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// New recovery codes took the place of the old ones.
    NewRecoveryCodes,
    /// Somebody who knows the password gave as many wrong codes as are taken.
    GuessesUsedUp,
}

impl MailContent {
    /// The secret of the link; empty if there is none, or it cannot be read.
    #[must_use]
    pub fn token(&self) -> &str {
        match self {
            Self::Invitation { token, .. } | Self::PasswordReset { token, .. } => token,
            Self::NewKey { .. } | Self::KeyExpiring { .. } | Self::NewNetwork { .. } | Self::SecondFactor { .. } | Self::OutOfDate | Self::Unreadable => "",
        }
    }

    /// What it is about, in one word, as it stands in lists, logs and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::PasswordReset { .. } => "password-reset",
            Self::NewKey { .. } => "new-key",
            Self::KeyExpiring { .. } => "key-expiring",
            Self::NewNetwork { .. } => "new-network",
            Self::SecondFactor { .. } => "second-factor",
            Self::OutOfDate => "out-of-date",
            Self::Unreadable => "unreadable",
        }
    }
}
