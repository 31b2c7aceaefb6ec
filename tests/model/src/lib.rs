//! The protocol that keeps a revocation's promise, explored exhaustively.

pub mod cluster;
pub mod feed;
pub mod generations;
pub mod opening;
pub mod protocol;
pub mod waiters;
pub mod words;
pub mod writers;

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What every change must pass.
    Short,
    /// Larger bounds.
    Full,
}
