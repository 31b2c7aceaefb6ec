//! The behaviour of `Db`, the same on both engines.

#[cfg(test)]
mod common;
#[cfg(test)]
mod copy;
#[cfg(test)]
mod open;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod values;
#[cfg(test)]
mod writes;
