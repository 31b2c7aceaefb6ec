//! What can go wrong.

use keywright_protocol::ErrorBody;
use std::time::Duration;

/// Why there is no answer of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server says why; its sentence is the text.
    #[error("{}", .0.body.message)]
    Api(Box<Refusal>),
    /// The server cannot be reached, or the answer broke off. A change may have been made.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// What answered is not this API, or not one that this version can read.
    #[error("{url} does not answer as Keywright does: {reason}")]
    Unreadable {
        /// The server.
        url: String,
        /// The status of the answer.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(refusal) => Some(refusal.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Unreachable { .. } => None,
        }
    }

    /// The stable code of the server's answer, such as `key_expired`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(refusal) => Some(&refusal.body.error),
            Self::Unreadable { .. } | Self::Unreachable { .. } => None,
        }
    }
}

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// What it says.
    pub body: ErrorBody,
    /// How long to wait before it is asked again, if it says so.
    pub retry_after: Option<Duration>,
    /// What the operator finds it by.
    pub request_id: Option<String>,
}
