//! What an operator key may be granted.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One thing that an operator key may do, in every organization but the operator organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OperatorScope {
    /// Make, change, suspend and resume organizations, and set their limits.
    Organizations,
    /// Add, disable and enable users.
    Users,
    /// Make and remove members and give roles, Owner included.
    Members,
    /// Make, change, rotate, suspend and revoke API Keys, with whatever roles; revoke Personal Access Keys.
    Keys,
}

impl OperatorScope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Organizations, Self::Users, Self::Members, Self::Keys];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Users => "users",
            Self::Members => "members",
            Self::Keys => "keys",
        }
    }
}

impl fmt::Display for OperatorScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of organizations, users, members, keys")]
pub struct NoScope;

impl FromStr for OperatorScope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(NoScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words() {
        for scope in OperatorScope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        for bad in ["", "Keys", "owner", "keys users"] {
            assert_eq!(bad.parse::<OperatorScope>(), Err(NoScope), "{bad}");
        }
    }
}
