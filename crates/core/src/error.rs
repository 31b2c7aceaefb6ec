//! Everything an operation can answer instead of success. The texts are for whoever asked and say what to do.

use crate::idempotency::Repeated;
use crate::limits::Allowance;
use keywright_protocol::{KeyKind, Position, Time, catalog::CatalogError, secret::Damage};
use keywright_store::StoreError;
use std::net::IpAddr;

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The credential does not authenticate.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The organization asked for is unknown, suspended or not this key's to reach; which of these is nobody's business.
    #[error("this key gives no access to that organization; use a key of that organization, or of its root")]
    OutOfReach,
    /// The credential lives, but may do nothing in that organization at the audience that was asked for.
    #[error("this key's roles give no permission in that organization for this API; name another API if it is for one, or ask an Owner there for a role")]
    NothingGranted,
    /// A permission that does not exist, or goes beyond what there is to give (RFC 6749, section 5.2).
    #[error("{0}")]
    Scope(String),
    /// An API that tokens are not made for, or not from this (RFC 8693, section 2.2.2; RFC 8707, section 2).
    #[error("{0}")]
    Target(String),
    /// Only the host itself may do that.
    #[error("only an administrator on the host itself may do that, with `keywright admin`")]
    HostOnly,
    /// Not permitted, and why.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The password was given too long ago; the text completes the sentence.
    #[error("{0} needs a fresh session: confirm your password with POST /auth/v1/sessions/current/confirm, then repeat it within five minutes")]
    NotFresh(&'static str),
    /// Address and password do not belong together; which of them is wrong is not said.
    #[error("e-mail address or password is wrong")]
    WrongPassword,
    /// Address and password are right, and the account has a second factor.
    #[error("this account has a second factor: send the same again with code besides, the six digits that your authenticator app shows or a recovery code")]
    SecondFactorRequired,
    /// The code is not the second factor's, or not any more.
    #[error("this code is wrong, or was used already: send the one that your authenticator app shows now, or a recovery code that was not used yet")]
    WrongSecondFactor,
    /// The password was made to be used once.
    #[error(
        "this password was made for the first sign-in alone: send the same again with newPassword besides, a password of your own of at least 12 characters"
    )]
    PasswordMustChange,
    /// Too many passwords are being checked already.
    #[error("too many people are signing in at this moment; try again in a few seconds")]
    Busy,
    /// Too many follow the feed already.
    #[error("too many verifiers follow the stream here; ask /status/v1/changes every few seconds instead")]
    Crowded,
    /// A limit is reached; the text says when to come again.
    #[error("{0}")]
    Limited(Allowance),
    /// Something in the request is not usable.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field's name on the wire.
        field: &'static str,
        /// What a usable one is.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {0} with that id")]
    NotFound(&'static str),
    /// There is no such thing; the sentence says which and what to do.
    #[error("{0}")]
    Absent(&'static str),
    /// It contradicts what is there already.
    #[error("{0}")]
    Conflict(String),
    /// The same request was carried out before, under the same `Idempotency-Key`.
    #[error("this request was carried out before, at revision {}, and its answer is not kept, or not yet; look at what is there now, or ask once more in a second", .0.position)]
    Repeated(Box<Repeated>),
    /// Another request was carried out under the same `Idempotency-Key`.
    #[error("another request was carried out under this Idempotency-Key; send each with a key of its own")]
    KeyReused,
    /// The catalog is not usable.
    #[error("catalog: {0}")]
    Catalog(#[from] CatalogError),
    /// A read asked for a later revision than this server has reached.
    #[error(
        "this server is at revision {0} and has not reached the one that was asked for; try again in a second, or check that it is one that this installation answered"
    )]
    Behind(Position),
    /// The database cannot be asked, or cannot be sure.
    #[error("the database does not answer at the moment; try again in a second")]
    Unavailable,
    /// Something of our own is broken; the text is for the log.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// A refusal to do something, with the reason in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Forbidden {
    /// The sentence.
    pub reason: String,
    /// The permission that was needed, if it was one.
    pub permission: Option<String>,
    /// The roles that carry it.
    pub roles: Vec<String>,
}

impl Forbidden {
    /// For a rule that no role lifts.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), permission: None, roles: Vec::new() }
    }
}

impl Error {
    /// Whether it says nothing of whoever asked and of what he asked for: this server could not answer.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Behind(_) | Self::Internal(_))
    }

    /// A stable code for `error` on the wire.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::OutOfReach => "organization_out_of_reach",
            Self::NothingGranted => "nothing_granted",
            Self::Scope(_) => "invalid_scope",
            Self::Target(_) => "invalid_target",
            Self::HostOnly => "host_only",
            Self::Forbidden(_) => "insufficient_permission",
            Self::NotFresh(_) => "session_not_fresh",
            Self::WrongPassword => "invalid_credentials",
            Self::SecondFactorRequired => "second_factor_required",
            Self::WrongSecondFactor => "wrong_second_factor",
            Self::PasswordMustChange => "password_must_change",
            Self::Busy | Self::Crowded => "too_many_requests",
            Self::Limited(_) => "rate_limited",
            Self::Invalid { .. } => "invalid_request",
            Self::NotFound(_) | Self::Absent(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Repeated(_) => "idempotency_answer_not_kept",
            Self::KeyReused => "idempotency_key_reused",
            Self::Catalog(_) => "invalid_catalog",
            Self::Behind(_) => "revision_not_reached",
            Self::Unavailable => "temporarily_unavailable",
            Self::Internal(_) => "server_error",
        }
    }
}

