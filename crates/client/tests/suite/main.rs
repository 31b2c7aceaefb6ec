//! The client against a listener that answers as it is told.

#[cfg(test)]
mod listener;
#[cfg(test)]
mod wire;
