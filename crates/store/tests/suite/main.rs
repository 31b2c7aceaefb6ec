//! The tables and statements of identity, each test on both engines.

#[cfg(test)]
mod credentials;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod tables;
