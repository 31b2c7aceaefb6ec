//! Who may bring people in, and how many there may be.

use serde::{Deserialize, Serialize};

/// How large the tree of a root organization may grow. What is absent is not limited; an operator key may set others for a root.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Organizations {
    /// People who are direct members of a root or its sub-organizations.
    pub members_per_root: Option<u32>,
    /// Sub-organizations of a root.
    pub sub_organizations_per_root: Option<u32>,
}

/// Who may bring people in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Members {
    /// Whether whoever may change roles gives any but Owner, also those he lacks. Absent: with the preset `appcircle`.
    pub managers_give_any_role: Option<bool>,
    /// Whether tokens of keys invite and change roles.
    pub keys_bring: BringingByKeys,
}

impl Default for Members {
    fn default() -> Self {
        Self { managers_give_any_role: None, keys_bring: BringingByKeys::WithinGrant }
    }
}

/// Whether tokens of keys invite and change roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BringingByKeys {
    /// Within their own grant.
    WithinGrant,
    /// They do not.
    Nobody,
}
