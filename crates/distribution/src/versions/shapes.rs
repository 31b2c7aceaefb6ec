//! App versions on the wire.

use super::VersionRow;
use crate::{body::Shape, ids::VersionId};
use keywright_protocol::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An app version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AppVersion)]
pub(crate) struct VersionOut {
    /// Never changes.
    #[schema(value_type = Uuid)]
    id: VersionId,
    /// As it was uploaded.
    file_name: String,
    /// `ios` for .ipa, `android` for .apk and .aab, null for others.
    platform: Option<String>,
    /// The version that the file's name tells, as in `shop-1.4.2.apk`; null if it tells none.
    version: Option<String>,
    /// In bytes.
    size: i64,
    /// SHA-256 of the file, in hexadecimal digits.
    sha256: String,
    /// Release notes; null if there are none.
    message: Option<String>,
    /// When it was uploaded.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When its notes were last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

impl From<VersionRow> for VersionOut {
    fn from(row: VersionRow) -> Self {
        let digits = |bytes: &[u8]| bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        Self {
            id: row.id,
            file_name: row.file_name,
            platform: row.platform,
            version: row.version,
            size: row.size,
            sha256: digits(&row.sha256),
            message: row.message,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// New release notes.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MessagePatch {
    /// At most 5000 characters, of control characters only tabs and ends of lines; empty for none.
    #[schema(max_length = 5000)]
    pub(super) message: String,
}

impl Shape for MessagePatch {
    const EXAMPLE: &'static str = r#"{"message": "Fixes the login"}"#;
}
