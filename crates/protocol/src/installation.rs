//! How an installation is: its position, and the processes that serve it.

use crate::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How an installation is, as the process that was asked sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallationStatus {
    /// How far the database is.
    pub revision: String,
    /// Whether the process that was asked may answer requests at this moment.
    pub has_lease: bool,
    /// Since when nothing is answered by anybody, because revocations may be lost.
    pub shut_at: Option<Time>,
    /// The processes that serve the database together; none where one has it alone.
    pub replicas: Vec<ReplicaStatus>,
}

/// A process that serves the database, as its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Made anew at every start, and whenever the row was gone.
    pub instance: Uuid,
    /// Where it listens.
    pub address: String,
    /// Whether it is the one that was asked.
    pub is_this: bool,
    /// How far it had applied the log of changes at its last renewal.
    pub applied: String,
    /// How many revisions that is behind the database; absent in another history.
    pub behind: Option<i64>,
    /// When it renewed its lease the last time, by its own clock.
    pub renewed_at: Time,
    /// When it joined, by its own clock.
    pub started_at: Time,
    /// Whether it was there before the history was shut, and has not written back yet what it knows.
    pub owes: bool,
}
