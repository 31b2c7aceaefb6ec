//! `keywright admin operator-key`: keys for the operator's own programs.

use clap::Subcommand;
use keywright_protocol::{
    KeyId, OperatorScope, Time,
    admin::{AdminRequest, OperatorKeyRow},
};

/// About operator keys.
#[derive(Debug, Subcommand)]
pub enum OperatorKeyCommand {
    /// List all, without secrets
    List,
    /// Make one; the secret is shown once
    Create {
        /// Its name
        #[arg(long)]
        name: String,
        /// What it may do: organizations, users, members or keys; repeat it for several
        #[arg(long = "scope", required = true)]
        scopes: Vec<OperatorScope>,
        /// A network that it is taken from, such as 203.0.113.0/24; repeat it for several, leave it out for everywhere
        #[arg(long = "allowed-address")]
        allowed_addresses: Vec<String>,
        /// When it expires, such as 2027-03-31T00:00:00Z; without it after the default life
        #[arg(long)]
        expires_at: Option<Time>,
    },
    /// Give one another secret, which is shown once; its id, name and scopes stay
    Rotate {
        /// Its id
        id: KeyId,
        /// For how many seconds the old secret goes on; 0 ends it at once. Without it 24 hours
        #[arg(long)]
        overlap_seconds: Option<u32>,
        /// When the key expires from now on; without it as before
        #[arg(long)]
        expires_at: Option<Time>,
    },
    /// Revoke one for ever
    Revoke {
        /// Its id
        id: KeyId,
    },
}

impl From<OperatorKeyCommand> for AdminRequest {
    fn from(command: OperatorKeyCommand) -> Self {
        match command {
            OperatorKeyCommand::List => Self::ListOperatorKeys,
            OperatorKeyCommand::Create { name, scopes, allowed_addresses, expires_at } => {
                Self::CreateOperatorKey { name, scopes, expires_at, allowed_addresses }
            }
            OperatorKeyCommand::Rotate { id, overlap_seconds, expires_at } => Self::RotateOperatorKey { key: id, overlap_seconds, expires_at },
            OperatorKeyCommand::Revoke { id } => Self::RevokeOperatorKey { key: id },
        }
    }
}

/// A key on a line.
pub(crate) fn line(row: &OperatorKeyRow) -> String {
    let state = row.revoked_at.map_or_else(|| format!("expires {}", row.expires_at), |at| format!("revoked {at}"));
    let scopes = row.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",");
    let from = if row.allowed_addresses.is_empty() { String::new() } else { format!("  from {}", row.allowed_addresses.join(",")) };
    format!("{}  {scopes}  {}  {state}{from}", row.id, row.name)
}