impl From<Allowance> for Error {
    fn from(empty: Allowance) -> Self {
        Self::Limited(empty)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("such thing"),
            StoreError::Conflict { .. } => Self::Conflict("it contradicts what is there already".to_owned()),
            StoreError::Busy | StoreError::Unavailable => Self::Unavailable,
            StoreError::Corrupt => Self::Internal("a row cannot be read"),
        }
    }
}

/// Why a credential does not authenticate. Whoever holds the right secret is told everything; whoever doesn't, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a whole key.
    #[error("this is no usable key: {0}")]
    Malformed(Damage),
    /// A whole key of another kind than this endpoint takes.
    #[error("this is {}, which is not exchanged here; {}", got.with_article(), where_to_go(*got))]
    WrongKind {
        /// What it is.
        got: KeyKind,
    },
    /// Nobody knows this secret.
    #[error("this key is not known here; check that it is complete, that it belongs to this installation, and that it was not deleted")]
    Unknown,
    /// Nobody knows this operator key.
    #[error("this operator key is not known here; check that it belongs to this installation, or make one with `keywright admin operator-key create`")]
    UnknownOperatorKey,
    /// The secret is right, the name is not one of the key's.
    #[error("the secret is right, but the key has another name; send its present name, an earlier one, or its id")]
    Name,
    /// The key was revoked.
    #[error(
        "this key was revoked on {0}; make a new one in the Security section of your organization or at its personal-access-keys or api-keys on the identity API"
    )]
    Revoked(Time),
    /// The key has expired.
    #[error(
        "this key expired on {0}; make a new one, or rotate it, in the Security section of your organization or at its personal-access-keys or api-keys on the identity API"
    )]
    Expired(Time),
    /// An operator key was revoked.
    #[error("this operator key was revoked on {0}; make a new one with `keywright admin operator-key create`")]
    OperatorKeyRevoked(Time),
    /// An operator key has expired.
    #[error("this operator key expired on {0}; rotate it with `keywright admin operator-key rotate`, or make a new one")]
    OperatorKeyExpired(Time),
    /// The key's time has not come.
    #[error("this key is not valid before {0}")]
    NotYetValid(Time),
    /// The key is suspended.
    #[error("this key has been suspended since {0}; an Owner of its organization can resume it")]
    Suspended(Time),
    /// The key has a newer secret and the overlap is over.
    #[error("this secret was replaced by a newer one on {0}; use the key's newest secret")]
    Replaced(Time),
    /// The key is taken from some addresses only, and this is none of them.
    #[error("this key is not taken from {}; use it from one of its allowed addresses, or have them changed", from(*.0))]
    AddressNotAllowed(Option<IpAddr>),
    /// The person is disabled.
    #[error("the holder of this key has been disabled since {0}; ask an Owner of the organization")]
    HolderDisabled(Time),
    /// The person is no member any more.
    #[error("the holder of this key left its organization on {0}; ask one of its Owners to be invited again, then make a new key")]
    MembershipEnded(Time),
    /// The organization, or its root, takes no Personal Access Keys.
    #[error("this organization has taken no Personal Access Keys since {0}; ask one of its Owners, or use an API Key")]
    PersonalKeysOff(Time),
    /// The organization, or its root, is suspended or deleted.
    #[error("the organization of this key has been suspended or deleted since {0}; ask the operator of this installation")]
    OrganizationDead(Time),
    /// An access token of a generation that has ended.
    #[error("this access token was taken back: it was given up, or its key or what that may do has changed; exchange the key again")]
    TakenBack,
    /// Nobody knows this session.
    #[error("this session is not known here; sign in again")]
    UnknownSession,
    /// The session was ended, was not used for too long, or is too old.
    #[error("this session ended on {0}; sign in again")]
    SessionEnded(Time),
    /// Whoever signed in is disabled.
    #[error("this account has been disabled since {0}; ask the operator of this installation")]
    UserDisabled(Time),
}

fn from(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
}

fn where_to_go(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::PersonalAccessKey => "exchange it as a subject_token at /oauth/token, or send it as personalAccessKey to /auth/v3/token",
        KeyKind::ApiKey => "send it as client_secret beside client_id to /oauth/token, or as secret beside name to /auth/v1/api-key/token",
        KeyKind::OperatorKey => "send it in the Authorization header of the identity API",
        KeyKind::Session => "send it in the Authorization header of the identity API, or make a Personal Access Key",
    }
}

impl Refusal {
    /// A stable code for `error`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::WrongKind { .. } => "malformed_key",
            Self::Unknown | Self::UnknownOperatorKey => "invalid_key",
            Self::Name => "key_name_mismatch",
            Self::Revoked(_) | Self::OperatorKeyRevoked(_) => "key_revoked",
            Self::Expired(_) | Self::OperatorKeyExpired(_) => "key_expired",
            Self::NotYetValid(_) => "key_not_yet_valid",
            Self::Suspended(_) => "key_suspended",
            Self::Replaced(_) => "key_secret_replaced",
            Self::AddressNotAllowed(_) => "key_address_not_allowed",
            Self::HolderDisabled(_) => "holder_disabled",
            Self::MembershipEnded(_) => "membership_ended",
            Self::PersonalKeysOff(_) => "personal_keys_off",
            Self::OrganizationDead(_) => "organization_disabled",
            Self::TakenBack => "invalid_token",
            Self::UnknownSession => "invalid_session",
            Self::SessionEnded(_) => "session_ended",
            Self::UserDisabled(_) => "user_disabled",
        }
    }
}
