//! `keywright signing-keys`: what signs tokens and documents, its successors, and the end of one that has leaked.

use clap::{Subcommand, ValueEnum};
use keywright_protocol::{
    admin::{AdminRequest, SigningKeyRow, SigningKeyState},
    jwk::Purpose,
};

/// An act about signing keys.
#[derive(Debug, Subcommand)]
pub enum SigningKeysCommand {
    /// List all that ever were, with their state and when they go on to the next one
    List,
    /// Make successors: published now, signing when every cache has them
    Rotate {
        /// Only the one that signs these; without it, all
        #[arg(long, value_enum)]
        purpose: Option<Signs>,
    },
    /// Take the trust from a key that has leaked: nothing that it signed is believed any more
    Revoke {
        /// Its key id
        kid: String,
    },
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signs {
    /// Access tokens
    AccessToken,
    /// Public documents, such as the catalog
    Document,
    /// Status lists, their feed, and receipts
    StatusList,
    /// Identity tokens, which a gateway hands to what stands behind it
    Identity,
}

impl From<Signs> for Purpose {
    fn from(signs: Signs) -> Self {
        match signs {
            Signs::AccessToken => Self::AccessToken,
            Signs::Document => Self::Document,
            Signs::StatusList => Self::StatusList,
            Signs::Identity => Self::Identity,
        }
    }
}

impl From<SigningKeysCommand> for AdminRequest {
    fn from(command: SigningKeysCommand) -> Self {
        match command {
            SigningKeysCommand::List => Self::ListSigningKeys,
            SigningKeysCommand::Rotate { purpose } => Self::RotateSigningKeys { purpose: purpose.map(Purpose::from) },
            SigningKeysCommand::Revoke { kid } => Self::RevokeSigningKey { kid },
        }
    }
}

/// A signing key, for people.
pub(crate) fn line(row: &SigningKeyRow) -> String {
    let next = match row.state {
        SigningKeyState::Pending => "signs from",
        SigningKeyState::Active => "gets a successor",
        SigningKeyState::Retired => "is removed",
        SigningKeyState::Removed | SigningKeyState::Revoked => "",
    };
    let next = row.until.map(|until| format!(", {next} {until}")).unwrap_or_default();
    format!("{}  {}  {}  {} since {}{next}", row.kid, row.purpose.as_str(), row.algorithm.as_str(), row.state.as_str(), row.since)
}
