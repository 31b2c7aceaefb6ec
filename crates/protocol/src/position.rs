//! How far a replica has come in the log of changes.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `(history, n)`, compared in that order. Every committed change raises `n`; failover and restore raise `history`.
/// Written `history.n`, as in the `Keywright-Revision` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Raised whenever the log of changes may have lost its tail.
    pub history: i64,
    /// The revision within the history.
    pub n: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.history, self.n)
    }
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a revision of the form history.n, for example 1.42")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (history, n) = text.split_once('.').ok_or(NotAPosition)?;
        match (history.parse(), n.parse()) {
            (Ok(history), Ok(n)) => Ok(Self { history, n }),
            _ => Err(NotAPosition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_history_is_later_whatever_its_number() {
        let before: Position = "1.900".parse().unwrap();
        let after: Position = "2.3".parse().unwrap();
        assert!(before < after);
        assert_eq!(after.to_string(), "2.3");
        assert_eq!("7".parse::<Position>(), Err(NotAPosition));
    }
}
