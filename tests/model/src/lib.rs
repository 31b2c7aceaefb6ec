//! The protocol that keeps a revocation's promise, explored exhaustively.

pub mod cluster;
pub mod feed;
pub mod opening;
pub mod protocol;
pub mod words;

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What every change must pass.
    Short,
    /// Larger bounds.
    Full,
}
