//! Receipts for changes that take something away.

use crate::Time;
use serde::{Deserialize, Serialize};

/// What is known of who has heard of a change. Another one is more complete the later it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The issuer's public URL.
    #[cfg_attr(feature = "openapi", schema(example = "https://auth.example.com"))]
    pub iss: String,
    /// The change, as `Keywright-Revision` named it.
    #[cfg_attr(feature = "openapi", schema(example = "1.42"))]
    pub revision: String,
    /// When it was asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, example = "2026-12-31T09:30:00.000Z"))]
    pub changed_at: Time,
    /// The moment of which this receipt speaks.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, example = "2026-12-31T09:30:05.000Z"))]
    pub as_of: Time,
    /// How many generations of tokens it ended: what one secret gives in one organization.
    #[cfg_attr(feature = "openapi", schema(example = 1))]
    pub ended_generations: usize,
    /// The servers of this installation.
    pub replicas: Vec<ReplicaLine>,
    /// The verifiers that follow its feed, or did within a day before the change.
    pub verifiers: Vec<VerifierLine>,
    /// How many more verifiers there are; those that have not confirmed are named before the others.
    #[serde(skip_serializing_if = "is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = 0))]
    pub more_verifiers: usize,
    /// Until when a token from before the change could still be accepted somewhere.
    pub at_worst: Worst,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// How far somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// It has applied the change.
    Confirmed,
    /// It follows the feed, and has not said so yet.
    Waiting,
    /// It does not follow the feed at the moment.
    Away,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplicaLine {
    /// `confirmed` when it has applied the change. A change is answered only when all have, or when those that have not may answer nothing any more.
    pub state: ReceiptState,
    /// Where it listens, for whoever runs the installation; absent where one server has the database alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "10.0.0.11:8080"))]
    pub address: Option<String>,
    /// When it had applied the change; told of the server that was asked, as long as it runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, example = "2026-12-31T09:30:00.004Z"))]
    pub confirmed_at: Option<Time>,
    /// How long that took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = 4))]
    pub milliseconds: Option<i64>,
}

/// A verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VerifierLine {
    /// As it calls itself.
    #[cfg_attr(feature = "openapi", schema(example = "reports-api"))]
    pub name: String,
    /// Its program and version.
    #[cfg_attr(feature = "openapi", schema(example = "keywright-verify/0.1.0"))]
    pub version: String,
    /// Where it is; only for whoever runs the installation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "192.0.2.7"))]
    pub address: Option<String>,
    /// How far it is.
    pub state: ReceiptState,
    /// When it had said that it had applied the change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, example = "2026-12-31T09:30:00.214Z"))]
    pub confirmed_at: Option<Time>,
    /// How long after the change was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = 214))]
    pub milliseconds: Option<i64>,
    /// When it last had news.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, example = "2026-12-31T09:30:04.000Z"))]
    pub last_seen_at: Time,
    /// Until when, at worst, it could still accept a token from before the change. Absent once it has confirmed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, example = "2026-12-31T09:31:04.000Z"))]
    pub could_accept_until: Option<Time>,
}

/// Until when a token from before a change could still be accepted somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    /// By one of the verifiers named here; absent when all of them have confirmed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime, example = "2026-12-31T09:31:04.000Z"))]
    pub known_verifiers: Option<Time>,
    /// By one that follows no feed: when the last of those tokens has expired.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime, example = "2026-12-31T10:30:30.000Z"))]
    pub without_feed: Time,
}

/// A receipt, and the same signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedReceipt {
    /// What is known now.
    pub receipt: Receipt,
    /// The same as a JWS of type `keywright-receipt+jwt`, by a key of purpose `status-list`: to keep, and to show to others.
    #[cfg_attr(feature = "openapi", schema(example = "eyJhbGciOiJFUzI1NiIs..."))]
    pub signed: String,
}
