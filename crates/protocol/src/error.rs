//! The body of every error answer.

use serde::{Deserialize, Serialize};

/// Every error, on every route, has this body. All members are strings but `rolesWithPermission`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// A stable code, such as `key_expired`. For a malformed organization id the sentence itself, which clients look for.
    pub error: String,
    /// One sentence that says what is wrong and what to do (RFC 6749, section 5.2).
    #[serde(rename = "error_description")]
    pub error_description: String,
    /// The same sentence, for clients that read `message`.
    pub message: String,
    /// At the OAuth endpoints, whose codes are few: what exactly, such as `key_expired`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Where it is documented.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub doc: Option<String>,
    /// 403: the permission that was needed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub required_permission: Option<String>,
    /// 403: the roles that carry that permission.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles_with_permission: Vec<String>,
}

impl ErrorBody {
    /// A body with a code and one sentence.
    #[must_use]
    pub fn new(error: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: error.into(),
            error_description: message.clone(),
            message,
            reason: None,
            doc: None,
            required_permission: None,
            roles_with_permission: Vec::new(),
        }
    }

    /// The same with a link to its documentation.
    #[must_use]
    pub fn with_doc(mut self, url: impl Into<String>) -> Self {
        self.doc = Some(url.into());
        self
    }
}
